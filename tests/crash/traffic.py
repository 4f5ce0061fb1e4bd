"""Clients that write without pause through HTTP: creates, updates, deletes, transactions, on shared resources."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

from tests.crash.ledger import Kind, Ledger, Sent

CLIENTS = 12
SHARED = 8
WAIT_SECONDS = 40.0
_ANSWER_SECONDS = 30.0


@dataclass(slots=True)
class Traffic:
    """The clients of one server. All they send is written into `ledger`."""

    client: httpx.AsyncClient
    ledger: Ledger
    versions: dict[str, int] = field(default_factory=dict)
    is_over: bool = False

    async def more(self, count: int) -> None:
        """Returns when so many more writes were acknowledged."""
        wanted = self.ledger.acknowledgements() + count
        deadline = time.monotonic() + WAIT_SECONDS
        while (reached := self.ledger.acknowledgements()) < wanted:
            last = "; ".join(map(str, self.ledger.sent[-3:]))
            assert time.monotonic() < deadline, f"{wanted - reached} of {count} writes are still missing; last: {last}"
            await asyncio.sleep(0.01)

    async def write(self, seed: int) -> None:
        """One client: one write after the other, chosen by chance, until the traffic is over."""
        chance = random.Random(seed)
        while not self.is_over:
            kind = chance.choices(("create", "update", "delete", "transaction"), (4, 8, 1, 4))[0]
            await {
                "create": self._create,
                "update": self._update,
                "delete": self._delete,
                "transaction": self._transaction,
            }[kind](chance)

    async def _create(self, chance: random.Random) -> None:
        mark = uuid4().hex
        await self._send("create", "POST", "Patient", mark, 1, _patient(mark))

    async def _update(self, chance: random.Random) -> None:
        mark, id = uuid4().hex, _shared(chance)
        known = self.versions.get(id)
        headers = {"if-match": f'W/"{known}"'} if known and chance.random() < 0.5 else {}
        await self._send("update", "PUT", f"Patient/{id}", mark, 1, _patient(mark, id), headers)

    async def _delete(self, chance: random.Random) -> None:
        await self._send("delete", "DELETE", f"Patient/{_shared(chance)}", uuid4().hex, 0)

    async def _transaction(self, chance: random.Random) -> None:
        mark, id, urn = uuid4().hex, _shared(chance), f"urn:uuid:{uuid4()}"
        other = next(candidate for candidate in iter(lambda: _shared(chance), "") if candidate != id)
        condition = {"ifMatch": f'W/"{self.versions[id]}"'} if id in self.versions and chance.random() < 0.3 else {}
        entries = [
            {"fullUrl": urn, "resource": _patient(mark), "request": {"method": "POST", "url": "Patient"}},
            {"resource": _observation(mark, urn), "request": {"method": "POST", "url": "Observation"}},
            {"resource": _patient(mark, id), "request": {"method": "PUT", "url": f"Patient/{id}"} | condition},
            {"resource": _patient(mark, other), "request": {"method": "PUT", "url": f"Patient/{other}"}},
        ]
        chance.shuffle(entries)
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        await self._send("transaction", "POST", "", mark, len(entries), bundle)

    async def _send(
        self,
        kind: Kind,
        method: str,
        url: str,
        mark: str,
        rows: int,
        content: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        started = time.monotonic()
        try:
            response = await self.client.request(method, url, json=content, headers=headers)
        except httpx.ConnectError:
            # It never left: nobody serves at the moment.
            await asyncio.sleep(0.02)
            return
        except httpx.TransportError:
            response = None
        sent = Sent(kind, url, mark, rows, response, time.monotonic() - started)
        self.ledger.sent.append(sent)
        for promise in sent.acknowledged():
            self.versions[promise.local.partition("/")[2]] = promise.version


@asynccontextmanager
async def traffic(base: str, ledger: Ledger) -> AsyncIterator[Traffic]:
    """CLIENTS clients that write to the server at `base` until the block ends; then each waits for its last answer."""
    limits = httpx.Limits(max_connections=CLIENTS, max_keepalive_connections=CLIENTS, keepalive_expiry=2)
    headers = {"prefer": "return=representation"}
    async with httpx.AsyncClient(
        base_url=f"{base}/", timeout=_ANSWER_SECONDS, limits=limits, headers=headers, trust_env=False
    ) as client:
        running = Traffic(client, ledger)
        seeds = range(len(ledger.sent), len(ledger.sent) + CLIENTS)
        writers = [asyncio.create_task(running.write(seed)) for seed in seeds]
        try:
            yield running
        finally:
            running.is_over = True
            ended = await asyncio.gather(*writers, return_exceptions=True)
        failures = [failure for failure in ended if isinstance(failure, BaseException)]
        assert not failures, failures


def _shared(chance: random.Random) -> str:
    return f"shared-{chance.randrange(SHARED)}"


def _patient(mark: str, id: str | None = None) -> dict[str, Any]:
    patient = {
        "resourceType": "Patient",
        "identifier": [{"system": "urn:mark", "value": mark}],
        "name": [{"family": "Testpatient", "given": [mark[:8]]}],
    }
    return patient | {"id": id} if id else patient


def _observation(mark: str, subject: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "identifier": [{"system": "urn:mark", "value": mark}],
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8302-2"}]},
        "subject": {"reference": subject},
        "valueQuantity": {"value": 181.50, "unit": "cm"},
    }
