"""What `fhir-server load` does: files to requests to a database or a server, with a tally of what became of each.

A transaction or batch is run as it is, save that a POST of a resource with an id keeps that id (docs/adr/0007), so that
loading the same file twice adds nothing. Every other resource is stored under its id, or under a new one.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from fhir_server.core import outcome
from fhir_server.core.outcome import FhirError, Issue
from fhir_server.core.reference import is_id
from fhir_server.core.resource import Resource
from fhir_server.loading.sources import Unit, Unreadable, reason, units

BATCH_RESOURCES = 200
"""Single resources written together. 1,000 was no faster and holds five times the memory."""
IN_FLIGHT = 4
"""Batches on their way at once, so that this process prepares one while the database writes another."""
MAX_REJECTIONS_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Rejection:
    """A file, line or entry that was not stored, and why."""

    where: str
    type: str
    reason: str


@dataclass(slots=True)
class Tally:
    """What became of everything read so far.

    `deferred` are files to be tried again, because what they refer to by a condition was not there yet; None on the
    last round, when that is a rejection.
    """

    accepted: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    rejections: list[Rejection] = field(default_factory=list)
    named: int = 0
    deferred: list[Path] | None = None

    @property
    def unlisted(self) -> int:
        """Rejections that are counted but not kept. An entry of a refused transaction counts with its file's."""
        return max(0, self.named - len(self.rejections))

    def reject(self, where: str, type: str, why: str) -> None:
        """Count one rejection; past MAX_REJECTIONS_KEPT only the number grows."""
        self.rejected[type] += 1
        self.named += 1
        if len(self.rejections) < MAX_REJECTIONS_KEPT:
            self.rejections.append(Rejection(where, type, why))


class Destination(Protocol):
    """Where loaded resources go: a database, or a server over HTTP."""

    async def run(self, bundle: Resource) -> Resource:
        """The response Bundle of a batch or transaction. Raises FhirError where nothing of it was done."""


async def load_all(source: Iterable[Unit | Unreadable], destination: Destination, tally: Tally) -> None:
    """Send everything the source yields to the destination, and tally what became of it.

    A file whose one transaction refers by a condition to what is not there yet (as patients' records refer to
    hospitals in another file) is tried again after all others, for as long as that lets any of them in.
    """
    tally.deferred = []
    await _round(source, destination, tally)
    while tally.deferred:
        waiting, tally.deferred = tally.deferred, []
        await _round(_again(waiting), destination, tally)
        if len(tally.deferred) == len(waiting):
            tally.deferred = None
            await _round(_again(waiting), destination, tally)
            return


def _again(paths: Iterable[Path]) -> Iterator[Unit | Unreadable]:
    for path in paths:
        yield from units(path, lambda count: None)


async def _round(source: Iterable[Unit | Unreadable], destination: Destination, tally: Tally) -> None:
    running: dict[asyncio.Task[None], frozenset[str]] = {}

    async def finish(return_when: str) -> None:
        done, _ = await asyncio.wait(running, return_when=return_when)
        for task in done:
            del running[task]
            task.result()

    async for job in _jobs(source, tally):
        places = job.places
        # What a later line says of a resource must be written later too.
        while len(running) >= IN_FLIGHT or not all(places.isdisjoint(others) for others in running.values()):
            await finish(asyncio.FIRST_COMPLETED)
        running[asyncio.create_task(_run(job, destination, tally))] = places
    if running:
        await finish(asyncio.ALL_COMPLETED)


@dataclass(frozen=True, slots=True)
class _Job:
    """One Bundle to run. `wheres` names the origin of each entry. `path` is the file that holds nothing else."""

    file: str
    bundle: Resource
    wheres: tuple[str, ...]
    types: tuple[str, ...]
    all_or_nothing: bool
    path: Path | None = None

    @property
    def places(self) -> frozenset[str]:
        """The URLs it writes to; creates are left out, nobody else can mean what they make."""
        entries = self.bundle.get("entry", ())
        requests = [entry.get("request") for entry in entries if isinstance(entry, dict)]
        return frozenset(
            str(request.get("url"))
            for request in requests
            if isinstance(request, dict) and request.get("method") != "POST"
        )


async def _jobs(source: Iterable[Unit | Unreadable], tally: Tally) -> AsyncIterator[_Job]:
    singles: list[tuple[str, Resource]] = []
    ids: set[str] = set()
    for unit in source:
        if isinstance(unit, Unreadable):
            tally.reject(unit.where, "(unreadable)", unit.reason)
            continue
        bundle_type = unit.content.get("type") if _is_bundle(unit.content) else None
        if bundle_type in ("transaction", "batch"):
            yield _bundle_job(unit)
            continue
        for where, resource in _resources(unit, bundle_type):
            if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
                tally.reject(where, "(no type)", "It is JSON, but not a resource: resourceType is missing.")
                continue
            local = f"{resource['resourceType']}/{resource.get('id')}"
            if len(singles) >= BATCH_RESOURCES or ("id" in resource and local in ids):
                yield _singles_job(singles)
                singles, ids = [], set()
            singles.append((where, resource))
            ids.add(local)
        # Let the batches on their way go on while the next lines are read.
        await asyncio.sleep(0)
    if singles:
        yield _singles_job(singles)


def _is_bundle(content: Any) -> bool:
    return isinstance(content, dict) and content.get("resourceType") == "Bundle"


