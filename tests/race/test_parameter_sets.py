"""A custom search parameter that is live finds every resource, whoever wrote it while it came into force.

https://hl7.org/fhir/R4/searchparameter.html
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.conftest import RunningServer, StartServer
from tests.crash.conftest import kill_server, worker_pids
from tests.race.conftest import patient

pytestmark = [pytest.mark.race, pytest.mark.slow]

CONNECTIONS = 24
PATIENCE_SECONDS = 45


@pytest.fixture
def two_workers(server: StartServer) -> RunningServer:
    """A server of its own: what comes into force does so for all."""
    return server(workers=2)


@pytest.fixture
async def api(two_workers: RunningServer) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a connection for each request."""
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(base_url=f"{two_workers.base}/", timeout=60, limits=limits) as client:
        yield client


def parameter(**elements: Any) -> dict[str, Any]:
    return {
        "resourceType": "SearchParameter",
        "id": "marital",
        "url": "http://example.org/SearchParameter/marital",
        "name": "marital",
        "status": "active",
        "description": "A search parameter of a test.",
        "code": "marital",
        "base": ["Patient"],
        "type": "token",
        "expression": "Patient.maritalStatus",
        **elements,
    }


def married() -> dict[str, Any]:
    return patient(maritalStatus={"coding": [{"code": "M"}]})


async def live(api: httpx.AsyncClient) -> None:
    """Wait until ten searches in a row, at whichever worker, are answered."""
    deadline, answered = time.monotonic() + PATIENCE_SECONDS, 0
    while answered < 10:
        answered = answered + 1 if (await api.get("Patient?marital=M&_count=0")).status_code == 200 else 0
        assert time.monotonic() < deadline, "the parameter did not come into force"
        await asyncio.sleep(0.05)


async def found(api: httpx.AsyncClient, search: str = "Patient?marital=M&_count=1000") -> set[str]:
    """The ids of all that is found, by the parameter where nothing else is said."""
    ids: set[str] = set()
    url: str | None = search
    while url:
        page = (await api.get(url)).raise_for_status().json()
        ids |= {entry["resource"]["id"] for entry in page.get("entry", ())}
        url = next((link["url"] for link in page["link"] if link["relation"] == "next"), None)
    return ids


async def test_nothing_that_two_workers_write_during_the_change_is_missed(api: httpx.AsyncClient) -> None:
    written: set[str] = set()
    is_over = asyncio.Event()

    async def writes() -> None:
        while not is_over.is_set():
            answer = await api.post("Patient", json=married())
            assert answer.status_code == 201, answer.text
            id = answer.json()["id"]
            written.add(id)
            if len(written) % 3 == 0:
                update = await api.put(f"Patient/{id}", json=married() | {"id": id, "active": True})
                assert update.status_code == 200, update.text

    writers = [asyncio.create_task(writes()) for _ in range(8)]
    await asyncio.sleep(1)
    (await api.put("SearchParameter/marital", json=parameter())).raise_for_status()
    await live(api)
    is_over.set()
    await asyncio.gather(*writers)
    assert await found(api) == written


async def test_what_a_worker_writes_that_slept_through_the_change_is_found(
    two_workers: RunningServer, api: httpx.AsyncClient
) -> None:
    asleep = worker_pids(two_workers)[0]
    host, port = "127.0.0.1", int(two_workers.base.split(":")[2].partition("/")[0])
    before = {(await api.post("Patient", json=married())).json()["id"] for _ in range(20)}
    opened = [await asyncio.open_connection(host, port) for _ in range(CONNECTIONS)]
    # Each connection is taken by a worker before one of them falls asleep.
    for reader, writer in opened:
        writer.write(f"GET /fhir/Patient/none HTTP/1.1\r\nhost: {host}:{port}\r\n\r\n".encode())
        await read_answer(reader)
    os.kill(asleep, signal.SIGSTOP)
    try:
        wire = request("POST", "Patient", f"{host}:{port}", httpx.Request("POST", "http://x", json=married()).content)
        for _, writer in opened:
            writer.write(wire)
        (await api.put("SearchParameter/marital", json=parameter())).raise_for_status()
        await live(api)
        assert before <= await found(api)
    finally:
        os.kill(asleep, signal.SIGCONT)
    answers = [await read_answer(reader) for reader, _ in opened]
    for _, writer in opened:
        writer.close()
    # A worker whose connections MongoDB closed meanwhile may not know whether a write was kept.
    assert {status for status, _ in answers} <= {201, 503}
    late = {headers["location"].split("/Patient/")[1].split("/")[0] for _, headers in answers if "location" in headers}
    assert late
    await live(api)
    everybody = await found(api, "Patient?_count=1000")
    assert before | late <= everybody
    assert await found(api) == everybody


def request(method: str, path: str, host: str, body: bytes) -> bytes:
    head = [
        f"{method} /fhir/{path} HTTP/1.1",
        f"host: {host}",
        "content-type: application/fhir+json",
        "prefer: return=minimal",
        f"content-length: {len(body)}",
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """Status and headers of one answer; its body is read and dropped."""
    lines = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_SECONDS)).decode().splitlines()
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    await reader.readexactly(int(headers.get("content-length", "0")))
    return int(lines[0].split()[1]), headers


async def test_of_parallel_definitions_of_one_code_one_comes_into_force(api: httpx.AsyncClient) -> None:
    definitions = [parameter(id=uuid4().hex, url=f"urn:uuid:{uuid4()}") for _ in range(20)]
    answers = await asyncio.gather(*(api.put(f"SearchParameter/{each['id']}", json=each) for each in definitions))
    assert sorted(answer.status_code for answer in answers) == [201] + [422] * 19
    await live(api)


async def test_a_server_that_is_killed_while_it_indexes_goes_on_when_it_comes_back(server: StartServer) -> None:
    first = server(workers=2)
    entries = [{"resource": married(), "request": {"method": "POST", "url": "Patient"}} for _ in range(1000)]
    async with httpx.AsyncClient(base_url=f"{first.base}/", timeout=60) as api:
        for _ in range(3):
            answer = await api.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})
            assert answer.status_code == 200, answer.text
        (await api.put("SearchParameter/marital", json=parameter())).raise_for_status()
        for _ in range(500):
            if "of 3,000" in (await api.get("Patient?marital=M")).text:
                break
            await asyncio.sleep(0.01)
    kill_server(first)
    second = server(workers=2)
    async with httpx.AsyncClient(base_url=f"{second.base}/", timeout=60) as api:
        await live(api)
        assert len(await found(api)) == 3000
