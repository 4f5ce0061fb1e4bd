"""The log of a server: a line of JSON for each request, and nothing in any line that somebody sent or stored."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pymongo import MongoClient

from fhir_server import logs
from tests.conftest import RunningServer, StartServer
from tests.crash.conftest import worker_pids
from tests.require import ROOT
from tests.rest.conftest import observation, patient
from tests.rest.test_transaction import bundle, entry

MARK = "Zworykinmark"
"""Stands in everything the busy session sends: names, ids, searches, headers, paths, broken bodies."""


def lines(running: RunningServer) -> list[dict[str, Any]]:
    """The log's lines so far; what the command line says to a person is none."""
    return [json.loads(line) for line in running.output().splitlines() if line.startswith("{")]


def requests(running: RunningServer) -> list[dict[str, Any]]:
    return [line for line in lines(running) if line["event"] == "request"]


def test_a_request_is_one_line_with_its_id_interaction_type_status_time_and_bytes(server: StartServer) -> None:
    running = server()
    before = len(requests(running))
    headers = {"x-request-id": "trace-1"}
    answer = httpx.get(f"{running.base}/Patient?name=x", headers=headers, trust_env=False)
    (line,) = requests(running)[before:]
    assert line.pop("ms") > 0
    assert line.pop("time").endswith("Z")
    assert line.pop("pid") == running.pid
    assert line == {
        "level": "info",
        "event": "request",
        "request_id": "trace-1",
        "interaction": "search-type",
        "type": "Patient",
        "method": "GET",
        "status": 200,
        "bytes": len(answer.content),
    }


def test_what_machines_ask_every_few_seconds_is_not_logged(server: StartServer) -> None:
    running = server()
    before = len(requests(running))
    for path in ("/livez", "/readyz", "/metrics"):
        httpx.get(running.base.removesuffix("/fhir") + path, trust_env=False)
    assert len(requests(running)) == before


def busy_session(base: str) -> None:
    """Everything that a client can do, with MARK in every place that takes a value."""
    name = f"{MARK}-name"
    with httpx.Client(base_url=f"{base}/", trust_env=False, timeout=30) as api:
        body = patient(id=MARK, name=[{"family": name}], identifier=[{"system": f"urn:{MARK}", "value": MARK}])
        assert api.put(f"Patient/{MARK}", json=body).status_code == 201
        assert api.post("Observation", json=observation(MARK, note=[{"text": name}])).status_code == 201
        paths = (
            *(f"Patient/{MARK}", f"Patient/{MARK}/_history/1", f"Patient/{MARK}/_history", f"Patient/{MARK}9"),
            *(f"Patient?name={name}", f"Patient?{MARK}=1", f"Patient?name:{MARK}=1", f"Patient?_cursor={MARK}"),
            *(f"Patient/{MARK}/Observation", f"Patient/{MARK}/{MARK}", f"{MARK}", f"{MARK}/{MARK}", f"${MARK}"),
            *(f"Patient?_filter={MARK}", f"Observation?code:in={MARK}", f"metadata?mode={MARK}"),
            *(f"Patient?_format={MARK}", f"Patient?_sort={MARK}"),
        )  # fmt: skip
        for path in paths:
            api.get(path)
        api.post("Patient/_search", data={"name": name})
        api.post(
            "Patient",
            content=f'{{"resourceType": "Patient", "{MARK}": ',
            headers={"content-type": "application/fhir+json"},
        )
        api.post("Patient", json=patient(gender=MARK, birthDate=MARK) | {MARK: MARK})
        api.put(f"Patient/{MARK}", json=body, headers={"if-match": MARK})
        api.post("Patient", json=body, headers={"if-none-exist": f"name={name}", "prefer": MARK, "accept": f"x/{MARK}"})
        api.post("", json=bundle(entry("PUT", f"Patient/{MARK}", body), entry("GET", f"Patient?name={name}")))
        api.post("", json=bundle(entry("GET", f"{MARK}/{MARK}"), type="batch"))
        api.request(MARK.upper(), f"Patient/{MARK}")
        api.delete(f"Patient/{MARK}")
    origin = base.removesuffix("/fhir")
    httpx.get(f"{origin}/{MARK}", trust_env=False)
    httpx.get(f"{base}/Patient", headers={"host": f"{MARK}.example"}, trust_env=False)
    httpx.get(f"{base}/Patient", headers={"x-request-id": f"{MARK} {MARK}"}, trust_env=False)


@pytest.mark.parametrize("level", ["info", "debug"])
@pytest.mark.parametrize("format", ["json", "console"])
def test_nothing_that_was_sent_or_stored_is_in_the_log_of_a_busy_session(
    server: StartServer, format: str, level: str
) -> None:
    running = server(settings={"FHIR_LOG_FORMAT": format, "FHIR_LOG_LEVEL": level})
    busy_session(running.base)
    assert running.stop() == 0
    said = running.output()
    assert said.count("search-type") >= 8, said
    assert MARK.lower() not in said.lower()
    # The driver's own log would tell commands and the place of the database.
    assert "mongodb://" not in said
    assert "mongod.sock" not in said


