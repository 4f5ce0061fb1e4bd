"""`python -m bench --family-sizes 10000,100000,1000000`: every family of searches over databases of several sizes.

One client asks one question after the other, so that a latency is the time of that search alone.
"""

import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any
from urllib.parse import urlsplit

from pymongo import MongoClient
from rich.console import Console

from bench import bulk, programs
from bench.bulk import Inserted
from bench.charts import Chart, chart
from bench.families import FLOOR_SEARCH, IN_A_RECORD, OVER_ALL_RECORDS, Family
from fhir_server.core.codec import decode, encode
from fhir_server.search.index import index_values
from fhir_server.store.embedded import embedded_mongod

SEED = 4
WARM_REQUESTS = 10
REQUESTS = 200
FAMILY_SECONDS = 8.0
"""A family that takes longer for all its requests is stopped; its percentiles are then those of fewer."""
DEEP_LINKS = 2
CACHE_GIGABYTES = 4.0
EXTRACTED = 2_000
EXTRACTION_ROUNDS = 25

_HEADERS = {"Accept": "application/fhir+json"}


@dataclass(frozen=True, slots=True)
class Timed:
    """What the requests of a family took, in ms, and the median number of entries (of what is counted, for a count).

    `problem` is the status and the first issue's number where one was refused; no time is given then.
    """

    p50: float
    p95: float
    entries: float
    requests: int
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class AtSize:
    """All families at one size. `timed` holds those of `families()` in their order; `floor` is the floor's own time."""

    resources: int
    inserted: Inserted
    timed: tuple[Timed, ...]
    floor: Timed


@dataclass(frozen=True, slots=True)
class SizeFigures:
    """One session: the sizes in their order, and the µs it takes to make the search values of an Observation."""

    sizes: tuple[AtSize, ...]
    extraction_microseconds: float
    mongodb_version: str


def families(names: Sequence[str] | None = None) -> tuple[Family, ...]:
    """The families in the order in which they are measured; only those with one of `names`, where given."""
    every = (*IN_A_RECORD, *OVER_ALL_RECORDS)
    return every if names is None else tuple(family for family in every if family.name in names)


def measure(sizes: Sequence[int], chosen: Sequence[Family], folder: Path, console: Console) -> SizeFigures:
    """Load and measure one size after the other, the largest first; what was loaded for one is gone before the next."""
    with ExitStack() as stack:
        mongod = stack.enter_context(embedded_mongod(folder / "mongodb", cache_gigabytes=CACHE_GIGABYTES))
        client: MongoClient[dict[str, Any]] = stack.enter_context(MongoClient(mongod.uri))
        measured = []
        for size in sorted(sizes, reverse=True):
            name = f"bench_{size}"
            measured.append(_at_size(size, chosen, mongod.uri, name, folder, console))
            client.drop_database(name)
        version = client.server_info()["version"]
    return SizeFigures(tuple(reversed(measured)), extraction_microseconds(), version)


