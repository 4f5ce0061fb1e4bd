"""Searches of the audit log run in an index, in its order, and read little more than they find."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from pymongo import MongoClient

from fhir_server.core.trail import Accessed
from fhir_server.interactions.audit_filter import Filter, audit_filter
from fhir_server.policy import Sight
from fhir_server.store import mongo
from fhir_server.store.audit import Auditor
from fhir_server.store.audit_entries import Asked
from fhir_server.store.indexes import AUDIT
from fhir_server.store.mongo import Database
from smart_auth.access import AccessContext

ROWS = 2_000
PAGE = 51


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def log(mongodb: MongoClient[dict[str, Any]], mongodb_uri: str) -> AsyncIterator[Database]:
    """The accesses of ten people to the records of a hundred patients; each twentieth was refused."""
    name = f"test_{uuid4().hex[:16]}"
    database = mongo.connect(mongodb_uri, name)
    clock = iter(range(1_700_000_000_000, 1_800_000_000_000, 1000))
    auditor = Auditor(database, "worker-1", lambda: next(clock), burst_count=1_000_000)
    await auditor.begin()
    # Together, so that few inserts write them.
    await asyncio.gather(*(_request(auditor, number) for number in range(ROWS)))
    yield database
    await auditor.end()
    await mongo.close(database)
    mongodb.drop_database(name)


async def _request(auditor: Auditor, number: int) -> None:
    who = number % 10
    sight = Sight(AccessContext(f"account-{who}", "app", "practitioner", (), f"Practitioner/p{who}"))
    asked = Asked(f"request-{number}", "read", "Patient")
    patients = (f"a{number % 100}", f"a{(number + 1) % 100}")
    status = 422 if number % 20 == 0 else 200
    accesses = [Accessed("R", "read", "Observation", (f"Observation/o{number}",), patients)] if status == 200 else []
    await auditor.note_request(sight, asked, accesses, status)


@pytest.mark.parametrize(
    ("criteria", "seen"),
    [
        ((), None),
        ((("patient", "a1"),), None),
        ((("patient", "a1,a2,a3"),), None),
        ((("agent", "Practitioner/p3"),), None),
        ((("entity", "Observation/o3"),), None),
        ((("entity:identifier", "request-7"),), None),
        ((("outcome", "4"),), None),
        ((("date", "ge2023-11-14T22:20:00Z"), ("date", "lt2023-11-14T22:30:00Z")), None),
        ((), frozenset({"a1", "a2"})),
    ],
)
@pytest.mark.parametrize("descending", [True, False])
async def test_a_page_is_read_in_order_from_an_index(
    log: Database, criteria: tuple[tuple[str, str], ...], seen: frozenset[str] | None, descending: bool
) -> None:
    within: Filter = audit_filter(criteria, (), seen).over({"at": {"$lte": 1_800_000_000_000}})
    direction = -1 if descending else 1
    command = {"find": AUDIT, "filter": within, "sort": {"at": direction, "_id": direction}, "limit": PAGE}
    run = await mongo.explained(log, command, run=True)
    stages = set(_stages(run["queryPlanner"]["winningPlan"]))
    assert not {"COLLSCAN", "SORT"} & stages
    counted = run["executionStats"]
    assert counted["nReturned"] > 0
    assert counted["totalKeysExamined"] <= 3 * counted["nReturned"] + 3


def _stages(plan: dict[str, Any]) -> Iterator[str]:
    yield plan["stage"]
    for inner in (plan.get("inputStage"), *plan.get("inputStages", ())):
        if inner is not None:
            yield from _stages(inner)
