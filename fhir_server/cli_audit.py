"""The command `audit verify`: whether the audit log is as it was written."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import SecretStr
from rich.markup import escape
from rich.table import Table

from fhir_server.cli_start import DATA_DIR, console, mongodb, settings_of, stop
from fhir_server.core.outcome import FhirError
from fhir_server.settings import Settings

if TYPE_CHECKING:
    from fhir_server.store.audit_chain import Head
    from fhir_server.store.audit_check import Verdict

audit = typer.Typer(no_args_is_help=True, help="The audit log: who saw and did what.")

ANCHORS = Annotated[
    Path | None,
    typer.Option(
        "--anchors", metavar="FILE", help="A log of the server, or a part of it with its `audit anchor` lines."
    ),
]

_ZERO = datetime(1970, 1, 1, tzinfo=UTC)


@audit.callback()
def about() -> None:
    """The audit log: who saw and did what."""


@audit.command()
def verify(anchors: ANCHORS = None, data_dir: DATA_DIR = None) -> None:
    """Find what was changed, removed or put in behind the server's back; exit code 1 where anything was."""
    noted = _anchors(anchors)
    settings = settings_of(data_dir=data_dir)
    with mongodb(settings) as uri:
        found = asyncio.run(_verdicts(settings, uri, noted))
    console.print(_table(found))
    broken = [verdict for verdict in found if verdict.broken]
    rows = sum(verdict.rows for verdict in found)
    if broken:
        console.print(f"{len(broken)} of {len(found)} chains are not as they were written.", highlight=False)
        raise typer.Exit(1)
    known = f", {len(noted)} anchors among them" if anchors is not None else ""
    console.print(f"All {rows:,} rows are as they were written{known}.", highlight=False)


def _anchors(path: Path | None) -> "Sequence[Head]":
    from fhir_server.store.audit_check import anchors

    if path is None:
        return ()
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            found = list(anchors(lines))
    except OSError as error:
        stop(f"Cannot read {path}: {error.strerror}.")
    if not found:
        stop(f"There is no line `audit anchor` in {path}.")
    return found


async def _verdicts(settings: Settings, uri: str, noted: "Sequence[Head]") -> "list[Verdict]":
    from fhir_server.app import open_database
    from fhir_server.store import mongo
    from fhir_server.store.audit_check import verdicts

    database = open_database(settings.model_copy(update={"mongodb_uri": SecretStr(uri)}))
    try:
        return await verdicts(database, noted)
    except FhirError as error:
        stop(error.issues[0].text)
    finally:
        await mongo.close(database)


def _table(found: "Sequence[Verdict]") -> Table:
    table = Table("", "chain", box=None)
    table.add_column("rows", justify="right")
    for heading in ("from", "to", "found"):
        table.add_column(heading)
    for verdict in found:
        table.add_row(
            "[red]no[/]" if verdict.broken else "[green]ok[/]",
            escape(verdict.chain),
            f"{verdict.rows:,}",
            _moment(verdict.first_at),
            _moment(verdict.last_at),
            escape(verdict.broken or "whole"),
        )
    return table


def _moment(at: int | None) -> str:
    return "" if at is None else (_ZERO + timedelta(milliseconds=at)).strftime("%Y-%m-%d %H:%M:%S")
