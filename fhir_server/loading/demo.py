"""The demo population in a database that has nothing yet: loaded once, whoever starts and however often.

The day it is seen from is kept when it is begun, so that a load that was interrupted, or that two servers began at
the same moment, ends with the same resources: each is put under its own id, and what is there already stays.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from fhir_server.core.codec import decode, encode
from fhir_server.core.outcome import FhirError
from fhir_server.core.resource import Resource
from fhir_server.loading.load import Destination, Tally, load_all
from fhir_server.loading.sources import Unit
from fhir_server.store import leases, populations
from fhir_server.store.mongo import Database

DEMO = "demo"
"""Name of the population, of its tag and of the job to load it."""

LABEL = "demo|urn:fhir-server:seeds"
"""Its tag, as rows have it among their labels."""

_LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Loaded:
    """What loading came to: how many resources of each type are there now, seen from which day, after how long."""

    today: date
    seconds: float
    tally: Tally

    @property
    def counts(self) -> Counter[str]:
        """Resources by type."""
        return self.tally.accepted

    def in_words(self) -> str:
        """What is there now, in one sentence."""
        return (
            f"Loaded the demo population: {self.counts.total():,} resources of {len(self.counts)} types about "
            f"{self.counts['Patient']} patients, seen from {self.today.isoformat()}, in {self.seconds:.1f} s. "
            "All of it is invented and labelled as test data."
        )


async def demo_loaded(database: Database) -> bool:
    """Whether the whole demo population was loaded into this database."""
    begun = await populations.read(database, DEMO)
    return begun is not None and begun.is_complete


async def demo_wanted(database: Database) -> bool:
    """Whether it is to be loaded: the database has nothing at all, or an earlier load did not come to its end.

    Then it has nothing else either: months may lie between, and records that are nobody's invention.
    """
    begun = await populations.read(database, DEMO)
    if begun is None:
        return await populations.is_empty(database)
    return not begun.is_complete and await populations.has_only(database, LABEL)


async def load_demo(
    database: Database, destination: Destination, worker: str, today: date, console: Console
) -> Loaded | None:
    """Load it, with a bar on `console`; None where another process did so meanwhile.

    `worker` is the id under which this process holds leases. A resource the server refuses stays out and is in the
    tally; the load then counts as not complete.
    """
    begun = await populations.begin(database, DEMO, today)
    if not await _my_turn(database, worker, console):
        return None
    # Not above: workers ask this module whether it is loaded, and need nothing of what makes it.
    from seeds import population

    started = time.monotonic()
    tally = Tally()
    async with _holding_the_job(database, worker):
        # In a thread: it takes seconds, many on a busy machine, and the lease is to be renewed meanwhile.
        resources = await asyncio.to_thread(population.demo, begun.today)
        console.print(
            f"The database is empty: loading the demo population of {len(resources):,} resources.", highlight=False
        )
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task("Loading the demo population", total=len(resources))

            def source() -> Iterator[Unit]:
                for unit in _units(resources):
                    yield unit
                    progress.advance(task)

            await load_all(source(), destination, tally)
        if not tally.rejected:
            await populations.complete(database, DEMO)
    return Loaded(begun.today, time.monotonic() - started, tally)


async def _my_turn(database: Database, worker: str, console: Console) -> bool:
    """Wait until this process is to load it; False where another one has come to the end of it."""
    waits = False
    while not await leases.take(database, DEMO, worker):
        if not waits:
            console.print("Another server is loading the demo population: waiting for it.", highlight=False)
            waits = True
        await asyncio.sleep(_LOOK_SECONDS)
    return not await demo_loaded(database)


def _units(resources: Sequence[Resource]) -> Iterator[Unit]:
    for resource in resources:
        # As it would come from a file: the same bytes, whatever Python made them of.
        yield Unit(Path(DEMO), f"{resource['resourceType']}/{resource['id']}", decode(encode(resource)))


@asynccontextmanager
async def _holding_the_job(database: Database, worker: str) -> AsyncIterator[None]:
    """Renew the lease of the job as long as the block runs, so that nobody else begins it."""

    async def renew() -> None:
        while True:
            await asyncio.sleep(leases.LEASE_SECONDS / 5)
            # One that failed is tried again: the lease has four fifths of its time left.
            with contextlib.suppress(FhirError):
                await leases.take(database, DEMO, worker)

    renewing = asyncio.create_task(renew())
    try:
        yield
    finally:
        renewing.cancel()