def _resources(unit: Unit, bundle_type: str | None) -> Iterable[tuple[str, Any]]:
    if bundle_type in ("collection", "searchset", "history") and isinstance(unit.content.get("entry"), list):
        for position, entry in enumerate(unit.content["entry"]):
            yield f"{unit.where} entry {position}", entry.get("resource") if isinstance(entry, dict) else entry
    else:
        yield unit.where, unit.content


def _singles_job(singles: list[tuple[str, Resource]]) -> _Job:
    entries = [{"resource": resource, "request": _request(resource)} for _, resource in singles]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    wheres = tuple(where for where, _ in singles)
    types = tuple(resource["resourceType"] for _, resource in singles)
    return _Job(wheres[0], bundle, wheres, types, all_or_nothing=False)


def _request(resource: Resource) -> Resource:
    type, id = resource["resourceType"], resource.get("id")
    if isinstance(id, str) and is_id(id):
        return {"method": "PUT", "url": f"{type}/{id}"}
    return {"method": "POST", "url": type}


def _bundle_job(unit: Unit) -> _Job:
    entries = unit.content.get("entry", [])
    if not isinstance(entries, list):
        entries = []
    kept = [_keeping_id(entry) for entry in entries]
    types = tuple(_type_of(entry) for entry in entries)
    wheres = tuple(f"{unit.where} entry {position}" for position in range(len(kept)))
    bundle = unit.content | ({"entry": kept} if kept else {})
    path = unit.path if unit.where == str(unit.path) else None
    return _Job(unit.where, bundle, wheres, types, unit.content["type"] == "transaction", path)


def _keeping_id(entry: Any) -> Any:
    """The entry with a plain POST of a resource that has an id turned into a PUT to that id."""
    if not isinstance(entry, dict) or not isinstance(entry.get("request"), dict):
        return entry
    request, resource = entry["request"], entry.get("resource")
    if request.get("method") != "POST" or "ifNoneExist" in request or not isinstance(resource, dict):
        return entry
    type, id = resource.get("resourceType"), resource.get("id")
    if not isinstance(id, str) or not is_id(id) or request.get("url") != type:
        return entry
    return entry | {"request": request | {"method": "PUT", "url": f"{type}/{id}"}}


def _type_of(entry: Any) -> str:
    resource = entry.get("resource") if isinstance(entry, dict) else None
    type = resource.get("resourceType") if isinstance(resource, dict) else None
    return type if isinstance(type, str) else "(no type)"


async def _run(job: _Job, destination: Destination, tally: Tally) -> None:
    try:
        response = await destination.run(job.bundle)
    except FhirError as error:
        if job.all_or_nothing or not job.wheres:
            if tally.deferred is not None and job.path is not None and _waits_for_others(error):
                tally.deferred.append(job.path)
            else:
                _reject_all(job, error, tally)
        elif len(job.wheres) == 1:
            tally.reject(job.wheres[0], job.types[0], reason(error))
        else:
            await _run_apart(job, error, destination, tally)
        return
    for where, type, entry in zip(job.wheres, job.types, response.get("entry", ()), strict=True):
        status = str(entry["response"]["status"])
        if status.startswith("2"):
            tally.accepted[type] += 1
        else:
            tally.reject(where, type, _outcome_in_words(entry["response"].get("outcome")) or status)


def _waits_for_others(error: FhirError) -> bool:
    return all(issue.number == outcome.UNRESOLVED_REFERENCE.number for issue in error.issues)


def _reject_all(job: _Job, error: FhirError, tally: Tally) -> None:
    """A Bundle of all or nothing: the file is named once, each of its entries counts."""
    tally.reject(job.file, job.types[0] if job.types else "Bundle", reason(error))
    tally.rejected.update(job.types[1:])


async def _run_apart(job: _Job, error: FhirError, destination: Destination, tally: Tally) -> None:
    """Single resources that failed together: without those the error names, then, where it names none, in halves."""
    entries = job.bundle["entry"]
    bad = {position: issues for position, issues in _by_position(error.issues).items() if position < len(entries)}
    for position, issues in bad.items():
        tally.reject(job.wheres[position], job.types[position], reason(FhirError(error.status, issues)))
    rest = [position for position in range(len(entries)) if position not in bad]
    middle = len(rest) if bad else len(rest) // 2
    for part in (rest[:middle], rest[middle:]):
        if part:
            bundle = job.bundle | {"entry": [entries[position] for position in part]}
            wheres, types = tuple(job.wheres[p] for p in part), tuple(job.types[p] for p in part)
            await _run(_Job(job.file, bundle, wheres, types, all_or_nothing=False), destination, tally)


def _by_position(issues: Iterable[Issue]) -> dict[int, list[Issue]]:
    found: dict[int, list[Issue]] = {}
    for issue in issues:
        expression = issue.expression or ""
        if expression.startswith("Bundle.entry["):
            found.setdefault(int(expression[len("Bundle.entry[") :].partition("]")[0]), []).append(issue)
    return found


def _outcome_in_words(outcome: Any) -> str | None:
    if not isinstance(outcome, dict):
        return None
    return "; ".join(str(issue.get("details", {}).get("text", "")) for issue in outcome.get("issue", ())[:3])


def total_bytes(paths: Iterable[Path]) -> int:
    """The size of all files together, for the progress bar."""
    return sum(path.stat().st_size for path in paths)
