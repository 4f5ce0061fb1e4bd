"""Where a session begins, whatever somebody signed in by; and what follows a password that was right.

https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html
"""

from collections.abc import Mapping

from starlette.responses import Response

from smart_auth import cookies
from smart_auth.access import Acr
from smart_auth.errors import not_recognized
from smart_auth.identity.assurance import of_password
from smart_auth.random_secrets import digest, new_secret
from smart_auth.records import PENDING_LOGINS, REQUESTS, Account, PendingLogin, kept
from smart_auth.steps import LOGIN, Arrival, page_of, with_query
from smart_auth.visit import Visit, see

MANAGE = "/auth/manage"
CODE = "/auth/code"

AFTERWARDS = {
    "manage": MANAGE,
    "launch": "/auth/launch",
    "family": "/auth/family",
    "enroll": "/auth/family/enroll",
    "upgrade": "/auth/logon/upgrade",
    "codes": "/auth/one-time-codes",
    "cards": "/auth/cards",
    "contact": "/auth/contact",
    "password": "/auth/logon/password",
    "deactivate": "/auth/logon/deactivate",
    "registration": "/auth/registration/status",
    "registrations": "/auth/registrations",
}
"""Where sign-in can lead where no app asked for it, by the name it has in `next`: an address would be anybody's."""

TIE = "provider-"
"""What a name in `next` begins with that leads to the page of a provider, which is tied there; its own name follows."""

BY_PASSWORD = "username and password"
BY_CODE = "username, password and one-time code"


async def signed_in(
    visit: Visit,
    at: Arrival | None,
    account: Account,
    acr: Acr,
    amr: tuple[str, ...],
    how: str,
    by_cac: bool = False,
) -> Response:
    """Give this browser a session of this account, and send it on: to what the app asked for, or to `next`.

    What the browser had before ends. `how` is for the audit log. Raises OAuthError for an account that is disabled.
    """
    client_id = None if at is None else at.client.id
    if account.is_disabled:
        await visit.parts.note("login-failed", how, client_id=client_id, account=account, is_failure=True)
        raise not_recognized()
    if visit.session is not None:
        await visit.parts.sessions.end(visit.session.id)
    value, session = await visit.parts.sessions.start(account, acr, amr, by_cac)
    await visit.parts.note("login", f"{how}; {acr}", client_id=client_id, account=account)
    if at is not None:
        # A patient that somebody else picked is not this person's choice.
        await visit.parts.documents.change(REQUESTS, at.request.id, {"account": session.account, "patient": None})
    response = see(page_of(LOGIN, at.request.id) if at is not None else afterwards(visit))
    cookies.keep_cookie(response, visit.base, cookies.SESSION, value)
    cookies.drop_cookie(response, visit.base, cookies.BROWSER)
    if cookies.sent_cookie(visit.http, visit.base, cookies.PENDING) is not None:
        cookies.drop_cookie(response, visit.base, cookies.PENDING)
    return response


async def after_password(visit: Visit, at: Arrival | None, account: Account) -> Response:
    """What follows where the password of an account was right: its one-time code if it has such, else the session.

    Raises OAuthError as for a wrong password where the DS Logon was deactivated.
    """
    if account.is_disabled or not account.is_logon_active:
        client_id = None if at is None else at.client.id
        await visit.parts.note("login-failed", BY_PASSWORD, client_id=client_id, account=account, is_failure=True)
        raise not_recognized()
    if account.totp is None:
        return await signed_in(visit, at, account, *of_password(account, with_code=False), BY_PASSWORD)
    value, now = new_secret(), visit.parts.now()
    pending = PendingLogin(
        id=digest(value),
        account=account.id,
        request=None if at is None else at.request.id,
        next=next_of(visit),
        created_at=now,
    )
    ends = now + visit.parts.settings.pending_login_minutes * 60
    await visit.parts.documents.insert(PENDING_LOGINS, pending.id, kept(pending), ends)
    response = see(with_query(CODE, {"request": pending.request or ""}))
    cookies.keep_cookie(response, visit.base, cookies.PENDING, value)
    return response


def next_of(visit: Visit) -> str:
    """Where the browser wants to be afterwards, if it is one of the names that sign-in knows; else empty."""
    return visit.value("next") if visit.value("next") in _places(visit) else ""


def afterwards(visit: Visit) -> str:
    """The address for that; without one the page of what apps may see."""
    return _places(visit).get(visit.value("next"), MANAGE)


def _places(visit: Visit) -> Mapping[str, str]:
    """AFTERWARDS, and the pages of the providers that there are."""
    return AFTERWARDS | {f"{TIE}{each.name}": f"/auth/provider/{each.name}" for each in visit.parts.portal.providers}
