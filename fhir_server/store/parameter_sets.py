"""The document that all processes follow: which custom search parameters there are, and how far each has come.

A change runs through states. `announced`: what is dropped or given another meaning is no longer searched by; writers
index as before. `indexing`: writers index by the new set, and rows from before are indexed again. `live`: the new
parameters may be searched by. Each process says in its lease which step it follows, and a state ends when all living
ones follow it. docs/adr/0010 has the argument.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from fhir_server.core import outcome
from fhir_server.core.outcome import FhirError
from fhir_server.definitions.custom_parameters import MAX_CUSTOM, Custom, applied, clash, restored, stored
from fhir_server.definitions.registry import is_resource_type
from fhir_server.definitions.search_parameters import SearchParameter
from fhir_server.store.mongo import Database, Document, DriverError, Session, is_duplicate, refusal
from fhir_server.store.rows import INDEX_VERSION

SETS = "server.search_parameters"

State = Literal["announced", "indexing", "live"]

_ID = {"_id": "set"}
_BEFORE_SETS = 1
"""The INDEX_VERSION of databases that have rows but no such document."""


@dataclass(frozen=True, slots=True)
class Agreed:
    """The document. `step` grows with each change of it, `version` with each change of `target`.

    `target` are the custom parameters there shall be, `live` those there were when it was last live, `indexed` those
    that writers index by, as of `indexed_version`. `renewing` says that all rows are indexed again, because another
    version of the server did it another way. `floors` are by type the version that its rows are indexed by at least.
    """

    step: int
    index_version: int
    version: int
    state: State
    target: tuple[Custom, ...]
    indexed_version: int
    indexed: tuple[Custom, ...]
    live: tuple[Custom, ...]
    renewing: bool
    floors: Mapping[str, int]

    def kept(self) -> tuple[Custom, ...]:
        """What may be searched by in every state: it was live and stays as it is, on these types."""
        staying = set(applied(self.target))
        found = []
        for custom in self.live:
            types = tuple(each.base for each in custom.applied() if each in staying)
            if types:
                found.append(msgspec.structs.replace(custom, types=types))
        return tuple(found)

    def coming(self) -> tuple[SearchParameter, ...]:
        """What was not live, or not like this."""
        known = set(applied(self.live))
        return tuple(parameter for parameter in applied(self.target) if parameter not in known)


async def prepare(database: Database) -> Agreed:
    """The document, made where there is none; rows of an older INDEX_VERSION are from now on to be indexed again.

    Raises FhirError 503 where a newer version of the server has taken the database over, or the database is away.
    """
    try:
        found = await read(database)
        if found is None:
            index_version = _BEFORE_SETS if await stored_types(database) else INDEX_VERSION
            await _insert(database, index_version)
            found = await existing(database)
        if found.index_version < INDEX_VERSION:
            change = {"index_version": INDEX_VERSION, "state": "indexing", "renewing": True, "step": found.step + 1}
            await advance(database, found, change)
            found = await existing(database)
    except DriverError as error:
        raise refusal(error) from error
    refuse_newer(found)
    return found


async def is_outdated(database: Database) -> bool:
    """Whether an older version of the server made search values that this one makes in another way."""
    found = await read(database)
    if found is not None:
        return found.renewing or found.index_version < INDEX_VERSION
    return bool(await stored_types(database))


def refuse_newer(found: Agreed) -> None:
    """Raise FhirError 503 where rows are made in a way this version of the server does not know."""
    if found.index_version > INDEX_VERSION:
        raise outcome.INDEXING(
            f"The database is indexed by a newer version of the server ({found.index_version}, this one knows "
            f"{INDEX_VERSION}). Start that version."
        )


async def existing(database: Database) -> Agreed:
    """The document; what a database without one stands for where there is none."""
    return await read(database) or _agreed({})


async def read(database: Database, session: Session | None = None) -> Agreed | None:
    """The document, None where there is none."""
    try:
        found = await database.collections[SETS].find_one(_ID, session=session)
    except DriverError as error:
        raise refusal(error) from error
    return None if found is None else _agreed(found)


async def step(database: Database) -> int:
    """The step the document is at."""
    try:
        found = await database.collections[SETS].find_one(_ID, {"step": 1})
    except DriverError as error:
        raise refusal(error) from error
    return 0 if found is None else int(found["step"])


async def advance(database: Database, seen: Agreed, change: Document) -> bool:
    """Change the document as it was seen; False where another process was first."""
    try:
        done = await database.collections[SETS].update_one({**_ID, "step": seen.step}, {"$set": change})
    except DriverError as error:
        raise refusal(error) from error
    return done.modified_count == 1


async def change(database: Database, running: Session, changes: Mapping[str, Custom | None]) -> None:
    """Inside a transaction: what SearchParameter resources, by id, define from now on (None: nothing).

    Raises FhirError 422 where one defines what another one does, or there are too many; the driver's errors pass.
    """
    found = await database.collections[SETS].find_one(_ID, session=running)
    seen = _agreed(found or {})
    target = _changed(seen.target, changes)
    if target == seen.target:
        return
    document = {"version": seen.version + 1, "step": seen.step + 1, "target": stored(target)}
    kept = set(applied(target))
    if all(parameter in kept for parameter in applied(seen.live)):
        document |= {"state": "indexing", "indexed": document["target"], "indexed_version": document["version"]}
    else:
        document |= {"state": "announced"}
    whole = document if found else _document(INDEX_VERSION) | document
    await database.collections[SETS].update_one(
        {**_ID, "step": seen.step} if found else _ID, {"$set": whole}, upsert=found is None, session=running
    )


def _changed(target: tuple[Custom, ...], changes: Mapping[str, Custom | None]) -> tuple[Custom, ...]:
    by_id: dict[str, Custom] = {custom.id: custom for custom in target}
    for id, custom in changes.items():
        if custom is None:
            by_id.pop(id, None)
        else:
            by_id[id] = custom
    for id, custom in changes.items():
        issue = clash(custom, by_id.values()) if custom is not None else None
        if issue is None and custom is not None and len(by_id) > MAX_CUSTOM:
            text = f"{MAX_CUSTOM} custom search parameters are in force; retire one first."
            issue = outcome.BUSINESS_RULE.issue(text, "SearchParameter.status")
        if issue is not None:
            raise FhirError(422, (issue,), place=f"SearchParameter/{id}")
    return tuple(sorted(by_id.values(), key=lambda custom: custom.id))


async def _insert(database: Database, index_version: int) -> None:
    try:
        await database.collections[SETS].insert_one(_ID | _document(index_version))
    except DriverError as error:
        if not is_duplicate(error):
            raise


def _document(index_version: int) -> Document:
    """The document of a database without custom parameters."""
    return {
        "step": 1,
        "index_version": index_version,
        "version": 0,
        "state": "live",
        "target": [],
        "indexed_version": 0,
        "indexed": [],
        "live": [],
        "renewing": False,
        "floors": {},
    }


def _agreed(found: Mapping[str, Any]) -> Agreed:
    fields = _document(INDEX_VERSION) | {"step": 0} | {name: found[name] for name in found if name != "_id"}
    customs = {name: restored(fields[name]) for name in ("target", "indexed", "live")}
    return Agreed(**(fields | customs))


def begin_indexing(agreed: Agreed) -> Document:
    """The change that lets writers index by the target, once nobody searches by what it drops."""
    return {
        "state": "indexing",
        "step": agreed.step + 1,
        "indexed": stored(agreed.target),
        "indexed_version": agreed.version,
        # What was dropped is not written from here on: were it asked for again, it would have to be indexed again.
        "live": stored(agreed.kept()),
    }


def go_live(agreed: Agreed, types: Iterable[str]) -> Document:
    """The change that lets all search by the target, once the rows of these types are indexed by it."""
    return {
        "state": "live",
        "step": agreed.step + 1,
        "indexed": stored(agreed.target),
        "indexed_version": agreed.version,
        "live": stored(agreed.target),
        "renewing": False,
        "floors": {**agreed.floors, **dict.fromkeys(types, agreed.version)},
    }


async def stored_types(database: Database) -> tuple[str, ...]:
    """The resource types that the database has collections for."""
    try:
        names = await database.handle.list_collection_names()
    except DriverError as error:
        raise refusal(error) from error
    return tuple(sorted(filter(is_resource_type, names)))
