"""History of an instance, of a type and of the system: newest first, from current and replaced rows.

https://hl7.org/fhir/R4/http.html#history
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fhir_server.definitions.encrypted import ENCRYPTED
from fhir_server.definitions.registry import is_resource_type
from fhir_server.search.predicate import all_of, one_of
from fhir_server.search.request import Visible
from fhir_server.search.visible import EVERYTHING, few_owners, row_filter
from fhir_server.store import bodies
from fhir_server.store.mongo import Database, Document, DriverError, aggregate, page_of, refusal
from fhir_server.store.rows import READ_FIELDS, Row, history_collection, read_row

_NAMED_AT_ONCE = 50_000
"""Ids of patients in one command, which may have 16 MB: an id has up to 64 characters."""

Sighted = Callable[[str], Visible | None]
"""What of a type may be seen; None where nothing was granted of it."""


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
    visible: Visible = EVERYTHING,
) -> list[Row]:
    """The versions of one id, tombstones included, the highest first; none where the id was never used.

    At most `count`, stored from `since` up to `ceiling` (both inclusive), behind `after`, and each of them `visible`.
    """
    window = _Window(count, since, ceiling, after)
    behind = {} if after is None else {"version": {"$lt": after.version}}
    current_filter = _seen({"_id": id, **_between(window), **behind}, visible)
    past_filter = _seen({"rid": id, **_between(window), **behind}, visible)
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
    found = ([] if current is None else [current]) + replaced
    await bodies.opened(database, type, found)
    rows = [read_row(type, row) for row in found]
    return sorted(_once(rows), key=lambda row: -row.version)[:count]


async def of_type(
    database: Database,
    type: str,
    count: int,
    since: datetime | None = None,
    ceiling: datetime | None = None,
    after: HistoryPosition | None = None,
    visible: Visible = EVERYTHING,
) -> list[Row]:
    """The versions of all resources of a type, by `updated` (newest first), id, then version (highest first).

    At most `count`, stored from `since` up to `ceiling` (both inclusive), behind `after`, and each of them `visible`.
    """
    return await _of_types(database, {type: visible}, _Window(count, since, ceiling, after))


async def of_system(
    database: Database,
    count: int,
    since: datetime | None = None,
    ceiling: datetime | None = None,
    after: HistoryPosition | None = None,
    sighted: Sighted = lambda type: EVERYTHING,
) -> list[Row]:
    """The versions of all resources, by `updated` (newest first), type, id, then version (highest first).

    At most `count`, stored from `since` up to `ceiling` (both inclusive), behind `after`, and as `sighted`.
    """
    return await _of_types(database, await _seen_types(database, sighted), _Window(count, since, ceiling, after))


async def count_instance(
    database: Database,
    type: str,
    id: str,
    since: datetime | None = None,
    ceiling: datetime | None = None,
    visible: Visible = EVERYTHING,
) -> int:
    """How many visible versions of one id were stored from `since` up to `ceiling`, on all pages together."""
    selections = ((type, _seen({"_id": id}, visible)), (history_collection(type), _seen({"rid": id}, visible)))
    return await _count(database, selections, _Window(0, since, ceiling))


async def count_type(
    database: Database,
    type: str,
    since: datetime | None = None,
    ceiling: datetime | None = None,
    visible: Visible = EVERYTHING,
) -> int:
    """How many visible versions of a type's resources were stored from `since` up to `ceiling`."""
    return await _count(database, _selections(type, visible), _Window(0, since, ceiling))


async def count_system(
    database: Database,
    since: datetime | None = None,
    ceiling: datetime | None = None,
    sighted: Sighted = lambda type: EVERYTHING,
) -> int:
    """How many versions of all resources, as `sighted`, were stored from `since` up to `ceiling`."""
    types = await _seen_types(database, sighted)
    selections = [each for type, visible in types.items() for each in _selections(type, visible)]
    return await _count(database, selections, _Window(0, since, ceiling))


