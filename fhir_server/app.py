"""Composition: settings to a running application. The only place that sees every part."""

import asyncio
import gc
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import fields, replace
from functools import partial
from typing import Any

import structlog
from fastapi import FastAPI
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

import fhir_server
from fhir_server import chores, logs, observability, tracing
from fhir_server.core.proxied import AgeBands
from fhir_server.definitions.parameter_set import InForce
from fhir_server.demo_accounts import demo_accounts_loaded
from fhir_server.directory import RecordDirectory
from fhir_server.file_scan import FileScan
from fhir_server.interactions.context import Server
from fhir_server.interactions.hold_expiry import HoldExpiry
from fhir_server.loading.demo import demo_loaded
from fhir_server.master_key import vault_master
from fhir_server.notices import Notices
from fhir_server.operations.table import OPERATIONS
from fhir_server.portal import portal_of, portal_refusal
from fhir_server.record_writer import RecordWriter
from fhir_server.registrar import RegistrySponsoring
from fhir_server.rest.api_pages import ApiPages
from fhir_server.rest.context import BASE_PATH, sign_in_base
from fhir_server.rest.cors import Cors
from fhir_server.rest.health import health_routes
from fhir_server.rest.html import assets_route
from fhir_server.rest.landing import Demo, landing_route
from fhir_server.rest.metrics import metrics_route
from fhir_server.rest.middleware import Surroundings
from fhir_server.rest.openapi import openapi_route
from fhir_server.rest.proxies import Proxies
from fhir_server.rest.routes import MostAsked, routes
from fhir_server.settings import Settings, auth_refusal
from fhir_server.store import keys, mongo
from fhir_server.store.audit import Auditor
from fhir_server.store.documents import DatabaseDocuments
from fhir_server.store.index_watch import IndexWatch
from fhir_server.store.vault import Vault
from fhir_server.worker import at_work
from seeds.accounts import users
from seeds.examples import EXAMPLES
from seeds.stories import STORIES
from smart_auth.access import AccessContext, Guard, NotAdmitted
from smart_auth.authorization import Authorization
from smart_auth.documents import Change
from smart_auth.key_seal import CannotOpen, KeySeal
from smart_auth.keys import Keys
from smart_auth.mail import Outbox
from smart_auth.settings import SmartSettings

log = structlog.get_logger()

OAUTH_ENDPOINTS = tuple(
    (name, f"/auth/{name}") for name in ("authorize", "token", "register", "manage", "introspect", "revoke")
)
"""As SMART's extension `oauth-uris` names them."""

CROSS_ORIGIN_ENDPOINTS = tuple(
    f"/auth/{name}" for name in ("token", "register", "introspect", "revoke", "userinfo", "jwks", "style")
)
"""What apps in browsers call from pages of their own; everything else under /auth is a page that a person looks at."""

_OTHERWISE = {"open_registration": "registers_everyone", "open_to_systems": "registers_systems"}
"""Those of smart_auth's settings that ours name otherwise."""


