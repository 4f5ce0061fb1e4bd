"""The second factor: a one-time code, asked for once the password was right.

https://pages.nist.gov/800-63-3/sp800-63b.html#singlefactorotp
"""

from starlette.responses import Response

from smart_auth import cookies
from smart_auth.authorization import Authorization
from smart_auth.browser_form import browser_form, check_browser_form
from smart_auth.errors import CREDENTIAL_NOT_RECOGNIZED, OAuthError, not_recognized
from smart_auth.identity.assurance import of_password
from smart_auth.random_secrets import digest
from smart_auth.records import PENDING_LOGINS, Account, PendingLogin, read
from smart_auth.sign_in import BY_CODE, CODE, next_of, signed_in
from smart_auth.steps import LOGIN, OVER, Arrival, Gate, arrival, with_query
from smart_auth.visit import PageEndpoint, Visit, see

MOST_ATTEMPTS = 5


def pages(parts: Authorization, gates: tuple[Gate, ...]) -> dict[str, PageEndpoint]:
    """The pages by their paths."""
    return {CODE: PageEndpoint(parts, code)}


async def code(visit: Visit) -> Response:
    """GET asks for the code, POST signs in by it (`code`). Without a password before it, it leads back to that."""
    pending = await _pending(visit)
    if visit.is_post:
        check_browser_form(visit)
    account = None if pending is None else await visit.parts.accounts.get(pending.account)
    if pending is None or account is None or account.totp is None:
        return see(with_query(LOGIN, {"request": visit.value("request"), "next": next_of(visit)}))
    if visit.value("request") != (pending.request or ""):
        raise OAuthError(400, "invalid_request", OVER)
    at = await arrival(visit) if pending.request is not None else None
    if not visit.is_post:
        return _form(visit, at, pending)
    return await _answered(visit, at, pending, account)


async def _answered(visit: Visit, at: Arrival | None, pending: PendingLogin, account: Account) -> Response:
    limits = visit.parts.limits
    await limits.take("login", visit.address, visit.parts.settings.logins_per_minute)
    try:
        await limits.check_logins(account.login)
        await _count_attempt(visit, pending)
        # A code is asked after even where it is too late, so that a late one is used up too.
        is_right = await visit.parts.one_time_codes.is_right(account, visit.value("code").replace(" ", ""))
        if is_right:
            # What was guessed at the same time counts as well.
            await limits.check_logins(account.login)
    except OAuthError as error:
        await _note_flood(visit, at, account)
        return _form(visit, at, pending, error.text, error)
    if not is_right:
        await limits.failed_login(account.login)
        await _note_failure(visit, at, account)
        return _form(visit, at, pending, CREDENTIAL_NOT_RECOGNIZED, not_recognized())
    if not account.is_logon_active or not await visit.parts.documents.remove(PENDING_LOGINS, pending.id):
        await _note_failure(visit, at, account)
        raise not_recognized()
    return await signed_in(visit, at, account, *of_password(account, with_code=True), BY_CODE)


async def _pending(visit: Visit) -> PendingLogin | None:
    """Whose password was right in this browser a short while ago."""
    value = cookies.sent_cookie(visit.http, visit.base, cookies.PENDING)
    document = await visit.parts.documents.get(PENDING_LOGINS, digest(value)) if value else None
    pending = None if document is None else read(PendingLogin, document)
    if pending is None:
        return None
    lasts = visit.parts.settings.pending_login_minutes * 60
    return pending if pending.created_at + lasts > visit.parts.now() else None


async def _count_attempt(visit: Visit, pending: PendingLogin) -> None:
    """One attempt at a time, and MOST_ATTEMPTS in all. Raises OAuthError 429; after the last one it is over."""
    was, documents = {"attempts": pending.attempts}, visit.parts.documents
    is_last = pending.attempts >= MOST_ATTEMPTS
    if is_last or await documents.change(PENDING_LOGINS, pending.id, {"attempts": pending.attempts + 1}, was) is None:
        if is_last:
            await documents.remove(PENDING_LOGINS, pending.id)
        raise OAuthError(429, "temporarily_unavailable", "Too many attempts. Sign in again.", {"Retry-After": "1"})


async def _note_failure(visit: Visit, at: Arrival | None, account: Account) -> None:
    client_id = None if at is None else at.client.id
    await visit.parts.note("login-failed", BY_CODE, client_id=client_id, account=account, is_failure=True)


async def _note_flood(visit: Visit, at: Arrival | None, account: Account) -> None:
    client_id = None if at is None else at.client.id
    caller = f"{visit.address} {account.login}"
    await visit.parts.floods.note(caller, "login-failed", "too many attempts", client_id=client_id, account=account)


def _form(
    visit: Visit, at: Arrival | None, pending: PendingLogin, fault: str = "", refused: OAuthError | None = None
) -> Response:
    values = {
        "app": None if at is None else at.client.name,
        "request": pending.request or "",
        # It was checked where it was sent.
        "next": pending.next,
        "fault": fault,
    }
    status, headers = (200, None) if refused is None else (refused.status, refused.headers)
    return browser_form(visit, "code.html", values, status, headers)
