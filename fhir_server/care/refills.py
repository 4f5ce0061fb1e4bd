"""Refills: when an order may be filled again, what becomes of a Task that asks for it, and what dispensing must keep.

https://hl7.org/fhir/R4/task.html, https://hl7.org/fhir/R4/medicationdispense.html; pure.
"""

from collections.abc import Iterable, Mapping

from fhir_server.care.medications import (
    EXPIRES,
    REFILLS_REMAINING,
    Bases,
    answers,
    counts,
    expires,
    filled,
    is_expired,
    is_open,
    is_order,
    remaining,
    repeats_allowed,
    with_extension,
)
from fhir_server.core import outcome
from fhir_server.core.resource import Resource

Dispenses = Mapping[str, Resource]
"""Those that name an order, by id."""

_RENEW = (
    "Ask for a renewal: create a MedicationRequest of intent 'proposal' whose priorPrescription is "
    "MedicationRequest/{id}."
)
_STEPS: Mapping[str, frozenset[str]] = {
    "requested": frozenset({"received", "accepted", "ready", "in-progress", "on-hold", "rejected", "cancelled"}),
    "received": frozenset({"accepted", "ready", "in-progress", "on-hold", "rejected", "cancelled"}),
    "accepted": frozenset({"ready", "in-progress", "on-hold", "cancelled", "failed"}),
    "ready": frozenset({"in-progress", "on-hold", "cancelled", "failed"}),
    "in-progress": frozenset({"on-hold", "cancelled", "failed"}),
    "on-hold": frozenset({"accepted", "ready", "in-progress", "cancelled", "failed"}),
}
_KEPT = ("focus", "for", "code", "intent", "requester", "authoredOn", "extension")
_UNDONE = frozenset({"cancelled", "declined", "stopped"})


def refuse_refill(
    id: str, order: Resource, dispenses: Dispenses, tasks: Iterable[Resource], bases: Bases, now: int
) -> int:
    """How many refills are left once this one is asked for; `tasks` are the other ones that ask for one.

    Raises FhirError 422 where the order cannot be filled again, naming the renewal where that is what is needed.
    """
    others = list(tasks)
    renew = _RENEW.format(id=id)
    if not is_order(order):
        text = f"MedicationRequest/{id} is no order, so nothing is dispensed on it. Name the order itself."
        raise outcome.MEDICINE_REQUEST(text, "Task.focus")
    status = str(order.get("status"))
    if status != "active":
        what = renew if status == "completed" else "Ask your care team about it."
        raise outcome.NO_REFILLS_LEFT(f"This order is not active: its status is '{status}'. {what}", "Task.focus")
    if is_expired(order, now):
        raise outcome.NO_REFILLS_LEFT(f"This order expired on {expires(order)}. {renew}", "Task.focus")
    if any(map(is_open, others)):
        text = "A refill of this order is being worked on. Wait until it is done, or cancel it while it is 'requested'."
        raise outcome.REFILL_OPEN(text, "Task.focus")
    left = remaining(order, dispenses, others, bases)
    if left < 1:
        raise outcome.NO_REFILLS_LEFT(f"This order has no refills left. {renew}", "Task.focus")
    return left - 1


def with_remaining(resource: Resource, left: int, order: Resource) -> Resource:
    """The resource with extensions that say how many refills of the order are left, and until when."""
    made = with_extension(resource, REFILLS_REMAINING, valueInteger=left)
    end = expires(order)
    return made if end is None else with_extension(made, EXPIRES, valueDateTime=end)


def refuse_step(former: Resource, task: Resource, dispenses: Dispenses, bases: Bases) -> None:
    """Raise FhirError 422 where staff would take a refill from one status to another that may not follow, would end it
    as completed with nothing dispensed, or would change what was asked for.
    """
    for name in _KEPT:
        if former.get(name) != task.get(name):
            raise outcome.MEDICINE_STEP(
                f"'{name}' of a refill stays what it was. Send it as it is read.", f"Task.{name}"
            )
    before, status = str(former.get("status")), str(task.get("status"))
    if status == before or status == "entered-in-error":
        return
    if status != "completed" or not is_open(former):
        if status not in _STEPS.get(before, ()):
            text = f"A refill that is '{before}' does not become '{status}'."
            raise outcome.MEDICINE_STEP(text, "Task.status")
        return
    if not any(dispenses.get(id, {}).get("status") == "completed" for id in answers(task, bases)):
        text = (
            "A refill is completed by what was dispensed: create a MedicationDispense of status 'completed' whose "
            "authorizingPrescription is the order; the server then completes the Task."
        )
        raise outcome.MEDICINE_STEP(text, "Task.output")


def answered(task: Resource, id: str, is_done: bool, now: str) -> Resource:
    """The Task of a refill for which the MedicationDispense `id` is, or is being, dispensed; changed `now`."""
    output = {"type": {"text": "Dispense"}, "valueReference": {"reference": f"MedicationDispense/{id}"}}
    outputs = [*task.get("output", ())]
    if output["valueReference"] not in [each.get("valueReference") for each in outputs]:
        outputs.append(output)
    status = "completed" if is_done else "in-progress"
    return task | {"status": status, "lastModified": now, "output": outputs}


def refuse_dispensing(id: str, order: Resource | None, dispenses: Dispenses) -> None:
    """Raise FhirError 422 where the dispenses of an order, one of them new, are more than it allows. An order that says
    no number of repeats, as those on a ward, limits nothing.
    """
    place = "MedicationDispense.authorizingPrescription"
    if order is None or not is_order(order) or order.get("status") in ("draft", "cancelled", "entered-in-error"):
        text = f"MedicationRequest/{id} is no order of this patient's that may be dispensed. Name one that is."
        raise outcome.MEDICINE_UNKNOWN(text, place)
    allowed = repeats_allowed(order)
    if allowed is not None and filled(dispenses) > allowed + 1:
        text = (
            f"MedicationRequest/{id} may be filled {allowed + 1} time(s), and was. A new order is needed: one whose "
            "priorPrescription is this one."
        )
        raise outcome.DISPENSED_OVER(text, place)


def refuse_unlinking(id: str, former: Resource, dispense: Resource | None, is_linked: bool) -> None:
    """Raise FhirError 422 where a dispense that counted with the order `id` would no longer do so; `is_linked` says
    whether it still names it. What was a mistake is entered in error, and what was never handed over may end so.
    """
    if not counts(former):
        return
    status = None if dispense is None else dispense.get("status")
    undone = status == "entered-in-error" or (former.get("status") != "completed" and status in _UNDONE)
    if undone or (is_linked and dispense is not None and counts(dispense)):
        return
    text = (
        f"This was dispensed on MedicationRequest/{id} and stays counted with it. Where it is a mistake, give it the "
        "status 'entered-in-error'."
    )
    element = "status" if is_linked and dispense is not None else "authorizingPrescription"
    raise outcome.DISPENSE_KEPT(text, f"MedicationDispense.{element}")
