"""What is counted for `GET /metrics`: how long requests and the phases of interactions take; nothing of a request is
kept but its times.

Counts live in one array of doubles, which several workers each map from a file of their own, so that whoever is asked
sums them all. prometheus_client's own histogram does the same at 2.5 µs a call, and 5 µs for several workers; a call
here is 0.5 µs. https://prometheus.io/docs/concepts/metric_types/#histogram
"""

import mmap
import os
import tempfile
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Literal

BUCKETS = (
    *(0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005),
    *(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0),
)
"""Upper bounds in seconds, each included in its bucket; one more bucket takes what is longer."""

SERIES_LIMIT = 256
"""Most series of one worker. Their names are written in the code, so that there are a few dozen."""

SUFFIX = ".counts"

Kind = Literal["phase", "request"]

# The head of the array is about the process; the series follow.
_PID, _TICKS, _STARTED, _IN_FLIGHT = range(4)
_HEAD = 8
_SUM = len(BUCKETS) + 1
_NAME = _SUM + 1
_NAME_DOUBLES = 8
_SLOT = _NAME + _NAME_DOUBLES
_BYTES = 8 * (_HEAD + _SLOT * SERIES_LIMIT)


@dataclass(frozen=True, slots=True)
class Total:
    """All that was counted of one series. `counts` has one number for each bucket, the last for what is longer."""

    counts: tuple[int, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Worker:
    """A living process that serves. `started` is in seconds since 1970; `resident_bytes` is 0 where nobody knows."""

    pid: int
    started: float
    in_flight: int
    resident_bytes: int


class _Counts:
    """The array: for each series its buckets, the sum of its seconds and, as text, its kind, interaction and label."""

    def __init__(self) -> None:
        self.doubles: memoryview[float] = memoryview(bytearray(_BYTES)).cast("d")
        self.folder: Path | None = None
        self.series: dict[str, dict[str, int]] = {}
        self.requests: dict[tuple[str, int], int] = {}
        self.size = 0
        self.sign()

    def sign(self) -> None:
        """Write whose array it is. A process id is used again; together with the moment of its start it is not."""
        pid = os.getpid()
        self.doubles[_PID], self.doubles[_TICKS], self.doubles[_STARTED] = pid, _ticks(pid), time.time()

    def start_of_phase(self, interaction: str, phase: str) -> int:
        """Where the series starts; it is made where it is new. Raises ValueError where there are too many."""
        phases = self.series.setdefault(interaction, {})
        start = phases.get(phase)
        if start is None:
            start = phases[phase] = self._made("phase", interaction, phase)
        return start

    def start_of_requests(self, interaction: str, status: int) -> int:
        """Where the series starts of requests answered by a status of this hundred, 0 for those not answered."""
        label = f"{status}xx" if status else "none"
        start = self.requests[interaction, status] = self._made("request", interaction, label)
        return start

    def _made(self, kind: Kind, interaction: str, label: str) -> int:
        name = f"{kind} {interaction} {label}".encode()
        if self.size == SERIES_LIMIT or len(name) > 8 * _NAME_DOUBLES:
            raise ValueError(f"There is no room for the {kind} {label} of {interaction}.")
        start = _HEAD + self.size * _SLOT
        at = 8 * (start + _NAME)
        self.doubles.cast("B")[at : at + len(name)] = name
        self.size += 1
        return start

    def keep_in(self, folder: Path) -> None:
        """Go on in a file of this process in a folder that other workers use too."""
        with tempfile.NamedTemporaryFile(suffix=SUFFIX, dir=folder, delete=False) as file:
            file.write(self.doubles.cast("B"))
            file.flush()
            self.doubles = memoryview(mmap.mmap(file.fileno(), _BYTES)).cast("d")
        self.sign()
        self.folder = folder


class Phases:
    """The times of one run of an interaction: each phase lasts from the end of the one before, the first from now."""

    __slots__ = ("_interaction", "_series", "_since")

    def __init__(self, interaction: str) -> None:
        self._interaction = interaction
        self._series: Mapping[str, int] = _counts.series.get(interaction, {})
        self._since = perf_counter()

    def done(self, phase: str) -> None:
        """Count the seconds since the last call, or since the start, for this phase."""
        now = perf_counter()
        seconds = now - self._since
        self._since = now
        start = self._series.get(phase)
        if start is None:
            start = _counts.start_of_phase(self._interaction, phase)
            self._series = _counts.series[self._interaction]
        doubles = _counts.doubles
        doubles[start + bisect_left(BUCKETS, seconds)] += 1.0
        doubles[start + _SUM] += seconds
        if _watching is not None:
            _watching(phase, seconds)


def watch_phases(watching: Callable[[str, float], None] | None) -> None:
    """Be told of each phase that ends, by its name and seconds, in the task that it ran in; None ends that."""
    global _watching
    _watching = watching


def request_began() -> None:
    """Count a request as in flight."""
    _counts.doubles[_IN_FLIGHT] += 1.0


def request_ended(interaction: str, status: int, seconds: float) -> None:
    """Count a request that began. `status` is 0 where nobody was answered. 0.6 µs with `request_began`."""
    hundred = status // 100
    start = _counts.requests.get((interaction, hundred))
    if start is None:
        start = _counts.start_of_requests(interaction, hundred)
    doubles = _counts.doubles
    doubles[_IN_FLIGHT] -= 1.0
    doubles[start + bisect_left(BUCKETS, seconds)] += 1.0
    doubles[start + _SUM] += seconds


def keep_in(folder: Path) -> None:
    """Keep this worker's counts in an existing folder from now on, and read those of the others from it."""
    _counts.keep_in(folder)


def totals(kind: Kind) -> dict[tuple[str, str], Total]:
    """What all workers counted, by interaction and phase or status; what an ended worker counted stays in."""
    found: dict[tuple[str, str], Total] = {}
    for doubles in _sheets():
        for (kept, *name), total in _read(doubles):
            if kept == kind:
                key = name[0], name[1]
                before = found.get(key)
                found[key] = total if before is None else _added(before, total)
    return found


def workers() -> tuple[list[Worker], int]:
    """The living workers, and how many there were, ended ones included."""
    sheets = list(_sheets())
    living = [_worker(doubles) for doubles in sheets if _ticks(int(doubles[_PID])) == doubles[_TICKS]]
    return living, len(sheets)


def _worker(doubles: "memoryview[float]") -> Worker:
    pid = int(doubles[_PID])
    return Worker(pid, doubles[_STARTED], int(doubles[_IN_FLIGHT]), _resident_bytes(pid))


def _sheets() -> "Iterator[memoryview[float]]":
    if _counts.folder is None:
        yield _counts.doubles
        return
    for path in sorted(_counts.folder.glob(f"*{SUFFIX}")):
        content = path.read_bytes()
        if len(content) == _BYTES:
            yield memoryview(content).cast("d")


def _read(doubles: "memoryview[float]") -> Iterator[tuple[list[str], Total]]:
    for start in range(_HEAD, len(doubles), _SLOT):
        name = bytes(doubles[start + _NAME : start + _SLOT]).rstrip(b"\0").decode()
        if not name:
            return
        counts = tuple(int(count) for count in doubles[start : start + _SUM])
        yield name.split(" "), Total(counts, doubles[start + _SUM])


def _added(one: Total, other: Total) -> Total:
    counts = tuple(a + b for a, b in zip(one.counts, other.counts, strict=True))
    return Total(counts, one.seconds + other.seconds)


def _ticks(pid: int) -> float:
    """When a process started, in clock ticks since the machine did; 0 where it lives no more, or nobody tells."""
    try:
        # proc(5): the second field, a name in parentheses, may hold spaces.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return float(fields[19])


def _resident_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


_counts = _Counts()
_watching: Callable[[str, float], None] | None = None
