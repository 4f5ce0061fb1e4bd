"""What the owner of a DS Logon changes of it: the password, and that it ends. Each asks for the password once more.

https://cheatsheetseries.owasp.org/cheatsheets/Authentication_Cheat_Sheet.html#require-re-authentication-for-sensitive-features
"""

from collections.abc import Mapping

from starlette.responses import Response

from smart_auth import cookies
from smart_auth.errors import CREDENTIAL_NOT_RECOGNIZED
from smart_auth.identity import passwords
from smart_auth.identity.logons import Logons
from smart_auth.logon_mail import ENDED, tell
from smart_auth.pages.render import page
from smart_auth.records import Account
from smart_auth.visit import Answer, Visit, see

PASSWORD = "/auth/logon/password"
DEACTIVATE = "/auth/logon/deactivate"
SIGN_IN = "/auth/login?next="


async def password(visit: Visit) -> Response:
    """GET asks for the password as it is and as it is to be; POST changes it and ends what the old one opened."""
    if visit.account is None or visit.session is None:
        return see(f"{SIGN_IN}password")
    if not visit.is_post:
        return _password_form(visit, visit.account, ())
    visit.check_form()
    faults = _faults(visit, visit.account)
    if faults:
        return _password_form(visit, visit.account, faults)
    if not await is_own_password(visit, visit.account, "password not changed: the old one was wrong"):
        return _password_form(visit, visit.account, (CREDENTIAL_NOT_RECOGNIZED,), 401)
    await Logons(visit.parts).change_password(visit.account, visit.value("new"), visit.session.id)
    await visit.parts.note("logon", "new password, by its owner", account=visit.account)
    await tell(visit, visit.account, f"The password of the DS Logon {visit.account.username} was changed. {ENDED}")
    return see(f"{PASSWORD}?done=yes")


async def deactivate(visit: Visit) -> Response:
    """GET says what ends, POST ends it; whoever comes back hears that it has ended."""
    if not visit.is_post and visit.value("done") == "yes":
        return page("logon_deactivated.html", {"fault": "", "help_desk": visit.parts.portal.help_desk})
    if visit.account is None:
        return see(f"{SIGN_IN}deactivate")
    if not visit.is_post:
        return _deactivation(visit, visit.account)
    visit.check_form()
    if not await is_own_password(visit, visit.account, "DS Logon not deactivated: the password was wrong"):
        return _deactivation(visit, visit.account, CREDENTIAL_NOT_RECOGNIZED)
    await Logons(visit.parts).deactivate(visit.account, "by its owner")
    await tell(visit, visit.account, f"The DS Logon {visit.account.username} was deactivated.")
    response = see(f"{DEACTIVATE}?done=yes")
    cookies.drop_cookie(response, visit.base, cookies.SESSION)
    return response


async def is_owner(visit: Visit, account: Account, failure: str) -> bool:
    """Whether whoever is signed in shows it once more: by the field `password`, or by the card of this session where
    the account has no password. Else it is written down. Raises OAuthError slow_down after too many wrong passwords.
    """
    if account.password_hash:
        return await is_own_password(visit, account, failure)
    if visit.session is not None and visit.session.acr == "card":
        return True
    await visit.parts.note("logon", failure, account=account, is_failure=True)
    return False


async def is_own_password(visit: Visit, account: Account, failure: str) -> bool:
    """Whether the field `password` is the account's; a wrong one counts as a failed login and is written down.

    Raises OAuthError slow_down after too many.
    """
    logons = Logons(visit.parts)
    await logons.check_lock(account)
    if not await passwords.is_right(visit.value("password"), account.password_hash or None):
        await logons.failed(account, failure)
        return False
    # What was guessed at the same time counts as well.
    await logons.check_lock(account)
    return True


def _faults(visit: Visit, account: Account) -> tuple[str, ...]:
    found = visit.parts.password_policy.faults(
        visit.value("new"), username=account.username, name=account.name, email=account.email or ""
    )
    return found if visit.value("new") == visit.value("again") else (*found, "The two passwords are not the same.")


def _password_form(visit: Visit, account: Account, faults: tuple[str, ...], status: int = 400) -> Response:
    values = {
        "account": account,
        "has_password": bool(account.password_hash),
        "csrf": visit.csrf,
        "done": not faults and visit.value("done") == "yes",
        "rules": visit.parts.password_policy.in_words(),
        "help_desk": visit.parts.portal.help_desk,
        "faults": faults,
        "fault": " ".join(faults),
    }
    return page("logon_password.html", values, status=status if faults else 200)


def _deactivation(visit: Visit, account: Account, fault: str = "") -> Response:
    values = {
        "account": account,
        "has_password": bool(account.password_hash),
        "csrf": visit.csrf,
        "help_desk": visit.parts.portal.help_desk,
        "fault": fault,
    }
    return page("logon_deactivate.html", values, status=401 if fault else 200)


ANSWERS: Mapping[str, Answer] = {PASSWORD: password, DEACTIVATE: deactivate}
