"""A visit is booked, moved and cancelled together with its slot, by whatever interaction, and by whom it may be.

https://hl7.org/fhir/R4/appointment.html, docs/adr/0033-visits.md
"""

from datetime import timedelta, timezone
from typing import Any

import pytest

from fhir_server.core.instant import now
from fhir_server.interactions import visit_facts
from fhir_server.interactions.context import Conditions
from fhir_server.policy import OPERATOR, Sight
from tests.rest.calendars import (
    REASON,
    at,
    booked,
    location,
    schedule,
    service,
    slot,
    start,
    status,
    stored_calendar,
    visit,
)
from tests.rest.writers import ANNA, BEN, Told, Writers, admin, entry, patient_of, practitioner, system

DOCTOR = practitioner("anna", "ben")


@pytest.fixture
async def calendar(writers: Writers) -> Writers:
    await stored_calendar(writers)
    return writers


def json_patch(**values: Any) -> tuple[str, Any]:
    found = [{"op": "add", "path": f"/{name}", "value": value} for name, value in values.items()]
    return "application/json-patch+json", found


def cancelled(visit: dict[str, Any]) -> dict[str, Any]:
    return visit | {"status": "cancelled", "cancelationReason": REASON}


def errors(told: Told) -> tuple[int, tuple[int, ...], str | None]:
    return told.status, told.numbers, told.element


async def notices(writers: Writers) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await writers.context.server.database.handle["server.notices"].find({}).to_list(None)
    return found


async def test_a_booking_takes_its_slot_and_gets_what_the_slot_says(calendar: Writers) -> None:
    made = await booked(calendar, ANNA, visit("anna", "gp-1"))
    assert (made["start"], made["end"]) == (at(start(1)), at(start(2)))
    who = {each["actor"]["reference"]: each["status"] for each in made["participant"]}
    assert who == dict.fromkeys(("Patient/anna", "Practitioner/gp", "Location/clinic"), "accepted")
    assert await status(calendar, "gp-1") == "busy"
    assert (await calendar.now("Slot/gp-1"))["meta"]["versionId"] == "2"


async def test_a_busy_slot_tells_nothing_of_who_booked_it(calendar: Writers) -> None:
    await booked(calendar, ANNA, visit("anna", "gp-1", description="words of anna"))
    bens = patient_of("ben", granted="patient/Slot.rs patient/Appointment.cruds")
    told = await calendar.ask(bens, "GET", "Slot/gp-1")
    assert told.body["status"] == "busy"
    assert "anna" not in str(told.body)
    found = await calendar.ask(bens, "GET", "Slot?status=free&schedule=Schedule/gp")
    assert {each["resource"]["id"] for each in found.body["entry"]} == {"gp-0", "gp-2", "gp-3", "gp-8"}
    assert (await calendar.ask(bens, "GET", "Appointment?slot=Slot/gp-1")).body["total"] == 0


