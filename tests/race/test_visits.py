"""Many who want the same slot at once, on two workers: one gets it, and nobody gets two.

https://hl7.org/fhir/R4/appointment.html, docs/adr/0033-visits.md
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from fhir_server.care.visit_times import Span
from fhir_server.core.codec import decode
from fhir_server.interactions import hold_expiry
from fhir_server.interactions.facts import Stored
from fhir_server.interactions.hold_expiry import HoldExpiry
from fhir_server.interactions.visit_facts import VisitFacts
from fhir_server.store import history
from tests.rest.calendars import REASON, at, slot, start, status, stored_calendar, visit
from tests.rest.in_process import opened
from tests.rest.writers import Told, Writers, patient_of, person, practitioner

pytestmark = pytest.mark.race

PARALLEL = 50


@pytest.fixture
async def workers(mongodb_uri: str, database_name: str) -> AsyncIterator[tuple[Writers, Writers]]:
    """Two workers with warm pools over one calendar and PARALLEL patients."""
    async with AsyncExitStack() as stack:
        contexts = [await stack.enter_async_context(opened(mongodb_uri, database_name)) for _ in range(2)]
        here, there = map(Writers, contexts)
        await stored_calendar(here)
        await here.stored(*(person(f"p{number}") for number in range(PARALLEL)))
        for each in (here, there):
            handle = each.context.server.database.handle
            await asyncio.gather(*(handle.command("ping") for _ in range(PARALLEL)))
        yield here, there


async def posted(workers: tuple[Writers, Writers], number: int, content: dict[str, Any], who: str) -> Told:
    return await workers[number % 2].ask(patient_of(who), "POST", "Appointment", content)


async def live(writers: Writers, slot: str) -> list[dict[str, Any]]:
    """The Appointments that keep a slot."""
    found = [decode(row["body"]) for row in await writers.rows("Appointment")]
    named = [each for each in found if each["slot"] == [{"reference": f"Slot/{slot}"}]]
    return [each for each in named if each["status"] in ("booked", "pending")]


@pytest.mark.parametrize("wanted", ["booked", "pending"])
async def test_of_fifty_who_want_one_slot_one_gets_it(workers: tuple[Writers, Writers], wanted: str) -> None:
    told = await asyncio.gather(
        *(
            posted(workers, number, visit(f"p{number}", "gp-1", status=wanted), f"p{number}")
            for number in range(PARALLEL)
        )
    )
    assert Counter(each.status for each in told) == {201: 1, 409: PARALLEL - 1}
    assert {each.numbers for each in told if each.status == 409} <= {(6101,), (2013,)}
    assert len(await workers[0].rows("Appointment")) == 1
    assert len(await history.of_instance(workers[0].context.server.database, "Slot", "gp-1", 100)) == 2
    assert await status(workers[0], "gp-1") == ("busy" if wanted == "booked" else "busy-tentative")


async def test_of_fifty_requests_of_one_person_for_one_slot_one_gets_it(workers: tuple[Writers, Writers]) -> None:
    told = await asyncio.gather(*(posted(workers, number, visit("p0", "gp-1"), "p0") for number in range(PARALLEL)))
    assert Counter(each.status for each in told) == {201: 1, 409: PARALLEL - 1}


async def test_a_slot_that_the_same_person_books_while_it_is_looked_at_is_taken(
    workers: tuple[Writers, Writers], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slot was read as free, the person's visits after the other booking: that is told as what it is."""
    looked_at, others = VisitFacts.around, [1]

    async def overtaken(self: VisitFacts, patient: str, time: Span, is_live: bool = False) -> dict[str, Stored]:
        if others:
            others.clear()
            assert (await posted(workers, 1, visit("p0", "gp-1"), "p0")).status == 201
        return await looked_at(self, patient, time, is_live)

    monkeypatch.setattr(VisitFacts, "around", overtaken)
    told = await posted(workers, 0, visit("p0", "gp-1"), "p0")
    assert (told.status, told.numbers) == (409, (6101,))
    assert len(await live(workers[0], "gp-1")) == 1


async def test_one_person_who_books_everything_at_once_gets_what_does_not_overlap(
    workers: tuple[Writers, Writers],
) -> None:
    await workers[0].stored(*(slot(1, "other", id=f"same-{number}") for number in range(20)))
    told = await asyncio.gather(*(posted(workers, number, visit("p0", f"same-{number}"), "p0") for number in range(20)))
    assert Counter(each.status for each in told) == {201: 1, 422: 19}
    assert [await status(workers[0], f"same-{number}") for number in range(20)].count("busy") == 1


