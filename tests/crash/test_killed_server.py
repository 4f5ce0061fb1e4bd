"""The server killed during writes, alone or with its mongod: what was acknowledged is there for the next one."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.conftest import RunningServer, StartServer
from tests.crash.conftest import kill_mongod, kill_server, mongod_folder, mongod_uri, reckon, worker_pids
from tests.crash.ledger import Ledger
from tests.crash.traffic import WAIT_SECONDS, traffic

pytestmark = pytest.mark.crash

ENDED_SECONDS = 5.0

reads_proc = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def server_alone(server: RunningServer, data_dir: Path) -> None:
    kill_server(server)
    assert mongod_folder(data_dir).is_served()


def mongod_then_server(server: RunningServer, data_dir: Path) -> None:
    kill_mongod(data_dir)
    kill_server(server)


def server_then_mongod(server: RunningServer, data_dir: Path) -> None:
    kill_server(server)
    kill_mongod(data_dir)


@pytest.mark.parametrize(
    "rounds", [(server_alone, server_alone), (mongod_then_server, server_then_mongod)], ids=["server", "both"]
)
async def test_acknowledged_writes_are_there_for_the_server_that_comes_after_a_killed_one(
    server: StartServer, data_dir: Path, rounds: tuple[Callable[[RunningServer, Path], None], ...]
) -> None:
    ledger = Ledger()
    running = await asyncio.to_thread(lambda: server(workers=2, data_dir=data_dir))
    for end in rounds:
        async with traffic(running.base, ledger) as writes:
            await writes.more(80)
            end(running, data_dir)
        assert any(sent.response is None for sent in ledger.sent), "nothing was on its way when the server was killed"
        running = await asyncio.to_thread(lambda: server(workers=2, data_dir=data_dir))
    assert ledger.kinds() == {"create", "update", "delete", "transaction"}
    await reckon(ledger, running.base, mongod_uri(data_dir))
    async with traffic(running.base, ledger) as writes:
        await writes.more(20)
    await reckon(ledger, running.base, mongod_uri(data_dir))


@reads_proc
async def test_a_killed_worker_is_replaced_and_takes_no_acknowledged_write_with_it(
    server: StartServer, data_dir: Path
) -> None:
    running, ledger = server(workers=2, data_dir=data_dir), Ledger()
    first = set(worker_pids(running))
    async with traffic(running.base, ledger) as writes:
        for pid in first:
            await writes.more(50)
            os.kill(pid, signal.SIGKILL)
            await _two_workers(running, pid)
        await writes.more(50)
    assert not first & set(worker_pids(running))
    await reckon(ledger, running.base, mongod_uri(data_dir))


@reads_proc
async def test_a_worker_killed_while_it_is_asked_for_a_sign_of_life_is_replaced_at_once(
    server: StartServer, data_dir: Path
) -> None:
    running = server(workers=2, data_dir=data_dir)
    pid = worker_pids(running)[0]
    os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(2)  # The supervisor asks every half second; now it waits for this one's answer.
    os.kill(pid, signal.SIGKILL)
    await _two_workers(running, pid)


async def _two_workers(running: RunningServer, without: int) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while without in (pids := worker_pids(running)) or len(pids) != 2:
        assert time.monotonic() < deadline, f"the workers are {pids}"
        await asyncio.sleep(0.05)


@reads_proc
def test_workers_end_with_the_server_that_started_them(server: StartServer, data_dir: Path) -> None:
    running = server(workers=2, data_dir=data_dir)
    workers = worker_pids(running)
    running.kill()
    deadline = time.monotonic() + ENDED_SECONDS
    while left := [pid for pid in workers if Path(f"/proc/{pid}").exists()]:
        # They would keep the port, and a MongoDB that nobody stops.
        assert time.monotonic() < deadline, f"{len(left)} of {len(workers)} workers still serve"
        time.sleep(0.05)


@reads_proc
async def test_a_worker_that_the_machine_stalls_for_some_seconds_keeps_its_connections(
    server: StartServer, data_dir: Path
) -> None:
    running = server(workers=2, data_dir=data_dir)
    first = worker_pids(running)
    for pid in first:
        os.kill(pid, signal.SIGSTOP)
    # Longer than uvicorn's own patience with both of them, one after the other.
    asked = asyncio.create_task(asyncio.to_thread(httpx.get, f"{running.base}/Patient", timeout=60, trust_env=False))
    await asyncio.sleep(12)
    for pid in first:
        os.kill(pid, signal.SIGCONT)
    assert (await asked).status_code == 200
    assert worker_pids(running) == first
