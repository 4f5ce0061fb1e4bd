"""What the crash tests share: a data directory whose mongod never outlives its test, kills, and the last reckoning."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from fhir_server.store.embedded_folder import MongodFolder
from fhir_server.store.embedded_process import wait_until
from fhir_server.store.embedded_replica_set import uri_of
from tests.conftest import RunningServer
from tests.crash.ledger import Ledger
from tests.crash.stored import faults_of_versions, read_served, read_stored

_GONE_SECONDS = 20.0


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    """A data directory for an embedded MongoDB."""
    chosen = tmp_path / "data"
    yield chosen
    if mongod_folder(chosen).is_served():
        kill_mongod(chosen)


def mongod_folder(data_dir: Path) -> MongodFolder:
    return MongodFolder(data_dir.resolve() / "mongodb")


def mongod_uri(data_dir: Path) -> str:
    """How MongoDB in a data directory is reached without joining it."""
    return uri_of(Path(mongod_folder(data_dir).address.read_text("utf-8")))


def kill_mongod(data_dir: Path) -> None:
    """kill -9 of the mongod in the data directory; returns when its files are released."""
    folder = mongod_folder(data_dir)
    pid = folder.served_by()
    assert pid is not None, "no mongod runs there"
    os.kill(pid, signal.SIGKILL)
    # Another one may have taken its place already.
    assert wait_until(lambda: folder.served_by() != pid, _GONE_SECONDS)


def kill_server(server: RunningServer) -> None:
    """kill -9 of the server and all its workers at once; its mongod has a session of its own and stays."""
    os.killpg(server.pid, signal.SIGKILL)
    server.process.wait()


def worker_pids(server: RunningServer) -> list[int]:
    """The process ids of the server's workers, without Python's own resource tracker. Linux only."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    return [int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


async def reckon(ledger: Ledger, base: str, uri: str, database: str = "fhir") -> None:
    """Every promise is kept, nothing is half there, versions are dense, and the server shows what the rows say."""
    stored = read_stored(uri, database)
    assert faults_of_versions(stored) == []
    assert ledger.faults(stored) == []
    assert await read_served(base, stored) == stored
    assert ledger.improper_answers() == []
