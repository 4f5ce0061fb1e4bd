"""Spans of requests and their phases for OpenTelemetry, where an endpoint is set and the extra `otel` is installed.

Attributes are names out of the code, resource types and numbers: no paths, ids or values of a request.
https://opentelemetry.io/docs/specs/semconv/http/http-spans/, https://www.w3.org/TR/trace-context/
"""

import asyncio
import os
import threading
import time
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from typing import Any

import structlog

from fhir_server import __version__, observability

AMBIENT = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
"""OpenTelemetry's own variables; each switches spans on as FHIR_OTEL_ENDPOINT does."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_FLUSH_SECONDS = 3.0

log = structlog.get_logger()

Headers = Iterable[tuple[bytes, bytes]]


def refusal(endpoint: str | None) -> str | None:
    """Why spans cannot be sent to the endpoint that is set, with the remedy; None where they can, or none is set."""
    if endpoint is not None and not is_installed():
        return (
            "FHIR_OTEL_ENDPOINT is set, but OpenTelemetry is not installed: "
            "pip install 'fhir-server[otel]', or unset it."
        )
    return None


def is_installed() -> bool:
    """Whether the extra `otel` is there."""
    try:
        return find_spec("opentelemetry.sdk") is not None and find_spec("opentelemetry.exporter.otlp") is not None
    except ModuleNotFoundError:
        return False


class Spans:
    """Makes the spans of one process and sends them in the background; what cannot be sent is dropped."""

    def __init__(self, endpoint: str | None) -> None:
        from opentelemetry import context, trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        named = os.environ.get("OTEL_SERVICE_NAME", "fhir-server")
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": named, "service.version": __version__}), shutdown_on_exit=False
        )
        sent_to = f"{endpoint.rstrip('/')}/v1/traces" if endpoint else None
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=sent_to)))
        self._tracer = self._provider.get_tracer("fhir_server", __version__)
        self._propagator = TraceContextTextMapPropagator()
        self._context, self._trace = context, trace

    def began(self, headers: Headers) -> "RequestSpan":
        """The span of a request, under that of its sender where the headers name one; phases come under it."""
        # Not `tracestate`: it is up to 8 KB of the sender's own words, and would be sent on with each span.
        sent = [value.decode("latin-1") for name, value in headers if name == b"traceparent"]
        parent = self._propagator.extract({"traceparent": sent[-1]}) if sent else None
        span = self._tracer.start_span("request", context=parent, kind=self._trace.SpanKind.SERVER)
        token = self._context.attach(self._trace.set_span_in_context(span))
        return RequestSpan(self, span, token)

    def ended(self, token: Any) -> None:
        """Go back to the context from before a span."""
        self._context.detach(token)

    def failed(self) -> Any:
        """The status of a span whose request the server could not answer."""
        return self._trace.Status(self._trace.StatusCode.ERROR)

    def phase(self, name: str, seconds: float) -> None:
        """A span that ends now, under the one of this task's request."""
        end = time.time_ns()
        span = self._tracer.start_span(name, start_time=end - int(seconds * 1_000_000_000))
        span.end(end)

    async def close(self) -> None:
        """Send what is left, for at most some seconds: a collector that is away must not hold up the end."""
        flushing = threading.Thread(target=self._provider.shutdown, name="spans-sent", daemon=True)
        flushing.start()
        await asyncio.to_thread(flushing.join, _FLUSH_SECONDS)


class RequestSpan:
    """The span of one request that has not ended."""

    __slots__ = ("_span", "_spans", "_token")

    def __init__(self, spans: Spans, span: Any, token: Any) -> None:
        self._spans = spans
        self._span = span
        self._token = token

    def end(self, interaction: str, type: str | None, method: str, status: int) -> None:
        """Name it by what it was, and end it."""
        span = self._span
        span.update_name(f"{interaction} {type}" if type else interaction)
        attributes: dict[str, str | int] = {
            "http.request.method": method if method in _METHODS else "_OTHER",
            "fhir.interaction": interaction,
        }
        if type:
            attributes["fhir.resource_type"] = type
        if status:
            attributes["http.response.status_code"] = status
        span.set_attributes(attributes)
        if status >= 500 or status == 0:
            span.set_status(self._spans.failed())
        self._spans.ended(self._token)
        span.end()


def begin(endpoint: str | None, environment: Mapping[str, str] = os.environ) -> Spans | None:
    """Spans from now on, where this setting or OpenTelemetry's own variables name where to; else None."""
    if endpoint is None and not any(environment.get(name) for name in AMBIENT):
        return None
    if not is_installed():
        log.warning("spans are not sent: OpenTelemetry is not installed (the extra otel)")
        return None
    spans = Spans(endpoint)
    observability.watch_phases(spans.phase)
    return spans


async def end(spans: Spans | None) -> None:
    """No more spans; send those that are left."""
    if spans is not None:
        observability.watch_phases(None)
        await spans.close()
