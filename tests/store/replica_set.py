"""Three mongods on loopback ports as one replica set, whose members can be killed and started again.

https://www.mongodb.com/docs/manual/replication/
"""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from fhir_server.store.embedded_binary import find_binary

NAME = "three"
_MEMBERS = 3
_SECONDS = 60.0


@dataclass(slots=True)
class Member:
    """One mongod of the set; `process` is None while it is down."""

    binary: Path
    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Launches mongod on the member's folder and port; it joins the set by itself."""
        if self.process is not None:
            raise AssertionError(f"the member on {self.host} already runs")
        self.process = subprocess.Popen(
            [
                *(str(self.binary), "--dbpath", str(self.folder), "--logpath", str(self.folder / "mongod.log")),
                *("--logappend", "--quiet", "--replSet", NAME, "--oplogSize", "128", "--wiredTigerCacheSizeGB", "0.25"),
                *("--bind_ip", "127.0.0.1", "--port", str(self.port), "--nounixsocket"),
                *("--setParameter", "diagnosticDataCollectionEnabled=false"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def kill(self) -> None:
        """Ends the member at once (SIGKILL), as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def hello(self) -> dict[str, Any]:
        """The member's own view of the set; PyMongoError where it does not answer within a second."""
        client: MongoClient = MongoClient(self.host, directConnection=True, serverSelectionTimeoutMS=1000)
        with client:
            return client.admin.command("hello")


@dataclass(slots=True)
class ReplicaSet:
    """The running set. `uri` is what FHIR_MONGODB_URI takes."""

    members: list[Member] = field(default_factory=list)

    @property
    def uri(self) -> str:
        return f"mongodb://{','.join(member.host for member in self.members)}/?replicaSet={NAME}"

    def primary(self) -> Member:
        """The member that takes writes, waiting for an election to end."""
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline:
            for member in self.members:
                if member.process is not None and self._leads(member):
                    return member
            time.sleep(0.05)
        raise AssertionError(f"no primary within {_SECONDS:.0f} s")

    def await_secondaries(self) -> None:
        """Returns when every member that is up follows the primary, so that the next kill keeps a majority."""
        primary = self.primary()
        deadline = time.monotonic() + _SECONDS
        followers = [member for member in self.members if member.process is not None and member is not primary]
        while not all(self._follows(member) for member in followers):
            if time.monotonic() > deadline:
                raise AssertionError(f"a member is no secondary within {_SECONDS:.0f} s")
            time.sleep(0.05)

    @staticmethod
    def _leads(member: Member) -> bool:
        try:
            return bool(member.hello()["isWritablePrimary"])
        except PyMongoError:
            return False

    @staticmethod
    def _follows(member: Member) -> bool:
        try:
            return bool(member.hello()["secondary"])
        except PyMongoError:
            return False


@contextmanager
def replica_set(folder: Path) -> Iterator[ReplicaSet]:
    """Three members in `folder`, one elected and the others following; all killed at the end.

    A killed primary is replaced within about two seconds (the default is ten).
    """
    binary = find_binary().path
    ports = enumerate(_free_ports(_MEMBERS))
    started = ReplicaSet([Member(binary, folder / f"member{number}", port) for number, port in ports])
    try:
        for member in started.members:
            member.folder.mkdir(parents=True, exist_ok=True)
            member.start()
        _initiate(started)
        started.await_secondaries()
        yield started
    finally:
        for member in started.members:
            member.kill()


def _initiate(chosen: ReplicaSet) -> None:
    configuration = {
        "_id": NAME,
        "members": [{"_id": number, "host": member.host} for number, member in enumerate(chosen.members)],
        "settings": {"electionTimeoutMillis": 1500, "heartbeatIntervalMillis": 300},
    }
    client: MongoClient = MongoClient(
        chosen.members[0].host, directConnection=True, serverSelectionTimeoutMS=int(_SECONDS * 1000)
    )
    with client:
        client.admin.command("ping")
        _await_listeners(chosen)
        client.admin.command("replSetInitiate", configuration)


def _await_listeners(chosen: ReplicaSet) -> None:
    """The set is initiated only where each member answers."""
    deadline = time.monotonic() + _SECONDS
    for member in chosen.members:
        while True:
            try:
                member.hello()
                break
            except PyMongoError:
                if time.monotonic() > deadline:
                    raise


def _free_ports(count: int) -> list[int]:
    """Ports of loopback, all held at once while they are chosen, so that they differ."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
