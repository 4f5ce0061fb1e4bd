"""Visits to come, and what became of those that were booked: one appointment in any of the ten statuses.

https://hl7.org/fhir/R4/appointment.html, https://hl7.org/fhir/R4/valueset-appointmentstatus.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from seeds import calendar
from seeds.chart import Chart, Visit, instant
from seeds.codes import SPECIALTIES, concept
from seeds.codes_care import SERVICES
from seeds.model import Clinician, Labels, Resource

Status = Literal[
    "proposed",
    "pending",
    "booked",
    "arrived",
    "fulfilled",
    "cancelled",
    "noshow",
    "entered-in-error",
    "checked-in",
    "waitlist",
]


@dataclass(frozen=True, slots=True)
class Kind:
    """A sort of visit: the service, why one comes, for how long, and what to do before.

    `label` is the sensitivity of the visit where it is marked as sensitive.
    """

    service: str
    reason: str
    minutes: int
    type: str = "ROUTINE"
    instruction: str = "Please come 15 minutes early and bring your identification card."
    label: str = "ADOL"


KINDS: Mapping[str, Kind] = {
    "primary-care": Kind("primary-care", "New concern", 30),
    "follow-up": Kind("primary-care", "Follow-up of an earlier visit", 30, "FOLLOWUP"),
    "check-up": Kind("primary-care", "Yearly check-up", 30, "CHECKUP"),
    "telehealth": Kind("primary-care", "Video visit", 30, instruction="Open the link in your portal 5 minutes before."),
    "pediatrics": Kind("pediatrics", "Well-child visit", 30, "CHECKUP"),
    "immunization": Kind("immunization", "Immunization", 15),
    "dental": Kind("dental", "Dental examination", 30, "CHECKUP"),
    "mental-health": Kind("mental-health", "Counselling", 50, "FOLLOWUP", label="MH"),
    "substance-use": Kind("mental-health", "Substance use treatment", 50, "FOLLOWUP", label="SUD"),
    "physical-therapy": Kind("physical-therapy", "Physical therapy", 45, "FOLLOWUP"),
    "obstetrics": Kind("obstetrics", "Prenatal visit", 30, "FOLLOWUP", label="SEX"),
    "orthopedics": Kind("orthopedics", "Joint pain", 30),
    "readiness": Kind("occupational-health", "Periodic health assessment", 30, "CHECKUP"),
}
"""The kinds of visit by the names that the population uses."""

_WITHOUT_TIME = {"proposed", "waitlist"}
_DECLINED = {"cancelled": "declined", "proposed": "needs-action", "waitlist": "needs-action", "pending": "tentative"}
_HAPPENED = {"arrived", "checked-in", "fulfilled", "noshow"}
_CREATED_BEFORE = timedelta(days=18, hours=3)
FRIDAY, WEEK = 4, 7


def appointment(
    chart: Chart,
    key: str,
    offset_days: int,
    hour: int,
    minute: int,
    kind: str,
    status: Status,
    *,
    slot: bool = True,
    sensitive: bool = False,
    clinician: str | None = None,
    visit: Visit | None = None,
    reason: str = "",
) -> str:
    """An appointment `offset_days` from today by the wall clock of the facility; its reference. None is on a weekend:
    what has happened was on the Friday before, what is to come is on the Monday after.

    One that takes a clinician's time takes the nearest slot of their calendar and its time, where they have one and
    `slot` is not False (`seeds.calendar.schedules` then makes that slot busy). `clinician` is a key of the directory,
    the person's own where left out. `visit` is what became of a fulfilled one: where, when and with whom it was.
    """
    found = KINDS[kind]
    who = visit.clinician if visit else chart.directory.clinicians[clinician] if clinician else chart.clinician
    facility = visit.facility if visit else chart.directory.facilities[who.facility]
    day = _weekday(chart, offset_days, status)
    start = visit.start if visit else chart.clock.at(day, hour, minute, facility.zone)
    taken = None
    if slot and visit is None and calendar.holds_slot(status):
        taken = calendar.slot_near(chart.directory, chart.clock, who.key, start)
    if taken is not None:
        start = taken.start
    end = taken.end if taken else start + timedelta(minutes=found.minutes)
    elements = _elements(chart, found, who, facility.key, facility.name, status, start, reason or found.reason)
    elements |= _when(status, start, end)
    if taken is not None:
        elements["slot"] = [{"reference": f"Slot/{taken.id}"}]
    labels: Labels = ("R", found.label) if sensitive else ()
    return chart.add("Appointment", key, elements, labels=labels, agency=facility.agency)


def _elements(
    chart: Chart, kind: Kind, who: Clinician, place: str, place_name: str, status: Status, start: datetime, reason: str
) -> Resource:
    now = chart.clock.at(0, 0, 0, "UTC")
    elements: Resource = {
        "status": status,
        "serviceType": [concept("service-type", SERVICES[kind.service])],
        "specialty": [concept("nucc", SPECIALTIES[who.specialty])],
        "appointmentType": concept("v2-0276", kind.type),
        "reasonCode": [{"text": reason}],
        "description": reason,
        "created": instant(min(start, now.astimezone(start.tzinfo)) - _CREATED_BEFORE),
        "patientInstruction": kind.instruction,
        "participant": [
            _participant(chart.patient, "needs-action" if status == "pending" else "accepted"),
            _participant({"reference": f"Practitioner/{who.key}"}, _DECLINED.get(status, "accepted")),
            _participant({"reference": f"Location/{place}", "display": place_name}, "accepted"),
        ],
    }
    if status == "cancelled":
        elements["cancelationReason"] = concept("appointment-cancellation-reason", "pat-cpp")
    return elements


def _weekday(chart: Chart, offset_days: int, status: Status) -> int:
    beyond_friday = chart.clock.day(offset_days).weekday() - FRIDAY
    if beyond_friday <= 0:
        return offset_days
    return offset_days - beyond_friday if status in _HAPPENED else offset_days + WEEK - FRIDAY - beyond_friday


def _participant(actor: Resource, status: str) -> Resource:
    return {"actor": actor, "required": "required", "status": status}


def _when(status: Status, start: datetime, end: datetime) -> Resource:
    if status in _WITHOUT_TIME:
        last = start + timedelta(days=14)
        return {"requestedPeriod": [{"start": instant(start), "end": instant(last)}]}
    minutes = int((end - start).total_seconds()) // 60
    return {"start": instant(start), "end": instant(end), "minutesDuration": minutes}
