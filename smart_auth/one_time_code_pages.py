"""The page of the second factor: shows the secret for an authenticator app, and takes the factor away again.

https://www.rfc-editor.org/rfc/rfc6238, https://pages.nist.gov/800-63-4/sp800-63b.html
"""

from collections.abc import Mapping

from starlette.responses import Response

from smart_auth.errors import CREDENTIAL_NOT_RECOGNIZED, OAuthError
from smart_auth.identity.logons import Logons
from smart_auth.logon_mail import tell
from smart_auth.own_logon_pages import SIGN_IN, is_own_password
from smart_auth.pages.render import page
from smart_auth.records import Account, Session
from smart_auth.visit import Answer, Visit, see

HERE = "/auth/one-time-codes"
ISSUER = "Health record"

_NOT_ENROLLED = "one-time codes not set up: the password was wrong"
_NOT_REMOVED = "one-time codes not removed: password or code wrong"


async def one_time_codes(visit: Visit) -> Response:
    """GET shows a new secret, or that there is one; POST enrolls (`action` enroll) or removes (remove), by password and
    code. An account without a password has nothing that codes would secure.
    """
    if visit.account is None or visit.session is None:
        return see(f"{SIGN_IN}codes")
    if not visit.is_post:
        return await _page(visit, visit.account, visit.session)
    visit.check_form()
    actions = {"enroll": _enrolled, "remove": _removed}
    if visit.value("action") not in actions:
        raise OAuthError(400, "invalid_request", "The field action must be enroll or remove.")
    return await actions[visit.value("action")](visit, visit.account, visit.session)


async def _enrolled(visit: Visit, account: Account, session: Session) -> Response:
    if not await is_own_password(visit, account, _NOT_ENROLLED):
        return await _page(visit, account, session, CREDENTIAL_NOT_RECOGNIZED)
    if not await visit.parts.one_time_codes.confirm(account, session.id, visit.value("code")):
        fault = "This code is not the one that belongs to the secret at this moment. Look at the clock of your device."
        return await _page(visit, account, session, fault, 400)
    await visit.parts.note("logon", "one-time codes enrolled", account=account)
    await tell(visit, account, f"The DS Logon {account.username} asks for one-time codes from now on.")
    return see(f"{HERE}?done=enrolled")


async def _removed(visit: Visit, account: Account, session: Session) -> Response:
    if not await is_own_password(visit, account, _NOT_REMOVED):
        return await _page(visit, account, session, CREDENTIAL_NOT_RECOGNIZED)
    if not await visit.parts.one_time_codes.is_right(account, visit.value("code")):
        await Logons(visit.parts).failed(account, _NOT_REMOVED)
        return await _page(visit, account, session, CREDENTIAL_NOT_RECOGNIZED)
    await visit.parts.one_time_codes.remove(account.id)
    await visit.parts.note("logon", "one-time codes removed, by their owner", account=account)
    await tell(visit, account, f"The DS Logon {account.username} asks for no one-time codes any more.")
    return see(f"{HERE}?done=removed")


async def _page(visit: Visit, account: Account, session: Session, fault: str = "", status: int = 401) -> Response:
    codes = visit.parts.one_time_codes
    is_enrolled = account.totp is not None
    secret = "" if is_enrolled or not account.password_hash else await codes.proposed(session.id)
    values = {
        "account": account,
        "has_password": bool(account.password_hash),
        "is_enrolled": is_enrolled,
        "secret": " ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        "address": codes.address(account, secret, ISSUER) if secret else "",
        "csrf": visit.csrf,
        "done": "" if fault else visit.value("done"),
        "help_desk": visit.parts.portal.help_desk,
        "fault": fault,
    }
    return page("one_time_codes.html", values, status=status if fault else 200)


ANSWERS: Mapping[str, Answer] = {HERE: one_time_codes}
