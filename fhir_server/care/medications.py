"""What an order of a medicine says, and how often it may be filled again.

https://hl7.org/fhir/R4/medicationrequest.html, https://hl7.org/fhir/R4/medicationdispense.html,
https://hl7.org/fhir/R4/task.html; pure.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from fhir_server.care.registration_tasks import task_kind
from fhir_server.core.resource import Resource
from fhir_server.search.parameter_types.date import stretch
from fhir_server.search.parameter_types.reference import located

TASK_CODES = "http://hl7.org/fhir/CodeSystem/task-code"
"""The code system of what a Task asks for: `fulfill` an order, `approve` a proposal."""

REFILLS_REMAINING = "urn:fhir-server:federal:refills-remaining"
"""The extension of an order, or of a Task that asks for a refill of it, that counts those left."""
EXPIRES = "urn:fhir-server:federal:prescription-expires"
"""The extension of an order that says until when it may be filled."""

FORBIDS = "doNotPerform"
"""The element of a MedicationRequest by which it says that the medicine is not to be given."""

IN_FORCE = frozenset({"active", "on-hold"})
"""Statuses of an order that is, or may soon be, what is taken."""
ENDED_TASKS = frozenset({"completed", "rejected", "cancelled", "failed", "entered-in-error"})
"""Statuses of a Task that nobody works on any more."""
_NOT_FILLED = frozenset({"cancelled", "declined", "stopped", "entered-in-error"})

Bases = tuple[str, ...]
"""The bases under which a reference means a resource of this server."""


def named(reference: object, type: str, bases: Bases) -> str | None:
    """The id of the resource of this server and type that a Reference names, however it is written."""
    text = reference.get("reference") if isinstance(reference, dict) else None
    found = located(text, bases) if isinstance(text, str) else None
    type_there, _, id = (found or "").partition("/")
    return id if type_there == type and id and "/" not in id else None


def all_named(references: object, type: str, bases: Bases) -> tuple[str, ...]:
    """The same for each of a list of References, each id once."""
    several = references if isinstance(references, list) else []
    found = (named(each, type, bases) for each in several)
    return tuple(dict.fromkeys(id for id in found if id is not None))


def is_order(request: Resource) -> bool:
    """Whether a MedicationRequest is what somebody ordered to be taken."""
    return request.get("intent") == "order" and request.get(FORBIDS) is not True


def is_renewal(request: Resource) -> bool:
    """Whether a MedicationRequest asks for a new order in the place of another."""
    return request.get("intent") == "proposal" and "priorPrescription" in request


def task_asks(task: Resource) -> Literal["refill", "renewal"] | None:
    """What a Task asks for, where it is about a medicine."""
    if task_kind(task) is not None or not isinstance(task.get("focus"), dict):
        return None
    codings = task.get("code", {}).get("coding", ())
    codes = {each.get("code") for each in codings if each.get("system") == TASK_CODES}
    return "refill" if "fulfill" in codes else "renewal" if "approve" in codes else None


def repeats_allowed(order: Resource) -> int | None:
    """How often an order may be filled again; None where it does not say."""
    found = order.get("dispenseRequest", {}).get("numberOfRepeatsAllowed")
    return int(found) if found is not None else None


def expires(order: Resource) -> str | None:
    """The last day or moment on which an order may be filled, as it says it."""
    found = order.get("dispenseRequest", {}).get("validityPeriod", {}).get("end")
    return found if isinstance(found, str) else None


def is_expired(order: Resource, now: int) -> bool:
    """Whether that has passed `now` (ms since 1970); the whole of a last day belongs to it."""
    end = expires(order)
    meant = stretch(end) if end is not None else None
    return meant is not None and meant[1] < now


def counts(dispense: Resource) -> bool:
    """Whether a MedicationDispense uses up one of what may be dispensed."""
    return dispense.get("status") not in _NOT_FILLED


def is_open(task: Resource) -> bool:
    """Whether a Task is still to be done."""
    return task.get("status") not in ENDED_TASKS


def answers(task: Resource, bases: Bases) -> tuple[str, ...]:
    """The ids of the dispenses by which a refill was, or is being, carried out."""
    outputs = task.get("output", ())
    return all_named([each.get("valueReference") for each in outputs], "MedicationDispense", bases)


def filled(dispenses: Mapping[str, Resource]) -> int:
    """How often it was filled, by the dispenses (by id) that name an order."""
    return sum(counts(each) for each in dispenses.values())


def remaining(order: Resource, dispenses: Mapping[str, Resource], tasks: Iterable[Resource], bases: Bases) -> int:
    """How many refills are left, never less than none: what is allowed without what was dispensed beyond the first
    fill, and without what is asked for by an open Task and not dispensed yet. `dispenses` are by id.
    """
    counted = {id for id, each in dispenses.items() if counts(each)}
    asked = sum(is_open(task) and counted.isdisjoint(answers(task, bases)) for task in tasks)
    return max((repeats_allowed(order) or 0) - max(len(counted) - 1, 0) - asked, 0)


def with_extension(resource: Resource, url: str, **value: Any) -> Resource:
    """The resource with one extension of this URL, whatever it had of it before."""
    others = [each for each in resource.get("extension", ()) if each.get("url") != url]
    return resource | {"extension": [*others, {"url": url, **value}]}