@pytest.mark.parametrize("by", ["POST", "batch", "transaction"])
async def test_a_slot_is_booked_once(calendar: Writers, by: str) -> None:
    await booked(calendar, ANNA, visit("anna", "gp-1"))
    if by == "POST":
        told = await calendar.ask(BEN, "POST", "Appointment", visit("ben", "gp-1"))
        assert errors(told) == (409, (6101,), "Appointment.slot")
    else:
        told = await calendar.bundle(BEN, by, [entry("POST", "Appointment", visit("ben", "gp-1"))])
        assert (told.body["entry"][0]["response"]["status"][:3] if by == "batch" else str(told.status)) == "409"
    assert len(await calendar.rows("Appointment")) == 1


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (visit("ben"), (422, (6103,), "Appointment.slot")),
        (visit("ben", "gp-1", "gp-2"), (422, (6103,), "Appointment.slot")),
        (visit("ben", "none"), (422, (6103,), "Appointment.slot")),
        (visit("ben", "hidden"), (422, (6103,), "Appointment.slot")),
        (visit("ben", slot=[{"reference": "https://elsewhere.example/Slot/1"}]), (422, (6103,), "Appointment.slot[0]")),
        (visit("ben", slot=[{"reference": "#s"}]), (422, (6103,), "Appointment.slot[0]")),
        (visit("ben", slot=[{"display": "nine o'clock"}]), (422, (6103,), "Appointment.slot[0]")),
        (visit("ben", slot=[{"identifier": {"value": "1"}}]), (422, (6103,), "Appointment.slot[0]")),
        (visit("ben", slot=[{"reference": "Location/clinic"}]), (422, (6103,), "Appointment.slot[0]")),
        (visit("ben", "closed-0"), (422, (6103,), "Appointment.slot")),
        (visit("ben", "civilian-0"), (422, (6104,), "Appointment.slot")),
        (visit("ben", "later-0"), (422, (6104,), "Appointment.slot")),
        (visit("ben", "nowhere-0"), (422, (6104,), "Appointment.slot")),
        (visit("ben", "gp-8"), (422, (6106,), "Appointment.slot")),
        (visit("ben", "gp-6"), (409, (6101,), "Appointment.slot")),
        (visit("ben", "gp-7"), (409, (6101,), "Appointment.slot")),
        (visit("ben", "gp-1", start=at(start(2))), (422, (6105,), "Appointment.start")),
        (visit("ben", "gp-1", end=at(start(3))), (422, (6105,), "Appointment.end")),
        (visit("ben", "gp-1", status="arrived"), (422, (6107,), "Appointment.status")),
        (visit("ben", "gp-1", status="fulfilled"), (422, (6107,), "Appointment.status")),
        (visit("ben", "gp-1", status="noshow"), (422, (6107,), "Appointment.status")),
        (visit("ben", "gp-1", status="checked-in"), (422, (6107,), "Appointment.status")),
    ],
)
async def test_a_booking_that_breaks_a_rule_is_refused_and_stores_nothing(
    calendar: Writers, content: dict[str, Any], expected: tuple[int, tuple[int, ...], str]
) -> None:
    restricted = {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]}
    await calendar.stored(slot(9, id="hidden", meta=restricted))
    before = await calendar.rows("Slot")
    told = await calendar.ask(BEN, "POST", "Appointment", content)
    assert errors(told) == expected
    assert await calendar.rows("Slot") == before
    assert await calendar.rows("Appointment") == []


@pytest.mark.parametrize(
    ("participant", "element"),
    [
        ({"actor": {"reference": "Practitioner/other"}, "status": "accepted"}, "Appointment.participant[1].actor"),
        ({"actor": {"reference": "PractitionerRole/x"}, "status": "accepted"}, "Appointment.participant[1].actor"),
    ],
)
async def test_nobody_else_is_forged_into_a_visit(calendar: Writers, participant: dict[str, Any], element: str) -> None:
    content = visit("anna", "gp-1")
    told = await calendar.ask(
        ANNA, "POST", "Appointment", content | {"participant": [*content["participant"], participant]}
    )
    assert errors(told) == (422, (6109,), element)


async def test_the_patient_must_have_accepted_and_be_required(calendar: Writers) -> None:
    for name, value in (("status", "tentative"), ("status", "declined"), ("required", "optional")):
        who = visit()["participant"][0] | {name: value}
        told = await calendar.ask(ANNA, "POST", "Appointment", visit("anna", "gp-1", participant=[who]))
        assert errors(told) == (422, (6109,), f"Appointment.participant[0].{name}")
    bare = {"actor": {"reference": "Patient/anna"}, "status": "accepted"}
    made = await booked(calendar, ANNA, visit("anna", "gp-1", participant=[bare]))
    assert made["participant"][0]["required"] == "required"


