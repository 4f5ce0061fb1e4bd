"""`make bench`: loads, measures both programs in turn, writes its part of the page.

With `--family-sizes` it measures every family of searches at these sizes instead, and writes the other part.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from rich.console import Console

from bench import programs, sizes, wrk
from bench.load import copy_types, load_file, load_floor
from bench.programs import Program
from bench.records import Population
from bench.report import BESIDE_THE_FLOOR, BY_SIZE, Figures, Measured, floor_part, renewed
from bench.report_sizes import sizes_part
from bench.rows import ROWS, SIGNED_IN, BenchmarkRow, check_answers, check_sample, request_lines
from bench.signed_in import patients_tokens
from fhir_server.store.embedded import embedded_mongod

PAGE = Path(__file__).resolve().parent.parent / "docs" / "performance.md"
LOADED, COPIES, SCRATCH = "bench_ours", "bench_floor", "bench_scratch"

console = Console(stderr=True, highlight=False)


def main(arguments: Sequence[str]) -> int:
    """Run the benchmark; the exit code."""
    options = _options(arguments)
    if options.family_sizes:
        return _families(options)
    binary = shutil.which("wrk")
    if binary is None:
        console.print("make bench needs wrk; on Debian: apt-get install wrk")
        return 2
    with tempfile.TemporaryDirectory(prefix="fhir-bench-") as name:
        figures = _measure(options, binary, Path(name))
    _write(options.output, BESIDE_THE_FLOOR, floor_part(figures))
    return 0


def _families(options: argparse.Namespace) -> int:
    chosen = sizes.families(options.families)
    with tempfile.TemporaryDirectory(prefix="fhir-bench-") as name:
        figures = sizes.measure(options.family_sizes, chosen, Path(name), console)
    _write(options.output, BY_SIZE, sizes_part(figures, chosen))
    return 0


def _write(output: Path, heading: str, part: str) -> None:
    before = output.read_text(encoding="utf-8") if output.exists() else ""
    output.write_text(renewed(before, heading, part), encoding="utf-8")
    sys.stdout.write(part)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS=...", description=__doc__)
    parser.add_argument("--resources", type=int, default=100_000, help="resources to load")
    parser.add_argument("--seconds", type=int, default=10, help="length of a run")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each program for each row")
    parser.add_argument("--connections", type=int, default=16, help="connections wrk keeps busy")
    parser.add_argument("--rows", nargs="+", choices=[row.name for row in ROWS], help="only these rows")
    parser.add_argument("--family-sizes", type=_sizes, metavar="N,N", help="measure searches at these sizes instead")
    parser.add_argument("--families", nargs="+", choices=_names(), metavar="NAME", help="only these searches")
    parser.add_argument("--output", type=Path, default=PAGE, help="the page to write")
    return parser.parse_args(arguments)


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _names() -> list[str]:
    return list(dict.fromkeys(family.name for family in sizes.families()))


def _measure(options: argparse.Namespace, binary: str, folder: Path) -> Figures:
    population = Population(options.resources)
    records = folder / "records.ndjson"
    with records.open("wb") as written:
        count = sum(1 for line in population.lines() if written.write(line))
    with ExitStack() as stack:
        mongod = stack.enter_context(embedded_mongod(folder / "mongodb"))
        client: MongoClient[dict[str, Any]] = stack.enter_context(MongoClient(mongod.uri, tz_aware=True))
        console.print(f"loading {count:,} resources")
        loaded = load_file(records, count, mongod.uri, LOADED, folder / "load.log")
        console.print(f"  {loaded.per_second:,.0f} resources/s; now the floor's")
        floor_loaded = load_floor(client, LOADED, SCRATCH)
        copy_types(client, LOADED, COPIES)
        ours = stack.enter_context(programs.ours(mongod.uri, LOADED, folder / "ours.log"))
        floor = stack.enter_context(programs.floor(mongod.uri, LOADED, COPIES, folder / "floor.log"))
        idle_memory = ours.memory_bytes()
        compared = check_sample(population, population.lines(), ours.base, max(1, count // 1_000))
        rows = [row for row in ROWS if options.rows is None or row.name in options.rows]
        signed_in, tokens = ours, []
        if any(row.signs_in for row in rows):
            signed_in = stack.enter_context(programs.ours_signed_in(mongod.uri, LOADED, folder / "signed_in.log"))
            tokens = patients_tokens(mongod.uri, LOADED, signed_in.base, min(SIGNED_IN, population.patients))
        measured = tuple(
            _row(row, population, options, binary, folder, signed_in if row.signs_in else ours, floor, tokens)
            for row in rows
        )
        version = client.server_info()["version"]
    return Figures(
        measured,
        loaded,
        floor_loaded,
        ours.ready_seconds,
        idle_memory,
        compared,
        options.connections,
        options.seconds,
        options.rounds,
        version,
    )


def _row(
    row: BenchmarkRow,
    population: Population,
    options: argparse.Namespace,
    binary: str,
    folder: Path,
    ours: Program,
    floor: Program,
    tokens: Sequence[str],
) -> Measured:
    console.print(f"{row.name}: {row.what}")
    requests = folder / f"{row.name}.txt"
    with requests.open("wb") as written:
        for method, path, body in request_lines(row, population):
            body = tokens[int(body)].encode() if row.signs_in else body
            written.write(f"{method} {path} ".encode() + body + b"\n")
    check_answers(row, population, _origin(ours), _origin(floor), tokens)
    runs: dict[str, list[wrk.Run]] = {ours.name: [], floor.name: []}
    for program in (ours, floor):
        wrk.run(binary, program, requests, options.connections, wrk.WARM_SECONDS, 2_500, row.signs_in)
    for round in range(options.rounds):
        # Who goes first changes, so that neither always finds the other's leftovers.
        for program in (ours, floor) if round % 2 == 0 else (floor, ours):
            one = wrk.run(binary, program, requests, options.connections, options.seconds, 0, row.signs_in)
            runs[program.name].append(one)
        said = [f"{name} {done[-1].per_second:,.0f}/s {done[-1].processor:,.0f} µs" for name, done in runs.items()]
        console.print("  " + "  ".join(said))
    return Measured(row, tuple(runs[ours.name]), tuple(runs[floor.name]), ours.memory_bytes(), floor.memory_bytes())


def _origin(program: Program) -> str:
    return program.base.removesuffix("/fhir")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
