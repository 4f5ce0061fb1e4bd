"""Pages of a real MongoDB, put together, are the whole result in its order: nothing lost, nothing twice."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from random import Random
from uuid import uuid4

import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_server.core.codec import encode
from fhir_server.core.write_plan import Put
from fhir_server.search.index import index_values
from fhir_server.search.page import PageState, Position, seal, unseal
from fhir_server.search.parse import parse
from fhir_server.search.plan import plan
from fhir_server.search.query import Query
from fhir_server.store import indexes, mongo, search
from fhir_server.store.rows import current_row
from tests.property import generated_records as generated
from tests.property.naive_search import READS, SHARED, Pairs, Stored, matches, ordered
from tests.unit.search.matching import row, takes

ROWS = 160
KEY = b"k" * 32
MAKE = {"Patient": generated.patient, "Observation": generated.observation}
SORTS = {"Patient": generated.PATIENT_SORTS, "Observation": generated.OBSERVATION_SORTS}


@dataclass(frozen=True)
class Corpus:
    """Records in a database, and the same at hand."""

    database: mongo.Database
    records: dict[str, list[Stored]]


@pytest_asyncio.fixture(scope="module")
async def corpus(mongodb_uri: str) -> AsyncIterator[Corpus]:
    choice = Random(20260101)
    database = mongo.connect(mongodb_uri, f"test_{uuid4().hex[:16]}")
    records: dict[str, list[Stored]] = {}
    for type, make in MAKE.items():
        # Ids in no order that anything else has.
        ids = choice.sample([f"{type[0].lower()}{number}" for number in range(ROWS)], ROWS)
        records[type] = [generated.stored(choice.choice, make(choice.choice), id) for id in ids]
        await indexes.ensure(database, [type])
        await database.collections[type].insert_many([_row(each) for each in records[type]])
        await database.collections[type].insert_one(
            {"_id": "gone", "version": 2, "updated": generated.NOW, "deleted": True, "owners": ["p1"], "labels": []}
        )
    yield Corpus(database, records)
    await database.handle.client.drop_database(database.handle.name)
    await mongo.close(database)


def _kinds(type: str) -> dict[str, str]:
    return {name: kind for name, (kind, _) in (READS[type] | SHARED).items()}


def _code(key: str) -> str:
    return key.removeprefix("-")


def _row(stored: Stored) -> dict[str, object]:
    index = index_values(stored.resource, stored.id, (generated.BASE,), None)
    put = Put(stored.resource["resourceType"], stored.id, stored.resource, index, "PUT")
    return dict(current_row(put, 1, stored.updated, encode(stored.resource)))


def _planned(type: str, pairs: Pairs, state: PageState) -> Query:
    request = parse(type, pairs, lenient=False, own_bases=(generated.BASE,))
    return plan(request, state.ceiling, state.after, generated.NOW)


async def _pages(corpus: Corpus, type: str, pairs: Pairs) -> list[list[str]]:
    """The ids of every page, each asked for with what a sealed link of the one before holds."""
    state = PageState(tuple(pairs), generated.NOW, None)
    pages: list[list[str]] = []
    while len(pages) <= ROWS:
        query = _planned(type, state.pairs, state)
        rows = await search.find(corpus.database, query)
        page, more = rows[: query.limit - 1], len(rows) == query.limit
        pages.append([each.id for each in page])
        if not more:
            return pages
        state = PageState(state.pairs, state.ceiling, Position(page[-1].keys, page[-1].id))
        state = unseal(KEY, seal(KEY, state, type, "me", generated.NOW), type, "me", generated.NOW, 60)
    raise AssertionError("the pages do not end")


@settings(max_examples=250, deadline=None)
@given(st.data(), st.sampled_from(sorted(MAKE)))
async def test_pages_are_what_a_matcher_by_hand_finds_in_its_order(
    corpus: Corpus, data: st.DataObject, type: str
) -> None:
    pick = generated.drawing(data)
    pairs = generated.query(pick, _kinds(type)) if pick([True, True, True, False]) else []
    sort = data.draw(st.lists(st.sampled_from(SORTS[type]), min_size=1, max_size=3, unique_by=_code).map(",".join))
    size = data.draw(st.integers(3, 60))
    expected = [each for each in corpus.records[type] if matches(each, pairs, generated.BASE, generated.NOW)]
    pages = await _pages(corpus, type, [*pairs, ("_sort", sort), ("_count", str(size))])
    assert [id for page in pages for id in page] == [each.id for each in ordered(expected, sort)]
    assert all(len(page) == size for page in pages[:-1])


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from(sorted(MAKE)))
async def test_without_a_sort_pages_lose_and_repeat_nothing(corpus: Corpus, data: st.DataObject, type: str) -> None:
    pick = generated.drawing(data)
    pairs = generated.query(pick, _kinds(type))
    if type == "Observation":
        pairs += pick([[], [], [("patient", "p1")], [("patient", "p1,p2")]])
    expected = {each.id for each in corpus.records[type] if matches(each, pairs, generated.BASE, generated.NOW)}
    whole = await _pages(corpus, type, [*pairs, ("_count", "1000")])
    pages = await _pages(corpus, type, [*pairs, ("_count", "7")])
    assert set(whole[0]) == expected
    assert len(whole) == 1
    assert [id for page in pages for id in page] == whole[0]
    count = await search.count(corpus.database, type, _planned(type, pairs, PageState((), generated.NOW, None)).filter)
    assert count == len(expected)


@settings(max_examples=100, deadline=None)
@given(st.data(), st.sampled_from(sorted(MAKE)))
async def test_the_tests_own_reading_of_filters_is_mongodbs(corpus: Corpus, data: st.DataObject, type: str) -> None:
    pick = generated.drawing(data)
    pairs = generated.query(pick, _kinds(type))
    filter = _planned(type, pairs, PageState((), generated.NOW, None)).filter
    by_hand = {each.id for each in corpus.records[type] if takes(filter, row(each.resource, each.id, each.updated))}
    assert {match.id for match in await search.matches(corpus.database, type, filter, ROWS + 1)} == by_hand
