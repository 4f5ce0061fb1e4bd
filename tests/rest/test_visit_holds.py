"""A slot that is held for ten minutes is nobody else's for so long, and then free by itself.

https://profiles.ihe.net/ITI/Scheduling/ITI-116.html, docs/adr/0033-visits.md
"""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from fhir_server.core.instant import now
from fhir_server.core.outcome import FhirError
from fhir_server.interactions import hold_expiry, visits
from fhir_server.interactions.hold_expiry import HoldExpiry
from fhir_server.policy import OPERATOR, Sight
from smart_auth.access import AccessContext
from tests.rest import operations
from tests.rest.access import as_bearer, guarded, scopes
from tests.rest.calendars import REASON, at, booked, slot, start, status, stored_calendar, visit
from tests.rest.in_process import opened
from tests.rest.writers import ANNA, BEN, Told, Writers, entry, patient_of, practitioner, system

HELD = "urn:fhir-server:federal:held-until"
DOCTOR = practitioner("anna", "ben")


@pytest.fixture
async def calendar(writers: Writers) -> Writers:
    await stored_calendar(writers)
    return operations.with_operations(writers)


async def operated(calendar: Writers, sight: Sight, code: str, **given: Any) -> Told:
    return await operations.operated(calendar, sight, "Appointment", code, **given)


def appointment(told: Told) -> dict[str, Any]:
    assert told.status in (200, 201), told
    assert (told.body["type"], told.body["total"]) == ("searchset", 1)
    found: dict[str, Any] = told.body["entry"][0]["resource"]
    return found


def later(monkeypatch: pytest.MonkeyPatch, minutes: float) -> None:
    for module in (visits, hold_expiry):
        monkeypatch.setattr(module, "now", lambda: now() + timedelta(minutes=minutes))


async def sweep(calendar: Writers) -> int:
    return await HoldExpiry(calendar.context.server, "worker").sweep()


def patch(**values: Any) -> tuple[str, Any]:
    return "application/merge-patch+json", values


async def test_a_held_slot_is_kept_for_ten_minutes_and_nobody_else_gets_it(calendar: Writers) -> None:
    made = appointment(await operated(calendar, ANNA, "hold", appt_resource=visit("anna", "gp-1", status="proposed")))
    assert made["status"] == "pending"
    (until,) = [each["valueInstant"] for each in made["extension"] if each["url"] == HELD]
    assert at(now() + timedelta(minutes=9)) < until < at(now() + timedelta(minutes=11))
    assert await status(calendar, "gp-1") == "busy-tentative"
    for code in ("hold", "book"):
        told = await operated(calendar, BEN, code, appt_resource=visit("ben", "gp-1"))
        assert (told.status, told.numbers) == (409, (6101,))
    found = await calendar.ask(BEN, "GET", "Slot?status=free&schedule=Schedule/gp")
    assert "gp-1" not in {each["resource"]["id"] for each in found.body["entry"]}


@pytest.mark.parametrize("by", ["POST", "batch", "transaction"])
async def test_a_pending_appointment_is_a_hold_by_whatever_interaction(calendar: Writers, by: str) -> None:
    mine = [{"url": HELD, "valueInstant": "2999-01-01T00:00:00Z"}]
    content = visit("anna", "gp-1", status="pending", extension=mine)
    if by == "POST":
        await booked(calendar, ANNA, content)
    else:
        assert (await calendar.bundle(ANNA, by, [entry("POST", "Appointment", content)])).status == 200
    (row,) = await calendar.rows("Appointment")
    held = await calendar.now(f"Appointment/{row['_id']}")
    assert "2999" not in str(held)
    assert await status(calendar, "gp-1") == "busy-tentative"
    for change in ({"extension": mine}, {"extension": None}):
        assert (await calendar.ask(ANNA, "PATCH", f"Appointment/{row['_id']}", patch(**change))).status == 200
        assert (await calendar.now(f"Appointment/{row['_id']}"))["extension"] == held["extension"]


