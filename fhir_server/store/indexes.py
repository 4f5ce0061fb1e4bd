"""Which indexes each collection has, declared as data, made before the first row and compared at start.

https://www.mongodb.com/docs/manual/indexes/
"""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from fhir_server.definitions.attached import HOLDERS
from fhir_server.definitions.elements import structure
from fhir_server.definitions.owners import HIDDEN_WITH_OTHERS
from fhir_server.definitions.search_parameters import search_parameters
from fhir_server.search.index import is_text_searched
from fhir_server.search.sort_keys import INDEXED_SORT
from fhir_server.store.mongo import Database, DriverError, IndexModel, index_specifications, refusal
from fhir_server.store.rows import HISTORY_SUFFIX, history_collection

CLAIMS = "server.claims"
"""One document per claimed name. Resource types start with a capital letter, so the name is free."""

TURNS = "server.turns"
"""How often facts were written that rules rest on, by what they are of."""

NOTICES = "server.notices"
"""Who is to be told of what, until the letter is written."""

DATA_KEYS = "server.data_keys"
"""The key vault of MongoDB's ClientEncryption."""

CONTENT_KEYS = "server.content_keys"
"""Under which content is sealed; each encrypted under a data key."""

FILES = "server.files"
"""The content of Binaries in sealed chunks."""

READ_MARKS = "server.read_marks"
"""Who has read which message."""

KEYS = "server.keys"
"""Secrets all workers share."""

AUDIT = "server.audit"
"""What was seen and done, by whom: rows in hash chains (docs/adr/0017)."""

AUDIT_HEADS = "server.audit_heads"
"""How far each chain of them has come."""

AUDIT_BURSTS = "server.audit_bursts"
"""When each caller was last refused."""

_CLAIM_SECONDS = 3600
"""Claims matter only while transactions overlap (60 s at most); afterwards they are dropped."""


@dataclass(frozen=True, slots=True)
class Index:
    """An index by name: fields with 1, -1 or the kind of the index, and for how many seconds documents stay, where that
    is bounded. One that `is_sparse` leaves out rows that have none of the fields; one with `only_if`, a field and its
    value, rows that have another there.
    """

    name: str
    fields: tuple[tuple[str, int | str], ...]
    expires_after_seconds: int | None = None
    is_sparse: bool = False
    only_if: tuple[str, bool] | None = None


@cache
def current_indexes(type: str) -> tuple[Index, ...]:
    """The indexes of a type's current rows: those for measures, positions, words and contained resources only where the
    type can have them.
    """
    key = INDEXED_SORT.get(type)
    newest = f"k.{key}.d" if key else "updated"
    indexes = [
        Index("pt", (("pt", 1), (newest, -1), ("_id", 1))),
        Index("t", (("t", 1), ("updated", -1), ("_id", 1))),
        Index("s", (("s", 1), ("_id", 1))),
        Index("dlo", (("d.p", 1), ("d.lo", 1))),
        Index("dhi", (("d.p", 1), ("d.hi", 1))),
        Index("updated", (("updated", -1), ("_id", 1))),
        # A tombstone is in none of the others but the last; live rows are not in this one, so it costs them nothing.
        Index("gone", (("owners", 1), ("updated", -1)), only_if=("deleted", True)),
    ]
    kinds = {parameter.type for parameter in search_parameters(type).values() if parameter.expression}
    if not kinds.isdisjoint(("number", "quantity")):
        indexes.append(Index("q", (("q.p", 1), ("q.lo", 1), ("q.hi", 1)), is_sparse=True))
    if "special" in kinds:
        indexes.append(Index("g", (("g.at", "2dsphere"),)))
    if is_text_searched(type):
        indexes.append(Index("w", (("w", 1), ("updated", -1), ("_id", 1))))
    if "contained" in structure(type).elements:
        indexes.append(Index("h", (("h.r", 1), ("h.t", 1)), is_sparse=True))
    if type in HIDDEN_WITH_OTHERS:
        indexes.append(_ABOUT)
    if type in HOLDERS:
        indexes.append(_HELD)
    return tuple(indexes)


_ABOUT = Index("about", (("about", 1),), is_sparse=True)
_HELD = Index("files", (("files", 1),), is_sparse=True)


HISTORY_INDEXES = (
    Index("rid", (("rid", 1), ("version", -1))),
    # What one patient may see of a history is found by its owner.
    Index("owners", (("owners", 1), ("updated", -1))),
    Index("updated", (("updated", -1), ("rid", 1), ("version", -1))),
)

