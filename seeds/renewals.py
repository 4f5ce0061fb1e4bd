"""Renewals: a patient asks for a new order where none can be filled any more, and the care team decides.

The request is a MedicationRequest of intent `proposal` that names the order it would follow, and a Task asks the team
to approve it: https://hl7.org/fhir/R4/medicationrequest-definitions.html#MedicationRequest.priorPrescription
"""

from datetime import datetime, timedelta
from typing import Literal

from seeds import messages
from seeds.chart import Chart, instant
from seeds.codes import concept
from seeds.model import Resource
from seeds.orders import Order, add_request, request_elements

ASKED_DAYS_AGO = 4
ANSWERED_DAYS_AGO = 2
WRITTEN_DOWN = timedelta(minutes=5)
"""How long a decision takes to be in the record."""
REPEATS = 3
"""How often a renewed order may be filled again."""


def decided(chart: Chart, order: Order, state: str) -> datetime | None:
    """When the last was written about a renewal of the order, by the state of its prescription; None without one."""
    days_ago = {"renewal-requested": ASKED_DAYS_AGO, "renewal-denied": ANSWERED_DAYS_AGO, "renewed": ANSWERED_DAYS_AGO}
    return _moment(chart, order, days_ago[state]) + WRITTEN_DOWN if state in days_ago else None


def renewal_requested(chart: Chart, order: Order, old: str) -> str:
    """The patient asked for a renewal of the order `old`, and nobody has answered; the proposal's reference."""
    asked = _moment(chart, order, ASKED_DAYS_AGO)
    proposal = _proposal(chart, order, old, "active", asked)
    _task(chart, order, proposal, "requested", asked, asked)
    return proposal


def renewal_denied(chart: Chart, order: Order, old: str) -> str:
    """The care team said no: the proposal is cancelled with its reason, and the patient told; its reference."""
    asked, answered = _moment(chart, order, ASKED_DAYS_AGO), _moment(chart, order, ANSWERED_DAYS_AGO)
    proposal = _proposal(chart, order, old, "cancelled", asked, reason="altchoice")
    _task(chart, order, proposal, "rejected", asked, answered, why="A visit is needed before this is renewed.")
    text = "Your request for a renewal was not approved. Please book a visit, so that we can look at it together."
    messages.notice(chart, f"{order.key}-denied", "Renewal not approved", text, about=proposal, when=answered)
    return proposal


def renewal_approved(chart: Chart, order: Order, old: str) -> str:
    """The care team wrote a new order, based on the proposal; the new order's reference."""
    asked, answered = _moment(chart, order, ASKED_DAYS_AGO), _moment(chart, order, ANSWERED_DAYS_AGO)
    proposal = _proposal(chart, order, old, "completed", asked)
    elements = request_elements(chart, order, answered, "active", REPEATS)
    elements["basedOn"] = [{"reference": proposal}]
    elements["priorPrescription"] = {"reference": old}
    new = add_request(chart, order, f"{order.key}-renewed", elements)
    _task(chart, order, proposal, "completed", asked, answered, result=new)
    return new


def _moment(chart: Chart, order: Order, days_ago: int) -> datetime:
    return chart.clock.at(-days_ago, 18, 40, order.facility.zone)


def _proposal(
    chart: Chart,
    order: Order,
    old: str,
    status: Literal["active", "cancelled", "completed"],
    asked: datetime,
    reason: str = "",
) -> str:
    elements = request_elements(chart, order, asked, status, REPEATS)
    # A wish of the patient: what may be dispensed is for the order to say.
    for left_out in ("identifier", "dispenseRequest", "encounter", "substitution"):
        elements.pop(left_out, None)
    elements |= {"intent": "proposal", "requester": chart.patient, "priorPrescription": {"reference": old}}
    if reason:
        elements["statusReason"] = concept("medicationrequest-status-reason", reason)
    return add_request(chart, order, f"{order.key}-renewal", elements)


def _task(
    chart: Chart,
    order: Order,
    proposal: str,
    status: Literal["requested", "rejected", "completed"],
    asked: datetime,
    answered: datetime,
    why: str = "",
    result: str | None = None,
) -> str:
    elements: Resource = {
        "status": status,
        "intent": "proposal",
        "code": concept("task-code", "approve", "Renewal"),
        "focus": {"reference": proposal},
        "for": chart.patient,
        "authoredOn": instant(asked),
        "lastModified": instant(answered + WRITTEN_DOWN),
        "requester": chart.patient,
        "owner": messages.team(chart),
    }
    if why:
        elements["statusReason"] = {"text": why}
    if result is not None:
        elements["output"] = [{"type": {"text": "New prescription"}, "valueReference": {"reference": result}}]
    return chart.add("Task", f"{order.key}-renewal-task", elements, labels=order.labels, agency=order.agency)
