"""`fhir-server load`: what it takes, what it says, and that doing it twice adds nothing."""

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.conftest import RunningServer, StartServer
from tests.require import ROOT, require_data
from tests.vaults import environment_without_settings

Json = dict[str, Any]


def run(*arguments: str, settings: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    inherited = environment_without_settings()
    return subprocess.run(
        [sys.executable, "-m", "fhir_server.cli", *arguments],
        cwd=ROOT,
        env={**inherited, "COLUMNS": "200", **(settings or {})},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.fixture
def database(mongodb_uri: str, database_name: str) -> dict[str, str]:
    return {"FHIR_MONGODB_URI": mongodb_uri, "FHIR_MONGODB_DATABASE": database_name}


def row(output: str, type: str) -> list[str]:
    """The cells of a type's row in the closing table."""
    return next(line.split() for line in output.splitlines() if line.split()[:1] == [type])


def patients(count: int) -> list[Json]:
    return [{"resourceType": "Patient", "id": uuid4().hex, "birthDate": "1980-01-01"} for _ in range(count)]


def test_every_shape_of_file_is_taken(tmp_path: Path, database: dict[str, str], server: StartServer) -> None:
    five = patients(5)
    (tmp_path / "one.json").write_text(json.dumps(five[0]))
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "two.ndjson").write_text(json.dumps(five[1]) + "\n\n" + json.dumps(five[2]))
    (tmp_path / "three.ndjson.gz").write_bytes(gzip.compress(json.dumps(five[3]).encode()))
    collection = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": five[4]}]}
    (tmp_path / "four.json.gz").write_bytes(gzip.compress(json.dumps(collection).encode()))
    batch = {
        "resource": {"resourceType": "Basic", "code": {"text": "x"}},
        "request": {"method": "POST", "url": "Basic"},
    }
    (tmp_path / "five.json").write_text(json.dumps({"resourceType": "Bundle", "type": "batch", "entry": [batch]}))
    (tmp_path / "notes.txt").write_text("not for loading")
    done = run("load", str(tmp_path), settings=database)
    assert done.returncode == 0, done.stderr
    assert row(done.stdout, "Patient")[1:3] == ["5", "0"]
    assert row(done.stdout, "all")[1:3] == ["6", "0"]
    base = server().base
    for sent in five:
        stored = httpx.get(f"{base}/Patient/{sent['id']}", trust_env=False).json()
        del stored["meta"]
        assert stored == sent


def test_loading_twice_adds_no_resource_and_no_version(database: dict[str, str], server: StartServer) -> None:
    file = sorted(require_data("synthea").glob("*.json.gz"))[10]
    first, second = (run("load", str(file), settings=database) for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0), second.stderr
    assert row(first.stdout, "all")[1:3] == row(second.stdout, "all")[1:3]
    base = server().base
    total = httpx.get(f"{base}/_history?_count=0", trust_env=False).json()["total"]
    assert str(total) == row(first.stdout, "all")[1].replace(",", "")


def test_what_is_rejected_is_named_with_its_reason_and_the_rest_is_kept(
    tmp_path: Path, database: dict[str, str], server: StartServer
) -> None:
    good = patients(3)
    lines = [
        json.dumps(good[0]),
        json.dumps(good[1] | {"birthDate": "1980-02-30"}),
        "{broken",
        json.dumps({"resourceType": "Patientt", "id": "x"}),
        json.dumps({"id": "no-type"}),
        json.dumps(good[2]),
    ]
    (tmp_path / "mixed.ndjson").write_text("\n".join(lines))
    whole = {"resourceType": "Bundle", "type": "transaction", "entry": []}
    (tmp_path / "half.json").write_text(json.dumps(whole)[:-10])
    (tmp_path / "half.json.gz").write_bytes(gzip.compress(json.dumps(whole).encode() * 500)[:-20])
    done = run("load", str(tmp_path), settings=database)
    assert done.returncode == 1
    assert row(done.stdout, "Patient")[1:3] == ["2", "1"]
    for place, reason in {
        "mixed.ndjson:2": "birthDate",
        "mixed.ndjson:3": "not JSON",
        "mixed.ndjson:4": "Patientt",
        "mixed.ndjson:5": "resourceType",
        "half.json": "not JSON",
        "half.json.gz": "ends early",
    }.items():
        named = [line for line in done.stderr.splitlines() if f"{place} " in line and line.startswith("rejected")]
        assert named and reason in named[0], f"{place}: {done.stderr}"
    base = server().base
    kept = [httpx.get(f"{base}/Patient/{each['id']}", trust_env=False).status_code for each in good]
    assert kept == [200, 404, 200]


def test_a_transaction_with_one_bad_entry_is_rejected_whole(tmp_path: Path, database: dict[str, str]) -> None:
    two = patients(2)
    entries = [{"resource": each, "request": {"method": "POST", "url": "Patient"}} for each in two]
    entries[1]["resource"]["gender"] = "robot"
    (tmp_path / "b.json").write_text(json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries}))
    done = run("load", str(tmp_path / "b.json"), settings=database)
    assert done.returncode == 1
    assert row(done.stdout, "Patient")[1:3] == ["0", "2"]
    assert "Bundle.entry[1].resource.gender" in done.stderr


