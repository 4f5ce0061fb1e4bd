"""What a search will read, estimated from counts and samples before it runs; refused where that is too much.

https://www.mongodb.com/docs/manual/reference/operator/aggregation/sample/
"""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from msgspec.structs import replace

from fhir_server.search.cost import BUDGET, COUNT_BUDGET, SMALL, Estimate, Lead, is_surely_cheap, leads, too_costly
from fhir_server.search.query import Query, live
from fhir_server.search.request import SearchRequest
from fhir_server.store.mongo import Database, DriverError
from fhir_server.store.sampling import few, note, noted, rows_of, shares
from fhir_server.store.search import refused

_FEW = 1_000
"""Matches that are counted rather than estimated: about a millisecond."""
_COUNTING_MILLISECONDS = 100
_MOST_COUNTED = 3
_LONGEST_NOTED = 1_000
_SAMPLE = 300
"""Rows: a match in twenty is told from one in fifty, where a walk and a sort cost the same; 100 took 0.5 ms less."""
_LARGE_SAMPLE = 3_000
"""Rows looked at before a search is refused: 20 ms, against a search of a second."""
_LARGEST_SHARE = 25
"""A sample of more than a twentieth is made by reading every row."""


async def affordable(database: Database, request: SearchRequest, query: Query) -> Query:
    """The query as it is best run. Raises FhirError 400 where a page of it would read more than the budget.

    It costs nothing where a patient is named, ids, or tokens alone, and one estimate in half a minute elsewhere. For
    first pages; a later one is only `advised`.
    """
    if is_surely_cheap(query) or await rows_of(database, query.type) <= SMALL:
        return query
    estimate = await estimated(database, query, request.count_only)
    if estimate.keys <= budget(request.count_only):
        return _led(query, estimate)
    by_default = await estimated(database, replace(query, sort=(("updated", -1), ("_id", 1)))) if request.sort else None
    raise too_costly(request, estimate, by_default)


def budget(is_count: bool) -> int:
    """The index keys or rows that one page, or one count, may read."""
    return COUNT_BUDGET if is_count else BUDGET


async def advised(database: Database, query: Query) -> Query:
    """The query as it is best run, whatever it costs."""
    if is_surely_cheap(query) or await rows_of(database, query.type) <= SMALL:
        return query
    return _led(query, await estimated(database, query))


def _led(query: Query, estimate: Estimate) -> Query:
    # Left alone MongoDB tries an index that gives the order against one that finds the rows, stops both before the
    # second has sorted any, and takes the first: 1.3 s instead of 10 ms for a name and a birth date of 400,000.
    return query if estimate.index is None else replace(query, hint=estimate.index)


async def estimated(database: Database, query: Query, is_count: bool = False) -> Estimate:
    """What a page of the query reads, or a count of what matches; noted for half a minute.

    Raises FhirError 503 where even the estimate takes too long.
    """
    key = ("cost", query.type, _named(query), query.sort, query.limit, is_count)
    found = noted(database, key)
    if found is None:
        try:
            found = await _estimated(database, query, is_count)
        except DriverError as error:
            raise refused(database, query.type, error) from error
        note(database, key, found)
    return found  # type: ignore[no-any-return]


def _named(query: Query) -> str:
    """The filter in few characters: one with the ids of 10,000 patients has 400 KB, and many are noted."""
    text = json.dumps(query.matching, default=str)
    return text if len(text) <= _LONGEST_NOTED else sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


async def _estimated(database: Database, query: Query, is_count: bool) -> Estimate:
    rows = await rows_of(database, query.type)
    leading = leads(query.matching)
    for each in leading[:_MOST_COUNTED]:
        counted = await few(database, query.type, each.filter, _FEW, _COUNTING_MILLISECONDS)
        if counted < _FEW:
            return Estimate(counted, rows, each.index)
    found = await _sampled(database, query, leading, rows, _SAMPLE, is_count)
    if found.keys > BUDGET // 2:
        # A match in a thousand rows is often missed by a small sample, and makes a walk in order cheap.
        found = await _sampled(database, query, leading, rows, _LARGE_SAMPLE, is_count)
    return found


async def _sampled(
    database: Database, query: Query, leading: list[Lead], rows: int, size: int, is_count: bool
) -> Estimate:
    size = min(size, max(rows // _LARGEST_SHARE, 1))
    filters: list[Mapping[str, Any]] = [live(query.matching), *(each.filter for each in leading)]
    match, *by_lead = await shares(database, query.type, filters, size)
    # Where no row of the sample was found there may still be as many as one more row would have shown.
    sorted_keys = [max(share, 1 / size) * rows for share in by_lead]
    walk_keys = float(rows)
    if match and not is_count and query.sort[0][0] in ("updated", "_id"):
        walk_keys = min(query.limit / match, rows)
    best = min(range(len(leading)), key=sorted_keys.__getitem__, default=None)
    if best is None or walk_keys <= sorted_keys[best]:
        return Estimate(round(walk_keys), rows)
    return Estimate(round(sorted_keys[best]), rows, leading[best].index)
