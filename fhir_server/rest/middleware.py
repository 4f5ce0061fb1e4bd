"""What surrounds every request: its id, an answer whatever happens inside, its line in the log, its count, its span.

One pure ASGI layer. It takes 9.5 µs of CPU, 5 of them for the line; an id and an answer alone took 2.6.
"""

import re
import secrets
from time import perf_counter

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fhir_server import logs, observability
from fhir_server.core import outcome
from fhir_server.core.outcome import FhirError
from fhir_server.definitions.registry import is_resource_type
from fhir_server.interactions.unforeseen import log_refused_command, unforeseen
from fhir_server.rest.errors import error_response
from fhir_server.rest.health import LIVE_PATH, READY_PATH
from fhir_server.rest.metrics import PATH as METRICS_PATH
from fhir_server.tracing import RequestSpan, Spans

PROBES = frozenset({LIVE_PATH, READY_PATH, METRICS_PATH})
"""What machines ask every few seconds: neither counted nor logged."""

UNROUTED = "unrouted"
OTHER = "other"
"""Interactions of requests that met no route, and of those whose route names none: pages and documents."""

# What also is a FHIR id, because it becomes the id of an OperationOutcome.
_REQUEST_ID = re.compile(rb"[A-Za-z0-9\-.]{1,64}").fullmatch
_NOSNIFF = (b"x-content-type-options", b"nosniff")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Surroundings:
    """Gives each request an id (the client's X-Request-Id where it is usable) and answers what nothing else did."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _sent_id(scope) or secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        sending = _Sending(send, request_id)
        if scope["path"] in PROBES:
            await self._answered(scope, receive, sending)
            return
        began = perf_counter()
        observability.request_began()
        spans: Spans | None = getattr(scope["app"].state, "spans", None) if "app" in scope else None
        span = spans.began(scope["headers"]) if spans is not None else None
        try:
            await self._answered(scope, receive, sending)
        finally:
            _note(scope, sending, perf_counter() - began, span)

    async def _answered(self, scope: Scope, receive: Receive, sending: "_Sending") -> None:
        try:
            await self.app(scope, receive, sending)
        except FhirError as error:
            log_refused_command(sending.request_id, error)
            if sending.status:
                raise
            await error_response(sending.request_id, error)(scope, receive, sending)
        except HTTPException as error:
            if sending.status:
                raise
            await error_response(sending.request_id, _unrouted(scope, error))(scope, receive, sending)
        except Exception as error:
            if sending.status:
                raise
            await error_response(sending.request_id, unforeseen(sending.request_id, error))(scope, receive, sending)


class _Sending:
    """The way out of one answer: puts the request's id among its headers, and knows its status and bytes."""

    __slots__ = ("request_id", "send", "size", "status")

    def __init__(self, send: Send, request_id: str) -> None:
        self.send = send
        self.request_id = request_id
        self.status = 0
        self.size = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = message["headers"]
            headers.append((b"x-request-id", self.request_id.encode()))
            if _NOSNIFF not in headers:
                headers.append(_NOSNIFF)
        else:
            self.size += len(message.get("body", b""))
        await self.send(message)


def _note(scope: Scope, sent: _Sending, seconds: float, span: RequestSpan | None) -> None:
    """Count, log and trace a request that is over. Whatever of it is said is a name out of our own tables."""
    interaction = scope["state"].get("interaction") or (OTHER if "endpoint" in scope else UNROUTED)
    type = scope.get("path_params", {}).get("type")
    if type is not None and not is_resource_type(type):
        type = None
    method = scope["method"] if scope["method"] in _METHODS else "OTHER"
    observability.request_ended(interaction, sent.status, seconds)
    if span is not None:
        span.end(interaction, type, method, sent.status)
    logs.request(sent.request_id, interaction, type, method, sent.status, seconds, sent.size)


def _unrouted(scope: Scope, error: HTTPException) -> FhirError:
    """What the router says of a path, or of a method, that it does not have."""
    if error.status_code == 405:
        allow = (error.headers or {}).get("Allow", "")
        refusal = outcome.METHOD_NOT_ALLOWED(f"{scope['method']} is not possible here; {allow} is.")
        refusal.headers = {"Allow": allow}
        return refusal
    return outcome.UNKNOWN_ROUTE(
        "There is nothing at this path. The FHIR base is /fhir; /fhir/metadata says what it offers."
    )


def _sent_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            return value.decode() if _REQUEST_ID(value) else None
    return None
