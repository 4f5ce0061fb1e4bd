"""Pages read at the snapshot of the first are the set of that moment, whatever others write meanwhile."""

import asyncio
from datetime import UTC, datetime
from random import Random

import pytest
from msgspec.structs import replace

from fhir_server.core.write_plan import Delete
from fhir_server.search.page import Position
from fhir_server.search.parse import parse
from fhir_server.search.plan import plan
from fhir_server.store import search
from fhir_server.store.mongo import Database
from tests.store.plans import indexed, put, write

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SORTS = ("", "date", "-date", "date,_id", "-_lastUpdated", "_lastUpdated", "status", "-code", "_id")


def observation(id: str, day: int | None, code: str = "a", patient: str = "p1") -> dict[str, object]:
    made: dict[str, object] = {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": {"coding": [{"code": code}]},
        "subject": {"reference": f"Patient/{patient}"},
    }
    return made if day is None else made | {"effectiveDateTime": f"2026-01-{day:02}"}


async def pages(database: Database, *pairs: tuple[str, str], count: int = 4, between: object = None) -> list[str]:
    """The ids on all pages of a search, read at the snapshot of the first; `between` runs after each page."""
    request = replace(parse("Observation", [pair for pair in pairs if pair[1]], lenient=False), count=count)
    ids: list[str] = []
    after, at = None, "now"
    while True:
        found = await search.find(database, plan(request, None, after, NOW), at)  # type: ignore[arg-type]
        rows = found.rows[:count]
        ids += [row.id for row in rows]
        if len(found.rows) <= count:
            return ids
        assert found.at is not None
        after, at = Position(rows[-1].keys, rows[-1].id), found.at  # type: ignore[assignment]
        if callable(between):
            await between()


async def some_observations(database: Database) -> set[str]:
    days = (None, 1, 2, 2, 2, 3, 4, 5, 6, None)
    rows = [observation(f"o{n:02}", days[n % 10], "abc"[n % 3]) for n in range(30)]
    # One place after the other, so that instants differ.
    for start in range(0, 30, 10):
        await write(database, *map(indexed, rows[start : start + 10]))
    await write(database, indexed(observation("other", 3, patient="p2")))
    return {f"o{n:02}" for n in range(30)}


@pytest.mark.parametrize("named", ["patient", "subject", "subject:Patient"])
@pytest.mark.parametrize("sort", SORTS)
async def test_pages_together_are_the_whole_in_order(database: Database, sort: str, named: str) -> None:
    expected = await some_observations(database)
    paged = await pages(database, (named, "p1"), ("_sort", sort))
    assert paged == await pages(database, (named, "p1"), ("_sort", sort), count=100)
    assert len(paged) == len(expected)
    assert set(paged) == expected


@pytest.mark.parametrize("sort", ["", "date", "-_lastUpdated", "status"])
async def test_pages_are_the_set_of_the_first_moment_while_others_write(database: Database, sort: str) -> None:
    await some_observations(database)
    expected = await pages(database, ("patient", "p1"), ("_sort", sort), count=100)
    random, made = Random(sort), iter(range(10_000))

    async def others() -> None:
        ids = [f"o{random.randrange(30):02}" for _ in range(4)]
        await asyncio.gather(
            write(database, Delete("Observation", ids[0])),
            write(database, indexed(observation(ids[1], random.randrange(1, 28)))),
            write(database, indexed(observation(ids[2], None, patient="p2"))),
            write(database, indexed(observation(f"new{next(made)}", random.randrange(1, 28)))),
            return_exceptions=True,
        )

    assert await pages(database, ("patient", "p1"), ("_sort", sort), count=3, between=others) == expected


async def test_counts_ids_and_tokens_are_of_the_snapshot(database: Database) -> None:
    await write(database, put("a", tokens=("x",)), put("b", tokens=("x", "y")))
    everyone = plan(parse("Patient", [], lenient=False), None, None, NOW)
    at = (await search.find(database, everyone, "now")).at
    await write(database, Delete("Patient", "a"), put("c", tokens=("x", "z")))
    assert await search.count(database, "Patient", {"t": "x"}, at) == 2
    assert sorted(await search.ids(database, "Patient", {"t": "x"}, 9, at)) == ["a", "b"]
    assert sorted(await search.tokens_of(database, "Patient", {"t": "x"}, ("",), 9, at) or ()) == ["x", "y"]
    assert sorted(await search.ids(database, "Patient", {"t": "x"}, 9)) == ["b", "c"]


async def test_a_snapshot_that_is_gone_is_told(database: Database) -> None:
    await write(database, put("a", tokens=("x",)))
    everyone = plan(parse("Patient", [], lenient=False), None, None, NOW)
    for reading in (
        search.find(database, everyone, (1, 1)),
        search.count(database, "Patient", {}, (1, 1)),
        search.ids(database, "Patient", {}, 1, (1, 1)),
    ):
        with pytest.raises(search.SnapshotGone):
            await reading


async def test_without_a_snapshot_asked_for_none_is_given(database: Database) -> None:
    await write(database, put("a"))
    everyone = plan(parse("Patient", [], lenient=False), None, None, NOW)
    assert (await search.find(database, everyone)).at is None
