"""The one file that names a MongoDB driver: the connection, the few places where the drivers differ, their errors.

https://pymongo.readthedocs.io/en/stable/api/pymongo/asynchronous/mongo_client.html,
https://motor.readthedocs.io/en/stable/api-asyncio/asyncio_motor_client.html
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakValueDictionary

import bson
import msgspec
from bson.codec_options import CodecOptions
from bson.max_key import MaxKey
from bson.son import SON
from bson.timestamp import Timestamp
from pymongo import AsyncMongoClient, IndexModel, ReadPreference, ReplaceOne, UpdateOne
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.asynchronous.encryption import AsyncClientEncryption
from pymongo.errors import (
    ConfigurationError,
    ConnectionFailure,
    DocumentTooLarge,
    EncryptionError,
    ExecutionTimeout,
    InvalidOperation,
    InvalidURI,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WTimeoutError,
)
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from fhir_server.core import outcome
from fhir_server.core.outcome import FhirError
from fhir_server.store.allowance import Allowance

if TYPE_CHECKING:
    from fhir_server.store.vault import Vault

__all__ = [
    "APPLICATION_NAME",
    "ENCRYPTED_VALUE",
    "MAX_KEY",
    "MAX_ROW_BYTES",
    "Collection",
    "Database",
    "Document",
    "Driver",
    "DriverError",
    "IndexModel",
    "KeysRefused",
    "Read",
    "ReplaceOne",
    "Session",
    "SnapshotGone",
    "UpdateOne",
    "aggregate",
    "begin",
    "changes_of",
    "client_encryption",
    "close",
    "command",
    "connect",
    "index_specifications",
    "insert",
    "is_commit_unknown",
    "is_duplicate",
    "is_fenced",
    "is_too_old",
    "is_transient",
    "page_of",
    "ping",
    "read",
    "refusal",
    "refused_as",
    "row_bytes",
    "session",
]

Driver = Literal["pymongo", "motor"]
Document = dict[str, Any]
Collection = AsyncCollection[Document]
Session = AsyncClientSession
DriverError = PyMongoError
KeysRefused = EncryptionError
ENCRYPTED_VALUE = "AEAD_AES_256_CBC_HMAC_SHA_512-Random"
"""The algorithm by which ClientEncryption encrypts one value, differently each time."""

MAX_KEY = MaxKey()
MAX_ROW_BYTES = 16 * 1024 * 1024
"""BSON's limit for one document: https://www.mongodb.com/docs/manual/reference/limits/"""

APPLICATION_NAME = "fhir-server"

_SERVER_SELECTION_MS = 3_000
_HEARTBEAT_MS = 5_000
_WAIT_FOR_CONNECTION_MS = 5_000
_MAJORITY_MS = 10_000

# Never an explicit j: the majority is journaled already, and j=false waits 200 ms on a one-node set.
_MAJORITY = WriteConcern("majority", wtimeout=_MAJORITY_MS)
_OPTIONS: CodecOptions[Document] = CodecOptions(tz_aware=True, tzinfo=UTC)
_ROWS_OPTIONS: CodecOptions[Document] = CodecOptions()
"""For the rows of a search, whose datetimes only its order needs: 135 µs for a page of them are 63 without a zone."""

_NOT_PRIMARY_CODES = frozenset({91, 189, 10107, 11600, 11602, 13435, 13436})
_TIMEOUT_CODES = frozenset({50, 262})
_TOO_LARGE_CODES = frozenset({10334, 17419, 17420})
_SORT_MEMORY_CODES = frozenset({292, 17261})
_SNAPSHOT_GONE_CODES = frozenset({239, 246})
_WRITE_CONFLICT_CODES = frozenset({24, 112, 225, 246, 251})
_DUPLICATE_KEY_CODE = 11000
_OF_DOCUMENTS = frozenset({"insert", "update", "replace", "delete"})
_VALIDATION_CODE = 121


class SnapshotGone(Exception):
    """MongoDB no longer has, or cannot yet give, the moment to be read at (SnapshotTooOld, SnapshotUnavailable)."""


class Read(msgspec.Struct, frozen=True):
    """Rows read by one command, and the snapshot it was read at: cluster time in seconds, count within them."""

    rows: list[Document]
    at: tuple[int, int] | None


