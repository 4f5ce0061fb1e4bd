"""wrk as the client: one run against one program, and what it measured. https://github.com/wg/wrk"""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.programs import Program

WARM_SECONDS = 2
SCRIPT = Path(__file__).with_name("requests.lua")
_RESULT = re.compile(r"^RESULT (\d+) ([\d.]+) (\d+) (\d+) (\d+) (\d+) (\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Run:
    """What a program answered in one run. Latencies in milliseconds; errors: answers of 400 and above, and breaks.

    `processor` is the program's processor time for each request, in microseconds, without MongoDB's.
    """

    requests: int
    per_second: float
    p50: float
    p95: float
    p99: float
    errors: int
    processor: float


def run(
    binary: str, program: Program, requests: Path, connections: int, seconds: int, start: int, is_signed: bool = False
) -> Run:
    """Send the requests of a file in turn, from line `start` on, over so many connections kept busy for so long.

    Those of a file that `is_signed` have access tokens in the place of bodies.
    """
    origin = program.base.removesuffix("/fhir")
    command = [binary, "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(SCRIPT), origin]
    spent = program.processor_seconds()
    command += ["--", str(requests), str(start), *(["signed"] if is_signed else [])]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    found = _RESULT.search(ran.stdout)
    if found is None:
        raise RuntimeError(f"wrk failed:\n{ran.stdout}{ran.stderr}")
    total, elapsed, p50, p95, p99, refused, broken = map(float, found.groups())
    spent = program.processor_seconds() - spent
    latencies = (p50 / 1000, p95 / 1000, p99 / 1000)
    return Run(int(total), total / elapsed, *latencies, int(refused + broken), spent / max(total, 1) * 1e6)


def middle(runs: Sequence[Run]) -> Run:
    """The medians of several runs; requests and errors are added up."""
    return Run(
        sum(one.requests for one in runs),
        median(one.per_second for one in runs),
        median(one.p50 for one in runs),
        median(one.p95 for one in runs),
        median(one.p99 for one in runs),
        sum(one.errors for one in runs),
        median(one.processor for one in runs),
    )
