"""`fhir-server audit verify`: the table, and the exit code by which a scheduled check tells."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from fhir_server.core.trail import Accessed
from fhir_server.policy import Sight
from fhir_server.store import mongo
from fhir_server.store.audit import Auditor
from fhir_server.store.audit_chain import Head
from fhir_server.store.audit_entries import Asked
from smart_auth.access import AccessContext
from tests.cli.test_load import run

SIGHT = Sight(AccessContext("account-7", "app", "patient", ()))


@pytest.fixture
def settings(mongodb_uri: str, database_name: str) -> dict[str, str]:
    return {"FHIR_MONGODB_URI": mongodb_uri, "FHIR_MONGODB_DATABASE": database_name}


@pytest.fixture
def head(mongodb_uri: str, database_name: str) -> Head:
    """The head of a chain of four rows."""
    return asyncio.run(_written(mongodb_uri, database_name))


async def _written(uri: str, name: str) -> Head:
    database = mongo.connect(uri, name)
    auditor = Auditor(database, "worker-1")
    await auditor.begin()
    for number in range(3):
        asked = Asked(f"request-{number}", "read")
        await auditor.note_request(SIGHT, asked, [Accessed("R", "read", "Patient", ("Patient/a",), ("a",))], 200)
    await auditor.end()
    await mongo.close(database)
    assert auditor.head is not None
    return auditor.head


def test_a_whole_log_is_shown_chain_by_chain(head: Head, settings: dict[str, str]) -> None:
    done = run("audit", "verify", settings=settings)
    assert done.returncode == 0, done.stderr
    assert re.search(rf"ok +{head.chain} +4 +\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d +\S+ \S+ +whole", done.stdout)
    assert "All 4 rows are as they were written." in done.stdout


def test_tampering_is_told_by_the_exit_code(
    head: Head, settings: dict[str, str], mongodb: MongoClient[dict[str, Any]], database_name: str
) -> None:
    mongodb[database_name]["server.audit"].update_one({"request_id": "request-1"}, {"$set": {"client": "innocent"}})
    done = run("audit", "verify", settings=settings)
    assert done.returncode == 1
    assert re.search(rf"no +{head.chain} .*row 3 is not as it was written", done.stdout)


def test_anchors_of_the_log_are_compared(head: Head, settings: dict[str, str], tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    line = '{{"event":"audit anchor","chain":"{0}","seq":{1},"hash":"{2}"}}\n'
    log.write_text(line.format(head.chain, head.seq, head.hash.hex()))
    done = run("audit", "verify", "--anchors", str(log), settings=settings)
    assert done.returncode == 0, done.stdout
    log.write_text(line.format(head.chain, head.seq, "00" * 32))
    assert run("audit", "verify", "--anchors", str(log), settings=settings).returncode == 1


def test_a_file_without_anchors_is_refused(head: Head, settings: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "other.log").write_text("nothing of it\n")
    done = run("audit", "verify", "--anchors", str(tmp_path / "other.log"), settings=settings)
    assert done.returncode == 2
    assert "audit anchor" in done.stderr
