"""The page where a sponsor enrols a spouse, a child or a parent: the registry must name them as theirs (domain.md I8 to
I11, story 16).
"""

from collections.abc import Mapping
from datetime import date

from starlette.responses import Response

from smart_auth import registration_letters as letters
from smart_auth.errors import CREDENTIAL_NOT_RECOGNIZED, OAuthError
from smart_auth.even_time import in_even_time
from smart_auth.identity.assurance import reaches
from smart_auth.identity.eligibility import Enrolled, RegistryUnavailable
from smart_auth.identity.logons import email_of
from smart_auth.identity.names import LONGEST_NAME, same_name
from smart_auth.identity.proofing import NotEligible, Proven
from smart_auth.identity.registration import Application, Proof, Registrar, RegistrarConflict
from smart_auth.logon_mail import origin
from smart_auth.mail import Message
from smart_auth.pages.render import page
from smart_auth.records import REGISTRATIONS, Account, Registration, read
from smart_auth.registration_days import is_of_age, today
from smart_auth.registration_forms import FAMILY_PROOFS, day, proof
from smart_auth.registrations import INVITATION, WANTED, Entered, Registrations, full_name
from smart_auth.visit import Answer, Visit, see

ENROLL = "/auth/family/enroll"
SIGN_IN = "/auth/login?next=enroll"

SPONSORS = frozenset({"active-duty", "reserve", "national-guard", "retiree"})
"""The classes of beneficiary on whom others depend."""