SERVICE_INDEXES = {
    CLAIMS: (Index("at", (("at", 1),), _CLAIM_SECONDS),),
    DATA_KEYS: (),
    CONTENT_KEYS: (),
    READ_MARKS: (Index("reader", (("reader", 1),)),),
    FILES: (Index("unlinked", (("unlinked", 1),), is_sparse=True),),
    TURNS: (Index("at", (("at", 1),), _CLAIM_SECONDS),),
    NOTICES: (Index("due", (("due", 1),)),),
    AUDIT: (Index("at", (("at", -1), ("_id", -1))), Index("keys", (("keys", 1), ("at", -1), ("_id", -1)))),
    AUDIT_BURSTS: (Index("expires", (("expires", 1),), 0),),
}

AUTH_PREFIX = "auth."
"""What the name of a collection of documents of sign-in begins with; its kind follows."""

EXPIRES = "_expires"
"""The field of such a document that holds when it may vanish."""

_AUTH_FIELDS = {
    "accounts": ("login", "email", "fhir_user", "patients"),
    "cards": ("account",),
    "codes": ("grant",),
    "external_logins": ("account",),
    "grants": ("account", "client_id", "session"),
    "persons": ("account",),
    "refresh_tokens": ("grant",),
    "sessions": ("account",),
}
"""By which fields documents of a kind are found."""


def declared(collection: str) -> tuple[Index, ...]:
    """The indexes a collection must have besides `_id`."""
    if collection in SERVICE_INDEXES:
        return SERVICE_INDEXES[collection]
    if collection.startswith(AUTH_PREFIX):
        return _auth_indexes(collection.removeprefix(AUTH_PREFIX))
    if collection.endswith(HISTORY_SUFFIX):
        type = collection.removesuffix(HISTORY_SUFFIX)
        about = (_ABOUT,) if type in HIDDEN_WITH_OTHERS else ()
        return (*HISTORY_INDEXES, *about, *((_HELD,) if type in HOLDERS else ()))
    return current_indexes(collection) if collection[:1].isupper() else ()


async def ensure(database: Database, types: Iterable[str]) -> None:
    """Make the two collections of each type and their indexes, once per process, before anything is written to them.

    Creating an index that exists changes nothing, one that is being built is waited for: two workers may meet here.
    """
    missing = [type for type in dict.fromkeys(types) if type not in database.ensured]
    if missing:
        # All at once: one after the other, 30 collections took 4 s, most of it waiting for the journal.
        await asyncio.gather(*(_once(database, type, (history_collection(type), type)) for type in missing))


def holds_no_resources(collection: str) -> bool:
    """Whether it holds what the server itself keeps, and no resources."""
    return collection in SERVICE_INDEXES or collection.startswith(AUTH_PREFIX)


def _auth_indexes(kind: str) -> tuple[Index, ...]:
    fields = tuple(Index(field, ((field, 1), ("_id", 1))) for field in _AUTH_FIELDS.get(kind, ()))
    return (*fields, Index("expires", ((EXPIRES, 1),), 0, is_sparse=True))


async def ensure_collection(database: Database, collection: str) -> None:
    """Make a collection of the server's own, once per process."""
    if collection not in database.ensured:
        await _once(database, collection, (collection,))


async def ensure_claims(database: Database) -> None:
    """Make the collection of claims, once per process."""
    await ensure_collection(database, CLAIMS)


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
                if not _is_as_declared(existing.get(index.name, {}), index)
            ]
    except DriverError as error:
        raise refusal(error) from error
    return tuple(missing)


def _is_as_declared(existing: Mapping[str, Any], index: Index) -> bool:
    keys = tuple(existing.get("key", {}).items())
    only_if = existing.get("partialFilterExpression") or None
    is_partial = only_if == (None if index.only_if is None else dict((index.only_if,)))
    return keys == index.fields and bool(existing.get("sparse")) is index.is_sparse and is_partial


async def _create(database: Database, collection: str) -> None:
    try:
        models = [_model(index) for index in declared(collection)]
        if models:
            await database.collections[collection].create_indexes(models)
    except DriverError as error:
        raise refusal(error) from error


def _model(index: Index) -> IndexModel:
    options: dict[str, Any] = {"sparse": True} if index.is_sparse else {}
    if index.only_if is not None:
        options["partialFilterExpression"] = dict((index.only_if,))
    if index.expires_after_seconds is not None:
        options["expireAfterSeconds"] = index.expires_after_seconds
    return IndexModel(list(index.fields), name=index.name, **options)
