"""Order, pages and bounds of histories."""

import asyncio
from datetime import UTC, datetime, timedelta

from fhir_server.core.write_plan import Delete
from fhir_server.store import history
from fhir_server.store.history import HistoryPosition
from fhir_server.store.mongo import Database
from fhir_server.store.rows import Row
from tests.store.plans import put, write

MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def names(rows: list[Row]) -> list[tuple[str, str, int]]:
    return [(row.type, row.id, row.version) for row in rows]


def behind(row: Row) -> HistoryPosition:
    return HistoryPosition(row.updated, row.type, row.id, row.version)


async def in_one_millisecond(database: Database) -> None:
    """Give every row the same instant, the worst case of an order by time."""
    for name in await database.handle.list_collection_names():
        await database.handle[name].update_many({}, {"$set": {"updated": MOMENT}})


async def three_types(database: Database) -> None:
    for _ in range(3):
        await write(database, put("a"), put("a-b"), put("a", type="Observation"), put("z", type="Encounter"))
    await write(database, Delete("Patient", "a"))


async def test_an_id_never_used_has_no_history(database: Database) -> None:
    assert await history.of_instance(database, "Patient", "a", 10) == []
    assert await history.of_type(database, "Patient", 10) == []
    assert await history.of_system(database, 10) == []
    assert await history.count_system(database) == 0
    assert await database.handle.list_collection_names() == []


async def test_the_history_of_a_deleted_resource_begins_with_its_deletion(database: Database) -> None:
    await write(database, put("a"))
    await write(database, put("a"))
    await write(database, Delete("Patient", "a"))
    rows = await history.of_instance(database, "Patient", "a", 10)
    assert [(row.version, row.method, row.deleted, row.body is None) for row in rows] == [
        (3, "DELETE", True, True),
        (2, "PUT", False, False),
        (1, "PUT", False, False),
    ]
    assert await history.count_instance(database, "Patient", "a") == 3


async def test_pages_of_an_instance_have_neither_gaps_nor_repeats(database: Database) -> None:
    for _ in range(7):
        await write(database, put("a"))
    await in_one_millisecond(database)
    seen: list[int] = []
    after = None
    while rows := await history.of_instance(database, "Patient", "a", 2, after=after):
        seen += [row.version for row in rows]
        after = behind(rows[-1])
    assert seen == [7, 6, 5, 4, 3, 2, 1]


async def test_pages_of_the_system_have_neither_gaps_nor_repeats_where_all_instants_are_equal(
    database: Database,
) -> None:
    await three_types(database)
    await in_one_millisecond(database)
    whole = names(await history.of_system(database, 100))
    for count in (1, 2, 5):
        seen: list[tuple[str, str, int]] = []
        after = None
        while rows := await history.of_system(database, count, after=after):
            seen += names(rows)
            after = behind(rows[-1])
        assert seen == whole
    assert len(whole) == await history.count_system(database) == 13
    assert whole == sorted(whole, key=lambda name: (name[0], name[1], -name[2]))


async def test_pages_of_a_type_are_newest_first_and_hold_no_other_type(database: Database) -> None:
    await three_types(database)
    seen: list[Row] = []
    after = None
    while rows := await history.of_type(database, "Patient", 3, after=after):
        seen += rows
        after = behind(rows[-1])
    assert len(set(names(seen))) == len(seen) == await history.count_type(database, "Patient") == 7
    assert seen == sorted(seen, key=lambda row: (-row.updated.timestamp(), row.id, -row.version))


async def test_since_and_ceiling_are_inclusive(database: Database) -> None:
    for _ in range(3):
        await write(database, put("a"))
        await asyncio.sleep(0.003)
    third, second, first = await history.of_instance(database, "Patient", "a", 10)
    since, ceiling = second.updated, second.updated
    assert [row.version for row in await history.of_instance(database, "Patient", "a", 10, since)] == [3, 2]
    assert [row.version for row in await history.of_instance(database, "Patient", "a", 10, None, ceiling)] == [2, 1]
    assert [row.version for row in await history.of_type(database, "Patient", 10, since, ceiling)] == [2]
    assert [row.version for row in await history.of_system(database, 10, since, ceiling)] == [2]
    assert await history.count_instance(database, "Patient", "a", since, ceiling) == 1
    assert await history.of_system(database, 10, third.updated + timedelta(seconds=1)) == []
    assert first.updated < second.updated < third.updated


async def test_what_is_written_after_the_ceiling_stays_out_of_later_pages(database: Database) -> None:
    await write(database, put("a"), put("b"), put("c"))
    page = await history.of_type(database, "Patient", 2)
    ceiling = page[0].updated
    await asyncio.sleep(0.003)
    await write(database, put("a"), put("c"))
    rest = await history.of_type(database, "Patient", 2, None, ceiling, behind(page[-1]))
    assert names(page) + names(rest) == [("Patient", id, 1) for id in ("a", "b", "c")]


async def test_pages_read_while_others_write_repeat_and_miss_nothing(database: Database) -> None:
    await write(database, *(put(f"p{number}") for number in range(10)))
    (newest, *_) = await history.of_type(database, "Patient", 1)
    ended = asyncio.Event()

    async def keep_writing() -> None:
        while not ended.is_set():
            await write(database, *(put(f"p{number}") for number in range(10)))

    writing = asyncio.create_task(keep_writing())
    try:
        for _ in range(10):
            seen: list[tuple[str, str, int]] = []
            after = None
            while rows := await history.of_type(database, "Patient", 3, None, newest.updated, after):
                seen += names(rows)
                after = behind(rows[-1])
            assert sorted(seen) == [("Patient", f"p{number}", 1) for number in range(10)]
    finally:
        ended.set()
        await writing
