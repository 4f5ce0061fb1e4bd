"""The command line: serve, load, reindex and check; what the other commands are is in cli_*."""

import asyncio
import os
import resource
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer
import uvicorn
from pydantic import SecretStr
from rich.markup import escape
from rich.table import Table
from uvicorn.config import STARTUP_FAILURE

from fhir_server import tracing
from fhir_server.cli_accounts import accounts
from fhir_server.cli_audit import audit
from fhir_server.cli_beneficiaries import beneficiaries
from fhir_server.cli_cards import cards
from fhir_server.cli_clients import clients
from fhir_server.cli_keys import master_key
from fhir_server.cli_seeds import load_demo_where_empty, seeds
from fhir_server.cli_start import DATA_DIR, console, errors, mongodb, settings_of, stop
from fhir_server.cli_tokens import signing_keys, tokens
from fhir_server.settings import Settings, auth_refusal
from fhir_server.supervisor import Supervisor

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
app.add_typer(seeds, name="seeds")
app.add_typer(clients, name="client")
app.add_typer(accounts, name="account")
app.add_typer(beneficiaries, name="beneficiary")
app.add_typer(cards, name="card")
app.add_typer(tokens, name="token")
app.add_typer(signing_keys, name="keys")
app.add_typer(master_key, name="master-key")
app.add_typer(audit, name="audit")

OPEN_FILES_WANTED = 4096
"""Two files for each collection and index the embedded MongoDB opens, and a socket for each connection."""

BACKLOG = 2048
"""Connections that wait to be taken, as uvicorn has it; the system may hold it to less (net.core.somaxconn)."""

WORKER_SILENT_SECONDS = 60
"""A worker process that is silent for this long is taken for hung and replaced."""

HOST = Annotated[str | None, typer.Option("--host", help="Address to listen on.  [default: 127.0.0.1]")]
PORT = Annotated[int | None, typer.Option("--port", help="Port to listen on; 0 takes a free one.  [default: 8080]")]
WORKERS = Annotated[int | None, typer.Option("--workers", help="Server processes.  [default: 1]")]
AUTH = Annotated[str | None, typer.Option("--auth", help="Who may come in: smart or off.  [default: smart]")]
DEMO = Annotated[
    bool | None, typer.Option("--demo/--no-demo", help="Load the demo population if there is no resource at all yet.")
]


@app.callback()
def about() -> None:
    """A FHIR R4 interoperability server."""


@app.command()
def serve(
    host: HOST = None,
    port: PORT = None,
    data_dir: DATA_DIR = None,
    workers: WORKERS = None,
    auth: AUTH = None,
    demo: DEMO = None,
) -> None:
    """Serve FHIR R4 at http://HOST:PORT/fhir; starts a private MongoDB where FHIR_MONGODB_URI is not set."""
    settings = settings_of(host=host, port=port, data_dir=data_dir, workers=workers, auth=auth, demo=demo)
    refusal = auth_refusal(settings) or tracing.refusal(settings.otel_endpoint)
    if refusal is not None:
        stop(refusal)
    listening = _listening(settings)
    with mongodb(settings) as uri, _metrics_dir(settings) as folder:
        # The port that 0 became, so that the workers know under which URLs references mean this server.
        settings = settings.model_copy(update={"port": listening.getsockname()[1], "metrics_dir": folder})
        _say_settings(settings, uri)
        asyncio.run(_refuse_unusable(settings, uri))
        asyncio.run(_say_outdated(settings, uri))
        if settings.demo:
            asyncio.run(load_demo_where_empty(settings, uri))
        try:
            # Here and not in the workers: uvloop says nothing where another server listens on the port by now.
            listening.listen(BACKLOG)
        except OSError as error:
            _cannot_listen(settings, error)
        console.print(f"FHIR base: http://{settings.host}:{listening.getsockname()[1]}/fhir", highlight=False)
        # A server that is told to end has done its work: exit code 0, after the embedded MongoDB has stopped.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        _run_server(settings, listening)


@app.command()
def load(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Files or folders: Bundles, resources, NDJSON, .gz too.")
    ],
    data_dir: DATA_DIR = None,
    url: Annotated[
        str | None, typer.Option("--url", metavar="BASE", help="Load into the FHIR server at this base.")
    ] = None,
    token: Annotated[
        str | None, typer.Option("--token", envvar="FHIR_LOAD_TOKEN", help="The access token for --url.")
    ] = None,
) -> None:
    """Load FHIR resources into the database, or into a running server; twice adds nothing where they have ids."""
    from fhir_server.loading.sources import files

    if url is not None and data_dir is not None:
        stop("Say either --data-dir or --url: the resources go to one place.")
    try:
        found = files(paths)
    except FileNotFoundError as error:
        stop(f"There is no file or folder {error}.")
    if not found:
        stop("No .json, .ndjson or .jsonl file (plain or .gz) was found there.")
    settings = settings_of(data_dir=data_dir)
    rejected = asyncio.run(_load_into_server(found, url, token)) if url else _load_into_database(found, settings)
    if rejected:
        raise typer.Exit(1)


@app.command()
def reindex(data_dir: DATA_DIR = None) -> None:
    """Show how far the resources are indexed by a changed set of search parameters; index them where no server runs."""
    settings = settings_of(data_dir=data_dir)
    with mongodb(settings) as uri:
        asyncio.run(_reindex_with_uri(settings, uri))


