"""Spans for OpenTelemetry: sent to a real OTLP receiver, under the caller's trace, with nothing of a record in them."""

import gzip
import json
import os
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest

from fhir_server import tracing
from tests.conftest import StartServer
from tests.require import ROOT
from tests.rest.test_logs import MARK, busy_session

pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the extra otel is not installed")

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
SOON = {"OTEL_BSP_SCHEDULE_DELAY": "100"}


@dataclass(slots=True)
class Receiver:
    """A collector that takes spans by OTLP over HTTP. `bodies` is what came, unpacked."""

    port: int
    bodies: list[bytes] = field(default_factory=list)
    paths: set[str] = field(default_factory=set)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def spans(self) -> list[Any]:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        requests = [ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        return [
            span
            for request in requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def resources(self) -> list[dict[str, str]]:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        return [
            {each.key: each.value.string_value for each in resource.resource.attributes}
            for body in self.bodies
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        ]

    def until(self, name: str, seconds: float = 15) -> Any:
        """The first span of this name."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for span in self.spans():
                if span.name == name:
                    return span
            time.sleep(0.05)
        raise AssertionError(f"no span {name} came, but {sorted({span.name for span in self.spans()})}")


@contextmanager
def receiving() -> Iterator[Receiver]:
    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            is_packed = self.headers.get("content-encoding") == "gzip"
            taken.bodies.append(gzip.decompress(body) if is_packed else body)
            taken.paths.add(self.path)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Threaded(socketserver.ThreadingMixIn, HTTPServer):
        daemon_threads = True

    listening = Threaded(("127.0.0.1", 0), Collector)
    taken = Receiver(listening.server_address[1])
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    try:
        yield taken
    finally:
        listening.shutdown()
        listening.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def attributes(span: Any) -> dict[str, Any]:
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


def test_a_request_is_a_span_under_its_callers_with_its_phases_below(server: StartServer, receiver: Receiver) -> None:
    running = server(settings={"FHIR_OTEL_ENDPOINT": receiver.endpoint, **SOON})
    sent = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=words-of-the-sender"}
    assert httpx.get(f"{running.base}/Patient?name=x", headers=sent, trust_env=False).status_code == 200
    span = receiver.until("search-type Patient")
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)
    assert span.kind == span.SPAN_KIND_SERVER
    assert attributes(span) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "fhir.interaction": "search-type",
        "fhir.resource_type": "Patient",
    }
    phases = [receiver.until(name) for name in ("parse", "narrow", "plan", "store", "bundle")]
    for phase in phases:
        assert (phase.trace_id, phase.parent_span_id) == (span.trace_id, span.span_id)
        assert span.start_time_unix_nano - 1_000_000 <= phase.start_time_unix_nano <= phase.end_time_unix_nano
        assert phase.end_time_unix_nano <= span.end_time_unix_nano + 1_000_000
    assert receiver.paths == {"/v1/traces"}
    assert receiver.resources()[0]["service.name"] == "fhir-server"
    assert b"words-of-the-sender" not in b"".join(receiver.bodies)


def test_a_request_without_a_trace_begins_one_and_a_failure_is_marked(server: StartServer, receiver: Receiver) -> None:
    running = server(settings={"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint, **SOON})
    httpx.get(f"{running.base}/Patient/nobody", trust_env=False)
    span = receiver.until("read Patient")
    assert span.parent_span_id == b""
    assert attributes(span)["http.response.status_code"] == 404
    assert span.status.code == span.status.STATUS_CODE_UNSET, "a 404 is the client's"


def test_spans_that_are_left_are_sent_at_the_end_and_hold_nothing_that_was_sent_or_stored(
    server: StartServer, receiver: Receiver
) -> None:
    running = server(workers=2, settings={"FHIR_OTEL_ENDPOINT": receiver.endpoint})
    busy_session(running.base)
    assert running.stop() == 0
    assert len(receiver.spans()) > 40
    everything = b"".join(receiver.bodies).lower()
    assert MARK.lower().encode() not in everything
    assert b"mongodb://" not in everything


def test_a_collector_that_is_away_holds_up_neither_answers_nor_the_end(server: StartServer) -> None:
    running = server(settings={"FHIR_OTEL_ENDPOINT": "http://127.0.0.1:9", **SOON})
    for _ in range(5):
        assert httpx.get(f"{running.base}/Patient", trust_env=False).status_code == 200
    assert running.stop() == 0
    for line in running.output().splitlines():
        assert line.startswith("FHIR base:") or isinstance(json.loads(line), dict)


def test_without_an_endpoint_nothing_of_opentelemetry_is_even_imported() -> None:
    program = (
        "import sys; from fhir_server.settings import Settings; from fhir_server.app import create_app;"
        "create_app(Settings(auth='off')); print([name for name in sys.modules if 'opentelemetry.sdk' in name])"
    )
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("FHIR_", "OTEL_"))}
    said = subprocess.check_output([sys.executable, "-c", program], cwd=ROOT, env=inherited, text=True)
    assert said.strip() == "[]"


def test_an_endpoint_without_the_extra_is_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "is_installed", lambda: False)
    said = tracing.refusal("http://127.0.0.1:4318")
    assert said is not None and "fhir-server[otel]" in said
    assert tracing.refusal(None) is None
    # OpenTelemetry's own variable may be meant for other programs of the machine.
    assert tracing.begin(None, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}) is None
