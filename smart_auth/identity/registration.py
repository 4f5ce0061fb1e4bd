"""What sign-in asks of the record about a registration, and the shapes in which it does; the FHIR server hands in who
keeps it.

https://hl7.org/fhir/R4/task.html, https://hl7.org/fhir/R4/verificationresult.html
"""

from dataclasses import dataclass
from datetime import date
from typing import Literal, Protocol, get_args

from smart_auth.identity.eligibility import Enrolled
from smart_auth.identity.proofing import Discrepancy, NotEligible, Proven
from smart_auth.records import Beneficiary

ProofKind = Literal[
    "va-card",
    "military-id",
    "dd-214",
    "birth-certificate",
    "marriage-certificate",
    "guardianship",
    "uniformed-services-id",
]
"""What is handed in: the first three prove a veteran's service, the next three a relationship."""

PROOF_KINDS: tuple[ProofKind, ...] = get_args(ProofKind)

Status = Literal["requested", "received", "accepted", "on-hold", "rejected", "cancelled", "completed"]
"""Those of R4's TaskStatus that a registration passes through."""

StaffDecision = Literal["accept-proof", "refuse-proof", "confirm-person", "reject"]
"""What staff decide: the proof is good or not; a personnel office has confirmed the person whom the eligibility system
did not; the registration is rejected.
"""


class RegistrarConflict(Exception):
    """It cannot be done now: two Patients have one DoD ID number, or this step is not one that may follow."""


class BegunByThem(RegistrarConflict):
    """Who decides has begun it: two people look at whatever lets somebody in."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a registration has come. `task` and `patient` are ids; `reason` is one of `Task.statusReason`."""

    task: str
    status: Status
    reason: str | None = None
    patient: str | None = None


@dataclass(frozen=True, slots=True)
class Application:
    """A registration to begin: what the eligibility system said, and under which id sign-in keeps its own part.

    `sponsor_patient` is the id of the sponsor's Patient, `relationship` what the dependent is to the sponsor
    (spouse, child, parent, ward), `by` the `fhirUser` of who began it, where that is not the beneficiary. With
    `awaits_confirmation` it is not completed before the person has confirmed (Registrar.complete).
    """

    beneficiary: Beneficiary
    result: Proven | Discrepancy | NotEligible
    registration: str
    sponsor_patient: str | None = None
    relationship: str | None = None
    by: str | None = None
    awaits_confirmation: bool = False


@dataclass(frozen=True, slots=True)
class Proof:
    """A document handed in; `media_type` is what its first bytes say."""

    kind: ProofKind
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class OpenTask:
    """A registration that waits for staff. `proofs` are the documents handed in, by kind and reference."""

    task: str
    name: str
    birth_date: str
    beneficiary: Beneficiary
    status: Status
    reason: str | None
    proofs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class OpenRelation:
    """A relationship that one of the two denies: `name` is said to be the `relationship` (`mother`) of `patient`."""

    task: str
    name: str
    relationship: str
    patient: str


class Registrar(Protocol):
    """Who keeps registrations in the record. Raises RegistrarConflict, and the store's errors where it is away."""

    async def patient_for(self, enrolled: Enrolled) -> str:
        """The id of the one Patient with this DoD ID; made where there is none."""
        ...

    async def dod_id_of(self, patient: str) -> str | None:
        """The DoD ID number of a Patient."""
        ...

    async def begin(self, application: Application) -> Progress:
        """Make the Task, once for each `registration`."""
        ...

    async def hand_in(self, task: str, proof: Proof) -> Progress:
        """Keep a proof of a registration and ask for its review."""
        ...

    async def decide(self, task: str, decision: StaffDecision, by: str) -> Progress:
        """Carry out what staff decided; `by` is their `fhirUser`."""
        ...

    async def complete(self, task: str) -> Progress:
        """The person has confirmed: the registration ends where nothing else is lacking."""
        ...

    async def cancel(self, task: str) -> Progress:
        """Nobody decided in time what is on hold: it ends, with the reason that it was on hold for."""
        ...

    async def identify(self, patient: str, identification: str) -> None:
        """Keep the number of a dependent's card (`assigner|number`) among the Patient's identifiers, once."""
        ...

    async def progress(self, task: str) -> Progress:
        """How far it has come."""
        ...

    async def open_tasks(self, fhir_user: str) -> list[OpenTask]:
        """Those that wait at the organisations where this practitioner works."""
        ...

    async def decides(self, fhir_user: str) -> bool:
        """Whether this practitioner has a role today at any organisation, and so decides what waits there."""
        ...

    async def open_relations(self, fhir_user: str) -> list[OpenRelation]:
        """Contested relationships that wait where this practitioner works."""
        ...

    async def decide_relation(self, task: str, is_accepted: bool, by: str) -> None:
        """It is proved again and in force as before, or it is none and what it let them do ends."""
        ...

    async def proof(self, fhir_user: str, reference: str) -> tuple[str, bytes] | None:
        """Media type and content of a document handed in at one of them (`DocumentReference/id`)."""
        ...

    async def run(self) -> None:
        """Follow up what was decided anywhere, until cancelled."""
        ...

    async def change_status(self, patient: str, beneficiary_class: str, start: date) -> None:
        """A new beneficiary class from a day on."""
        ...
