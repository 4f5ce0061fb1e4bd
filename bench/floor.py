"""The floor: the smallest honest program that serves the same requests from the same MongoDB.

FastAPI, one route each, PyMongo's asynchronous client with the same guarantees, stored bytes in and out. It checks
nothing, decodes nothing and indexes nothing of what is sent: where a row needs search values, it takes those of a row
that was loaded, so that MongoDB has the same indexes to write. Reads use the collections of the server that it is
measured beside; writes go to a copy of them.
"""

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count, cycle
from typing import Any

from fastapi import FastAPI, Request, Response
from pymongo import AsyncMongoClient
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from bench.records import OBSERVATIONS_PER_TRANSACTION

READ_FIELDS = {"version": 1, "updated": 1, "body": 1, "method": 1, "deleted": 1}
KEPT_FIELDS = READ_FIELDS | {"owners": 1, "source": 1, "labels": 1}
SORT = [("k.date.d", -1), ("_id", 1)]
TEMPLATES = 2_000
FHIR_JSON = "application/fhir+json"
READ, WRITE = ReadConcern("majority"), WriteConcern("majority", wtimeout=10_000)

Row = dict[str, Any]

client: AsyncMongoClient[Row] = AsyncMongoClient(os.environ["FLOOR_MONGODB_URI"], tz_aware=True)
loaded = client.get_database(os.environ["FLOOR_LOADED_DATABASE"], read_concern=READ, write_concern=WRITE)
copies = client.get_database(os.environ["FLOOR_COPY_DATABASE"], read_concern=READ, write_concern=WRITE)
observations, encounters = loaded["Observation"], loaded["Encounter"]
observation_copies, encounter_copies = copies["Observation"], copies["Encounter"]
observation_history = copies["Observation_history"]
templates: dict[str, Any] = {}
numbers = count(time.time_ns())


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Keeps some rows of each type, whose search values the written rows will have."""
    for collection in (observations, encounters):
        templates[collection.name] = cycle(await collection.find(limit=TEMPLATES).to_list(None))
    yield
    await client.close()


app = FastAPI(lifespan=lifespan, openapi_url=None)


@app.get("/fhir/Observation/{id}")
async def read(id: str) -> Response:
    row = await observations.find_one({"_id": id}, READ_FIELDS)
    if row is None:
        return Response(status_code=404)
    return Response(row["body"], media_type=FHIR_JSON)


@app.get("/fhir/Observation")
async def search(request: Request) -> Response:
    limit = int(request.query_params["_count"])
    cursor = observations.find(
        {"pt": request.query_params["patient"] + "|"},
        {"body": 1} | {field: 1 for field, _ in SORT},
        sort=SORT,
        limit=limit + 1,
        batch_size=limit + 1,
    )
    rows = await cursor.to_list(None)
    entries = b'},{"resource":'.join(row["body"] for row in rows[:limit])
    body = b'{"resourceType":"Bundle","type":"searchset","entry":[{"resource":' + entries + b"}]}"
    return Response(body, media_type=FHIR_JSON)


@app.post("/fhir/Observation")
async def create(request: Request) -> Response:
    body = await request.body()
    await observation_copies.insert_one(new_row("Observation", body))
    return Response(body, status_code=201, media_type=FHIR_JSON)


@app.put("/fhir/Observation/{id}")
async def update(id: str, request: Request) -> Response:
    body = await request.body()

    async def replace(session: AsyncClientSession) -> None:
        current = await observation_copies.find_one({"_id": id}, KEPT_FIELDS, session=session)
        assert current is not None
        version = current["version"]
        row = new_row("Observation", body) | {"_id": id, "version": version + 1, "method": "PUT"}
        await observation_copies.replace_one({"_id": id, "version": version}, row, session=session)
        await observation_history.insert_one(current | {"_id": f"{id}|{version}", "rid": id}, session=session)

    await in_transaction(replace)
    return Response(body, media_type=FHIR_JSON)


@app.post("/fhir")
async def transaction(request: Request) -> Response:
    await request.body()
    encounter = new_row("Encounter")
    results = [new_row("Observation") for _ in range(OBSERVATIONS_PER_TRANSACTION)]

    async def insert(session: AsyncClientSession) -> None:
        await encounter_copies.insert_many([encounter], ordered=False, session=session)
        await observation_copies.insert_many(results, ordered=False, session=session)

    await in_transaction(insert)
    entries = b'},{"resource":'.join(row["body"] for row in (encounter, *results))
    body = b'{"resourceType":"Bundle","type":"transaction-response","entry":[{"resource":' + entries + b"}]}"
    return Response(body, media_type=FHIR_JSON)


def new_row(type: str, body: bytes | None = None) -> Row:
    """A row as loaded under a new id, with another body where one is given."""
    row: Row = next(templates[type]) | {"_id": f"{next(numbers):036x}", "version": 1, "updated": datetime.now(UTC)}
    return row if body is None else row | {"body": body}


async def in_transaction(work: Any) -> None:
    """Run `work` in one transaction; the driver runs it again where another write won."""
    async with client.start_session() as session:
        await session.with_transaction(work, read_concern=ReadConcern("snapshot"), write_concern=WRITE)
