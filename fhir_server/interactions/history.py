"""history of an instance, a type and the whole system. https://hl7.org/fhir/R4/http.html#history"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from fhir_server.core import outcome
from fhir_server.core.codec import encode
from fhir_server.core.etag import format_etag
from fhir_server.core.instant import format_instant, now, parse_instant
from fhir_server.definitions.attached import FILE
from fhir_server.interactions import withheld
from fhir_server.interactions.accesses import note_history
from fhir_server.interactions.context import Answer, RequestContext
from fhir_server.interactions.file_holders import refuse_unread
from fhir_server.interactions.query import PRESENTATION
from fhir_server.interactions.read import not_found
from fhir_server.interactions.search import cursor_of
from fhir_server.policy import permitted, visible
from fhir_server.search.page import CURSOR_PARAMETER, PageState, Position, seal, unseal
from fhir_server.search.request import DEFAULT_COUNT, MAX_COUNT, Visible
from fhir_server.store import history as stored
from fhir_server.store.rows import Row

HORIZON = timedelta(seconds=60)
"""How long a transaction may run at most (MongoDB's transactionLifetimeLimitSeconds): what began to be written before
now less this has been committed or never will be."""

_STATUS = {"POST": "201", "PUT": "200", "PATCH": "200", "DELETE": "204"}


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    """What a history asks for: the page size and the earliest moment, and the pairs as they were applied."""

    count: int
    since: datetime | None
    applied: tuple[tuple[str, str], ...]

    @property
    def rows(self) -> int:
        """How many to read: one more than the page shows tells whether another page follows."""
        return self.count + 1


async def of_instance(context: RequestContext, type: str, id: str, pairs: Sequence[tuple[str, str]]) -> Answer:
    """200 with the versions of one resource, newest first. Raises FhirError 404 for an id that was never used, and for
    one of which no version was ever in the caller's reach.
    """
    request, state = _read(context, f"{type}/{id}", pairs)
    seen = permitted(context.sight, type, "r")
    database, ceiling = context.server.database, state.ceiling
    rows = await stored.of_instance(database, type, id, request.rows, request.since, ceiling, _after(state), seen)
    if not rows and not await stored.count_instance(database, type, id, visible=seen):
        raise not_found(type, id)
    if type == FILE:
        await refuse_unread(context, id, rows[0].owners if rows else ())
    total = await stored.count_instance(database, type, id, request.since, ceiling, seen)
    note_history(context, "history-instance", type, rows[: request.count])
    return _answer(context, f"{type}/{id}", request, state, rows, total)


async def of_type(context: RequestContext, type: str, pairs: Sequence[tuple[str, str]]) -> Answer:
    """200 with the versions of all resources of a type, newest first."""
    request, state = _read(context, type, pairs)
    seen = permitted(context.sight, type, "s")
    database, ceiling = context.server.database, state.ceiling
    rows = await stored.of_type(database, type, request.rows, request.since, ceiling, _after(state), seen)
    total = None
    if request.count == 0:
        total = await stored.count_type(database, type, request.since, ceiling, seen)
    note_history(context, "history-type", type, rows[: request.count])
    return _answer(context, type, request, state, rows, total)


async def of_system(context: RequestContext, pairs: Sequence[tuple[str, str]]) -> Answer:
    """200 with the versions of all resources of all types that were granted, newest first."""
    request, state = _read(context, "", pairs)

    def seen(type: str) -> Visible | None:
        return visible(context.sight, type, "s")

    database, ceiling = context.server.database, state.ceiling
    rows = await stored.of_system(database, request.rows, request.since, ceiling, _after(state), seen)
    total = None
    if request.count == 0:
        total = await stored.count_system(database, request.since, ceiling, seen)
    note_history(context, "history-system", "", rows[: request.count])
    return _answer(context, "", request, state, rows, total)


def _read(context: RequestContext, scope: str, pairs: Sequence[tuple[str, str]]) -> tuple[HistoryRequest, PageState]:
    cursor = cursor_of(context, pairs)
    if cursor is not None:
        server = context.server
        state = unseal(server.cursor_key, cursor, _bound(scope), context.sight.caller, now(), server.cursor_seconds)
        return _request(state.pairs), state
    request = _request(pairs, context.lenient)
    return request, PageState(request.applied, now(), None, False)


def _bound(scope: str) -> str:
    # A cursor of a search on the same type must not open here.
    return f"{scope}/_history"


def _request(pairs: Sequence[tuple[str, str]], lenient: bool = False) -> HistoryRequest:
    count, since = DEFAULT_COUNT, None
    applied: list[tuple[str, str]] = []
    for name, value in pairs:
        if name in PRESENTATION:
            continue
        if name in dict(applied):
            raise outcome.BAD_PARAMETER_VALUE(f"{name} is given more than once.", name)
        if name == "_count":
            if not (value.isascii() and value.isdigit() and len(value) <= 9):
                raise outcome.BAD_PARAMETER_VALUE("_count must be a whole number of 0 or more.", "_count")
            count = min(int(value), MAX_COUNT)
            applied.append(("_count", str(count)))
        elif name == "_since":
            # In a query an unescaped "+" of a time zone arrives as a space.
            since = parse_instant(value.replace(" ", "+"))
            if since is None:
                raise outcome.BAD_PARAMETER_VALUE(
                    "_since must be an instant with a time zone, such as 2026-01-01T00:00:00Z.", "_since"
                )
            applied.append((name, value))
        elif not lenient:
            raise outcome.UNKNOWN_PARAMETER(f"A history takes _count and _since, not '{name[:64]}'.", name[:64])
    return HistoryRequest(count, since, tuple(applied))


def _after(state: PageState) -> stored.HistoryPosition | None:
    if state.after is None:
        return None
    updated, version, type = state.after.keys
    # Only _answer seals such a state, so this holds; the cursor's binding keeps others out.
    assert isinstance(updated, datetime) and isinstance(version, int) and isinstance(type, str)
    return stored.HistoryPosition(updated, type, state.after.id, version)


def _answer(
    context: RequestContext,
    scope: str,
    request: HistoryRequest,
    state: PageState,
    rows: Sequence[Row],
    total: int | None,
) -> Answer:
    shown, more = rows[: request.count], len(rows) > request.count
    path = f"{scope}/_history" if scope else "_history"
    query = urlencode(request.applied)
    links = [{"relation": "self", "url": f"{context.base}/{path}" + (f"?{query}" if query else "")}]
    if more and shown:
        last = shown[-1]
        after = Position((last.updated, last.version, last.type), last.id)
        server = context.server
        following = PageState(state.pairs, state.ceiling, after, False)
        sealed = seal(server.cursor_key, following, _bound(scope), context.sight.caller, now())
        links.append({"relation": "next", "url": f"{context.base}/{path}?{CURSOR_PARAMETER}={sealed}"})
    # Up to this moment the page is final; a poller that goes on from here misses nothing that was committed late.
    horizon = format_instant(state.ceiling - HORIZON)
    head = b'{"resourceType":"Bundle","meta":{"lastUpdated":"%b"},"type":"history"' % horizon.encode()
    if total is not None:
        head += b',"total":%d' % total
    head += b',"link":' + encode(links)
    drawn = [_entry(context, row) for row in shown]
    return Answer(200, head + (b',"entry":[' + b",".join(drawn) + b"]}" if drawn else b"}"))


def _entry(context: RequestContext, row: Row) -> bytes:
    local = f"{row.type}/{row.id}"
    entry = b'{"fullUrl":' + encode(f"{context.base}/{local}")
    if row.body is not None:
        entry += b',"resource":' + withheld.shown(context, row.body)
    request = {"method": row.method, "url": row.type if row.method == "POST" else local}
    response = {
        "status": "201" if row.version == 1 else _STATUS[row.method],
        "etag": format_etag(row.version),
        "lastModified": format_instant(row.updated),
    }
    return entry + b',"request":' + encode(request) + b',"response":' + encode(response) + b"}"
