"""search and read of the audit log as AuditEvents, which are drawn when they are asked for and stored nowhere.

https://hl7.org/fhir/R4/auditevent.html#search, docs/audit.md
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode

from msgspec.structs import replace

from fhir_server.core import outcome
from fhir_server.core.codec import encode
from fhir_server.core.instant import now
from fhir_server.core.trail import Accessed, AuditAction
from fhir_server.definitions.capability import RESULTS
from fhir_server.interactions.audit_audience import AUDIT_TYPE, audience, is_kept
from fhir_server.interactions.audit_event import Event, View, audit_event, events_of
from fhir_server.interactions.audit_filter import (
    RESULT_PARAMETERS,
    AuditFilter,
    Filter,
    audit_filter,
    not_taken,
    parse_id,
)
from fhir_server.interactions.context import Answer, RequestContext
from fhir_server.interactions.query import refuse_parameters
from fhir_server.interactions.searchset import SearchPage, Shown, entries_of, searchset
from fhir_server.interactions.summary import cut, shape_of_read, shortened
from fhir_server.search.page import CURSOR_PARAMETER, PageState, Position, seal, unseal
from fhir_server.search.parameter_types.date import to_datetime, to_milliseconds
from fhir_server.search.parse import parse
from fhir_server.search.request import SearchRequest
from fhir_server.store import audit_rows

__all__ = ["is_kept", "read", "search"]

_MOST_ROWS = 500
"""Rows read at once: each may stand for many events, or for none that is wanted."""

Pairs = Sequence[tuple[str, str]]


async def read(context: RequestContext, id: str, pairs: Pairs = ()) -> Answer:
    """200 with the AuditEvent.

    Raises FhirError 403 for one who sees none at all, 404 for an event that is not for the caller.
    """
    seen = audience(context.sight, "r")
    shape = shape_of_read(context, AUDIT_TYPE, pairs)
    event = await _event(context, id)
    if event is None or (seen is not None and event.patient not in seen):
        raise outcome.NOT_FOUND(f"There is no {AUDIT_TYPE} with id '{id[:64]}'.")
    _note(context, "read", (f"{AUDIT_TYPE}/{event.id}",), frozenset(filter(None, (event.patient,))))
    body = encode(audit_event(event, _view(context, seen)))
    if shape is not None:
        body = await shortened(shape, body)
    return Answer(200, body, 1, to_datetime(event.entry.at))


async def _event(context: RequestContext, id: str) -> Event | None:
    found = parse_id(id)
    row = await audit_rows.one(context.server.database, found[0]) if found else None
    if found is None or row is None:
        return None
    events = events_of(*row)
    return events[found[1]] if found[1] < len(events) else None


async def search(context: RequestContext, pairs: Pairs, compartment: tuple[str, str] | None = None) -> Answer:
    """200 with a searchset of one page, newest first unless `_sort=date`; with `compartment` of what is in it.

    Raises FhirError 403 for who sees none at all, 400 for what the log is not searched by.
    """
    seen = audience(context.sight, "s")
    path = "/".join((*(compartment or ()), AUDIT_TYPE))
    cursors = [value for name, value in pairs if name == CURSOR_PARAMETER]
    state = PageState(tuple(pairs), now(), None, context.lenient)
    if cursors:
        state = _continued(context, pairs, cursors, path)
    lenient = context.lenient or state.lenient
    request = parse(AUDIT_TYPE, state.pairs, lenient, context.own_bases, context.parameter_set)
    _check_results(request)
    criteria = [(name, sent) for name, sent in request.applied if name.partition(":")[0] not in RESULTS]
    if compartment is not None:
        criteria.append(("patient" if compartment[0] == "Patient" else "agent", "/".join(compartment)))
    found = audit_filter(criteria, context.own_bases, seen)
    answer = await _Run(context, request, state, found, path).answer()
    asked = frozenset.union(frozenset(), *(each.patients for each in found.wanted))
    query = f"{path}?{urlencode(state.pairs)}" if state.pairs else path
    _note(context, "search-type", (), asked if seen is None else asked & seen, query)
    return answer


def _continued(context: RequestContext, pairs: Pairs, cursors: Sequence[str], path: str) -> PageState:
    refuse_parameters(context, pairs, taken=(CURSOR_PARAMETER,))
    if len(cursors) > 1:
        raise outcome.BAD_CURSOR(f"{CURSOR_PARAMETER} is given more than once.", CURSOR_PARAMETER)
    server = context.server
    return unseal(server.cursor_key, cursors[0], path, context.sight.caller, now(), server.cursor_seconds)


def _check_results(request: SearchRequest) -> None:
    for name, _ in request.applied:
        result = name.partition(":")[0]
        if result in RESULTS and result not in RESULT_PARAMETERS:
            raise not_taken(name)
    if len(request.sort) > 1 or any(key.parameter not in ("date", "_lastUpdated") for key in request.sort):
        raise outcome.BAD_SORT("The audit log is sorted by date or -date.", "_sort")


@dataclass(slots=True)
class _Run:
    """One page on its way from the request to the answer."""

    context: RequestContext
    request: SearchRequest
    state: PageState
    filter: AuditFilter
    path: str

    @property
    def descending(self) -> bool:
        return not self.request.sort or self.request.sort[0].descending

    async def answer(self) -> Answer:
        request = self.request
        if request.count_only:
            return self.drawn([], await self.total(), None)
        events, is_last = await self.page()
        total = None
        if request.total in ("accurate", "estimate"):
            total = await self.total()
        elif is_last and self.state.after is None and request.total is None:
            total = len(events)
        view = _view(self.context, self.filter.seen)
        matches = [Shown(f"{AUDIT_TYPE}/{event.id}", encode(audit_event(event, view))) for event in events]
        matches = await cut(request, matches, request.elements)
        return self.drawn(matches, total, None if is_last else self.cursor(events[-1]))

    async def total(self) -> int:
        return await audit_rows.count(
            self.context.server.database, self.filter.over(self.until()), self.filter.events()
        )

    async def page(self) -> tuple[list[Event], bool]:
        """The events of the page, and whether none follows."""
        wanted = self.request.count
        after = _place(self.state.after)
        events: list[Event] = []
        while True:
            limit = min(wanted + 2, _MOST_ROWS)
            within = self.filter.over(self.until(), *self.beyond(after))
            rows = await audit_rows.page(self.context.server.database, within, self.descending, limit)
            for row_id, entry in rows:
                for event in events_of(row_id, entry):
                    if after is not None and row_id == after[1] and event.position <= after[2]:
                        continue
                    if self.filter.takes(event):
                        events.append(event)
                if len(events) > wanted:
                    return events[:wanted], False
            if len(rows) < limit:
                return events, True
            row_id, entry = rows[-1]
            after = (entry.at, row_id, len(entry.patients))

    def until(self) -> Filter:
        """Rows written after the first page was read stay out of the next ones."""
        return {"at": {"$lte": to_milliseconds(self.state.ceiling)}}

    def beyond(self, after: tuple[int, str, int] | None) -> list[Filter]:
        """From the row on where the last page ended, which may have more events."""
        if after is None:
            return []
        at, id, _ = after
        strictly, or_there = ("$lt", "$lte") if self.descending else ("$gt", "$gte")
        return [{"at": {or_there: at}}, {"$or": [{"at": {strictly: at}}, {"_id": {or_there: id}}]}]

    def cursor(self, last: Event) -> str:
        server = self.context.server
        state = replace(self.state, after=Position((last.entry.at, last.position), last.row_id))
        return seal(server.cursor_key, state, self.path, self.context.sight.caller, now())

    def drawn(self, matches: list[Shown], total: int | None, cursor: str | None) -> Answer:
        page = SearchPage(self.path, self.request, entries_of(matches), total, cursor)
        return Answer(200, searchset(self.context, page))


def _place(after: Position | None) -> tuple[int, str, int] | None:
    if after is None:
        return None
    at, position = after.keys
    assert isinstance(at, int) and isinstance(position, int)
    return at, after.id, position


def _view(context: RequestContext, seen: frozenset[str] | None) -> View:
    access = context.sight.access
    return View(context.base, access.subject if access else "", is_narrowed=seen is not None)


def _note(
    context: RequestContext,
    interaction: Literal["read", "search-type"],
    places: tuple[str, ...],
    patients: frozenset[str],
    query: str | None = None,
) -> None:
    """Looking into the audit log is an access like any other."""
    action: AuditAction = "R" if interaction == "read" else "E"
    context.trail.note(Accessed(action, interaction, AUDIT_TYPE, places, tuple(sorted(patients)), query))
