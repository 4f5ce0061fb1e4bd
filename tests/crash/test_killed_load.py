"""`fhir-server load` killed half-way and run again: everything is there once."""

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import NotPrimaryError

from fhir_server.store.embedded import embedded_mongod
from tests.crash.conftest import kill_mongod, mongod_folder, mongod_uri
from tests.crash.stored import Stored, faults_of_versions, read_stored
from tests.require import ROOT
from tests.vaults import environment_without_settings

pytestmark = pytest.mark.crash

LINES = 1500
BUNDLES = 10
BUNDLE_ENTRIES = 50
IN_BUNDLES = BUNDLES * BUNDLE_ENTRIES
TOTAL = LINES + 2 * IN_BUNDLES
"""Lines come 200 at a time into a transaction, Bundles each into one."""
TYPES = ("Observation", "Patient", "Organization")
LOAD_SECONDS = 60.0


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """NDJSON with ids, transactions of resources with ids, and transactions of conditional creates without ids."""
    folder = tmp_path / "records"
    folder.mkdir()
    with (folder / "observations.ndjson").open("w") as lines:
        lines.writelines(f"{json.dumps(_observation(f'o{number}'))}\n" for number in range(LINES))
    for number in range(BUNDLES):
        names = [f"{number}-{entry}" for entry in range(BUNDLE_ENTRIES)]
        _write_bundle(folder / f"bundle-{number}.json", [_with_id(name) for name in names])
        _write_bundle(folder / f"conditional-{number}.json", [_conditional(name) for name in names])
    return folder


def _observation(id: str) -> dict[str, Any]:
    code = {"coding": [{"system": "http://loinc.org", "code": "8302-2"}]}
    return {"resourceType": "Observation", "id": id, "status": "final", "code": code, "valueInteger": len(id)}


def _with_id(name: str) -> dict[str, Any]:
    resource = {"resourceType": "Patient", "id": f"b{name}", "name": [{"family": "Testpatient"}]}
    return {"fullUrl": f"urn:x:{name}", "resource": resource, "request": {"method": "POST", "url": "Patient"}}


def _conditional(name: str) -> dict[str, Any]:
    resource = {"resourceType": "Organization", "name": name, "identifier": [{"system": "urn:o", "value": name}]}
    request = {"method": "POST", "url": "Organization", "ifNoneExist": f"identifier=urn:o|{name}"}
    return {"resource": resource, "request": request}


def _write_bundle(path: Path, entries: list[dict[str, Any]]) -> None:
    path.write_text(json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries}))


@pytest.mark.parametrize(("share", "with_mongod"), [(0.25, False), (0.7, True)], ids=["load", "load-and-mongod"])
def test_a_load_killed_half_way_and_run_again_leaves_everything_there_once(
    data_dir: Path, records: Path, tmp_path: Path, share: float, with_mongod: bool
) -> None:
    killed = start_load(records, data_dir, tmp_path / "killed.log")
    try:
        wait_for_rows(data_dir, killed, int(TOTAL * share))
    finally:
        killed.kill()
        killed.wait()
    half = read_after_crash(data_dir, with_mongod)
    assert 0 < len(half) < TOTAL
    assert {count % BUNDLE_ENTRIES for count in per_type(half).values()} == {0}
    again = start_load(records, data_dir, tmp_path / "again.log")
    assert again.wait(LOAD_SECONDS) == 0, (tmp_path / "again.log").read_text()
    with embedded_mongod(data_dir) as mongod:
        stored = read_stored(mongod.uri)
    assert per_type(stored) == {"Observation": LINES, "Patient": IN_BUNDLES, "Organization": IN_BUNDLES}
    assert faults_of_versions(stored) == []
    assert {local for local, versions in stored.items() if len(versions) > 1} == set()
    assert {local: versions[0] for local, versions in half.items()} == {local: stored[local][0] for local in half}
    assert len(organization_names(stored)) == IN_BUNDLES


def read_after_crash(data_dir: Path, with_mongod: bool) -> Stored:
    """What is stored half-way. A mongod that lives is not joined: to leave it would stop it, and end what it holds."""
    if not with_mongod:
        return read_stored(mongod_uri(data_dir))
    kill_mongod(data_dir)
    with embedded_mongod(data_dir) as mongod:
        return read_stored(mongod.uri)


def start_load(records: Path, data_dir: Path, log: Path) -> subprocess.Popen[bytes]:
    environment = environment_without_settings()
    command = [sys.executable, "-m", "fhir_server.cli", "load", str(records), "--data-dir", str(data_dir)]
    with log.open("wb") as written:
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=written, stderr=subprocess.STDOUT)


def wait_for_rows(data_dir: Path, load: subprocess.Popen[bytes], count: int) -> None:
    """Returns as soon as so many resources are stored."""
    deadline = time.monotonic() + LOAD_SECONDS
    while not mongod_folder(data_dir).address.exists():
        assert load.poll() is None and time.monotonic() < deadline, "no MongoDB was started"
        time.sleep(0.01)
    with MongoClient[dict[str, Any]](mongod_uri(data_dir)) as client:
        while _count(client) < count:
            assert load.poll() is None, "the load ended before it could be killed"
            assert time.monotonic() < deadline, "the load stores nothing"


def _count(client: MongoClient[dict[str, Any]]) -> int:
    try:
        return sum(client.fhir[type].estimated_document_count() for type in TYPES)
    except NotPrimaryError:
        # Its replica set is being made.
        return 0


def per_type(stored: Stored) -> Counter[str]:
    return Counter(local.partition("/")[0] for local in stored)


def organization_names(stored: Stored) -> set[str]:
    current = [versions[-1].resource or {} for versions in stored.values()]
    return {resource["name"] for resource in current if resource["resourceType"] == "Organization"}
