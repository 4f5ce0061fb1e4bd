"""The calendars of the facilities: for each bookable clinician a Schedule and its Slots, twelve weeks of them.

https://hl7.org/fhir/R4/schedule.html, https://hl7.org/fhir/R4/slot.html
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from seeds.chart import Directory, instant, meta
from seeds.codes import SPECIALTIES, concept
from seeds.codes_care import SERVICE_OF_SPECIALTY, SERVICES
from seeds.model import Clinician, Clock, Facility, Resource

FIRST_DAY = -14
DAYS = 84
"""Twelve weeks, so that there are 60 weekdays whatever the day of the week is today."""
TIMES = ((8, 30), (10, 0), (13, 0), (14, 30))
"""When slots begin, by the clock on the facility's wall."""
SLOT_MINUTES = 30
MAX_SCHEDULES = 13
"""With 60 days of four slots each: 3,120 slots."""
NOT_BOOKABLE = frozenset({"radiology", "pharmacy", "emergency-medicine", "independent-duty-corpsman"})
"""Specialties whose time nobody books from a portal."""

_HOLDS = {"booked", "arrived", "checked-in", "fulfilled", "noshow"}
"""Statuses of appointments that keep their slot busy. A pending one keeps it `busy-tentative`."""


@dataclass(frozen=True, slots=True)
class SlotTime:
    """One slot of a clinician: the `number`-th of their calendar, from 0, and when it begins."""

    clinician: Clinician
    facility: Facility
    number: int
    start: datetime

    @property
    def id(self) -> str:
        """The id of the Slot; it does not change with the day the calendar is seen from."""
        return f"{self.clinician.key}-slot-{self.number + 1:03d}"

    @property
    def end(self) -> datetime:
        """When it ends."""
        return self.start + timedelta(minutes=SLOT_MINUTES)


def service(clinician: Clinician) -> str:
    """What a clinician is booked for: a name of `seeds.codes_care.SERVICES`."""
    return SERVICE_OF_SPECIALTY.get(clinician.specialty, "primary-care")


def bookable(directory: Directory) -> tuple[Clinician, ...]:
    """Whom patients can book: the first clinician of each facility that is live, then the second of each, and so on."""
    ranked: list[tuple[int, int, Clinician]] = []
    seen: dict[str, int] = {}
    for position, clinician in enumerate(directory.clinicians.values()):
        is_live = directory.facilities[clinician.facility].live_in_days <= FIRST_DAY
        if is_live and clinician.specialty not in NOT_BOOKABLE:
            seen[clinician.facility] = seen.get(clinician.facility, 0) + 1
            ranked.append((seen[clinician.facility], position, clinician))
    ranked.sort(key=lambda each: each[:2])
    return tuple(clinician for _, _, clinician in ranked[:MAX_SCHEDULES])


def slot_near(directory: Directory, clock: Clock, clinician: str, when: datetime) -> SlotTime | None:
    """The slot of the clinician that begins nearest to `when`, on that day or the next weekday; None where they have
    no calendar or it does not reach that far."""
    if all(each.key != clinician for each in bookable(directory)):
        return None
    day = when.date()
    while day.weekday() >= 5:
        day += timedelta(1)
    same_day = [each for each in slot_times(directory, clock, directory.clinicians[clinician]) if _day(each) == day]
    clock_time = timedelta(hours=when.hour, minutes=when.minute)
    return min(same_day, key=lambda each: abs(_of_day(each.start) - clock_time), default=None)


def slot_times(directory: Directory, clock: Clock, clinician: Clinician) -> Iterator[SlotTime]:
    """All slots of a clinician in the order of time."""
    facility = directory.facilities[clinician.facility]
    number = 0
    for offset in range(FIRST_DAY, FIRST_DAY + DAYS):
        if clock.day(offset).weekday() >= 5:
            continue
        for hour, minute in TIMES:
            yield SlotTime(clinician, facility, number, clock.at(offset, hour, minute, facility.zone))
            number += 1