class _Collections(dict[str, Collection]):
    """Collections by name, made once: building one costs 20 µs with PyMongo and 60 µs with Motor."""

    def __init__(self, handle: AsyncDatabase[Document]) -> None:
        super().__init__()
        self._handle = handle

    def __missing__(self, name: str) -> Collection:
        collection = self._handle[name]
        self[name] = collection
        return collection


@dataclass(frozen=True, slots=True)
class Database:
    """An opened database. `search_milliseconds` bounds each search on the server.

    `vault` has the keys of what is encrypted (store/vault.py); without one such types are neither written nor read.

    `ensured` holds the names of collections whose indexes this process has made sure of, `ensuring` those at which it
    is. `turns` has a lock for each place on which writers of this process wait for one another. `noted` keeps what was
    estimated, each with the moment (monotonic seconds) until which it is used.
    """

    name: str
    driver: Driver
    search_milliseconds: int
    client: AsyncMongoClient[Document]
    handle: AsyncDatabase[Document]
    collections: dict[str, Collection]
    ensured: set[str] = field(default_factory=set)
    ensuring: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    turns: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    noted: dict[Any, tuple[float, Any]] = field(default_factory=dict)
    vault: "Vault | None" = None


def connect(
    uri: str,
    database_name: str,
    driver: Driver = "pymongo",
    *,
    search_seconds: float = 10.0,
    max_pool_size: int = 100,
    vault: "Vault | None" = None,
) -> Database:
    """A handle to the database; connections open on first use, so that an absent server shows in `ping` and later.

    What must hold for correctness (majority writes, retries, UTC) overrides the same options in the URI. How long a
    server may be silent before calls that wait for it are given up is its connectTimeoutMS, else 3 s.
    Raises ValueError for a URI that cannot be read, without repeating it: it may hold a password.
    """
    options: dict[str, Any] = {
        "appname": APPLICATION_NAME,
        "maxPoolSize": max_pool_size,
        "serverSelectionTimeoutMS": _SERVER_SELECTION_MS,
        # No socketTimeoutMS: on Python 3.11 it costs a task, 25 of 240 µs, in each call. A server that hangs is noticed
        # by the driver's monitor, which ends the calls that wait for it.
        "heartbeatFrequencyMS": _HEARTBEAT_MS,
        "waitQueueTimeoutMS": _WAIT_FOR_CONNECTION_MS,
        "retryWrites": True,
        "retryReads": True,
    }
    if "connecttimeoutms=" not in uri.lower():
        options["connectTimeoutMS"] = _SERVER_SELECTION_MS
    try:
        client = _client(driver, uri, options)
    except (InvalidURI, ConfigurationError) as error:
        raise ValueError("the MongoDB URI cannot be read: it has the form mongodb://host:port/") from error
    handle = client.get_database(
        database_name,
        codec_options=_OPTIONS,
        read_preference=ReadPreference.PRIMARY,
        write_concern=_MAJORITY,
        read_concern=ReadConcern("majority"),
    )
    milliseconds = int(search_seconds * 1000)
    return Database(database_name, driver, milliseconds, client, handle, _Collections(handle), vault=vault)


def _client(driver: Driver, uri: str, options: dict[str, Any]) -> AsyncMongoClient[Document]:
    if driver == "pymongo":
        return AsyncMongoClient(uri, **options)
    # Imported late: PyMongo's own client is the default, and Motor brings a thread pool.
    from motor.motor_asyncio import AsyncIOMotorClient

    client: Any = AsyncIOMotorClient(uri, **options)
    return client  # type: ignore[no-any-return]


async def close(database: Database) -> None:
    """Close every connection; the handle cannot be used afterwards."""
    if database.driver == "pymongo":
        await database.client.close()
    else:
        closing: Any = database.client
        closing.close()


async def ping(database: Database) -> None:
    """One round trip to the primary. Raises FhirError 503 where there is none."""
    await command(database, "ping")


async def command(database: Database, name: str, admin: bool = False) -> Mapping[str, Any]:
    """The answer to a database command that takes no argument."""
    handle = database.client["admin"] if admin else database.handle
    try:
        return await handle.command(SON([(name, 1)]))
    except DriverError as error:
        raise refusal(error) from error


