"""Who may write what: from an AccessContext to the bounds that one document of a WritePlan must keep to.

https://hl7.org/fhir/R4/security.html#authorization,
https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from fhir_server.care.medications import task_asks
from fhir_server.care.registration_tasks import REGISTRATION, task_kind
from fhir_server.core import outcome
from fhir_server.core.outcome import FhirError
from fhir_server.core.resource import Resource
from fhir_server.core.write_plan import Filter, IndexValues, Keeps, Method
from fhir_server.definitions.elements import structure
from fhir_server.definitions.owners import owner_rule
from fhir_server.definitions.participants import PARTICIPANTS
from fhir_server.policy import EVERYTHING, Sight, is_within, permitted, row_filter, speaking_for, visible
from fhir_server.search.parameter_types import token
from fhir_server.search.request import Visible
from smart_auth.access import AccessContext

Letter = Literal["c", "u", "d"]

PATIENT_ASSERTED = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "PATAST",
    "display": "patient asserted",
}
"""The security label of what a patient's own token created (https://terminology.hl7.org/CodeSystem-v3-ObservationValue)."""

PATAST = token.label(PATIENT_ASSERTED) or ""
"""The same as a row has it among its `labels`."""

ORDERS = frozenset({"MedicationRequest", "ServiceRequest", "DeviceRequest", "NutritionOrder", "VisionPrescription"})
"""What practitioners order, so that somebody is treated otherwise than before."""

_BY_PATIENTS: dict[Letter, frozenset[str]] = {
    "c": frozenset(
        {
            "Appointment",
            "AppointmentResponse",
            "Binary",
            "Communication",
            "CommunicationRequest",
            "DocumentReference",
            "Goal",
            "MedicationRequest",
            "MedicationStatement",
            "Observation",
            "QuestionnaireResponse",
            # Registrations and refills alone: interactions.registration and interactions.medicines say which.
            "Task",
        }
    ),
    "u": frozenset(
        {
            "Appointment",
            "Communication",
            "CommunicationRequest",
            "Goal",
            "MedicationRequest",
            "Patient",
            "QuestionnaireResponse",
            "Task",
        }
    ),
    # Drafts alone: care.messaging says so.
    "d": frozenset({"Communication"}),
}
"""What patients and their proxies write of their own records. What is wrong they say, and others take it back."""

_SHARED_BY_PRACTITIONERS: dict[Letter, frozenset[str]] = {
    "c": frozenset({"Medication", "Schedule", "Slot"}),
    "u": frozenset({"Medication", "Schedule", "Slot"}),
    "d": frozenset(),
}
"""What practitioners write of that which is nobody's record; the rest is the register's."""

_OF_PATIENT = frozenset(
    {"address", "communication", "contact", "language", "_language", "maritalStatus", "photo", "telecom", "text"}
)
"""What a patient changes of the Patient: how to be reached. An identifier of one's own choice could be another's, and
whoever writes by that condition would then write here.
"""

_OF_ASKED: dict[str, frozenset[str]] = {
    "MedicationRequest": frozenset({"status", "statusReason"}),
    "Task": frozenset({"status", "statusReason", "lastModified"}),
}
"""What patients change of what they asked for: they send it off, or take it back."""

_LETTERS: dict[Method, Letter] = {"POST": "c", "PUT": "u", "PATCH": "u", "DELETE": "d"}
_VERBS: dict[Letter, str] = {"c": "create", "u": "change", "d": "delete"}
_LIVE: Filter = {"deleted": {"$exists": False}}
_MOST_KEPT = 64


@dataclass(frozen=True, slots=True)
class Bounds:
    """What holds for one caller, type and method.

    `content` is where the resource must lie once it is written, whatever its labels. `speakers` are the places of which
    one must be the first of the type's PARTICIPANTS, where it is a message. The others are fields of Put.
    """

    content: Visible = EVERYTHING
    within: Filter | None = None
    creates: bool = True
    agency: str | None = None
    owners: frozenset[str] | None = None
    keeps: Keeps | None = None
    speakers: tuple[str, ...] | None = None


FREE = Bounds()
"""The operator's of a server without sign-in."""


