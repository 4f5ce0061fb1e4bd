"""Runs a WritePlan: one insert where that is all, otherwise one MongoDB transaction, run again while others win.

https://www.mongodb.com/docs/manual/core/transactions/, https://hl7.org/fhir/R4/http.html#transaction
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime

from fhir_server.core import outcome
from fhir_server.core.instant import now
from fhir_server.core.outcome import FhirError
from fhir_server.core.resource import stamped
from fhir_server.core.write_plan import ANY_VERSION, Delete, Expect, Matched, Overtaken, Put, WritePlan, Written
from fhir_server.core.write_plan import Document as Planned
from fhir_server.search.labels import also_labelled, hiding_labels
from fhir_server.store import bodies, claims, files, indexes, inherited, notices, turns
from fhir_server.store.abandoned import end_abandoned
from fhir_server.store.files import File
from fhir_server.store.kept import refuse_change
from fhir_server.store.mongo import (
    Database,
    Document,
    DriverError,
    ReplaceOne,
    Session,
    begin,
    is_commit_unknown,
    is_duplicate,
    is_fenced,
    is_transient,
    refusal,
    session,
)
from fhir_server.store.reach import rows_met
from fhir_server.store.rows import (
    current_row,
    history_collection,
    history_row,
    same_content,
    tombstone,
)
from fhir_server.store.search import matches

_RETRY_SECONDS = 10.0
_SUSPICIOUS_SECONDS = 2.0
"""Living writers are through long before; one that was killed holds its rows for a minute and more."""
_FIRST_PAUSE_SECONDS = 0.004
_LONGEST_PAUSE_SECONDS = 0.1


Besides = Callable[[Database, Session], Awaitable[None]]
"""What else a transaction does before its documents; run again with it. It may raise FhirError."""


class Fenced(Exception):
    """Nothing was written: the plan's search values were made from a set of search parameters that was replaced."""


async def run(database: Database, plan: WritePlan, besides: Besides | None = None) -> tuple[Written, ...]:
    """Store a plan whole or not at all; what became of each document, in the plan's order.

    Raises FhirError 404 for a row out of reach, 403 for a change that its writer may not make, 412 where a version that
    must be current is not, 409 where others kept winning for 10 seconds, 413 for a row past the database's limit, 503
    where the database is away; Matched where an absence does not hold; Overtaken where what the rules of care looked at
    has changed; Fenced where search values are out of date.
    """
    types = {document.type for document in plan.documents if isinstance(document, Put)}
    await indexes.ensure(database, types.union(plan.effects.types) if plan.effects else types)
    await bodies.ready(database, types)
    plan = await files.uploaded(database, plan)
    if plan.claims:
        await indexes.ensure_claims(database)
    if plan.turns:
        await indexes.ensure_collection(database, indexes.TURNS)
    if plan.notices:
        await indexes.ensure_collection(database, indexes.NOTICES)
    only = plan.documents[0] if len(plan.documents) == 1 else None
    alone = not (plan.claims or plan.absences or plan.presences or plan.effects or besides)
    alone = alone and not (plan.turns or plan.notices or plan.withdrawn)
    if isinstance(only, Put) and only.expect is Expect.NOTHING and alone and only.file is None:
        return (await _insert(database, only),)
    if not plan.documents:
        return ()
    return await _run_in_transaction(database, plan, besides)


async def _insert(database: Database, put: Put) -> Written:
    moment = now()
    body = stamped(put.resource, put.id, 1, moment)
    row = current_row(put, 1, moment, body)
    await bodies.seal(database, put.type, [row])
    try:
        await database.collections[put.type].insert_one(row)
    except DriverError as error:
        if is_fenced(error):
            raise Fenced from None
        raise refusal(error, may_be_kept=True) from error
    return _written(put, 1, moment, body, created=True)