@asynccontextmanager
async def client_encryption(
    database: Database,
    providers: Mapping[str, Mapping[str, Any]],
    key_vault: str,
    tls: Mapping[str, Mapping[str, str]] | None = None,
) -> AsyncIterator[AsyncClientEncryption[Document]]:
    """MongoDB's ClientEncryption over a collection of data keys. Its failures are KeysRefused.

    `tls` are `tlsCAFile` and `tlsCertificateKeyFile` of providers that are services.
    """
    namespace = f"{database.name}.{key_vault}"
    encryption: Any
    if database.driver == "motor":
        from motor.motor_asyncio import AsyncIOMotorClientEncryption

        client: Any = database.client
        encryption = AsyncIOMotorClientEncryption(providers, namespace, client, _OPTIONS, kms_tls_options=tls)
    else:
        encryption = AsyncClientEncryption(providers, namespace, database.client, _OPTIONS, kms_tls_options=tls)
    try:
        yield encryption
    finally:
        await encryption.close()


@asynccontextmanager
async def session(database: Database) -> AsyncIterator[Session]:
    """A session for one transaction; an open transaction is aborted when the block ends."""
    started: Any = database.client.start_session()
    if database.driver == "motor":
        started = await started
    try:
        yield started
    finally:
        await started.end_session()


async def begin(database: Database, session: Session) -> None:
    """Start a transaction that reads one snapshot and is acknowledged by the majority."""
    starting: Any = session.start_transaction(read_concern=ReadConcern("snapshot"), write_concern=_MAJORITY)
    if database.driver == "pymongo":
        await starting


async def aggregate(database: Database, collection: str, pipeline: Sequence[Mapping[str, Any]]) -> list[Document]:
    """All documents an aggregation gives, within `search_milliseconds`."""
    cursor: Any = database.collections[collection].aggregate(pipeline, maxTimeMS=database.search_milliseconds)
    if database.driver == "pymongo":
        cursor = await cursor
    return await page_of(cursor)


async def read(
    database: Database,
    command: Mapping[str, Any],
    at: tuple[int, int] | Literal["now"] | None = None,
    milliseconds: int | None = None,
    allowance: Allowance | None = None,
) -> Read:
    """The rows a `find` or `aggregate` command gives, within `milliseconds`, or else `search_milliseconds`.

    With an `allowance` it takes no longer than that has left, and what is read is taken from it.

    It reads what the majority has, with `at` at one snapshot: the latest ("now") or that of an earlier Read.
    `batchSize` of the command should hold all rows wanted. Datetimes in the rows are UTC without saying so. Raises
    SnapshotGone, FhirError 400 as `page_of` does, and ExecutionTimeout where no time is left.

    https://www.mongodb.com/docs/manual/reference/read-concern-snapshot/
    """
    allowed = milliseconds or database.search_milliseconds
    if allowance is not None:
        allowed = min(allowed, allowance.milliseconds)
        if allowed <= 0:
            raise ExecutionTimeout("no time is left")
    bounded = {**command, "maxTimeMS": allowed, "readConcern": _read_concern(at)}
    try:
        reply = (await _sent(database, bounded))["cursor"]
        read_at = reply.get("atClusterTime")
        # MongoDB names none where there is no such collection.
        snapshot = (read_at.time, read_at.inc) if read_at is not None else None if at == "now" else at
        if not reply["id"]:
            rows: list[Document] = reply["firstBatch"]
            if allowance is not None:
                allowance.take(rows)
            return Read(rows, snapshot)
        # The reply is full: one command answers 16 MB. What was read is read again through a cursor.
        await database.handle.command({"killCursors": reply["ns"].partition(".")[2], "cursors": [reply["id"]]})
        again = {**bounded, "readConcern": _read_concern(snapshot)}
        cursor = await database.handle.cursor_command(again, codec_options=_ROWS_OPTIONS)
        return Read(await page_of(cursor, allowance), snapshot)
    except OperationFailure as error:
        if at is not None and error.code in _SNAPSHOT_GONE_CODES:
            raise SnapshotGone from error
        raise