async def test_a_hold_is_booked_by_its_patient(calendar: Writers) -> None:
    held = appointment(await operated(calendar, ANNA, "hold", appt_id="slot.gp-1"))
    made = appointment(await operated(calendar, ANNA, "book", appt_id=held["id"]))
    assert (made["id"], made["status"]) == (held["id"], "booked")
    assert await status(calendar, "gp-1") == "busy"
    assert await sweep(calendar) == 0
    other = appointment(
        await operated(calendar, BEN, "hold", appt_id="slot.gp-2", patient_reference={"reference": "Patient/ben"})
    )
    # Booked by another Appointment, which takes the place of the hold.
    await booked(calendar, BEN, visit("ben", "gp-2"))
    assert (await calendar.now(f"Appointment/{other['id']}"))["status"] == "cancelled"
    assert await status(calendar, "gp-2") == "busy"


async def test_a_hold_that_is_over_counts_as_free_at_once(calendar: Writers, monkeypatch: pytest.MonkeyPatch) -> None:
    held = appointment(await operated(calendar, ANNA, "hold", appt_id="slot.gp-1"))
    later(monkeypatch, 11)
    await booked(calendar, BEN, visit("ben", "gp-1"))
    assert (await calendar.now(f"Appointment/{held['id']}"))["status"] == "cancelled"
    assert await status(calendar, "gp-1") == "busy"
    told = await operated(calendar, ANNA, "book", appt_id=held["id"])
    assert (told.status, told.numbers) == (422, (6107,))
    assert await sweep(calendar) == 0


