"""Chains and `_has` over too many resources to name each: rows are read in order and checked batch by batch.

https://hl7.org/fhir/R4/search.html#chaining, https://hl7.org/fhir/R4/search.html#has
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from fhir_server.core import outcome
from fhir_server.interactions.canonicals import named, naming
from fhir_server.interactions.reading import Page, Reading, place_of
from fhir_server.search.index import URL_VERSION
from fhir_server.search.page import Position
from fhir_server.search.request import Clause, Ids, SearchRequest, Tokens
from fhir_server.store.search import SearchRow

SCAN_BUDGET = 20_000
"""Rows one page may read to be filled."""
TOKEN_BUDGET = 50_000
"""References one batch of a `_has` may give."""
_BATCH = 1_000
# One batch of a `_has` is one `$in`, which MongoDB merges in order up to about 200 values.
_BATCH_REVERSE = 200

Rows = Mapping[str, Collection[str]]
"""Logical ids with the tokens of their rows."""


@dataclass(frozen=True, slots=True)
class Join:
    """One chain, or with `reverse` one `_has`: `links` are the searches at its other end.

    `parameter` belongs to the rows, in reverse to the links. `by_url` says that it holds canonicals. `name` is the
    parameter as sent.
    """

    name: str
    parameter: str
    links: tuple["Resolved", ...]
    reverse: bool = False
    by_url: bool = False


class Resolved(msgspec.Struct, frozen=True):
    """A search whose conditions the plan takes, and the joins that its rows must pass besides."""

    request: SearchRequest
    joins: tuple[Join, ...] = ()


async def joined_page(reading: Reading, resolved: Resolved, after: Position | None, hint: str | None = None) -> Page:
    """The rows of one page that pass every join, without bodies. `hint` is the index to read them by.

    Raises FhirError 400 where SCAN_BUDGET rows were read and none passed. Where some did, the page is shorter than
    `count` and another follows.
    """
    request, joins = resolved.request, resolved.joins
    kept: list[tuple[str, SearchRow]] = []
    most = _BATCH_REVERSE if any(join.reverse for join in joins) else _BATCH
    size, scanned = min(4 * request.count, most), 0
    while True:
        rows, more = await _batch(reading, request, after, size, hint)
        passed = await passing(reading, request.type, {row.id: row.stored.get("t", ()) for row in rows}, joins)
        kept += [(request.type, row) for row in rows if row.id in passed]
        if len(kept) > request.count:
            kept = kept[: request.count]
            return Page(kept, place_of(kept[-1][1]))
        if not more:
            return Page(kept, None)
        scanned += len(rows)
        after = place_of(rows[-1])
        if scanned >= SCAN_BUDGET or reading.is_late():
            if not kept:
                raise too_costly(request.type, joins)
            return Page(kept, after)
        # Where few rows pass, larger batches take fewer round trips.
        size = min(2 * size, most)


async def _batch(
    reading: Reading, request: SearchRequest, after: Position | None, size: int, hint: str | None
) -> tuple[list[SearchRow], bool]:
    """The next rows to check, and whether there are more."""
    query = reading.plan(replace(request, count=size), after)
    found = await reading.find(replace(query, hint=hint or query.hint, fields=("t",), bodies=False))
    return found[:size], len(found) > size


async def joined_count(reading: Reading, resolved: Resolved, hint: str | None = None) -> int:
    """How many rows pass every join. Raises FhirError 400 where more than SCAN_BUDGET rows would have to be read."""
    request, joins = resolved.request, resolved.joins
    after, total, scanned = None, 0, 0
    size = _BATCH_REVERSE if any(join.reverse for join in joins) else _BATCH
    while True:
        rows, more = await _batch(reading, request, after, size, hint)
        total += len(await passing(reading, request.type, {row.id: row.stored.get("t", ()) for row in rows}, joins))
        if not more:
            return total
        scanned += len(rows)
        after = place_of(rows[-1])
        if scanned >= SCAN_BUDGET or reading.is_late():
            raise outcome.TOO_COSTLY(
                f"{_names(joins)} would have to be checked for more than {SCAN_BUDGET} {request.type} to count them. "
                "Narrow the search, or leave out _total and _summary=count.",
                "_total",
            )


def too_costly(type: str, joins: Iterable[Join]) -> outcome.FhirError:
    """The refusal that names the links which too little passes."""
    links = sorted({link.request.type for join in joins for link in join.links})
    return outcome.TOO_COSTLY(
        f"{_names(joins)} matches more {' and '.join(links[:5])} than can be named at once, and too few {type} have "
        f"one of them. Narrow it with another parameter of {' or '.join(links[:5])}, or {type} by patient, _id, "
        "identifier or code.",
        next(iter(joins)).name,
    )


def _names(joins: Iterable[Join]) -> str:
    return " and ".join(dict.fromkeys(join.name for join in joins))


async def passing(reading: Reading, type: str, rows: Rows, joins: Iterable[Join]) -> set[str]:
    """The ids of those rows of a type that pass every join."""
    left = dict(rows)
    for join in joins:
        if not left:
            break
        passed = await (_pointed_at(reading, type, left, join) if join.reverse else _pointing(reading, left, join))
        left = {id: tokens for id, tokens in left.items() if id in passed}
    return set(left)


async def _pointing(reading: Reading, rows: Rows, join: Join) -> set[str]:
    """The rows whose reference leads to a match of any link."""
    passed: set[str] = set()
    for link in join.links:
        start = f"{join.parameter}|" if join.by_url else f"{join.parameter}|{link.request.type}/"
        targets: dict[str, list[str]] = {}
        for id, tokens in rows.items():
            for token in tokens:
                if token.startswith(start):
                    targets.setdefault(token[len(start) :], []).append(id)
        found = await (_canonicals_of if join.by_url else _ids_of)(reading, link, tuple(targets)) if targets else ()
        passed.update(id for target in found for id in targets.get(target, ()))
    return passed


async def _ids_of(reading: Reading, link: Resolved, ids: tuple[str, ...]) -> Collection[str]:
    among = replace(link.request, conditions=(*link.request.conditions, Ids(ids)))
    if not link.joins:
        return await reading.ids(among, len(ids)) or ()
    rows = await reading.rows(among, len(ids), bodies=False)
    return await passing(reading, among.type, {row.id: row.stored.get("t", ()) for row in rows}, link.joins)


async def _canonicals_of(reading: Reading, link: Resolved, canonicals: tuple[str, ...]) -> Collection[str]:
    """Those of the canonicals (`url|version`) that name a match of the link, and others that do."""
    tokens = tuple(token for token in map(named, canonicals) if token is not None)
    found = await _starting(reading, link, Clause("url", (Tokens(tokens),)), URL_VERSION) if tokens else ()
    return {canonical for each in found for canonical in naming(each)}


async def _pointed_at(reading: Reading, type: str, rows: Rows, join: Join) -> set[str]:
    """The rows that a match of the link names in its reference."""
    (link,) = join.links
    by_canonical: dict[str, list[str]] = {}
    if join.by_url:
        for id, tokens in rows.items():
            for token in tokens:
                if token.startswith(URL_VERSION):
                    for canonical in naming(token.removeprefix(URL_VERSION)):
                        by_canonical.setdefault(canonical, []).append(id)
        start, asked = f"{join.parameter}|", tuple(by_canonical)
    else:
        start, asked = f"{join.parameter}|{type}/", tuple(rows)
    if not asked:
        return set()
    names_them = Clause(join.parameter, (Tokens(tuple(start + each for each in asked)),))
    found = await _starting(reading, link, names_them, start)
    return {id for each in found for id in by_canonical.get(each, ())} if join.by_url else set(found) & rows.keys()


async def _starting(reading: Reading, link: Resolved, clause: Clause, start: str) -> Collection[str]:
    """What follows `start` in the tokens of the link's matches that match the clause too."""
    among = replace(link.request, conditions=(*link.request.conditions, clause))
    if not link.joins:
        found = await reading.tokens(among, start, TOKEN_BUDGET)
        if found is None:
            raise too_costly(link.request.type, (Join(clause.parameter, clause.parameter, (link,)),))
        return found
    rows = {row.id: row.stored.get("t", ()) for row in await reading.rows(among, SCAN_BUDGET, bodies=False)}
    passed = await passing(reading, among.type, rows, link.joins)
    return {token[len(start) :] for id in passed for token in rows[id] if token.startswith(start)}
