"""Leases: which processes work on a database, how far each has followed its search parameters, and who does a job.

A lease is a document with an end by the database's own clock, so that the clocks of machines need not agree. It is for
courtesy and speed: what may not be written is refused by the collections themselves (store/fence.py).
"""

import time

from fhir_server.store.mongo import Database, Document, DriverError, is_duplicate, refusal

LEASES = "server.leases"
LEASE_SECONDS = 10

_END = {"$add": ["$$NOW", LEASE_SECONDS * 1000]}
_LIVING = {"$expr": {"$gt": ["$expires", "$$NOW"]}}
_FORGOTTEN = {"$expr": {"$lt": ["$expires", {"$subtract": ["$$NOW", 3_600_000]}]}}


async def renew(database: Database, worker: str, step: int, serves: bool = True) -> float:
    """Say that a worker lives and follows the search parameters as of `step`, and whether it serves requests.

    Gives until when, on this process's monotonic clock, no other takes it for dead.
    """
    sent = time.monotonic()
    await _write(database, {"_id": worker}, {"step": {"$literal": step}, "serves": {"$literal": serves}})
    return sent + LEASE_SECONDS


async def end(database: Database, worker: str) -> None:
    """Give a lease back, and drop those that ended long ago."""
    try:
        await database.collections[LEASES].delete_many({"$or": [{"_id": worker}, {"holder": worker}, _FORGOTTEN]})
    except DriverError as error:
        raise refusal(error) from error


async def servers(database: Database) -> int:
    """How many living workers serve requests."""
    return await _count(database, {"serves": True, **_LIVING})


async def behind(database: Database, step: int) -> int:
    """How many living workers do not follow the search parameters as of `step` yet."""
    return await _count(database, {"step": {"$lt": step}, **_LIVING})


async def take(database: Database, job: str, worker: str) -> bool:
    """Whether the job is this worker's for the next LEASE_SECONDS; it is no other's until they have passed."""
    id, fields = f"job {job}", {"holder": {"$literal": worker}}
    try:
        await _write(database, {"_id": id, "holder": worker}, fields)
    except _Held:
        return await _take_over(database, id, fields)
    return True


async def _take_over(database: Database, id: str, fields: Document) -> bool:
    ended = {"_id": id, "$expr": {"$lte": ["$expires", "$$NOW"]}}
    try:
        done = await database.collections[LEASES].update_one(ended, _lasting(fields))
    except DriverError as error:
        raise refusal(error) from error
    return done.matched_count == 1


class _Held(Exception):
    """Another holds the lease, or held it."""


async def _write(database: Database, wanted: Document, fields: Document) -> None:
    try:
        await database.collections[LEASES].update_one(wanted, _lasting(fields), upsert=True)
    except DriverError as error:
        if is_duplicate(error):
            raise _Held from None
        raise refusal(error) from error


def _lasting(fields: Document) -> list[Document]:
    return [{"$set": {**fields, "expires": _END}}]


async def _count(database: Database, wanted: Document) -> int:
    try:
        return await database.collections[LEASES].count_documents(wanted)
    except DriverError as error:
        raise refusal(error) from error