async def test_the_patient_of_a_booked_visit_neither_declines_it_nor_is_at_two_visits(calendar: Writers) -> None:
    made = await booked(calendar, ANNA, visit("anna", "gp-1"))
    first, *others = made["participant"]
    place = f"Appointment/{made['id']}"

    async def changed(sight: Sight, **values: Any) -> Told:
        patch = {"participant": [first | values, *others]}
        return await calendar.ask(sight, "PATCH", place, ("application/merge-patch+json", patch))

    # It is cancelled, which frees its slot.
    assert (await changed(ANNA, status="declined")).element == "Appointment.participant[0].status"
    assert (await changed(ANNA, required="optional")).element == "Appointment.participant[0].required"
    await booked(calendar, BEN, visit("ben", "other-1"))
    told = await changed(DOCTOR, actor={"reference": "Patient/ben"})
    assert (told.status, told.element) == (422, "Appointment.start")


async def test_nobody_books_in_anothers_name(calendar: Writers) -> None:
    told = await calendar.ask(BEN, "POST", "Appointment", visit("anna", "gp-1"))
    assert told.status == 403
    assert await status(calendar, "gp-1") == "free"


@pytest.mark.parametrize("hours", [-10, 0, 5, 14])
async def test_times_are_compared_as_instants_whatever_their_zone(calendar: Writers, hours: int) -> None:
    zone = timezone(timedelta(hours=hours))
    begins, ends = at(start(1).astimezone(zone)), at(start(2).astimezone(zone))
    made = await booked(calendar, ANNA, visit("anna", "gp-1", start=begins, end=ends))
    assert (made["start"], made["end"]) == (begins, ends)


async def test_the_clock_on_the_wall_alone_is_another_time(calendar: Writers) -> None:
    begins = at(start(1)).replace("+00:00", "-05:00")
    told = await calendar.ask(ANNA, "POST", "Appointment", visit("anna", "gp-1", start=begins))
    assert errors(told) == (422, (6105,), "Appointment.start")


@pytest.mark.parametrize("form", ["PUT", "json", "merge", "fhirpath", "batch", "transaction"])
async def test_a_move_takes_the_new_slot_and_frees_the_old(calendar: Writers, form: str) -> None:
    made = await booked(calendar, ANNA, visit("anna", "gp-1"))
    place, named = f"Appointment/{made['id']}", [{"reference": "Slot/other-2"}]
    if form == "PUT":
        told = await calendar.ask(ANNA, "PUT", place, made | {"slot": named})
    elif form == "json":
        told = await calendar.ask(ANNA, "PATCH", place, json_patch(slot=named))
    elif form == "merge":
        told = await calendar.ask(ANNA, "PATCH", place, ("application/merge-patch+json", {"slot": named}))
    elif form == "fhirpath":
        part = [("type", "valueCode", "replace"), ("path", "valueString", "Appointment.slot[0].reference")]
        part.append(("value", "valueString", "Slot/other-2"))
        operation = {"name": "operation", "part": [{"name": name, form: value} for name, form, value in part]}
        document = {"resourceType": "Parameters", "parameter": [operation]}
        told = await calendar.ask(ANNA, "PATCH", place, ("application/fhir+json", document))
    else:
        told = await calendar.bundle(ANNA, form, [entry("PUT", place, made | {"slot": named})])
    assert told.status == 200, told
    after = await calendar.now(place)
    assert after["start"] == at(start(2))
    assert {each["actor"]["reference"] for each in after["participant"]} == {
        "Patient/anna",
        "Practitioner/other",
        "Location/hospital",
    }
    assert (await status(calendar, "gp-1"), await status(calendar, "other-2")) == ("free", "busy")


async def test_the_time_is_not_moved_without_the_slot(calendar: Writers) -> None:
    made = await booked(calendar, ANNA, visit("anna", "gp-1"))
    for values in ({"start": at(start(2))}, {"start": "2020-01-01T09:00:00Z"}, {"end": at(start(4))}):
        told = await calendar.ask(ANNA, "PATCH", f"Appointment/{made['id']}", json_patch(**values))
        assert errors(told) == (422, (6105,), f"Appointment.{next(iter(values))}")
    told = await calendar.ask(DOCTOR, "PATCH", f"Appointment/{made['id']}", json_patch(start=at(start(0))))
    assert told.status == 422


