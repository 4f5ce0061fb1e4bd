"""What each process that writes does beside its requests: it follows the search parameters in force and, where a change
of them is under way, one of them carries it through. docs/adr/0010 has the argument.
"""

import asyncio
import os
import secrets
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace

import structlog

from fhir_server.core.outcome import FhirError
from fhir_server.definitions.parameter_set import InForce
from fhir_server.store import in_force, leases, parameter_sets, reindex
from fhir_server.store.fence import raise_fence
from fhir_server.store.mongo import Database
from fhir_server.store.parameter_sets import Agreed
from fhir_server.store.rows import indexed_by

POLL_SECONDS = 0.5
_RENEW_SECONDS = 2.5
"""A quarter of a lease: two renewals may be lost."""
_JOB = "reindex"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Worker:
    """One process on a database. One that does not serve requests carries a change through only where no server lives:
    a server knows best by which `own_bases` references mean its own resources.
    """

    id: str
    database: Database
    own_bases: tuple[str, ...]
    in_force: InForce
    serves: bool


LEAVE_SECONDS = 2.0
"""For how long an ending process waits for its work beside requests, and tries to give its lease back."""


@asynccontextmanager
async def at_work(database: Database, own_bases: tuple[str, ...], serves: bool = True) -> AsyncIterator[Worker]:
    """Follow the search parameters in force for as long as the block runs.

    Raises FhirError 503 where the database is away or belongs to a newer version of the server.
    """
    id = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    worker = Worker(id, database, own_bases, InForce(), serves)
    in_force.take_up(worker.in_force, await parameter_sets.prepare(database))
    # The first look has the lease: a change that came before it is seen, one that comes after it waits for it.
    await _renew(worker)
    await look(worker)
    tasks = [asyncio.create_task(_repeat(work, worker)) for work in (_follow, _carry_on)]
    try:
        yield worker
    finally:
        for task in tasks:
            task.cancel()
        # Bounded: a cancellation can get lost in the driver while the database is away.
        await asyncio.wait(tasks, timeout=LEAVE_SECONDS)
        # Where the database is away the lease ends by itself, and nobody should wait for this process to end.
        with suppress(FhirError, TimeoutError):
            async with asyncio.timeout(LEAVE_SECONDS):
                await leases.end(database, worker.id)


async def look(worker: Worker) -> Agreed:
    """Take up what was changed since the last look."""
    agreed = await parameter_sets.existing(worker.database)
    try:
        parameter_sets.refuse_newer(agreed)
    except FhirError as error:
        # Without a lease the newer version does not wait for this worker; what it writes meets fences.
        worker.in_force.unready = error.issues[0].text
        await leases.end(worker.database, worker.id)
        raise
    if agreed.step != worker.in_force.step:
        in_force.take_up(worker.in_force, agreed)
        await _renew(worker)
    if agreed.state != "live":
        in_force.say_progress(worker.in_force, agreed, await _reached(worker.database, agreed))
    return agreed


async def _renew(worker: Worker) -> None:
    worker.in_force.until = await leases.renew(worker.database, worker.id, worker.in_force.step, worker.serves)


async def _reached(database: Database, agreed: Agreed) -> str:
    return (await reindex.progress(database, agreed.step)).as_share()


async def _repeat(work: Callable[[Worker], Awaitable[None]], worker: Worker) -> None:
    """A process that stopped following would serve what no longer holds: whatever happens, it is tried again."""
    while True:
        try:
            await work(worker)
        except FhirError as error:
            log.warning("work beside requests failed", work=work.__name__, why=error.issues[0].text)
        except Exception as error:
            log.error("work beside requests failed", work=work.__name__, kind=type(error).__name__)
        await asyncio.sleep(POLL_SECONDS)


async def _follow(worker: Worker) -> None:
    if not worker.in_force.is_settled or await parameter_sets.step(worker.database) != worker.in_force.step:
        await look(worker)
    if time.monotonic() > worker.in_force.until - leases.LEASE_SECONDS + _RENEW_SECONDS:
        await _renew(worker)


async def _carry_on(worker: Worker) -> None:
    """The next state of a change under way, if it is this worker's to carry through."""
    if worker.in_force.is_settled or not (worker.serves or await leases.servers(worker.database) == 0):
        return
    if not await leases.take(worker.database, _JOB, worker.id):
        return
    agreed = await look(worker)
    while agreed.state != "live":
        if not await _next_state(worker, agreed):
            return
        agreed = await look(worker)


async def _next_state(worker: Worker, agreed: Agreed) -> bool:
    """Whether the change has come a state further."""
    database = worker.database
    if await leases.behind(database, agreed.step):
        return False
    if agreed.state == "announced" and agreed.coming():
        return await parameter_sets.advance(database, agreed, parameter_sets.begin_indexing(agreed))
    stored = await parameter_sets.stored_types(database)
    types = sorted({each.base for each in agreed.coming()}.union(stored if agreed.renewing else ()))
    others = [type for type in stored if type not in types] if types else []
    if not await _indexed(worker, agreed, tuple(types), others):
        return False
    return await parameter_sets.advance(database, agreed, parameter_sets.go_live(agreed, types))


async def _indexed(worker: Worker, agreed: Agreed, types: tuple[str, ...], others: Iterable[str]) -> bool:
    """Whether all rows of the types, and those of others that contain such resources, are indexed by the agreed set.

    False where something new was agreed meanwhile.
    """
    database, floor = worker.database, indexed_by(agreed.indexed_version)
    reached = await reindex.progress(database, agreed.step)
    whole = [reindex.Work(type, floor, worker.in_force.indexed, worker.own_bases) for type in types]
    parts = [reindex.Work(type, floor, worker.in_force.indexed, worker.own_bases, types) for type in others]
    for work in whole:
        await raise_fence(database, work.type, floor)
    for work in (*whole, *parts):
        if work.type not in reached.total:
            reached = replace(reached, total={**reached.total, work.type: await reindex.count(database, work)})
    for work in (*whole, *parts):
        while work.type not in reached.finished:
            if worker.in_force.step != agreed.step or not await leases.take(database, _JOB, worker.id):
                return False
            started = time.monotonic()
            reached = await reindex.batch(database, work, reached)
            await reindex.note(database, reached)
            if worker.serves:
                # As much time is left to requests as the batch took.
                await asyncio.sleep(time.monotonic() - started)
    return True
