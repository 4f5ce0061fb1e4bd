"""Filters, orders, limits and counts of searches."""

from dataclasses import replace

import pytest

from fhir_server.core.write_plan import Delete
from fhir_server.search.query import Query
from fhir_server.store import search
from fhir_server.store.mongo import Database
from tests.store.plans import put, refused, write

BY_ID = (("_id", 1),)


def found(rows: list[search.SearchRow]) -> list[str]:
    return [row.id for row in rows]


async def test_a_type_never_written_is_empty_and_stays_without_a_collection(database: Database) -> None:
    by_birth = Query("Patient", {}, (("k.birthdate.a", 1), *BY_ID), 10, frozenset({"k.birthdate.a"}))
    assert await search.find(database, Query("Patient", {}, BY_ID, 10)) == []
    assert await search.find(database, by_birth) == []
    assert await search.find(database, Query("Patient", {"pt": "p1|"}, BY_ID, 10, hint="pt")) == []
    assert await search.count(database, "Patient", {}) == 0
    assert await search.matches(database, "Patient", {}, 2) == ()
    assert await database.handle.list_collection_names() == []


async def test_rows_come_in_order_with_their_sort_values_up_to_the_limit(database: Database) -> None:
    await write(database, *(put(id, sort_keys={"family": {"a": key}}) for id, key in (("x", 2), ("y", 1), ("z", 1))))
    rows = await search.find(database, Query("Patient", {}, (("k.family.a", 1), *BY_ID), 2))
    assert [(row.id, row.keys) for row in rows] == [("y", (1, "y")), ("z", (1, "z"))]
    assert rows[0].body is not None


@pytest.mark.parametrize(("direction", "expected"), [(1, ["y", "x", "n", "o"]), (-1, ["x", "y", "n", "o"])])
async def test_rows_without_the_sort_value_come_last_in_both_directions(
    database: Database, direction: int, expected: list[str]
) -> None:
    await write(database, put("n"), put("o", sort_keys={"other": {"a": 0}}))
    await write(database, *(put(id, sort_keys={"family": {"a": key}}) for id, key in (("x", 2), ("y", 1))))
    order = (("k.family.a", direction), *BY_ID)
    rows = await search.find(database, Query("Patient", {}, order, 10, frozenset({"k.family.a"})))
    assert found(rows) == expected
    assert [row.keys for row in rows][2:] == [(None, "n"), (None, "o")]


@pytest.mark.parametrize("filter", [{}, {"_id": {"$gt": ""}}, {"t": {"$nin": ["x"]}}, {"t": "active|true|"}])
async def test_deleted_resources_are_in_no_search(database: Database, filter: dict[str, object]) -> None:
    await write(database, put("a", tokens=("active|true|",)), put("b", tokens=("active|true|",)))
    await write(database, Delete("Patient", "a"))
    assert found(await search.find(database, Query("Patient", filter, BY_ID, 10))) == ["b"]
    assert await search.count(database, "Patient", filter) == 1
    assert await search.matches(database, "Patient", filter, 10) == (search.Match("b", 1),)


async def test_a_page_of_more_than_a_hundred_rows_is_whole(database: Database) -> None:
    await write(database, *(put(f"p{number:03}") for number in range(250)))
    assert len(await search.find(database, Query("Patient", {}, BY_ID, 201))) == 201


async def test_a_search_that_takes_too_long_is_ended_and_says_so(database: Database) -> None:
    await write(database, *(put(f"p{number}") for number in range(50)))
    counted = {"$reduce": {"input": {"$range": [0, 100_000]}, "initialValue": 0, "in": {"$add": ["$$value", "$$this"]}}}
    slow = {"$expr": {"$gt": [{"$add": ["$version", counted]}, 0]}}
    quick = replace(database, search_milliseconds=50)
    error = await refused(search.find(quick, Query("Patient", slow, BY_ID, 10)))
    assert (error.status, error.headers["Retry-After"]) == (503, "5")
    assert (await refused(search.count(quick, "Patient", slow))).status == 503
