"""Which rows hold a file: those whose Attachments lead to its Binary; and which did before their change or deletion."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from fhir_server.search.predicate import all_of
from fhir_server.store.mongo import Database, Document, DriverError, refusal
from fhir_server.store.rows import history_collection

Holding = Callable[[Database, str, str, Mapping[str, Any] | None], Awaitable[bool]]
"""`holds` or `held`."""


async def of_file(
    database: Database, place: str, types: Sequence[str], holding: Holding, within: Mapping[str, Any] | None = None
) -> tuple[str, ...]:
    """The types of which a row that is `within` holds, or held, the file at a place (`Binary/b1`). Raises FhirError
    503.
    """
    found = await asyncio.gather(*(holding(database, type, place, within) for type in types))
    return tuple(type for type, is_held in zip(types, found, strict=True) if is_held)


async def holds(database: Database, type: str, place: str, within: Mapping[str, Any] | None = None) -> bool:
    """Whether a live row of a type that is `within` holds it. Raises FhirError 503."""
    return await _is_there(database, type, {"files": place, "deleted": None}, within)


async def held(database: Database, type: str, place: str, within: Mapping[str, Any] | None = None) -> bool:
    """Whether a deleted row of a type, or a replaced version, that is `within` held it. Raises FhirError 503."""
    for collection in (type, history_collection(type)):
        if await _is_there(database, collection, {"files": place}, within):
            return True
    return False


async def _is_there(database: Database, collection: str, wanted: Document, within: Mapping[str, Any] | None) -> bool:
    try:
        row = await database.collections[collection].find_one(
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
