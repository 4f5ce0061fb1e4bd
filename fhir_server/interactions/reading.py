"""One search while it reads: every query of it sees one moment, and all share what one search may spend.

https://hl7.org/fhir/R4/search.html, https://www.mongodb.com/docs/manual/reference/read-concern-snapshot/
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Any

import msgspec
from msgspec.structs import replace

from fhir_server.core import outcome
from fhir_server.interactions.accesses import OWNERS, is_audited
from fhir_server.interactions.context import RequestContext
from fhir_server.interactions.withheld import shown_documents, shown_rows
from fhir_server.policy import NOWHERE, row_filter, visible
from fhir_server.search.page import Position, Snapshot
from fhir_server.search.plan import plan
from fhir_server.search.predicate import all_of
from fhir_server.search.query import Query
from fhir_server.search.request import SearchRequest
from fhir_server.store import cost
from fhir_server.store import search as stored
from fhir_server.store.allowance import Allowance
from fhir_server.store.mongo import Database, Document
from fhir_server.store.search import At, SearchRow

_AT_ONCE = 8
"""Queries for the bodies of one page that run at the same time."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """A query for what a link leads to, and the command it was run by, None for the query's own. `reads` says what for:
    `ids`, `tokens` or `rows`.
    """

    reads: str
    query: Query
    command: Mapping[str, Any] | None = None


@dataclass(slots=True)
class Reading:
    """What the queries of one search share.

    `at` is the snapshot they read at, None until the first has read. Where MongoDB keeps it no longer, or for a page
    link from before there was one, `ceiling` keeps out rows updated since. `now` is what the prefix `ap` measures from.
    `existing` are the types of which anything is stored, None until somebody asks; the others have no rows, whatever is
    written meanwhile. `began` (monotonic seconds) starts the time that all queries have together. `is_first` says that
    no page went before. `memo` keeps what was found out once and is asked for again: what a ValueSet expands to, what
    a link leads to. `lookups` keeps the queries for links where they are to be told, else it is None.
    """

    context: RequestContext
    now: datetime
    at: Snapshot | None = None
    ceiling: datetime | None = None
    began: float = field(default_factory=monotonic)
    existing: frozenset[str] | None = None
    memo: dict[object, object] = field(default_factory=dict)
    is_first: bool = True
    lookups: list[Lookup] | None = None
    allowance: Allowance = field(init=False)

    def __post_init__(self) -> None:
        self.allowance = Allowance(self.began + self.database.search_milliseconds / 1000)

    @property
    def database(self) -> Database:
        """Where all is read."""
        return self.context.server.database

    @property
    def whose(self) -> tuple[str, ...]:
        """The row fields that are read for the audit log besides what the search needs."""
        return OWNERS if is_audited(self.context) else ()

    def plan(self, request: SearchRequest, after: Position | None = None, container: str = "") -> Query:
        """The query for a page of resolved conditions; `container` is the type of the rows of a `_contained` search."""
        return plan(request, self.ceiling, after, self.now, container)

    def plan_now(self, request: SearchRequest) -> Query:
        """The query for what is linked to the page: the ceiling is for the page's rows, and these may be newer."""
        return plan(request, None, None, self.now)

    async def advised(self, request: SearchRequest, query: Query) -> Query:
        """The query as it is best run. Raises FhirError 400 where the first page of it would read too much."""
        if self.allowance.milliseconds <= 0:
            raise stored.late(self.database, query.type)
        if self.is_first:
            return await cost.affordable(self.database, request, query)
        return await cost.advised(self.database, query)

    async def find(self, query: Query) -> list[SearchRow]:
        """The rows of a query; the first to run decides about the moment of all. Raises SnapshotGone.

        Raises FhirError 400 where all bodies of the search would be more bytes than a page may have, and 503 where its
        time is over; so do all that read.
        """
        if self._is_empty(query.type):
            return []
        found = await stored.find(self.database, query, self._moment(), self.allowance)
        self._read_at(found.at)
        return shown_rows(self.context, found.rows)

    async def documents(self, query: Query) -> list[Document]:
        """The same as MongoDB gives them: `_id`, `body` and the fields read. Raises as `find` does."""
        if self._is_empty(query.type):
            return []
        found = await stored.documents(self.database, query, self._moment(), self.allowance)
        self._read_at(found.at)
        return shown_documents(self.context, found.rows)

    def _moment(self) -> At:
        return "now" if self.at is None and self.ceiling is None else self.at

    def _read_at(self, at: Snapshot | None) -> None:
        if self.ceiling is None:
            self.at = at or self.at

    async def count(self, query: Query) -> int:
        """How many rows match the query's filter."""
        await self._fix(query.type)
        if self._is_empty(query.type):
            return 0
        return await stored.count(self.database, query.type, query.filter, self.at, self.allowance)

    async def ids(self, request: SearchRequest, limit: int) -> tuple[str, ...] | None:
        """The ids of the rows that match; None where there are more than `limit`."""
        query = self.plan_now(request)
        if self.lookups is not None:
            self.lookups.append(Lookup("ids", query, stored.ids_command(query.type, query.filter, limit + 1)))
        await self._fix(request.type)
        if self._is_empty(request.type):
            return ()
        found = await stored.ids(self.database, query.type, query.filter, limit + 1, self.at, self.allowance)
        return found if len(found) <= limit else None

    async def ids_among(self, request: SearchRequest, ids: tuple[str, ...], rows: str) -> tuple[str, ...]:
        """Those of `ids` whose rows, of type `rows`, match."""
        await self._fix(rows)
        filter = {"$and": [{"_id": {"$in": list(ids)}}, self.plan(request, container=rows).filter]}
        return await stored.ids(self.database, rows, filter, len(ids), self.at, self.allowance)

    async def tokens(self, request: SearchRequest, start: str, limit: int) -> tuple[str, ...] | None:
        """What follows `start` in the tokens of the rows that match, each once; None for more than `limit`."""
        query, starts = self.plan_now(request), (start,)
        if self.lookups is not None:
            command = stored.tokens_command(query.type, query.filter, starts, limit)
            self.lookups.append(Lookup("tokens", query, command))
        await self._fix(request.type)
        if self._is_empty(request.type):
            return ()
        found = await stored.tokens_of(self.database, query.type, query.filter, starts, limit, self.at, self.allowance)
        return None if found is None else tuple(token[len(start) :] for token in found)

    async def rows(self, request: SearchRequest, limit: int, bodies: bool = True) -> list[SearchRow]:
        """The rows that match, with their tokens, in order. Raises FhirError 400 for more than `limit`."""
        query = replace(self.plan_now(replace(request, count=limit)), fields=("t",), bodies=bodies)
        if self.lookups is not None:
            self.lookups.append(Lookup("rows", query))
        found = await self.find(query)
        if len(found) > limit:
            raise outcome.TOO_COSTLY(f"More than {limit} {request.type} would have to be read. Narrow the search.")
        return found

    async def filled(self, page: "Page", fields: tuple[str, ...]) -> "Page":
        """The page, read without bodies, with them and these fields: only what is shown is held."""
        ids: dict[str, list[str]] = {}
        for type, row in page.rows:
            ids.setdefault(type, []).append(row.id)
        queries = [self._filling(type, some, (*fields, *self.whose)) for type, some in ids.items()]
        bodies: dict[tuple[str, str], SearchRow] = {}
        for start in range(0, len(queries), _AT_ONCE):
            some = queries[start : start + _AT_ONCE]
            for query, found in zip(some, await asyncio.gather(*map(self.find, some)), strict=True):
                bodies |= {(query.type, row.id): row for row in found}
        # Below a ceiling a row that was changed just now is left out, as on any other page.
        rows = [(type, bodies[type, row.id]) for type, row in page.rows if (type, row.id) in bodies]
        return Page(rows, page.after)

    def _filling(self, type: str, ids: list[str], fields: tuple[str, ...]) -> Query:
        filter: dict[str, Any] = {"_id": {"$in": ids}}
        if self.ceiling is not None:
            filter["updated"] = {"$lte": self.ceiling}
        # Without a snapshot a row may have become another patient's since its id was found.
        seen = visible(self.context.sight, type, "s")
        within = row_filter(NOWHERE if seen is None else seen)
        return Query(type, all_of([filter, within]) if within else filter, (("_id", 1),), len(ids), fields=fields)

    async def types(self) -> frozenset[str]:
        """The resource types of which anything was stored when the first page was read."""
        if self.existing is None:
            self.existing = await stored.existing_types(self.database)
        return self.existing

    def is_late(self) -> bool:
        """Whether half of the time is spent: what checks rows batch by batch ends, and the rest is for the answer."""
        return self.allowance.milliseconds < self.database.search_milliseconds / 2

    def _is_empty(self, type: str) -> bool:
        return self.existing is not None and type not in self.existing

    async def _fix(self, type: str) -> None:
        if self.at is None and self.ceiling is None:
            await self.find(Query(type, {"_id": ""}, (("_id", 1),), 1))


class Page(msgspec.Struct, frozen=True):
    """The rows of one page with their types, in order. `after` is where the next goes on, None after the last."""

    rows: Sequence[tuple[str, SearchRow]]
    after: Position | None


def place_of(row: SearchRow) -> Position:
    """Where a row stands in the order it was read in."""
    return Position(row.keys, row.id)
