"""Runs a planned search over the current rows of one type.

https://hl7.org/fhir/R4/search.html
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from fhir_server.core import outcome
from fhir_server.core.outcome import FhirError
from fhir_server.definitions.encrypted import ENCRYPTED
from fhir_server.definitions.registry import is_resource_type
from fhir_server.search.cost import remedy
from fhir_server.search.page import Snapshot
from fhir_server.search.query import Part, Query, live
from fhir_server.store import bodies
from fhir_server.store.allowance import Allowance
from fhir_server.store.mongo import (
    MAX_KEY,
    Database,
    Document,
    DriverError,
    Read,
    Session,
    SnapshotGone,
    is_timeout,
    read,
    refusal,
)

__all__ = [
    "Found",
    "Match",
    "SearchRow",
    "Snapshot",
    "SnapshotGone",
    "count",
    "count_command",
    "documents",
    "existing_types",
    "find",
    "ids",
    "ids_command",
    "late",
    "matches",
    "part_command",
    "refused",
    "row_of",
    "tokens_command",
    "tokens_of",
]

At = Snapshot | Literal["now"] | None
"""The moment to read at: a snapshot, the latest one, or None for what the majority has while it is read."""

_SCANNED_FOR_TOKENS = 100_000
"""Rows `tokens_of` gathers from: half a second (MongoDB 6.0.5, 20 tokens a row)."""


class SearchRow(msgspec.Struct, frozen=True):
    """A live row found. A Struct, because a page makes hundreds: 0.1 µs each, a frozen dataclass 1 µs.

    `body` is empty where the query reads none.
    `stored` has the fields asked for by the query's `fields`, besides the body and those of its order.
    """

    id: str
    body: bytes
    stored: Document
    sorted_by: Sequence[tuple[str, int]]

    @property
    def keys(self) -> tuple[Any, ...]:
        """The row's value of each field of the query's `sort`, `_id` included; None where absent. Datetimes in UTC."""
        return self.keys_by(self.sorted_by)

    def keys_by(self, sort: Sequence[tuple[str, int]]) -> tuple[Any, ...]:
        """The row's value of each field of another order, of fields that were read."""
        values = [_value(self.stored, field) for field, _ in sort]
        return tuple(value.replace(tzinfo=UTC) if isinstance(value, datetime) else value for value in values)


class Found(msgspec.Struct, frozen=True):
    """The rows of one page, and the snapshot they were read at; None where none was asked for or to be had."""

    rows: list[SearchRow]
    at: Snapshot | None


async def find(database: Database, query: Query, at: At = None, allowance: Allowance | None = None) -> Found:
    """The live rows that match, in the query's order, at most its limit. Raises as `documents` does."""
    found = await documents(database, query, at, allowance)
    return Found([row_of(document, query) for document in found.rows], found.at)


def row_of(document: Document, query: Query) -> SearchRow:
    """A row of what a query found."""
    return SearchRow(document["_id"], document.get("body", b""), document, query.sort)


async def documents(database: Database, query: Query, at: At = None, allowance: Allowance | None = None) -> Read:
    """The same as MongoDB gives them: `_id`, `body`, the fields of the query and those of its order.

    Raises SnapshotGone where `at` is a snapshot that MongoDB has no more, FhirError 503 where the search takes longer
    than the database handle or the `allowance` has time, and 400 where the bodies are more than it has bytes.
    """
    try:
        if query.rounds:
            found = await _find_rounds(database, query, at, allowance)
        else:
            found = await _find(database, query, _whole(query), at, allowance)
    except SnapshotGone:
        if at != "now":
            raise
        # None can be had at the moment, as right after an index was made; the ceiling on `updated` is left.
        return await documents(database, query, None, allowance)
    except DriverError as error:
        raise refused(database, query.type, error) from error
    if query.bodies and query.type in ENCRYPTED:
        await bodies.opened(database, query.type, found.rows)
    return found


def refused(database: Database, type: str, error: DriverError) -> FhirError:
    """What a client is told of an error met while searching a type."""
    return late(database, type) if is_timeout(error) else refusal(error)


def late(database: Database, type: str) -> FhirError:
    """The refusal of a search of a type that took longer than it may."""
    seconds = database.search_milliseconds / 1000
    return outcome.TIMED_OUT(f"The search of {type} did not finish in {seconds:g} s. To be quick, {remedy(type)}.")


async def count(
    database: Database, type: str, filter: Mapping[str, Any], at: At = None, allowance: Allowance | None = None
) -> int:
    """How many live rows match. Raises as `find`."""
    rows = await _rows(database, type, count_command(type, filter), at, allowance)
    return int(rows[0]["count"]) if rows else 0


def count_command(type: str, filter: Mapping[str, Any]) -> dict[str, Any]:
    """The command that `count` sends."""
    return _aggregation(type, [{"$match": live(filter)}, {"$group": {"_id": None, "count": {"$sum": 1}}}])


async def ids(
    database: Database,
    type: str,
    filter: Mapping[str, Any],
    limit: int,
    at: At = None,
    allowance: Allowance | None = None,
) -> tuple[str, ...]:
    """The logical ids of live rows that match, at most `limit`, in no stated order. Raises as `find`."""
    rows = await _rows(database, type, ids_command(type, filter, limit), at, allowance)
    return tuple(row["_id"] for row in rows)


def ids_command(type: str, filter: Mapping[str, Any], limit: int) -> dict[str, Any]:
    """The command that `ids` sends."""
    return {"find": type, "filter": live(filter), "projection": {"_id": 1}, "limit": limit, "batchSize": limit}


