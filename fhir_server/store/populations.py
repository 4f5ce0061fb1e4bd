"""What a database knows of a population that a server loads into it: from which day it is seen, and whether all of it
is there. Who loads it meanwhile is a lease (store/leases.py).
"""

from dataclasses import dataclass
from datetime import date

from fhir_server.store.mongo import Database, Document, DriverError, is_duplicate, refusal
from fhir_server.store.parameter_sets import stored_types

POPULATIONS = "server.populations"


@dataclass(frozen=True, slots=True)
class Begun:
    """A population that is loaded or was begun to be: `today` is the day it is seen from."""

    today: date
    is_complete: bool


async def read(database: Database, name: str) -> Begun | None:
    """What is known of the population of this name; None where it was never begun."""
    try:
        found = await database.collections[POPULATIONS].find_one({"_id": name})
    except DriverError as error:
        raise refusal(error) from error
    return None if found is None else _begun(found)


async def begin(database: Database, name: str, today: date) -> Begun:
    """Say that it is loaded from now on, seen from `today`; where that was said before, what was said then."""
    first = {"$setOnInsert": {"today": today.isoformat(), "complete": False}}
    try:
        await database.collections[POPULATIONS].update_one({"_id": name}, first, upsert=True)
    except DriverError as error:
        if not is_duplicate(error):
            raise refusal(error) from error
    return await read(database, name) or Begun(today, is_complete=False)


async def complete(database: Database, name: str) -> None:
    """Say that all of it is there."""
    try:
        await database.collections[POPULATIONS].update_one({"_id": name}, {"$set": {"complete": True}})
    except DriverError as error:
        raise refusal(error) from error


async def is_empty(database: Database) -> bool:
    """Whether the database has no row of any resource, the tombstones of deleted ones included."""
    try:
        for type in await stored_types(database):
            if await database.collections[type].find_one({}, {"_id": 1}) is not None:
                return False
    except DriverError as error:
        raise refusal(error) from error
    return True


async def has_only(database: Database, label: str) -> bool:
    """Whether every row of every resource, deleted ones included, carries this label (`code|system`)."""
    try:
        for type in await stored_types(database):
            if await database.collections[type].find_one({"labels": {"$ne": label}}, {"_id": 1}) is not None:
                return False
    except DriverError as error:
        raise refusal(error) from error
    return True


def _begun(found: Document) -> Begun:
    return Begun(date.fromisoformat(found["today"]), bool(found["complete"]))
