"""When a visit is: the time of its slots together, whatever the zone it is written in.

https://hl7.org/fhir/R4/slot.html, docs/adr/0033-visits.md
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Literal

from fhir_server.core import outcome
from fhir_server.core.instant import format_instant
from fhir_server.core.resource import Resource
from fhir_server.search.parameter_types.date import stretch

Party = Literal["patient", "staff", "register"]
"""Who writes: a patient or who acts for one, a practitioner, or whoever keeps whole registers and imports history."""

MINUTE = 60_000

REMINDER_HOURS = 24

_LAST = 253_402_300_799_999
"""9999-12-31T23:59:59.999Z: an imported instant may be of the year 9999, and west of Greenwich."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time in ms since 1970 UTC; the end is outside it."""

    start: int
    end: int

    def meets(self, other: "Span") -> bool:
        """Whether they have a moment in common."""
        return self.start < other.end and other.start < self.end


def moment(text: object) -> int | None:
    """The instant that an element names, in ms since 1970 UTC; None where there is none."""
    found = stretch(text) if isinstance(text, str) else None
    return None if found is None else found[0]


def span(resource: Resource) -> Span | None:
    """When an Appointment or Slot is; None where it does not say. Without an end it has no length."""
    start = moment(resource.get("start"))
    if start is None:
        return None
    end = moment(resource.get("end"))
    return Span(start, start if end is None else end)


def is_timed(slot: Resource) -> bool:
    """Whether a Slot says when it begins and ends; an extension may stand in the place of either."""
    return moment(slot.get("start")) is not None and moment(slot.get("end")) is not None


def together(slots: Sequence[Resource], party: Party) -> Span:
    """The time of several slots together.

    Raises FhirError 422 where they are more than this caller books at once, do not adjoin, or are not of one Schedule.
    """
    if party == "patient" and len(slots) != 1:
        text = "A visit is booked by naming exactly one Slot in 'slot'."
        raise outcome.VISIT_SLOT(text, "Appointment.slot")
    spans = sorted((found for each in slots if (found := span(each)) is not None), key=lambda each: each.start)
    schedules = {str(each.get("schedule", {}).get("reference")) for each in slots}
    adjoin = all(one.end == other.start for one, other in pairwise(spans))
    if len(schedules) > 1 or not adjoin:
        text = "Several slots of one visit must follow each other without a gap in one Schedule."
        raise outcome.VISIT_SLOT(text, "Appointment.slot")
    return Span(spans[0].start, spans[-1].end)


def timed(former: Resource | None, appointment: Resource, slots: Sequence[Resource], time: Span) -> Resource:
    """The Appointment with the time of its slots, where it says none, or none but that of the slots it had before.

    Raises FhirError 422 where it says another time: the same instant in another zone is the same time.
    """
    ordered = sorted(slots, key=lambda each: moment(each.get("start")) or 0)
    found = dict(appointment)
    for name, slot, instant in (("start", ordered[0], time.start), ("end", ordered[-1], time.end)):
        said = appointment.get(name)
        is_left = former is not None and said == former.get(name) and former.get("slot") != appointment.get("slot")
        if said is None or (is_left and moment(said) != instant):
            found[name] = slot[name]
            found.pop(f"_{name}", None)
        elif moment(said) != instant:
            text = f"The {name} of a visit is that of its slot, {slot[name]}. Name another slot to move it."
            raise outcome.VISIT_TIME(text, f"Appointment.{name}")
    if "minutesDuration" in found:
        found["minutesDuration"] = max(1, (time.end - time.start) // MINUTE)
    return found


def refuse_past(time: Span, now: int) -> None:
    """Raise FhirError 422 for a slot that has begun."""
    if time.start <= now:
        raise outcome.VISIT_PAST("This slot has begun already: choose one to come.", "Appointment.slot")


def reminder_due(time: Span) -> int:
    """When somebody is reminded of a visit, in ms."""
    return time.start - REMINDER_HOURS * 60 * MINUTE


def instant_text(moment: int) -> str:
    """The instant in UTC as FHIR writes it, of ms since 1970; of what is later than can be written, the last."""
    return format_instant(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=min(moment, _LAST)))
