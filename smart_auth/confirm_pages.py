"""The page that a mailed link opens: GET shows a button, and only its POST uses the link: mail scanners follow.

https://cheatsheetseries.owasp.org/cheatsheets/Forgot_Password_Cheat_Sheet.html
"""

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import quote

from starlette.responses import Response

from smart_auth.browser_form import browser_form, check_browser_form
from smart_auth.errors import CREDENTIAL_NOT_RECOGNIZED, OAuthError
from smart_auth.identity import passwords
from smart_auth.identity.accounts import LONGEST_USERNAME, LoginTaken, login_of
from smart_auth.identity.logons import EmailTaken, Logons, NewLogon, email_of
from smart_auth.invitation_pages import INVITED
from smart_auth.invitation_pages import confirmed as registration_confirmed
from smart_auth.logon_mail import CONFIRM, tell
from smart_auth.pages.render import page
from smart_auth.records import MailLink
from smart_auth.registrations import INVITATION
from smart_auth.registrations import PURPOSE as REGISTRATION
from smart_auth.visit import Answer, Visit, see

OVER = (
    "This link has ended: it was used already, a newer one was sent, or too much time has passed. "
    "Ask for a new one where you asked for this one."
)

_TAKEN = "This username is taken: choose another one."
_WITH_ACCOUNT = "There is an account with this e-mail address already: sign in, or ask for a new password."

Confirm = Callable[[Visit, MailLink, str], Awaitable[Response]]
"""Answers GET and POST of a link that was found, with its token."""


async def confirm(visit: Visit) -> Response:
    """Leads to what the link is for. Raises OAuthError 400 for one that is over or never was."""
    if not visit.is_post and visit.value("done") in _DONE:
        return page("confirmed.html", {"fault": "", "text": _DONE[visit.value("done")]})
    if visit.is_post:
        check_browser_form(visit)
    token = visit.value("token")
    for purpose, answer in _PURPOSES.items():
        link = await visit.parts.mail_links.find(purpose, token)
        if link is not None:
            return await answer(visit, link, token)
    raise OAuthError(400, "invalid_request", OVER)


async def _create(visit: Visit, link: MailLink, token: str) -> Response:
    """Whoever opens the link shows by the password that it was they who asked: it may be another's address."""
    new = NewLogon.of(visit.parts.mail_links.content(link))
    if not visit.is_post:
        return _creation(visit, new, token)
    attempts = f"link {link.id}"
    await visit.parts.limits.check_logins(attempts)
    if not await passwords.is_right(visit.value("password"), new.password_hash):
        await visit.parts.limits.failed_login(attempts)
        await visit.parts.note("logon", "wrong password at the link that creates a DS Logon", is_failure=True)
        return _creation(visit, new, token, CREDENTIAL_NOT_RECOGNIZED, status=401)
    # What was guessed at the same time counts as well.
    await visit.parts.limits.check_logins(attempts)
    username = visit.value("username").strip() or new.username
    if not 0 < len(login_of(username)) <= LONGEST_USERNAME:
        return _creation(visit, new, token, f"A username has 1 to {LONGEST_USERNAME} characters.", is_taken=True)
    return await _created(visit, token, NewLogon(**{**_fields(new), "username": username}))


async def _created(visit: Visit, token: str, new: NewLogon) -> Response:
    link = await visit.parts.mail_links.find("create", token)
    # Every name that is taken is told, and each is told in a new link: they are counted by the address.
    names = f"names of {'' if link is None else link.subject}"
    await visit.parts.limits.check_logins(names)
    link = await visit.parts.mail_links.use("create", token)
    if link is None:
        raise OAuthError(400, "invalid_request", OVER)
    try:
        await Logons(visit.parts).create(new)
    except EmailTaken:
        raise OAuthError(400, "invalid_request", _WITH_ACCOUNT) from None
    except LoginTaken:
        # Who reads mail at the address may know: the link is used, so the form goes on with another one.
        await visit.parts.limits.failed_login(names)
        left = max(60, link.expires_at - visit.parts.now())
        token = await visit.parts.mail_links.issue("create", link.subject, left, new.content)
        return _creation(visit, new, token, _TAKEN, is_taken=True)
    return see(f"{CONFIRM}?done=created")


async def _email(visit: Visit, link: MailLink, token: str) -> Response:
    """A new address of an account; until now it was unconfirmed."""
    if not visit.is_post:
        return _button(visit, token, "Confirm your e-mail address", "Confirm this address")
    used = await visit.parts.mail_links.use("email", token)
    if used is None:
        raise OAuthError(400, "invalid_request", OVER)
    typed = visit.parts.mail_links.content(used)
    email = email_of(typed) or typed
    former = await visit.parts.accounts.get(used.subject)
    account = await visit.parts.accounts.change(used.subject, email=email, email_verified_at=visit.parts.now())
    if former is None or account is None:
        raise OAuthError(400, "invalid_request", OVER)
    if former.email != email:
        # Letters with new passwords go there from now on: whose address it was hears of it as long as they can.
        await tell(visit, former, f"The DS Logon {former.username} has another e-mail address from now on.")
    # A link to a new password that went to the old address is no longer the owner's alone.
    await visit.parts.mail_links.end("reset", account.id)
    await visit.parts.note("contact", "e-mail address confirmed", account=account)
    return see(f"{CONFIRM}?done=email")


async def _invited(visit: Visit, link: MailLink, token: str) -> Response:
    return see(f"{INVITED}?token={quote(token, safe='')}")


def _creation(
    visit: Visit, new: NewLogon, token: str, fault: str = "", is_taken: bool = False, status: int = 400
) -> Response:
    values = {"token": token, "name": new.name, "username": new.username, "is_taken": is_taken, "fault": fault}
    return browser_form(visit, "logon_create.html", values, status if fault else 200)


def _button(visit: Visit, token: str, title: str, button: str) -> Response:
    return browser_form(visit, "confirm.html", {"token": token, "title": title, "button": button, "fault": ""}, 200)


def _fields(new: NewLogon) -> dict[str, str]:
    return {name: getattr(new, name) for name in new.__struct_fields__}


_PURPOSES: Mapping[str, Confirm] = {
    "create": _create,
    "email": _email,
    REGISTRATION: registration_confirmed,
    INVITATION: _invited,
}

_DONE = {
    "created": "Your DS Logon is ready, at level 1. Sign in, and upgrade it to Premium to see your health record.",
    "email": "Your e-mail address is confirmed.",
}

ANSWERS: Mapping[str, Answer] = {CONFIRM: confirm}
