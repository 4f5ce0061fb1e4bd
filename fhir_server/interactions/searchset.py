"""A page of search results as a Bundle, written around the stored bytes without decoding them.

https://hl7.org/fhir/R4/bundle.html#searchset
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from fhir_server.core.codec import encode
from fhir_server.core.outcome import operation_outcome
from fhir_server.interactions.context import RequestContext
from fhir_server.search.page import CURSOR_PARAMETER
from fhir_server.search.request import SearchRequest
from fhir_server.store.search import SearchRow

_PLAIN_IN_QUERIES = ",:|/$"


@dataclass(frozen=True, slots=True)
class SearchPage:
    """What one page shows. `total` is None where it is not known; `next_cursor` where no page follows."""

    request: SearchRequest
    rows: Sequence[SearchRow]
    total: int | None
    next_cursor: str | None


def searchset(context: RequestContext, page: SearchPage) -> bytes:
    """The Bundle as compact JSON: links, total if known, matches in order, warnings last as an outcome entry."""
    url = f"{context.base}/{page.request.type}"
    links = [{"relation": "self", "url": _self_url(url, page)}]
    if page.next_cursor is not None:
        links.append({"relation": "next", "url": f"{url}?{CURSOR_PARAMETER}={page.next_cursor}"})
    head = b'{"resourceType":"Bundle","type":"searchset"'
    if page.total is not None:
        head += b',"total":%d' % page.total
    head += b',"link":' + encode(links)
    # A URL and an id are made of characters that JSON writes as they are.
    start, middle, end = b'{"fullUrl":"' + url.encode() + b"/", b'","resource":', b',"search":{"mode":"match"}}'
    entries = [b"%b%b%b%b%b" % (start, row.id.encode(), middle, row.body, end) for row in page.rows]
    if page.request.warnings:
        drawn = operation_outcome(page.request.warnings, context.request_id)
        entries.append(b'{"resource":' + encode(drawn) + b',"search":{"mode":"outcome"}}')
    # FHIR's JSON has no empty arrays: a page without entries has no `entry` at all.
    return head + (b',"entry":[' + b",".join(entries) + b"]}" if entries else b"}")


def _self_url(url: str, page: SearchPage) -> str:
    query = "&".join(f"{name}={quote(value, _PLAIN_IN_QUERIES)}" for name, value in page.request.applied)
    return f"{url}?{query}" if query else url
