"""mongod killed under a running server: what was acknowledged stays, the server says 503 and goes on by itself.

https://www.mongodb.com/docs/manual/core/journaling/
"""

import asyncio
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from fhir_server.store.embedded import embedded_mongod
from tests.conftest import StartServer
from tests.crash.conftest import kill_mongod, mongod_folder, mongod_uri, reckon
from tests.crash.ledger import Ledger, is_proper_unavailable
from tests.crash.traffic import traffic

pytestmark = pytest.mark.crash

AWAY_ANSWER_SECONDS = 8.0
"""The driver looks for a primary for 3 s before it gives up; the rest is this machine's."""
CAUGHT_ANSWER_SECONDS = 25.0
"""A request that was caught while it committed asks for 10 s whether it was kept, and then gives up."""


async def test_acknowledged_writes_survive_a_killed_mongod_and_the_server_goes_on_by_itself(
    server: StartServer, data_dir: Path
) -> None:
    running, ledger = server(workers=2, data_dir=data_dir), Ledger()
    with ExitStack() as again:
        async with traffic(running.base, ledger) as writes:
            for _ in range(2):
                await writes.more(150)
                kill_mongod(data_dir)
                await asyncio.sleep(0.5)
                await asyncio.to_thread(again.enter_context, embedded_mongod(data_dir))
            await writes.more(150)
        assert running.process.poll() is None
        assert {sent for sent in ledger.sent if sent.response is None} == set(), "the server broke a connection"
        assert ledger.slowest() < CAUGHT_ANSWER_SECONDS
        assert ledger.kinds() == {"create", "update", "delete", "transaction"}
        await reckon(ledger, running.base, mongod_uri(data_dir))


async def test_while_mongod_is_away_every_request_is_soon_told_when_to_come_again(
    server: StartServer, data_dir: Path
) -> None:
    running = server(workers=2, data_dir=data_dir)
    patient = {"resourceType": "Patient", "id": "p", "name": [{"family": "Testpatient"}]}
    entry = {"resource": patient, "request": {"method": "PUT", "url": "Patient/p"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry, entry | _new_observation()]}
    requests = {
        "read": ("GET", "Patient/p", None),
        "vread": ("GET", "Patient/p/_history/1", None),
        "history": ("GET", "Patient/p/_history", None),
        "search": ("GET", "Patient?name=test", None),
        "create": ("POST", "Patient", {"resourceType": "Patient"}),
        "create of a type never stored": ("POST", "Basic", {"resourceType": "Basic", "code": {"text": "x"}}),
        "update": ("PUT", "Patient/p", patient),
        "delete": ("DELETE", "Patient/p", None),
        "transaction": ("POST", "", bundle),
    }
    async with httpx.AsyncClient(base_url=f"{running.base}/", timeout=30, trust_env=False) as client:
        for _ in range(4):
            assert (await client.put("Patient/p", json=patient)).is_success
        kill_mongod(data_dir)
        started = time.monotonic()
        for attempt in range(2):
            answers = await asyncio.gather(*(client.request(m, url, json=json) for m, url, json in requests.values()))
            seconds = time.monotonic() - started
            improper = {
                what: (answer.status_code, dict(answer.headers), answer.text)
                for what, answer in zip(requests, answers, strict=True)
                if not is_proper_unavailable(answer)
            }
            assert improper == {}, f"in attempt {attempt}"
            assert seconds < AWAY_ANSWER_SECONDS * (attempt + 1)
        assert (await client.get("metadata")).status_code == 200
        batch = await client.post("", json=bundle | {"type": "batch"})
        assert batch.status_code == 503 or {
            entry["response"]["status"][:3] for entry in batch.json()["entry"]
        } == {"503"}
        with embedded_mongod(data_dir):
            deadline = time.monotonic() + AWAY_ANSWER_SECONDS
            while (read := await client.get("Patient/p")).status_code == 503 and time.monotonic() < deadline:
                pass
            assert (read.status_code, read.json()["meta"]["versionId"]) == (200, "4")
            assert (await client.put("Patient/p", json=patient)).headers["etag"] == 'W/"5"'
    assert mongod_folder(data_dir).is_served()


def _new_observation() -> dict[str, object]:
    observation = {"resourceType": "Observation", "status": "final", "code": {"text": "height"}}
    return {"resource": observation, "request": {"method": "POST", "url": "Observation"}}
