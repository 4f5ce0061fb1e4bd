"""A dependent's enrollment, whoever begins it: the sponsor at home, or staff for a sponsor who has come in person.

The registry must name the dependent as this sponsor's (domain.md I8 to I11, story 16).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from smart_auth.identity import numbers
from smart_auth.identity.eligibility import EligibilityRegistry, Enrolled
from smart_auth.identity.logons import email_of
from smart_auth.identity.names import LONGEST_NAME, same_name
from smart_auth.identity.proofing import NotEligible, Proven
from smart_auth.identity.registration import Application, Proof, Registrar, RegistrarConflict
from smart_auth.logon_mail import origin
from smart_auth.records import REGISTRATIONS, Account, Registration
from smart_auth.registration_days import is_of_age, today
from smart_auth.registration_forms import FAMILY_PROOFS, day, proof
from smart_auth.registrations import WANTED, Entered, Registrations, full_name, task_of
from smart_auth.visit import Visit

SPONSORS = frozenset({"active-duty", "reserve", "national-guard", "retiree"})
"""The classes of beneficiary on whom others depend."""

RELATIONSHIPS: Mapping[str, str] = {"spouse": "My spouse", "child": "My child", "parent": "My parent"}
"""What a dependent is to the sponsor, with the words of the sponsor's form."""

FIELDS = ("name", "birth_date", "relationship", "assigner", "card_number", "email")
"""What a form keeps of what was typed where something is wrong with it."""

_LONGEST_NUMBER = 40


@dataclass(frozen=True, slots=True)
class Dependent:
    """What a form says of a dependent. `identification` is `assigner|number` of a card, or None."""

    name: str
    birth_date: date
    relationship: str
    identification: str | None
    email: str
    proof: Proof


@dataclass(frozen=True, slots=True)
class Sponsor:
    """Whose dependent it is: as the registry knows them, and the id of their Patient. `account` begins it; it is
    staff's where `by` is their `fhirUser`.
    """

    enrolled: Enrolled
    patient: str
    account: Account
    by: str | None = None


def dependent_of(visit: Visit) -> Dependent | tuple[str, ...]:
    """What the form says, or everything that is wrong with it before anybody is looked up."""
    handed_in, faults = proof(visit, FAMILY_PROOFS), list[str]()
    born, name = day(visit.value("birth_date")), visit.value("name").strip()
    if born is None or not 0 < len(name) <= LONGEST_NAME:
        faults.append("Type the name, and the birth date such as 1980-07-04.")
    if visit.value("relationship") not in RELATIONSHIPS:
        faults.append("Choose what they are to the sponsor.")
    if born is not None and is_of_age(visit.parts, born) and email_of(visit.value("email")) is None:
        faults.append("A dependent of age gets a letter: type their e-mail address.")
    if numbers.ssn(visit.value("card_number")) is not None:
        faults.append("Nine digits are a Social Security number: type the number of the card, or leave it out.")
    if isinstance(handed_in, str):
        faults.append(handed_in)
    if faults or born is None or not isinstance(handed_in, Proof):
        return tuple(faults)
    email = email_of(visit.value("email")) or ""
    return Dependent(name, born, visit.value("relationship"), _identification(visit), email, handed_in)


async def begun(visit: Visit, registrar: Registrar, sponsor: Sponsor, said: Dependent) -> bool:
    """Whether a registration was begun; False where the registry does not name them so, or another one goes on.

    Raises RegistryUnavailable, and the record's errors.
    """
    parts = visit.parts
    registry = parts.portal.registry
    dependent = None if registry is None else await _named(registry, sponsor, said, today(parts))
    if dependent is None:
        return False
    registrations = Registrations(parts, registrar)
    is_adult = is_of_age(parts, dependent.birth_date)
    registration = _registration(visit, registrations, sponsor, said, dependent)
    former = await registrations.get(registration.id)
    if former is not None and former.sponsor == sponsor.account.id and _waits_with_account(former):
        return await _handed_in(visit, registrar, former, said.proof)
    if not await registrations.claim(registration):
        return False
    is_wanted = bool(dependent.classes(today(parts)) & WANTED["dependent"])
    application = Application(
        "dependent",
        Proven(dependent) if is_wanted else NotEligible(dependent),
        registration.id,
        sponsor_patient=sponsor.patient,
        relationship=said.relationship,
        by=sponsor.by,
        awaits_confirmation=is_adult,
    )
    try:
        progress = await registrar.begin(application)
        if progress.status not in ("completed", "rejected"):
            progress = await registrar.hand_in(progress.task, said.proof)
    except RegistrarConflict:
        return False
    changes = {"task": f"Task/{progress.task}", "status": progress.status}
    await parts.documents.change(REGISTRATIONS, registration.id, changes, {"created_at": registration.created_at})
    who = "a sponsor" if sponsor.by is None else "staff"
    await parts.note("registration", f"{who} began a registration", account=sponsor.account)
    if registration.email:
        await registrations.invite(registration, origin(visit))
    return True


def _waits_with_account(former: Registration) -> bool:
    """Whether the dependent has used the invitation, and what is lacking is the proof."""
    return former.decided_at is None and former.account is not None and former.task is not None


async def _handed_in(visit: Visit, registrar: Registrar, former: Registration, proof: Proof) -> bool:
    """Another proof for what goes on: it changes nothing of whom the invitation went to."""
    registrations = Registrations(visit.parts, registrar)
    try:
        await registrar.hand_in(task_of(former), proof)
        await registrations.settle(former.id)
    except RegistrarConflict:
        return False
    account = await visit.parts.accounts.get(former.sponsor or "")
    await visit.parts.note("registration", "another proof for an open registration", account=account)
    return True


async def _named(registry: EligibilityRegistry, sponsor: Sponsor, said: Dependent, on: date) -> Enrolled | None:
    """The one dependent of this sponsor whom what was typed fits. Raises RegistryUnavailable."""
    if not sponsor.enrolled.classes(on) & SPONSORS:
        return None
    found = [
        each
        for each in await registry.dependents_of(sponsor.enrolled.dod_id)
        if each.birth_date == said.birth_date
        and each.relationship == said.relationship
        and same_name(said.name, each.family, each.given, each.suffix)
    ]
    return found[0] if len(found) == 1 else None


def _registration(
    visit: Visit, registrations: Registrations, sponsor: Sponsor, said: Dependent, dependent: Enrolled
) -> Registration:
    entered = Entered(
        name=full_name(dependent),
        birth_date=dependent.birth_date,
        dod_id=dependent.dod_id,
        shown_name=full_name(dependent),
        origin=origin(visit),
        typed_dod_id=dependent.dod_id,
        identification=said.identification,
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
        email=said.email if is_of_age(visit.parts, dependent.birth_date) else "",
        sealed=registrations.seal(id, entered),
        sponsor=sponsor.account.id,
        status="requested",
        created_at=visit.parts.now(),
        decided_at=None,
    )


def _identification(visit: Visit) -> str | None:
    """The dependent's card as `assigner|number`; None where none was typed: the sponsor's sign-in is enough then."""
    number = visit.value("card_number").strip()[:_LONGEST_NUMBER].replace("|", " ")
    assigner = visit.value("assigner").strip().replace("|", " ")[:_LONGEST_NUMBER] or "Uniformed Services"
    return f"{assigner}|{number}" if number else None