async def test_nobody_holds_more_than_three_slots_by_asking_at_once(workers: tuple[Writers, Writers]) -> None:
    await workers[0].stored(*(slot(number, "other", id=f"many-{number}") for number in range(12)))
    told = await asyncio.gather(
        *(posted(workers, number, visit("p0", f"many-{number}", status="pending"), "p0") for number in range(12))
    )
    assert Counter(each.status for each in told) == {201: 3, 422: 9}


async def test_two_who_move_into_each_others_slot_end_in_whole_states(workers: tuple[Writers, Writers]) -> None:
    made = [
        (await posted(workers, number, visit(f"p{number}", f"gp-{number}"), f"p{number}")).body for number in (0, 1)
    ]
    patches = [("application/merge-patch+json", {"slot": [{"reference": f"Slot/gp-{other}"}]}) for other in (2, 2)]
    told = await asyncio.gather(
        *(
            workers[number].ask(patient_of(f"p{number}"), "PATCH", f"Appointment/{made[number]['id']}", patches[number])
            for number in (0, 1)
        )
    )
    assert sorted(each.status for each in told) == [200, 409]
    for number in range(4):
        held = await live(workers[0], f"gp-{number}")
        assert len(held) == (await status(workers[0], f"gp-{number}") == "busy"), number


async def test_cancelling_and_booking_at_once_leave_slot_and_visits_in_step(workers: tuple[Writers, Writers]) -> None:
    gone = ("application/merge-patch+json", {"status": "cancelled", "cancelationReason": REASON})
    for attempt in range(5):
        own = f"p{attempt}"
        made = await posted(workers, attempt, visit(own, "gp-1"), own)
        assert made.status == 201, made
        others = [f"p{number}" for number in range(10, 20)]
        cancelled, *told = await asyncio.gather(
            workers[0].ask(patient_of(own), "PATCH", f"Appointment/{made.id}", gone),
            *(posted(workers, number, visit(who, "gp-1"), who) for number, who in enumerate(others)),
        )
        assert cancelled.status == 200
        assert {each.status for each in told} <= {201, 409}
        held = await live(workers[0], "gp-1")
        assert len(held) == [each.status for each in told].count(201) <= 1
        assert await status(workers[0], "gp-1") == ("busy" if held else "free")
        for each in held:
            doctor = practitioner(each["participant"][0]["actor"]["reference"].removeprefix("Patient/"))
            assert (await workers[0].ask(doctor, "PATCH", f"Appointment/{each['id']}", gone)).status == 200


async def test_a_slot_is_not_taken_away_while_it_is_booked(workers: tuple[Writers, Writers]) -> None:
    doctor = practitioner("p0")
    for number in range(4):
        content = slot(number, status="busy-unavailable")
        blocked, told = await asyncio.gather(
            workers[0].ask(doctor, "PUT", f"Slot/gp-{number}", content),
            posted(workers, 1, visit("p0", f"gp-{number}"), "p0"),
        )
        assert (blocked.status, told.status) in {(200, 409), (409, 201)}
        assert len(await live(workers[0], f"gp-{number}")) == (told.status == 201)


async def test_the_sweep_and_a_booking_do_not_both_have_a_hold(
    workers: tuple[Writers, Writers], monkeypatch: pytest.MonkeyPatch
) -> None:
    over = [{"url": "urn:fhir-server:federal:held-until", "valueInstant": "2020-01-01T00:00:00Z"}]
    sweepers = [HoldExpiry(each.context.server, "worker") for each in workers]
    assert hold_expiry.SWEEP_SECONDS < 5
    for number in range(4):
        when = {"start": at(start(number)), "end": at(start(number + 1))}
        held = visit("p0", f"gp-{number}", id=f"held-{number}", status="pending", extension=over, **when)
        await workers[0].stored(held, slot(number, status="busy-tentative"))
        told, _ = await asyncio.gather(
            posted(workers, 0, visit(f"p{number + 1}", f"gp-{number}"), f"p{number + 1}"),
            asyncio.gather(*(each.sweep() for each in sweepers)),
        )
        assert told.status == 201, told
        assert await status(workers[0], f"gp-{number}") == "busy"
        assert (await workers[0].now(f"Appointment/held-{number}"))["status"] == "cancelled"
        assert len(await live(workers[0], f"gp-{number}")) == 1
