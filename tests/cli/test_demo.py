"""`serve --demo` and `seeds`: the demo population gets in once, where nothing was, and files of it load."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pymongo import MongoClient

from seeds import population
from tests.cli.test_load import row, run
from tests.conftest import RunningServer, StartServer, free_port, start_server
from tests.require import ROOT
from tests.vaults import environment_without_settings

LOADING_SECONDS = 240.0


@pytest.fixture
def database(mongodb_uri: str, database_name: str) -> dict[str, str]:
    return {"FHIR_MONGODB_URI": mongodb_uri, "FHIR_MONGODB_DATABASE": database_name}


StartDemo = Callable[[], RunningServer]


@pytest.fixture
def demo_server(tmp_path: Path, database: dict[str, str]) -> Iterator[StartDemo]:
    """A factory of servers started with `--demo` on the test's database, which may load for long before they answer."""
    with ExitStack() as running:

        def start() -> RunningServer:
            log = tmp_path / f"demo-{uuid4().hex[:6]}.log"
            started = start_server(log, 1, {**database, "FHIR_DEMO": "true"}, LOADING_SECONDS)
            running.callback(started.stop)
            return started

        yield start


@cache
def expected() -> Counter[str]:
    """Resources of the demo population by type."""
    return Counter(each["resourceType"] for each in population.demo(date(2026, 11, 22)))


def versions(base: str) -> int:
    """How many versions of resources the server has ever stored."""
    return int(httpx.get(f"{base}/_history?_count=0", trust_env=False, timeout=30).json()["total"])


def eventually(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LOADING_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)


@pytest.mark.slow
def test_an_empty_database_gets_the_demo_population_once_and_before_the_server_answers(demo_server: StartDemo) -> None:
    running = demo_server()
    said = running.output()
    assert f"Loaded the demo population: {expected().total():,} resources of {len(expected())} types" in said
    assert said.index("Loaded the demo population") < said.index("FHIR base:")
    assert "leave out --demo" in said
    for type in ("Patient", "Observation", "Slot", "Provenance"):
        total = httpx.get(f"{running.base}/{type}?_summary=count", trust_env=False).json()["total"]
        assert total == expected()[type]
    assert versions(running.base) == expected().total()
    assert running.stop() == 0
    again = demo_server()
    assert "demo" not in again.output()
    assert versions(again.base) == expected().total()


def test_a_database_with_a_resource_is_left_alone_even_a_deleted_one(
    server: StartServer, demo_server: StartDemo
) -> None:
    first = server()
    basic = {"resourceType": "Basic", "id": "b", "code": {"text": "x"}}
    httpx.put(f"{first.base}/Basic/b", json=basic, trust_env=False)
    httpx.delete(f"{first.base}/Basic/b", trust_env=False)
    second = demo_server()
    assert "demo" not in second.output()
    assert versions(second.base) == 2


def test_without_being_asked_for_nothing_is_loaded(server: StartServer) -> None:
    running = server()
    assert versions(running.base) == 0


@pytest.mark.slow
@pytest.mark.race
def test_two_servers_that_start_at_once_load_it_once(demo_server: StartDemo) -> None:
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda _: demo_server(), range(2))
    assert versions(one.base) == versions(other.base) == expected().total()
    assert sum("Loaded the demo population" in each.output() for each in (one, other)) == 1


@pytest.mark.slow
@pytest.mark.crash
def test_a_load_that_was_interrupted_is_completed_by_the_next_start(
    demo_server: StartDemo, database: dict[str, str], mongodb: MongoClient[dict[str, Any]], tmp_path: Path
) -> None:
    stored = mongodb[database["FHIR_MONGODB_DATABASE"]]
    inherited = environment_without_settings()
    command = [sys.executable, "-m", "fhir_server.cli", "serve", "--demo", "--auth", "off", "--port", str(free_port())]
    with (tmp_path / "killed.log").open("wb") as log:
        killed = subprocess.Popen(command, cwd=ROOT, env={**inherited, **database}, stdout=log, stderr=log)
    eventually(lambda: stored["Slot"].estimated_document_count() > 200)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert stored["Observation"].estimated_document_count() < expected()["Observation"]
    running = demo_server()
    assert "Loaded the demo population" in running.output()
    assert versions(running.base) == expected().total()


def test_a_generated_population_loads_without_a_rejection(tmp_path: Path, database: dict[str, str]) -> None:
    options = ("--patients", "6", "--seed", "4", "--as-of", "2026-11-22", "--gzip")
    done = run("seeds", "generate", *options, "--output", str(tmp_path / "one"))
    assert done.returncode == 0, done.stderr
    assert row(done.stdout, "Patient")[1] == "6"
    assert "resources/s" in done.stdout
    again = run("seeds", "generate", *options, "--output", str(tmp_path / "two"))
    assert again.returncode == 0
    for path in sorted((tmp_path / "one").iterdir()):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name
    loaded = run("load", str(tmp_path / "one"), settings=database)
    assert loaded.returncode == 0, loaded.stderr
    assert row(loaded.stdout, "all")[1:3] == [row(done.stdout, "all")[1], "0"]


def test_the_demo_population_can_be_written_to_files(tmp_path: Path) -> None:
    done = run("seeds", "demo", "--as-of", "2026-11-22", "--output", str(tmp_path / "demo"))
    assert done.returncode == 0, done.stderr
    written = {path.stem: len(path.read_text().splitlines()) for path in (tmp_path / "demo").iterdir()}
    assert written == expected()
    lines = (tmp_path / "demo" / "Patient.ndjson").read_text().splitlines()
    assert "rivera-ana" in {json.loads(line)["id"] for line in lines}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("generate", "--patients", "5", "--output", "docs"), "The folder docs is not empty. Name another"),
        (("demo", "--output", "docs"), "The folder docs is not empty. Name another"),
        (("generate", "--patients", "5", "--output", "README.md"), "Cannot write to README.md"),
        (("generate", "--patients", "0", "--output", "new"), "--patients"),
        (("generate", "--patients", "1000000", "--output", "new"), "--patients"),
        (("generate", "--patients", "5", "--as-of", "soon", "--output", "new"), "--as-of"),
    ],
)
def test_a_wrong_command_says_what_to_do_instead(options: tuple[str, ...], said: str) -> None:
    done = run("seeds", *options)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (ROOT / "new").exists()


@pytest.mark.parametrize(("uri", "asks"), [("", True), ("mongodb://127.0.0.1:27017/?replicaSet=rs0", False)])
def test_make_serve_asks_for_it_only_where_the_server_brings_its_own_database(uri: str, asks: bool) -> None:
    environment = os.environ | {"FHIR_MONGODB_URI": uri}
    shown = subprocess.run(["make", "-n", "serve"], cwd=ROOT, env=environment, capture_output=True, text=True)
    (command,) = [line for line in shown.stdout.splitlines() if "fhir-server serve" in line]
    assert ("--demo" in command) == asks
