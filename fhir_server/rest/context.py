"""From an HTTP request to what the interactions take: RequestContext, Conditions, query pairs, body.

https://hl7.org/fhir/R4/http.html
"""

import asyncio
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect, Request

from fhir_server.core import outcome
from fhir_server.core.codec import decode
from fhir_server.core.instant import parse_http_date
from fhir_server.formats.patched import Change
from fhir_server.interactions.context import NO_CONDITIONS, Conditions, RequestContext, ReturnPreference, Server
from fhir_server.interactions.off_loop import LARGE_BODY_BYTES, as_large, computed
from fhir_server.interactions.patch_document import change_of, media_type_of
from fhir_server.interactions.query import query_pairs
from fhir_server.policy import Sight
from fhir_server.rest.caller import sight_of, stranger
from fhir_server.rest.headers import lines
from fhir_server.rest.negotiate import refuse_unreadable

BASE_PATH = "/fhir"
MAX_SEARCH_BYTES = 32 * 1024
"""The text of one search. A link to its next page carries it, and longer URLs are cut off on the way."""

MAX_PREFERENCES = 64
"""Parts of a Prefer header that are read: 128 KB of commas took 0.35 s."""

_CONDITIONS = frozenset({b"if-match", b"if-none-match", b"if-modified-since", b"if-none-exist"})
# Only loopback is served, and the name of a configured base. Any other name in Host is one that somebody's web page
# made to point here (DNS rebinding), to read records through the browser of the person who runs the server.
_HOST = re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\])(?::\d{1,5})?", re.ASCII | re.IGNORECASE).fullmatch
_RETURNS: dict[str, ReturnPreference] = {
    "minimal": "minimal",
    "representation": "representation",
    "OperationOutcome": "OperationOutcome",
}


async def request_context(request: Request) -> RequestContext:
    """The request without its HTTP, and who sent it.

    Raises FhirError 400 for a Host that this server is not known by, 401, 429 or 503 as `sight_of` does.
    """
    server: Server = request.app.state.server
    base = base_of(request)
    return _context(request, server, base, await sight_of(request, server))


def open_context(request: Request) -> RequestContext:
    """The same for what everybody may see. Raises FhirError 400 for a Host that this server is not known by."""
    return _context(request, request.app.state.server, base_of(request), stranger(request))


def body_limit(request: Request) -> int:
    """Bytes that a body may have (setting `max_body_bytes`)."""
    limit: int = request.app.state.max_body_bytes
    return limit


def base_of(request: Request) -> str:
    """The FHIR base as the client writes it. Raises FhirError 400 for a Host that this server is not known by."""
    server: Server = request.app.state.server
    requested = _requested_base(request, server.base_url)
    return server.base_url or requested


def sign_in_base(request: Request) -> str:
    """The FHIR base by which a request to sign in knows this server: the client's own name for it, if it is one of
    ours. Raises FhirError 400 as `base_of` does.
    """
    server: Server = request.app.state.server
    requested = base_of(request)
    return requested if requested in server.own_bases else server.own_bases[0]


def _context(request: Request, server: Server, base: str, sight: Sight) -> RequestContext:
    preferences = Preferences()
    prefer = lines(request.scope, b"prefer")
    if prefer:
        preferences = _preferences(",".join(prefer))
    return RequestContext(
        server,
        request.scope["state"]["request_id"],
        base,
        preferences.lenient,
        preferences.prefer_return,
        preferences.only_changes,
        _body_bytes(request),
        sight,
    )


def _body_bytes(request: Request) -> int:
    if request.method in ("GET", "HEAD", "DELETE"):
        return 0
    declared = request.headers.get("content-length", "")
    # A body sent in chunks of unknown number counts as large.
    return int(declared) if declared.isascii() and declared.isdigit() else LARGE_BODY_BYTES + 1


def _requested_base(request: Request, configured: str | None) -> str:
    hosts = lines(request.scope, b"host")
    host = hosts[0] if len(hosts) == 1 else ""
    if not _HOST(host) and (configured is None or host.lower() != urlsplit(configured).netloc.lower()):
        raise outcome.BAD_HEADER(
            "The request needs one Host header with a name of loopback, such as localhost, or that of FHIR_BASE_URL.",
            "Host",
        )
    return f"{request.scope['scheme']}://{host}{BASE_PATH}"


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a Prefer header asks for (RFC 7240). `only-changes` is this server's own."""

    lenient: bool = False
    prefer_return: ReturnPreference | None = None
    only_changes: bool = False