async def test_a_visit_is_not_moved_into_another_ones_slot(calendar: Writers) -> None:
    made = await booked(calendar, ANNA, visit("anna", "gp-1"))
    await booked(calendar, BEN, visit("ben", "gp-2"))
    patch = json_patch(slot=[{"reference": "Slot/gp-2"}])
    assert errors(await calendar.ask(ANNA, "PATCH", f"Appointment/{made['id']}", patch))[:2] == (409, (6101,))
    assert (await status(calendar, "gp-1"), await status(calendar, "gp-2")) == ("busy", "busy")


@pytest.mark.parametrize("by", ["PUT", "PATCH", "batch", "transaction"])
async def test_a_cancellation_with_a_reason_frees_the_slot(calendar: Writers, by: str) -> None:
    made = await booked(calendar, ANNA, visit("anna", "gp-1"))
    place = f"Appointment/{made['id']}"
    told = await calendar.ask(ANNA, "PUT", place, made | {"status": "cancelled"})
    assert errors(told) == (422, (6108,), "Appointment.cancelationReason")
    assert await status(calendar, "gp-1") == "busy"
    if by == "PUT":
        told = await calendar.ask(ANNA, by, place, cancelled(made))
    elif by == "PATCH":
        told = await calendar.ask(ANNA, by, place, json_patch(status="cancelled", cancelationReason=REASON))
    else:
        told = await calendar.bundle(ANNA, by, [entry("PUT", place, cancelled(made))])
    assert told.status == 200
    assert await status(calendar, "gp-1") == "free"
    again = await calendar.ask(ANNA, "PUT", place, made)
    assert errors(again) == (422, (6107,), "Appointment.status")
    await booked(calendar, BEN, visit("ben", "gp-1"))


async def test_a_stale_version_is_a_412_and_changes_nothing(calendar: Writers) -> None:
    made = await booked(calendar, ANNA, visit("anna", "gp-1"))
    place = f"Appointment/{made['id']}"
    await calendar.ask(DOCTOR, "PATCH", place, json_patch(comment="bring glasses"))
    for content in (cancelled(made), made | {"slot": [{"reference": "Slot/gp-7"}]}):
        told = await calendar.ask(ANNA, "PUT", place, content, Conditions(if_match='W/"1"'))
        assert told.status == 412
    assert await status(calendar, "gp-1") == "busy"


async def test_deleting_a_visit_frees_its_slot(calendar: Writers) -> None:
    made = await booked(calendar, ANNA, visit("anna", "gp-1"))
    assert (await calendar.ask(DOCTOR, "DELETE", f"Appointment/{made['id']}")).status == 204
    assert await status(calendar, "gp-1") == "free"


async def test_another_persons_visit_looks_like_none_and_its_slot_stays(calendar: Writers) -> None:
    made = await booked(calendar, ANNA, visit("anna", "gp-1"))
    for id in (made["id"], "none"):
        told = await calendar.ask(BEN, "PUT", f"Appointment/{id}", cancelled(visit("ben", "gp-1")) | {"id": id})
        assert told.status == 404, told
        told = await calendar.ask(BEN, "PUT", f"Appointment/{id}", visit("ben", "gp-1") | {"id": id})
        assert told.status == 404, told
        told = await calendar.ask(BEN, "PATCH", f"Appointment/{id}", json_patch(status="fulfilled"))
        assert told.status == 404, told
    assert await status(calendar, "gp-1") == "busy"


