"""The load row: NDJSON through `fhir-server load`, beside rows made beforehand through the driver's insert_many."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from pymongo import IndexModel, MongoClient
from pymongo.database import Database
from pymongo.write_concern import WriteConcern

from bench.programs import environment

COPIED_TYPES = ("Observation", "Encounter")
FLOOR_BATCH = 1_000
FLOOR_ROWS = 50_000

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A load: so many resources in so many seconds, and the most memory the loading process held, in bytes."""

    resources: int
    seconds: float
    memory_bytes: int

    @property
    def per_second(self) -> float:
        return self.resources / self.seconds


def load_file(path: Path, resources: int, mongodb_uri: str, database: str, log: Path) -> Loaded:
    """`fhir-server load` of one file. Raises RuntimeError with its output where it rejected anything."""
    command = [sys.executable, "-m", "fhir_server.cli", "load", str(path)]
    settings = {"FHIR_MONGODB_URI": mongodb_uri, "FHIR_MONGODB_DATABASE": database}
    with log.open("wb") as written:
        started = time.monotonic()
        process = subprocess.Popen(
            command, env=environment(settings), stdin=subprocess.DEVNULL, stdout=written, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"load failed:\n{log.read_text(errors='replace')[-4000:]}")
    return Loaded(resources, seconds, usage.ru_maxrss * 1024)


def copy_types(client: MongoClient[Row], loaded: str, copies: str) -> None:
    """The floor's own collections: the same rows and the same indexes, the history empty."""
    for type in COPIED_TYPES:
        for name in (type, f"{type}_history"):
            copy_indexes(client[loaded], client[copies], name)
        client[loaded][type].aggregate([{"$merge": {"into": {"db": copies, "coll": type}}}])


def load_floor(client: MongoClient[Row], loaded: str, scratch: str) -> Loaded:
    """The same rows, ready made, into an empty collection with the same indexes: as fast as the database takes them."""
    copy_indexes(client[loaded], client[scratch], "Observation")
    target = client[scratch].get_collection("Observation", write_concern=WriteConcern("majority"))
    rows = client[loaded]["Observation"].find().batch_size(FLOOR_BATCH).limit(FLOOR_ROWS)
    inserted, seconds = 0, 0.0
    for batch in _batches(rows):
        started = time.monotonic()
        target.insert_many(batch, ordered=False)
        seconds += time.monotonic() - started
        inserted += len(batch)
    client.drop_database(scratch)
    return Loaded(inserted, seconds, 0)


def copy_indexes(source: Database[Row], target: Database[Row], collection: str) -> None:
    """Give a collection of another database the indexes that this one has."""
    models = [
        IndexModel(list(index["key"].items()), name=index["name"])
        for index in source[collection].list_indexes()
        if index["name"] != "_id_"
    ]
    if models:
        target[collection].create_indexes(models)


def _batches(rows: Any) -> Iterator[list[Row]]:
    while batch := list(islice(rows, FLOOR_BATCH)):
        yield batch
