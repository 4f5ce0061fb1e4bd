"""The page of figures, docs/performance.md: what was measured, on what machine, when.

The page has two parts, each made by a run of its own and left as it is by the other's.
"""

import os
import platform
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from bench.load import Loaded
from bench.rows import BenchmarkRow
from bench.wrk import WARM_SECONDS, Run, middle


@dataclass(frozen=True, slots=True)
class Measured:
    """One row: the runs of both programs in the order in which they alternated, and their memory after the last."""

    row: BenchmarkRow
    ours: tuple[Run, ...]
    floor: tuple[Run, ...]
    ours_memory: int
    floor_memory: int

    @property
    def ratio(self) -> float:
        """The median of the ratios of neighbouring runs, so that what drifts in the machine cancels out."""
        pairs = zip(self.ours, self.floor, strict=True)
        return median(one.per_second / other.per_second for one, other in pairs)


@dataclass(frozen=True, slots=True)
class Figures:
    """All that one session measured."""

    rows: tuple[Measured, ...]
    loaded: Loaded
    floor_loaded: Loaded
    ready_seconds: float
    idle_memory: int
    compared: int
    connections: int
    seconds: int
    rounds: int
    mongodb_version: str


BESIDE_THE_FLOOR, BY_SIZE = "Beside the floor", "Searches by size"
"""The headings of the parts, in their order."""

MADE_BY = {
    BESIDE_THE_FLOOR: "make bench",
    BY_SIZE: "make bench ARGS='--family-sizes 10000,100000,1000000'",
}

METHOD = """\
### How it was measured

The floor (`bench/floor.py`) is the smallest honest program that serves the same requests: FastAPI with one route each,
the same driver calls with the same guarantees, stored bytes in and out, the same indexes to write and, for updates and
Bundles, the same transaction. It validates nothing, makes no search values and knows no FHIR. The ratio says what all
the rest costs.

Both run one worker under uvicorn (uvloop, httptools, no access log) against the same MongoDB with the same {resources}
resources: patients, encounters and vital signs, 100 for each patient. wrk keeps {connections} connections busy from the
same machine. The programs alternate: {seconds} s each, {rounds} times for each row, after a warm-up of {warm} s.

Figures are medians of the rounds; the ratio is the median of the ratios of neighbouring runs. Latencies are those at
full load. Errors are answers of 400 and above, and broken connections. *Processor* is what the program itself spent on
a request, without MongoDB and wrk: what other work on the machine changes least. A search that was asked before is run
as it was prepared then; the row *never asked before* shows what it takes to read, narrow and plan each anew.

The load is `fhir-server load` of one file, from start to exit. Its floor is the driver's `insert_many` of rows made
beforehand, 1,000 at a time, with the time to make them left out.
"""


def renewed(page: str, heading: str, part: str) -> str:
    """The page with one part replaced, the other as it was; `page` may be empty."""
    parts = dict(re.findall(r"^## (.+)\n\n<!-- .* -->\n\n((?s:.*?))(?=^## |\Z)", page, re.MULTILINE))
    parts[heading] = part
    written = [
        f"## {name}\n\n<!-- Made by `{command}`. -->\n\n{parts[name].strip()}\n"
        for name, command in MADE_BY.items()
        if name in parts
    ]
    return "# Performance\n\n" + "\n".join(written)


def floor_part(figures: Figures) -> str:
    """The Markdown of the part, without its heading."""
    method = METHOD.format(
        resources=f"{figures.loaded.resources:,}",
        connections=figures.connections,
        rounds=figures.rounds,
        seconds=figures.seconds,
        warm=WARM_SECONDS,
    )
    opening = machine_lines(figures.mongodb_version)
    return "\n".join([*opening, "", *_table(figures), "", *_others(figures), "", method])


def machine_lines(mongodb_version: str) -> list[str]:
    """When and where it was measured."""
    return [
        f"- date: {datetime.now(UTC):%Y-%m-%d}",
        f"- machine: {_machine()}; {platform.system()}; client, server and database share it",
        f"- Python {platform.python_version()}, MongoDB {mongodb_version} (embedded, one node)",
    ]


def _table(figures: Figures) -> list[str]:
    lines = [
        "| request | program | requests/s | ratio | wanted | processor µs | p50 ms | p95 ms | p99 ms | errors "
        "| memory MB |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for measured in figures.rows:
        goal = f"{measured.row.goal:.2f}" if measured.row.goal else ""
        ours, floor = middle(measured.ours), middle(measured.floor)
        ratio = f"**{measured.ratio:.2f}**"
        lines.append(
            _line(f"{measured.row.name}: {measured.row.what}", "ours", ours, ratio, goal, measured.ours_memory)
        )
        lines.append(_line("", "floor", floor, "", "", measured.floor_memory))
    loaded, floor_loaded = figures.loaded, figures.floor_loaded
    ratio = f"{loaded.per_second / floor_loaded.per_second:.2f}"
    lines.append(
        f"| load: {loaded.resources:,} resources, NDJSON | ours | {loaded.per_second:,.0f} | **{ratio}** | 1,500/s "
        f"| | | | | 0 | {_megabytes(loaded.memory_bytes)} |"
    )
    lines.append(f"| | floor | {floor_loaded.per_second:,.0f} | | | | | | | 0 | |")
    return lines


def _line(name: str, program: str, run: Run, ratio: str, goal: str, memory: int) -> str:
    return (
        f"| {name} | {program} | {run.per_second:,.0f} | {ratio} | {goal} | {run.processor:,.0f} | {run.p50:.2f} "
        f"| {run.p95:.2f} | {run.p99:.2f} | {run.errors} | {_megabytes(memory)} |"
    )


def _others(figures: Figures) -> list[str]:
    return [
        "| | measured | wanted |",
        "| --- | ---: | ---: |",
        f"| from start to the first answer, on this data | {figures.ready_seconds:.1f} s | 5 s |",
        f"| memory of the worker at rest | {_megabytes(figures.idle_memory)} MB | 200 MB |",
        f"| memory of the worker after all rows | {_megabytes(figures.rows[-1].ours_memory)} MB | 200 MB |",
        f"| most memory of `fhir-server load` | {_megabytes(figures.loaded.memory_bytes)} MB | 400 MB |",
        f"| loaded resources read back and compared, digit by digit | {figures.compared:,} equal | all |",
    ]


def _machine() -> str:
    model = platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores of {model}, {memory:.0f} GB of memory"


def _megabytes(count: int) -> str:
    return f"{count / 2**20:,.0f}"