async def test_a_visit_is_not_moved_between_patients(calendar: Writers) -> None:
    made = await booked(calendar, ANNA, visit("anna", "gp-1"))
    mother = patient_of("anna", "ben")
    told = await calendar.ask(mother, "PUT", f"Appointment/{made['id']}", visit("ben", "gp-1") | {"id": made["id"]})
    assert told.status == 403
    assert (await calendar.now(f"Appointment/{made['id']}"))["meta"]["versionId"] == "1"


async def test_the_steps_of_a_visit_are_kept_to(calendar: Writers) -> None:
    made = await booked(calendar, ANNA, visit("anna", "gp-1"))
    place = f"Appointment/{made['id']}"
    for step, expected in (
        ("fulfilled", 422),
        ("proposed", 422),
        ("arrived", 200),
        ("booked", 422),
        ("checked-in", 200),
        ("fulfilled", 200),
        ("booked", 422),
        ("cancelled", 422),
    ):
        assert (await calendar.ask(DOCTOR, "PATCH", place, json_patch(status=step))).status == expected, step
    assert await status(calendar, "gp-1") == "busy"


async def test_a_request_without_a_slot_is_made_and_then_booked_by_staff(calendar: Writers) -> None:
    period = [{"start": at(start(0)), "end": at(start(0, 20))}]
    made = await booked(calendar, ANNA, visit(status="proposed", requestedPeriod=period, serviceType=[service("124")]))
    named = {"status": "booked", "slot": [{"reference": "Slot/gp-1"}]}
    told = await calendar.ask(DOCTOR, "PATCH", f"Appointment/{made['id']}", json_patch(**named))
    assert told.status == 200, told
    assert await status(calendar, "gp-1") == "busy"
    who = {"actor": {"reference": "Practitioner/gp"}, "status": "accepted"}
    forged = visit(status="proposed")
    told = await calendar.ask(ANNA, "POST", "Appointment", forged | {"participant": [*forged["participant"], who]})
    assert errors(told) == (422, (6109,), "Appointment.participant[1].status")


async def test_staff_book_slots_that_adjoin_and_no_others(calendar: Writers) -> None:
    made = await booked(calendar, DOCTOR, visit("anna", "gp-2", "gp-1"))
    assert (made["start"], made["end"]) == (at(start(1)), at(start(3)))
    for slots in (("gp-0", "gp-3"), ("gp-0", "other-1")):
        told = await calendar.ask(DOCTOR, "POST", "Appointment", visit("ben", *slots))
        assert errors(told) == (422, (6103,), "Appointment.slot")
    told = await calendar.ask(DOCTOR, "PATCH", f"Appointment/{made['id']}", json_patch(status="cancelled"))
    assert told.status == 200
    assert [await status(calendar, f"gp-{number}") for number in (1, 2)] == ["free", "free"]


@pytest.mark.parametrize("form", ["second", "transaction"])
async def test_a_person_has_one_visit_at_a_time(calendar: Writers, form: str) -> None:
    await calendar.stored(slot(1, "other", id="long", end=at(start(3))))
    if form == "second":
        await booked(calendar, ANNA, visit("anna", "gp-1"))
        told = await calendar.ask(ANNA, "POST", "Appointment", visit("anna", "long"))
    else:
        both = [entry("POST", "Appointment", visit("anna", each)) for each in ("gp-2", "long")]
        told = await calendar.bundle(ANNA, "transaction", both)
    assert errors(told) == (422, (6110,), "Appointment.start")
    assert await status(calendar, "long") == "free"
    await booked(calendar, ANNA, visit("anna", "gp-3"))
    await booked(calendar, BEN, visit("ben", "long"))


async def test_requests_without_number_hide_no_visit_at_the_same_time(
    calendar: Writers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visit_facts, "_MOST_VISITS", 2)
    await booked(calendar, ANNA, visit("anna", "gp-1"))
    time = {"start": at(start(1)), "end": at(start(2))}
    for _ in range(3):
        await booked(calendar, ANNA, visit("anna", status="proposed", **time))
    told = await calendar.ask(ANNA, "POST", "Appointment", visit("anna", "other-1"))
    assert (told.status, told.element) == (422, "Appointment.start")


