"""A relationship that one of the two denies: it ends at once, and staff look at it.

https://hl7.org/fhir/R4/task.html, https://hl7.org/fhir/R4/relatedperson.html
"""

from hashlib import sha256

from fhir_server.care.registration_case import AGENCY
from fhir_server.care.registration_tasks import REVIEW, referenced, task_kind
from fhir_server.core.resource import Resource
from fhir_server.search.parameter_types.reference import located

_PORTAL_TASK = "urn:fhir-server:federal:portal-task"
_DISPLAY = "Review of a proof of service"
_CARRIED_OUT = "Carried out"

OVER = ("completed", "rejected")
"""Statuses of a review that was decided: the relationship is proved again, or it is none."""


def contested(related_person: Resource) -> Resource:
    """The RelatedPerson as it stands until somebody has looked at it."""
    return {**related_person, "active": False}


def review_of(
    patient: Resource, related_person: Resource, by: str, now: str, registration: str | None = None
) -> Resource:
    """The Task for the staff where the patient is enrolled; `by` is who says so (`Patient/p1`), `now` an instant.

    `registration` is the id of the Task by which the relationship came into the record, where there is one.
    """
    task: Resource = {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "code": {"coding": [{"system": _PORTAL_TASK, "code": "proof-review", "display": _DISPLAY}]},
        "description": "A family relationship is contested: who acts for this patient is to be proved again.",
        "focus": {"reference": f"RelatedPerson/{related_person['id']}"},
        "for": {"reference": f"Patient/{patient['id']}"},
        "authoredOn": now,
        "lastModified": now,
        "requester": {"reference": by},
    }
    owner = patient.get("managingOrganization", {}).get("reference") or AGENCY
    task["owner"] = {"reference": owner}
    return task | ({} if registration is None else {"partOf": [{"reference": f"Task/{registration}"}]})


def related_of(task: Resource) -> str | None:
    """The id of the RelatedPerson whom such a Task is about; None for any other Task."""
    found = referenced(task.get("focus"), "RelatedPerson") if task_kind(task) == REVIEW else []
    return found[0] if found else None


def is_carried_out(task: Resource) -> bool:
    """Whether what was decided has come about: it must not again, when the relationship is contested anew."""
    return any(each.get("type", {}).get("text") == _CARRIED_OUT for each in task.get("output", ()))


def carried_out(task: Resource) -> Resource:
    """The Task that says so."""
    output = {"type": {"text": _CARRIED_OUT}, "valueBoolean": True}
    return {**task, "output": [*task.get("output", ()), output]}


def names(consent: Resource, related_person: str, own_bases: tuple[str, ...] = ()) -> bool:
    """Whether a Consent permits something to this RelatedPerson (an id)."""
    provision = consent.get("provision", {})
    actors = [str(each.get("reference", {}).get("reference")) for each in provision.get("actor", ())]
    is_named = f"RelatedPerson/{related_person}" in {located(each, own_bases) for each in actors}
    return provision.get("type") == "permit" and is_named


def review_id(related_person: str, version: int) -> str:
    """One Task for each time that a relationship is contested: the version of the RelatedPerson that was denied."""
    return f"contested-{sha256(f'{related_person} {version}'.encode()).hexdigest()[:40]}"
