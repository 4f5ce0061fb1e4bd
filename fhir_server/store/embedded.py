"""The embedded MongoDB: a private one-node replica set in the data directory, shared by every process that needs it.

https://www.mongodb.com/docs/manual/core/replica-set-members/
"""

import errno
import fcntl
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fhir_server.store.embedded_binary import EmbeddedUnavailable, find_binary
from fhir_server.store.embedded_folder import MongodFolder, answers, choose_socket, drop_socket_folder, make_folder
from fhir_server.store.embedded_process import START_SECONDS, abandon, launch, stop, wait_until
from fhir_server.store.embedded_replica_set import Primary, await_primary

__all__ = ["EmbeddedMongod", "EmbeddedUnavailable", "embedded_mongod"]

CACHE_GIGABYTES = 1.0

# mongod makes its socket 0.06 s after it is launched.
_LOST_SOCKET_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class EmbeddedMongod:
    """A running embedded mongod. `uri` names a Unix socket that only this user can open; there is no password."""

    uri: str
    data_dir: Path
    version: str
    pid: int
    started_here: bool


@contextmanager
def embedded_mongod(
    data_dir: Path, binary: str | None = None, *, start: bool = True, cache_gigabytes: float = CACHE_GIGABYTES
) -> Iterator[EmbeddedMongod]:
    """Joins the mongod that runs on `data_dir`, or starts one; the last process to leave stops it.

    `binary` is the value of FHIR_MONGOD. With `start=False` one must be running already. A process that is killed
    leaves mongod running, and the next one to come takes it over. Raises EmbeddedUnavailable.
    """
    with _told_plainly(data_dir):
        folder = make_folder(data_dir)
        entered_by = os.getpid()
        sharers = _open_lock(folder.root / "sharers.lock")
    try:
        with _told_plainly(data_dir), _changing(folder):
            fcntl.flock(sharers, fcntl.LOCK_SH)
            mongod = _adopt(folder, data_dir) or _start(folder, data_dir, binary, start, cache_gigabytes)
        try:
            yield mongod
        finally:
            # A fork that unwinds its parent's stack must not stop what the parent still uses.
            if os.getpid() == entered_by:
                with _told_plainly(data_dir), _changing(folder):
                    _leave(folder, sharers)
    finally:
        os.close(sharers)


def _adopt(folder: MongodFolder, data_dir: Path) -> EmbeddedMongod | None:
    """The mongod that already runs on the folder, started by a process that still lives or was killed."""
    if not folder.is_served():
        return None
    try:
        address = Path(folder.address.read_text("utf-8"))
    except FileNotFoundError:
        raise EmbeddedUnavailable(f"A mongod that was not started by this server runs on {folder.database}.") from None
    if not wait_until(lambda: address.exists() or not folder.is_served(), _LOST_SOCKET_SECONDS):
        # Nobody can reach it any more, as when the temporary directory was swept.
        stop(folder)
    if not wait_until(lambda: answers(address) or not folder.is_served(), START_SECONDS):
        raise EmbeddedUnavailable(f"mongod (process {folder.served_by()}) does not answer on {address}: stop it first.")
    if not folder.is_served():
        return None
    return _describe(folder, data_dir, await_primary(address, folder.database), started_here=False)


def _start(
    folder: MongodFolder, data_dir: Path, binary: str | None, permitted: bool, cache_gigabytes: float
) -> EmbeddedMongod:
    if not permitted:
        raise EmbeddedUnavailable(f"No embedded MongoDB runs on {data_dir}: start the server first.")
    chosen = find_binary(binary)
    address = choose_socket(folder)
    _write_whole(folder.address, str(address))
    process = launch(folder, chosen, address, cache_gigabytes)
    try:
        mongod = _describe(folder, data_dir, await_primary(address, folder.database), started_here=True)
    except BaseException:
        abandon(process)
        raise
    _reap_when_ended(process)
    return mongod


def _describe(folder: MongodFolder, data_dir: Path, primary: Primary, started_here: bool) -> EmbeddedMongod:
    pid = folder.served_by()
    if pid is None:
        raise EmbeddedUnavailable(f"mongod ended as soon as it had started: see {folder.log}.")
    return EmbeddedMongod(primary.uri, data_dir, primary.version, pid, started_here)


def _leave(folder: MongodFolder, sharers: int) -> None:
    """Stops mongod unless another process holds the shared lock, which vanishes with its holder however it ends."""
    fcntl.flock(sharers, fcntl.LOCK_UN)
    try:
        fcntl.flock(sharers, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    stop(folder)
    drop_socket_folder(folder)


def _reap_when_ended(process: subprocess.Popen[bytes]) -> None:
    """Another process may stop mongod while this one lives on; without this a dead entry would stay in its table."""
    threading.Thread(target=process.wait, name="mongod-ended", daemon=True).start()


@contextmanager
def _changing(folder: MongodFolder) -> Iterator[None]:
    """One process at a time starts, joins or leaves."""
    turn = _open_lock(folder.root / "turn.lock")
    try:
        if not wait_until(lambda: _try_exclusive(turn), START_SECONDS):
            raise EmbeddedUnavailable(f"Another process has been starting mongod on {folder.root} for too long.")
        yield
    finally:
        os.close(turn)


def _try_exclusive(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _write_whole(path: Path, text: str) -> None:
    """A reader sees the old text or the new, never a part."""
    beside = path.with_name(path.name + ".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    beside.replace(path)


@contextmanager
def _told_plainly(data_dir: Path) -> Iterator[None]:
    """Turns the system's refusals about the folder into one sentence with the remedy."""
    try:
        yield
    except OSError as error:
        raise EmbeddedUnavailable(_refusal(data_dir, error)) from error


def _refusal(data_dir: Path, error: OSError) -> str:
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"This user may not write in {data_dir}: grant it, or choose another folder with --data-dir."
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk of {data_dir} is full: make room, or choose another folder with --data-dir."
    if error.errno == errno.EROFS:
        return f"{data_dir} is on a read-only disk: choose another folder with --data-dir."
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return f"{data_dir} is not a folder: choose another with --data-dir."
    return f"{data_dir} cannot be used ({error.strerror}): choose another folder with --data-dir."
