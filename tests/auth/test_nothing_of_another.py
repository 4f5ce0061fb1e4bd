"""Patient a asks for patient b's records in every way there is, and is told the same as if b did not exist: the same
status, the same headers, the same bytes.

https://hl7.org/fhir/R4/security.html#authorization
"""

from collections.abc import AsyncIterator, Sequence

import hypothesis
import pytest
import pytest_asyncio
from hypothesis import strategies as st

from tests.auth.attacks_reading import READS
from tests.auth.attacks_writing import WRITES
from tests.auth.generated_searches import searches
from tests.auth.two_worlds import CALLERS, HIDDEN, Answer, Sent, Worlds, two_worlds
from tests.rest.access import as_bearer
from tests.rest.bundles import next_link


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def worlds(mongodb_uri: str) -> AsyncIterator[Worlds]:
    async with two_worlds(mongodb_uri) as both:
        yield both


_SHARE = 12


async def _alike(worlds: Worlds, bearer: str, sent: Sent) -> None:
    whole, without = await worlds.answers(bearer, sent)
    assert whole == without, (bearer, sent, _first_difference(whole.body, without.body))
    assert whole.status < 500, (bearer, sent, whole.body)


def _first_difference(one: str, other: str) -> tuple[str, str]:
    at = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), 0)
    return one[max(at - 200, 0) : at + 200], other[max(at - 200, 0) : at + 200]


def _some(ways: Sequence[Sent], bearer: str) -> Sequence[Sent]:
    """Half of them for each of the two tokens of a, which see the same; of the others each takes a share of its own."""
    number = list(CALLERS).index(bearer)
    return ways[number::2] if number < 2 else ways[number::_SHARE]


@pytest.mark.parametrize("bearer", CALLERS)
@pytest.mark.parametrize("way", READS)
async def test_no_way_to_read_tells_anything_of_another_record(worlds: Worlds, bearer: str, way: str) -> None:
    for sent in _some(READS[way], bearer):
        await _alike(worlds, bearer, sent)


@pytest.mark.parametrize("way", WRITES)
@pytest.mark.parametrize("bearer", CALLERS)
async def test_no_way_to_write_tells_anything_of_another_record(worlds: Worlds, bearer: str, way: str) -> None:
    for sent in _some(WRITES[way], bearer):
        await _alike(worlds, bearer, sent)


@hypothesis.settings(max_examples=100, deadline=None)
@hypothesis.given(bearer=st.sampled_from(tuple(CALLERS)), sent=searches())
async def test_no_search_that_can_be_made_up_tells_anything_of_another_record(
    worlds: Worlds, bearer: str, sent: Sent
) -> None:
    await _alike(worlds, bearer, sent)


async def test_pages_lead_through_the_same_and_open_for_their_caller_alone(worlds: Worlds) -> None:
    for first in ("Observation?_count=1", "?_count=2", "_history?_count=2", "Observation?_count=1&_include=*"):
        whole = await worlds.whole.get(first, headers=as_bearer("patient"))
        without = await worlds.without.get(first, headers=as_bearer("patient"))
        for _ in range(20):
            links = [next_link(each.json()) for each in (whole, without)]
            assert (links[0] is None) == (links[1] is None), first
            if links[0] is None or links[1] is None:
                break
            for other in ("agency for one", "launched"):
                assert (await worlds.whole.get(links[0], headers=as_bearer(other))).status_code == 400
            whole = await worlds.whole.get(links[0], headers=as_bearer("patient"))
            without = await worlds.without.get(links[1], headers=as_bearer("patient"))
            assert Answer.of(whole) == Answer.of(without), first
        else:
            raise AssertionError(f"{first} has no end")


async def test_nothing_of_the_other_record_has_changed(worlds: Worlds) -> None:
    for place in HIDDEN:
        type, _, id = place.partition("/")
        row = await worlds.rows.handle[type].find_one({"_id": id})
        assert row is not None and row["version"] == (2 if id == "zgone" else 1), place
