"""Signing in by username and password, and signing out.

https://pages.nist.gov/800-63-3/sp800-63b.html#throttle,
https://cheatsheetseries.owasp.org/cheatsheets/Authentication_Cheat_Sheet.html
"""

from starlette.responses import Response

from smart_auth import cookies
from smart_auth.browser_form import browser_form, check_browser_form
from smart_auth.consent import silently
from smart_auth.errors import CREDENTIAL_NOT_RECOGNIZED, OAuthError, not_recognized
from smart_auth.identity.accounts import login_of
from smart_auth.pages.render import page
from smart_auth.records import Account
from smart_auth.sign_in import BY_PASSWORD, after_password, afterwards, next_of
from smart_auth.steps import LOGIN, Arrival, Gate, arrival, next_page, page_of, refused_to_app
from smart_auth.visit import Visit, see


class LoginPage:
    """GET asks for username and password, or leads on where nothing is to be asked; POST signs in."""

    def __init__(self, gates: tuple[Gate, ...]) -> None:
        self.gates = gates

    async def __call__(self, visit: Visit) -> Response:
        """Raises OAuthError for a request that is over, a form of another site, and too many attempts."""
        at = await arrival(visit) if visit.value("request") else None
        if visit.is_post:
            return await _signed_in(visit, at)
        if at is None:
            return _form(visit, None) if visit.account is None else see(afterwards(visit))
        if at.request.prompt == "none":
            return await silently(visit, at, self.gates)
        try:
            there = await next_page(at, visit.parts.now(), self.gates)
        except OAuthError as error:
            return await refused_to_app(visit, at, error)
        return _form(visit, at) if there == LOGIN else see(page_of(there, at.request.id))


async def logout(visit: Visit) -> Response:
    """GET asks, POST ends the session and what was granted for as long as it lasts."""
    if visit.session is None or visit.account is None:
        return page("signed_out.html", {})
    if not visit.is_post:
        return page("sign_out.html", {"csrf": visit.csrf, "account": visit.account})
    visit.check_form()
    await visit.parts.sessions.end(visit.session.id)
    await visit.parts.note("logout", "signed out", account=visit.account)
    response = page("signed_out.html", {})
    cookies.drop_cookie(response, visit.base, cookies.SESSION)
    return response


async def _signed_in(visit: Visit, at: Arrival | None) -> Response:
    """Whoever knows the password goes on to the one-time code, or gets a session."""
    check_browser_form(visit)
    try:
        account = await _account(visit, at)
    except OAuthError as error:
        await _note_flood(visit, at)
        return _form(visit, at, error.text, error)
    if account is None:
        await _note_failure(visit, at, BY_PASSWORD)
        return _form(visit, at, CREDENTIAL_NOT_RECOGNIZED, not_recognized())
    return await after_password(visit, at, account)


async def _account(visit: Visit, at: Arrival | None) -> Account | None:
    """The account whose name and password were sent. Raises OAuthError 429 after too many attempts.

    Every step is the same whether or not there is such a name.
    """
    limits, login = visit.parts.limits, login_of(visit.value("username"))
    await limits.take("login", visit.address, visit.parts.settings.logins_per_minute)
    await limits.check_logins(login)
    account = await visit.parts.accounts.signed_in(visit.value("username"), visit.value("password"))
    if account is None:
        await limits.failed_login(login)
    else:
        # What was guessed at the same time counts as well.
        await limits.check_logins(login)
    return account


async def _note_failure(visit: Visit, at: Arrival | None, text: str) -> None:
    """The typed name is not written down where it is nobody's: it may be a password."""
    client_id = None if at is None else at.client.id
    known = await visit.parts.accounts.by_login(visit.value("username"))
    await visit.parts.note("login-failed", text, client_id=client_id, account=known, is_failure=True)


async def _note_flood(visit: Visit, at: Arrival | None) -> None:
    """Whoever tries too often: one row for an address, a name and a minute, whether or not it is somebody's."""
    known = await visit.parts.accounts.by_login(visit.value("username"))
    caller = f"{visit.address} {login_of(visit.value('username'))}"
    client_id = None if at is None else at.client.id
    await visit.parts.floods.note(caller, "login-failed", "too many attempts", client_id=client_id, account=known)


def _form(visit: Visit, at: Arrival | None, fault: str = "", refused: OAuthError | None = None) -> Response:
    """The sign-in form, with links to the other ways in."""
    portal = visit.parts.portal
    values = {
        "app": None if at is None else at.client.name,
        "request": "" if at is None else at.request.id,
        "next": next_of(visit),
        "username": visit.value("username") if visit.is_post else "",
        "has_cards": portal.cards is not None,
        "providers": portal.providers,
        "can_register": portal.registrar is not None,
        "fault": fault,
    }
    status, headers = (200, None) if refused is None else (refused.status, refused.headers)
    return browser_form(visit, "login.html", values, status, headers)
