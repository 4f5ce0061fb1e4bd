"""How long the phases of an interaction take, counted for `GET /metrics`; nothing of a request is kept but its times.

Counts live in one array of doubles, which several workers each map from a file of their own, so that whoever is asked
sums them all. prometheus_client's own histogram does the same at 2.5 µs a call, and 5 µs for several workers; a call
here is 0.7 µs. https://prometheus.io/docs/concepts/metric_types/#histogram
"""

import mmap
import tempfile
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

BUCKETS = (
    *(0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005),
    *(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0),
)
"""Upper bounds in seconds, each included in its bucket; one more bucket takes what is longer."""

SERIES_LIMIT = 128
"""Most pairs of interaction and phase. Both are written in the code, so that there are a few dozen."""

SUFFIX = ".phases"

_SUM = len(BUCKETS) + 1
_NAME = _SUM + 1
_NAME_DOUBLES = 8
_SLOT = _NAME + _NAME_DOUBLES
_BYTES = 8 * _SLOT * SERIES_LIMIT


@dataclass(frozen=True, slots=True)
class PhaseTotal:
    """All that was counted of one phase. `counts` has one number for each bucket, the last for what is longer."""

    counts: tuple[int, ...]
    seconds: float


class _Counts:
    """The array: for each series its buckets, the sum of its seconds and, as text, its interaction and phase."""

    def __init__(self) -> None:
        self.doubles: memoryview[float] = memoryview(bytearray(_BYTES)).cast("d")
        self.folder: Path | None = None
        self.series: dict[str, dict[str, int]] = {}

    def start_of(self, interaction: str, phase: str) -> int:
        """Where the series starts; it is made where it is new. Raises ValueError where there are too many."""
        phases = self.series.setdefault(interaction, {})
        start = phases.get(phase)
        if start is None:
            name = f"{interaction} {phase}".encode()
            start = sum(map(len, self.series.values())) * _SLOT
            if start == _SLOT * SERIES_LIMIT or len(name) > 8 * _NAME_DOUBLES:
                raise ValueError(f"There is no room for the phase {phase} of {interaction}.")
            at = 8 * (start + _NAME)
            self.doubles.cast("B")[at : at + len(name)] = name
            phases[phase] = start
        return start

    def keep_in(self, folder: Path) -> None:
        """Go on in a file of this process in a folder that other workers use too."""
        with tempfile.NamedTemporaryFile(suffix=SUFFIX, dir=folder, delete=False) as file:
            file.write(self.doubles.cast("B"))
            file.flush()
            self.doubles = memoryview(mmap.mmap(file.fileno(), _BYTES)).cast("d")
        self.folder = folder


_counts = _Counts()


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
            start = _counts.start_of(self._interaction, phase)
            self._series = _counts.series[self._interaction]
        doubles = _counts.doubles
        doubles[start + bisect_left(BUCKETS, seconds)] += 1.0
        doubles[start + _SUM] += seconds


def keep_in(folder: Path) -> None:
    """Keep this worker's counts in an existing folder from now on, and read those of the others from it."""
    _counts.keep_in(folder)


def totals() -> dict[tuple[str, str], PhaseTotal]:
    """What all workers counted, by interaction and phase; what an ended worker counted stays in."""
    found: dict[tuple[str, str], PhaseTotal] = {}
    for doubles in _sheets():
        for name, total in _read(doubles):
            before = found.get(name)
            found[name] = total if before is None else _added(before, total)
    return found


def _sheets() -> "Iterator[memoryview[float]]":
    if _counts.folder is None:
        yield _counts.doubles
        return
    for path in sorted(_counts.folder.glob(f"*{SUFFIX}")):
        content = path.read_bytes()
        if len(content) == _BYTES:
            yield memoryview(content).cast("d")


def _read(doubles: "memoryview[float]") -> Iterator[tuple[tuple[str, str], PhaseTotal]]:
    for start in range(0, len(doubles), _SLOT):
        name = bytes(doubles[start + _NAME : start + _SLOT]).rstrip(b"\0").decode()
        if not name:
            return
        interaction, _, phase = name.partition(" ")
        counts = tuple(int(count) for count in doubles[start : start + _SUM])
        yield (interaction, phase), PhaseTotal(counts, doubles[start + _SUM])


def _added(one: PhaseTotal, other: PhaseTotal) -> PhaseTotal:
    counts = tuple(a + b for a, b in zip(one.counts, other.counts, strict=True))
    return PhaseTotal(counts, one.seconds + other.seconds)
