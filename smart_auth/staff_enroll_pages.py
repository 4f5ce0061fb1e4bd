"""The page where staff begin a dependent's registration for a sponsor who has come in person (domain.md I10)."""

from starlette.responses import Response

from smart_auth.enroll_pages import NOBODYS, away, still_open
from smart_auth.enrollments import FIELDS, RELATIONSHIPS, SPONSORS, Dependent, Sponsor, begun, dependent_of
from smart_auth.errors import CREDENTIAL_NOT_RECOGNIZED, OAuthError
from smart_auth.even_time import in_even_time
from smart_auth.identity import numbers
from smart_auth.identity.eligibility import RegistryUnavailable
from smart_auth.identity.names import LONGEST_NAME
from smart_auth.identity.proofing import Proven, Typed, prove
from smart_auth.identity.registration import Registrar, RegistrarConflict
from smart_auth.pages.render import page
from smart_auth.records import Account
from smart_auth.registration_days import today
from smart_auth.registration_forms import FAMILY_PROOFS, day
from smart_auth.visit import Answer, Visit, see

BEGIN = "/auth/registrations/begin"
SIGN_IN = "/auth/login?next=registrations"
_FIELDS = (*FIELDS, "sponsor_name", "sponsor_birth_date", "sponsor_dod_id")


def answers(registrar: Registrar) -> dict[str, Answer]:
    """The pages by their paths."""
    return {BEGIN: StaffEnrollPage(registrar)}


class StaffEnrollPage:
    """What staff say of a sponsor whose card they hold, and of the dependent, with a proof of the relationship."""

    def __init__(self, registrar: Registrar) -> None:
        self.registrar = registrar

    async def __call__(self, visit: Visit) -> Response:
        """GET shows the form, POST begins. Raises OAuthError 403 for who decides no registrations anywhere."""
        if visit.account is None:
            return see(SIGN_IN)
        account = visit.account
        if account.kind != "practitioner" or account.fhir_user is None:
            raise OAuthError(403, "access_denied", "Registrations are begun in person by staff.")
        if not await self.registrar.decides(account.fhir_user):
            raise OAuthError(403, "access_denied", "You have no role at an organization that registers people.")
        if not visit.is_post:
            return await self._form(visit, account, ())
        visit.check_form()
        attempts = f"enroll {account.id}"
        await visit.parts.limits.check_logins(attempts)
        typed, said = _sponsor(visit), dependent_of(visit)
        faults = said if isinstance(said, tuple) else ()
        if typed is None:
            faults = ("Type the sponsor's name, birth date such as 1980-07-04, and DoD ID number.", *faults)
        if typed is None or isinstance(said, tuple):
            return await self._form(visit, account, faults)
        if not await in_even_time(self._begun(visit, account, typed, said)):
            await visit.parts.limits.failed_login(attempts)
            await visit.parts.note("registration", NOBODYS, account=account, is_failure=True)
            return await self._form(visit, account, (CREDENTIAL_NOT_RECOGNIZED,), 401)
        return see(f"{BEGIN}?begun=yes")

    async def _begun(self, visit: Visit, account: Account, typed: Typed, said: Dependent) -> bool:
        """Whether a registration was begun. Raises OAuthError 503 where the registry does not answer."""
        registry = visit.parts.portal.registry
        if registry is None:
            raise away()
        try:
            found = await prove(registry, typed, SPONSORS, today(visit.parts))
            if not isinstance(found, Proven):
                return False
            patient = await self.registrar.patient_for(found.enrolled)
            sponsor = Sponsor(found.enrolled, patient, account, account.fhir_user)
            return await begun(visit, self.registrar, sponsor, said)
        except RegistrarConflict:
            return False
        except RegistryUnavailable:
            raise away() from None

    async def _form(self, visit: Visit, account: Account, faults: tuple[str, ...], status: int = 400) -> Response:
        values = {
            **{name: visit.value(name) if visit.is_post else "" for name in _FIELDS},
            "account": account,
            "csrf": visit.csrf,
            "action": BEGIN,
            "relationships": {code: f"The sponsor's {code}" for code in RELATIONSHIPS},
            "proofs": FAMILY_PROOFS,
            "begun": visit.value("begun") == "yes" and not visit.is_post,
            "open": await still_open(visit, self.registrar, account),
            "most_megabytes": visit.parts.settings.proof_bytes_max // 1_048_576,
            "faults": faults,
            "fault": " ".join(faults),
        }
        return page("enroll_in_person.html", values, status=status if faults else 200)


def _sponsor(visit: Visit) -> Typed | None:
    """Who the sponsor is said to be; None where it cannot be anybody."""
    born, name = day(visit.value("sponsor_birth_date")), visit.value("sponsor_name").strip()
    dod_id = numbers.dod_id(visit.value("sponsor_dod_id"))
    if born is None or dod_id is None or not 0 < len(name) <= LONGEST_NAME:
        return None
    return Typed(name, born, dod_id)