async def test_one_transaction_books_a_slot_once_and_swaps_two(calendar: Writers) -> None:
    both = [entry("POST", "Appointment", visit(each, "gp-1")) for each in ("anna", "ben")]
    assert (await calendar.bundle(DOCTOR, "transaction", both)).status == 409
    made = [await booked(calendar, DOCTOR, visit(who, of)) for who, of in (("anna", "gp-1"), ("ben", "gp-2"))]
    swapped = [each | {"slot": other["slot"]} for each, other in zip(made, reversed(made), strict=True)]
    told = await calendar.bundle(
        DOCTOR, "transaction", [entry("PUT", f"Appointment/{each['id']}", each) for each in swapped]
    )
    assert told.status == 200, told
    assert [await status(calendar, f"gp-{number}") for number in (1, 2)] == ["busy", "busy"]
    assert (await calendar.now(f"Appointment/{made[0]['id']}"))["start"] == at(start(2))


async def test_a_visit_of_the_past_is_neither_moved_nor_cancelled_by_its_patient(calendar: Writers) -> None:
    past = {"start": at(start(8, -1)), "end": at(start(9, -1))}
    await calendar.stored(visit("anna", "gp-8", id="old", **past))
    place = "Appointment/old"
    for patch in (
        json_patch(status="cancelled", cancelationReason=REASON),
        json_patch(slot=[{"reference": "Slot/gp-1"}]),
        json_patch(slot=[{"reference": "Slot/gp-1"}], start=at(start(1)), end=at(start(2))),
    ):
        assert errors(await calendar.ask(ANNA, "PATCH", place, patch))[:2] == (422, (6106,))
    assert (await calendar.ask(ANNA, "PATCH", place, json_patch(comment="thanks"))).status == 200
    before = await status(calendar, "gp-8")
    assert (await calendar.ask(DOCTOR, "PATCH", place, json_patch(status="noshow"))).status == 200
    assert await status(calendar, "gp-8") == before


@pytest.mark.parametrize("sight", [system(), admin()])
async def test_history_is_imported_as_it_was(calendar: Writers, sight: Sight) -> None:
    past = {"start": "2020-01-01T09:00:00Z", "end": "2020-01-01T09:30:00Z"}
    for content in (
        visit("anna", "never-here", status="fulfilled", **past),
        visit("anna", "civilian-0", **past),
        visit("anna", status="noshow", **past),
        visit("anna", start=at(start(1)), end=at(start(2))),
        visit("ben", slot=[{"reference": "https://elsewhere.example/Slot/1"}], start=at(start(1)), end=at(start(2))),
        # The other system's slots come first, with their statuses.
        visit("ben", "gp-7"),
    ):
        told = await calendar.ask(sight, "POST", "Appointment", content)
        assert told.status == 201, told
    assert errors(await calendar.ask(sight, "POST", "Appointment", visit("anna", "gp-7")))[:2] == (409, (6101,))
    assert (await calendar.ask(sight, "POST", "Appointment", visit("anna", "civilian-0"))).status == 422


async def test_a_schedule_its_slots_and_visits_come_in_one_transaction(calendar: Writers) -> None:
    entries = [
        entry("PUT", "Schedule/new", schedule("new", "Practitioner/gp", "Location/new")),
        entry("PUT", "Location/new", location("new", "clinic")),
        entry("PUT", "Slot/new-1", slot(1, "new", status="busy")),
        entry("POST", "Appointment", visit("anna", "new-1")),
    ]
    told = await calendar.bundle(system(), "transaction", entries)
    assert told.status == 200, told
    entries[2] = entry("PUT", "Slot/new-2", slot(2, "new"))
    entries[3] = entry("POST", "Appointment", visit("ben", "new-2"))
    assert errors(await calendar.bundle(system(), "transaction", entries))[:2] == (409, (6102,))


