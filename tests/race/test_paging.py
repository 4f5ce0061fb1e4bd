"""Pages read while others write: together they are what page one was a page of, no more and no less.

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
BETWEEN_PAGES = 6
TAG = "urn:race"
SORTS = ["", "_lastUpdated", "-_lastUpdated", "_id", "birthdate", "-birthdate,family", "family,-_lastUpdated", "gender"]


def person(id: str, tag: str, round: int = 0) -> dict[str, Any]:
    """A Patient whose sort keys all depend on `round`; each third has no birth date."""
    born = {"birthDate": f"19{50 + round % 7}-0{1 + round % 9}-11"} if round % 3 else {}
    return {
        "resourceType": "Patient",
        "id": id,
        "meta": {"tag": [{"system": TAG, "code": tag}]},
        "name": [{"family": f"Family{round % 5}"}],
        "gender": ("male", "female", "other")[round % 3],
        **born,
    }


async def stored_first(racers: Racers, unique: str) -> tuple[list[str], list[str]]:
    """The ids of resources that nobody will touch and of those that will be written again, mixed in time."""
    short = unique[:24]
    kept = [f"{short}-kept-{number}" for number in range(KEPT)]
    changed = [f"{short}-changed-{number}" for number in range(CHANGED)]
    ids = [id for pair in zip(kept, changed, strict=True) for id in pair]
    for start in range(0, len(ids), 20):
        part = enumerate(ids[start : start + 20], start)
        await asyncio.gather(
            *(racers.client.put(f"Patient/{id}", json=person(id, short, number)) for number, id in part)
        )
    return kept, changed


@dataclass(slots=True)
class Writers:
    """WRITERS tasks that create, update and delete until the block ends, except while `may_write` is not set.

    `count` says how often they did. A writer has ids of its own, so that its writes do not wait for others'.
    """

    racers: Racers
    ids: list[str]
    tag: str
    count: int = 0
    busy: int = 0
    is_over: bool = False
    may_write: asyncio.Event = field(default_factory=asyncio.Event)
    written: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def write(self, writer: int) -> None:
        turn = writer
        while not self.is_over:
            await self.may_write.wait()
            self.busy += 1
            answer = await self._one(turn)
            self.busy -= 1
            assert answer.is_success, answer.text
            async with self.written:
                self.count += 1
                self.written.notify_all()
            turn += WRITERS

    async def _one(self, turn: int) -> httpx.Response:
        id = self.ids[turn % len(self.ids)]
        match turn // WRITERS % 4:
            case 0:
                new = f"{self.tag}-new-{turn}"
                return await self.racers.client.put(f"Patient/{new}", json=person(new, self.tag, turn))
            case 1:
                return await self.racers.client.delete(f"Patient/{id}")
        return await self.racers.client.put(f"Patient/{id}", json=person(id, self.tag, turn))

    async def more(self, count: int) -> None:
        """Returns when so many more were written."""
        wanted = self.count + count
        async with asyncio.timeout(30), self.written:
            await self.written.wait_for(lambda: self.count >= wanted)

    async def pause(self) -> None:
        """Returns when no write is under way; none begins until `may_write` is set again."""
        self.may_write.clear()
        async with asyncio.timeout(30), self.written:
            await self.written.wait_for(lambda: not self.busy)


@asynccontextmanager
async def writing(racers: Racers, ids: list[str], tag: str) -> AsyncIterator[Writers]:
    running = Writers(racers, ids, tag)
    running.may_write.set()
    async with asyncio.TaskGroup() as tasks:
        for writer in range(WRITERS):
            tasks.create_task(running.write(writer))
        try:
            yield running
        finally:
            running.is_over = True
            running.may_write.set()


async def page(client: httpx.AsyncClient, url: str) -> tuple[list[dict[str, Any]], str | None]:
    """The resources of one page, and the link to the next."""
    answer = await client.get(url)
    assert answer.status_code == 200, answer.text
    bundle = answer.json()
    links = {link["relation"]: link["url"] for link in bundle["link"]}
    return [entry["resource"] for entry in bundle.get("entry", ())], links.get("next")


async def pages(client: httpx.AsyncClient, url: str | None, writers: Writers) -> list[dict[str, Any]]:
    """The resources of all pages, in order, by their next links; others write between each two of them."""
    found: list[dict[str, Any]] = []
    while url is not None:
        resources, url = await page(client, url)
        found += resources
        await writers.more(BETWEEN_PAGES)
    return found


@pytest.mark.parametrize("sort", SORTS)
async def test_pages_are_the_set_of_page_one_in_its_order_and_versions_while_others_write(
    racers: Racers, unique: str, sort: str
) -> None:
    _, changed = await stored_first(racers, unique)
    url = f"Patient?_tag={TAG}|{unique[:24]}" + (f"&_sort={sort}" if sort else "")
    async with writing(racers, changed, unique[:24]) as writers:
        await writers.more(20)
        await writers.pause()
        whole, _ = await page(racers.client, f"{url}&_count=1000")
        first, link = await page(racers.client, f"{url}&_count={PAGE}")
        writers.may_write.set()
        await writers.more(20)
        found = first + await pages(racers.client, link, writers)
    assert [(each["id"], each["meta"]["versionId"]) for each in found] == [
        (each["id"], each["meta"]["versionId"]) for each in whole
    ]
    assert found == whole


async def test_pages_of_a_chain_are_the_set_of_page_one_while_its_targets_change(racers: Racers, unique: str) -> None:
    kept, changed = await stored_first(racers, unique)
    short = unique[:24]
    for number, id in enumerate(kept + changed):
        seen = {"resourceType": "Basic", "id": f"{id}-seen", "code": {"text": "x"}, "created": f"20{10 + number % 9}"}
        answer = await racers.client.put(
            f"Basic/{id}-seen",
            json=seen | {"subject": {"reference": f"Patient/{id}"}},
        )
        assert answer.is_success, answer.text
    for sort in ("", "&_sort=created", "&_sort=-_lastUpdated"):
        url = f"Basic?subject:Patient.gender=male&subject:Patient._tag={TAG}|{short}{sort}"
        async with writing(racers, changed, short) as writers:
            await writers.more(8)
            await writers.pause()
            whole, _ = await page(racers.client, f"{url}&_count=1000")
            first, link = await page(racers.client, f"{url}&_count={PAGE}")
            writers.may_write.set()
            found = first + await pages(racers.client, link, writers)
        assert [each["id"] for each in found] == [each["id"] for each in whole]
        assert whole


@pytest.mark.parametrize("sort", ["", "_lastUpdated", "_id", "-birthdate"])
async def test_pages_begun_while_others_write_repeat_nothing_and_leave_nothing_untouched_out(
    racers: Racers, unique: str, sort: str
) -> None:
    kept, changed = await stored_first(racers, unique)
    url = f"Patient?_tag={TAG}|{unique[:24]}&_count={PAGE}" + (f"&_sort={sort}" if sort else "")
    async with writing(racers, changed, unique[:24]) as writers:
        found = await pages(racers.client, f"{url}&_total=accurate", writers)
        total = (await racers.client.get(f"{url}&_total=accurate")).json()["total"]
    counts = Counter(each["id"] for each in found)
    assert [id for id, count in counts.items() if count > 1] == []
    assert set(kept) - counts.keys() == set()
    assert total >= KEPT


async def test_the_total_of_page_one_is_the_number_of_resources_on_all_pages(racers: Racers, unique: str) -> None:
    _, changed = await stored_first(racers, unique)
    url = f"Patient?_tag={TAG}|{unique[:24]}&_count={PAGE}&_sort=birthdate&_total=accurate"
    async with writing(racers, changed, unique[:24]) as writers:
        for _ in range(3):
            bundle = (await racers.client.get(url)).json()
            link = next(each["url"] for each in bundle["link"] if each["relation"] == "next")
            found = [entry["resource"] for entry in bundle["entry"]] + await pages(racers.client, link, writers)
            assert len(found) == bundle["total"]


async def test_pages_of_a_history_repeat_nothing_and_leave_no_earlier_version_out_while_others_write(
    racers: Racers, unique: str
) -> None:
    kept, changed = await stored_first(racers, unique)
    entries: list[dict[str, Any]] = []
    next: str | None = "Patient/_history?_count=200"
    async with writing(racers, changed, unique[:24]) as writers:
        while next is not None:
            bundle = (await racers.client.get(next)).json()
            entries += bundle.get("entry", ())
            next = {link["relation"]: link["url"] for link in bundle["link"]}.get("next")
            await writers.more(3)
    counts = Counter((entry["fullUrl"].split("/")[-1], entry["response"]["etag"]) for entry in entries)
    assert [version for version, count in counts.items() if count > 1] == []
    assert {(id, 'W/"1"') for id in kept + changed} - counts.keys() == set()
