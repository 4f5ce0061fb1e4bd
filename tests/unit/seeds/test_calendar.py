"""Calendars: slots by the facility's clock, and what appointments take of them."""

from collections import Counter
from datetime import date, datetime
from typing import get_args
from zoneinfo import ZoneInfo

import pytest

from fhir_server.core.codec import decode, encode
from fhir_server.validation.validate import validate
from seeds import appointments, calendar, clinicians
from seeds.appointments import Status
from seeds.chart import Chart
from seeds.model import Clock
from tests.unit.seeds.care_chart import TODAY, Json, chart, named

DIRECTORY = clinicians.directory()


def slots(*booked: Json, today: date = TODAY) -> dict[str, Json]:
    """All slots by reference."""
    found = calendar.schedules(DIRECTORY, Clock(today), booked)
    return {f"Slot/{each['id']}": each for each in found if each["resourceType"] == "Slot"}


def booked(
    record: Chart,
    key: str,
    status: Status = "booked",
    offset: int = 3,
    kind: str = "primary-care",
    sensitive: bool = False,
) -> Json:
    return named(record, appointments.appointment(record, key, offset, 10, 0, kind, status, sensitive=sensitive))


def test_there_are_about_three_thousand_slots_in_twelve_weeks() -> None:
    found = slots()
    starts = sorted(datetime.fromisoformat(each["start"]) for each in found.values())
    assert 2_500 < len(found) < 3_500
    assert 80 <= (starts[-1] - starts[0]).days <= 84


def test_ids_of_slots_do_not_change_with_the_day_they_are_seen_from() -> None:
    assert slots().keys() == slots(today=date(2027, 3, 1)).keys()


def test_no_slot_is_on_a_weekend_and_each_begins_by_the_clock_of_its_facility() -> None:
    zones = {each.key: ZoneInfo(DIRECTORY.facilities[each.facility].zone) for each in DIRECTORY.clinicians.values()}
    for each in slots().values():
        zone = zones[each["schedule"]["reference"].removeprefix("Schedule/").removesuffix("-schedule")]
        start = datetime.fromisoformat(each["start"])
        assert start.weekday() < 5
        assert start.utcoffset() == start.astimezone(zone).utcoffset()
        assert (start.hour, start.minute) in calendar.TIMES


def test_slots_are_free_busy_and_blocked() -> None:
    counted = Counter(each["status"] for each in slots().values())
    assert counted["free"] > 1_500
    assert counted["busy"] > 300
    assert counted["busy-unavailable"] > 50


def test_no_calendar_belongs_to_a_facility_that_is_not_live() -> None:
    for each in calendar.bookable(DIRECTORY):
        assert DIRECTORY.facilities[each.facility].live_in_days <= calendar.FIRST_DAY


def test_schedules_and_slots_are_valid() -> None:
    found = calendar.schedules(DIRECTORY, Clock(TODAY))
    assert [issue.text for each in found for issue in validate(decode(encode(each)))] == []


@pytest.mark.parametrize("status", get_args(Status))
def test_an_appointment_of_every_status_is_valid(status: Status) -> None:
    record = chart()
    made = booked(record, "visit", status)
    assert made["status"] == status
    assert validate(decode(encode(made))) == ()


def test_a_booked_appointment_makes_its_slot_busy_and_has_its_time() -> None:
    made = booked(chart(), "visit")
    slot = slots(made)[made["slot"][0]["reference"]]
    assert slot["status"] == "busy"
    assert (slot["start"], slot["end"]) == (made["start"], made["end"])


def test_a_pending_one_holds_its_slot_for_the_time_being() -> None:
    made = booked(chart(), "visit", "pending")
    assert slots(made)[made["slot"][0]["reference"]]["status"] == "busy-tentative"


@pytest.mark.parametrize("status", ["proposed", "waitlist", "cancelled", "entered-in-error"])
def test_what_is_not_booked_takes_no_slot(status: Status) -> None:
    assert "slot" not in booked(chart(), "visit", status)


def test_two_appointments_at_one_time_get_two_slots() -> None:
    record = chart()
    first, second = booked(record, "one"), booked(record, "two")
    assert first["slot"] == second["slot"]
    found = slots(first, second)
    assert first["slot"] != second["slot"]
    for each in (first, second):
        slot = found[each["slot"][0]["reference"]]
        assert (slot["status"], slot["start"], slot["end"]) == ("busy", each["start"], each["end"])


def test_a_visit_on_a_sunday_is_moved_to_the_next_weekday() -> None:
    made = booked(chart(), "visit", offset=2)
    assert datetime.fromisoformat(made["start"]).weekday() == 0


def test_a_visit_beyond_the_calendar_has_its_own_time_and_no_slot() -> None:
    made = booked(chart(), "visit", offset=200)
    assert "slot" not in made
    assert made["start"].startswith("2027-06-08T10:00:00")


def test_a_wish_has_a_period_instead_of_a_time() -> None:
    made = booked(chart(), "visit", "waitlist")
    assert made["requestedPeriod"] and "start" not in made


def test_a_cancelled_one_says_why() -> None:
    assert booked(chart(), "visit", "cancelled")["cancelationReason"]["coding"]


def test_a_sensitive_visit_is_labelled_by_its_kind() -> None:
    made = booked(chart(), "visit", kind="mental-health", sensitive=True)
    assert {"R", "MH"} <= {each["code"] for each in made["meta"]["security"]}