RELATIONSHIPS: Mapping[str, str] = {"spouse": "My spouse", "child": "My child", "parent": "My parent"}
_LONGEST_NUMBER = 40


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
        handed_in = proof(visit, FAMILY_PROOFS)
        born, faults = day(visit.value("birth_date")), list[str]()
        if born is None or not 0 < len(visit.value("name").strip()) <= LONGEST_NAME:
            faults.append("Type the name, and the birth date such as 1980-07-04.")
        if visit.value("relationship") not in RELATIONSHIPS:
            faults.append("Choose what they are to you.")
        if born is not None and is_of_age(visit.parts, born) and email_of(visit.value("email")) is None:
            faults.append("A dependent of age gets a letter: type their e-mail address.")
        if isinstance(handed_in, str):
            faults.append(handed_in)
        if faults or born is None or not isinstance(handed_in, Proof):
            return await self._form(visit, account, tuple(faults))
        if not await in_even_time(self._enrolled(visit, account, born, handed_in)):
            await visit.parts.limits.failed_login(attempts)
            await visit.parts.note("registration", "enrolment of nobody's dependent", account=account, is_failure=True)
            return await self._form(visit, account, (CREDENTIAL_NOT_RECOGNIZED,), 401)
        return see(f"{ENROLL}?begun=yes")

    async def _enrolled(self, visit: Visit, account: Account, born: date, handed_in: Proof) -> bool:
        """Whether a registration was begun. Raises OAuthError 503 where the registry does not answer."""
        try:
            dependent = await self._dependent(visit, account, born)
        except RegistryUnavailable:
            text = "Who is enrolled cannot be looked up at the moment: try again later."
            raise OAuthError(503, "temporarily_unavailable", text) from None
        if dependent is None:
            return False
        registrations = Registrations(visit.parts, self.registrar)
        is_adult = is_of_age(visit.parts, dependent.birth_date)
        registration = self._registration(visit, registrations, account, dependent, is_adult)
        if not await registrations.claim(registration):
            return False
        is_wanted = bool(dependent.classes(today(visit.parts)) & WANTED["dependent"])
        application = Application(
            "dependent",
            Proven(dependent) if is_wanted else NotEligible(dependent),
            registration.id,
            identification=_identification(visit),
            sponsor_patient=account.patients[0],
            relationship=visit.value("relationship"),
            awaits_confirmation=is_adult,
        )
        try:
            progress = await self.registrar.begin(application)
            if progress.status not in ("completed", "rejected"):
                progress = await self.registrar.hand_in(progress.task, handed_in)
        except RegistrarConflict:
            return False
        changes = {"task": f"Task/{progress.task}", "status": progress.status}
        await visit.parts.documents.change(REGISTRATIONS, registration.id, changes)
        await visit.parts.note("registration", "a sponsor began a registration", account=account)
        if registration.email:
            await self._invite(visit, registration)
        return True

    async def _dependent(self, visit: Visit, account: Account, born: date) -> Enrolled | None:
        """The one dependent of this sponsor whom what was typed fits. Raises RegistryUnavailable."""
        registry = visit.parts.portal.registry
        number = await self.registrar.dod_id_of(account.patients[0])
        sponsor = None if registry is None or number is None else await registry.by_dod_id(number)
        if registry is None or sponsor is None or not sponsor.classes(today(visit.parts)) & SPONSORS:
            return None
        name, relationship = visit.value("name").strip(), visit.value("relationship")
        found = [
            each
            for each in await registry.dependents_of(sponsor.dod_id)
            if each.birth_date == born
            and each.relationship == relationship
            and same_name(name, each.family, each.given, each.suffix)
        ]
        return found[0] if len(found) == 1 else None

    def _registration(
        self, visit: Visit, registrations: Registrations, account: Account, dependent: Enrolled, is_adult: bool
    ) -> Registration:
        entered = Entered(
            name=full_name(dependent),
            birth_date=dependent.birth_date,
            dod_id=dependent.dod_id,
            shown_name=full_name(dependent),
            origin=origin(visit),
            typed_dod_id=dependent.dod_id,
        )
        id = registrations.id_of(dependent)
        return Registration(
            id=id,
            beneficiary="dependent",
            task=None,
            account=None,
            username="",
            login="",
            password_hash="",
            email=(email_of(visit.value("email")) or "") if is_adult else "",
            sealed=registrations.seal(id, entered),
            sponsor=account.id,
            status="requested",
            created_at=visit.parts.now(),
            decided_at=None,
        )

    async def _invite(self, visit: Visit, registration: Registration) -> None:
        days = visit.parts.settings.invitation_days
        token = await visit.parts.mail_links.issue(INVITATION, registration.id, days * 86_400)
        text = letters.signed(letters.invite(origin(visit), token, days), visit.parts.portal.help_desk)
        await visit.parts.portal.mail.send(Message(registration.email, "You were enrolled", text))

    async def _form(self, visit: Visit, account: Account, faults: tuple[str, ...], status: int = 400) -> Response:
        names = ("name", "birth_date", "relationship", "assigner", "card_number", "email")
        kept = {name: visit.value(name) if visit.is_post else "" for name in names}
        values = {
            **kept,
            "account": account,
            "csrf": visit.csrf,
            "relationships": RELATIONSHIPS,
            "proofs": FAMILY_PROOFS,
            "begun": visit.value("begun") == "yes",
            "open": await self._open(visit, account),
            "most_megabytes": visit.parts.settings.proof_bytes_max // 1_048_576,
            "faults": faults,
            "fault": " ".join(faults),
        }
        return page("enroll.html", values, status=status if faults else 200)

    async def _open(self, visit: Visit, account: Account) -> list[tuple[str, str]]:
        """Name and status of the registrations that this sponsor began and that are not decided."""
        registrations = Registrations(visit.parts, self.registrar)
        found = []
        for document in await visit.parts.documents.find(REGISTRATIONS, {"sponsor": account.id, "decided_at": None}):
            registration = await registrations.settle(document["id"]) or read(Registration, document)
            if registration.sealed is not None:
                found.append((registrations.entered(registration).shown_name, registration.status))
        return found


def _identification(visit: Visit) -> str | None:
    """The dependent's card as `assigner|number`; None where none was typed: the sponsor's sign-in is enough then."""
    number = visit.value("card_number").strip()[:_LONGEST_NUMBER]
    assigner = visit.value("assigner").strip().replace("|", " ")[:_LONGEST_NUMBER] or "Uniformed Services"
    return f"{assigner}|{number}" if number else None
