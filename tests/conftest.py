"""What many tests stand on: one real MongoDB for the run, a fresh database for each test, servers started for real."""

import atexit
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import httpx
import hypothesis
import pytest
from pymongo import MongoClient

from tests.require import ROOT
from tests.vaults import MASTER_KEY

# The same examples in each run, so that a change is judged by what it changes; FHIR_TEST_EXPLORE=1 looks for new ones.
hypothesis.settings.register_profile("same", derandomize=True)
if not os.environ.get("FHIR_TEST_EXPLORE"):
    hypothesis.settings.load_profile("same")

# The same for all servers of a run, in a folder that only this user reads.
_keys = Path(tempfile.mkdtemp(prefix="fhir-test-"))
MASTER_KEY_FILE = _keys / "master.key"
MASTER_KEY_FILE.write_bytes(MASTER_KEY)
os.environ.setdefault("FHIR_MASTER_KEY_FILE", str(MASTER_KEY_FILE))
atexit.register(shutil.rmtree, _keys, ignore_errors=True)

READY_SECONDS = 180.0
STOP_SECONDS = 60.0
# With the demo population to be loaded first.
LOADING_SECONDS = 180.0

OF_MANY_DATABASES = {
    "minSnapshotHistoryWindowInSeconds": 60,
    "wiredTigerEngineRuntimeConfig": "file_manager=(close_idle_time=60,close_scan_interval=10)",
}
"""Dropped databases give their files back soon: a run has thousands, of some 100 files each. Kept for fifteen
minutes they came to 20,000 open files, and mongod ended itself.
"""


@pytest.fixture(scope="session")
def mongodb_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A one-node replica set: FHIR_TEST_MONGODB_URI where set, else an embedded mongod for this run."""
    given = os.environ.get("FHIR_TEST_MONGODB_URI")
    if given:
        yield given
        return
    from fhir_server.store.embedded import embedded_mongod

    with embedded_mongod(tmp_path_factory.mktemp("mongodb")) as mongod:
        with MongoClient[dict[str, Any]](mongod.uri) as client:
            for parameter in OF_MANY_DATABASES.items():
                client.admin.command({"setParameter": 1, parameter[0]: parameter[1]})
        # Where several runs share two processors, mongod is silent for seconds at times.
        yield f"{mongod.uri}&connectTimeoutMS=20000"


@pytest.fixture(scope="session")
def mongodb(mongodb_uri: str) -> Iterator[MongoClient[dict[str, Any]]]:
    """A synchronous client, for looking behind the server's back."""
    with MongoClient[dict[str, Any]](mongodb_uri, tz_aware=True) as client:
        yield client


@pytest.fixture
def database_name(mongodb: MongoClient[dict[str, Any]]) -> Iterator[str]:
    """The name of a database that does not exist yet; dropped after the test."""
    name = f"test_{uuid4().hex[:16]}"
    yield name
    mongodb.drop_database(name)


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server process that answers. `base` is the FHIR base, without a slash at its end."""

    base: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def output(self) -> str:
        """What the server wrote so far."""
        return self.log.read_text(errors="replace")

    def stop(self) -> int:
        """Ask it to end as an operator would (SIGTERM); the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the server did not stop within {STOP_SECONDS} s:\n{self.output()[-4000:]}") from None

    def kill(self) -> None:
        """End the process itself without warning (SIGKILL); what it had started is left as it is."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class StartServer(Protocol):
    """Starts `fhir-server serve` on a free port of loopback and waits until it answers.

    `settings` are environment variables. With `data_dir` the server brings its own embedded MongoDB there; otherwise
    it uses the run's MongoDB and the test's database, so that two servers of one test share their content.
    """

    def __call__(
        self, *, workers: int = 1, data_dir: Path | None = None, settings: Mapping[str, str] | None = None
    ) -> RunningServer: ...


@pytest.fixture
def server(tmp_path: Path, mongodb_uri: str, database_name: str) -> Iterator[StartServer]:
    """A factory of running servers; each is stopped, by its pid, when the test ends."""
    with ExitStack() as running:

        def start(
            *, workers: int = 1, data_dir: Path | None = None, settings: Mapping[str, str] | None = None
        ) -> RunningServer:
            environment = dict(settings or {})
            if data_dir is None:
                environment.setdefault("FHIR_MONGODB_URI", mongodb_uri)
                environment.setdefault("FHIR_MONGODB_DATABASE", database_name)
            else:
                environment["FHIR_DATA_DIR"] = str(data_dir)
            started = start_server(tmp_path / f"server-{uuid4().hex[:6]}.log", workers, environment)
            running.callback(_end, started)
            return started

        yield start


@pytest.fixture(scope="session")
def shared_server(
    mongodb: MongoClient[dict[str, Any]], mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    """One server with one worker for the whole run: for tests that do not mind what others wrote."""
    name = f"test_{uuid4().hex[:16]}"
    environment = {"FHIR_MONGODB_URI": mongodb_uri, "FHIR_MONGODB_DATABASE": name}
    started = start_server(tmp_path_factory.mktemp("server") / "server.log", 1, environment)
    yield started
    _end(started)
    mongodb.drop_database(name)


@pytest.fixture(scope="session")
def smart_server(
    mongodb: MongoClient[dict[str, Any]], mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    """One server process with sign-in, two workers and the demo population, for the whole run."""
    name = f"test_{uuid4().hex[:16]}"
    environment = {"FHIR_MONGODB_URI": mongodb_uri, "FHIR_MONGODB_DATABASE": name, "FHIR_DEMO": "true"}
    log = tmp_path_factory.mktemp("smart") / "server.log"
    started = start_server(log, 2, environment, LOADING_SECONDS, auth="smart")
    yield started
    _end(started)
    mongodb.drop_database(name)


def start_server(
    log: Path, workers: int, settings: Mapping[str, str], ready_seconds: float = READY_SECONDS, auth: str = "off"
) -> RunningServer:
    """A server that answered GET metadata; fails with the end of its log where it does not within `ready_seconds`."""
    port = free_port()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("FHIR_")}
    command = [sys.executable, "-m", "fhir_server.cli", "serve", "--auth", auth]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", str(workers)]
    with log.open("wb") as written:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**inherited, "FHIR_MASTER_KEY_FILE": str(MASTER_KEY_FILE), **settings},
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    running = RunningServer(f"http://127.0.0.1:{port}/fhir", process, log)
    deadline = time.monotonic() + ready_seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{running.base}/metadata", timeout=5, trust_env=False).status_code == 200:
                return running
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    _end(running)
    raise AssertionError(f"the server did not come up (exit code {process.returncode}):\n{running.output()[-4000:]}")


def free_port() -> int:
    """A port of loopback that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _end(running: RunningServer) -> None:
    try:
        if running.process.poll() is None:
            running.stop()
    finally:
        # Where a test killed the server, its workers or its mongod may have outlived it.
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
