"""Short ways to say what tests of search parameter sets do: define a parameter, write patients by a set, wait."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from fhir_server.core.write_plan import Expect, Put, WritePlan, Written
from fhir_server.definitions.custom_parameters import Custom
from fhir_server.definitions.parameter_set import InForce, ParameterSet
from fhir_server.search.index import index_values
from fhir_server.store import mongo, parameter_sets, transactions
from fhir_server.store.mongo import Database

PATIENCE_SECONDS = 20


def custom(id: str = "marital", **fields: Any) -> Custom:
    """A custom parameter of Patient."""
    said = {
        "url": f"http://example.org/SearchParameter/{id}",
        "code": id,
        "type": "token",
        "types": ("Patient",),
        "expression": "Patient.maritalStatus",
    }
    return Custom(id=id, **said | fields)


async def define(database: Database, *customs: Custom, dropped: tuple[str, ...] = ()) -> None:
    """What storing and deleting SearchParameter resources does to the set."""
    changes = {**{each.id: each for each in customs}, **dict.fromkeys(dropped)}

    async def besides(database: Database, running: mongo.Session) -> None:
        await parameter_sets.change(database, running, changes)

    resource = {"resourceType": "SearchParameter", "status": "draft"}
    put = Put("SearchParameter", "any", resource, index_values(resource, "any", (), None), "PUT")
    await transactions.run(database, WritePlan((put,)), besides)


def patient(id: str, parameter_set: ParameterSet, status: str = "M", expect: Expect = Expect.NOTHING) -> Put:
    """A write of a Patient that this set indexes."""
    resource = {"resourceType": "Patient", "maritalStatus": {"coding": [{"code": status}]}}
    return Put("Patient", id, resource, index_values(resource, id, (), None, parameter_set), "PUT", expect)


async def write(database: Database, *puts: Put) -> tuple[Written, ...]:
    """Run one plan."""
    return await transactions.run(database, WritePlan(puts))


async def found(database: Database, token: str) -> set[str]:
    """The Patients that have this token."""
    rows = await database.collections["Patient"].find({"t": token}, {"_id": 1}).to_list(None)
    return {row["_id"] for row in rows}


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something, PATIENCE_SECONDS at most."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.02)


async def live(*in_force: InForce, version: int) -> None:
    """Wait until all search by the set of this version."""
    await until(lambda: all(each.is_settled and each.searched.version == version for each in in_force))
