"""`GET /metrics`: how long interactions and their phases take, and how the workers are, in Prometheus' text format.

Labels are names out of the code, so that nothing of a record and nobody's name is in them.
https://prometheus.io/docs/instrumenting/exposition_formats/, https://prometheus.io/docs/practices/naming/
"""

import platform
from collections.abc import Iterable
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

import fhir_server
from fhir_server.core import outcome
from fhir_server.observability import BUCKETS, Kind, Total, totals, workers
from fhir_server.rest.context import open_context

PATH = "/metrics"

_BOUNDS = (*map(floatToGoString, BUCKETS), "+Inf")


def metrics_route() -> Route:
    """The route. It stands beside the FHIR base, not under it."""
    return Route(PATH, _Metrics(), methods=None)


class _Metrics:
    """The endpoint; a class, because the router leaves methods to it, and refusals of them are outcomes here."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _answer(Request(scope, receive))(scope, receive, send)


def _answer(request: Request) -> Response:
    """Raises FhirError 405 for other methods, 400 for a Host that this server is not known by."""
    refuse_other_methods(request)
    open_context(request)
    return Response(
        generate_latest(_registry), headers={"cache-control": "no-store"}, media_type=CONTENT_TYPE_PLAIN_0_0_4
    )


def refuse_other_methods(request: Request) -> None:
    """Raise FhirError 405 for what neither reads nor asks for the headers alone."""
    if request.method not in ("GET", "HEAD"):
        error = outcome.METHOD_NOT_ALLOWED(f"{request.method} is not possible here; GET, HEAD are.")
        error.headers = {"Allow": "GET, HEAD"}
        raise error


class _CountsCollector(Collector):
    """What all workers counted, as it stands when it is asked for."""

    def collect(self) -> Iterable[Metric]:
        yield _histogram(
            "fhir_request_duration_seconds",
            "Seconds from a request's headers to the end of its answer, by interaction and class of status.",
            "request",
            "status",
        )
        yield _histogram(
            "fhir_phase_duration_seconds", "Seconds that each phase of an interaction took.", "phase", "phase"
        )
        yield from _workers()


class _BuildCollector(Collector):
    """Which build answers."""

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily(
            "fhir_build_info", "1, with what was built as labels.", labels=("version", "python_version", "fhir_version")
        )
        family.add_metric((fhir_server.__version__, platform.python_version(), "4.0.1"), 1.0)
        yield family


def _histogram(name: str, what: str, kind: Kind, label: str) -> Metric:
    family = HistogramMetricFamily(name, what, labels=("interaction", label))
    for (interaction, value), total in sorted(totals(kind).items()):
        family.add_metric((interaction, value), _cumulative(total), total.seconds)
    return family


def _cumulative(total: Total) -> list[tuple[str, float]]:
    return list(zip(_BOUNDS, map(float, accumulate(total.counts)), strict=True))


def _workers() -> Iterable[Metric]:
    living, ever = workers()
    yield GaugeMetricFamily("fhir_workers", "Server processes that live.", len(living))
    yield CounterMetricFamily("fhir_workers_started", "Server processes that were started, ended ones included.", ever)
    yield GaugeMetricFamily(
        "fhir_requests_in_flight", "Requests being answered.", sum(worker.in_flight for worker in living)
    )
    yield GaugeMetricFamily(
        "fhir_workers_resident_memory_bytes",
        "Memory of all server processes together, without MongoDB's.",
        sum(worker.resident_bytes for worker in living),
    )
    yield GaugeMetricFamily(
        "fhir_workers_start_time_seconds",
        "When the oldest living server process started, in seconds since 1970.",
        min((worker.started for worker in living), default=0.0),
    )


_registry = CollectorRegistry(auto_describe=False)
_registry.register(_CountsCollector())
_registry.register(_BuildCollector())
