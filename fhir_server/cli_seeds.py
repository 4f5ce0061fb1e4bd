"""The commands `seeds generate` and `seeds demo`, and what `serve --demo` does before it listens."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import SecretStr
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from fhir_server.cli_start import console, errors, stop
from fhir_server.core.codec import encode
from fhir_server.core.outcome import FhirError
from fhir_server.core.resource import Resource
from fhir_server.settings import Settings

if TYPE_CHECKING:
    from fhir_server.loading.demo import Loaded
    from fhir_server.store.mongo import Database

MAX_PATIENTS = 900_000

seeds = typer.Typer(no_args_is_help=True, help="Write populations of invented people to files that `load` takes.")
OUTPUT = Annotated[Path, typer.Option("--output", metavar="FOLDER", help="A folder that is empty or not there yet.")]
AS_OF = Annotated[
    datetime | None,
    typer.Option("--as-of", formats=["%Y-%m-%d"], metavar="DATE", help="The day it is seen from.  [default: today]"),
]
GZIP = Annotated[bool, typer.Option("--gzip", help="Write .ndjson.gz.")]


@seeds.command()
def generate(
    patients: Annotated[int, typer.Option("--patients", min=1, max=MAX_PATIENTS, help="How many patients.")],
    output: OUTPUT,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another seed gives other people.")] = 1,
    as_of: AS_OF = None,
    gzip: GZIP = False,
) -> None:
    """Write the records of any number of generated patients, always the same for the same options.

    For load tests, and for a database of their own: facilities and calendars have the ids they have in the demo.
    """
    from seeds import generated

    resources = generated.population(patients, seed, _day(as_of))
    _write(resources, output, gzip, _Bar("Patients", patients, lambda resource: resource["resourceType"] == "Patient"))


@seeds.command()
def demo(output: OUTPUT, as_of: AS_OF = None, gzip: GZIP = False) -> None:
    """Write the demo population: the designed people and their stories, as `serve --demo` loads them."""
    from seeds import population

    resources = population.demo(_day(as_of))
    _write(resources, output, gzip, _Bar("Resources", len(resources), lambda _: True))


def _day(as_of: datetime | None) -> date:
    return as_of.date() if as_of else datetime.now(UTC).date()


@dataclass(frozen=True, slots=True)
class _Bar:
    """A progress bar: what it counts, up to how many, and which resources count."""

    title: str
    total: int
    counts: Callable[[Resource], bool]


def _write(resources: Iterable[Resource], folder: Path, is_gzipped: bool, bar: _Bar) -> None:
    from seeds import files

    _make_empty_folder(folder)
    counts: Counter[str] = Counter()
    started = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=errors, transient=True) as progress:
            task = progress.add_task(bar.title, total=bar.total)
            for resource in files.write(resources, folder, encode, is_gzipped=is_gzipped):
                counts[resource["resourceType"]] += 1
                if bar.counts(resource):
                    progress.advance(task)
    except OSError as error:
        stop(f"Cannot write to {folder}: {error.strerror}.")
    console.print(_table(counts))
    seconds = time.monotonic() - started
    rate = f"{counts.total() / max(seconds, 0.001):,.0f} resources/s"
    console.print(f"Written in {seconds:.1f} s ({rate}).", highlight=False)
    console.print(f"Load them with: fhir-server load {escape(str(folder))}", highlight=False, soft_wrap=True)


def _make_empty_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_empty = next(folder.iterdir(), None) is None
    except OSError as error:
        stop(f"Cannot write to {folder}: {error.strerror}. Name another folder with --output.")
    if not is_empty:
        stop(f"The folder {folder} is not empty. Name another with --output, or empty it.")


def _table(counts: Counter[str]) -> Table:
    table = Table("type", box=None)
    table.add_column("resources", justify="right")
    for type, count in sorted(counts.items()):
        table.add_row(type, f"{count:,}")
    table.add_row("all", f"{counts.total():,}", style="bold")
    return table


async def load_demo_where_empty(settings: Settings, uri: str) -> None:
    """Load the demo population where the database has nothing at all, and say so; leave any other alone."""
    from fhir_server.app import open_database
    from fhir_server.loading.demo import demo_loaded, demo_wanted
    from fhir_server.store import mongo

    database = open_database(settings.model_copy(update={"mongodb_uri": SecretStr(uri)}))
    try:
        loaded = await _load(settings, database) if await demo_wanted(database) else None
        if settings.auth == "smart" and await demo_loaded(database):
            await _add_accounts(settings, database)
    except FhirError as error:
        stop(
            f"The demo population could not be loaded: {error.issues[0].text} Start again: what is there already stays."
        )
    finally:
        await mongo.close(database)
    if loaded is not None:
        _say(loaded)


async def _add_accounts(settings: Settings, database: "Database") -> None:
    from fhir_server.app import administration
    from fhir_server.demo_accounts import add_demo_accounts

    async with administration(settings, database) as authorization:
        if await add_demo_accounts(database, authorization, _day(None)):
            console.print(
                "Added the demo accounts and apps: seeds/README.md and the server's own page list them.",
                highlight=False,
            )


async def _load(settings: Settings, database: "Database") -> "Loaded | None":
    from fhir_server.app import compose, own_bases
    from fhir_server.loading.demo import load_demo
    from fhir_server.loading.destinations import DatabaseDestination
    from fhir_server.worker import at_work

    async with at_work(database, own_bases(settings), serves=False) as worker:
        destination = DatabaseDestination(await compose(settings, database, worker.in_force))
        return await load_demo(database, destination, worker.id, _day(None), console)


def _say(loaded: "Loaded") -> None:
    from fhir_server.loading.progress import show_rejections

    console.print(loaded.in_words(), highlight=False, soft_wrap=True)
    console.print("A server without it: leave out --demo, on an empty folder or database.", highlight=False)
    show_rejections(loaded.tally, errors)