def create_app(settings: Settings | None = None, guard: Guard | None = None) -> FastAPI:
    """The ASGI application of one worker; it opens its own database connections when it starts.

    A `guard` takes the place of the one that the settings ask for, and they are not refused then.
    Raises ValueError where access control may not be as it is set.
    """
    settings = settings or Settings()
    refusal = auth_refusal(settings)
    if refusal is not None and guard is None:
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
                holds = HoldExpiry(app.state.server, worker.id)
                beside = [_end_with_parent(), app.state.indexes.run(), holds.run(), chores.run(database, worker.id)]
                async with _signing_in(app, settings, worker.id, guard) as sign_in:
                    settle_memory()
                    tasks = [asyncio.create_task(work) for work in (*beside, *sign_in)]
                    log.info("worker started", version=fhir_server.__version__)
                    yield
                    for task in tasks:
                        task.cancel()
        finally:
            await tracing.end(app.state.spans)
            await mongo.close(database)
            log.info("worker ended")

    app = _Application(
        title="fhir-server",
        version=fhir_server.__version__,
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.guard = guard or (_Closed() if settings.auth == "smart" else None)
    app.state.max_body_bytes = settings.max_body_bytes
    app.router.routes.extend([*routes(), openapi_route(EXAMPLES), metrics_route(), *health_routes(), *_pages(settings)])
    app.add_middleware(Surroundings)
    if settings.auth == "smart":
        app.add_middleware(Cors, origins=partial(_origins, app), endpoints=CROSS_ORIGIN_ENDPOINTS)
    # Outermost: nothing after it looks at a header that only a proxy may send.
    app.add_middleware(Proxies, trusted=frozenset(settings.trusted_proxies), card_header=settings.card_header)
    return app


class _Application(FastAPI):
    """FastAPI with the layers that we add, and none of its own around them: `Surroundings` answers every error, and
    bodies are bounded where they are read. Six layers took 40 to 80 µs of each request. Traces are ours too, so that
    nobody need look for FastAPI's.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or self.middleware_stack is None:
            await super().__call__(scope, receive, send)
        else:
            scope["app"] = self
            await self.middleware_stack(scope, receive, send)

    def build_middleware_stack(self) -> ASGIApp:
        app: ASGIApp = MostAsked(self.router)
        for layer, args, options in reversed(self.user_middleware):
            app = layer(app, *args, **options)
        return app


class _Closed:
    """The guard until sign-in is ready."""

    async def admitted(self, authorization: str | None) -> AccessContext:
        raise NotAdmitted(None, "The server is starting. Try again shortly.", 503)

    async def visited(self, address: str) -> None:
        await self.admitted(None)


@asynccontextmanager
async def _signing_in(
    app: FastAPI, settings: Settings, worker: str, guard: Guard | None
) -> AsyncIterator[list[Coroutine[Any, Any, None]]]:
    """Sign-in and audit for as long as the block runs, where the settings or a `guard` ask for them.

    Gives the work that is to go on beside requests.
    """
    if settings.auth == "off" and guard is None:
        yield []
        return
    server: Server = app.state.server
    auditor = auditor_of(settings, server.database, worker)
    await auditor.begin()
    app.state.auditor = auditor
    authorization = await sign_in(settings, server, auditor)
    await authorization.keys.begin()
    app.state.authorization = authorization
    registry = authorization.portal.registry
    app.state.server = replace(server, sponsoring=None if registry is None else RegistrySponsoring(registry))
    app.state.guard = guard or authorization.guard
    added = authorization.routes()
    app.router.routes.extend(added)
    mail = authorization.portal.mail
    told = Notices(
        app.state.server,
        RecordWriter(app.state.server, auditor, server.own_bases[0]),
        DatabaseDocuments(server.database, Change),
        mail if isinstance(mail, Outbox) else None,
        own_bases(settings)[0].removesuffix(BASE_PATH),
        settings.help_desk,
    )
    try:
        yield [authorization.run(), auditor.run(), told.run()]
    finally:
        app.router.routes[:] = [route for route in app.router.routes if route not in added]
        await authorization.end()
        await auditor.end()


def _origins(app: FastAPI) -> frozenset[str]:
    authorization: Authorization | None = getattr(app.state, "authorization", None)
    return frozenset() if authorization is None else authorization.clients.origins()


def _pages(settings: Settings) -> list[Route]:
    """What a person at a browser is shown besides answers."""
    signs_in = settings.auth == "smart"
    demo = Demo(STORIES, demo_loaded, users(), demo_accounts_loaded)
    landing = landing_route(demo, signs_in=signs_in, shows_mailbox=settings.shows_mailbox)
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
        vault=Vault(vault_master(settings)),
    )


def own_bases(settings: Settings) -> tuple[str, ...]:
    """The configured base; without one, the names that loopback has on the port served."""
    if settings.base_url is not None:
        return (settings.base_url,)
    hosts = dict.fromkeys((settings.host, "127.0.0.1", "localhost", "[::1]"))
    return tuple(f"http://{host}:{settings.port}{BASE_PATH}" for host in hosts)


def auditor_of(settings: Settings, database: mongo.Database, worker: str) -> Auditor:
    """The audit log of one process."""
    return Auditor(
        database,
        worker,
        burst_count=settings.security_alert_refusals,
        burst_seconds=settings.security_alert_seconds,
    )


async def sign_in(settings: Settings, server: Server, auditor: Auditor) -> Authorization:
    """The authorization server of one process, over the database that all share.

    Raises ValueError, in words for whoever runs the server, for settings that cannot be used.
    """
    refusal = portal_refusal(settings)
    if refusal is not None:
        raise ValueError(refusal)
    documents = DatabaseDocuments(server.database, Change)
    values = {each.name: getattr(settings, _OTHERWISE.get(each.name, each.name)) for each in fields(SmartSettings)}
    return Authorization.compose(
        documents,
        RecordDirectory(server),
        auditor,
        SmartSettings(**values),
        lambda: int(time.time()),
        frozenset(server.own_bases).__contains__,
        sign_in_base,
        seal=key_seal(settings),
        portal=await portal_of(settings, server, auditor, documents),
        blocked_passwords=settings.password_blocklist,
    )


def key_seal(settings: Settings) -> KeySeal | None:
    """What seals the keys that sign tokens; None where the settings name no key for that.

    Raises ValueError, in words for whoever runs the server, where the file cannot be used.
    """
    path = settings.key_encryption_key_file
    if path is None:
        return None
    try:
        return KeySeal(path.read_bytes())
    except OSError as error:
        raise ValueError(f"FHIR_KEY_ENCRYPTION_KEY_FILE cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise ValueError(f"FHIR_KEY_ENCRYPTION_KEY_FILE is wrong: {error}") from error


async def unsigned(settings: Settings, database: mongo.Database) -> str | None:
    """Why the server could sign no token on this database, with the remedy; None where it can."""
    try:
        await Keys(DatabaseDocuments(database, Change), lambda: int(time.time()), seal=key_seal(settings)).begin()
    except CannotOpen as error:
        return (
            f"{error} Set FHIR_KEY_ENCRYPTION_KEY_FILE to the file it was sealed with; if that is lost, "
            "`fhir-server keys rotate --at-once` makes a new key."
        )
    except ValueError as error:
        return str(error)
    return None


@asynccontextmanager
async def administration(settings: Settings, database: mongo.Database) -> AsyncIterator[Authorization]:
    """The same for one command, with an audit log of its own."""
    auditor = auditor_of(settings, database, f"{socket.gethostname()}-{os.getpid()}-command")
    try:
        yield await sign_in(settings, await compose(settings, database, InForce()), auditor)
    finally:
        # Nobody keeps what is said on a terminal.
        await auditor.end(says_anchor=not sys.stderr.isatty())


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
        care_relation_days=settings.care_relation_days,
        oauth_endpoints=OAUTH_ENDPOINTS if settings.auth == "smart" else (),
        card_for=frozenset(settings.card_for),
        age_bands=AgeBands(settings.proxy_limited_years, settings.proxy_adult_years),
        help_desk=settings.help_desk,
        operations=OPERATIONS,
        scan=FileScan(settings.scan_command) if settings.scan_command else None,
    )