async def tokens_of(
    database: Database,
    type: str,
    filter: Mapping[str, Any],
    starts: tuple[str, ...],
    limit: int,
    at: At = None,
    allowance: Allowance | None = None,
) -> tuple[str, ...] | None:
    """The tokens that begin with one of `starts`, each once, of the live rows that match, in no stated order.

    None where they are more than `limit`, or too many rows match to gather them. Raises as `find`.
    """
    rows = await _rows(database, type, tokens_command(type, filter, starts, limit), at, allowance)
    if not rows:
        return ()
    found = tuple(token for token in rows[0]["tokens"] if token is not None)
    return None if len(found) > limit or rows[0]["rows"] > _SCANNED_FOR_TOKENS else found


def tokens_command(type: str, filter: Mapping[str, Any], starts: tuple[str, ...], limit: int) -> dict[str, Any]:
    """The command that `tokens_of` sends."""
    begins = [{"$eq": [{"$indexOfBytes": ["$$token", start]}, 0]} for start in starts]
    wanted = {"$filter": {"input": {"$ifNull": ["$t", []]}, "as": "token", "cond": {"$or": begins}}}
    pipeline: list[dict[str, Any]] = [
        {"$match": live(filter)},
        {"$limit": _SCANNED_FOR_TOKENS + 1},
        {"$project": {"_id": 0, "t": wanted}},
        {"$unwind": {"path": "$t", "preserveNullAndEmptyArrays": True}},
        {"$group": {"_id": "$t", "rows": {"$sum": 1}}},
        {"$group": {"_id": None, "rows": {"$sum": "$rows"}, "tokens": {"$push": "$_id"}}},
        {"$project": {"rows": 1, "tokens": {"$slice": ["$tokens", limit + 2]}}},
    ]
    return _aggregation(type, pipeline)


async def existing_types(database: Database) -> frozenset[str]:
    """The resource types that have rows or had some. Asked each time: another worker may have made one just now."""
    try:
        names = await database.handle.list_collection_names()
    except DriverError as error:
        raise refusal(error) from error
    return frozenset(filter(is_resource_type, names))


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
        raise refused(database, type, error) from error


def _whole(query: Query) -> Part:
    return Part(live(query.filter), query.hint)


def part_command(query: Query, part: Part) -> dict[str, Any]:
    """The command that reads a part of a query."""
    # Descending, MongoDB puts absent fields last by itself, and an index can give that order.
    absent = tuple(field for field, direction in query.sort if direction > 0 and field in query.missing_last)
    if absent:
        # One more than the limit: the batch then shows that it is the last.
        cursor = {"batchSize": query.limit + 1}
        command: dict[str, Any] = {
            "aggregate": query.type,
            "pipeline": _sorted_by_absent(query, part, absent),
            "cursor": cursor,
        }
    else:
        command = {
            "find": query.type,
            "filter": part.filter,
            "projection": _fields(query),
            "sort": dict(query.sort),
            "limit": query.limit,
            # One batch for the page: past 101 rows the default would make a second round trip.
            "batchSize": query.limit,
        }
    return command | {"hint": part.hint} if part.hint else command


async def _find(database: Database, query: Query, part: Part, at: At, allowance: Allowance | None) -> Read:
    return await read(database, part_command(query, part), at, allowance=allowance)


async def _find_rounds(database: Database, query: Query, at: At, allowance: Allowance | None) -> Read:
    """Round after round until the page is full, all at the snapshot of the first."""
    found: list[Document] = []
    for parts in query.rounds:
        gathered: dict[str, Document] = {}
        filled = 0
        for part in parts:
            part_read = await _find(database, query, part, at, allowance)
            at = part_read.at or at
            filled += bool(part_read.rows)
            gathered |= {row["_id"]: row for row in part_read.rows}
        found += _in_order(list(gathered.values()), query) if filled > 1 else gathered.values()
        if len(found) >= query.limit:
            break
    return Read(found[: query.limit], at if isinstance(at, tuple) else None)


def _in_order(rows: list[Document], query: Query) -> list[Document]:
    for field, direction in reversed(query.sort):
        present = [(value, row) for row in rows if (value := _value(row, field)) is not None]
        present.sort(key=lambda each: each[0], reverse=direction < 0)
        rows = [row for _, row in present] + [row for row in rows if _value(row, field) is None]
    return rows


def _sorted_by_absent(query: Query, part: Part, absent: tuple[str, ...]) -> list[dict[str, Any]]:
    stand_ins = {field: f"sort_{position}" for position, field in enumerate(absent)}
    return [
        {"$match": part.filter},
        {"$set": {name: {"$ifNull": ["$" + field, MAX_KEY]} for field, name in stand_ins.items()}},
        {"$sort": {stand_ins.get(field, field): direction for field, direction in query.sort}},
        {"$limit": query.limit},
        {"$project": _fields(query)},
    ]


def _aggregation(type: str, pipeline: list[dict[str, Any]]) -> dict[str, Any]:
    return {"aggregate": type, "pipeline": pipeline, "cursor": {}}


async def _rows(
    database: Database, type: str, command: Mapping[str, Any], at: At, allowance: Allowance | None
) -> list[Document]:
    try:
        return (await read(database, command, at, allowance=allowance)).rows
    except DriverError as error:
        raise refused(database, type, error) from error


def _fields(query: Query) -> dict[str, int]:
    fields = {field: 1 for field, _ in query.sort} | dict.fromkeys(query.fields, 1)
    if query.bodies and query.type in ENCRYPTED:
        fields |= {"version": 1, "file": 1}
    return {"body": 1, "withheld": 1} | fields if query.bodies else fields


def _value(row: Document, path: str) -> Any:
    value: Any = row
    for name in path.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    # BSON's 64-bit integers come as a subclass of int that a page link cannot carry.
    return int(value) if isinstance(value, int) else value