def test_files_that_refer_to_one_another_by_conditions_load_in_any_order(
    tmp_path: Path, database: dict[str, str], server: StartServer
) -> None:
    """As newer Synthea writes them: patients refer to hospitals by identifier, and their files sort first."""
    id, npi = uuid4().hex, uuid4().hex
    person = {
        "resourceType": "Patient",
        "id": id,
        "managingOrganization": {"reference": f"Organization?identifier=urn:npi|{npi}"},
    }
    hospital = {"resourceType": "Organization", "identifier": [{"system": "urn:npi", "value": npi}], "name": "H"}
    hospital_request = {"method": "POST", "url": "Organization", "ifNoneExist": f"identifier=urn:npi|{npi}"}
    lost = {"resourceType": "Patient", "managingOrganization": {"reference": "Organization?identifier=urn:npi|nobody"}}
    for name, resource, request in (
        ("Aaron.json", person, {"method": "POST", "url": "Patient"}),
        ("Lost.json", lost, {"method": "POST", "url": "Patient"}),
        ("hospitals.json", hospital, hospital_request),
    ):
        bundle = {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [{"resource": resource, "request": request}],
        }
        (tmp_path / name).write_text(json.dumps(bundle))
    first = run("load", str(tmp_path), settings=database)
    assert first.returncode == 1
    assert row(first.stdout, "Patient")[1:3] == ["1", "1"], first.stderr
    assert "Lost.json" in first.stderr and "Aaron.json" not in first.stderr.split("rejected", 1)[1]
    base = server().base
    stored = httpx.get(f"{base}/Patient/{id}", trust_env=False).json()
    found = httpx.get(f"{base}/{stored['managingOrganization']['reference']}", trust_env=False).json()
    assert found["identifier"] == hospital["identifier"]


def test_a_running_server_can_be_loaded_by_its_url(tmp_path: Path, server: StartServer) -> None:
    running = server()
    sent = patients(450)
    (tmp_path / "p.ndjson").write_text(
        "\n".join(json.dumps(each) for each in [*sent, {"resourceType": "Patient", "x": 1}])
    )
    first = run("load", str(tmp_path / "p.ndjson"), "--url", running.base)
    assert row(first.stdout, "Patient")[1:3] == ["450", "1"], first.stderr
    assert "p.ndjson:451" in first.stderr
    run("load", str(tmp_path / "p.ndjson"), "--url", running.base)
    assert httpx.get(f"{running.base}/Patient/_history?_count=0", trust_env=False).json()["total"] == 450
    refused = run("load", str(tmp_path / "p.ndjson"), "--url", "http://127.0.0.1:9/fhir")
    assert refused.returncode == 1 and "does not answer" in refused.stderr


def test_load_and_serve_share_the_embedded_mongodb(tmp_path: Path, server: StartServer) -> None:
    running: RunningServer = server(data_dir=tmp_path / "data")
    sent = patients(3)
    (tmp_path / "p.ndjson").write_text("\n".join(json.dumps(each) for each in sent))
    done = run("load", str(tmp_path / "p.ndjson"), "--data-dir", str(tmp_path / "data"))
    assert done.returncode == 0, done.stderr
    assert httpx.get(f"{running.base}/Patient?_summary=count", trust_env=False).json()["total"] == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["load", "/nowhere/at-all"], "There is no file"),
        (["load", str(ROOT / "docs" / "adr")], "No .json"),
        (["load", str(ROOT), "--url", "http://x", "--data-dir", "y"], "either --data-dir or --url"),
    ],
)
def test_a_wrong_command_is_one_sentence_and_a_code(arguments: list[str], said: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
