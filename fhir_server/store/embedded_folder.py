"""The private folder of an embedded mongod inside the data directory, and the Unix socket it listens on.

https://www.mongodb.com/docs/manual/reference/program/mongod/
"""

import fcntl
import hashlib
import os
import re
import socket
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fhir_server.store.embedded_binary import EmbeddedUnavailable

# sun_path holds 108 bytes on Linux and 104 on macOS, one of them the closing zero.
_SOCKET_PATH_BYTES = 103
# mongod splits its bind list at commas and a member's address at colons; drivers take that address for the name of a
# host, and lower-case it.
_PLAIN_PATH = re.compile(r"[a-z0-9_./@+=~-]+")
_PRIVATE = 0o700


@dataclass(frozen=True, slots=True)
class MongodFolder:
    """The private folder (mode 0700) of one embedded mongod, inside the data directory."""

    root: Path

    @property
    def database(self) -> Path:
        return self.root / "db"

    @property
    def log(self) -> Path:
        return self.root / "mongod.log"

    @property
    def output(self) -> Path:
        return self.root / "mongod.out"

    @property
    def address(self) -> Path:
        return self.root / "address"

    def is_served(self) -> bool:
        """Whether a mongod runs on the database: it holds a flock on `mongod.lock`, which no kill leaves behind."""
        try:
            descriptor = os.open(self.database / "mongod.lock", os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def served_by(self) -> int | None:
        """Process id of the mongod that holds the database; None while it has not written it, or holds it no more."""
        try:
            text = (self.database / "mongod.lock").read_text("ascii").strip()
        except FileNotFoundError:
            return None
        return int(text) if text.isdigit() and self.is_served() else None


def make_folder(data_dir: Path) -> MongodFolder:
    """Makes what is missing of the data directory; raises OSError, or EmbeddedUnavailable for another user's folder."""
    data_dir.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
    folder = MongodFolder(data_dir.resolve() / "mongodb")
    folder.root.mkdir(mode=_PRIVATE, exist_ok=True)
    _insist_private(folder.root)
    folder.database.mkdir(mode=_PRIVATE, exist_ok=True)
    return folder


def _insist_private(directory: Path) -> None:
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise EmbeddedUnavailable(
            f"{directory} belongs to another user (id {found.st_uid}): "
            "run as that user, or choose another folder with --data-dir."
        )
    if stat.S_IMODE(found.st_mode) != _PRIVATE:
        directory.chmod(_PRIVATE)


def choose_socket(folder: MongodFolder) -> Path:
    """Where mongod shall listen: in its folder, or in a 0700 folder of a temporary directory.

    The second is for paths too long or not plain enough for a socket's address, and for volumes that hold no sockets.
    """
    if _can_listen(inside := folder.root / "mongod.sock"):
        return inside
    for outside in _outside(folder):
        outside.mkdir(mode=_PRIVATE, exist_ok=True)
        _insist_private(outside)
        if _can_listen(elsewhere := outside / "mongod.sock"):
            return elsewhere
        with suppress(OSError):
            outside.rmdir()
    tried = " or ".join(str(each) for each in (folder.root, *_outside(folder)))
    raise EmbeddedUnavailable(f"No Unix socket can be made in {tried}: choose another --data-dir.")


def drop_socket_folder(folder: MongodFolder) -> None:
    """Takes away the folder in the temporary directory once it holds no socket."""
    for outside in _outside(folder):
        with suppress(OSError):
            outside.rmdir()


def _outside(folder: MongodFolder) -> list[Path]:
    """That of this user first; on macOS its name has capitals."""
    mark = hashlib.sha256(os.fsencode(folder.root)).hexdigest()[:16]
    found = {Path(each).resolve(): None for each in (tempfile.gettempdir(), Path("/", "tmp"))}
    return [each / f"fhir-server-{os.geteuid()}-{mark}" for each in found]


def _can_listen(path: Path) -> bool:
    if len(os.fsencode(path)) > _SOCKET_PATH_BYTES or not _PLAIN_PATH.fullmatch(str(path)):
        return False
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.bind(str(path))
        except OSError:
            return False
    path.unlink()
    return True


def answers(path: Path) -> bool:
    """Whether something accepts connections on the Unix socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
