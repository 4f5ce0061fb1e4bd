"""From an HTTP request to what the interactions take: RequestContext, Conditions, query pairs, body.

https://hl7.org/fhir/R4/http.html
"""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from fhir_server.core import outcome
from fhir_server.core.codec import decode
from fhir_server.core.instant import parse_http_date
from fhir_server.interactions.context import NO_CONDITIONS, Conditions, RequestContext, ReturnPreference, Server
from fhir_server.rest.negotiate import refuse_unreadable

BASE_PATH = "/fhir"
MAX_PAIRS = 1000

_CONDITIONS = frozenset({b"if-match", b"if-none-match", b"if-modified-since", b"if-none-exist"})
_HOST = re.compile(r"[A-Za-z0-9.\-]+(?::\d{1,5})?|\[[0-9A-Fa-f:.]+\](?::\d{1,5})?").fullmatch
_RETURNS: dict[str, ReturnPreference] = {
    "minimal": "minimal",
    "representation": "representation",
    "OperationOutcome": "OperationOutcome",
}


def request_context(request: Request) -> RequestContext:
    """The request without its HTTP. Raises FhirError 400 for a Host header that names no host."""
    server: Server = request.app.state.server
    base = server.base_url or _requested_base(request)
    preferences = Preferences()
    prefer = request.headers.getlist("prefer")
    if prefer:
        preferences = _preferences(",".join(prefer))
    return RequestContext(
        server,
        request.state.request_id,
        base,
        preferences.lenient,
        preferences.prefer_return,
        preferences.only_changes,
    )


def _requested_base(request: Request) -> str:
    host = request.headers.get("host", "")
    if not _HOST(host):
        raise outcome.BAD_HEADER("The Host header names no host.", "Host")
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
    for part in re.split(r"[,;]", prefer):
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
    sent = {name: value.decode("latin-1") for name, value in request.scope["headers"] if name in _CONDITIONS}
    if not sent:
        return NO_CONDITIONS
    since = sent.get(b"if-modified-since")
    return Conditions(
        if_match=sent.get(b"if-match"),
        if_none_match=sent.get(b"if-none-match"),
        if_modified_since=parse_http_date(since) if since else None,
        if_none_exist=sent.get(b"if-none-exist"),
    )


def query_pairs(request: Request) -> list[tuple[str, str]]:
    """The query's decoded pairs in their order. Raises FhirError 400 for what is not UTF-8 or has too many pairs."""
    return _pairs(request.scope["query_string"])


def _pairs(encoded: bytes) -> list[tuple[str, str]]:
    if not encoded:
        return []
    try:
        return parse_qsl(encoded.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_PAIRS)
    except (UnicodeDecodeError, ValueError):
        raise outcome.BAD_PARAMETER_VALUE(
            f"The query must be percent-encoded UTF-8 with at most {MAX_PAIRS} parameters."
        ) from None


async def form_pairs(request: Request, max_bytes: int) -> list[tuple[str, str]]:
    """The pairs of a POST _search: those of the URL, then those of the form.

    Raises FhirError 415 for another media type than a form, 413 over the limit.
    """
    pairs = query_pairs(request)
    body = await body_bytes(request, max_bytes)
    name = (request.headers.get("content-type") or "").split(";")[0].strip().lower()
    if body and name != "application/x-www-form-urlencoded":
        raise outcome.UNSUPPORTED_MEDIA_TYPE(
            "The body of a POST _search must be application/x-www-form-urlencoded.", "Content-Type"
        )
    return pairs + _pairs(body.strip())


async def content(request: Request, max_bytes: int) -> Any:
    """The decoded JSON body.

    Raises FhirError 415 for another media type, 413 over the limit, 400 for an empty or malformed body.
    """
    refuse_unreadable(request.headers.get("content-type"), request.headers.get("content-encoding"))
    body = await body_bytes(request, max_bytes)
    if not body.strip():
        raise outcome.EMPTY_BODY("The request has no body; send the resource as JSON.")
    return decode(body)


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
