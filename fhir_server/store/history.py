"""History of an instance, of a type and of the system: newest first, from current and replaced rows.

https://hl7.org/fhir/R4/http.html#history
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fhir_server.definitions.registry import is_resource_type
from fhir_server.store.mongo import Database, Document, DriverError, aggregate, page_of, refusal
from fhir_server.store.rows import READ_FIELDS, Row, history_collection, read_row


@dataclass(frozen=True, slots=True)
class HistoryPosition:
    """The last entry of a page: the next one starts behind it."""

    updated: datetime
    type: str
    id: str
    version: int


async def of_instance(
    database: Database,
    type: str,
    id: str,
    count: int,
    since: datetime | None = None,
    ceiling: datetime | None = None,
    after: HistoryPosition | None = None,
) -> list[Row]:
    """The versions of one id, tombstones included, the highest first; none where the id was never used.

    At most `count`, stored from `since` up to `ceiling` (both inclusive), behind `after`.
    """
    window = _Window(count, since, ceiling, after)
    current_filter: Document = {"_id": id} | _between(window)
    past_filter: Document = {"rid": id} | _between(window)
    if after is not None:
        current_filter["version"] = past_filter["version"] = {"$lt": after.version}
    past = database.collections[history_collection(type)]
    try:
        # Current first: a version displaced between the two reads is found twice then, and never missed.
        current = await database.collections[type].find_one(current_filter, READ_FIELDS)
        replaced = await page_of(
            past.find(
                past_filter,
                READ_FIELDS | {"rid": 1},
                sort={"version": -1},
                limit=count,
                max_time_ms=database.search_milliseconds,
            )
        )
    except DriverError as error:
        raise refusal(error) from error
    rows = [read_row(type, row) for row in ([] if current is None else [current]) + replaced]
    return sorted(_once(rows), key=lambda row: -row.version)[:count]


async def of_type(
    database: Database,
    type: str,
    count: int,
    since: datetime | None = None,
    ceiling: datetime | None = None,
    after: HistoryPosition | None = None,
) -> list[Row]:
    """The versions of all resources of a type, by `updated` (newest first), id, then version (highest first).

    At most `count`, stored from `since` up to `ceiling` (both inclusive), behind `after`.
    """
    return await _of_types(database, (type,), _Window(count, since, ceiling, after))


async def of_system(
    database: Database,
    count: int,
    since: datetime | None = None,
    ceiling: datetime | None = None,
    after: HistoryPosition | None = None,
) -> list[Row]:
    """The versions of all resources, by `updated` (newest first), type, id, then version (highest first).

    At most `count`, stored from `since` up to `ceiling` (both inclusive), behind `after`.
    """
    return await _of_types(database, await _stored_types(database), _Window(count, since, ceiling, after))


async def count_instance(
    database: Database, type: str, id: str, since: datetime | None = None, ceiling: datetime | None = None
) -> int:
    """How many versions of one id were stored from `since` up to `ceiling`, on all pages together."""
    selections = ((type, {"_id": id}), (history_collection(type), {"rid": id}))
    return await _count(database, selections, _Window(0, since, ceiling))


async def count_type(
    database: Database, type: str, since: datetime | None = None, ceiling: datetime | None = None
) -> int:
    """How many versions of a type's resources were stored from `since` up to `ceiling`, on all pages together."""
    return await _count(database, ((type, {}), (history_collection(type), {})), _Window(0, since, ceiling))


async def count_system(database: Database, since: datetime | None = None, ceiling: datetime | None = None) -> int:
    """How many versions of all resources were stored from `since` up to `ceiling`, on all pages together."""
    types = await _stored_types(database)
    selections: list[tuple[str, Document]] = [(name, {}) for type in types for name in (type, history_collection(type))]
    return await _count(database, selections, _Window(0, since, ceiling))


@dataclass(frozen=True, slots=True)
class _Window:
    count: int
    since: datetime | None = None
    ceiling: datetime | None = None
    after: HistoryPosition | None = None


async def _stored_types(database: Database) -> tuple[str, ...]:
    try:
        names = await database.handle.list_collection_names()
    except DriverError as error:
        raise refusal(error) from error
    return tuple(sorted(name for name in names if is_resource_type(name)))


async def _of_types(database: Database, types: Sequence[str], window: _Window) -> list[Row]:
    if not types:
        return []
    try:
        # Current rows first: a version displaced between the two reads is found twice then, and never missed.
        current = await aggregate(database, types[0], _newest(types, window, is_past=False))
        replaced = await aggregate(database, history_collection(types[0]), _newest(types, window, is_past=True))
    except DriverError as error:
        raise refusal(error) from error
    return _newest_first([read_row(row["type"], row) for row in current + replaced], window.count)


def _newest(types: Sequence[str], window: _Window, is_past: bool) -> list[Document]:
    """One pipeline over the current (or past) collections of all types; each gives its own newest first."""
    first, *others = ((type, _newest_of_type(type, window, is_past)) for type in types)
    pipeline = list(first[1])
    for type, branch in others:
        name = history_collection(type) if is_past else type
        pipeline.append({"$unionWith": {"coll": name, "pipeline": branch}})
    if others:
        pipeline.append({"$sort": {"updated": -1, "type": 1, "rid": 1, "version": -1}})
        pipeline.append({"$limit": window.count})
    return pipeline


def _newest_of_type(type: str, window: _Window, is_past: bool) -> list[Document]:
    id_field = "rid" if is_past else "_id"
    order = {"updated": -1, id_field: 1} | ({"version": -1} if is_past else {})
    return [
        {"$match": _behind(type, id_field, window)},
        {"$sort": order},
        {"$limit": window.count},
        {"$project": {**READ_FIELDS, "rid": "$" + id_field, "type": {"$literal": type}}},
    ]


def _behind(type: str, id_field: str, window: _Window) -> Document:
    within = _between(window)
    after = window.after
    if after is None:
        return within
    bounds: dict[str, Any] = within.setdefault("updated", {})
    if type < after.type:
        bounds["$lt"] = after.updated
        return within
    bounds["$lte"] = after.updated
    if type == after.type:
        within["$or"] = [
            {"updated": {"$lt": after.updated}},
            {id_field: {"$gt": after.id}},
            {id_field: after.id, "version": {"$lt": after.version}},
        ]
    return within


def _between(window: _Window) -> Document:
    bounds: dict[str, Any] = {}
    if window.since is not None:
        bounds["$gte"] = window.since
    if window.ceiling is not None:
        bounds["$lte"] = window.ceiling
    return {"updated": bounds} if bounds else {}


def _newest_first(rows: list[Row], count: int) -> list[Row]:
    return sorted(_once(rows), key=lambda row: (-row.updated.timestamp(), row.type, row.id, -row.version))[:count]


def _once(rows: list[Row]) -> Iterable[Row]:
    return {(row.type, row.id, row.version): row for row in rows}.values()


async def _count(database: Database, selections: Sequence[tuple[str, Document]], window: _Window) -> int:
    try:
        counts = await asyncio.gather(
            *(
                database.collections[name].count_documents(
                    filter | _between(window), maxTimeMS=database.search_milliseconds
                )
                for name, filter in selections
            )
        )
    except DriverError as error:
        raise refusal(error) from error
    return sum(counts)
