"""What may become of a visit: from status to status, by whom, when, and for how long a slot is held.

https://hl7.org/fhir/R4/appointment.html, docs/adr/0033-visits.md
"""

from collections.abc import Iterable, Mapping

from fhir_server.care.visit_times import MINUTE, Party, Span, instant_text, moment, span
from fhir_server.core import outcome
from fhir_server.core.resource import Resource

HELD_UNTIL = "urn:fhir-server:federal:held-until"
"""Extension of Appointment: until when a pending one holds its slots. The server alone writes it."""

HOLD_MINUTES = 10
HOLD_AGAIN_MINUTES = 30
"""For so long after a hold began the same person does not hold the same slot again."""
MOST_HOLDS = 3
LONGEST_VISIT_HOURS = 24
"""Visits that began longer ago are not looked at when overlaps are looked for."""

_END: frozenset[str] = frozenset()
TRANSITIONS: Mapping[str, frozenset[str]] = {
    "proposed": frozenset({"pending", "booked", "waitlist", "cancelled", "entered-in-error"}),
    "waitlist": frozenset({"proposed", "pending", "booked", "cancelled", "entered-in-error"}),
    "pending": frozenset({"booked", "cancelled", "entered-in-error"}),
    "booked": frozenset({"arrived", "checked-in", "noshow", "cancelled", "entered-in-error"}),
    "arrived": frozenset({"checked-in", "cancelled", "entered-in-error"}),
    "checked-in": frozenset({"fulfilled", "cancelled", "entered-in-error"}),
    "fulfilled": _END,
    "cancelled": _END,
    "noshow": _END,
    "entered-in-error": _END,
}
"""Status of an Appointment to those that may follow it."""

KEEPS_SLOT = frozenset({"pending", "booked", "arrived", "checked-in", "fulfilled", "noshow"})
"""Statuses that leave the slot with the Appointment: what has happened frees nothing."""
LIVE = frozenset({"pending", "booked", "arrived", "checked-in"})
"""Statuses of a visit that is to come, or goes on."""
NOT_LIVE = tuple(sorted(TRANSITIONS.keys() - LIVE))

_BY_PATIENTS = frozenset({"proposed", "waitlist", "pending", "booked", "cancelled"})
_FIXED_BY_END = ("status", "slot", "start", "end", "participant")


def status_of(appointment: Resource | None) -> str:
    """Its status, empty where there is no Appointment."""
    return "" if appointment is None else str(appointment.get("status", ""))


def held_until(appointment: Resource) -> int | None:
    """Until when a hold lasts, in ms; None for what is no hold, or one without end."""
    for each in appointment.get("extension", ()):
        if isinstance(each, dict) and each.get("url") == HELD_UNTIL:
            return moment(each.get("valueInstant"))
    return None


def with_held_until(appointment: Resource, until: int | None) -> Resource:
    """The Appointment with this end of its hold, and with no other that somebody may have sent."""
    others = [
        each
        for each in appointment.get("extension", ())
        if not (isinstance(each, dict) and each.get("url") == HELD_UNTIL)
    ]
    if until is not None:
        others.append({"url": HELD_UNTIL, "valueInstant": instant_text(until)})
    bare = {name: value for name, value in appointment.items() if name != "extension"}
    return bare | {"extension": others} if others else bare


def is_over(appointment: Resource, now: int) -> bool:
    """Whether it is a hold whose time has passed: its slots are as good as free."""
    until = held_until(appointment)
    return status_of(appointment) == "pending" and until is not None and until <= now


def is_live(appointment: Resource, now: int) -> bool:
    """Whether it takes its time and slots from others now."""
    return status_of(appointment) in LIVE and not is_over(appointment, now)


def refuse_step(former: Resource | None, appointment: Resource, party: Party, now: int) -> None:
    """Raise FhirError 422 for a status that may not follow, or that a patient may not give."""
    before, status = status_of(former), status_of(appointment)
    if party == "register" and _is_history(former, appointment, now):
        return
    if former is not None and status != before and status not in TRANSITIONS.get(before, _END):
        following = ", ".join(sorted(TRANSITIONS.get(before, _END))) or "nothing: it is an end"
        text = f"'{before}' is not followed by '{status[:32]}'. It may be followed by: {following}."
        raise outcome.VISIT_STATUS(text, "Appointment.status")
    if party == "patient":
        _refuse_to_patient(former, appointment, now)


