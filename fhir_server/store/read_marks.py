"""Who has read which message: marks beside the messages, which stay as they were sent."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from fhir_server.search.predicate import all_of
from fhir_server.store import indexes
from fhir_server.store.indexes import READ_MARKS
from fhir_server.store.mongo import Database, Document, DriverError, is_duplicate, refusal

MOST_UNREAD = 10_000
"""Messages to one reader that are looked at, the newest first."""


async def mark(database: Database, message: str, reader: str, is_read: bool) -> None:
    """Say that a reader (`Patient/p1`) has read a message (an id), or has it before them. Raises FhirError 503."""
    await indexes.ensure_collection(database, READ_MARKS)
    marks, id = database.collections[READ_MARKS], _id(message, reader)
    try:
        if is_read:
            change = {"$setOnInsert": {"reader": reader, "message": message, "at": datetime.now(UTC)}}
            await marks.update_one({"_id": id}, change, upsert=True)
        else:
            await marks.delete_one({"_id": id})
    except DriverError as error:
        # Two marks at once: it is marked.
        if not is_duplicate(error):
            raise refusal(error) from error


async def read_at(database: Database, messages: Iterable[str], reader: str) -> dict[str, datetime]:
    """When the reader read these messages, of those that they have. Raises FhirError 503."""
    wanted = {"_id": {"$in": [_id(message, reader) for message in messages]}}
    try:
        found = await database.collections[READ_MARKS].find(wanted).to_list(None)
    except DriverError as error:
        raise refusal(error) from error
    return {each["message"]: each["at"] for each in found}


async def unread(
    database: Database, places: Sequence[str], reader: str, within: Mapping[str, Any]
) -> list[tuple[str, datetime]]:
    """Ids of the messages sent to one of these places that the reader has not read, with when they were stored, the
    newest first: of MOST_UNREAD at most. What was imported as received counts as read. Raises FhirError 503.
    """
    wanted: Document = {
        "t": {
            "$in": [f"recipient|{place}" for place in places],
            "$nin": ["status|preparation|", "status|entered-in-error|"],
        },
        "deleted": None,
        "d.p": {"$ne": "received"},
    }
    collection = database.collections["Communication"]
    try:
        rows = collection.find(all_of([wanted, dict(within)]) if within else wanted, {"updated": 1})
        found = await rows.sort("updated", -1).limit(MOST_UNREAD).to_list(None)
    except DriverError as error:
        raise refusal(error) from error
    read = await read_at(database, [row["_id"] for row in found], reader) if found else {}
    return [(row["_id"], row["updated"]) for row in found if row["_id"] not in read]


def _id(message: str, reader: str) -> str:
    return hashlib.sha256(f"{message} {reader}".encode()).hexdigest()