async def _sent(database: Database, command: dict[str, Any]) -> Document:
    """A reading command, sent once more where the connection or the primary was lost: commands are not retried.

    Raises FhirError 400 where it is larger than a command can be.
    """
    try:
        return await database.handle.command(command, codec_options=_ROWS_OPTIONS)
    except DocumentTooLarge as error:
        raise _too_many_values() from error
    except DriverError as error:
        if isinstance(error, OperationFailure) and error.code in _TOO_LARGE_CODES:
            raise _too_many_values() from error
        if not _is_away(error) or isinstance(error, ServerSelectionTimeoutError):
            raise
        return await database.handle.command(command, codec_options=_ROWS_OPTIONS)


def _too_many_values() -> FhirError:
    return outcome.TOO_COSTLY("The search asks for more values at once than a command can hold. Narrow it.")


def _read_concern(at: tuple[int, int] | Literal["now"] | None) -> dict[str, Any]:
    if at is None:
        return {"level": "majority"}
    if at == "now":
        return {"level": "snapshot"}
    return {"level": "snapshot", "atClusterTime": Timestamp(*at)}


async def insert(database: Database, collection: str, rows: Sequence[Document]) -> None:
    """Insert rows with an `_id` that only this caller makes, all of them, in their order.

    One command, which takes half as long as insert_many. It is sent once more where the connection or the primary was
    lost; rows that are there by then are its own. What went before a failure may be kept.
    """
    command = {"insert": collection, "documents": rows, "writeConcern": _MAJORITY.document}
    try:
        _check_written(await database.handle.command(command))
    except DriverError as error:
        if not _is_away(error) or isinstance(error, ServerSelectionTimeoutError):
            raise
        _check_written(await database.handle.command({**command, "ordered": False}), _DUPLICATE_KEY_CODE)


def _check_written(reply: Mapping[str, Any], besides: int | None = None) -> None:
    """Raise OperationFailure for rows that were not written, other than for the code `besides`, WTimeoutError where the
    majority did not confirm them in time.
    """
    for failure in reply.get("writeErrors", ()):
        if failure["code"] != besides:
            raise OperationFailure("rows were not written", failure["code"], dict(reply))
    if "writeConcernError" in reply:
        raise WTimeoutError("the majority did not confirm rows", reply["writeConcernError"].get("code"), dict(reply))


async def explained(database: Database, command: Mapping[str, Any], run: bool) -> Document:
    """How MongoDB runs a `find` or `aggregate` command; with `run` it does, and tells what it counted.

    https://www.mongodb.com/docs/manual/reference/command/explain/
    """
    verbosity = "executionStats" if run else "queryPlanner"
    explain = {"explain": dict(command), "verbosity": verbosity, "maxTimeMS": database.search_milliseconds}
    return await _sent(database, explain)


async def page_of(cursor: AsyncIterable[Document], allowance: Allowance | None = None) -> list[Document]:
    """The rows of one page of answers, read as they come.

    Raises FhirError 400 where their bodies are more together than a page may have, or than what the `allowance` has
    left: 1,000 rows may hold 16 GB.
    """
    taken_from = allowance or Allowance(0)
    rows: list[Document] = []
    async for row in cursor:
        taken_from.take((row,))
        rows.append(row)
    return rows


async def changes_of(database: Database, collection: str, silence_seconds: float) -> AsyncIterator[Document | None]:
    """What changes in a collection from now on, as change events with the whole document.

    None before the first, once all that come are seen, and after each `silence_seconds` without one. Ends where the
    collection is dropped.

    https://www.mongodb.com/docs/manual/reference/change-events/
    """
    options: dict[str, Any] = {
        "full_document": "updateLookup",
        "max_await_time_ms": int(silence_seconds * 1000),
    }
    stream: Any = database.collections[collection].watch(**options)
    if database.driver == "pymongo":
        stream = await stream
    async with stream:
        # Motor opens the stream with the first question.
        event = await stream.try_next()
        if event is not None:
            yield None
        while event is None or event["operationType"] in _OF_DOCUMENTS:
            yield event
            if not stream.alive:
                return
            event = await stream.try_next()