async def test_a_slot_stays_as_it_is_while_a_visit_is_booked_in_it(calendar: Writers) -> None:
    made = await booked(calendar, ANNA, visit("anna", "gp-1"))
    current = await calendar.now("Slot/gp-1")
    for change in ({"status": "free"}, {"status": "busy-unavailable"}, {"start": at(start(0))}):
        told = await calendar.ask(DOCTOR, "PUT", "Slot/gp-1", current | change)
        assert errors(told) == (409, (6102,), f"Slot.{next(iter(change))}")
    assert (await calendar.ask(system(), "DELETE", "Slot/gp-1")).status == 409
    assert (await calendar.ask(DOCTOR, "PUT", "Slot/gp-1", current | {"comment": "room 2"})).status == 200
    assert (await calendar.ask(DOCTOR, "PUT", "Slot/gp-2", slot(2, status="busy-unavailable"))).status == 200
    assert (await calendar.ask(ANNA, "PUT", f"Appointment/{made['id']}", cancelled(made))).status == 200
    assert (await calendar.ask(system(), "DELETE", "Slot/gp-1")).status == 204


async def test_a_slot_that_two_visits_name_is_freed_by_the_last(calendar: Writers) -> None:
    made = await booked(calendar, ANNA, visit("anna", "gp-1"))
    await calendar.stored(visit("ben", "gp-1", id="second", start=at(start(1)), end=at(start(2))))
    assert (await calendar.ask(ANNA, "PUT", f"Appointment/{made['id']}", cancelled(made))).status == 200
    assert await status(calendar, "gp-1") == "busy"
    assert (await calendar.ask(DOCTOR, "PATCH", "Appointment/second", json_patch(status="cancelled"))).status == 200
    assert await status(calendar, "gp-1") == "free"


async def test_a_blocked_slot_is_not_freed(calendar: Writers) -> None:
    await calendar.stored(visit("anna", "gp-6", id="blocked", start=at(start(6)), end=at(start(7))))
    assert (await calendar.ask(DOCTOR, "PATCH", "Appointment/blocked", json_patch(status="cancelled"))).status == 200
    assert await status(calendar, "gp-6") == "busy-unavailable"


async def test_each_visit_has_one_reminder_a_day_before(calendar: Writers) -> None:
    soon = now() + timedelta(hours=3)
    await calendar.stored(slot(20, start=at(soon), end=at(soon + timedelta(minutes=30)), id="soon"))
    made = await booked(calendar, ANNA, visit("anna", "gp-1"))
    place = f"Appointment/{made['id']}"
    (kept,) = await notices(calendar)
    begins = int(start(1).timestamp() * 1000)
    assert kept == {
        "_id": f"visit/{made['id']}/{begins}/anna",
        "kind": "visit-reminder",
        "place": "Patient/anna",
        "due": begins - 86_400_000,
        "about": place,
        "state": "booked",
    }
    assert (await calendar.ask(ANNA, "PATCH", place, json_patch(comment="hello"))).status == 200
    assert await notices(calendar) == [kept]
    assert (await calendar.ask(ANNA, "PATCH", place, json_patch(slot=[{"reference": "Slot/gp-2"}]))).status == 200
    (moved,) = await notices(calendar)
    assert moved["due"] == kept["due"] + 30 * 60_000
    told = await calendar.ask(ANNA, "PATCH", place, json_patch(status="cancelled", cancelationReason=REASON))
    assert (told.status, await notices(calendar)) == (200, [])
    await booked(calendar, ANNA, visit("anna", "soon"))
    assert await notices(calendar) == []


async def test_the_operator_of_a_server_without_sign_in_loads_visits_as_they_are(calendar: Writers) -> None:
    told = await calendar.ask(OPERATOR, "POST", "Appointment", visit("anna", "gp-7", status="fulfilled"))
    assert (told.status, await status(calendar, "gp-7")) == (201, "busy")
