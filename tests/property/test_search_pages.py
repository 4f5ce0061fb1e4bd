"""Pages of a real MongoDB, put together, are the whole result in its order: nothing lost, nothing twice."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from random import Random
from uuid import uuid4

import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_server.core.codec import decode, encode
from fhir_server.core.write_plan import Put
from fhir_server.search.index import index_values
from fhir_server.search.page import PageState, Position, seal, unseal
from fhir_server.search.parse import parse
from fhir_server.search.plan import plan
from fhir_server.search.query import Query
from fhir_server.store import indexes, mongo, search
from fhir_server.store.rows import current_row
from tests.property import generated_records as generated
from tests.property.generated_searches import query
from tests.property.generated_values import BASE, NOW, drawing
from tests.property.naive_search import Pairs, Stored, World, ordered, sort_keys
from tests.unit.search.matching import row, takes
from tests.vaults import vault

ROWS = 160
KEY = b"k" * 32
SORTS = {
    "Patient": ["_id", "-_id", "family", "-family", "birthdate", "-birthdate", "gender", "-gender", "_lastUpdated",
                "-_lastUpdated", "identifier", "-active"],
    "Observation": ["date", "-date", "code", "-code", "status", "value-string", "-value-date", "_lastUpdated", "-_id",
                    "value-quantity", "-value-quantity"],
    "RiskAssessment": ["probability", "-probability", "date", "-_lastUpdated"],
}  # fmt: skip
"""Of every type of this test the keys it is sorted by."""


@dataclass(frozen=True)
class Corpus:
    """Records in a database, and the same at hand."""

    database: mongo.Database
    world: World


@pytest_asyncio.fixture(scope="module")
async def corpus(mongodb_uri: str) -> AsyncIterator[Corpus]:
    choice = Random(20260101)
    database = mongo.connect(mongodb_uri, f"test_{uuid4().hex[:16]}", vault=vault())
    records: dict[str, list[Stored]] = {}
    for type in SORTS:
        make = generated.MAKE[type]
        # Ids in no order that anything else has.
        ids = choice.sample([f"{type[0].lower()}{number}" for number in range(ROWS)], ROWS)
        records[type] = [generated.stored(choice.choice, make(choice.choice), id) for id in ids]
        await indexes.ensure(database, [type])
        await database.collections[type].insert_many([_row(each) for each in records[type]])
        await database.collections[type].insert_one(
            {"_id": "gone", "version": 2, "updated": NOW, "deleted": True, "owners": ["p1"], "labels": []}
        )
    yield Corpus(database, World(BASE, NOW, records))
    await database.handle.client.drop_database(database.handle.name)
    await mongo.close(database)


def _code(key: str) -> str:
    return key.removeprefix("-")


def _row(stored: Stored) -> dict[str, object]:
    resource = decode(json.dumps(stored.resource).encode())
    put = Put(resource["resourceType"], stored.id, resource, index_values(resource, stored.id, (BASE,), None), "PUT")
    return dict(current_row(put, 1, stored.updated, encode(resource)))


def _indexed(stored: Stored) -> dict[str, object]:
    return row(decode(json.dumps(stored.resource).encode()), stored.id, stored.updated)


def _planned(type: str, pairs: Pairs, state: PageState) -> Query:
    request = parse(type, pairs, lenient=False, own_bases=(BASE,))
    return plan(request, state.ceiling, state.after, NOW)


async def _pages(corpus: Corpus, type: str, pairs: Pairs) -> list[list[str]]:
    """The ids of every page, each asked for with what a sealed link of the one before holds."""
    state = PageState(tuple(pairs), NOW, None)
    pages: list[list[str]] = []
    while len(pages) <= ROWS:
        planned = _planned(type, state.pairs, state)
        rows = (await search.find(corpus.database, planned)).rows
        page, more = rows[: planned.limit - 1], len(rows) == planned.limit
        pages.append([each.id for each in page])
        if not more:
            return pages
        state = PageState(state.pairs, state.ceiling, Position(page[-1].keys, page[-1].id))
        state = unseal(KEY, seal(KEY, state, type, "me", NOW), type, "me", NOW, 60)
    raise AssertionError("the pages do not end")


@settings(max_examples=250, deadline=None)
@given(st.data(), st.sampled_from(sorted(SORTS)))
async def test_pages_are_what_a_matcher_by_hand_finds_in_its_order(
    corpus: Corpus, data: st.DataObject, type: str
) -> None:
    pick = drawing(data)
    pairs = query(pick, type, corpus.world.records[type], BASE) if pick([True, True, True, False]) else []
    sort = data.draw(st.lists(st.sampled_from(SORTS[type]), min_size=1, max_size=3, unique_by=_code).map(",".join))
    size = data.draw(st.integers(3, 60))
    expected = ordered(corpus.world.found(type, pairs), sort)
    pages = await _pages(corpus, type, [*pairs, ("_sort", sort), ("_count", str(size))])
    by_id = {each.id: each for each in expected}
    found = [id for page in pages for id in page]
    assert sorted(found) == sorted(by_id)
    # Those that tie may stand either way.
    assert [sort_keys(by_id[id], sort) for id in found] == [sort_keys(each, sort) for each in expected]
    assert all(len(page) == size for page in pages[:-1])


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from(sorted(SORTS)))
async def test_without_a_sort_pages_lose_and_repeat_nothing(corpus: Corpus, data: st.DataObject, type: str) -> None:
    pick = drawing(data)
    pairs = query(pick, type, corpus.world.records[type], BASE)
    if type == "Observation":
        pairs += pick([[], [], [("patient", "p1")], [("patient", "p1,p2")]])
    expected = {each.id for each in corpus.world.found(type, pairs)}
    whole = await _pages(corpus, type, [*pairs, ("_count", "1000")])
    pages = await _pages(corpus, type, [*pairs, ("_count", "7")])
    assert set(whole[0]) == expected
    assert len(whole) == 1
    assert [id for page in pages for id in page] == whole[0]
    count = await search.count(corpus.database, type, _planned(type, pairs, PageState((), NOW, None)).filter)
    assert count == len(expected)


@settings(max_examples=100, deadline=None)
@given(st.data(), st.sampled_from(sorted(SORTS)))
async def test_the_tests_own_reading_of_filters_is_mongodbs(corpus: Corpus, data: st.DataObject, type: str) -> None:
    pick = drawing(data)
    pairs = query(pick, type, corpus.world.records[type], BASE)
    filter = _planned(type, pairs, PageState((), NOW, None)).filter
    by_hand = {each.id for each in corpus.world.records[type] if takes(filter, _indexed(each))}
    assert {match.id for match in await search.matches(corpus.database, type, filter, ROWS + 1)} == by_hand
