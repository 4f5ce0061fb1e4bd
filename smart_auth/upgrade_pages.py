"""The page that makes a DS Logon of level 1 one of level 2 (Premium): the registry of eligibility says who it is.

Whatever does not fit, the answer is one text: it tells nobody which part was wrong, or who is enrolled.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime

from starlette.responses import Response

from smart_auth.errors import CREDENTIAL_NOT_RECOGNIZED, OAuthError
from smart_auth.even_time import in_even_time
from smart_auth.identity import numbers
from smart_auth.identity.eligibility import EligibilityRegistry, RegistryUnavailable
from smart_auth.identity.logons import Logons, is_adult
from smart_auth.identity.persons import PersonTaken
from smart_auth.identity.proofing import Proven, Typed, prove
from smart_auth.identity.registration import Registrar, RegistrarConflict
from smart_auth.logon_mail import tell
from smart_auth.own_logon_pages import SIGN_IN
from smart_auth.pages.render import page
from smart_auth.records import Account
from smart_auth.visit import Answer, Visit, see

UPGRADE = "/auth/logon/upgrade"


async def upgrade(visit: Visit) -> Response:
    """GET asks for name, birth date, DoD ID and Social Security number; POST upgrades whoever they prove.

    Raises OAuthError 429 after too many failures of this account or about one of these numbers, and 503 where the
    registry does not answer.
    """
    if visit.account is None:
        return see(f"{SIGN_IN}upgrade")
    if not visit.is_post:
        return _page(visit, visit.account)
    visit.check_form()
    account, logons = visit.account, Logons(visit.parts)
    if account.level != "level1" or account.kind != "patient" or not account.is_logon_active:
        return see(UPGRADE)
    typed = _typed(visit)
    counted = () if typed is None else (typed.dod_id or "", typed.ssn or "")
    await logons.check_lock(account, counted)
    refusal = await in_even_time(_refused(visit, account, typed))
    if refusal:
        await logons.failed(account, f"DS Logon not upgraded: {refusal}", counted)
        return _page(visit, account, CREDENTIAL_NOT_RECOGNIZED)
    await tell(visit, account, f"The DS Logon {account.username} was upgraded to Premium (level 2).")
    return see(f"{UPGRADE}?done=yes")


async def _refused(visit: Visit, account: Account, typed: Typed | None) -> str:
    """Upgrade; where that cannot be, why, in words of the audit log."""
    registry, registrar = _records(visit)
    if typed is None:
        return "what was typed cannot be a name, a birth date and two numbers"
    today = datetime.fromtimestamp(visit.parts.now(), UTC).date()
    try:
        found = await prove(registry, typed, frozenset(), today)
    except RegistryUnavailable:
        raise OAuthError(
            503, "temporarily_unavailable", "Who is enrolled cannot be looked up at the moment: try again later."
        ) from None
    if not isinstance(found, Proven):
        return f"the registry of eligibility says {type(found).__name__}"
    if not found.enrolled.classes(today):
        return "no class of beneficiary holds today"
    if not is_adult(found.enrolled.birth_date, visit.parts.now()):
        return "not of age"
    # What was guessed at the same time counts as well.
    await Logons(visit.parts).check_lock(account, (typed.dod_id or "", typed.ssn or ""))
    try:
        patient = await registrar.patient_for(found.enrolled)
        await Logons(visit.parts).upgrade(account, found.enrolled.dod_id, patient)
    except RegistrarConflict:
        return "the record has two patients with this DoD ID"
    except PersonTaken:
        return "another account stands for this person, or this one for another"
    return ""


def _records(visit: Visit) -> tuple[EligibilityRegistry, Registrar]:
    portal = visit.parts.portal
    if portal.registry is None or portal.registrar is None:
        raise OAuthError(404, "invalid_request", "There are no upgrades here.")
    return portal.registry, portal.registrar


def _typed(visit: Visit) -> Typed | None:
    """What was typed, with both numbers in their one form; None where it cannot be right."""
    dod_id, ssn = numbers.dod_id(visit.value("dod_id")), numbers.ssn(visit.value("ssn"))
    name = visit.value("name").strip()
    try:
        birth_date = date.fromisoformat(visit.value("birth_date").strip())
    except ValueError:
        return None
    return None if dod_id is None or ssn is None or not name else Typed(name, birth_date, dod_id, ssn)


def _page(visit: Visit, account: Account, fault: str = "") -> Response:
    is_old_session = visit.session is not None and visit.session.acr == "level1" and account.level == "level2"
    values = {
        "account": account,
        "csrf": visit.csrf,
        "can_upgrade": account.level == "level1" and account.kind == "patient" and account.is_logon_active,
        "must_sign_in": is_old_session,
        "name": visit.value("name") if visit.is_post else "",
        "birth_date": visit.value("birth_date") if visit.is_post else "",
        "help_desk": visit.parts.portal.help_desk,
        "fault": fault,
    }
    return page("logon_upgrade.html", values, status=401 if fault else 200)


ANSWERS: Mapping[str, Answer] = {UPGRADE: upgrade}