def bounds(sight: Sight, type: str, method: Method) -> Bounds:
    """What a write must keep to.

    Raises FhirError 403 where no scope covers it, and where callers of this kind do not write the type.
    """
    if sight.access is None:
        return FREE
    key = (id(sight), type, method)
    kept = _kept.get(key)
    # A Bundle has thousands of entries, and a practitioner's filter thousands of patients. The entry holds the Sight of
    # its request, so that its id is nobody else's.
    if kept is not None and kept[0] is sight:
        return kept[1]
    found = _bounds(sight, sight.access, type, method)
    if len(_kept) >= _MOST_KEPT:
        _kept.clear()
    _kept[key] = (sight, found)
    return found


_kept: dict[tuple[int, str, str], tuple[Sight, Bounds]] = {}


def _bounds(sight: Sight, access: AccessContext, type: str, method: Method) -> Bounds:
    letter = _LETTERS[method]
    reach = permitted(sight, type, letter)
    if not _writes(access, type, letter):
        raise outcome.FORBIDDEN_WRITE(f"You may not {_VERBS[letter]} {type}, whatever the token's scopes.")
    content = _whatever_labels(reach)
    if method == "POST":
        return Bounds(content, agency=access.agency, speakers=_speakers(sight, access, type))
    creates = method == "PUT" and _writes(access, type, "c") and visible(sight, type, "c") == reach
    whole = reach is EVERYTHING
    owners = _owners(reach)
    if method == "DELETE":
        return Bounds(content, None if whole else row_filter(reach), False, access.agency, owners)
    # Patients bring nothing back that was deleted, and nobody a message: who speaks in it was asked as it was made.
    revives = creates and access.kind != "patient" and not (is_person(access) and type in PARTICIPANTS)
    filters = [each for each in (row_filter(reach), {} if revives else _LIVE) if each]
    within = None if whole and creates else {"$and": filters} if len(filters) > 1 else (filters or [{}])[0]
    # A hidden id looks like a free one: who is bound to patients, or lacks the scope, creates by POST alone.
    creates = creates and _is_registrar(access)
    return Bounds(content, within, creates, access.agency, owners, _keeps(access, type))


def _writes(access: AccessContext, type: str, letter: Letter) -> bool:
    """Whether callers of this kind write a type at all."""
    kind = owner_rule(type).kind
    if type == "AuditEvent" or access.kind == "officer":
        return False
    if _is_registrar(access):
        return True
    if access.kind == "patient":
        return type in _BY_PATIENTS[letter]
    if kind == "shared":
        return access.kind == "practitioner" and type in _SHARED_BY_PRACTITIONERS[letter]
    return kind != "deny"


def _is_registrar(access: AccessContext) -> bool:
    """Whether the caller keeps whole registers, and so may choose ids."""
    return access.kind == "admin" or (access.kind == "system" and access.patient is None)


def is_bound_to_patients(sight: Sight) -> bool:
    """Whether the caller writes records of certain patients alone, and must not learn what else there is."""
    return sight.access is not None and not _is_registrar(sight.access)


def is_person(access: AccessContext) -> bool:
    """Whether it is somebody with a record or patients, who speaks for no agency."""
    return access.kind in ("patient", "practitioner")


def may_know_of_hidden(access: AccessContext) -> bool:
    """Whether the caller is told that an identifier is in use where that record is out of sight: who registers people
    must not do so twice; who is bound to one patient or a family must not learn who else there is (decision 15).
    """
    if access.kind == "practitioner":
        return any(scope.level == "user" for scope in access.scopes)
    return _is_registrar(access)


def _keeps(access: AccessContext, type: str) -> Keeps | None:
    if not is_person(access):
        return None
    source = access.agency is None
    if access.kind == "practitioner":
        # Whoever has read a message marks it as read, and puts no words into another's mouth.
        but_for = _but_speaker(type) if type in PARTICIPANTS else None
        return Keeps(but_for, source, frozenset({PATAST}))
    # A proxy of two children moves nothing from one's record to the other's; who treats both may put it right.
    if type == "Patient":
        return Keeps(_OF_PATIENT, source, all_labels=True, owners=True, but_for_contact=True)
    but_for = _but_speaker(type) if type in PARTICIPANTS else _OF_ASKED.get(type)
    return Keeps(but_for, source, all_labels=True, owners=True)


