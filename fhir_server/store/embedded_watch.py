"""Starts the embedded MongoDB again where it ends while a server still needs it."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from fhir_server.store.embedded import EmbeddedMongod, EmbeddedUnavailable, embedded_mongod

LOOK_EVERY_SECONDS = 1.0

log = structlog.get_logger()


@contextmanager
def kept_running(mongod: EmbeddedMongod, binary: str | None = None) -> Iterator[None]:
    """While the block runs, a mongod that was killed or crashed is started again under the same URI.

    Requests in between are answered 503; the driver finds the new process by itself.
    """
    over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(mongod, binary, over), name="mongod-watch", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _watch(mongod: EmbeddedMongod, binary: str | None, over: threading.Event) -> None:
    pid = mongod.pid
    while not over.wait(LOOK_EVERY_SECONDS):
        if _lives(pid):
            continue
        log.error("the embedded MongoDB ended; starting it again", pid=pid)
        try:
            # Joining and leaving at once leaves it running: this process shares it already.
            with embedded_mongod(mongod.data_dir, binary) as again:
                pid = again.pid
        except EmbeddedUnavailable as error:
            log.error("the embedded MongoDB does not start", reason=str(error))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
