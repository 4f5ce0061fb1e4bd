"""Prescriptions in every state that a portal has to tell apart, with their dispenses, renewals and refills.

https://hl7.org/fhir/R4/medicationrequest.html, https://hl7.org/fhir/R4/medicationdispense.html,
https://hl7.org/fhir/us/core/STU7/StructureDefinition-us-core-medicationrequest.html
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from seeds.chart import Chart, Visit, instant
from seeds.codes import concept, quantity
from seeds.drugs import DRUGS, ROUTES
from seeds.model import Facility, Labels, Resource
from seeds.orders import Order, add_request, amount, dosage, medication_elements, reason, request_elements
from seeds.renewals import decided, renewal_approved, renewal_denied, renewal_requested

State = Literal[
    "refills-left",
    "last-refill",
    "no-refills-left",
    "expired",
    "on-hold",
    "stopped",
    "completed",
    "draft",
    "cancelled",
    "entered-in-error",
    "reported",
    "renewal-requested",
    "renewed",
    "renewal-denied",
]

MAX_FILLS = 4
SHORT_COURSE_DAYS = 10
"""What is taken for so few days is dispensed once."""


@dataclass(frozen=True, slots=True)
class Course:
    """What a state of a prescription means: the order's status, and how many refills are left.

    `age_days` is how long ago it was written where no visit says so; `is_filled` whether any of it was dispensed.
    """

    status: str
    age_days: int
    repeats_left: int
    is_filled: bool = True
    reason: str = ""


STATES: Mapping[State, Course] = {
    "refills-left": Course("active", 70, 2),
    "last-refill": Course("active", 100, 1),
    "no-refills-left": Course("active", 100, 0),
    "expired": Course("active", 400, 1),
    "on-hold": Course("on-hold", 40, 2, reason="labint"),
    "stopped": Course("stopped", 120, 2, reason="sintol"),
    "completed": Course("completed", 200, 0),
    "draft": Course("draft", 1, 2, is_filled=False),
    "cancelled": Course("cancelled", 20, 2, is_filled=False, reason="clarif"),
    "entered-in-error": Course("entered-in-error", 30, 0, is_filled=False),
    "reported": Course("active", 60, 0, is_filled=False),
    "renewal-requested": Course("active", 100, 0),
    "renewed": Course("completed", 130, 0),
    "renewal-denied": Course("active", 100, 0),
}


def prescription(
    chart: Chart,
    key: str,
    drug: str,
    state: State,
    visit: Visit | None = None,
    *,
    labels: Labels = (),
    by: str = "",
    days_ago: int = 0,
    indication: str = "",
) -> str:
    """One medicine in one state; the reference of the MedicationRequest that holds now.

    `drug` is a name of `seeds.drugs.DRUGS`. Without a `visit` it was written as long ago as the state makes likely,
    and is signed by a Provenance of its own; `days_ago` says it where that is not so. `by` is the key of the clinician
    who prescribes, where it is not the visit's or the one who leads the care. `indication` is a SNOMED CT code of what
    it is for, where that is not the usual. A renewal adds the proposal, the Task about it and what came of it.
    """
    course = STATES[state]
    facility = visit.facility if visit else chart.facility
    usual = visit.clinician if visit else chart.clinician
    clinician = chart.directory.clinicians[by] if by else usual
    written = visit.start if visit else chart.ago(days_ago or course.age_days, 10, 20, facility)
    taken = replace(DRUGS[drug], reason_code=indication) if indication else DRUGS[drug]
    order = Order(key, drug, taken, written, facility, clinician, visit, labels)
    if visit is not None:
        return _write(chart, order, state, course)
    with chart.signed(key, written, facility, clinician):
        return _write(chart, order, state, course)


def _write(chart: Chart, order: Order, state: State, course: Course) -> str:
    if state == "reported":
        return _reported(chart, order)
    fills = _fills(chart, order) if course.is_filled else 0
    request = request_elements(chart, order, order.written, course.status, max(fills - 1, 0) + course.repeats_left)
    if course.reason:
        request["statusReason"] = concept("medicationrequest-status-reason", course.reason)
    if state == "expired":
        _end_validity(request, chart.clock.day(-10).isoformat())
    old = add_request(chart, order, order.key, request)
    if fills:
        _dispense(chart, order, old, 1)
    # Refills and renewals are of later days than the order: they are signed by themselves.
    latest = decided(chart, order, state) or _handed_over(order, fills)
    with chart.signed(f"{order.key}-later", latest, order.facility, order.clinician):
        dispenses = [_dispense(chart, order, old, number) for number in range(2, fills + 1)]
        if state == "last-refill" and dispenses:
            _refill_task(chart, order, old, dispenses[-1], _handed_over(order, fills))
        if state == "renewal-requested":
            renewal_requested(chart, order, old)
        if state == "renewal-denied":
            renewal_denied(chart, order, old)
        return renewal_approved(chart, order, old) if state == "renewed" else old


def _end_validity(request: Resource, day: str) -> None:
    period = request["dispenseRequest"]["validityPeriod"]
    period["end"] = min(period["end"], day)


def _fills(chart: Chart, order: Order) -> int:
    """How often it was dispensed before today."""
    if order.drug.days <= SHORT_COURSE_DAYS:
        return 1
    past_days = max((chart.clock.today - order.written.date()).days - 1, 0)
    return max(1, min(MAX_FILLS, 1 + past_days // order.drug.days))


def _handed_over(order: Order, number: int) -> datetime:
    return order.written + timedelta(hours=1, days=(number - 1) * order.drug.days)


def _dispense(chart: Chart, order: Order, request: str, number: int) -> str:
    drug, handed_over = order.drug, _handed_over(order, number)
    elements: Resource = {
        "status": "completed",
        **medication_elements(order.drug_name),
        "subject": chart.patient,
        "performer": [{"actor": _dispenser(chart, order.facility)}],
        "location": {"reference": f"Location/{order.facility.key}"},
        "authorizingPrescription": [{"reference": request}],
        "type": concept("v3-ActCode", "FFC" if number == 1 else "RFC"),
        "quantity": amount(drug, drug.quantity),
        "daysSupply": quantity(drug.days, "d"),
        "whenPrepared": instant(handed_over - timedelta(minutes=25)),
        "whenHandedOver": instant(handed_over),
        "receiver": [chart.patient],
        "dosageInstruction": [dosage(drug)],
    }
    if order.visit is not None and number == 1:
        elements["context"] = {"reference": order.visit.reference}
    profiles = ("us-core-medicationdispense",)
    key = f"{order.key}-fill-{number}"
    return chart.add("MedicationDispense", key, elements, profiles=profiles, labels=order.labels, agency=order.agency)


def _dispenser(chart: Chart, facility: Facility) -> Resource:
    """The pharmacist of the facility, or the facility where it has none."""
    for each in chart.directory.clinicians.values():
        if each.specialty == "pharmacy" and each.facility == facility.key:
            return {"reference": f"Practitioner/{each.key}"}
    return {"reference": f"Organization/{facility.key}", "display": facility.name}


def _refill_task(chart: Chart, order: Order, request: str, dispense: str, filled: datetime) -> str:
    elements = {
        "status": "completed",
        "intent": "order",
        "code": concept("task-code", "fulfill", "Refill"),
        "focus": {"reference": request},
        "for": chart.patient,
        "authoredOn": instant(filled - timedelta(days=2)),
        "lastModified": instant(filled),
        "requester": chart.patient,
        "owner": {"reference": f"Organization/{order.facility.key}"},
        "output": [{"type": {"text": "Dispense"}, "valueReference": {"reference": dispense}}],
    }
    return chart.add("Task", f"{order.key}-refill", elements, labels=order.labels, agency=order.agency)


def _reported(chart: Chart, order: Order) -> str:
    """A medicine that the patient told of, bought or prescribed elsewhere."""
    elements: Resource = {
        "status": "active",
        "intent": "plan",
        "category": [concept("medicationrequest-category", "community")],
        "reportedReference": chart.patient,
        **medication_elements(order.drug_name),
        "subject": chart.patient,
        "authoredOn": instant(order.written),
        "requester": chart.patient,
        **reason(chart, order.drug),
        "dosageInstruction": [dosage(order.drug)],
    }
    if order.visit is not None:
        elements["encounter"] = {"reference": order.visit.reference}
    return add_request(chart, order, order.key, elements)


def administered(
    chart: Chart, key: str, drug: str, visit: Visit, *, minutes: int = 20, request: str | None = None
) -> str:
    """A dose given during a visit, `minutes` after its start; the MedicationAdministration's reference."""
    found = DRUGS[drug]
    given = instant(visit.start + timedelta(minutes=minutes))
    elements: Resource = {
        "status": "completed",
        "category": concept("medication-admin-category", "inpatient"),
        **medication_elements(drug),
        "subject": chart.patient,
        "context": {"reference": visit.reference},
        "effectiveDateTime": given,
        "performer": [{"actor": {"reference": f"Practitioner/{visit.clinician.key}"}}],
        **reason(chart, found),
        "dosage": {
            "text": f"{found.dose} {found.shown}",
            "route": concept("snomed", ROUTES[found.route]),
            "dose": amount(found, found.dose),
        },
    }
    if request is not None:
        elements["request"] = {"reference": request}
    return chart.add("MedicationAdministration", key, elements, agency=visit.facility.agency)
