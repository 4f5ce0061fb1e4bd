"""A page of search results as a Bundle, written around the stored bytes without decoding them.

https://hl7.org/fhir/R4/bundle.html#searchset
"""

from collections.abc import Sequence
from urllib.parse import quote

import msgspec

from fhir_server.core.codec import encode
from fhir_server.core.outcome import Issue, operation_outcome
from fhir_server.interactions.context import RequestContext
from fhir_server.search.page import CURSOR_PARAMETER
from fhir_server.search.request import SearchRequest

_PLAIN_IN_QUERIES = ",:|/$"


class Shown(msgspec.Struct, frozen=True):
    """A resource of a page: its place below the base (`Patient/p1`, `Patient/p1#c` for a contained one) and its JSON.

    `score` is 0 to 1, None where nothing was asked that it could measure.
    """

    place: str
    body: bytes
    score: float | None = None


class Entries(msgspec.Struct, frozen=True):
    """The resources of a page by columns: their places, their JSON and, where they are scored, the scores of all."""

    places: Sequence[str] = ()
    bodies: Sequence[bytes] = ()
    scores: Sequence[float] = ()


NO_ENTRIES = Entries()


def entries_of(shown: Sequence[Shown]) -> Entries:
    """The columns of these resources, which are all scored or none."""
    scores = [each.score for each in shown if each.score is not None]
    return Entries([each.place for each in shown], [each.body for each in shown], scores)


class SearchPage(msgspec.Struct, frozen=True):
    """What one page shows. `path` is where it was asked below the base: `Patient`, `Patient/p1/Condition`, or empty.

    `total` is None where it is not known; `next_cursor` where no page follows. `warnings` are said besides the
    request's own. `asked` is the query of the self link, made of the request where it is None.
    """

    path: str
    request: SearchRequest
    matches: Entries
    total: int | None
    next_cursor: str | None
    included: Entries = NO_ENTRIES
    warnings: tuple[Issue, ...] = ()
    asked: str | None = None


def searchset(context: RequestContext, page: SearchPage) -> bytes:
    """The Bundle as compact JSON: links, total if known, matches in order, what they include, warnings last."""
    url = f"{context.base}/{page.path}" if page.path else context.base
    links = [{"relation": "self", "url": _self_url(url, page)}]
    if page.next_cursor is not None:
        links.append({"relation": "next", "url": f"{url}?{CURSOR_PARAMETER}={page.next_cursor}"})
    head = b'{"resourceType":"Bundle","type":"searchset"'
    if page.total is not None:
        head += b',"total":%d' % page.total
    head += b',"link":' + encode(links)
    entries = drawn_entries(context, page.matches, b"match")
    if page.included.places:
        entries += drawn_entries(context, page.included, b"include")
    warnings = (*page.request.warnings, *page.warnings)
    if warnings:
        drawn = operation_outcome(warnings, context.request_id)
        entries += (b',{"resource":', encode(drawn), b',"search":{"mode":"outcome"}}')
    # FHIR's JSON has no empty arrays: a page without entries has no `entry` at all.
    if not entries:
        return head + b"}"
    entries[0] = head + b',"entry":[' + entries[0][1:]
    return b"".join((*entries, b"]}"))


def drawn_entries(context: RequestContext, shown: Entries, mode: bytes) -> list[bytes]:
    """The pieces of entries, each entry with a comma before it: joined once, so that a body is copied once.

    `mode` is that of `Bundle.entry.search`.
    """
    # A URL and an id are made of characters that JSON writes as they are.
    start, middle = b',{"fullUrl":"' + context.base.encode() + b"/", b'","resource":'
    pieces = [start, b"", middle, b"", b',"search":{"mode":"' + mode + b'"}}'] * len(shown.places)
    # By columns: 9 µs for 50 entries, piece by piece 21.
    pieces[1::5] = [place.encode() for place in shown.places]
    pieces[3::5] = shown.bodies
    if shown.scores:
        pieces[4::5] = [_scored(mode, score) for score in shown.scores]
    return pieces


def _scored(mode: bytes, score: float) -> bytes:
    return b',"search":{"mode":"%b","score":%.2f}}' % (mode, score)


def query_of(request: SearchRequest) -> str:
    """The query of a search as it was understood, percent-encoded."""
    return "&".join([f"{name}={quote(value, _PLAIN_IN_QUERIES)}" for name, value in request.applied])


def _self_url(url: str, page: SearchPage) -> str:
    query = query_of(page.request) if page.asked is None else page.asked
    return f"{url}?{query}" if query else url
