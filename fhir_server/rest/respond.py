"""From an interaction's Answer to an HTTP response with the headers FHIR asks for.

https://hl7.org/fhir/R4/http.html#summary
"""

import re
from collections.abc import Mapping, Sequence

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from fhir_server.core import outcome
from fhir_server.core.codec import indented
from fhir_server.core.etag import format_etag
from fhir_server.core.instant import format_http_date
from fhir_server.interactions.bundle_entry import as_binary
from fhir_server.interactions.context import Answer, RequestContext
from fhir_server.rest.headers import lines
from fhir_server.rest.negotiate import FHIR_JSON, HTML, written_document, written_type
from fhir_server.rest.pages_answer import Shown, answer_page

KEPT_CLOSE = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
}
"""Headers of every answer: kept by no cache, taken for nothing but what it says, no part of other sites' pages.

Without the last any page on the web could tell by the load event of a script element which ids there are.
"""

_OF_FILES = {"content-security-policy": "sandbox; default-src 'none'", "content-disposition": "attachment"}
"""What somebody sent is saved, never run as a page of this server's (RFC 6266)."""

MAX_INDENTED_BYTES = 4 * 1024 * 1024
"""A larger answer is not indented: nobody else is served meanwhile, for 0.6 s with 17 MB of the deepest nesting, which
become 277 MB.
"""

_MAY_PRESENT = re.compile(rb"_format|_pretty|(?:^|&)[^=&]*%").search
"""Whether a query can have either parameter, escaped or not."""


class _Json(Response):
    """A response whose headers are made here: Starlette's own way to them takes twice the steps."""

    def __init__(self, body: bytes, status: int, headers: Mapping[str, str], media_type: str) -> None:
        self.status_code = status
        self.body = body
        self.background = None
        self.raw_headers = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        self.raw_headers += ((b"content-length", b"%d" % len(body)), (b"content-type", media_type.encode()))


async def respond(request: Request, answer: Answer, context: RequestContext, written: str) -> Response:
    """The response: JSON, indented where `_pretty=true`, or a page around it for a browser.

    `written` is the Content-Type that the request's head asks for; the form of a POST _search may say another.
    """
    headers = dict(KEPT_CLOSE)
    if answer.version is not None:
        headers["etag"] = format_etag(answer.version)
    if answer.updated is not None:
        headers["last-modified"] = format_http_date(answer.updated)
    if answer.location is not None:
        headers["location"] = f"{context.base}/{answer.location}"
    body = answer.body
    if body is None:
        return Response(None, answer.status, headers)
    if answer.stream is not None:
        headers |= _OF_FILES | {"content-length": str(answer.length), "content-type": answer.media_type or ""}
        return StreamingResponse(answer.stream, answer.status, headers)
    if answer.media_type is not None and written.startswith(FHIR_JSON) and request.scope["state"].get("document"):
        return _Json(as_binary(answer), answer.status, headers, written)
    if answer.media_type is not None:
        return _Json(body, answer.status, headers | _OF_FILES, answer.media_type)
    if "form" in request.scope["state"]:
        written = media_type(request)
    if written.startswith(HTML):
        return await answer_page(Shown(request.scope, context.base, context.own_bases, body, answer.status, headers))
    return _Json(_shown(request, body), answer.status, headers, written)


def media_type(request: Request, writes: Sequence[str] = ()) -> str:
    """The Content-Type of the answer, which is a document of one of the types `writes` where there are any.

    Raises FhirError 406 where the client accepts none that can be written, 400 for a `_pretty` that is no boolean.
    """
    accept = lines(request.scope, b"accept")
    if writes:
        request.scope["state"]["document"] = True
        return written_document(", ".join(accept), _presentation(request)[0], writes)
    return f"{written_type(', '.join(accept), _presentation(request)[0])}; charset=utf-8"


def _shown(request: Request, body: bytes) -> bytes:
    return indented(body) if len(body) <= MAX_INDENTED_BYTES and _presentation(request)[1] else body


def _presentation(request: Request) -> tuple[str | None, bool]:
    """`_format` and `_pretty`, from the query or the form of a POST _search."""
    scope = request.scope
    form: dict[str, str] = scope["state"].get("form", {})
    # Most requests say neither, and reading their query twice took 12 of the 1,200 µs of a search.
    if not form and not _MAY_PRESENT(scope["query_string"]):
        return None, False
    said = dict(request.query_params) | form
    pretty = said.get("_pretty", "false")
    if pretty not in ("true", "false"):
        raise outcome.BAD_PARAMETER_VALUE("_pretty is true or false.", "_pretty")
    return said.get("_format"), pretty == "true"
