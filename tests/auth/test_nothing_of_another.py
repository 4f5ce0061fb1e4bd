"""Patient a asks for patient b's records in every way there is, and is told the same as if b did not exist: the same
status, the same headers, the same bytes.

https://hl7.org/fhir/R4/security.html#authorization
"""

from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio

from tests.auth.attacks import READS, WRITES
from tests.auth.two_worlds import CALLERS, Sent, Worlds, two_worlds


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def worlds(mongodb_uri: str) -> AsyncIterator[Worlds]:
    async with two_worlds(mongodb_uri) as both:
        yield both


async def _alike(worlds: Worlds, bearer: str, sent: Sent) -> None:
    whole, without = await worlds.answers(bearer, sent)
    assert whole == without, (bearer, sent, _first_difference(whole.body, without.body))
    assert whole.status < 500, (bearer, sent, whole.body)


def _first_difference(one: str, other: str) -> tuple[str, str]:
    at = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), 0)
    return one[max(at - 200, 0) : at + 200], other[max(at - 200, 0) : at + 200]


def _some(ways: Sequence[Sent], bearer: str) -> Sequence[Sent]:
    """All of them for the patient's own token; of the others each takes a share, no two the same."""
    number = list(CALLERS).index(bearer)
    return ways if number == 0 else ways[number :: len(CALLERS) - 1]


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
