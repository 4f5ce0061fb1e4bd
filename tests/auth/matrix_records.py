"""The records of the access matrix: one of each kind, of a type that is read, or made anew for each write."""

from collections.abc import Awaitable, Callable
from typing import Any

from fhir_server.care.proxies import CONSENT_SCOPE
from fhir_server.interactions import delete
from fhir_server.interactions.context import RequestContext
from tests.rest.conftest import observation, patient
from tests.rest.in_process import put
from tests.rest.narrowing import category, restricted
from tests.rest.writers import goal

_SUBJECTS = {"child": "carl", "foreign": "ben", "gone": "ben"}
_OF_OTHER_TYPES = {"denied": "Group", "message": "Communication", "others-message": "Communication"}
_SENDERS = {"message": "Practitioner/dr", "others-message": "Practitioner/other"}
SECRET = "only-some-may-know"
"""What every record says that is not everybody's to see."""

_GROUP = {"resourceType": "Group", "type": "person", "actual": True, "name": SECRET}
_PILL = {"resourceType": "Medication", "status": "active"}

_LETS_ACT = {
    "type": "permit",
    "actor": [{"role": {"text": "proxy"}, "reference": {"reference": "RelatedPerson/olga-of-anna"}}],
}
_RELATIVE: tuple[dict[str, Any], ...] = (
    patient(id="olga"),
    {
        "resourceType": "RelatedPerson",
        "id": "olga-of-anna",
        "active": True,
        "patient": {"reference": "Patient/anna"},
    },
    {
        "resourceType": "Consent",
        "id": "olga-for-anna",
        "status": "active",
        "scope": {"coding": [{"system": CONSENT_SCOPE, "code": "patient-privacy"}]},
        "category": [{"text": "access of the family"}],
        "patient": {"reference": "Patient/anna"},
        "dateTime": "2026-01-01",
        "performer": [{"reference": "Patient/anna"}],
        "policyRule": {"text": "OPTIN"},
        "provision": _LETS_ACT,
    },
    {
        "resourceType": "Person",
        "id": "olga",
        "active": True,
        "link": [
            {"target": {"reference": place}, "assurance": "level3"}
            for place in ("Patient/olga", "RelatedPerson/olga-of-anna")
        ],
    },
)
"""By which olga acts for anna."""

Made = Callable[[str, str], dict[str, Any]]
"""A resource by id and subject (`Patient/anna`)."""


def read_type(record: str) -> str:
    """The type of the record of that kind which is read."""
    return {"shared": "Medication", "kept-shared": "Medication", **_OF_OTHER_TYPES}.get(record, "Observation")


def written_type(record: str) -> str:
    """The type of the record of that kind which is written."""
    return {"shared": "Medication", **_OF_OTHER_TYPES}.get(record, "Goal")


def subject_of(record: str) -> str:
    """Whose record it is (or was), or who is meant by it."""
    return "Group/everyone" if record == "nobodys" else f"Patient/{_SUBJECTS.get(record, 'anna')}"


def content(record: str, id: str, subject: str) -> dict[str, Any]:
    """What is written of such a record."""
    match record:
        case "shared":
            return _PILL | {"id": id}
        case "denied":
            return _GROUP | {"id": id}
        case "message" | "others-message":
            return {
                "resourceType": "Communication",
                "id": id,
                "status": "completed",
                "subject": {"reference": subject},
                "sender": {"reference": _SENDERS[record]},
                "recipient": [{"reference": subject}],
                "topic": {"text": "x"},
                "payload": [{"contentString": SECRET}],
            }
        case "restricted":
            return goal(None, id, meta={"security": [restricted()]}) | {"subject": {"reference": subject}}
    return goal(None, id) | {"subject": {"reference": subject}}


def _observed(record: str, id: str, subject: str) -> dict[str, Any]:
    if record == "shared" or record in _OF_OTHER_TYPES:
        return content(record, id, subject)
    if record == "kept-shared":
        return content("shared", id, subject) | {"meta": {"security": [restricted()]}}
    code = "vital-signs" if record == "other-category" else "laboratory"
    more = {"meta": {"security": [restricted()]}} if record == "restricted" else {}
    said = {"valueString": SECRET, "category": category(code)}
    return observation("x", id=id, subject={"reference": subject}, **said, **more)


async def stored_to_read(operator: RequestContext, record: str) -> None:
    """Put the record there that is read; its id is the name of its kind."""
    await _stored(operator, record, record, lambda id, subject: _observed(record, id, subject))


async def stored_to_write(operator: RequestContext, record: str, id: str) -> None:
    """Put one there that is about to be written."""
    await _stored(operator, record, id, lambda id, subject: content(record, id, subject))


async def _stored(operator: RequestContext, record: str, id: str, made: Made) -> None:
    if record == "missing":
        return
    first = made(id, subject_of(record))
    await put(operator, first)
    if record == "moved":
        await put(operator, made(id, "Patient/ben"))
    if record in ("deleted", "gone"):
        await delete.delete(operator, first["resourceType"], id)


async def stored_people(operator: RequestContext, *more: Callable[[], Awaitable[None]]) -> None:
    """The patients, the group that nobody owns, and the practitioner who treats anna."""
    for id in ("anna", "carl", "ben"):
        await put(operator, patient(id=id, name=[{"family": SECRET}]))
    for resource in _RELATIVE:
        await put(operator, resource)
    await put(operator, _GROUP | {"id": "everyone"})
    await put(operator, {"resourceType": "Practitioner", "id": "dr"})
    await put(
        operator,
        {
            "resourceType": "CareTeam",
            "id": "team",
            "status": "active",
            "subject": {"reference": "Patient/anna"},
            "participant": [{"member": {"reference": "Practitioner/dr"}}],
        },
    )
