"""The pages of a DS Logon, and the one that creates it.

What is typed waits, sealed, in a link that goes by mail: until it is opened, and the password typed once more by
whoever chose it, there is no account. So nobody learns who has one, and nobody makes one in the name of another's
address.
"""

from collections.abc import Mapping

from starlette.responses import Response

from smart_auth import confirm_pages, one_time_code_pages, own_logon_pages, reset_pages, upgrade_pages
from smart_auth.authorization import Authorization
from smart_auth.browser_form import browser_form, check_browser_form
from smart_auth.even_time import in_even_time
from smart_auth.identity import passwords
from smart_auth.identity.accounts import LONGEST_USERNAME, login_of
from smart_auth.identity.logons import Logons, NewLogon, email_of
from smart_auth.logon_mail import has_account_already, is_room, link_to_create, no_mail
from smart_auth.pages.render import page
from smart_auth.steps import Gate
from smart_auth.visit import PageEndpoint, Visit, see

NEW = "/auth/logon/new"
CREATE = "create"

LONGEST_NAME = 200


def pages(parts: Authorization, gates: tuple[Gate, ...]) -> dict[str, PageEndpoint]:
    """The pages by their paths."""
    answers = {
        NEW: new_logon,
        **own_logon_pages.ANSWERS,
        **one_time_code_pages.ANSWERS,
        **confirm_pages.ANSWERS,
        **reset_pages.ANSWERS,
    }
    if parts.portal.registry is not None and parts.portal.registrar is not None:
        answers |= upgrade_pages.ANSWERS
    return {path: PageEndpoint(parts, answer) for path, answer in answers.items()}


async def new_logon(visit: Visit) -> Response:
    """GET asks for username, password, name and address; POST sends a link there. Raises OAuthError 429."""
    if not visit.parts.portal.mail.is_available:
        return no_mail(visit, "Create a DS Logon")
    if not visit.is_post:
        if visit.value("sent") == "yes":
            return page("logon_check_mail.html", {"fault": "", "help_desk": visit.parts.portal.help_desk})
        return _form(visit, {}, ())
    check_browser_form(visit)
    await visit.parts.limits.take("new logon", visit.address, visit.parts.settings.beneficiary_registrations_per_minute)
    typed = {name: visit.value(name).strip() for name in ("username", "name", "email")}
    faults = _faults(visit, typed)
    if faults:
        return _form(visit, typed, faults)
    await in_even_time(_asked(visit, typed))
    return see(f"{NEW}?sent=yes")


async def _asked(visit: Visit, typed: Mapping[str, str]) -> None:
    """Send the link; where the address has an account, send word of that instead."""
    email = email_of(typed["email"]) or ""
    # Hashed in either case: it is what takes the time.
    new = NewLogon(
        username=typed["username"],
        name=typed["name"],
        email=email,
        password_hash=await passwords.hashed(visit.value("password")),
    )
    if await Logons(visit.parts).is_taken(email):
        await visit.parts.portal.mail.send(has_account_already(visit, email))
        return
    if not await is_room(visit, email, CREATE):
        return
    seconds = visit.parts.settings.email_link_hours * 3600
    token = await visit.parts.mail_links.issue(CREATE, email, seconds, new.content)
    await visit.parts.portal.mail.send(link_to_create(visit, email, token))


def _faults(visit: Visit, typed: Mapping[str, str]) -> tuple[str, ...]:
    """Everything that is wrong with the form; nothing of it depends on who exists."""
    found = []
    if not 0 < len(login_of(typed["username"])) <= LONGEST_USERNAME:
        found.append(f"A username has 1 to {LONGEST_USERNAME} characters.")
    if not 0 < len(typed["name"]) <= LONGEST_NAME:
        found.append(f"A name has 1 to {LONGEST_NAME} characters.")
    if email_of(typed["email"]) is None:
        found.append("An e-mail address looks like name@example.org.")
    found.extend(visit.parts.password_policy.faults(visit.value("password"), **typed))
    if visit.value("password") != visit.value("again"):
        found.append("The two passwords are not the same.")
    return tuple(found)


def _form(visit: Visit, typed: Mapping[str, str], faults: tuple[str, ...]) -> Response:
    values = {
        "username": typed.get("username", ""),
        "name": typed.get("name", ""),
        "email": typed.get("email", ""),
        "rules": visit.parts.password_policy.in_words(),
        "faults": faults,
        "fault": " ".join(faults),
    }
    return browser_form(visit, "logon_new.html", values, 400 if faults else 200)
