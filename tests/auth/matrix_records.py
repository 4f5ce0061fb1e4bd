"""The records of the access matrix: one of each kind, of a type that is read, or made anew for each write."""

from collections.abc import Awaitable, Callable
from typing import Any

from fhir_server.interactions import delete
from fhir_server.interactions.context import RequestContext
from tests.rest.conftest import observation, patient
from tests.rest.in_process import put
from tests.rest.test_narrowing import category, restricted
from tests.rest.writers import goal

_SUBJECTS = {"child": "carl", "foreign": "ben"}
_GROUP = {"resourceType": "Group", "type": "person", "actual": True}
_PILL = {"resourceType": "Medication", "status": "active"}

Made = Callable[[str, str], dict[str, Any]]
"""A resource by id and subject (`Patient/anna`)."""


def read_type(record: str) -> str:
    """The type of the record of that kind which is read."""
    return {"shared": "Medication", "kept-shared": "Medication", "denied": "Group"}.get(record, "Observation")


def written_type(record: str) -> str:
    """The type of the record of that kind which is written."""
    return {"shared": "Medication", "denied": "Group"}.get(record, "Goal")


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
        case "restricted":
            return goal(None, id, meta={"security": [restricted()]}) | {"subject": {"reference": subject}}
    return goal(None, id) | {"subject": {"reference": subject}}


def _observed(record: str, id: str, subject: str) -> dict[str, Any]:
    if record in ("shared", "denied"):
        return content(record, id, subject)
    if record == "kept-shared":
        return content("shared", id, subject) | {"meta": {"security": [restricted()]}}
    code = "vital-signs" if record == "other-category" else "laboratory"
    more = {"meta": {"security": [restricted()]}} if record == "restricted" else {}
    return observation("x", id=id, subject={"reference": subject}, category=category(code), **more)


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
    if record == "deleted":
        await delete.delete(operator, first["resourceType"], id)


async def stored_people(operator: RequestContext, *more: Callable[[], Awaitable[None]]) -> None:
    """The patients, the group that nobody owns, and the practitioner who treats anna."""
    for id in ("anna", "carl", "ben"):
        await put(operator, patient(id=id))
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
