"""Filters, orders, limits and counts of searches."""

import time
from dataclasses import replace

import pytest
from msgspec import structs

from fhir_server.core.write_plan import Delete
from fhir_server.search.query import Part, Query
from fhir_server.store import allowance as allowed
from fhir_server.store import sampling, search
from fhir_server.store.allowance import Allowance
from fhir_server.store.mongo import Database
from tests.store.plans import put, refused, write

BY_ID = (("_id", 1),)


def found(read: search.Found) -> list[str]:
    return [row.id for row in read.rows]


async def test_a_type_never_written_is_empty_and_stays_without_a_collection(database: Database) -> None:
    by_birth = Query("Patient", {}, (("k.birthdate.a", 1), *BY_ID), 10, frozenset({"k.birthdate.a"}))
    nothing = search.Found([], None)
    assert await search.find(database, Query("Patient", {}, BY_ID, 10)) == nothing
    assert await search.find(database, by_birth) == nothing
    assert await search.find(database, Query("Patient", {"pt": "p1|"}, BY_ID, 10, hint="pt"), "now") == nothing
    assert await search.count(database, "Patient", {}) == 0
    assert await sampling.estimate(database, "Patient", {}) == 0
    assert await search.ids(database, "Patient", {}, 10) == ()
    assert await search.tokens_of(database, "Patient", {}, ("",), 10) == ()
    assert await search.existing_types(database) == frozenset()
    assert await search.matches(database, "Patient", {}, 2) == ()
    assert await database.handle.list_collection_names() == []


async def test_rows_come_in_order_with_their_sort_values_up_to_the_limit(database: Database) -> None:
    await write(database, *(put(id, sort_keys={"family": {"a": key}}) for id, key in (("x", 2), ("y", 1), ("z", 1))))
    rows = (await search.find(database, Query("Patient", {}, (("k.family.a", 1), *BY_ID), 2))).rows
    assert [(row.id, row.keys) for row in rows] == [("y", (1, "y")), ("z", (1, "z"))]
    assert rows[0].body is not None


@pytest.mark.parametrize(("direction", "expected"), [(1, ["y", "x", "n", "o"]), (-1, ["x", "y", "n", "o"])])
async def test_rows_without_the_sort_value_come_last_in_both_directions(
    database: Database, direction: int, expected: list[str]
) -> None:
    await write(database, put("n"), put("o", sort_keys={"other": {"a": 0}}))
    await write(database, *(put(id, sort_keys={"family": {"a": key}}) for id, key in (("x", 2), ("y", 1))))
    order = (("k.family.a", direction), *BY_ID)
    read = await search.find(database, Query("Patient", {}, order, 10, frozenset({"k.family.a"})))
    assert found(read) == expected
    assert [row.keys for row in read.rows][2:] == [(None, "n"), (None, "o")]


@pytest.mark.parametrize("filter", [{}, {"_id": {"$gt": ""}}, {"t": {"$nin": ["x"]}}, {"t": "active|true|"}])
async def test_deleted_resources_are_in_no_search(database: Database, filter: dict[str, object]) -> None:
    await write(database, put("a", tokens=("active|true|",)), put("b", tokens=("active|true|",)))
    await write(database, Delete("Patient", "a"))
    assert found(await search.find(database, Query("Patient", filter, BY_ID, 10))) == ["b"]
    assert await search.count(database, "Patient", filter) == 1
    assert await search.matches(database, "Patient", filter, 10) == (search.Match("b", 1),)


async def test_a_page_of_more_than_a_hundred_rows_is_whole(database: Database) -> None:
    await write(database, *(put(f"p{number:03}") for number in range(250)))
    assert len(found(await search.find(database, Query("Patient", {}, BY_ID, 201)))) == 201
    by_family = Query("Patient", {}, (("k.family.a", 1), *BY_ID), 201, frozenset({"k.family.a"}))
    assert len(found(await search.find(database, by_family))) == 201


async def test_a_page_larger_than_one_reply_of_the_database_is_whole(database: Database) -> None:
    for number in range(4):
        await write(database, put(f"b{number}", type="Basic", content={"data": "A" * 6_000_000}))
    read = await search.find(database, Query("Basic", {}, BY_ID, 10), "now")
    assert found(read) == ["b0", "b1", "b2", "b3"]
    assert read.at is not None