async def test_a_hold_that_is_over_is_ended_and_its_slot_found_free(
    calendar: Writers, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = appointment(await operated(calendar, ANNA, "hold", appt_id="slot.gp-1"))
    kept = appointment(await operated(calendar, ANNA, "hold", appt_id="slot.gp-2"))
    await operated(calendar, ANNA, "book", appt_id=kept["id"])
    await calendar.stored(visit("ben", "gp-3", id="waits", status="pending", start=at(start(3)), end=at(start(4))))
    assert await sweep(calendar) == 0
    later(monkeypatch, 10.1)
    assert await sweep(calendar) == 1
    assert (await calendar.now(f"Appointment/{held['id']}"))["status"] == "cancelled"
    assert (await calendar.now("Appointment/waits"))["status"] == "pending"
    assert [await status(calendar, each) for each in ("gp-1", "gp-2")] == ["free", "busy"]
    found = await calendar.ask(BEN, "GET", "Slot?status=free&schedule=Schedule/gp")
    assert "gp-1" in {each["resource"]["id"] for each in found.body["entry"]}
    assert await sweep(calendar) == 0


async def test_a_hold_that_is_over_is_still_booked_where_nobody_was_faster(
    calendar: Writers, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = appointment(await operated(calendar, ANNA, "hold", appt_id="slot.gp-1"))
    later(monkeypatch, 11)
    assert (await calendar.ask(ANNA, "PATCH", f"Appointment/{held['id']}", patch(status="booked"))).status == 200
    assert (await sweep(calendar), await status(calendar, "gp-1")) == (0, "busy")


async def test_nobody_holds_more_than_three_slots(calendar: Writers) -> None:
    for number in range(3):
        await booked(calendar, ANNA, visit("anna", f"gp-{number}", status="pending"))
    told = await calendar.ask(ANNA, "POST", "Appointment", visit("anna", "gp-3", status="pending"))
    assert (told.status, told.numbers) == (422, (6111,))
    assert await status(calendar, "gp-3") == "free"
    await booked(calendar, ANNA, visit("anna", "gp-3"))


@pytest.mark.parametrize("between", ["cancelled", "booked", "over"])
async def test_the_same_slot_is_not_held_again_for_half_an_hour_but_booked(
    calendar: Writers, monkeypatch: pytest.MonkeyPatch, between: str
) -> None:
    held = appointment(await operated(calendar, ANNA, "hold", appt_id="slot.gp-1"))
    place = f"Appointment/{held['id']}"
    if between == "booked":
        await operated(calendar, ANNA, "book", appt_id=held["id"])
    if between == "over":
        later(monkeypatch, 11)
    else:
        told = await calendar.ask(ANNA, "PATCH", place, patch(status="cancelled", cancelationReason=REASON))
        assert told.status == 200
    told = await operated(calendar, ANNA, "hold", appt_id="slot.gp-1")
    assert (told.status, told.numbers) == (422, (6111,))
    later(monkeypatch, 31)
    await sweep(calendar)
    appointment(await operated(calendar, ANNA, "hold", appt_id="slot.gp-1"))
    later(monkeypatch, 32)
    await booked(calendar, ANNA, visit("anna", "gp-1"))


async def test_a_hold_that_was_imported_with_any_end_is_no_failure(calendar: Writers) -> None:
    until = {"url": HELD, "valueInstant": "9999-12-31T23:59:59-14:00"}
    imported = visit("anna", "gp-1", status="pending", extension=[until])
    assert (await calendar.ask(system(), "POST", "Appointment", imported)).status == 201
    told = await calendar.ask(ANNA, "POST", "Appointment", visit("anna", "gp-1", status="pending"))
    assert (told.status, "9999-12-31T23:59:59.999Z" in told.text) == (422, True)


async def test_a_hold_is_not_moved(calendar: Writers) -> None:
    held = appointment(await operated(calendar, ANNA, "hold", appt_id="slot.gp-1"))
    told = await calendar.ask(ANNA, "PATCH", f"Appointment/{held['id']}", patch(slot=[{"reference": "Slot/gp-2"}]))
    assert (told.status, told.numbers) == (422, (6111,))
    assert [await status(calendar, each) for each in ("gp-1", "gp-2")] == ["busy-tentative", "free"]


async def test_a_booked_visit_is_moved_and_cancelled_by_book(calendar: Writers) -> None:
    made = appointment(await operated(calendar, ANNA, "book", appointment_resource=visit("anna", "gp-1")))
    moved = made | {"slot": [{"reference": "Slot/gp-2"}]}
    after = appointment(await operated(calendar, ANNA, "book", appt_resource=moved))
    assert (after["id"], after["start"]) == (made["id"], at(start(2)))
    stale = await operated(calendar, ANNA, "book", appt_resource=made | {"slot": [{"reference": "Slot/gp-3"}]})
    assert stale.status == 412
    told = await operated(calendar, ANNA, "book", appt_resource=after | {"status": "cancelled"})
    assert (told.status, told.numbers) == (422, (6108,))
    gone = after | {"status": "cancelled", "cancelationReason": REASON}
    assert appointment(await operated(calendar, ANNA, "book", appt_resource=gone))["status"] == "cancelled"
    assert [await status(calendar, each) for each in ("gp-1", "gp-2", "gp-3")] == ["free"] * 3


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, 400),
        ({"appt_id": "x", "appt_resource": visit("anna", "gp-1")}, 400),
        ({"appt_id": "never"}, 404),
        ({"appt_id": "slot.never"}, 404),
        ({"appt_id": "bens"}, 404),
        ({"appt_id": "a/b c"}, 400),
        ({"appointment_reference": {"reference": "Appointment/bens"}}, 404),
        ({"appointment_reference": {"reference": "Slot/gp-1"}}, 400),
        ({"appointment_reference": {"reference": "https://elsewhere.example/Appointment/x"}}, 400),
        ({"appointment_reference": {"display": "nine o'clock"}}, 400),
        ({"appt_resource": {"resourceType": "Slot"}}, 400),
        ({"appt_resource": {"resourceType": "Appointment", "participant": 7}}, 400),
        ({"appt_resource": {"resourceType": "Appointment", "participant": [{"actor": 1}]}}, 400),
        ({"appt_resource": {"resourceType": "Appointment", "slot": {"reference": []}, "extension": "x"}}, 400),
        ({"appt_resource": visit("ben", "gp-1")}, 403),
        ({"appt_id": "slot.gp-1", "patient_reference": {"reference": "Patient/ben"}}, 404),
        ({"appt_id": "slot.gp-1", "patient_reference": {"reference": "Patient/never"}}, 404),
        ({"appt_id": "slot.gp-1", "patient_reference": {"reference": "Practitioner/gp"}}, 400),
    ],
)
async def test_a_call_that_names_no_visit_of_ones_own_is_refused(
    calendar: Writers, given: dict[str, Any], expected: int
) -> None:
    await calendar.stored(visit("ben", "gp-2", id="bens", start=at(start(2)), end=at(start(3))))
    for code in ("hold", "book"):
        told = await operated(calendar, ANNA, code, **given)
        assert told.status == expected, (code, told)
    assert [row["_id"] for row in await calendar.rows("Appointment")] == ["bens"]


