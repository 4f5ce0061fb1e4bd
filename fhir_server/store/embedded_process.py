"""One mongod process on its folder: how it is launched, how it ends, what it said.

https://www.mongodb.com/docs/manual/reference/program/mongod/
"""

import errno
import json
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from fhir_server.store.embedded_binary import EmbeddedUnavailable, MongodBinary
from fhir_server.store.embedded_folder import MongodFolder, answers

REPLICA_SET = "fhir"

# On data at rest mongod answers within 1.2 s; killed amid 200,000 inserts it replayed its journal for 33 s.
START_SECONDS = 300.0
_STOP_SECONDS = 60.0
_POLL_SECONDS = 0.01
_OPLOG_MEGABYTES = 512
# A start writes about 60 KB of log.
_LOG_BYTES = 16 * 1024 * 1024
# mongod asks for 64,000; above that nothing is gained, and some machines report a limit in the thousand millions.
_OPEN_FILES = 65_536


def launch(
    folder: MongodFolder, binary: MongodBinary, address: Path, cache_gigabytes: float
) -> subprocess.Popen[bytes]:
    """Starts mongod on the folder and returns when it accepts connections on `address`.

    Raises EmbeddedUnavailable with mongod's own reason where it ends instead.
    """
    _rotate_log(folder.log)
    log_start = folder.log.stat().st_size if folder.log.exists() else 0
    with _private_file(folder.output) as output, _open_files_raised():
        # Its own session: Ctrl-C and a closed terminal reach the server alone, which then stops mongod last.
        process = subprocess.Popen(
            _arguments(folder, binary, address, cache_gigabytes),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder.root,
            env={name: text for name, text in os.environ.items() if not name.startswith("FHIR_")},
            start_new_session=True,
        )
    try:
        if wait_until(lambda: process.poll() is not None or answers(address), START_SECONDS):
            if process.returncode is None:
                return process
            raise _ended(folder, log_start)
        raise EmbeddedUnavailable(f"mongod did not answer within {START_SECONDS:.0f} s: see {folder.log}.")
    except BaseException:
        abandon(process)
        raise


def abandon(process: subprocess.Popen[bytes]) -> None:
    """Ends a mongod whose start was given up."""
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def stop(folder: MongodFolder) -> None:
    """Stops the mongod on the folder cleanly, whoever started it, and returns when its files are closed.

    One that has not ended after a minute is killed: what was acknowledged is in its journal.
    """
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        pid = folder.served_by()
        if pid is None:
            return
        try:
            os.kill(pid, signal_number)
        except ProcessLookupError:
            return
        if wait_until(lambda: not folder.is_served(), _STOP_SECONDS):
            return


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether the condition became true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _arguments(folder: MongodFolder, binary: MongodBinary, address: Path, cache_gigabytes: float) -> list[str]:
    return [
        str(binary.path),
        "--dbpath",
        str(folder.database),
        "--replSet",
        REPLICA_SET,
        # The socket named here is the only door: no TCP port, and no second socket in /tmp.
        "--bind_ip",
        str(address),
        "--nounixsocket",
        "--filePermissions",
        "0700",
        "--oplogSize",
        str(_OPLOG_MEGABYTES),
        "--wiredTigerCacheSizeGB",
        str(cache_gigabytes),
        "--logpath",
        str(folder.log),
        "--logappend",
        "--quiet",
        # Slow queries are logged with their values, which are patients' values.
        "--slowOpSampleRate",
        "0",
        "--setParameter",
        "diagnosticDataCollectionEnabled=false",
    ]


def _rotate_log(log: Path) -> None:
    if log.exists() and log.stat().st_size > _LOG_BYTES:
        log.replace(log.with_name(log.name + ".1"))


def _private_file(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


@contextmanager
def _open_files_raised() -> Iterator[None]:
    """Raises this process's soft limit while a child is born: mongod aborts at 1,024 once it has many collections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _ended(folder: MongodFolder, log_start: int) -> Exception:
    """What to raise for a mongod that ended: OSError for a full disk, else the reason it wrote, in words."""
    logged = b""
    if folder.log.exists():
        with folder.log.open("rb") as log:
            log.seek(log_start)
            logged = log.read()
    written = logged + folder.output.read_bytes()
    if b"No space left on device" in written or b"Writing to log file failed" in written:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    reason = _reason(written.splitlines())
    return EmbeddedUnavailable(f"mongod ended at its start: {reason} (its log: {folder.log}).")


def _reason(lines: list[bytes]) -> str:
    """The first fatal or error entry among the lines of a log, or the last line that is no entry."""
    last = "it left no reason"
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            last = line.decode("utf-8", "replace").strip() or last
            continue
        if entry.get("s") in ("E", "F"):
            return _in_words(entry)
    return last


def _in_words(entry: dict[str, Any]) -> str:
    text = str(entry.get("msg", "")).strip()
    attributes = entry.get("attr") or {}
    for found in (attributes.get("error"), attributes.get("message"), attributes.get("reason")):
        told = found.get("errmsg") or found.get("msg") if isinstance(found, dict) else found
        if isinstance(told, str) and told:
            return f"{text}: {told.strip()}"
    return text
