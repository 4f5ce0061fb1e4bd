"""Makes the search values of stored rows anew: in batches by `_id`, from a checkpoint, beside whoever reads and writes.

Only current rows are indexed again; nobody searches history by parameters.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from fhir_server.core.codec import decode
from fhir_server.core.write_plan import Put
from fhir_server.definitions.parameter_set import ParameterSet
from fhir_server.search.index import index_values
from fhir_server.search.labels import also_labelled, hiding_labels
from fhir_server.store import bodies, inherited
from fhir_server.store.fence import older_than
from fhir_server.store.mongo import Database, Document, DriverError, ReplaceOne, refusal
from fhir_server.store.parameter_sets import SETS
from fhir_server.store.rows import current_row

log = structlog.get_logger()

BATCH_ROWS = 200
_BATCH_BYTES = 8 * 1024 * 1024
_ID = {"_id": "progress"}
_MAX_FAILED = 20


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a reindex is: rows done and rows there are, by type; `last` is the `_id` each type has come to.

    `failed` counts rows that keep their old search values, because the new ones are more than a row can hold;
    `failures` names the first of them.
    """

    step: int
    total: Mapping[str, int] = field(default_factory=dict)
    done: Mapping[str, int] = field(default_factory=dict)
    last: Mapping[str, str] = field(default_factory=dict)
    finished: tuple[str, ...] = ()
    failed: int = 0
    failures: tuple[str, ...] = ()

    def in_words(self) -> str:
        """`1,200 of 5,000 resources`."""
        if not self.total:
            return "none of the resources"
        done, total = sum(self.done.values()), sum(self.total.values())
        return f"{done:,} of {max(done, total):,} resources"

    def as_share(self) -> str:
        """`a fifth of the resources`, for those who must not be told how many there are, nor guess it."""
        done, total = sum(self.done.values()), sum(self.total.values())
        fifths = done * 5 // max(done, total, 1)
        return f"{('none', 'a fifth', 'two fifths', 'three fifths', 'four fifths', 'all')[fifths]} of the resources"


async def progress(database: Database, step: int) -> Progress:
    """What is noted of the reindex at this step; nothing done where nothing is."""
    try:
        found = await database.collections[SETS].find_one(_ID | {"step": step})
    except DriverError as error:
        raise refusal(error) from error
    if found is None:
        return Progress(step)
    fields = {name: value for name, value in found.items() if name != "_id"}
    return Progress(**fields | {name: tuple(fields[name]) for name in ("finished", "failures")})


async def note(database: Database, reached: Progress) -> None:
    """Store the progress; it is read when the job goes on elsewhere, and shown to who waits for it."""
    fields = {name: getattr(reached, name) for name in Progress.__slots__}
    try:
        await database.collections[SETS].replace_one(_ID, _ID | fields, upsert=True)
    except DriverError as error:
        raise refusal(error) from error


@dataclass(frozen=True, slots=True)
class Work:
    """How a type's rows are to be indexed: rows below `floor`, by a set, with this server's own bases.

    With `holding` only those that contain a resource of these types.
    """

    type: str
    floor: int
    parameter_set: ParameterSet
    own_bases: tuple[str, ...]
    holding: tuple[str, ...] = ()


async def count(database: Database, work: Work) -> int:
    """About how many rows there are to index."""
    collection = database.collections[work.type]
    try:
        if work.holding:
            return await collection.count_documents(_held(work))
        return await collection.estimated_document_count()
    except DriverError as error:
        raise refusal(error) from error


async def batch(database: Database, work: Work, reached: Progress) -> Progress:
    """Index the type's next rows; `finished` names the type where there were none.

    Raises FhirError where the database is away.
    """
    after = reached.last.get(work.type)
    try:
        rows = await _next_rows(database, work, after)
        if not rows:
            return replace(reached, finished=(*reached.finished, work.type))
        stored = {row["_id"]: row.get("body") for row in rows}
        await bodies.opened(database, work.type, rows, whole=False)
        # Beside the event loop: a batch takes 20 ms and more of computing.
        made, failed = await asyncio.to_thread(_made_anew, work, rows)
        for row in made:
            row["body"] = stored[row["_id"]]
        await bodies.seal(database, work.type, made)
        await bodies.seal_history(database, work.type, [row["_id"] for row in made])
        if made:
            # A row that was written since has another version, and its writer's own search values.
            replaced = [ReplaceOne({"_id": row["_id"], "version": row["version"]}, row) for row in made]
            await database.collections[work.type].bulk_write(replaced, ordered=False)
        for row in made:
            await _hide(database, work.type, row)
    except DriverError as error:
        raise refusal(error) from error
    failures = (*reached.failures, *(f"{work.type}/{id}" for id in failed))[:_MAX_FAILED]
    return replace(
        reached,
        done={**reached.done, work.type: reached.done.get(work.type, 0) + len(rows)},
        last={**reached.last, work.type: rows[-1]["_id"]},
        failed=reached.failed + len(failed),
        failures=failures,
    )


async def _next_rows(database: Database, work: Work, after: str | None) -> list[Document]:
    wanted = older_than(work.floor) | _held(work) | ({} if after is None else {"_id": {"$gt": after}})
    fields = {
        "_id": 1,
        "version": 1,
        "updated": 1,
        "body": 1,
        "method": 1,
        "source": 1,
        "owners": 1,
        "labels": 1,
        "file": 1,
    }
    found = database.collections[work.type].find(wanted, fields).sort("_id", 1).hint("_id_").limit(BATCH_ROWS)
    rows, size = [], 0
    async for row in found:
        rows.append(row)
        size += len(row["body"])
        if size > _BATCH_BYTES:
            break
    return rows


async def _hide(database: Database, type: str, row: Document) -> None:
    """Hide what is about a resource with it, as its writers do."""
    if about := row.get("about"):
        found = await inherited.labels_of(database, about)
        if new := {label for each in found.values() for label in each.labels}.difference(row["labels"]):
            await inherited.take_over(database, type, row["_id"], new)
    if labels := hiding_labels(row["labels"], row["t"]):
        await inherited.spread(database, type, row["_id"], labels)


def _held(work: Work) -> Document:
    return {"h.r": {"$in": list(work.holding)}} if work.holding else {}


def _made_anew(work: Work, rows: list[Document]) -> tuple[list[Document], list[str]]:
    """The rows as they have to be, and the ids of those that cannot be replaced."""
    made, failed = [], []
    for row in rows:
        try:
            made.append(_row(work, row))
        except Exception as error:
            # One row must not keep all others from being found.
            moment = row["updated"].isoformat()
            log.error("row not indexed", type=work.type, last_updated=moment, kind=type(error).__name__)
            failed.append(row["_id"])
    return made, failed


def _row(work: Work, row: Document) -> Document:
    resource: dict[str, Any] = decode(row["body"])
    # The row's own source, not this process's: another agency's rows stay another agency's.
    source, owners = row["source"], tuple(row["owners"])
    index = index_values(resource, row["_id"], work.own_bases, source, work.parameter_set, about=owners)
    # What it took over from what it is about stays until its next version.
    index = also_labelled(index, row["labels"])
    put = Put(work.type, row["_id"], resource, index, row["method"])
    made = current_row(put, row["version"], row["updated"], row["body"])
    return made | {"file": row["file"]} if "file" in row else made