def test_a_command_that_mongodb_refuses_is_told_by_its_name_for_that_and_not_by_its_words(
    server: StartServer, mongodb: MongoClient[dict[str, Any]], database_name: str
) -> None:
    running = server()
    # Nothing can be written into a view.
    mongodb[database_name].create_collection("Goal", viewOn="Patient", pipeline=[])
    goal = {"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": MARK}}
    goal["subject"] = {"display": MARK}
    sent = bundle(entry("PUT", "Goal/g", goal | {"id": "g"}), type="batch")
    with httpx.Client(base_url=f"{running.base}/", trust_env=False, timeout=30) as api:
        alone = api.put("Goal/g", json=goal | {"id": "g"})
        (among,) = api.post("", json=sent).json()["entry"]
    assert (alone.status_code, among["response"]["status"]) == (500, "500")
    told = [line for line in lines(running) if line["event"] == "the database refused a command"]
    assert len(told) == 2
    assert told[0]["request_id"] == alone.headers["x-request-id"]
    assert {(line["level"], line["code"], line["name"]) for line in told} == {
        ("error", 166, "CommandNotSupportedOnView")
    }
    assert MARK not in running.output() + alone.text + json.dumps(among)


def test_every_line_is_json_where_it_is_asked_for_or_nobody_watches(server: StartServer) -> None:
    running = server(workers=2)
    busy_session(running.base)
    running.stop()
    spoken = [line for line in running.output().splitlines() if not line.startswith("FHIR base:")]
    assert {type(json.loads(line)) for line in spoken} == {dict}
    assert {"worker started", "worker ended", "request"} <= {line["event"] for line in lines(running)}
    assert len({line["pid"] for line in lines(running)}) >= 2


def test_a_worker_that_was_killed_is_told_of_with_the_one_in_its_place(server: StartServer) -> None:
    running = server(workers=2)
    (killed, _) = worker_pids(running)
    os.kill(killed, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while not (told := [line for line in lines(running) if line["event"] == "a worker was replaced"]):
        assert time.monotonic() < deadline, running.output()
        time.sleep(0.1)
    (line,) = told
    assert (line["level"], line["worker"], line["exit_code"]) == ("warning", killed, -signal.SIGKILL)
    assert line["by"] in worker_pids(running)


def test_a_log_level_leaves_out_what_is_below_it(server: StartServer) -> None:
    running = server(settings={"FHIR_LOG_LEVEL": "warning"})
    assert httpx.get(f"{running.base}/Patient", trust_env=False).status_code == 200
    assert lines(running) == []


PROBE = """
import asyncio, logging, sys, threading
from fhir_server import logs
logs.configure(sys.argv[1])
import structlog
log = structlog.get_logger()
def fail():
    raise ValueError("SECRET")
try:
    fail()
except ValueError:
    log.exception("told by structlog")
    logging.getLogger("uvicorn.error").error("Exception in ASGI application", exc_info=True)
    logging.getLogger("some.library").error("value %s", "SECRET", exc_info=True)
try:
    fail()
except ValueError as error:
    import traceback
    logging.getLogger("uvicorn.error").error(traceback.format_exc())
async def forgotten():
    async def lost():
        fail()
    task = asyncio.create_task(lost())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    del task
    import gc
    gc.collect()
asyncio.run(forgotten())
fail()
"""


@pytest.mark.parametrize("format", ["json"])
def test_an_exception_is_told_by_its_kind_and_place_without_its_text(format: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, format], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "SECRET" not in done.stderr + done.stdout
    told = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in told][:2] == ["told by structlog", "Exception in ASGI application"]
    assert told[2]["event"].startswith("a library reports error at ")
    assert told[3]["event"] == "start failed: ValueError"
    assert told[4]["logger"] == "asyncio"
    assert told[-1]["event"] == "the process ends by an error nobody foresaw"
    for line in told[:3] + told[4:]:
        assert line["kind"] == "ValueError"
        assert line["frames"][-1].startswith("__main__.fail:"), line


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the log of this process goes for the test."""
    file = tmp_path / "log"
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT)
    monkeypatch.setattr(logs._chosen, "descriptor", descriptor)
    monkeypatch.setattr(logs._chosen, "is_json", False)
    monkeypatch.setattr(logs._chosen, "level", logging.INFO)
    yield file
    os.close(descriptor)


def test_a_person_at_a_terminal_reads_one_plain_line_for_each_request(written: Path) -> None:
    logs.request("abc", "read", "Patient", "GET", 200, 0.0012, 1234)
    logs.request("def", "unrouted", None, "GET", 404, 0.0002, 0)
    first, second = written.read_text().splitlines()
    assert first.split()[1:] == ["200", "read", "Patient", "1.2", "ms", "1,234", "B", "abc"]
    assert second.split()[1:] == ["404", "unrouted", "0.2", "ms", "0", "B", "def"]


def test_failures_of_the_server_are_warnings(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs._chosen, "is_json", True)
    monkeypatch.setattr(logs._chosen, "level", logging.WARNING)
    for status in (200, 404, 500, 503, 0):
        logs.request(uuid4().hex, "read", "Patient", "GET", status, 0.001, 0)
    told = [json.loads(line) for line in written.read_text().splitlines()]
    assert [(line["status"], line["level"]) for line in told] == [(500, "warning"), (503, "warning"), (0, "warning")]


def test_a_log_that_nobody_reads_costs_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    os.close(read)
    monkeypatch.setattr(logs._chosen, "descriptor", write)
    monkeypatch.setattr(logs._chosen, "level", logging.INFO)
    logs.request("abc", "read", "Patient", "GET", 200, 0.001, 0)
    os.close(write)
