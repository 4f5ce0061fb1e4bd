"""Which current rows hold a file: those whose Attachments lead to its Binary."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from fhir_server.search.predicate import all_of
from fhir_server.store.mongo import Database, Document, DriverError, refusal


async def of_file(
    database: Database, place: str, types: Sequence[str], within: Mapping[str, Any] | None = None
) -> tuple[str, ...]:
    """The types of which a live row that is `within` holds the file at a place (`Binary/b1`). Raises FhirError 503."""
    found = await asyncio.gather(*(holds(database, type, place, within) for type in types))
    return tuple(type for type, is_held in zip(types, found, strict=True) if is_held)


async def holds(database: Database, type: str, place: str, within: Mapping[str, Any] | None = None) -> bool:
    """Whether a live row of a type that is `within` holds it. Raises FhirError 503."""
    wanted: Document = {"files": place, "deleted": None}
    try:
        row = await database.collections[type].find_one(
            all_of([wanted, dict(within)]) if within else wanted, {"_id": 1}
        )
    except DriverError as error:
        raise refusal(error) from error
    return row is not None


async def sent_messages(database: Database, places: Sequence[str], but_for: Sequence[str]) -> dict[str, str]:
    """By file, a message that was sent with it; messages of the ids `but_for` aside. Raises FhirError 503."""
    wanted: Document = {
        "files": {"$in": list(places)},
        "deleted": None,
        "_id": {"$nin": list(but_for)},
        "t": {"$nin": ["status|preparation|"]},
    }
    try:
        rows = await database.collections["Communication"].find(wanted, {"files": 1}).to_list(None)
    except DriverError as error:
        raise refusal(error) from error
    return {file: row["_id"] for row in rows for file in row["files"] if file in places}
