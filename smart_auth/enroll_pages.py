"""The page where a sponsor enrolls a spouse, a child or a parent (domain.md I8 to I11, story 16)."""

from starlette.responses import Response

from smart_auth.enrollments import FIELDS, RELATIONSHIPS, SPONSORS, Dependent, Sponsor, begun, dependent_of
from smart_auth.errors import CREDENTIAL_NOT_RECOGNIZED, OAuthError
from smart_auth.even_time import in_even_time
from smart_auth.identity.assurance import reaches
from smart_auth.identity.eligibility import RegistryUnavailable
from smart_auth.identity.registration import Registrar, RegistrarConflict
from smart_auth.pages.render import page
from smart_auth.records import REGISTRATIONS, Account, Registration, read
from smart_auth.registration_forms import FAMILY_PROOFS
from smart_auth.registrations import Registrations
from smart_auth.visit import Answer, Visit, see

__all__ = ["RELATIONSHIPS", "SPONSORS", "EnrollPage", "answers"]

ENROLL = "/auth/family/enroll"
SIGN_IN = "/auth/login?next=enroll"
NOBODYS = "enrollment of nobody's dependent"


def answers(registrar: Registrar) -> dict[str, Answer]:
    """The pages by their paths."""
    return {ENROLL: EnrollPage(registrar)}


class EnrollPage:
    """What a sponsor says of a dependent, with a proof of the relationship."""

    def __init__(self, registrar: Registrar) -> None:
        self.registrar = registrar

    async def __call__(self, visit: Visit) -> Response:
        """GET shows the form and what was begun, POST begins. Raises OAuthError 403 for who is not sure enough."""
        if visit.account is None or visit.session is None:
            return see(SIGN_IN)
        account = visit.account
        if account.kind != "patient" or not account.patients or not reaches(visit.session.acr, "level2"):
            text = "Enrolling a dependent takes a beneficiary's sign-in of level 2 (Premium) or by card."
            raise OAuthError(403, "insufficient-assurance", text)
        if not visit.is_post:
            return await self._form(visit, account, ())
        visit.check_form()
        attempts = f"enroll {account.id}"
        await visit.parts.limits.check_logins(attempts)
        said = dependent_of(visit)
        if isinstance(said, tuple):
            return await self._form(visit, account, said)
        if not await in_even_time(self._enrolled(visit, account, said)):
            await visit.parts.limits.failed_login(attempts)
            await visit.parts.note("registration", NOBODYS, account=account, is_failure=True)
            return await self._form(visit, account, (CREDENTIAL_NOT_RECOGNIZED,), 401)
        return see(f"{ENROLL}?begun=yes")

    async def _enrolled(self, visit: Visit, account: Account, said: Dependent) -> bool:
        """Whether a registration was begun. Raises OAuthError 503 where the registry does not answer."""
        registry = visit.parts.portal.registry
        number = await self.registrar.dod_id_of(account.patients[0])
        try:
            sponsor = None if registry is None or number is None else await registry.by_dod_id(number)
            if sponsor is None:
                return False
            return await begun(visit, self.registrar, Sponsor(sponsor, account.patients[0], account), said)
        except RegistryUnavailable:
            raise away() from None

    async def _form(self, visit: Visit, account: Account, faults: tuple[str, ...], status: int = 400) -> Response:
        kept = {name: visit.value(name) if visit.is_post else "" for name in FIELDS}
        values = {
            **kept,
            "account": account,
            "csrf": visit.csrf,
            "relationships": RELATIONSHIPS,
            "proofs": FAMILY_PROOFS,
            "begun": visit.value("begun") == "yes",
            "open": await still_open(visit, self.registrar, account),
            "most_megabytes": visit.parts.settings.proof_bytes_max // 1_048_576,
            "faults": faults,
            "fault": " ".join(faults),
        }
        return page("enroll.html", values, status=status if faults else 200)


def away() -> OAuthError:
    """The registry does not answer."""
    text = "Who is enrolled cannot be looked up at the moment: try again later."
    return OAuthError(503, "temporarily_unavailable", text)


async def still_open(visit: Visit, registrar: Registrar, account: Account) -> list[tuple[str, str]]:
    """Name and status of the enrollments that this account began and that are not decided."""
    registrations, found = Registrations(visit.parts, registrar), list[tuple[str, str]]()
    for document in await visit.parts.documents.find(REGISTRATIONS, {"sponsor": account.id, "decided_at": None}):
        try:
            registration = await registrations.settle(document["id"])
        except (RegistrarConflict, RegistryUnavailable):
            registration = read(Registration, document)
        if registration is not None and registration.sealed is not None:
            found.append((registrations.entered(registration).shown_name, registration.status))
    return found
