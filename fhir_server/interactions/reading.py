"""One search while it reads: every query of it sees one moment, whatever is written meanwhile.

https://hl7.org/fhir/R4/search.html, https://www.mongodb.com/docs/manual/reference/read-concern-snapshot/
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from time import monotonic

from fhir_server.core import outcome
from fhir_server.interactions.context import RequestContext
from fhir_server.search.page import Position, Snapshot
from fhir_server.search.plan import plan
from fhir_server.search.query import Query
from fhir_server.search.request import SearchRequest
from fhir_server.store import search as stored
from fhir_server.store.search import At, SearchRow


@dataclass(slots=True)
class Reading:
    """What the queries of one search share.

    `at` is the snapshot they read at, None until the first has read. Where MongoDB keeps it no longer, or for a page
    link from before there was one, `ceiling` keeps out rows updated since. `now` is what the prefix `ap` measures from.
    """

    context: RequestContext
    now: datetime
    at: Snapshot | None = None
    ceiling: datetime | None = None
    began: float = field(default_factory=monotonic)
    existing: frozenset[str] | None = None

    def plan(self, request: SearchRequest, after: Position | None = None, container: str = "") -> Query:
        """The query for a page of resolved conditions; `container` is the type of the rows of a `_contained` search."""
        return plan(request, self.ceiling, after, self.now, container)

    def plan_now(self, request: SearchRequest) -> Query:
        """The query for what is linked to the page: the ceiling is for the page's rows, and these may be newer."""
        return plan(request, None, None, self.now)

    async def find(self, query: Query) -> list[SearchRow]:
        """The rows of a query; the first to run decides about the moment of all. Raises SnapshotGone."""
        at: At = "now" if self.at is None and self.ceiling is None else self.at
        found = await stored.find(self.context.server.database, query, at)
        if self.ceiling is None:
            self.at = found.at
        return list(found.rows)

    async def count(self, query: Query) -> int:
        """How many rows match the query's filter."""
        await self._fix(query.type)
        return await stored.count(self.context.server.database, query.type, query.filter, self.at)

    async def ids(self, request: SearchRequest, limit: int) -> tuple[str, ...] | None:
        """The ids of the rows that match; None where there are more than `limit`."""
        await self._fix(request.type)
        filter = self.plan_now(request).filter
        found = await stored.ids(self.context.server.database, request.type, filter, limit + 1, self.at)
        return found if len(found) <= limit else None

    async def ids_among(self, request: SearchRequest, ids: tuple[str, ...], rows: str) -> tuple[str, ...]:
        """Those of `ids` whose rows, of type `rows`, match."""
        await self._fix(rows)
        filter = {"$and": [{"_id": {"$in": list(ids)}}, self.plan(request, container=rows).filter]}
        return await stored.ids(self.context.server.database, rows, filter, len(ids), self.at)

    async def tokens(self, request: SearchRequest, start: str, limit: int) -> tuple[str, ...] | None:
        """What follows `start` in the tokens of the rows that match, each once; None for more than `limit`."""
        await self._fix(request.type)
        filter = self.plan_now(request).filter
        database = self.context.server.database
        found = await stored.tokens_of(database, request.type, filter, (start,), limit, self.at)
        return None if found is None else tuple(token[len(start) :] for token in found)

    async def rows(self, request: SearchRequest, limit: int) -> list[SearchRow]:
        """The rows that match, with their tokens, in order. Raises FhirError 400 for more than `limit`."""
        query = replace(self.plan_now(replace(request, count=limit)), fields=("t",))
        found = await self.find(query)
        if len(found) > limit:
            raise outcome.TOO_COSTLY(f"More than {limit} {request.type} would have to be read. Narrow the search.")
        return found

    async def types(self) -> frozenset[str]:
        """The resource types of which anything was ever stored."""
        if self.existing is None:
            self.existing = await stored.existing_types(self.context.server.database)
        return self.existing

    def is_late(self) -> bool:
        """Whether the time the database handle allows one query has been spent on all of them."""
        return (monotonic() - self.began) * 1000 > self.context.server.database.search_milliseconds

    async def _fix(self, type: str) -> None:
        if self.at is None and self.ceiling is None:
            await self.find(Query(type, {"_id": ""}, (("_id", 1),), 1))


@dataclass(frozen=True, slots=True)
class Page:
    """The rows of one page with their types, in order. `after` is where the next goes on, None after the last."""

    rows: Sequence[tuple[str, SearchRow]]
    after: Position | None


def place_of(row: SearchRow) -> Position:
    """Where a row stands in the order it was read in."""
    return Position(row.keys, row.id)