async def test_a_page_of_more_bytes_than_an_answer_may_have_is_refused(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(allowed, "MAX_PAGE_BYTES", 20_000_000)
    for number in range(4):
        await write(database, put(f"b{number}", type="Basic", content={"data": "A" * 6_000_000}))
    error = await refused(search.find(database, Query("Basic", {}, BY_ID, 10)))
    assert (error.status, error.issues[0].number) == (400, 4006)
    assert "_count" in error.issues[0].text


async def test_what_many_reads_may_take_together_is_one_limit(database: Database) -> None:
    for number in range(3):
        await write(database, put(f"b{number}", type="Basic", content={"data": "A" * 1_000_000}))
    allowance = Allowance(time.monotonic() + 10, 4_000_000)
    query = Query("Basic", {}, BY_ID, 10)
    assert len(found(await search.find(database, structs.replace(query, bodies=False), None, allowance))) == 3
    assert len(found(await search.find(database, query, None, allowance))) == 3
    error = await refused(search.find(database, query, None, allowance))
    assert (error.status, error.issues[0].number, error.issues[0].expression) == (400, 4006, "_count")


async def test_nothing_is_read_once_the_time_is_over(database: Database) -> None:
    await write(database, put("a"))
    over = Allowance(time.monotonic())
    for reading in (
        search.find(database, Query("Patient", {}, BY_ID, 10), None, over),
        search.count(database, "Patient", {}, None, over),
        search.ids(database, "Patient", {}, 10, None, over),
        search.tokens_of(database, "Patient", {}, ("",), 10, None, over),
    ):
        error = await refused(reading)
        assert (error.status, error.issues[0].number) == (503, 5003)


async def test_more_values_than_a_command_can_hold_are_refused(database: Database) -> None:
    await write(database, put("a"))
    too_many = {"_id": {"$in": [f"{number:064}" for number in range(250_000)]}}
    error = await refused(search.ids(database, "Patient", too_many, 10))
    assert (error.status, error.issues[0].number) == (400, 4006)
    ordered = await refused(search.find(database, Query("Patient", too_many, BY_ID, 10)))
    assert ordered.issues[0].number == 4006


async def test_rows_are_read_without_their_bodies(database: Database) -> None:
    await write(database, put("a", sort_keys={"n": {"a": 1}}))
    by_key = Query("Patient", {}, (("k.n.a", 1), *BY_ID), 1, frozenset({"k.n.a"}), bodies=False)
    for query in (by_key, structs.replace(by_key, missing_last=frozenset())):
        (row,) = (await search.find(database, query)).rows
        assert (row.id, row.keys, row.body) == ("a", (1, "a"), b"")


async def test_fields_asked_for_are_read_along(database: Database) -> None:
    await write(database, put("a", tokens=("active|true|",)))
    (row,) = (await search.find(database, Query("Patient", {}, BY_ID, 1, fields=("t",)))).rows
    assert row.stored["t"] == ["active|true|"]
    (row,) = (await search.find(database, Query("Patient", {}, BY_ID, 1))).rows
    assert "t" not in row.stored


async def test_rounds_follow_each_other_and_their_parts_are_merged(database: Database) -> None:
    keyed = ((f"{token}{key}", token, key) for token in "xy" for key in range(4))
    await write(database, *(put(id, tokens=(token,), sort_keys={"n": {"a": key}}) for id, token, key in keyed))
    await write(database, put("both", tokens=("x", "y"), sort_keys={"n": {"a": 9}}), put("none", tokens=("z",)))
    whole = (Part({"t": "x"}), Part({"t": "y"})), (Part({"t": "z"}),)
    query = Query("Patient", {}, (("k.n.a", -1), ("_id", 1)), 20, frozenset({"k.n.a"}), rounds=whole)
    expected = ["both", "x3", "y3", "x2", "y2", "x1", "y1", "x0", "y0", "none"]
    assert found(await search.find(database, query, "now")) == expected
    assert found(await search.find(database, structs.replace(query, limit=3))) == expected[:3]
    upwards = structs.replace(query, sort=(("k.n.a", 1), ("_id", -1)))
    assert found(await search.find(database, upwards)) == [*expected[8:0:-1], "both", "none"]


async def test_the_tokens_of_matching_rows_are_gathered_once_each_up_to_a_limit(database: Database) -> None:
    await write(database, *(put(f"p{n}", tokens=("a", f"link|{n % 3}", f"other|{n}")) for n in range(6)), put("q"))
    gathered = await search.tokens_of(database, "Patient", {"t": "a"}, ("link|",), 3)
    assert gathered is not None
    assert sorted(gathered) == ["link|0", "link|1", "link|2"]
    assert await search.tokens_of(database, "Patient", {"t": "a"}, ("link|",), 2) is None
    assert len(await search.tokens_of(database, "Patient", {}, ("link|", "other|"), 20) or ()) == 9


async def test_gathering_tokens_of_too_many_rows_is_given_up(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_SCANNED_FOR_TOKENS", 5)
    await write(database, *(put(f"p{n}", tokens=("a",)) for n in range(6)))
    assert await search.tokens_of(database, "Patient", {}, ("a",), 20) is None


async def test_ids_counts_and_types_are_told(database: Database) -> None:
    await write(database, *(put(f"p{n}", tokens=("a",)) for n in range(6)), put("g", type="Group"))
    assert len(await search.ids(database, "Patient", {"t": "a"}, 4)) == 4
    assert await sampling.estimate(database, "Patient", {"t": "a"}) == 6
    assert await search.existing_types(database) == {"Patient", "Group"}


async def test_many_matches_are_estimated_from_a_sample(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "_COUNTED_EXACTLY", 10)
    await write(database, *(put(f"p{n}", tokens=("a",) if n % 2 else ("b",)) for n in range(400)))
    assert 120 < await sampling.estimate(database, "Patient", {"t": "a"}) < 280


async def test_a_search_that_takes_too_long_is_ended_and_says_so(database: Database) -> None:
    await write(database, *(put(f"p{number}") for number in range(50)))
    counted = {"$reduce": {"input": {"$range": [0, 100_000]}, "initialValue": 0, "in": {"$add": ["$$value", "$$this"]}}}
    slow = {"$expr": {"$gt": [{"$add": ["$version", counted]}, 0]}}
    quick = replace(database, search_milliseconds=50)
    error = await refused(search.find(quick, Query("Patient", slow, BY_ID, 10)))
    assert (error.status, error.headers["Retry-After"]) == (503, "5")
    assert "identifier=" in error.issues[0].text
    assert (await refused(search.count(quick, "Patient", slow))).status == 503
