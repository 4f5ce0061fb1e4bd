"""`/livez` and `/readyz`: who may ask, what is said while something is missing, and how soon."""

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from fhir_server.store import mongo
from fhir_server.store.embedded import embedded_mongod
from fhir_server.store.index_watch import IndexWatch
from tests.conftest import RunningServer, StartServer
from tests.crash.conftest import kill_mongod

PATIENT = {"resourceType": "Patient", "id": "p1"}


def asked(running: RunningServer, path: str, **headers: str) -> httpx.Response:
    return httpx.get(running.base.removesuffix("/fhir") + path, headers=headers, timeout=10, trust_env=False)


def until_ready(running: RunningServer, seconds: float = 30) -> httpx.Response:
    deadline = time.monotonic() + seconds
    while True:
        answer = asked(running, "/readyz")
        if answer.status_code == 200 or time.monotonic() > deadline:
            return answer
        time.sleep(0.1)


def test_a_running_server_is_alive_and_ready_and_says_what_it_looked_at(shared_server: RunningServer) -> None:
    alive, ready = asked(shared_server, "/livez"), until_ready(shared_server)
    assert (alive.status_code, alive.json()) == (200, {"status": "alive"})
    assert ready.status_code == 200, ready.text
    assert ready.json()["status"] == "ready"
    assert set(ready.json()["checks"]) == {"mongodb", "search parameters", "indexes", "definitions"}
    for answer in (alive, ready):
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-request-id"]


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_an_orchestrator_may_ask_under_any_name_by_get_or_head_alone(shared_server: RunningServer, path: str) -> None:
    assert asked(shared_server, path, host="10.1.2.3:8080").status_code == 200
    origin = shared_server.base.removesuffix("/fhir")
    head = httpx.head(origin + path, trust_env=False)
    assert (head.status_code, head.content) == (200, b"")
    refused = httpx.post(origin + path, trust_env=False)
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")


def test_nothing_tells_where_the_database_is(server: StartServer, database_name: str) -> None:
    text = until_ready(server()).text
    assert database_name not in text
    assert "mongodb://" not in text
    assert "/" not in text


def test_while_mongodb_is_away_the_server_is_alive_not_ready_and_says_so(server: StartServer, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with embedded_mongod(data_dir) as mongod:
        running = server(settings={"FHIR_MONGODB_URI": mongod.uri})
        assert until_ready(running).status_code == 200
        kill_mongod(data_dir)
    time.sleep(0.6)
    answer = asked(running, "/readyz")
    assert answer.status_code == 503
    assert answer.json()["status"] == "not ready"
    (missing,) = answer.json()["missing"]
    assert missing.startswith("mongodb: ")
    assert asked(running, "/livez").status_code == 200
    with embedded_mongod(data_dir):
        assert until_ready(running).status_code == 200
    assert running.output().count('"not ready"') == 1, "each probe was logged"


def test_many_probes_at_once_are_one_look(server: StartServer, mongodb: MongoClient[dict[str, Any]]) -> None:
    running = server()
    until_ready(running)

    def commands() -> int:
        return int(mongodb.admin.command("serverStatus")["metrics"]["commands"]["buildInfo"]["total"])

    async def probes() -> set[int]:
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            url = running.base.removesuffix("/fhir") + "/readyz"
            return {answer.status_code for answer in await asyncio.gather(*(client.get(url) for _ in range(50)))}

    time.sleep(0.6)
    before = commands()
    assert asyncio.run(probes()) == {200}
    assert commands() - before <= 3


def test_an_index_that_stored_types_lack_is_made_at_the_start_before_the_server_is_ready(
    server: StartServer, mongodb: MongoClient[dict[str, Any]], database_name: str
) -> None:
    first = server()
    assert httpx.put(f"{first.base}/Patient/p1", json=PATIENT, trust_env=False).status_code == 201
    first.stop()
    mongodb[database_name]["Patient"].drop_index("s")
    mongodb[database_name]["Patient_history"].drop_index("rid")
    second = server()
    assert until_ready(second).status_code == 200
    assert "s" in mongodb[database_name]["Patient"].index_information()
    assert "rid" in mongodb[database_name]["Patient_history"].index_information()


def test_an_index_that_differs_keeps_a_server_from_being_ready_and_is_named(
    server: StartServer, mongodb: MongoClient[dict[str, Any]], database_name: str
) -> None:
    mongodb[database_name]["Patient"].create_index("s", name="t")
    running = server()
    assert httpx.get(f"{running.base}/metadata", trust_env=False).status_code == 200
    time.sleep(1)
    answer = asked(running, "/readyz")
    assert answer.status_code == 503
    assert "Patient.t" in answer.json()["missing"][0]


async def test_an_index_lost_later_is_said_and_made_again(mongodb_uri: str, database_name: str) -> None:
    database = mongo.connect(mongodb_uri, database_name)
    try:
        watch = IndexWatch(database)
        await database.handle["Patient"].insert_one({"_id": "p1"})
        await watch.look()
        assert (watch.missing, watch.were_complete) == ((), True)
        await database.handle["Patient"].drop_index("s")
        await watch.look()
        assert watch.missing == ()
        assert "s" in await database.handle["Patient"].index_information()
    finally:
        await mongo.close(database)


def test_a_database_of_a_newer_version_of_the_server_is_said(
    server: StartServer, mongodb: MongoClient[dict[str, Any]], database_name: str
) -> None:
    running = server()
    assert until_ready(running).status_code == 200
    mongodb[database_name]["server.search_parameters"].update_one({"_id": "set"}, {"$set": {"index_version": 999}})
    time.sleep(0.6)
    answer = asked(running, "/readyz")
    assert answer.status_code == 503
    assert "newer version" in answer.json()["missing"][0]


def test_a_reindex_is_said_and_the_server_stays_ready(
    server: StartServer, mongodb: MongoClient[dict[str, Any]], database_name: str
) -> None:
    running = server()
    assert until_ready(running).status_code == 200
    # A worker that takes no part holds the change up, so that it is still under way when asked.
    mongodb[database_name]["server.search_parameters"].update_one({"_id": "set"}, {"$set": {"state": "indexing"}})
    time.sleep(0.6)
    answer = asked(running, "/readyz")
    assert answer.status_code == 200
    assert "being indexed" in answer.json()["checks"]["search parameters"]
