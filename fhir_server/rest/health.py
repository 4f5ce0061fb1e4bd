"""`/livez` and `/readyz`: whether the process runs, and whether it can do its work; what is missing is said.

They take any Host, because orchestrators ask under addresses of their own, and show nothing of a record, of the
database or of its place. https://kubernetes.io/docs/reference/using-api/health-checks/
"""

import asyncio
import time
from dataclasses import dataclass

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from fhir_server.core.outcome import FhirError
from fhir_server.definitions.registry import resource_types
from fhir_server.interactions.context import Server
from fhir_server.rest.metrics import refuse_other_methods
from fhir_server.store import check, parameter_sets
from fhir_server.store.index_watch import IndexWatch

LIVE_PATH = "/livez"
READY_PATH = "/readyz"

ANSWER_SECONDS = 2.0
"""Orchestrators wait for one to ten seconds."""
FRESH_SECONDS = 0.5
"""For how long an answer is given again, so that nobody can load the database by asking."""

_R4_TYPES = 146
_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Look:
    """One thing looked at: its name, whether requests can be served with it so, and what was found."""

    name: str
    ok: bool
    found: str


def health_routes() -> tuple[Route, Route]:
    """The two routes. They stand beside the FHIR base, not under it."""
    return Route(LIVE_PATH, _Live(), methods=None), Route(READY_PATH, _Ready(), methods=None)


class _Live:
    """200 as long as the event loop turns; MongoDB's troubles are no reason to start the process again."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refuse_other_methods(Request(scope, receive))
        await _json(200, {"status": "alive"})(scope, receive, send)


class _Ready:
    """200 where this worker can serve requests, else 503 with what is missing."""

    def __init__(self) -> None:
        self._looks: tuple[Look, ...] = ()
        self._until = 0.0
        self._running: asyncio.Task[tuple[Look, ...]] | None = None
        self._was_ready: bool | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        refuse_other_methods(request)
        looks = await self._looked(request.app.state.server, request.app.state.indexes)
        missing = [f"{look.name}: {look.found}" for look in looks if not look.ok]
        self._say(missing)
        answer = {
            "status": "not ready" if missing else "ready",
            **({"missing": missing} if missing else {}),
            "checks": {look.name: look.found for look in looks},
        }
        await _json(503 if missing else 200, answer)(scope, receive, send)

    async def _looked(self, server: Server, indexes: IndexWatch) -> tuple[Look, ...]:
        """What was found a moment ago, or what is found now; all who ask meanwhile wait for the same look."""
        if time.monotonic() < self._until:
            return self._looks
        if self._running is None:
            self._running = asyncio.create_task(looks(server, indexes))
            self._running.add_done_callback(self._keep)
        return await asyncio.shield(self._running)

    def _keep(self, done: asyncio.Task[tuple[Look, ...]]) -> None:
        self._running = None
        if not done.cancelled() and done.exception() is None:
            self._looks, self._until = done.result(), time.monotonic() + FRESH_SECONDS

    def _say(self, missing: list[str]) -> None:
        """Log when the answer turns, not each time it is asked for."""
        if self._was_ready != (not missing):
            self._was_ready = not missing
            if missing:
                log.warning("not ready", missing=missing)
            else:
                log.info("ready")


async def looks(server: Server, indexes: IndexWatch) -> tuple[Look, ...]:
    """MongoDB, search parameters, indexes, definitions, in this order; within ANSWER_SECONDS."""
    found: list[Look] = []
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            found.append(await _mongodb(server))
            found.append(await _search_parameters(server))
    except TimeoutError:
        found.append(Look("mongodb", False, f"no primary answered within {ANSWER_SECONDS:.0f} s"))
    except FhirError as error:
        # Ours are sentences for clients, which name no host.
        found.append(Look("mongodb" if not found else "search parameters", False, error.issues[0].text))
    return (*found, _indexes(indexes), _definitions())


async def _mongodb(server: Server) -> Look:
    problems = check.unmet(await check.deployment(server.database))
    return Look("mongodb", not problems, problems[0] if problems else "a primary answers")


async def _search_parameters(server: Server) -> Look:
    """A change under way is said, and no reason to be sent no requests: each worker is in it alike."""
    agreed = await parameter_sets.existing(server.database)
    parameter_sets.refuse_newer(agreed)
    if time.monotonic() > server.parameters.until:
        return Look("search parameters", False, "this worker has lost touch with its database")
    if agreed.renewing:
        return Look("search parameters", True, "all resources are being indexed again; until then a search is a 503")
    if agreed.state != "live":
        return Look("search parameters", True, "resources are being indexed for new ones")
    return Look("search parameters", True, "settled")


def _indexes(watch: IndexWatch) -> Look:
    if watch.missing is None:
        return Look("indexes", watch.were_complete, "not looked at yet")
    if not watch.missing:
        return Look("indexes", True, "all there")
    return Look("indexes", watch.were_complete, f"missing or being made: {', '.join(watch.missing)}")


def _definitions() -> Look:
    count = len(resource_types())
    return Look("definitions", count == _R4_TYPES, f"R4, {count} resource types")


def _json(status: int, content: object) -> Response:
    return Response(msgspec.json.encode(content) + b"\n", status, _HEADERS, media_type="application/json")
