"""A relationship that one of the two denies: it ends at once, and staff look at it.

https://hl7.org/fhir/R4/task.html, https://hl7.org/fhir/R4/relatedperson.html
"""

from hashlib import sha256

from fhir_server.core.resource import Resource

_PORTAL_TASK = "urn:fhir-server:federal:portal-task"
_DISPLAY = "Review of a proof of service"


def contested(related_person: Resource) -> Resource:
    """The RelatedPerson as it stands until somebody has looked at it."""
    return {**related_person, "active": False}


def review_of(patient: Resource, related_person: Resource, by: str, now: str) -> Resource:
    """The Task for the staff where the patient is enrolled; `by` is who says so (`Patient/p1`), `now` an instant."""
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
    owner = patient.get("managingOrganization", {}).get("reference")
    return task | ({"owner": {"reference": owner}} if owner else {})


def review_id(related_person: str, version: int) -> str:
    """One Task for each time that a relationship is contested: the version of the RelatedPerson that was denied."""
    return f"contested-{sha256(f'{related_person} {version}'.encode()).hexdigest()[:40]}"
