"""A new password for who forgot theirs, by a link to the address that they confirmed.

https://cheatsheetseries.owasp.org/cheatsheets/Forgot_Password_Cheat_Sheet.html
"""

from collections.abc import Mapping

from starlette.responses import Response

from smart_auth.browser_form import browser_form, check_browser_form
from smart_auth.confirm_pages import OVER
from smart_auth.errors import OAuthError
from smart_auth.even_time import in_even_time
from smart_auth.identity.logons import Logons
from smart_auth.logon_mail import ENDED, RESET_NEW, is_room, link_to_reset, no_mail, tell
from smart_auth.pages.render import page
from smart_auth.records import Account, MailLink
from smart_auth.visit import Answer, Visit, see

RESET = "/auth/reset"
PURPOSE = "reset"

_TITLE = "Get a new password"


async def reset(visit: Visit) -> Response:
    """GET asks for username or address; POST answers the same to whatever is typed. Raises OAuthError 429."""
    if not visit.parts.portal.mail.is_available:
        return no_mail(visit, _TITLE)
    if not visit.is_post:
        if visit.value("sent") == "yes":
            return page("reset_sent.html", {"fault": "", "help_desk": visit.parts.portal.help_desk})
        return browser_form(visit, "reset.html", {"fault": ""}, 200)
    check_browser_form(visit)
    await visit.parts.limits.take("reset", visit.address, visit.parts.settings.beneficiary_registrations_per_minute)
    await in_even_time(_send(visit))
    return see(f"{RESET}?sent=yes")


async def new_password(visit: Visit) -> Response:
    """GET asks for the new password, POST sets it and uses the link. Raises OAuthError 400 for one that is over."""
    if not visit.is_post and visit.value("done") == "yes":
        return page("reset_done.html", {"fault": ""})
    if visit.is_post:
        check_browser_form(visit)
    token = visit.value("token")
    account = await _owner(visit, await visit.parts.mail_links.find(PURPOSE, token))
    faults = _faults(visit, account) if visit.is_post else ()
    if not visit.is_post or faults:
        return _form(visit, token, account, faults)
    await _owner(visit, await visit.parts.mail_links.use(PURPOSE, token))
    await Logons(visit.parts).reset_password(account, visit.value("password"))
    await tell(visit, account, f"The password of the DS Logon {account.username} was changed by a mailed link. {ENDED}")
    return see(f"{RESET_NEW}?done=yes")


async def _send(visit: Visit) -> None:
    """A link for each account that may be meant; that there is none is written down without what was typed."""
    accounts = await Logons(visit.parts).to_reset(visit.value("name").strip())
    for account in accounts:
        if not await is_room(visit, account.email or "", PURPOSE):
            await visit.parts.floods.note(f"reset {account.id}", "logon", "too many links asked for", account=account)
            continue
        seconds = visit.parts.settings.password_reset_minutes * 60
        token = await visit.parts.mail_links.issue(PURPOSE, account.id, seconds)
        await visit.parts.portal.mail.send(link_to_reset(visit, account, token))
        await visit.parts.note("logon", "link to a new password sent", account=account)
    if not accounts:
        await visit.parts.floods.note(f"reset {visit.address}", "logon", "new password asked for, of nobody's account")


async def _owner(visit: Visit, link: MailLink | None) -> Account:
    """The account of a link, still in use. Raises OAuthError 400."""
    account = None if link is None else await visit.parts.accounts.get(link.subject)
    if account is None or account.is_disabled or not account.is_logon_active:
        raise OAuthError(400, "invalid_request", OVER)
    return account


def _faults(visit: Visit, account: Account) -> tuple[str, ...]:
    found = visit.parts.password_policy.faults(
        visit.value("password"), username=account.username, name=account.name, email=account.email or ""
    )
    is_same = visit.value("password") == visit.value("again")
    return found if is_same else (*found, "The two passwords are not the same.")


def _form(visit: Visit, token: str, account: Account, faults: tuple[str, ...]) -> Response:
    values = {
        "token": token,
        # The letter with the link names it too.
        "username": account.username,
        "rules": visit.parts.password_policy.in_words(),
        "faults": faults,
        "fault": " ".join(faults),
    }
    return browser_form(visit, "reset_new.html", values, 400 if faults else 200)


ANSWERS: Mapping[str, Answer] = {RESET: reset, RESET_NEW: new_password}