def _selections(type: str, visible: Visible) -> tuple[tuple[str, Document], ...]:
    return (type, _of_current(visible)), (history_collection(type), _seen({}, visible))


def _seen(filter: Document, visible: Visible) -> Document:
    within = row_filter(visible)
    return all_of([filter, within]) if within else filter


def _of_current(visible: Visible) -> Document:
    """The current rows and tombstones within sight, led by an index where they are those of few patients: `pt` for
    live rows, for tombstones one of their own.
    """
    owners = few_owners(visible)
    if owners is None:
        return _seen({}, visible)
    live: Document = {"pt": one_of([f"{owner}|" for owner in owners])}
    gone: Document = {"deleted": True, "owners": one_of(owners)}
    return _seen({"$or": [live, gone]}, visible)


@dataclass(frozen=True, slots=True)
class _Window:
    count: int
    since: datetime | None = None
    ceiling: datetime | None = None
    after: HistoryPosition | None = None


async def _seen_types(database: Database, sighted: Sighted) -> dict[str, Visible]:
    found = {type: sighted(type) for type in await _stored_types(database)}
    return {type: visible for type, visible in found.items() if visible is not None and visible.reaches}


async def _stored_types(database: Database) -> tuple[str, ...]:
    try:
        names = await database.handle.list_collection_names()
    except DriverError as error:
        raise refusal(error) from error
    return tuple(sorted(name for name in names if is_resource_type(name)))


async def _of_types(database: Database, types: Mapping[str, Visible], window: _Window) -> list[Row]:
    found: list[Document] = []
    try:
        # Current rows first: a version displaced between the two reads is found twice then, and never missed.
        for is_past in (False, True):
            for some in _at_once(types):
                first = next(iter(some))
                name = history_collection(first) if is_past else first
                found += await aggregate(database, name, _newest(some, window, is_past))
    except DriverError as error:
        raise refusal(error) from error
    for type in ENCRYPTED:
        await bodies.opened(database, type, [row for row in found if row["type"] == type])
    return _newest_first([read_row(row["type"], row) for row in found], window.count)


def _at_once(types: Mapping[str, Visible]) -> Iterator[Mapping[str, Visible]]:
    """The types in as few parts as commands have room for: one that sees 10,000 patients names them for each type."""
    some: dict[str, Visible] = {}
    named = 0
    for type, visible in types.items():
        owners = sum(len(reach.owners or ()) for reach in visible.reaches)
        if some and named + owners > _NAMED_AT_ONCE:
            yield some
            some, named = {}, 0
        some[type] = visible
        named += owners
    if some:
        yield some


def _newest(types: Mapping[str, Visible], window: _Window, is_past: bool) -> list[Document]:
    """One pipeline over the current (or past) collections of all types; each gives its own newest first."""
    first, *others = ((type, _newest_of_type(type, visible, window, is_past)) for type, visible in types.items())
    pipeline = list(first[1])
    for type, branch in others:
        name = history_collection(type) if is_past else type
        pipeline.append({"$unionWith": {"coll": name, "pipeline": branch}})
    if others:
        pipeline.append({"$sort": {"updated": -1, "type": 1, "rid": 1, "version": -1}})
        pipeline.append({"$limit": window.count})
    return pipeline


def _newest_of_type(type: str, visible: Visible, window: _Window, is_past: bool) -> list[Document]:
    id_field = "rid" if is_past else "_id"
    within = _seen({}, visible) if is_past else _of_current(visible)
    behind = _behind(type, id_field, window)
    order = {"updated": -1, id_field: 1} | ({"version": -1} if is_past else {})
    return [
        {"$match": all_of([behind, within]) if within else behind},
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
                    all_of([filter, _between(window)]), maxTimeMS=database.search_milliseconds
                )
                for name, filter in selections
            )
        )
    except DriverError as error:
        raise refusal(error) from error
    return sum(counts)