async def test_whoever_has_no_scope_holds_nothing(calendar: Writers) -> None:
    reader = patient_of("anna", granted="patient/*.rs")
    for code in ("hold", "book"):
        told = await operated(calendar, reader, code, appt_resource=visit("anna", "gp-1"))
        assert told.status == 403


@pytest.mark.parametrize("sight", [DOCTOR, system(), OPERATOR])
async def test_staff_systems_and_the_operator_hold_and_book_for_a_patient(calendar: Writers, sight: Sight) -> None:
    who = {"reference": "Patient/anna"}
    held = appointment(await operated(calendar, sight, "hold", appt_id="slot.gp-1", patient_reference=who))
    assert await status(calendar, "gp-1") == "busy-tentative"
    assert any(each["url"] == HELD for each in held["extension"])
    appointment(await operated(calendar, sight, "book", appt_id=held["id"]))
    assert await status(calendar, "gp-1") == "busy"


async def test_the_sweep_leaves_what_it_cannot_write(calendar: Writers, monkeypatch: pytest.MonkeyPatch) -> None:
    await operated(calendar, ANNA, "hold", appt_id="slot.gp-1")

    async def lost(*_: Any) -> Any:
        raise FhirError(412, [])

    later(monkeypatch, 11)
    with monkeypatch.context() as patched:
        patched.setattr(hold_expiry, "commit", lost)
        assert await sweep(calendar) == 0
    assert await sweep(calendar) == 1


async def test_a_slot_that_begins_while_it_is_held_is_not_freed(
    calendar: Writers, monkeypatch: pytest.MonkeyPatch
) -> None:
    begins = now() + timedelta(minutes=5)
    await calendar.stored(slot(9, id="soon", start=at(begins), end=at(begins + timedelta(minutes=30))))
    appointment(await operated(calendar, ANNA, "hold", appt_id="slot.soon"))
    later(monkeypatch, 11)
    assert (await sweep(calendar), await status(calendar, "soon")) == (1, "busy-tentative")


async def test_a_running_server_ends_holds_by_itself_within_seconds(mongodb_uri: str, database_name: str) -> None:
    over = [{"url": HELD, "valueInstant": "2020-01-01T00:00:00Z"}]
    async with opened(mongodb_uri, database_name) as context:
        writers = Writers(context)
        await stored_calendar(writers)
        when = {"start": at(start(1)), "end": at(start(2))}
        held = visit("anna", "gp-1", id="held", status="pending", extension=over, **when)
        await writers.stored(slot(1, status="busy-tentative"), held)
        bearer = {
            "anna": AccessContext("a", "app", "patient", scopes("patient/*.rs"), patient="anna", patients=("anna",))
        }
        async with guarded(mongodb_uri, database_name, bearer) as client:
            for _ in range(100):
                found = await client.get("Slot?status=free&_id=gp-1", headers=as_bearer("anna"))
                if found.json()["total"] == 1:
                    break
                await asyncio.sleep(0.2)
            assert found.json()["total"] == 1
            shown = await client.get("Appointment/held", headers=as_bearer("anna"))
            assert (shown.status_code, shown.json()["status"]) == (200, "cancelled")
            metadata = (await client.get("metadata")).json()
            (rest,) = metadata["rest"]
            (appointment,) = [each for each in rest["resource"] if each["type"] == "Appointment"]
            assert {each["name"] for each in appointment["operation"]} >= {"find", "hold", "book"}
