"""The primary of three mongods killed during writes: the rest elect another, and the server goes on with it.

https://www.mongodb.com/docs/manual/core/replica-set-elections/
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.crash.conftest import reckon
from tests.crash.ledger import Ledger
from tests.crash.traffic import traffic
from tests.store.replica_set import ReplicaSet, replica_set

pytestmark = pytest.mark.crash

DATABASE = "fhir"


@pytest.fixture
def three(tmp_path: Path) -> Iterator[ReplicaSet]:
    with replica_set(tmp_path / "three") as running:
        yield running


async def test_acknowledged_writes_survive_two_killed_primaries_and_the_server_goes_on_by_itself(
    server: StartServer, three: ReplicaSet
) -> None:
    settings = {"FHIR_MONGODB_URI": three.uri, "FHIR_MONGODB_DATABASE": DATABASE}
    running, ledger = server(workers=2, settings=settings), Ledger()
    async with traffic(running.base, ledger) as writes:
        await writes.more(60)
        first = await asyncio.to_thread(three.primary)
        first.kill()
        await writes.more(60)
        # It comes back with writes that only it had: they are undone, so none of them may have been acknowledged.
        first.start()
        await asyncio.to_thread(three.await_secondaries)
        second = await asyncio.to_thread(three.primary)
        assert second is not first
        second.kill()
        await writes.more(60)
    assert running.process.poll() is None
    assert [str(sent) for sent in ledger.sent if sent.response is None] == [], "the server broke a connection"
    assert ledger.kinds() == {"create", "update", "delete", "transaction"}
    await reckon(ledger, running.base, three.uri, DATABASE)
