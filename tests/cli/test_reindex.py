"""`fhir-server reindex`, and what `serve` and `check` say of search values that are out of date."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from tests.cli.test_load import run
from tests.conftest import StartServer

Json = dict[str, Any]


@pytest.fixture
def database(mongodb_uri: str, database_name: str) -> dict[str, str]:
    return {"FHIR_MONGODB_URI": mongodb_uri, "FHIR_MONGODB_DATABASE": database_name}


def patients(count: int) -> list[Json]:
    status = {"coding": [{"code": "M"}]}
    return [{"resourceType": "Patient", "id": f"p{number}", "maritalStatus": status} for number in range(count)]


def parameter() -> Json:
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
    }


def lines(path: Path, resources: list[Json]) -> str:
    path.write_text("\n".join(map(json.dumps, resources)))
    return str(path)


def test_a_loaded_parameter_is_brought_into_force_without_a_server(
    tmp_path: Path, database: dict[str, str], server: StartServer
) -> None:
    resources = [*patients(300), parameter()]
    assert run("load", lines(tmp_path / "all.ndjson", resources), settings=database).returncode == 0
    done = run("reindex", settings=database)
    assert done.returncode == 0, done.stderr
    again = run("reindex", settings=database)
    assert "Every resource is indexed" in again.stdout
    checked = run("check", settings=database)
    assert checked.returncode == 0, checked.stdout
    assert re.search(r"search parameters +set 1, live; marital on Patient", checked.stdout)
    with httpx.Client(base_url=server().base, timeout=30, trust_env=False) as api:
        assert api.get("Patient", params={"marital": "M", "_total": "accurate"}).json()["total"] == 300


def test_rows_of_an_older_version_are_indexed_again_and_everything_says_so(
    tmp_path: Path, database: dict[str, str], mongodb: MongoClient[Json], database_name: str, server: StartServer
) -> None:
    assert run("load", lines(tmp_path / "all.ndjson", patients(300)), settings=database).returncode == 0
    rows = mongodb[database_name]
    rows["server.search_parameters"].drop()
    rows["Patient"].update_many({}, {"$set": {"px": 1, "t": []}})
    checked = run("check", settings=database)
    assert "run `fhir-server reindex`" in " ".join(checked.stdout.split())
    assert checked.returncode == 1
    running = server()
    assert "all resources are indexed again" in running.output()
    with httpx.Client(base_url=running.base, timeout=30, trust_env=False) as api:
        first = api.get("Patient", params={"_count": "1"})
        assert first.status_code in (200, 503)
        if first.status_code == 503:
            assert first.headers["retry-after"] == "10"
        assert api.put("Patient/new", json={"resourceType": "Patient", "id": "new"}).status_code == 201
        done = run("reindex", settings=database)
        assert done.returncode == 0, done.stderr
        while (answer := api.get("Patient", params={"_summary": "count"})).status_code == 503:
            assert "so far" in answer.json()["issue"][0]["details"]["text"]
        assert answer.json()["total"] == 301
    assert rows["Patient"].count_documents({"px": 1}) == 0


def test_a_database_of_a_newer_version_is_refused_with_one_sentence(
    tmp_path: Path, database: dict[str, str], mongodb: MongoClient[Json], database_name: str
) -> None:
    assert run("load", lines(tmp_path / "one.ndjson", patients(1)), settings=database).returncode == 0
    sets = mongodb[database_name]["server.search_parameters"]
    sets.update_one({"_id": "set"}, {"$set": {"index_version": 999}})
    refused = run("reindex", settings=database)
    assert refused.returncode == 2
    assert "newer version of the server" in refused.stderr
    assert "Traceback" not in refused.stderr
