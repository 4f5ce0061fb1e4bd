"""Makes one embedded mongod the primary of a replica set of its own, wherever its data directory now lies.

https://www.mongodb.com/docs/manual/reference/method/rs.initiate/
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pymongo import MongoClient
from pymongo.errors import AutoReconnect, OperationFailure, PyMongoError, ServerSelectionTimeoutError

from fhir_server.store.embedded_binary import EmbeddedUnavailable
from fhir_server.store.embedded_folder import answers
from fhir_server.store.embedded_process import REPLICA_SET

_NOT_YET_INITIALIZED = 94
_POLL_SECONDS = 0.01
# 0.05 s after the socket opens, on an idle machine.
_PRIMARY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Primary:
    """A mongod that takes writes: its connection string and version."""

    uri: str
    version: str


def uri_of(address: Path) -> str:
    """Connection string of a mongod on a Unix socket.

    It names the set: directly connected to, a mongod that starts again gets connections before it knows that it is a
    member, and PyMongo refuses transactions on those as long as they last (Connection.supports_sessions).
    """
    return _uri(address, f"replicaSet={REPLICA_SET}")


def _uri(address: Path, option: str) -> str:
    return f"mongodb://{quote(str(address), safe='')}/?{option}"


@dataclass(frozen=True, slots=True)
class _Starting:
    """A mongod that starts, directly connected to."""

    client: MongoClient[dict[str, Any]]
    address: Path

    def told(self, command: str, value: Any = 1, **options: Any) -> dict[str, Any]:
        """The answer to a command. It is sent once more where the connection was lost and mongod lives: it closes all
        that it has when it learns what it is in its set.
        """
        try:
            return self.client.admin.command(command, value, **options)
        except ServerSelectionTimeoutError:
            raise
        except AutoReconnect:
            if not answers(self.address):
                raise
            return self.client.admin.command(command, value, **options)


def await_primary(address: Path, database: Path) -> Primary:
    """Initiates the set where it is new, moves it where its socket moved, and waits until writes are taken.

    Raises EmbeddedUnavailable where the mongod serves another database or does not become primary in time.
    """
    # Directly, because it is no member of its set yet, or one of another address.
    uri = _uri(address, "directConnection=true")
    client: MongoClient[dict[str, Any]] = MongoClient(uri, serverSelectionTimeoutMS=int(_PRIMARY_SECONDS * 1000))
    asked = _Starting(client, address)
    try:
        options = asked.told("getCmdLineOpts")["parsed"]
        if Path(options["storage"]["dbPath"]) != database:
            raise EmbeddedUnavailable(f"The mongod on {address} serves another folder than {database}: stop it first.")
        _lead(asked)
        return Primary(uri_of(address), str(asked.told("buildInfo")["version"]))
    except PyMongoError as error:
        raise EmbeddedUnavailable(f"mongod on {address} failed while it started: {error}.") from error
    finally:
        client.close()


def _lead(asked: _Starting) -> None:
    """Refusals are tried again: the stored configuration is loaded and settled a moment after the socket opens."""
    deadline = time.monotonic() + _PRIMARY_SECONDS
    refusal = "no election was won"
    while not _is_primary(asked):
        try:
            _settle_members(asked)
        except OperationFailure as error:
            refusal = str(error)
        if time.monotonic() > deadline:
            raise EmbeddedUnavailable(f"mongod did not become primary within {_PRIMARY_SECONDS:.0f} s: {refusal}.")
        time.sleep(_POLL_SECONDS)


def _is_primary(asked: _Starting) -> bool:
    hello = asked.told("hello")
    return bool(hello["isWritablePrimary"]) and hello.get("hosts") == [str(asked.address)]


def _settle_members(asked: _Starting) -> None:
    """A set whose member has another address never becomes primary, as after the data directory was moved."""
    address = str(asked.address)
    members = [{"_id": 0, "host": address}]
    try:
        config = asked.told("replSetGetConfig")["config"]
    except OperationFailure as error:
        if error.code != _NOT_YET_INITIALIZED:
            raise
        asked.told("replSetInitiate", {"_id": REPLICA_SET, "members": members})
        return
    if [member["host"] for member in config["members"]] != [address]:
        # Forced, because there is no primary to agree; with a single member nothing can be rolled back.
        moved = {**config, "members": members, "version": config["version"] + 1}
        moved.pop("term", None)
        asked.told("replSetReconfig", moved, force=True)