@app.command()
def check(data_dir: DATA_DIR = None) -> None:
    """Check settings, MongoDB version and replica set, indexes, definitions and the open-file limit."""
    from fhir_server.check import findings

    settings = settings_of(data_dir=data_dir)
    table = Table("", "what", "found", box=None)
    failed = False
    with mongodb(settings) as uri:
        for finding in asyncio.run(findings(settings, uri)):
            failed = failed or not finding.fine
            table.add_row("[green]ok[/]" if finding.fine else "[red]no[/]", finding.what, escape(finding.found))
    console.print(table)
    if failed:
        raise typer.Exit(1)


def _listening(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        _cannot_listen(settings, error)
    listening.set_inheritable(True)
    return listening


def _cannot_listen(settings: Settings, error: OSError) -> NoReturn:
    stop(f"Cannot listen on {settings.host} port {settings.port}: {error.strerror}. Choose another with --port.")


@contextmanager
def _metrics_dir(settings: Settings) -> Iterator[Path | None]:
    """Where the workers keep their counts, so that each can answer for all; one worker alone keeps them to itself."""
    if settings.metrics_dir is not None or settings.workers == 1:
        if settings.metrics_dir is not None and not os.access(settings.metrics_dir, os.W_OK | os.X_OK):
            stop("FHIR_METRICS_DIR names no folder that this user may write in: make it, or unset the variable.")
        yield settings.metrics_dir
        return
    with tempfile.TemporaryDirectory(prefix="fhir-metrics-") as name:
        yield Path(name)


def _say_settings(settings: Settings, uri: str) -> None:
    """Hand the settings of this command to the worker processes, which read them from the environment."""
    os.environ["FHIR_MONGODB_URI"] = uri
    for name in ("host", "port", "workers", "auth", "metrics_dir", "data_dir"):
        value = getattr(settings, name)
        if value is not None:
            os.environ[f"FHIR_{name.upper()}"] = str(value)


async def _refuse_unusable(settings: Settings, uri: str) -> None:
    from fhir_server.check import unusable

    sentence = await unusable(settings, uri)
    if sentence is not None:
        stop(sentence)


async def _say_outdated(settings: Settings, uri: str) -> None:
    from fhir_server.check import outdated

    sentence = await outdated(settings, uri)
    if sentence is not None:
        console.print(sentence, highlight=False, soft_wrap=True)


def _run_server(settings: Settings, listening: socket.socket) -> None:
    from fhir_server.rest.protocol import BoundedHttpProtocol

    config = uvicorn.Config(
        "fhir_server.app:create_app",
        factory=True,
        workers=settings.workers,
        loop="uvloop",
        http=BoundedHttpProtocol,
        log_config=None,
        log_level="warning",
        access_log=False,
        # Whom a proxy of ours speaks for is decided by rest.proxies, which also takes from others what they forward.
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=20,
        # uvicorn closes after 5 s, often just when a client sends its next request.
        timeout_keep_alive=75,
        # uvicorn kills a worker that does not answer its supervisor for 5 s, and with it what clients sent there; a
        # machine that stalls for a moment must not cost a healthy worker.
        timeout_worker_healthcheck=WORKER_SILENT_SECONDS,
    )
    if settings.workers > 1:
        supervisor = Supervisor(config, sockets=[listening])
        supervisor.run()
        if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
            raise typer.Exit(STARTUP_FAILURE)
    else:
        uvicorn.Server(config).run(sockets=[listening])


def _load_into_database(found: list[Path], settings: Settings) -> bool:
    with mongodb(settings) as uri:
        return asyncio.run(_load_with_uri(found, settings, uri))


async def _load_with_uri(found: list[Path], settings: Settings, uri: str) -> bool:
    from fhir_server.app import compose, open_database, own_bases, settle_memory
    from fhir_server.loading.destinations import DatabaseDestination
    from fhir_server.loading.progress import load_and_show
    from fhir_server.store import mongo
    from fhir_server.worker import at_work

    await _refuse_unusable(settings, uri)
    database = open_database(settings.model_copy(update={"mongodb_uri": SecretStr(uri)}))
    try:
        settle_memory()
        async with at_work(database, own_bases(settings), serves=False) as worker:
            destination = DatabaseDestination(await compose(settings, database, worker.in_force))
            tally = await load_and_show(found, destination, console, errors)
            if not worker.in_force.is_settled:
                console.print("Search parameters are being brought into force: see `fhir-server reindex`.")
        return bool(tally.rejections)
    finally:
        await mongo.close(database)


async def _reindex_with_uri(settings: Settings, uri: str) -> None:
    from fhir_server.app import open_database, own_bases
    from fhir_server.reindexing import reindex_and_show
    from fhir_server.store import mongo

    await _refuse_unusable(settings, uri)
    database = open_database(settings.model_copy(update={"mongodb_uri": SecretStr(uri)}))
    try:
        await reindex_and_show(database, own_bases(settings), console)
    finally:
        await mongo.close(database)


async def _load_into_server(found: list[Path], url: str, token: str | None) -> bool:
    import httpx

    from fhir_server.loading.destinations import ServerDestination
    from fhir_server.loading.progress import load_and_show

    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(timeout=120, headers=headers) as client:
        destination = ServerDestination(client, url.rstrip("/"))
        return bool((await load_and_show(found, destination, console, errors)).rejections)


def main() -> None:
    """Run the command line."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < OPEN_FILES_WANTED and (hard == resource.RLIM_INFINITY or soft < hard):
        wanted = OPEN_FILES_WANTED if hard == resource.RLIM_INFINITY else min(OPEN_FILES_WANTED, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    # Unwinding instead of dying at once, so that a load too leaves no mongod behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