def _speakers(sight: Sight, access: AccessContext, type: str) -> tuple[str, ...] | None:
    """Whom a person speaks for in messages; whoever keeps registers, or is an agency's client, passes them on."""
    if type not in PARTICIPANTS or not is_person(access):
        return None
    return sight.places if access.kind == "practitioner" else spoken_for(sight)


def spoken_for(sight: Sight) -> tuple[str, ...]:
    """The places of those in whose name somebody with a record writes: themselves, and for whom they act."""
    return () if sight.access is None else speaking_for(sight.access, sight.proxied)


@cache
def _but_speaker(type: str) -> frozenset[str]:
    """What may be changed of a message: everything but who speaks."""
    speaker = PARTICIPANTS[type][0]
    named = {name for element in structure(type).elements for name in (element, f"_{element}")}
    return frozenset(named - {speaker, f"_{speaker}"})


def _owners(reach: Visible) -> frozenset[str] | None:
    """Whose records the caller writes; None for everybody's. One participant sees a visit of several, and must not take
    it out of the others' records.
    """
    if any(each.owners is None for each in reach.reaches):
        return None
    return frozenset(owner for each in reach.reaches for owner in each.owners or ())


def _whatever_labels(reach: Visible) -> Visible:
    """Who marks something as restricted need not see it afterwards."""
    if reach is EVERYTHING:
        return reach
    return Visible(tuple(replace(each, without_labels=()) for each in reach.reaches))


def refuse_content(sight: Sight, held: Bounds, resource: Resource, index: IndexValues) -> None:
    """Raise FhirError 403 where the resource would lie outside what its writer may write, naming the element."""
    access, content = sight.access, held.content
    if access is None:
        return
    type = resource["resourceType"]
    if held.speakers is not None and (access.kind == "practitioner" or PARTICIPANTS[type][0] in resource):
        _refuse_others_words(type, held.speakers, index)
    if content is not EVERYTHING and not is_within(content, index):
        raise _outside(type, content, index)
    if access.kind == "patient" and type == "MedicationRequest" and resource.get("intent") != "proposal":
        text = "Patients ask for medicines: the intent must be 'proposal'."
        raise outcome.FORBIDDEN_CONTENT(text, "MedicationRequest.intent")
    if access.kind == "patient":
        _refuse_contained_orders(resource)
    is_asked = task_kind(resource) == REGISTRATION or task_asks(resource) == "refill" if type == "Task" else True
    if access.kind == "patient" and not is_asked:
        text = "Of Tasks, patients create those that ask for a registration, or for a refill (code 'fulfill')."
        raise outcome.REGISTRATION_KEPT(text, "Task.code")


def _refuse_contained_orders(resource: Resource) -> None:
    """Inside another resource somebody would find it as what a clinician ordered."""
    for position, each in enumerate(resource.get("contained", ())):
        if each["resourceType"] in ORDERS and each.get("intent") != "proposal":
            text = f"Patients order nothing: a contained {each['resourceType']} must have the intent 'proposal'."
            raise outcome.FORBIDDEN_CONTENT(text, f"{resource['resourceType']}.contained[{position}]")


def _refuse_others_words(type: str, speakers: tuple[str, ...], index: IndexValues) -> None:
    speaker = PARTICIPANTS[type][0]
    if not any(f"{speaker}|{place}" in index.tokens for place in speakers):
        text = f"'{speaker}' is neither you nor what you work for: nobody speaks for others."
        raise outcome.FORBIDDEN_CONTENT(text, f"{type}.{speaker}")


def _outside(type: str, content: Visible, index: IndexValues) -> FhirError:
    whoever = Visible(tuple(replace(reach, owners=None, participants=None) for reach in content.reaches))
    if content.reaches and not is_within(whoever, index):
        text = "Its category is not one that the token's scopes cover."
        return outcome.FORBIDDEN_CONTENT(text, f"{type}.category")
    rule = owner_rule(type)
    element = "id" if rule.kind == "self" else (rule.paths or ("id",))[0]
    text = f"'{element}' does not say that this is the record of a patient whose {type} you may write."
    return outcome.FORBIDDEN_CONTENT(text, f"{type}.{element}")
