"""kill -9 of a server among reads and writes: whatever it answered is in the audit log, and the log is whole."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pymongo import MongoClient

from fhir_server.store import mongo
from fhir_server.store.audit_check import anchors, verdicts
from tests.conftest import READY_SECONDS, free_port
from tests.require import ROOT
from tests.rest.conftest import patient
from tests.vaults import environment_without_settings

pytestmark = pytest.mark.crash

CLIENTS = 12
PATIENTS = 8
_BEARER = {"authorization": "Bearer traffic"}

Start = Callable[[], tuple[str, "subprocess.Popen[bytes]"]]


@pytest.fixture
def start(tmp_path: Path, mongodb_uri: str, database_name: str) -> Iterator[Start]:
    """Starts a server with sign-in; its base and its process, which is killed when the test ends."""
    with ExitStack() as running:

        def started() -> tuple[str, "subprocess.Popen[bytes]"]:
            port = free_port()
            inherited = environment_without_settings()
            settings = {"FHIR_MONGODB_URI": mongodb_uri, "FHIR_MONGODB_DATABASE": database_name}
            written = running.enter_context((tmp_path / f"{uuid4().hex}.log").open("wb"))
            command = [sys.executable, "-m", "tests.crash.guarded_server", str(port)]
            process = subprocess.Popen(
                command, cwd=ROOT, env={**inherited, **settings}, stdout=written, stderr=subprocess.STDOUT
            )
            running.callback(_kill, process)
            base = f"http://127.0.0.1:{port}/fhir"
            _wait(base, process)
            return base, process

        yield started


def _wait(base: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + READY_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(f"{base}/metadata", timeout=5, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(f"the server did not come up (exit code {process.poll()})")


def _kill(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.kill()
    process.wait()


@asynccontextmanager
async def traffic(base: str, answered: list[str]) -> AsyncIterator[None]:
    """Clients that read, search and write without pause; the ids of the requests that were answered."""
    is_over = False

    async def one(client: httpx.AsyncClient, number: int) -> None:
        for turn in range(1_000_000):
            if is_over:
                return
            id, request = f"p{(number + turn) % PATIENTS}", uuid4().hex
            method, url, body = _request(turn, id)
            try:
                response = await client.request(method, url, json=body, headers={"x-request-id": request})
            except httpx.TransportError:
                return
            if response.status_code < 400:
                answered.append(request)

    async with httpx.AsyncClient(base_url=f"{base}/", headers=_BEARER, timeout=30, trust_env=False) as client:
        running = [asyncio.create_task(one(client, number)) for number in range(CLIENTS)]
        try:
            yield
        finally:
            is_over = True
            await asyncio.gather(*running)


def _request(turn: int, id: str) -> tuple[str, str, Any]:
    match turn % 4:
        case 0:
            return "PUT", f"Patient/{id}", patient(id=id)
        case 1:
            return "GET", f"Patient?_id={id}", None
    return "GET", "Patient?family=Testpatient&_count=3", None


def _said(folder: Path) -> list[str]:
    return [line for log in folder.glob("*.log") for line in log.read_text().splitlines()]


async def _more(answered: list[str], count: int) -> None:
    wanted, deadline = len(answered) + count, time.monotonic() + 60
    while len(answered) < wanted:
        assert time.monotonic() < deadline, f"{len(answered)} of {wanted} were answered"
        await asyncio.sleep(0.01)


async def test_whatever_was_answered_before_a_kill_is_in_the_log(
    start: Start, mongodb: MongoClient[dict[str, Any]], mongodb_uri: str, database_name: str, tmp_path: Path
) -> None:
    answered: list[str] = []
    for _ in range(2):
        base, process = start()
        async with traffic(base, answered):
            await _more(answered, 200)
            process.kill()
        process.wait()
    rows = mongodb[database_name]["server.audit"]
    audited = {row["request_id"] for row in rows.find({"status": {"$lt": 400}}, {"request_id": 1})}
    assert len(answered) >= 400
    assert set(answered) - audited == set()
    database = mongo.connect(mongodb_uri, database_name)
    found = await verdicts(database, anchors(_said(tmp_path)))
    await mongo.close(database)
    assert [verdict.broken for verdict in found] == [None, None]