def _preferences(prefer: str) -> Preferences:
    # RFC 7240: an unknown or malformed preference is ignored; the first of two equal ones counts.
    lenient, only_changes = False, False
    prefer_return: ReturnPreference | None = None
    for part in re.split(r"[,;]", prefer, maxsplit=MAX_PREFERENCES)[:MAX_PREFERENCES]:
        name, _, value = (piece.strip() for piece in part.partition("="))
        value = value.strip('"')
        if name.lower() == "handling" and value.lower() == "lenient":
            lenient = True
        elif name.lower() == "return" and prefer_return is None:
            prefer_return = _RETURNS.get(value)
        elif name.lower() == "only-changes":
            only_changes = True
    return Preferences(lenient, prefer_return, only_changes)


def conditions(request: Request) -> Conditions:
    """The precondition headers."""
    # One pass over the raw headers: asking Starlette's Headers for each name took 11 µs of a read.
    sent: dict[bytes, str] = {}
    for name, value in request.scope["headers"]:
        if name in _CONDITIONS:
            text = value.decode("latin-1")
            # RFC 9110 5.3: lines of one name are one list.
            sent[name] = f"{sent[name]}, {text}" if name in sent else text
    if not sent:
        return NO_CONDITIONS
    since = sent.get(b"if-modified-since")
    return Conditions(
        if_match=sent.get(b"if-match"),
        if_none_match=sent.get(b"if-none-match"),
        if_modified_since=parse_http_date(since) if since else None,
        if_none_exist=sent.get(b"if-none-exist"),
    )


def request_pairs(request: Request) -> list[tuple[str, str]]:
    """The query's decoded pairs in their order. Raises FhirError 400 for what is not UTF-8 or has too many pairs."""
    return query_pairs(raw_query(request))


def raw_query(request: Request) -> str:
    """The query as sent. Raises FhirError 400 for bytes that belong percent-encoded."""
    try:
        query: str = request.scope["query_string"].decode("ascii")
    except UnicodeDecodeError:
        raise outcome.BAD_PARAMETER_VALUE("The query must be percent-encoded UTF-8.") from None
    return query


async def form_pairs(request: Request) -> list[tuple[str, str]]:
    """The pairs of a POST _search: those of the URL, then those of the form.

    Raises FhirError 415 for another media type than a form, 413 for more text than a search takes.
    """
    body = await body_bytes(request, MAX_SEARCH_BYTES)
    name = (request.headers.get("content-type") or "").split(";")[0].strip().lower()
    if body and name != "application/x-www-form-urlencoded":
        raise outcome.UNSUPPORTED_MEDIA_TYPE(
            "The body of a POST _search must be application/x-www-form-urlencoded.", "Content-Type"
        )
    try:
        pairs = query_pairs(body.strip().decode("ascii"))
    except UnicodeDecodeError:
        raise outcome.NOT_A_FORM("The form must be percent-encoded UTF-8.") from None
    pairs = request_pairs(request) + pairs
    # What `_format` and `_pretty` say in the form holds as it would in the URL.
    request.state.form = dict(pairs)
    return pairs


async def content(request: Request, max_bytes: int) -> Any:
    """The decoded JSON body.

    Raises FhirError 415 for another media type, 413 over the limit, 400 for an empty or malformed body.
    """
    refuse_unreadable(request.headers.get("content-type"), request.headers.get("content-encoding"))
    return await _decoded(request, max_bytes)


def has_body(request: Request) -> bool:
    """Whether the request brings a body that is more than nothing."""
    declared = request.headers.get("content-length")
    return declared not in (None, "0") or "transfer-encoding" in request.headers


async def patch_change(request: Request, context: RequestContext, type: str, max_bytes: int) -> Change:
    """The change to a resource of `type` that the body asks for, in the form its media type names.

    Raises FhirError as `content` does, and 400 for what is no patch of that form.
    """
    content_type = request.headers.get("content-type")
    refuse_unreadable(content_type, request.headers.get("content-encoding"), is_patch=True)
    document = await _decoded(request, max_bytes)
    return await computed(as_large(context), change_of, media_type_of(content_type), document, type)


async def _decoded(request: Request, max_bytes: int) -> Any:
    body = await body_bytes(request, max_bytes)
    if not body.strip():
        raise outcome.EMPTY_BODY("The request has no body; send the resource as JSON.")
    return await asyncio.to_thread(decode, body) if len(body) > LARGE_BODY_BYTES else decode(body)


async def body_bytes(request: Request, max_bytes: int) -> bytes:
    """The whole body. Raises FhirError 413 as soon as it is known to be over the limit."""
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared) > max_bytes:
        raise _too_large(max_bytes)
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > max_bytes:
                raise _too_large(max_bytes)
            chunks.append(chunk)
    except ClientDisconnect:
        raise outcome.EMPTY_BODY("The connection ended before the body did.") from None
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _too_large(max_bytes: int) -> outcome.FhirError:
    return outcome.TOO_LARGE(f"The body is over the limit of {max_bytes} bytes. Send it in parts.")