async def _run_in_transaction(database: Database, plan: WritePlan, besides: Besides | None) -> tuple[Written, ...]:
    deadline = time.monotonic() + _RETRY_SECONDS
    written = await _attempt(database, plan, besides, deadline)
    if written is not None:
        return written
    # Writers of one worker that were overtaken queue up: 50 updates of one resource took 5.7 s without and 1.7 s with.
    async with AsyncExitStack() as turns:
        try:
            async with asyncio.timeout(_RETRY_SECONDS):
                for name in _places(plan):
                    await turns.enter_async_context(database.turns.setdefault(name, asyncio.Lock()))
        except TimeoutError:
            raise outcome.WRITE_CONFLICT("Other writes to the same resources kept winning. Try again.") from None
        longest_pause = _FIRST_PAUSE_SECONDS
        look_for_abandoned = time.monotonic() + _SUSPICIOUS_SECONDS
        while (written := await _attempt(database, plan, besides, deadline)) is None:
            if time.monotonic() > look_for_abandoned:
                await end_abandoned(database)
                look_for_abandoned = time.monotonic() + _SUSPICIOUS_SECONDS
            await asyncio.sleep(random.uniform(0, longest_pause))
            longest_pause = min(longest_pause * 2, _LONGEST_PAUSE_SECONDS)
        return written


def _places(plan: WritePlan) -> list[str]:
    """What a plan may be overtaken at. Sorted, so that two plans never wait for one another."""
    documents = {f"{document.type}/{document.id}" for document in plan.documents}
    return sorted(documents | {each.key for each in plan.claims} | {each.key for each in plan.turns})


async def _attempt(
    database: Database, plan: WritePlan, besides: Besides | None, deadline: float
) -> tuple[Written, ...] | None:
    """One transaction; None where another one overtook it and it may be run again before the deadline."""
    try:
        async with session(database) as running:
            await begin(database, running)
            if besides is not None:
                await besides(database, running)
            written = await _write(database, running, plan)
            await _commit(running, deadline)
            return written
    except DriverError as error:
        if is_fenced(error):
            raise Fenced from None
        # A duplicate key is another writer's row that came after this transaction's snapshot.
        if (is_transient(error) or is_duplicate(error)) and time.monotonic() < deadline:
            return None
        raise refusal(error) from error


async def _commit(running: Session, deadline: float) -> None:
    while True:
        try:
            await running.commit_transaction()
            return
        except DriverError as error:
            if not is_commit_unknown(error) or time.monotonic() > deadline:
                raise


@dataclass(slots=True)
class _Rows:
    """What one type's collections are to receive: new rows, and rows that displace others."""

    inserted: list[Document] = field(default_factory=list)
    displacing: list[Document] = field(default_factory=list)
    displaced: list[Document] = field(default_factory=list)

    def displace(self, current: Document, row: Document) -> None:
        """`row` takes the place of `current`, which goes into history."""
        self.displaced.append(current)
        self.displacing.append(row)


async def _write(database: Database, running: Session, plan: WritePlan) -> tuple[Written, ...]:
    if plan.claims:
        await claims.take(database, running, plan.claims)
    await turns.take(database, running, plan.turns)
    for absence in plan.absences:
        if found := await matches(database, absence.type, absence.filter, 2, running):
            raise Matched(absence.type, tuple(match.id for match in found))
    for presence in plan.presences:
        found = await matches(database, presence.type, presence.filter, 2, running)
        if tuple(match.id for match in found) != (presence.id,):
            raise Matched(presence.type, tuple(match.id for match in found))
    written = await _write_documents(database, running, plan.documents)
    await files.link(database, running, plan)
    if plan.effects is not None and any(each.changed for each in written):
        await _write_documents(database, running, await plan.effects.puts(written))
    await notices.keep(database, running, plan.notices, plan.withdrawn)
    return written


async def _write_documents(database: Database, running: Session, documents: tuple[Planned, ...]) -> tuple[Written, ...]:
    by_type: dict[str, list[Planned]] = {}
    for document in documents:
        by_type.setdefault(document.type, []).append(document)
    written: dict[tuple[str, str], Written] = {}
    moment = now()
    for type, of_type in by_type.items():
        current = await rows_met(database, running, type, of_type)
        rows = _Rows()
        for document in of_type:
            written[type, document.id] = _place(document, current.get(document.id), moment, rows)
        await _store(database, running, type, rows)
    for each in written.values():
        if each.new_labels:
            await inherited.spread(database, each.type, each.id, each.new_labels, running)
    return tuple(written[document.type, document.id] for document in documents)


