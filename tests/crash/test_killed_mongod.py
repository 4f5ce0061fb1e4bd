"""mongod killed under a running server: what was acknowledged stays, the server says 503 and goes on by itself.

https://www.mongodb.com/docs/manual/core/journaling/
"""

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhir_server.store.embedded import embedded_mongod
from tests.conftest import StartServer
from tests.crash.conftest import kill_mongod, mongod_uri, reckon
from tests.crash.ledger import Ledger, is_proper_unavailable
from tests.crash.traffic import traffic

pytestmark = pytest.mark.crash

BACK_SECONDS = 60.0
CAUGHT_ANSWER_SECONDS = 60.0
"""A request that was caught while it committed asks for 10 s whether it was kept, and then gives up; the rest is for a
slow disk."""

PATIENT = {"resourceType": "Patient", "id": "p", "name": [{"family": "Testpatient"}]}
OBSERVATION = {"resourceType": "Observation", "status": "final", "code": {"text": "height"}}
ENTRIES = [
    {"resource": PATIENT, "request": {"method": "PUT", "url": "Patient/p"}},
    {"resource": OBSERVATION, "request": {"method": "POST", "url": "Observation"}},
]
READS = ("Patient/p", "Patient/p/_history/1", "Patient/p/_history", "Patient?name=test", "Patient?_summary=count")


async def test_acknowledged_writes_survive_a_killed_mongod_which_the_server_starts_again(
    server: StartServer, data_dir: Path
) -> None:
    running, ledger = server(workers=2, data_dir=data_dir), Ledger()
    async with traffic(running.base, ledger) as writes:
        for _ in range(2):
            await writes.more(80)
            await asyncio.to_thread(kill_mongod, data_dir)
        await writes.more(80)
    assert running.process.poll() is None
    assert [str(sent) for sent in ledger.sent if sent.response is None] == [], "the server broke a connection"
    assert ledger.slowest() < CAUGHT_ANSWER_SECONDS
    assert ledger.kinds() == {"create", "update", "delete", "transaction"}
    await reckon(ledger, running.base, mongod_uri(data_dir))


async def test_while_mongodb_is_away_every_request_is_soon_told_when_to_come_again(
    server: StartServer, data_dir: Path
) -> None:
    # Started here and not by the server, so that nobody brings it back before the test does.
    with embedded_mongod(data_dir) as mongod:
        running = server(workers=2, settings={"FHIR_MONGODB_URI": mongod.uri})
        made = await asyncio.to_thread(httpx.put, f"{running.base}/Patient/p", json=PATIENT, trust_env=False)
        assert made.status_code == 201
        kill_mongod(data_dir)
    limits = httpx.Limits(max_connections=100)
    async with httpx.AsyncClient(base_url=f"{running.base}/", timeout=90, limits=limits, trust_env=False) as client:
        for _ in range(2):
            answers = await asyncio.gather(*_requests(client))
            assert [f"{what}: {answer.text}" for what, answer, _ in answers if not _says_unavailable(answer)] == []
            # Nobody waits for the waiting of others: beside the slowest read of the same moment, on any machine.
            read = max(taken for what, _, taken in answers if what.startswith("GET"))
            assert [f"{what}: {taken:.1f} s" for what, _, taken in answers if taken > 3 * read + 3] == []
        assert (await client.get("metadata")).status_code == 200
        with embedded_mongod(data_dir):
            assert (await _first_answer(client)).headers["etag"] == 'W/"1"'
            assert (await client.put("Patient/p", json=PATIENT)).headers["etag"] == 'W/"2"'


def _requests(client: httpx.AsyncClient) -> list[Any]:
    bundle = {"resourceType": "Bundle", "entry": ENTRIES}
    return [
        *(_timed(client, "GET", url) for url in READS),
        # Types that no worker has stored yet, too: their collections are made with the first write.
        *(_timed(client, "POST", "Observation", OBSERVATION) for _ in range(10)),
        *(_timed(client, "PUT", "Patient/p", PATIENT) for _ in range(10)),
        _timed(client, "DELETE", "Patient/p"),
        _timed(client, "POST", "", bundle | {"type": "transaction"}),
        _timed(client, "POST", "", bundle | {"type": "batch", "entry": ENTRIES * 4}),
    ]


async def _timed(
    client: httpx.AsyncClient, method: str, url: str, content: dict[str, Any] | None = None
) -> tuple[str, httpx.Response, float]:
    started = time.monotonic()
    answer = await client.request(method, url, json=content)
    what = f"{method} {url or (content or {})['type']}"
    return what, answer, time.monotonic() - started


def _says_unavailable(answer: httpx.Response) -> bool:
    """A batch says it for each entry."""
    if answer.status_code == 200 and answer.json().get("type") == "batch-response":
        return {entry["response"]["status"][:3] for entry in answer.json()["entry"]} == {"503"}
    return is_proper_unavailable(answer)


async def _first_answer(client: httpx.AsyncClient) -> httpx.Response:
    deadline = time.monotonic() + BACK_SECONDS
    while (read := await client.get("Patient/p")).status_code == 503:
        assert time.monotonic() < deadline, "the server did not find its MongoDB again"
    return read