async def index_specifications(database: Database, collection: str) -> dict[str, Document]:
    """The indexes a collection has, by name; none where there is no such collection."""
    cursor: Any = database.collections[collection].list_indexes()
    if database.driver == "pymongo":
        cursor = await cursor
    return {found["name"]: dict(found) for found in await cursor.to_list(None)}


def row_bytes(row: Document) -> int:
    """The size of a document as BSON."""
    return len(bson.encode(row))


def is_transient(error: DriverError) -> bool:
    """Whether the whole transaction may be run again: nothing of it was kept.

    https://www.mongodb.com/docs/manual/core/transactions-in-applications/#transienttransactionerror
    """
    return error.has_error_label("TransientTransactionError") and not isinstance(error, ServerSelectionTimeoutError)


def is_commit_unknown(error: DriverError) -> bool:
    """Whether the commit may or may not have been kept, so that the commit alone is to be sent again."""
    return error.has_error_label("UnknownTransactionCommitResult")


def is_duplicate(error: DriverError) -> bool:
    """Whether a document with the same `_id` came in between."""
    return _says(error, _DUPLICATE_KEY_CODE)


def is_fenced(error: DriverError) -> bool:
    """Whether a row was refused because its search values were made from an older set of search parameters."""
    return _says(error, _VALIDATION_CODE)


def _says(error: DriverError, code: int) -> bool:
    if not isinstance(error, OperationFailure):
        return False
    if error.code == code:
        return True
    writes = (error.details or {}).get("writeErrors") or ()
    return any(write.get("code") == code for write in writes)


def is_too_old(error: BaseException | None) -> bool:
    """Whether a command failed because MongoDB speaks an older protocol than the driver knows."""
    return isinstance(error, ConfigurationError)


def is_timeout(error: DriverError) -> bool:
    """Whether MongoDB gave a command up because it took longer than allowed."""
    return isinstance(error, ExecutionTimeout) or (isinstance(error, OperationFailure) and error.code in _TIMEOUT_CODES)


def _is_away(error: DriverError) -> bool:
    code = error.code if isinstance(error, OperationFailure) else None
    return isinstance(error, (ConnectionFailure, InvalidOperation)) or code in _NOT_PRIMARY_CODES


def refused_as(error: BaseException | None) -> dict[str, Any] | None:
    """MongoDB's `code` and `name` of a refusal; None for what is no error of the driver.

    Not its words, which quote what was to be kept.
    """
    if not isinstance(error, DriverError):
        return None
    if not isinstance(error, OperationFailure):
        return {"code": None, "name": type(error).__name__}
    return {"code": error.code, "name": (error.details or {}).get("codeName")}


def refusal(error: DriverError, may_be_kept: bool = False) -> FhirError:
    """What a client is told of a driver's error: never the driver's own words, which name hosts and queries.

    `may_be_kept` says that it met a write, so that a lost answer does not mean a lost write.
    """
    code = error.code if isinstance(error, OperationFailure) else None
    if is_timeout(error):
        return outcome.TIMED_OUT("The database did not finish in the time allowed. Narrow the request or try again.")
    is_away = _is_away(error)
    if isinstance(error, WTimeoutError) or is_commit_unknown(error) or (is_away and may_be_kept):
        return outcome.UNAVAILABLE(
            "The database did not confirm the write in time; it may or may not be kept. Read before trying again."
        )
    # A member that was asked before it had joined its set is, on that connection, one without sessions.
    if is_away or isinstance(error, ConfigurationError):
        return outcome.UNAVAILABLE("The database cannot be reached at the moment. Try again shortly.")
    if isinstance(error, DocumentTooLarge) or code in _TOO_LARGE_CODES:
        return outcome.TOO_LARGE(
            f"The resource and its search values are larger than the {MAX_ROW_BYTES} bytes the database can keep."
        )
    if code in _SORT_MEMORY_CODES:
        return outcome.TOO_COSTLY("The search needs too much memory to be sorted. Narrow it.")
    if code in _WRITE_CONFLICT_CODES or error.has_error_label("TransientTransactionError") or is_duplicate(error):
        return outcome.WRITE_CONFLICT("Other writes to the same resources kept winning. Try again.")
    return outcome.INTERNAL("The database refused a command of the server.")
