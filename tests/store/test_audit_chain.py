"""The audit log: rows in chains, written together, and what a check finds that was done to them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
import structlog
from msgspec import structs
from pymongo import MongoClient

from fhir_server.core.outcome import FhirError
from fhir_server.core.trail import Accessed
from fhir_server.policy import Sight
from fhir_server.store import mongo
from fhir_server.store.audit import Auditor
from fhir_server.store.audit_chain import Head
from fhir_server.store.audit_check import Verdict, anchors, verdicts
from fhir_server.store.audit_entries import Asked
from fhir_server.store.mongo import Database
from smart_auth.access import AccessContext
from smart_auth.audit import AuthEvent
from tests.store.conftest import OpenDatabase

CLINICIAN = Sight(AccessContext("account-7", "app", "practitioner", (), fhir_user="Practitioner/p7", token_id="t1"))
OTHER = Sight(AccessContext("account-8", "other-app", "practitioner", (), fhir_user="Practitioner/p8"))
ASKED = Asked("request-1", "read", "Observation", "Observation/o1", "192.0.2.7")
READ = Accessed("R", "read", "Observation", ("Observation/o1",), ("a", "b"))

Rows = Any


@pytest_asyncio.fixture
async def auditor(database: Database) -> AsyncIterator[Auditor]:
    made = Auditor(database, "worker-1")
    await made.begin()
    yield made
    await made.end()


@pytest.fixture
def rows(mongodb: MongoClient[dict[str, Any]], database_name: str) -> Rows:
    return mongodb[database_name]["server.audit"]


def seqs(rows: Rows) -> list[int]:
    return [int(row["_id"].partition("-")[2]) for row in rows.find(sort=[("_id", 1)])]


def broken(found: list[Verdict]) -> list[str]:
    return [verdict.broken for verdict in found if verdict.broken]


async def read_times(auditor: Auditor, count: int) -> None:
    for _ in range(count):
        await auditor.note_request(CLINICIAN, ASKED, [READ], 200)


async def test_a_row_says_who_saw_what_of_whom_by_which_request(auditor: Auditor, rows: Rows) -> None:
    await read_times(auditor, 1)
    row = rows.find_one({"keys": "client|app"})
    assert (row["subject"], row["fhir_user"], row["role"]) == ("account-7", "Practitioner/p7", "practitioner")
    assert (row["patients"], row["places"], row["request_id"]) == (["a", "b"], ["Observation/o1"], "request-1")
    assert {"p|a", "p|b", "a|Practitioner/p7", "request|request-1", "e|Observation/o1"} <= set(row["keys"])


async def test_what_many_requests_do_at_once_is_written_by_few_inserts(
    auditor: Auditor, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    inserts: list[int] = []
    insert = auditor._insert

    async def counted(documents: list[dict[str, Any]]) -> None:
        inserts.append(len(documents))
        await insert(documents)

    monkeypatch.setattr(auditor, "_insert", counted)
    await asyncio.gather(*(auditor.note_request(CLINICIAN, ASKED, [READ], 200) for _ in range(100)))
    assert sum(inserts) == 100
    assert len(inserts) <= 3
    assert seqs(rows) == list(range(1, 102))


async def test_a_refusal_without_any_access_is_a_row(auditor: Auditor, rows: Rows) -> None:
    await auditor.note_request(CLINICIAN, ASKED, [], 403, 6001)
    row = rows.find_one({"keys": "o|4"})
    assert (row["status"], row["number"], row["places"], row["action"]) == (403, 6001, ["Observation/o1"], "R")


async def test_a_request_that_touched_nothing_and_was_answered_is_no_row(auditor: Auditor, rows: Rows) -> None:
    await auditor.note_request(CLINICIAN, ASKED, [], 200)
    assert seqs(rows) == [1]


async def test_an_event_of_sign_in_is_a_row(auditor: Auditor, rows: Rows) -> None:
    await auditor.record(AuthEvent("login-failed", 1_700_000_000, "failed", client_id="app", text="wrong password"))
    row = rows.find_one({"keys": "k|sign-in"})
    assert (row["interaction"], row["at"], row["status"]) == ("login-failed", 1_700_000_000_000, 401)


async def test_an_untouched_log_is_whole(auditor: Auditor, database: Database) -> None:
    await read_times(auditor, 3)
    await auditor.record(AuthEvent("login", 1_700_000_000, account="account-7", fhir_user="Patient/a"))
    await auditor.end()
    (found,) = await verdicts(database)
    assert (found.rows, found.broken) == (5, None)


def _change(rows: Rows, ids: list[str]) -> None:
    rows.update_one({"_id": ids[2]}, {"$set": {"patients": ["a"]}})


def _add_a_field(rows: Rows, ids: list[str]) -> None:
    rows.update_one({"_id": ids[2]}, {"$set": {"note": "nothing to see"}})


def _hide(rows: Rows, ids: list[str]) -> None:
    rows.update_one({"_id": ids[2]}, {"$pull": {"keys": "p|a"}})


def _remove(rows: Rows, ids: list[str]) -> None:
    rows.delete_one({"_id": ids[2]})


def _remove_first(rows: Rows, ids: list[str]) -> None:
    rows.delete_one({"_id": ids[0]})


def _insert(rows: Rows, ids: list[str]) -> None:
    row = rows.find_one({"_id": ids[2]})
    rows.insert_one({**row, "_id": f"{ids[2]}5"})


def _insert_foreign(rows: Rows, ids: list[str]) -> None:
    rows.insert_one({"at": 1, "client": "app"})


def _swap(rows: Rows, ids: list[str]) -> None:
    one, other = rows.find_one({"_id": ids[2]}), rows.find_one({"_id": ids[3]})
    rows.replace_one({"_id": ids[2]}, {**other, "_id": ids[2]})
    rows.replace_one({"_id": ids[3]}, {**one, "_id": ids[3]})


def _cut_off(rows: Rows, ids: list[str]) -> None:
    rows.delete_many({"_id": {"$in": ids[4:]}})


def _remove_all(rows: Rows, ids: list[str]) -> None:
    rows.delete_many({})


@pytest.mark.parametrize(
    ("tamper", "found"),
    [
        (_change, "row 3 is not as it was written"),
        (_add_a_field, "row 3 is not as it was written"),
        (_hide, "row 3 is not as it was written"),
        (_remove, "row 3 is missing"),
        (_remove_first, "row 1 is missing"),
        (_insert, "a row was put in before row 4"),
        (_insert_foreign, "1 rows that no chain has were put in"),
        (_swap, "row 3 is not as it was written"),
        (_cut_off, "cut off after row 4: row 6 had been written"),
        (_remove_all, "all its rows are missing"),
    ],
)
async def test_tampering_is_found(
    auditor: Auditor, database: Database, rows: Rows, tamper: Callable[[Rows, list[str]], None], found: str
) -> None:
    await read_times(auditor, 5)
    await auditor.end()
    tamper(rows, [row["_id"] for row in rows.find(sort=[("_id", 1)])])
    assert broken(await verdicts(database)) == [found]


async def test_a_chain_that_vanished_with_its_head_is_missed_by_the_one_begun_after_it(
    auditor: Auditor, database: Database, mongodb: MongoClient[dict[str, Any]], database_name: str, rows: Rows
) -> None:
    await read_times(auditor, 2)
    await auditor.end()
    next_one = Auditor(database, "worker-2")
    await next_one.begin()
    assert broken(await verdicts(database)) == []
    assert auditor.head is not None
    rows.delete_many({"_id": {"$regex": f"^{auditor.head.chain}-"}})
    mongodb[database_name]["server.audit_heads"].delete_one({"_id": auditor.head.chain})
    assert broken(await verdicts(database)) == ["all its rows are missing"]
    await next_one.end()


async def test_a_log_written_anew_with_its_head_is_found_by_the_anchors(
    auditor: Auditor, database: Database, mongodb: MongoClient[dict[str, Any]], database_name: str
) -> None:
    with structlog.testing.capture_logs() as said:
        await read_times(auditor, 2)
        await auditor.end()
    (anchor,) = [line for line in said if line["event"] == "audit anchor"]
    line = f"12:00:00  info: audit anchor  chain={anchor['chain']}  seq={anchor['seq']}  hash={anchor['hash']}"
    assert broken(await verdicts(database, anchors([line, "another line"]))) == []
    for name in ("server.audit", "server.audit_heads"):
        mongodb[database_name][name].delete_many({})
    # What somebody with all rights on the database can do.
    forged = Auditor(database, "worker-1")
    await forged.begin()
    await forged.end()
    assert broken(await verdicts(database)) == []
    assert broken(await verdicts(database, anchors([line]))) == ["all its rows are missing"]


def test_anchors_are_read_from_lines_of_json() -> None:
    line = f'{{"time":"x","level":"info","event":"audit anchor","chain":"{"a" * 12}","seq":7,"hash":"{"0f" * 32}"}}'
    assert list(anchors([line])) == [Head("a" * 12, 7, bytes.fromhex("0f" * 32))]


@dataclass(slots=True)
class Failing:
    """Inserts that fail, after the database has kept the rows or without."""

    insert: Callable[[list[dict[str, Any]]], Any]
    keeps: bool

    async def __call__(self, documents: list[dict[str, Any]]) -> None:
        if self.keeps:
            await self.insert(documents)
        raise mongo.DriverError("lost")


@pytest.mark.parametrize("keeps", [False, True])
async def test_after_a_failure_nothing_is_answered_and_a_new_chain_goes_on(
    auditor: Auditor, database: Database, monkeypatch: pytest.MonkeyPatch, keeps: bool
) -> None:
    await read_times(auditor, 1)
    insert = auditor._insert
    monkeypatch.setattr(auditor, "_insert", Failing(insert, keeps))
    with pytest.raises(FhirError) as refused:
        await read_times(auditor, 1)
    assert (refused.value.status, refused.value.issues[0].number) == (503, 6040)
    monkeypatch.setattr(auditor, "_insert", insert)
    await read_times(auditor, 1)
    await auditor.end()
    found = await verdicts(database)
    assert broken(found) == []
    assert [verdict.rows for verdict in found] == [3 if keeps else 2, 2]


async def test_a_write_that_was_kept_says_so_where_it_cannot_be_audited(
    auditor: Auditor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auditor, "_insert", Failing(auditor._insert, keeps=False))
    with pytest.raises(FhirError, match="503") as refused:
        await auditor.note_request(CLINICIAN, ASKED, [structs.replace(READ, action="U", interaction="update")], 200)
    assert "The change was kept" in refused.value.issues[0].text


async def test_two_workers_have_a_chain_each(auditor: Auditor, database: Database, open_database: OpenDatabase) -> None:
    other = Auditor(open_database(), "worker-2")
    await other.begin()
    await asyncio.gather(*(read_times(each, 20) for each in (auditor, other)))
    await asyncio.gather(auditor.end(), other.end())
    assert [(verdict.rows, verdict.broken) for verdict in await verdicts(database)] == [(21, None), (21, None)]


async def alerts(rows: Rows) -> list[dict[str, Any]]:
    return list(rows.find({"keys": "k|alert"}))


async def test_a_burst_of_refusals_over_two_workers_is_one_alert_a_window(
    database: Database, open_database: OpenDatabase, rows: Rows
) -> None:
    clock = [1_700_000_000_000]
    workers = [Auditor(each, "worker", lambda: clock[0], burst_count=20) for each in (database, open_database())]
    for worker in workers:
        await worker.begin()
    with structlog.testing.capture_logs() as said:
        for _ in range(19):
            clock[0] += 100
            await workers[_ % 2].note_request(CLINICIAN, ASKED, [], 403, 6001)
        assert await alerts(rows) == []
        await asyncio.gather(*(worker.note_request(CLINICIAN, ASKED, [], 403, 6001) for worker in workers * 10))
    (alert,) = await alerts(rows)
    assert (alert["client"], alert["subject"], alert["count"]) == ("app", "account-7", 20)
    warned = [line for line in said if line["event"] == "a burst of refusals"]
    assert len(warned) == 1
    assert not {"app", "account-7", "Practitioner/p7"} & {str(value) for value in warned[0].values()}
    clock[0] += 61_000
    for _ in range(20):
        await workers[0].note_request(CLINICIAN, ASKED, [], 403, 6001)
    assert len(await alerts(rows)) == 2
    for worker in workers:
        await worker.end()


async def test_refusals_that_are_spread_or_of_several_callers_are_no_burst(database: Database, rows: Rows) -> None:
    clock = [1_700_000_000_000]
    auditor = Auditor(database, "worker", lambda: clock[0], burst_count=5, burst_seconds=60)
    await auditor.begin()
    for _ in range(4):
        for sight in (CLINICIAN, OTHER):
            await auditor.note_request(sight, ASKED, [], 404, 2001)
    clock[0] += 60_000
    for _ in range(4):
        await auditor.note_request(CLINICIAN, ASKED, [], 403, 6001)
    assert await alerts(rows) == []
    await auditor.end()
