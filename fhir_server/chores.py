"""Work on a database that one worker at a time does beside requests: now the sweep of files that nothing names."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from fhir_server.store import files, leases
from fhir_server.store.mongo import Database

Chore = Callable[[Database], Awaitable[int]]

CHORES: tuple[tuple[str, float, Chore], ...] = (("sweep of files", 600.0, files.sweep),)
"""The name of each, after how many seconds it is done again, and what does it."""

log = structlog.get_logger()


async def run(database: Database, worker: str) -> None:
    """Do each again and again, until cancelled."""
    await asyncio.gather(*(_run(database, worker, *each) for each in CHORES))


async def _run(database: Database, worker: str, name: str, seconds: float, chore: Chore) -> None:
    while True:
        try:
            # The lease ends by itself: whoever comes next finds little to do.
            if await leases.take(database, name, worker):
                done = await chore(database)
                if done:
                    log.info("a chore was done", chore=name, count=done)
        except Exception as error:
            log.warning("a chore cannot be done at the moment", chore=name, kind=type(error).__name__)
        await asyncio.sleep(seconds)
