"""Reads the audit log: a page of its rows in the order of their moments, how many events there are, one row by id.

https://hl7.org/fhir/R4/auditevent.html#search
"""

from typing import Any

from fhir_server.core.audit_entry import AuditEntry
from fhir_server.store.audit_chain import entry_of
from fhir_server.store.indexes import AUDIT
from fhir_server.store.mongo import Database, DriverError, aggregate, read, refusal

AuditRow = tuple[str, AuditEntry]
"""The `_id` of a row, which is that of its events but for their number, and its entry."""


async def page(database: Database, filter: dict[str, Any], descending: bool, limit: int) -> list[AuditRow]:
    """The first rows within a filter, oldest first or, with `descending`, newest first."""
    direction = -1 if descending else 1
    command = {
        "find": AUDIT,
        "filter": filter,
        "sort": {"at": direction, "_id": direction},
        "limit": limit,
        "batchSize": limit + 1,
    }
    try:
        found = await read(database, command)
    except DriverError as error:
        raise refusal(error) from error
    return [(row["_id"], entry_of(row)) for row in found.rows]


async def count(database: Database, filter: dict[str, Any], events: dict[str, Any]) -> int:
    """The sum of what the expression `events` gives for each row within a filter."""
    pipeline = [{"$match": filter}, {"$group": {"_id": None, "events": {"$sum": events}}}]
    try:
        found = await aggregate(database, AUDIT, pipeline)
    except DriverError as error:
        raise refusal(error) from error
    return int(found[0]["events"]) if found else 0


async def one(database: Database, id: str) -> AuditRow | None:
    """The row of an id."""
    found = await page(database, {"_id": id}, True, 1)
    return found[0] if found else None
