"""search on one type, its first page and every next one. https://hl7.org/fhir/R4/search.html"""

from collections.abc import Sequence
from dataclasses import replace

from fhir_server.core import outcome
from fhir_server.core.instant import now
from fhir_server.interactions.context import Answer, RequestContext
from fhir_server.interactions.query import refuse_parameters
from fhir_server.interactions.searchset import SearchPage, searchset
from fhir_server.search.page import CURSOR_PARAMETER, PageState, Position, seal, unseal
from fhir_server.search.parse import parse
from fhir_server.search.plan import plan
from fhir_server.search.request import SearchRequest
from fhir_server.store import search as stored

CALLER = "everyone"
"""Whom a cursor is bound to as long as no one logs in."""


async def search(context: RequestContext, type: str, pairs: Sequence[tuple[str, str]]) -> Answer:
    """200 with a searchset of one page.

    Raises FhirError 400 with every parameter, modifier and value that cannot be used.
    """
    cursor = cursor_of(context, pairs)
    if cursor is not None:
        state = _state(context, type, cursor)
        request = parse(type, state.pairs, lenient=context.lenient or state.lenient, own_bases=context.own_bases)
        return await _page(context, request, state)
    request = parse(type, pairs, lenient=context.lenient, own_bases=context.own_bases)
    if request.count_only:
        return await _count(context, request)
    return await _page(context, request, PageState(tuple(pairs), now(), None, context.lenient))


def cursor_of(context: RequestContext, pairs: Sequence[tuple[str, str]]) -> str | None:
    """The cursor of a page link, None in a first request.

    Raises FhirError 400 where anything that would change the search stands beside it, or a second cursor.
    """
    cursors = [value for name, value in pairs if name == CURSOR_PARAMETER]
    if not cursors:
        return None
    refuse_parameters(context, pairs, taken=(CURSOR_PARAMETER,))
    if len(cursors) > 1:
        raise outcome.BAD_CURSOR(f"{CURSOR_PARAMETER} is given more than once.", CURSOR_PARAMETER)
    return cursors[0]


def _state(context: RequestContext, type: str, cursor: str) -> PageState:
    server = context.server
    return unseal(server.cursor_key, cursor, type, CALLER, now(), server.cursor_seconds)


async def _page(context: RequestContext, request: SearchRequest, state: PageState) -> Answer:
    server = context.server
    ceiling = state.ceiling if state.after is not None else None
    query = plan(request, ceiling, state.after, state.ceiling)
    found = await stored.find(server.database, query)
    rows, more = found[: request.count], len(found) > request.count
    next_cursor = None
    if more:
        position = Position(rows[-1].keys, rows[-1].id)
        next_cursor = seal(server.cursor_key, replace(state, after=position), request.type, CALLER, now())
    total: int | None = None
    if request.total == "accurate":
        # Under the ceiling of its page, so that total and entries speak of one moment.
        total = await stored.count(server.database, request.type, plan(request, ceiling, None, state.ceiling).filter)
    elif not more and state.after is None and request.total != "none":
        total = len(rows)
    page = SearchPage(request, rows, total, next_cursor)
    return Answer(200, searchset(context, page))


async def _count(context: RequestContext, request: SearchRequest) -> Answer:
    total = await stored.count(context.server.database, request.type, plan(request, None, None, now()).filter)
    return Answer(200, searchset(context, SearchPage(request, (), total, None)))
