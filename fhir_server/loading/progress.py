"""What a person sees of a load: a bar while it runs, a table of what came of it, each rejection with its reason."""

import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from fhir_server.loading.load import Destination, Tally, load_all, total_bytes
from fhir_server.loading.sources import Unit, Unreadable, units


async def load_and_show(found: list[Path], destination: Destination, console: Console, errors: Console) -> Tally:
    """Load the files; the bar and the rejections go to `errors`, the table to `console`."""
    tally = Tally()
    started = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors) as progress:
        task = progress.add_task("", total=total_bytes(found))

        def source() -> Iterator[Unit | Unreadable]:
            for path in found:
                progress.update(task, description=escape(path.name[:32]))
                yield from units(path, lambda count: progress.advance(task, count))

        await load_all(source(), destination, tally)
    console.print(_table(tally, time.monotonic() - started))
    show_rejections(tally, errors)
    return tally


def _table(tally: Tally, seconds: float) -> Table:
    table = Table("type", box=None)
    for heading in ("accepted", "rejected", "resources/s"):
        table.add_column(heading, justify="right")
    for type in sorted(tally.accepted.keys() | tally.rejected.keys()):
        accepted = tally.accepted[type]
        table.add_row(escape(type), f"{accepted:,}", f"{tally.rejected[type]:,}", f"{accepted / seconds:,.0f}")
    accepted = tally.accepted.total()
    table.add_row("all", f"{accepted:,}", f"{tally.rejected.total():,}", f"{accepted / seconds:,.0f}", style="bold")
    return table


def show_rejections(tally: Tally, errors: Console) -> None:
    """Each rejection with its place and its reason, a line each."""
    for rejection in tally.rejections:
        line = f"rejected {rejection.where} ({rejection.type}): {rejection.reason}"
        errors.print(escape(line), highlight=False, soft_wrap=True)
    unlisted = tally.unlisted
    if unlisted:
        errors.print(f"and {unlisted:,} more rejections.", highlight=False)