def _is_history(former: Resource | None, appointment: Resource, now: int) -> bool:
    """Whether it is a visit whose time has come already, as one is that is imported late."""
    found = [span(each) for each in (former, appointment) if each is not None]
    return all(each is not None and each.start <= now for each in found)


def _refuse_to_patient(former: Resource | None, appointment: Resource, now: int) -> None:
    before, status = status_of(former), status_of(appointment)
    if status != before and status not in _BY_PATIENTS:
        text = f"Patients ask for visits, book, move and cancel them; '{status[:32]}' is said by the facility."
        raise outcome.VISIT_STATUS(text, "Appointment.status")
    if former is None:
        _refuse_acceptance_for_others(appointment)
        return
    begins = span(former)
    changed = [name for name in _FIXED_BY_END if former.get(name) != appointment.get(name)]
    if changed and (not TRANSITIONS.get(before) or before in ("arrived", "checked-in")):
        raise outcome.VISIT_STATUS(f"A visit that is '{before}' stays what it was.", f"Appointment.{changed[0]}")
    if changed and before in KEEPS_SLOT and begins is not None and begins.start <= now:
        text = "Its time has come: a visit of the past is neither moved nor cancelled here. Ask the facility."
        raise outcome.VISIT_PAST(text, f"Appointment.{changed[0]}")
    _refuse_moved_time(former, appointment)
    if status == "cancelled" and status != before and "cancelationReason" not in appointment:
        text = "Say why in 'cancelationReason', so that the facility knows."
        raise outcome.VISIT_REASON(text, "Appointment.cancelationReason")


def _refuse_moved_time(former: Resource, appointment: Resource) -> None:
    """Of a booked visit without a slot the facility says when it is; of one with a slot, the slot does."""
    if (
        status_of(former) not in LIVE
        or status_of(appointment) not in LIVE
        or former.get("slot")
        or "slot" in appointment
    ):
        return
    for name in ("start", "end"):
        if moment(former.get(name)) != moment(appointment.get(name)):
            text = f"The {name} of this visit was set by the facility. Book a slot instead, or ask them."
            raise outcome.VISIT_TIME(text, f"Appointment.{name}")


def _refuse_acceptance_for_others(appointment: Resource) -> None:
    """Of a request without a slot nobody has said yes yet but the patient."""
    if status_of(appointment) not in ("proposed", "waitlist"):
        return
    for position, each in enumerate(appointment.get("participant", ())):
        actor = str(each.get("actor", {}).get("reference", ""))
        if each.get("status") == "accepted" and ("Practitioner/" in actor or "PractitionerRole/" in actor):
            text = "Nobody accepts for others: the practitioner of a request has the status 'needs-action'."
            raise outcome.VISIT_PARTICIPANT(text, f"Appointment.participant[{position}].status")


def refuse_overlap(time: Span, others: Iterable[Resource], now: int) -> None:
    """Raise FhirError 422 where another visit of the same person is at the same time."""
    for each in others:
        taken = span(each)
        if is_live(each, now) and taken is not None and time.meets(taken):
            text = (
                "You have another visit, or hold a slot, at this time. Cancel that one first, or choose another time."
            )
            raise outcome.VISIT_OVERLAP(text, "Appointment.start")


def refuse_hold(places: Iterable[str], others: Iterable[tuple[Resource, Iterable[str]]], now: int) -> None:
    """Raise FhirError 422 for a fourth hold of a person, and for one of a slot that they held a short time ago.

    `others` are their other Appointments, each with the places of its slots.
    """
    count, wanted = 0, frozenset(places)
    for each, slots in others:
        until = held_until(each)
        if until is None:
            continue
        count += status_of(each) == "pending" and is_live(each, now)
        again = until + (HOLD_AGAIN_MINUTES - HOLD_MINUTES) * MINUTE
        if again > now and not wanted.isdisjoint(slots):
            text = f"You held this slot a short time ago: book it, or hold it again after {instant_text(again)}."
            raise outcome.VISIT_HOLD(text, "Appointment.slot")
    if count >= MOST_HOLDS:
        text = f"You hold {MOST_HOLDS} slots already: book one of them or let one go first."
        raise outcome.VISIT_HOLD(text, "Appointment.status")
