"""Renewals: when a patient may ask for a new order in the place of another, and what the care team makes of it.

https://hl7.org/fhir/R4/medicationrequest-definitions.html#MedicationRequest.priorPrescription; pure.
"""

from collections.abc import Iterable, Mapping

from fhir_server.care.medications import FORBIDS, IN_FORCE, Bases, is_expired, is_order, is_renewal, named, remaining
from fhir_server.care.medicine_names import CODED, REFERRED, is_same, is_same_product, medicine_of
from fhir_server.care.refills import Dispenses
from fhir_server.core import outcome
from fhir_server.core.resource import Resource

REQUEST = "MedicationRequest"
PRIOR = f"{REQUEST}.priorPrescription"

Requests = Mapping[str, Resource]
"""The MedicationRequests of one patient that have not ended, by id."""

_RENEWED = frozenset({"active", "completed"})
_UNDECIDED = frozenset({"active", "on-hold", "draft", "unknown"})
_ASSERTED = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"
"""The system of labels that say who said so, which are not passed on."""
_ENDED = frozenset({"cancelled", "stopped"})
_KEPT = ("intent", FORBIDS, "priorPrescription", "subject", CODED, REFERRED, "requester")


def refuse_renewal(
    id: str,
    proposal: Resource,
    order: Resource,
    dispenses: Dispenses,
    tasks: Iterable[Resource],
    bases: Bases,
    now: int,
) -> None:
    """Raise FhirError 422 where the order `id` is not renewed but filled again, where its therapy does not go on, or
    where another medicine is asked for.
    """
    status = str(order.get("status"))
    if not is_order(order) or status not in _RENEWED:
        text = f"MedicationRequest/{id} is not a therapy that goes on (its status is '{status}'). Ask your care team."
        raise outcome.NOT_RENEWABLE(text, PRIOR)
    if status == "active" and not is_expired(order, now) and (left := remaining(order, dispenses, tasks, bases)):
        text = (
            f"MedicationRequest/{id} has {left} refill(s) left. Ask for a refill: create a Task of intent 'order' and "
            f"code 'fulfill' whose focus is MedicationRequest/{id}."
        )
        raise outcome.REFILLS_REMAINING(text, PRIOR)
    if not is_same(medicine_of(proposal, bases), medicine_of(order, bases)):
        text = "A renewal is of the same medicine. Send medication[x] as the order of priorPrescription has it."
        raise outcome.NOT_RENEWABLE(text, f"{REQUEST}.{REFERRED if REFERRED in proposal else CODED}")


def refuse_second(id: str, others: Requests, bases: Bases) -> None:
    """Raise FhirError 422 where a renewal of the order `id` is being decided, or has been: by the other requests. None
    of them is named, as not everybody may see each.
    """
    for each in others.values():
        if named(each.get("priorPrescription"), REQUEST, bases) != id:
            continue
        if is_renewal(each) and each.get("status") in _UNDECIDED:
            text = "This renewal is asked for already. Wait for the answer, or cancel what was asked for."
            raise outcome.RENEWAL_OPEN(text, PRIOR)
        if is_order(each) and each.get("status") in IN_FORCE:
            text = "The order was renewed: another one is in its place. Ask for a refill of that one."
            raise outcome.NOT_RENEWABLE(text, PRIOR)


def refuse_successor(id: str, others: Requests, bases: Bases) -> None:
    """Raise FhirError 422 where another order is in force in the place of the order `id`: there are never two."""
    for each in others.values():
        is_next = is_order(each) and named(each.get("priorPrescription"), REQUEST, bases) == id
        if is_next and each.get("status") in IN_FORCE:
            text = (
                f"Another order is in force in the place of MedicationRequest/{id}: stop that one first, or name it as "
                "priorPrescription."
            )
            raise outcome.RENEWAL_DECIDED(text, PRIOR)


def refuse_approval(id: str, proposal: Resource, order: Resource, bases: Bases) -> None:
    """Raise FhirError 422 where an order is not what the proposal `id` asks for, or that was decided already."""
    status = str(proposal.get("status"))
    if status not in ("active", "on-hold"):
        text = f"MedicationRequest/{id} was decided: its status is '{status}'."
        raise outcome.RENEWAL_DECIDED(text, f"{REQUEST}.basedOn")
    asked = named(proposal.get("priorPrescription"), REQUEST, bases)
    if asked != named(order.get("priorPrescription"), REQUEST, bases):
        text = f"MedicationRequest/{id} asks to renew MedicationRequest/{asked}: name that as priorPrescription."
        raise outcome.MEDICINE_REQUEST(text, PRIOR)
    if not is_same_product(medicine_of(order, bases), medicine_of(proposal, bases)):
        text = "The order is of another medicine than what was asked for. Deny the renewal, and order it by itself."
        raise outcome.NOT_RENEWABLE(text, f"{REQUEST}.{REFERRED if REFERRED in order else CODED}")


def refuse_decision(former: Resource, proposal: Resource, is_approved: bool) -> bool:
    """Whether staff say no to a renewal by this change of it; `is_approved` says whether an order in force is based on
    it. Raises FhirError 422 for a decision taken back, one without its reason, or a change of what was asked for.
    """
    for name in _KEPT:
        if former.get(name) != proposal.get(name):
            text = f"'{name}' of a renewal stays what the patient asked for. Deny it, and order what is right."
            raise outcome.MEDICINE_STEP(text, f"{REQUEST}.{name}")
    before, status = str(former.get("status")), str(proposal.get("status"))
    if status in (before, "entered-in-error"):
        return False
    if before not in _UNDECIDED:
        text = f"This renewal was decided: its status is '{before}'."
        raise outcome.RENEWAL_DECIDED(text, f"{REQUEST}.status")
    if status == "completed" and not is_approved:
        text = (
            "A renewal is approved by its new order: create a MedicationRequest of intent 'order' with this one as "
            "basedOn; the server then completes this one."
        )
        raise outcome.MEDICINE_STEP(text, f"{REQUEST}.status")
    if status in _ENDED and "statusReason" not in proposal:
        text = "Say in statusReason why the renewal is denied: the patient reads it."
        raise outcome.MEDICINE_REQUEST(text, f"{REQUEST}.statusReason")
    return status in _ENDED


def hidden_as(resource: Resource, order: Resource) -> Resource:
    """What follows from an order with the security labels of that: whoever does not see the order must not see it asked
    for, ordered again or dispensed.
    """
    labels = [each for each in order.get("meta", {}).get("security", ()) if each.get("system") != _ASSERTED]
    meta = resource.get("meta", {})
    own = meta.get("security", [])
    more = [each for each in labels if each not in own]
    return resource | {"meta": meta | {"security": [*own, *more]}} if more else resource
