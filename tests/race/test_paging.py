"""Pages read while others write: nothing comes twice, and what nobody touched is not left out.

https://hl7.org/fhir/R4/http.html#paging
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.race.conftest import Racers

pytestmark = pytest.mark.race

KEPT = 40
CHANGED = 40
WRITERS = 8
PAGE = 7
BETWEEN_PAGES = 3
TAG = "urn:race"


def basic(id: str, tag: str, round: int = 0) -> dict[str, Any]:
    return {
        "resourceType": "Basic",
        "id": id,
        "meta": {"tag": [{"system": TAG, "code": tag}]},
        "code": {"text": f"round {round}"},
    }


async def stored_first(racers: Racers, unique: str) -> tuple[list[str], list[str]]:
    """The ids of resources that nobody will touch and of those that will be written again, mixed in time."""
    short = unique[:24]
    kept = [f"{short}-kept-{number}" for number in range(KEPT)]
    changed = [f"{short}-changed-{number}" for number in range(CHANGED)]
    ids = [id for pair in zip(kept, changed, strict=True) for id in pair]
    for start in range(0, len(ids), 20):
        part = ids[start : start + 20]
        await asyncio.gather(*(racers.client.put(f"Basic/{id}", json=basic(id, short)) for id in part))
    return kept, changed


@dataclass(slots=True)
class Writers:
    """WRITERS tasks that update and create until the block ends; `count` says how often they did."""

    racers: Racers
    ids: list[str]
    tag: str
    count: int = 0
    is_over: bool = False
    written: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def write(self, writer: int) -> None:
        turn = writer
        while not self.is_over:
            id = self.ids[turn % len(self.ids)] if turn % 3 else f"{self.tag}-new-{turn}"
            answer = await self.racers.client.put(f"Basic/{id}", json=basic(id, self.tag, turn))
            assert answer.is_success, answer.text
            async with self.written:
                self.count += 1
                self.written.notify_all()
            turn += WRITERS

    async def more(self, count: int) -> None:
        """Returns when so many more were written."""
        wanted = self.count + count
        async with asyncio.timeout(30), self.written:
            await self.written.wait_for(lambda: self.count >= wanted)


@asynccontextmanager
async def writing(racers: Racers, ids: list[str], tag: str) -> AsyncIterator[Writers]:
    running = Writers(racers, ids, tag)
    async with asyncio.TaskGroup() as tasks:
        for writer in range(WRITERS):
            tasks.create_task(running.write(writer))
        try:
            yield running
        finally:
            running.is_over = True


async def pages(client: httpx.AsyncClient, url: str, writers: Writers) -> list[dict[str, Any]]:
    """The entries of all pages, in order, by their next links; others write between each two of them."""
    found: list[dict[str, Any]] = []
    next: str | None = url
    while next is not None:
        answer = await client.get(next)
        assert answer.status_code == 200, answer.text
        bundle = answer.json()
        found += bundle.get("entry", ())
        next = {link["relation"]: link["url"] for link in bundle["link"]}.get("next")
        await writers.more(BETWEEN_PAGES)
    return found


@pytest.mark.parametrize("sort", ["", "&_sort=_lastUpdated", "&_sort=_id"])
async def test_pages_of_a_search_repeat_nothing_and_leave_nothing_untouched_out_while_others_write(
    racers: Racers, unique: str, sort: str
) -> None:
    kept, changed = await stored_first(racers, unique)
    async with writing(racers, changed, unique[:24]) as writers:
        entries = await pages(racers.client, f"Basic?_tag={TAG}|{unique[:24]}&_count={PAGE}{sort}", writers)
    counts = Counter(entry["resource"]["id"] for entry in entries)
    assert [id for id, count in counts.items() if count > 1] == []
    assert set(kept) - counts.keys() == set()


async def test_pages_of_a_history_repeat_nothing_and_leave_no_earlier_version_out_while_others_write(
    racers: Racers, unique: str
) -> None:
    kept, changed = await stored_first(racers, unique)
    async with writing(racers, changed, unique[:24]) as writers:
        entries = await pages(racers.client, f"Basic/_history?_count={PAGE * 4}", writers)
    counts = Counter((entry["resource"]["id"], entry["resource"]["meta"]["versionId"]) for entry in entries)
    assert [version for version, count in counts.items() if count > 1] == []
    assert {(id, "1") for id in kept + changed} - counts.keys() == set()