def schedules(
    directory: Directory, clock: Clock, appointments: Iterable[Resource] = (), *, population: str = "demo"
) -> list[Resource]:
    """Every Schedule with its Slots. A slot that an appointment takes is busy; of the rest most are free.

    Where two appointments took the same slot, the later one in the list is moved to the next slot of that calendar
    that none has: its `slot`, `start` and `end` are rewritten.
    """
    wanted = [each for each in appointments if each.get("slot")]
    found: list[Resource] = []
    for clinician in bookable(directory):
        times = list(slot_times(directory, clock, clinician))
        taken = _taken(times, wanted)
        found.append(_schedule(clinician, times, population))
        found += [_slot(time, taken.get(time.id), clock, population) for time in times]
    return found


def _taken(times: list[SlotTime], appointments: list[Resource]) -> dict[str, str]:
    """The status of each slot that an appointment holds, by the slot's id."""
    position_of = {f"Slot/{time.id}": position for position, time in enumerate(times)}
    taken: dict[str, str] = {}
    for appointment in appointments:
        position = position_of.get(appointment["slot"][0]["reference"])
        if position is None:
            continue
        free = next((time for time in times[position:] if time.id not in taken), None)
        if free is None:
            raise ValueError(f"{appointment['id']} finds no slot: the calendar is full to its end")
        appointment["slot"] = [{"reference": f"Slot/{free.id}"}]
        appointment["start"], appointment["end"] = instant(free.start), instant(free.end)
        taken[free.id] = "busy-tentative" if appointment["status"] == "pending" else "busy"
    return taken


def holds_slot(status: str) -> bool:
    """Whether an appointment of this status takes a slot away from others."""
    return status in _HOLDS or status == "pending"


def _schedule(clinician: Clinician, times: list[SlotTime], population: str) -> Resource:
    facility = times[0].facility
    return {
        "resourceType": "Schedule",
        "id": f"{clinician.key}-schedule",
        "meta": meta(population, facility.agency),
        "active": True,
        "serviceType": [concept("service-type", SERVICES[service(clinician)])],
        "specialty": [concept("nucc", SPECIALTIES[clinician.specialty])],
        "actor": [
            {
                "reference": f"Practitioner/{clinician.key}",
                "display": f"{clinician.prefix} {clinician.given[0]} {clinician.family}".strip(),
            },
            {"reference": f"Location/{facility.key}", "display": facility.name},
        ],
        "planningHorizon": {"start": instant(times[0].start), "end": instant(times[-1].end)},
    }


def _slot(time: SlotTime, held: str | None, clock: Clock, population: str) -> Resource:
    status = held or _status(time, clock)
    slot: Resource = {
        "resourceType": "Slot",
        "id": time.id,
        "meta": meta(population, time.facility.agency),
        "serviceType": [concept("service-type", SERVICES[service(time.clinician)])],
        "specialty": [concept("nucc", SPECIALTIES[time.clinician.specialty])],
        "appointmentType": concept("v2-0276", "FOLLOWUP" if time.number % len(TIMES) == 3 else "ROUTINE"),
        "schedule": {"reference": f"Schedule/{time.clinician.key}-schedule"},
        "status": status,
        "start": instant(time.start),
        "end": instant(time.end),
    }
    if status == "busy-unavailable":
        slot["comment"] = "Kept free for training"
    return slot


def _status(time: SlotTime, clock: Clock) -> str:
    """Of a slot that no appointment here takes: others book too, and some time is blocked."""
    if time.start.date().weekday() == 2 and time.start.hour == 13:
        return "busy-unavailable"
    drawn = Random(time.id).random()
    is_near = time.start.date() <= clock.day(14)
    return "busy" if drawn < (0.6 if is_near else 0.2) else "free"


def _day(time: SlotTime) -> object:
    return time.start.date()


def _of_day(when: datetime) -> timedelta:
    return timedelta(hours=when.hour, minutes=when.minute)
