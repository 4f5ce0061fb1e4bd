"""What a person sees of `fhir-server reindex`: how many resources of each type are indexed as they have to be."""

import asyncio

from rich.console import Console
from rich.live import Live
from rich.table import Table

from fhir_server.store import leases, parameter_sets, reindex
from fhir_server.store.mongo import Database
from fhir_server.store.reindex import Progress
from fhir_server.worker import POLL_SECONDS, Worker, at_work


async def reindex_and_show(database: Database, own_bases: tuple[str, ...], console: Console) -> None:
    """Wait until the search parameters are live; this process does the work where no server does it already."""
    async with at_work(database, own_bases, serves=False) as worker:
        if worker.in_force.is_settled:
            console.print("Every resource is indexed by the search parameters in force.")
            return
        running = await leases.servers(database)
        console.print("A running server does the work." if running else "No server runs: this process does the work.")
        await _show(worker, console)
        agreed = await parameter_sets.existing(database)
        console.print(f"Set {agreed.version} of the search parameters is live.", highlight=False)


async def _show(worker: Worker, console: Console) -> None:
    reached = Progress(worker.in_force.step)
    with Live(_table(reached), console=console, refresh_per_second=4) as shown:
        while not worker.in_force.is_settled:
            noted = await reindex.progress(worker.database, worker.in_force.step)
            reached = noted if noted.total else reached
            shown.update(_table(reached))
            await asyncio.sleep(POLL_SECONDS / 2)
        shown.update(_table(await reindex.progress(worker.database, reached.step)))


def _table(reached: Progress) -> Table:
    table = Table("type", box=None)
    for heading in ("indexed", "of about", ""):
        table.add_column(heading, justify="right")
    for type in sorted(reached.total):
        is_done = type in reached.finished
        row = f"{reached.done.get(type, 0):,}", f"{reached.total[type]:,}", "[green]done[/]" if is_done else ""
        table.add_row(type, *row)
    if reached.failed:
        table.add_row("[red]failed[/]", f"{reached.failed:,}", "", ", ".join(reached.failures))
    return table
