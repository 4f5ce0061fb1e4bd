"""Refills, dispenses and renewals that meet, through two workers: never more than was ordered.

docs/adr/0034-medicines.md
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.rest.in_process import opened
from tests.rest.medicines import dispense, left, order, refill, renewal
from tests.rest.writers import ANNA, Told, Writers, entry, person, practitioner

pytestmark = pytest.mark.race

STAFF = practitioner("anna")
AT_ONCE = 20


@pytest.fixture
async def workers(mongodb_uri: str, database_name: str) -> AsyncIterator[tuple[Writers, Writers]]:
    """Two servers over one database, which share nothing else."""
    async with opened(mongodb_uri, database_name) as one, opened(mongodb_uri, database_name) as other:
        await Writers(one).stored(person("anna"))
        yield Writers(one), Writers(other)


async def at_once(workers: tuple[Writers, Writers], sight: Any, resource: dict[str, Any]) -> list[Told]:
    """The same create, from both."""
    type = resource["resourceType"]
    return await asyncio.gather(*(workers[each % 2].ask(sight, "POST", type, resource) for each in range(AT_ONCE)))


def counted(told: list[Told]) -> dict[int, int]:
    statuses = [each.status for each in told]
    return {status: statuses.count(status) for status in sorted(set(statuses))}


@pytest.mark.parametrize("attempt", range(3))
async def test_of_refills_asked_for_at_once_one_is_had(workers: tuple[Writers, Writers], attempt: int) -> None:
    await workers[0].stored(order("m", 2), dispense("m", "first"))
    told = await at_once(workers, ANNA, refill("m"))
    assert counted(told) == {201: 1, 422: AT_ONCE - 1}
    assert {each.numbers for each in told if each.status == 422} == {(6152,)}
    assert len(await workers[0].rows("Task")) == 1


async def test_one_after_the_other_there_are_as_many_as_are_allowed(workers: tuple[Writers, Writers]) -> None:
    await workers[0].stored(order("m", 2), dispense("m", "first"))
    for expected in (1, 0):
        made = [each for each in await at_once(workers, ANNA, refill("m")) if each.status == 201]
        assert [left(each.body) for each in made] == [expected]
        assert (await workers[1].ask(STAFF, "POST", "MedicationDispense", dispense("m"))).status == 201
    told = await at_once(workers, ANNA, refill("m"))
    assert {each.numbers for each in told} == {(6151,)}


async def test_no_more_is_dispensed_at_once_than_ordered(workers: tuple[Writers, Writers]) -> None:
    await workers[0].stored(order("m", 2))
    told = await at_once(workers, STAFF, dispense("m"))
    assert counted(told) == {201: 3, 422: AT_ONCE - 3}
    assert len(await workers[0].rows("MedicationDispense")) == 3


async def test_an_order_that_is_stopped_meanwhile_is_not_filled_again(workers: tuple[Writers, Writers]) -> None:
    for attempt in range(6):
        id = f"m{attempt}"
        await workers[0].stored(order(id, 2))
        asked, stopped = await asyncio.gather(
            workers[attempt % 2].ask(ANNA, "POST", "Task", refill(f"MedicationRequest/{id}")),
            workers[1 - attempt % 2].ask(STAFF, "PUT", f"MedicationRequest/{id}", order(id, 2, status="stopped")),
        )
        assert (stopped.status, asked.status in (201, 422)) == (200, True)
        history = (await workers[0].ask(STAFF, "GET", f"MedicationRequest/{id}")).body
        if asked.status == 201:
            assert asked.body["meta"]["lastUpdated"] <= history["meta"]["lastUpdated"]


async def test_of_renewals_one_is_asked_for_and_one_is_granted(workers: tuple[Writers, Writers]) -> None:
    await workers[0].stored(order("m", 0))
    told = await at_once(workers, ANNA, renewal("m"))
    assert counted(told) == {201: 1, 422: AT_ONCE - 1}
    (proposal,) = [each.id for each in told if each.status == 201]
    links: dict[str, Any] = {
        "basedOn": [{"reference": f"MedicationRequest/{proposal}"}],
        "priorPrescription": {"reference": "MedicationRequest/m"},
    }
    granted = await at_once(workers, STAFF, order(None, 3, **links))
    assert counted(granted) == {201: 1, 422: AT_ONCE - 1}
    active = await workers[1].ask(ANNA, "GET", "MedicationRequest?status=active&intent=order")
    assert len(active.body["entry"]) == 1


async def test_what_is_granted_is_not_denied(workers: tuple[Writers, Writers]) -> None:
    for attempt in range(6):
        prior, wish = f"m{attempt}", f"w{attempt}"
        await workers[0].stored(order(prior, 0), renewal(prior) | {"id": wish})
        links: dict[str, Any] = {
            "basedOn": [{"reference": f"MedicationRequest/{wish}"}],
            "priorPrescription": {"reference": f"MedicationRequest/{prior}"},
        }
        denied = renewal(prior) | {"id": wish, "status": "cancelled", "statusReason": {"text": "x"}}
        told = await asyncio.gather(
            workers[0].ask(STAFF, "POST", "MedicationRequest", order(None, 3, **links)),
            workers[1].ask(STAFF, "PUT", f"MedicationRequest/{wish}", denied),
        )
        assert sorted(each.status // 100 for each in told) == [2, 4]
        ended = (await workers[0].now(f"MedicationRequest/{wish}"))["status"]
        assert ended == ("completed" if told[0].status == 201 else "cancelled")


async def test_bundles_that_meet_dispense_no_more_than_ordered(workers: tuple[Writers, Writers]) -> None:
    await workers[0].stored(order("a", 1), order("b", 1))
    both = [entry("POST", "MedicationDispense", dispense(each)) for each in ("a", "b")]
    told = await asyncio.gather(
        *(workers[each % 2].bundle(STAFF, "transaction", both if each % 4 < 2 else both[::-1]) for each in range(12))
    )
    assert counted(list(told)) == {200: 2, 422: 10}
    assert len(await workers[0].rows("MedicationDispense")) == 4
