"""Composition: settings to a running application. The only place that sees every part."""

import asyncio
import gc
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import fhir_server
from fhir_server import logs, observability, tracing
from fhir_server.core import outcome
from fhir_server.definitions.parameter_set import InForce
from fhir_server.interactions.context import Server
from fhir_server.loading.demo import demo_loaded
from fhir_server.rest.api_pages import ApiPages
from fhir_server.rest.context import BASE_PATH
from fhir_server.rest.health import health_routes
from fhir_server.rest.html import assets_route
from fhir_server.rest.landing import Demo, landing_route
from fhir_server.rest.metrics import metrics_route
from fhir_server.rest.middleware import Surroundings
from fhir_server.rest.openapi import openapi_route
from fhir_server.rest.routes import routes
from fhir_server.settings import Settings, auth_refusal
from fhir_server.store import keys, mongo
from fhir_server.store.index_watch import IndexWatch
from fhir_server.worker import at_work
from seeds.examples import EXAMPLES
from seeds.stories import STORIES

log = structlog.get_logger()


def create_app(settings: Settings | None = None) -> FastAPI:
    """The ASGI application of one worker; it opens its own database connections when it starts.

    Raises ValueError where access control may not be as it is set.
    """
    settings = settings or Settings()
    refusal = auth_refusal(settings)
    if refusal is not None:
        raise ValueError(refusal)
    logs.configure(settings.log_format, settings.log_level)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if settings.metrics_dir is not None:
            observability.keep_in(settings.metrics_dir)
        database = open_database(settings)
        app.state.spans = tracing.begin(settings.otel_endpoint)
        try:
            async with at_work(database, own_bases(settings)) as worker:
                app.state.server = await compose(settings, database, worker.in_force)
                app.state.indexes = IndexWatch(database)
                settle_memory()
                beside = [asyncio.create_task(work) for work in (_end_with_parent(), app.state.indexes.run())]
                log.info("worker started", version=fhir_server.__version__)
                yield
                for task in beside:
                    task.cancel()
        finally:
            await tracing.end(app.state.spans)
            await mongo.close(database)
            log.info("worker ended")

    app = FastAPI(
        title="fhir-server",
        version=fhir_server.__version__,
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.max_body_bytes = settings.max_body_bytes
    # Reads first, because most requests are; the document before the search of a type, which would take its path.
    reads, *others = routes()
    app.router.routes.extend([reads, openapi_route(EXAMPLES), *others, metrics_route(), *health_routes(), *_pages()])
    app.add_exception_handler(HTTPException, _unrouted)
    app.add_middleware(Surroundings)
    return app


def _pages() -> list[Route]:
    """What a person at a browser is shown besides answers."""
    landing = landing_route(Demo(STORIES, demo_loaded), signs_in=False)
    return [landing, *ApiPages(EXAMPLES).routes(), assets_route()]


async def _end_with_parent() -> None:
    """End this worker where the process that started it was killed, so that none is left holding the port."""
    parent = multiprocessing.parent_process()
    while parent is not None:
        await asyncio.sleep(1)
        if not parent.is_alive():
            os.kill(os.getpid(), signal.SIGTERM)
            return


def settle_memory() -> None:
    """Leave what lives as long as the process out of the garbage collector's rounds, and make these rarer.

    Resources are trees that reference counting frees; a round over a large Bundle only costs time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def open_database(settings: Settings) -> mongo.Database:
    """Connections to the configured MongoDB; none is made before the first use."""
    if settings.mongodb_uri is None:
        raise ValueError("FHIR_MONGODB_URI is not set; `fhir-server serve` sets it to the embedded MongoDB it starts.")
    return mongo.connect(
        settings.mongodb_uri.get_secret_value(),
        settings.mongodb_database,
        settings.mongodb_driver,
        search_seconds=settings.search_seconds,
    )


def own_bases(settings: Settings) -> tuple[str, ...]:
    """The configured base; without one, the names that loopback has on the port served."""
    if settings.base_url is not None:
        return (settings.base_url,)
    hosts = dict.fromkeys((settings.host, "127.0.0.1", "localhost", "[::1]"))
    return tuple(f"http://{host}:{settings.port}{BASE_PATH}" for host in hosts)


async def compose(settings: Settings, database: mongo.Database, parameters: InForce) -> Server:
    """The parts that the requests of one worker share. `parameters` are kept up to date by `worker.at_work`."""
    return Server(
        database=database,
        cursor_key=await keys.server_key(database, "cursor"),
        cursor_seconds=int(settings.cursor_hours * 3600),
        base_url=settings.base_url,
        own_bases=own_bases(settings),
        custodian=settings.custodian,
        second_check=settings.second_check == "core",
        parameters=parameters,
    )


async def _unrouted(request: Request, error: Exception) -> Response:
    raise outcome.UNKNOWN_ROUTE(
        "There is nothing at this path. The FHIR base is /fhir; /fhir/metadata says what it offers."
    )
