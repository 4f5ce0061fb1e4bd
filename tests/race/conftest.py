"""A server with two workers whose connections to MongoDB are open, and volleys of parallel requests at it."""

import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pymongo import MongoClient

from tests.conftest import RunningServer, start_server
from tests.crash.conftest import kill_server, worker_pids
from tests.crash.stored import Stored, Version, faults_of_versions, read_served, read_stored
from tests.race.volley import volley

PARALLEL = 50
WARM_CONNECTIONS = 20
"""Open sockets each worker must have beside its clients'; one that was asked a few times only has 7."""
_WARM_ROUNDS = 20


@dataclass(frozen=True, slots=True)
class Racers:
    """A warm server, its database behind it, and a client that can hold PARALLEL requests open."""

    client: httpx.AsyncClient
    base: str
    mongodb_uri: str
    database: str

    def request(
        self, method: str, url: str, json: Any = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Request:
        """A request for a volley; `url` is relative to the FHIR base."""
        return self.client.build_request(method, url, json=json, headers=headers)

    async def volley(self, requests: Sequence[httpx.Request]) -> list[httpx.Response]:
        """The answers to requests sent all at once; none may be a failure of the server."""
        answers = await volley(requests)
        assert [answer.text for answer in answers if answer.status_code >= 500] == []
        return answers

    def stored(self) -> Stored:
        """All rows of the database; nothing may be wrong with the versions of any id."""
        stored = read_stored(self.mongodb_uri, self.database)
        assert faults_of_versions(stored) == []
        return stored

    async def versions(self, local: str) -> list[Version]:
        """The versions of one resource as stored, which must be those the server shows."""
        versions = self.stored()[local]
        assert (await read_served(self.base, [local]))[local] == versions
        return versions


@pytest.fixture(scope="session")
def two_workers(
    mongodb: MongoClient[dict[str, Any]], mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RunningServer, str]]:
    """One server with two workers for all races, and the name of its database."""
    name = f"test_{uuid4().hex[:16]}"
    settings = {"FHIR_MONGODB_URI": mongodb_uri, "FHIR_MONGODB_DATABASE": name}
    running = start_server(tmp_path_factory.mktemp("race") / "server.log", 2, settings)
    try:
        yield running, name
        running.stop()
    finally:
        if running.process.poll() is None:
            kill_server(running)
        mongodb.drop_database(name)


@pytest.fixture
async def racers(two_workers: tuple[RunningServer, str], mongodb_uri: str) -> AsyncIterator[Racers]:
    """Both workers have open connections to MongoDB: on cold ones requests queue up and look right without a race."""
    server, database = two_workers
    limits = httpx.Limits(max_connections=PARALLEL, max_keepalive_connections=PARALLEL, keepalive_expiry=2)
    async with httpx.AsyncClient(
        base_url=f"{server.base}/", timeout=60, limits=limits, headers={"prefer": "return=representation"}
    ) as client:
        assert (await client.put("Patient/warm", json={"resourceType": "Patient", "id": "warm"})).is_success
        warm = Racers(client, server.base, mongodb_uri, database)
        for _ in range(_WARM_ROUNDS):
            reads = await warm.volley([warm.request("GET", "Patient/warm") for _ in range(2 * PARALLEL)])
            assert statuses(reads) == {200: 2 * PARALLEL}
            ids = [f"warm-{uuid4().hex}" for _ in range(PARALLEL)]
            makes = [warm.request("PUT", f"Patient/{id}", patient(id=id)) for id in ids]
            assert statuses(await warm.volley(makes)) == {201: PARALLEL}
            if all(count >= WARM_CONNECTIONS for count in _connections(server)):
                break
        else:
            raise AssertionError(f"the workers' connections are {_connections(server)}")
        yield warm


def _connections(server: RunningServer) -> list[int]:
    """How many sockets each worker has open beside its clients'; where the system does not tell, enough."""
    if sys.platform != "linux":
        return [WARM_CONNECTIONS]
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    port = f":{int(server.base.split(':')[2].partition('/')[0]):04X}"
    accepted = {f"socket:[{row[9]}]" for row in rows if row[1].endswith(port)}
    return [len(_sockets(pid) - accepted) for pid in worker_pids(server)]


def _sockets(pid: int) -> set[str]:
    found = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add(str(link.readlink()))
    return {name for name in found if name.startswith("socket:")}


@pytest.fixture
def unique() -> str:
    """A value that no other test uses."""
    return uuid4().hex


def patient(**elements: Any) -> dict[str, Any]:
    """A small synthetic Patient."""
    return {"resourceType": "Patient", "name": [{"family": "Testpatient"}], **elements}


def statuses(answers: Sequence[httpx.Response]) -> dict[int, int]:
    """How often each status was answered."""
    counted = [answer.status_code for answer in answers]
    return {status: counted.count(status) for status in sorted(set(counted))}