def _place(document: Planned, current: Document | None, moment: datetime, rows: _Rows) -> Written:
    """Decide what becomes of one document over what is there now, and add its row to `rows`."""
    if current is not None:
        refuse_change(document, current)
    if document.seen is not None and document.seen != (current or {}).get("version", 0):
        raise Overtaken
    if document.if_version is not None and not _is_current(document.if_version, current):
        raise _version_conflict(document, document.if_version, current)
    if isinstance(document, Delete):
        return _place_tombstone(document, current, moment, rows)
    is_live = current is not None and "deleted" not in current
    if document.if_absent and is_live:
        place = f"{document.type}/{document.id}"
        raise outcome.PRECONDITION_FAILED(f"{place} exists, and If-None-Match: * asks that it does not.").at(place)
    if current is not None and is_live and document.unless_equal and same_content(current["body"], document.resource):
        return _written(document, *_stamp(current), current["body"], created=False, changed=False)
    version, updated = _next_stamp(current, moment)
    body = stamped(document.resource, document.id, version, updated)
    if document.type == "Binary" and current is not None:
        # A document may have its content in it, and says so itself: not the Binary.
        index = also_labelled(document.index, hiding_labels(current["labels"], ()))
        document = replace(document, index=index)
    row = current_row(document, version, updated, _kept_body(document, body))
    if current is None:
        rows.inserted.append(row)
        return _written(document, version, updated, body, created=True)
    rows.displace(current, row)
    former = tuple(owner for owner in current["owners"] if owner not in document.index.owners)
    new = set(hiding_labels(document.index.labels, document.index.tokens)).difference(current["labels"])
    return _written(
        document, version, updated, body, created=not is_live, former_owners=former, new_labels=tuple(sorted(new))
    )


def _written(
    put: Put,
    version: int,
    updated: datetime,
    body: bytes,
    created: bool,
    changed: bool = True,
    former_owners: tuple[str, ...] = (),
    new_labels: tuple[str, ...] = (),
) -> Written:
    owners, labels = put.index.owners, put.index.labels
    return Written(
        put.type, put.id, version, updated, body, created, changed, owners, labels, former_owners, new_labels
    )


def _place_tombstone(delete: Delete, current: Document | None, moment: datetime, rows: _Rows) -> Written:
    if current is None:
        return Written(delete.type, delete.id, 0, moment, None, created=False, changed=False)
    owners, labels = tuple(current["owners"]), tuple(current["labels"])
    if "deleted" in current:
        return Written(delete.type, delete.id, *_stamp(current), None, False, False, owners, labels)
    version, updated = _next_stamp(current, moment)
    rows.displace(current, tombstone(current, version, updated))
    return Written(delete.type, delete.id, version, updated, None, False, True, owners, labels)


def _stamp(current: Document) -> tuple[int, datetime]:
    return current["version"], current["updated"]


def _next_stamp(current: Document | None, moment: datetime) -> tuple[int, datetime]:
    if current is None:
        return 1, moment
    # Clocks of two workers differ: one id's instants never run backwards.
    return current["version"] + 1, max(moment, current["updated"])


def _is_current(wanted: int, current: Document | None) -> bool:
    if current is None:
        return False
    return "deleted" not in current if wanted == ANY_VERSION else bool(current["version"] == wanted)


def _version_conflict(document: Planned, wanted: int, current: Document | None) -> FhirError:
    place = f"{document.type}/{document.id}"
    if current is None or wanted == ANY_VERSION:
        return outcome.VERSION_CONFLICT(f"{place} does not exist, and If-Match asks that it does.").at(place)
    text = f"{place} is at version {current['version']}, not {wanted}. Read it again."
    return outcome.VERSION_CONFLICT(text).at(place)


def _kept_body(put: Put, body: bytes) -> bytes:
    """The body as its row has it: without the content that is in a file."""
    return body if put.file is None else bodies.without_content(body, put.resource["data"], File(*put.file))


async def _store(database: Database, running: Session, type: str, rows: _Rows) -> None:
    collection = database.collections[type]
    await bodies.seal(database, type, [*rows.inserted, *rows.displacing])
    if rows.inserted:
        await collection.insert_many(rows.inserted, ordered=False, session=running)
    if not rows.displacing:
        return
    if len(rows.displacing) == 1:
        replacement, displaced = rows.displacing[0], rows.displaced[0]
        await collection.replace_one(_guard(displaced), replacement, session=running)
    else:
        pairs = zip(rows.displaced, rows.displacing, strict=True)
        await collection.bulk_write(
            [ReplaceOne(_guard(displaced), replacement) for displaced, replacement in pairs],
            ordered=False,
            session=running,
        )
    past = database.collections[history_collection(type)]
    await past.insert_many([history_row(displaced) for displaced in rows.displaced], ordered=False, session=running)


def _guard(displaced: Document) -> Document:
    return {"_id": displaced["_id"], "version": displaced["version"]}