def extraction_microseconds() -> float:
    """The processor time of making the search values of an Observation, in µs: the least of many rounds."""
    made = [chart(number, SEED) for number in range(EXTRACTED // 40)]
    read = [decode(encode(each)) for one in made for each in (*one.observations, *one.pressures)]
    times = []
    for _ in range(EXTRACTION_ROUNDS):
        started = process_time()
        for observation in read:
            index_values(observation, observation["id"], (), None)
        times.append((process_time() - started) / len(read) * 1e6)
    return min(times)


def _at_size(size: int, chosen: Sequence[Family], uri: str, database: str, folder: Path, console: Console) -> AtSize:
    console.print(f"{size:,} resources")
    inserted = bulk.load(uri, database, size, SEED, console)
    console.print(f"  {inserted.resources / inserted.seconds:,.0f} resources/s, {inserted.disk_bytes / 2**20:,.0f} MB")
    with MongoClient[dict[str, Any]](uri) as client:
        # What was written goes to disk now: a checkpoint amid the searches showed as p95 of three times p50.
        client.admin.command("fsync")
    charts = bulk.charts_of(size)
    with ExitStack() as stack:
        ours = stack.enter_context(programs.ours(uri, database, folder / f"ours-{size}.log"))
        floor = stack.enter_context(programs.floor(uri, database, f"{database}_floor", folder / f"floor-{size}.log"))
        timed = []
        for family in chosen:
            timed.append(_timed(family, ours.base, charts))
            console.print(f"  {family.name}, {family.what}: {_said(timed[-1])}")
        beside = _timed(FLOOR_SEARCH, floor.base, charts)
        console.print(f"  the floor's {FLOOR_SEARCH.name}: {_said(beside)}")
    return AtSize(size, inserted, tuple(timed), beside)


def _said(timed: Timed) -> str:
    return timed.problem or f"p50 {timed.p50:.2f} ms, p95 {timed.p95:.2f} ms, {timed.entries:,.0f} entries"


def _timed(family: Family, base: str, charts: int) -> Timed:
    """Ask again and again, each time out of another chart."""
    parts = urlsplit(base)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    milliseconds, entries = [], []
    try:
        ends = float("inf")
        for number, path in enumerate(_paths(family, connection, parts.path, charts)):
            if number == WARM_REQUESTS:
                # Not before: following links to a deep page takes longer than all that is measured.
                ends = perf_counter() + FAMILY_SECONDS
            if number == WARM_REQUESTS + REQUESTS or perf_counter() > ends:
                break
            started = perf_counter()
            status, body = _asked(connection, path)
            took = perf_counter() - started
            if status != 200:
                return Timed(0, 0, 0, number, _problem(status, body))
            if number >= WARM_REQUESTS:
                milliseconds.append(took * 1000)
                entries.append(_entries(body))
    except _Refused as refused:
        return Timed(0, 0, 0, 0, str(refused))
    finally:
        connection.close()
    ordered = sorted(milliseconds)
    return Timed(median(ordered), ordered[int(len(ordered) * 0.95)], median(entries), len(ordered))


class _Refused(Exception):
    """A page before the one that is measured was refused."""


def _paths(family: Family, connection: HTTPConnection, base: str, charts: int) -> Iterator[str]:
    chance = random.Random(f"{SEED} {family.name}")
    reached: list[str] = []
    while True:
        if family.page > 1 and len(reached) == DEEP_LINKS:
            yield reached[chance.randrange(DEEP_LINKS)]
            continue
        path = base + family.path(_some_chart(chance, charts))
        if family.page > 1:
            reached.append(_link_to(family.page, connection, path))
        else:
            yield path


def _some_chart(chance: random.Random, charts: int) -> Chart:
    return chart(chance.randrange(charts), SEED)


def _link_to(page: int, connection: HTTPConnection, path: str) -> str:
    """The path of a later page, found by following the links; of the last where there are fewer."""
    for _ in range(page - 1):
        status, body = _asked(connection, path)
        if status != 200:
            raise _Refused(_problem(status, body))
        links = {link["relation"]: link["url"] for link in decode(body)["link"]}
        if "next" not in links:
            raise _Refused(f"fewer than {page} pages")
        following = urlsplit(links["next"])
        path = f"{following.path}?{following.query}"
    return path


def _asked(connection: HTTPConnection, path: str) -> tuple[int, bytes]:
    connection.request("GET", path, headers=_HEADERS)
    answer = connection.getresponse()
    return answer.status, answer.read()


def _problem(status: int, body: bytes) -> str:
    issue = decode(body)["issue"][0] if body.startswith(b"{") else {}
    coding = issue.get("details", {}).get("coding", [{}])[0]
    return f"{status} {coding.get('code', '')}".strip()


def _entries(body: bytes) -> int:
    bundle = decode(body)
    return len(bundle["entry"]) if "entry" in bundle else int(bundle.get("total", 0))
