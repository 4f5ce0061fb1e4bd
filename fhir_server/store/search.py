"""Runs a planned search over the current rows of one type.

https://hl7.org/fhir/R4/search.html
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from fhir_server.search.query import Query
from fhir_server.store.mongo import MAX_KEY, Database, Document, DriverError, Session, aggregate, page_of, refusal


class SearchRow(msgspec.Struct, frozen=True):
    """A live row found. A Struct, because a page makes hundreds: 0.1 µs each, a frozen dataclass 1 µs."""

    id: str
    body: bytes
    stored: Document
    sorted_by: Sequence[tuple[str, int]]

    @property
    def keys(self) -> tuple[Any, ...]:
        """The row's value of each field of the query's `sort`, `_id` included; None where absent."""
        return tuple(_value(self.stored, field.split(".")) for field, _ in self.sorted_by)


async def find(database: Database, query: Query) -> list[SearchRow]:
    """The live rows that match, in the query's order, at most its limit.

    Raises FhirError 503 where the search takes longer than the database handle allows.
    """
    # Descending, MongoDB puts absent fields last by itself, and an index can give that order.
    absent = tuple(field for field, direction in query.sort if direction > 0 and field in query.missing_last)
    try:
        found = await (_find_sorted_by_absent(database, query, absent) if absent else _find(database, query))
    except DriverError as error:
        raise refusal(error) from error
    return [SearchRow(row["_id"], row["body"], row, query.sort) for row in found]


async def count(database: Database, type: str, filter: Mapping[str, Any]) -> int:
    """How many live rows match."""
    try:
        return await database.collections[type].count_documents(live(filter), maxTimeMS=database.search_milliseconds)
    except DriverError as error:
        raise refusal(error) from error


@dataclass(frozen=True, slots=True)
class Match:
    """A live row that matches: its id and current version."""

    id: str
    version: int


async def matches(
    database: Database, type: str, filter: Mapping[str, Any], limit: int, session: Session | None = None
) -> tuple[Match, ...]:
    """Live rows that match, at most `limit`, in no stated order.

    Inside a transaction (`session`) the driver's own errors pass, because its labels decide about a retry.
    """
    collection = database.collections[type]
    cursor = collection.find(
        live(filter), {"version": 1}, limit=limit, max_time_ms=database.search_milliseconds, session=session
    )
    try:
        return tuple(Match(row["_id"], row["version"]) for row in await cursor.to_list(None))
    except DriverError as error:
        if session is not None:
            raise
        raise refusal(error) from error


def live(filter: Mapping[str, Any]) -> dict[str, Any]:
    """The filter without tombstones.

    Tombstones have no `pt` and no `t`, so a filter that asks for a value there needs no more; this lets a count run
    in the index alone.
    """
    if "deleted" in filter or any(_asks_for_a_value(filter.get(name)) for name in ("pt", "t", "s")):
        return dict(filter)
    return {**filter, "deleted": None}


def _asks_for_a_value(condition: Any) -> bool:
    if isinstance(condition, Mapping):
        return any(operator in condition for operator in ("$eq", "$in", "$all", "$regex", "$elemMatch"))
    return isinstance(condition, str)


async def _find(database: Database, query: Query) -> list[Document]:
    cursor = database.collections[query.type].find(
        live(query.filter),
        _fields(query),
        sort=query.sort,
        limit=query.limit,
        # One batch for the page: past 101 rows the default would make a second round trip.
        batch_size=query.limit,
        max_time_ms=database.search_milliseconds,
        hint=query.hint,
    )
    return await page_of(cursor)


async def _find_sorted_by_absent(database: Database, query: Query, absent: tuple[str, ...]) -> list[Document]:
    stand_ins = {field: f"sort_{position}" for position, field in enumerate(absent)}
    pipeline: list[dict[str, Any]] = [
        {"$match": live(query.filter)},
        {"$set": {name: {"$ifNull": ["$" + field, MAX_KEY]} for field, name in stand_ins.items()}},
        {"$sort": {stand_ins.get(field, field): direction for field, direction in query.sort}},
        {"$limit": query.limit},
        {"$project": _fields(query)},
    ]
    return await aggregate(database, query.type, pipeline)


def _fields(query: Query) -> dict[str, int]:
    return {"body": 1} | {field: 1 for field, _ in query.sort}


def _value(row: Document, path: Sequence[str]) -> Any:
    value: Any = row
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    # BSON's 64-bit integers come as a subclass of int that a page link cannot carry.
    return int(value) if isinstance(value, int) else value
