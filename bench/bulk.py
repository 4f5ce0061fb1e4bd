"""Charts into a database as fast as it takes them: our own search values and rows, inserted past the server.

Two processes make and insert rows; the server's indexes are made when all rows are there: 3,300 resources a second in
all, against 2,300 where each row is written into the indexes as it comes.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from multiprocessing import get_context
from time import monotonic
from typing import Any

from pymongo import MongoClient
from pymongo.write_concern import WriteConcern
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bench.charts import CHARTS_PER_ORGANIZATION, RESOURCES_PER_CHART, Record, chart, organization
from fhir_server.core.codec import decode, encode
from fhir_server.core.resource import stamped
from fhir_server.core.write_plan import Put
from fhir_server.search.index import index_values
from fhir_server.store import indexes, mongo, parameter_sets
from fhir_server.store.rows import current_row

PROCESSES = 2
CHARTS_PER_TASK = 2 * CHARTS_PER_ORGANIZATION
TYPES = (
    *("Patient", "Encounter", "Observation", "Condition", "RiskAssessment", "MedicationRequest", "Procedure"),
    *("DiagnosticReport", "Organization"),
)

_FIRST_MOMENT = datetime(2026, 11, 1, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Task:
    """So many charts from `first` on, for one process."""

    uri: str
    database: str
    first: int
    charts: int
    seed: int


@dataclass(frozen=True, slots=True)
class Inserted:
    """What a load took: resources, seconds, and the bytes of rows and indexes on disk."""

    resources: int
    seconds: float
    disk_bytes: int


def charts_of(resources: int) -> int:
    """How many charts have about so many resources together."""
    return max(1, resources // RESOURCES_PER_CHART)


def load(uri: str, database: str, resources: int, seed: int, console: Console) -> Inserted:
    """Fill an empty database, showing how far it is."""
    asyncio.run(_with_database(uri, database, parameter_sets.prepare))
    charts = charts_of(resources)
    tasks = [
        Task(uri, database, first, min(CHARTS_PER_TASK, charts - first), seed)
        for first in range(0, charts, CHARTS_PER_TASK)
    ]
    started, inserted = monotonic(), 0
    columns = (TextColumn("loading"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        Progress(*columns, console=console) as progress,
        ProcessPoolExecutor(PROCESSES, get_context("spawn")) as processes,
    ):
        bar = progress.add_task("loading", total=charts * RESOURCES_PER_CHART)
        for done in as_completed([processes.submit(insert, task) for task in tasks]):
            inserted += done.result()
            progress.advance(bar, done.result())
    console.print("making the indexes")
    asyncio.run(_with_database(uri, database, lambda opened: indexes.ensure(opened, TYPES)))
    return Inserted(inserted, monotonic() - started, _disk_bytes(uri, database))


def insert(task: Task) -> int:
    """Make and insert the rows of a task; how many."""
    rows: dict[str, list[Record]] = {type: [] for type in TYPES}
    for number in range(task.first, task.first + task.charts):
        if number % CHARTS_PER_ORGANIZATION == 0:
            rows["Organization"].append(_row(organization(number // CHARTS_PER_ORGANIZATION), number))
        for record in chart(number, task.seed).records():
            rows[record["resourceType"]].append(_row(record, number))
    target = _client(task.uri).get_database(task.database, write_concern=WriteConcern(1))
    for type, made in rows.items():
        if made:
            target[type].insert_many(made, ordered=False)
    return sum(map(len, rows.values()))


@cache
def _client(uri: str) -> MongoClient[Record]:
    """One for each process, for as long as it lives."""
    return MongoClient(uri)


def _row(record: Record, number: int) -> Record:
    # Read from bytes, as what arrives is: numbers are decimals then.
    resource = decode(encode(record))
    type, id = resource["resourceType"], resource["id"]
    updated = _FIRST_MOMENT + timedelta(milliseconds=100 * number)
    values = index_values(resource, id, (), None)
    return current_row(Put(type, id, resource, values, "PUT"), 1, updated, stamped(resource, id, 1, updated))


async def _with_database(uri: str, name: str, work: Callable[[mongo.Database], Awaitable[object]]) -> None:
    opened = mongo.connect(uri, name, "pymongo", search_seconds=10)
    try:
        await work(opened)
    finally:
        await mongo.close(opened)


def _disk_bytes(uri: str, database: str) -> int:
    with MongoClient[dict[str, Any]](uri) as client:
        sizes = client[database].command("dbStats")
    return int(sizes["storageSize"] + sizes["indexSize"])
