"""`GET /metrics`: how long the phases of interactions take, in the text format that Prometheus reads.

Labels are names out of the code, so that nothing of a record and nobody's name is in them.
https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from collections.abc import Iterable
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from fhir_server.core import outcome
from fhir_server.observability import BUCKETS, PhaseTotal, totals
from fhir_server.rest.context import request_context

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
    if request.method not in ("GET", "HEAD"):
        error = outcome.METHOD_NOT_ALLOWED(f"{request.method} is not possible here; GET, HEAD are.")
        error.headers = {"Allow": "GET, HEAD"}
        raise error
    request_context(request)
    return Response(generate_latest(_registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)


class _PhaseCollector(Collector):
    """What all workers counted, as it stands when it is asked for."""

    def collect(self) -> Iterable[Metric]:
        family = HistogramMetricFamily(
            "fhir_search_phase_seconds",
            "Seconds that each phase of an interaction took.",
            labels=("interaction", "phase"),
        )
        for (interaction, phase), total in sorted(totals().items()):
            family.add_metric((interaction, phase), _cumulative(total), total.seconds)
        yield family


def _cumulative(total: PhaseTotal) -> list[tuple[str, float]]:
    return list(zip(_BOUNDS, map(float, accumulate(total.counts)), strict=True))


_registry = CollectorRegistry(auto_describe=False)
_registry.register(_PhaseCollector())
