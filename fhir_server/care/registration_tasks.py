"""What a Task of a registration, or of the review of a proof, says; and what its changes may be.

https://hl7.org/fhir/R4/task.html; pure.
"""

from datetime import UTC, datetime
from typing import Literal, cast, get_args

from fhir_server.care.registration import REASONS, Beneficiary, Reason, Status
from fhir_server.core.resource import Resource

SYSTEM = "urn:fhir-server:federal:portal-task"
"""The code system of what a Task of the portal asks for."""

REGISTRATION, REVIEW = "registration", "proof-review"

BENEFICIARY_CLASS = "urn:fhir-server:federal:beneficiary-class-of"
"""The extension of a Patient that names the class."""

AWAITS, CONFIRMED = "Awaits confirmation", "Confirmed"
"""Texts of an input that says the person must confirm, and of the output that says they did."""
KIND = "Beneficiary"
"""Text of the input that says as what the person registers."""
RELATIONSHIP = "Relationship"
"""Text of the input that says what the dependent is to the sponsor: spouse, child, parent or ward."""

SPONSOR = "Sponsor"
"""Text of the input that names the sponsor's Patient where staff began it in person."""

DOD_ID_SYSTEM = "urn:oid:2.16.840.1.113883.3.42.10001.100001.12"

MAY_CHANGE = frozenset(
    {"id", "meta", "text", "status", "statusReason", "businessStatus", "note", "lastModified", "executionPeriod"}
)
"""What anybody but the server changes of such a Task."""


def task_kind(task: Resource) -> Literal["registration", "proof-review"] | None:
    """Which of the two it is, of one that would be both the review; None for any other Task."""
    codings = _list(_dict(task.get("code")).get("coding"))
    codes = {each.get("code") for each in map(_dict, codings) if each.get("system") == SYSTEM}
    return "proof-review" if REVIEW in codes else "registration" if REGISTRATION in codes else None


def patient_of(task: Resource) -> str | None:
    """The id of the Patient for whom it is."""
    return _id_of(task.get("for"), "Patient")


def requester_of(task: Resource) -> str | None:
    """The reference to who began it."""
    return _reference(task.get("requester"))


def sponsor_of(task: Resource) -> str | None:
    """The id of the Patient who sponsors: who asked for it, or whom the staff named who did."""
    asked = _id_of(task.get("requester"), "Patient")
    if asked is not None:
        return asked if asked != patient_of(task) else None
    # Nobody but staff is believed about somebody else.
    is_staff = _id_of(task.get("requester"), "Practitioner") is not None
    return _id_of(_input(task, SPONSOR).get("valueReference"), "Patient") if is_staff else None


def dod_ids(resource: Resource) -> frozenset[str]:
    """The DoD ID numbers among the identifiers of a Patient, Person or RelatedPerson."""
    held = map(_dict, _list(resource.get("identifier")))
    return frozenset(str(each.get("value")) for each in held if each.get("system") == DOD_ID_SYSTEM)


def owner_of(task: Resource) -> str | None:
    """The reference to the organisation that decides it."""
    return _reference(task.get("owner"))


def part_of(task: Resource) -> str | None:
    """The id of the registration that a review belongs to."""
    for each in _list(task.get("partOf")):
        found = _id_of(each, "Task")
        if found is not None:
            return found
    return None


def beneficiary_of(task: Resource, patient: Resource | None) -> Beneficiary:
    """As what somebody registers: what the Task says, else the class of the Patient."""
    said = _input(task, KIND).get("valueCode")
    if said in get_args(Beneficiary):
        return cast(Beneficiary, said)
    held = class_of(patient or {})
    if held.startswith("dependent"):
        return "dependent"
    return "veteran" if held == "veteran" else "retiree" if held == "retiree" else "active-duty"


def class_of(patient: Resource) -> str:
    """The class of beneficiary that a Patient names; empty where it names none."""
    for each in map(_dict, _list(patient.get("extension"))):
        if each.get("url") == BENEFICIARY_CLASS:
            return str(_dict(each.get("valueCoding")).get("code") or "")
    return ""


def relationship_of(task: Resource) -> str | None:
    """What the dependent is to the sponsor."""
    found = _input(task, RELATIONSHIP).get("valueCode")
    return found if isinstance(found, str) else None


def reason_of(task: Resource) -> Reason | None:
    """Why it is held up or was rejected: the first word of the text, where it is one of ours."""
    text = str(_dict(task.get("statusReason")).get("text") or "")
    said = text.partition(":")[0]
    return said if said in REASONS else None  # type: ignore[return-value]


def is_confirmed(task: Resource) -> bool:
    """Whether nobody has to confirm any more."""
    awaits = bool(_input(task, AWAITS).get("valueBoolean"))
    outputs = map(_dict, _list(task.get("output")))
    return not awaits or any(_text(each) == CONFIRMED and each.get("valueBoolean") is True for each in outputs)


def changed_elements(former: Resource, resource: Resource) -> list[str]:
    """What differs and may not be changed by anybody but the server."""
    names = (former.keys() | resource.keys()) - MAY_CHANGE
    return sorted(name for name in names if former.get(name) != resource.get(name))


def moved(task: Resource, status: Status, reason: Reason | None, now: str, output: Resource | None = None) -> Resource:
    """The Task in its next status, changed `now` (an instant)."""
    made = {name: value for name, value in task.items() if name != "statusReason"}
    made |= {"status": status, "lastModified": now}
    if reason is not None:
        made["statusReason"] = {"text": f"{reason}: {REASONS[reason]}"}
    if output is not None:
        made["output"] = [*made.get("output", ()), output]
    return made


def moment(text: object) -> datetime:
    """An instant or dateTime, the beginning of time where there is none or it cannot be read."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def referenced(references: object, type: str) -> list[str]:
    """The ids of the resources of this type among References, whether one or several."""
    several = references if isinstance(references, list) else [references]
    return [id for each in several if (id := _id_of(each, type)) is not None]


def _input(task: Resource, name: str) -> Resource:
    return next((each for each in map(_dict, _list(task.get("input"))) if _text(each) == name), {})


def _text(entry: Resource) -> str:
    return str(_dict(entry.get("type")).get("text") or "")


def _reference(value: object) -> str | None:
    found = _dict(value).get("reference")
    return found if isinstance(found, str) else None


def _id_of(value: object, type: str) -> str | None:
    type_there, _, id = (_reference(value) or "").rpartition("/")
    return id if id and type_there.rpartition("/")[2] == type else None


def _dict(value: object) -> Resource:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
