"""Which indexes each collection has, declared as data, made before the first row and compared at start.

https://www.mongodb.com/docs/manual/indexes/
"""

import asyncio
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass

from fhir_server.search.index import INDEXED_SORT
from fhir_server.store.mongo import Database, DriverError, IndexModel, index_specifications, refusal
from fhir_server.store.rows import HISTORY_SUFFIX, history_collection

CLAIMS = "server.claims"
"""One document per claimed name. Resource types start with a capital letter, so the name is free."""

KEYS = "server.keys"
"""Secrets all workers share."""

_CLAIM_SECONDS = 3600
"""Claims matter only while transactions overlap (60 s at most); afterwards they are dropped."""


@dataclass(frozen=True, slots=True)
class Index:
    """An index by name: fields with 1 or -1, and for how many seconds documents stay, where that is bounded."""

    name: str
    fields: tuple[tuple[str, int], ...]
    expires_after_seconds: int | None = None


def current_indexes(type: str) -> tuple[Index, ...]:
    """The indexes of a type's current rows."""
    key = INDEXED_SORT.get(type)
    newest = f"k.{key}.d" if key else "updated"
    return (
        Index("pt", (("pt", 1), (newest, -1), ("_id", 1))),
        Index("t", (("t", 1), ("updated", -1), ("_id", 1))),
        Index("s", (("s", 1), ("_id", 1))),
        Index("dlo", (("d.p", 1), ("d.lo", 1))),
        Index("dhi", (("d.p", 1), ("d.hi", 1))),
        Index("updated", (("updated", -1), ("_id", 1))),
    )


HISTORY_INDEXES = (
    Index("rid", (("rid", 1), ("version", -1))),
    Index("updated", (("updated", -1), ("rid", 1), ("version", -1))),
)

SERVICE_INDEXES = {CLAIMS: (Index("at", (("at", 1),), _CLAIM_SECONDS),)}


def declared(collection: str) -> tuple[Index, ...]:
    """The indexes a collection must have besides `_id`."""
    if collection in SERVICE_INDEXES:
        return SERVICE_INDEXES[collection]
    if collection.endswith(HISTORY_SUFFIX):
        return HISTORY_INDEXES
    return current_indexes(collection) if collection[:1].isupper() else ()


async def ensure(database: Database, types: Iterable[str]) -> None:
    """Make the two collections of each type and their indexes, once per process, before anything is written to them.

    Creating an index that exists changes nothing, one that is being built is waited for: two workers may meet here.
    """
    missing = [type for type in dict.fromkeys(types) if type not in database.ensured]
    if missing:
        # All at once: one after the other, 30 collections took 4 s, most of it waiting for the journal.
        await asyncio.gather(*(_once(database, type, (history_collection(type), type)) for type in missing))


async def ensure_claims(database: Database) -> None:
    """Make the collection of claims, once per process."""
    if CLAIMS not in database.ensured:
        await _once(database, CLAIMS, (CLAIMS,))


def _once(database: Database, name: str, collections: tuple[str, ...]) -> Awaitable[None]:
    """The one attempt that all who need it at the moment wait for, so that they fail together too."""
    attempt = database.ensuring.get(name)
    if attempt is None:
        attempt = asyncio.create_task(_create_all(database, name, collections))
        database.ensuring[name] = attempt
        attempt.add_done_callback(lambda _: database.ensuring.pop(name, None))
    # A caller that goes away must not take the attempt from the others.
    return asyncio.shield(attempt)


async def _create_all(database: Database, name: str, collections: tuple[str, ...]) -> None:
    # In their order, history first: a row is visible only when both collections are whole.
    for collection in collections:
        await _create(database, collection)
    database.ensured.add(name)


async def verify(database: Database) -> tuple[str, ...]:
    """Declared indexes that a collection of the database lacks or has otherwise, as `Collection.index`, sorted."""
    missing: list[str] = []
    try:
        for collection in sorted(await database.handle.list_collection_names()):
            if not declared(collection):
                continue
            existing = await index_specifications(database, collection)
            missing += [
                f"{collection}.{index.name}"
                for index in declared(collection)
                if tuple(existing.get(index.name, {}).get("key", {}).items()) != index.fields
            ]
    except DriverError as error:
        raise refusal(error) from error
    return tuple(missing)


async def _create(database: Database, collection: str) -> None:
    try:
        await database.collections[collection].create_indexes([_model(index) for index in declared(collection)])
    except DriverError as error:
        raise refusal(error) from error


def _model(index: Index) -> IndexModel:
    if index.expires_after_seconds is None:
        return IndexModel(list(index.fields), name=index.name)
    return IndexModel(list(index.fields), name=index.name, expireAfterSeconds=index.expires_after_seconds)
