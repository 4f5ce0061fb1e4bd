"""Whose records the rows are that name somebody, and what such rows refer to: what a care relation is found out from.

https://hl7.org/fhir/R4/careteam.html, https://hl7.org/fhir/R4/practitionerrole.html
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from fhir_server.search.parameter_types.date import FAR_FUTURE, FAR_PAST
from fhir_server.store.bodies import opened
from fhir_server.store.mongo import Database, Document, DriverError, read, refusal

_SCANNED = 100_000
"""Rows that owners are gathered from; counting that many takes a quarter of a second (MongoDB 6.0.5)."""


@dataclass(frozen=True, slots=True)
class Naming:
    """The live rows of `type` that have one of `tokens` (or, where there are none, one of `ids`) and none of `without`.

    With `dates`, codes of date parameters: one of them has a value between `begins` and `ends`, in ms since 1970 UTC.
    With `dated_if_any` a row without a value for them is one of these too.
    """

    type: str
    tokens: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()
    begins: int = FAR_PAST
    ends: int = FAR_FUTURE
    dated_if_any: bool = False

    @property
    def filter(self) -> Document:
        """The condition on rows, led by the index `t` or `_id`."""
        named: Document = {"t": {"$in": list(self.tokens)}} if self.tokens else {"_id": {"$in": list(self.ids)}}
        conditions: list[Document] = [named, {"deleted": None}]
        if self.without:
            conditions.append({"t": {"$nin": list(self.without)}})
        if self.dates:
            value: Document = {"p": {"$in": list(self.dates)}}
            within = value | {"lo": {"$lte": self.ends}, "hi": {"$gte": self.begins}}
            dated: Document = {"d": {"$elemMatch": within}}
            undated: Document = {"d": {"$not": {"$elemMatch": value}}}
            conditions.append({"$or": [dated, undated]} if self.dated_if_any else dated)
        return {"$and": conditions}

    @property
    def hint(self) -> str:
        """The index to read by: a stretch of time that is nearly all time must not lead."""
        return "t" if self.tokens else "_id_"


class OwnedRow(msgspec.Struct, frozen=True):
    """A row that names somebody: its version, and whose record it is."""

    id: str
    version: int
    owners: tuple[str, ...]


async def owners(database: Database, naming: Naming, limit: int) -> frozenset[str] | None:
    """The ids of the patients whose records the rows are; None for more than `limit`, or for too many rows."""
    pipeline: list[Document] = [
        {"$match": naming.filter},
        {"$limit": _SCANNED + 1},
        {"$project": {"_id": 0, "owners": 1}},
        {"$unwind": "$owners"},
        {"$group": {"_id": "$owners", "rows": {"$sum": 1}}},
        {"$group": {"_id": None, "rows": {"$sum": "$rows"}, "owners": {"$push": "$_id"}}},
        {"$project": {"rows": 1, "owners": {"$slice": ["$owners", limit + 1]}}},
    ]
    rows = await _read(database, {"aggregate": naming.type, "pipeline": pipeline, "cursor": {}, "hint": naming.hint})
    if not rows:
        return frozenset()
    found = frozenset(rows[0]["owners"])
    return None if len(found) > limit or rows[0]["rows"] > _SCANNED else found


async def owned_rows(database: Database, naming: Naming, limit: int) -> list[OwnedRow]:
    """The rows themselves, without what they hold; at most `limit`."""
    rows = await _find(database, naming, {"version": 1, "owners": 1}, limit)
    return [OwnedRow(row["_id"], row["version"], tuple(row["owners"])) for row in rows]


async def bodies(database: Database, type: str, ids: Sequence[str]) -> dict[str, tuple[int, bytes]]:
    """Version and stored JSON of live rows, by id."""
    rows = await _find(database, Naming(type, ids=tuple(ids)), {"version": 1, "body": 1, "file": 1}, len(ids))
    await opened(database, type, rows)
    return {row["_id"]: (row["version"], row["body"]) for row in rows}


async def changed_since(
    database: Database, type: str, token: str, since: datetime | None, limit: int
) -> list[tuple[str, int, bytes]]:
    """Id, version and stored JSON of live rows that have a token and were written since then, the newest first."""
    wanted: Document = {"t": token, "deleted": None}
    if since is not None:
        wanted["updated"] = {"$gte": since}
    fields = {"version": 1, "body": 1}
    command = {"find": type, "filter": wanted, "projection": fields, "hint": "t", "limit": limit, "batchSize": limit}
    return [(row["_id"], row["version"], row["body"]) for row in await _read(database, command)]


async def referred(
    database: Database, naming: Naming, starts: Iterable[str], limit: int
) -> list[tuple[str, tuple[str, ...]]]:
    """The ids of the rows, each with its tokens that begin with one of `starts`; at most `limit` rows."""
    begins = tuple(starts)
    rows = await _find(database, naming, {"t": 1}, limit)
    return [(row["_id"], tuple(token for token in row["t"] if token.startswith(begins))) for row in rows]


async def _find(database: Database, naming: Naming, fields: dict[str, int], limit: int) -> list[Document]:
    command = {"find": naming.type, "filter": naming.filter, "projection": fields, "hint": naming.hint}
    return await _read(database, command | {"limit": limit, "batchSize": limit})


async def _read(database: Database, command: dict[str, Any]) -> list[Document]:
    try:
        return (await read(database, command)).rows
    except DriverError as error:
        raise refusal(error) from error
