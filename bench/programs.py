"""The two programs that are measured, as processes of one worker: this server, and the floor under the same uvicorn."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

READY_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Program:
    """A running program. `base` is its FHIR base; `ready_seconds` is from its start to its first answer."""

    name: str
    base: str
    pid: int
    ready_seconds: float

    def memory_bytes(self) -> int:
        """Resident memory now, of the process and of all it started; pages they share are counted in each."""
        return sum(_resident(pid) for pid in _family(self.pid))

    def processor_seconds(self) -> float:
        """Processor time spent so far, of the process and of all it started; not MongoDB's."""
        return sum(map(_processor_seconds, _family(self.pid)))


@contextmanager
def ours(mongodb_uri: str, database: str, log: Path) -> Iterator[Program]:
    """`fhir-server serve` with one worker on an existing database."""
    port = _free_port()
    command = [sys.executable, "-m", "fhir_server.cli", "serve", "--auth", "off", "--workers", "1", "--port", str(port)]
    settings = {"FHIR_MONGODB_URI": mongodb_uri, "FHIR_MONGODB_DATABASE": database}
    with _running("ours", command, settings, port, "/fhir/metadata", log) as program:
        yield program


@contextmanager
def ours_signed_in(mongodb_uri: str, database: str, log: Path) -> Iterator[Program]:
    """The same with sign-in: tokens are checked, what they may see is part of each query, and all of it is audited."""
    port = _free_port()
    command = [sys.executable, "-m", "fhir_server.cli", "serve", "--workers", "1", "--port", str(port)]
    settings = {
        "FHIR_MONGODB_URI": mongodb_uri,
        "FHIR_MONGODB_DATABASE": database,
        "FHIR_ACCESS_TOKEN_SECONDS": "86400",
        # One client sends in a second what the limit is for a minute.
        "FHIR_FHIR_REQUESTS_PER_MINUTE": "100000000",
    }
    with _running("ours", command, settings, port, "/fhir/metadata", log) as program:
        yield program


@contextmanager
def floor(mongodb_uri: str, loaded: str, copies: str, log: Path) -> Iterator[Program]:
    """The floor, under uvicorn as `fhir-server serve` runs it."""
    port = _free_port()
    command = [sys.executable, "-m", "uvicorn", "bench.floor:app", "--port", str(port)]
    command += ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--no-server-header"]
    command += ["--log-level", "warning"]
    settings = {"FLOOR_MONGODB_URI": mongodb_uri, "FLOOR_LOADED_DATABASE": loaded, "FLOOR_COPY_DATABASE": copies}
    with _running("floor", command, settings, port, "/fhir/Observation/none", log) as program:
        yield program


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with these settings and no other FHIR_ ones."""
    return {name: value for name, value in os.environ.items() if not name.startswith("FHIR_")} | dict(settings)


@contextmanager
def _running(
    name: str, command: list[str], settings: Mapping[str, str], port: int, probe: str, log: Path
) -> Iterator[Program]:
    origin = f"http://127.0.0.1:{port}"
    with log.open("wb") as written:
        started = time.monotonic()
        process = subprocess.Popen(
            command, env=environment(settings), stdin=subprocess.DEVNULL, stdout=written, stderr=subprocess.STDOUT
        )
        try:
            _wait(process, origin + probe, log)
            yield Program(name, f"{origin}/fhir", process.pid, time.monotonic() - started)
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx.get(url, timeout=10, trust_env=False)
            return
        except httpx.TransportError:
            time.sleep(0.02)
    raise RuntimeError(f"the program did not answer:\n{log.read_text(errors='replace')[-4000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _family(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from _family(int(child))


def _resident(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def _processor_seconds(pid: int) -> float:
    # proc(5): utime and stime are fields 14 and 15; the name before them may hold spaces.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
