"""How many rows there are and how many match, without reading them all.

https://www.mongodb.com/docs/manual/reference/operator/aggregation/sample/
"""

from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Any

from fhir_server.search.query import live
from fhir_server.store.mongo import Database, DriverError, is_timeout, read, refusal

_NOTED_SECONDS = 30.0
_MOST_NOTED = 2_000
_COUNTED_EXACTLY = 20_000
_COUNTING_MILLISECONDS = 150
_SAMPLE = 1_000
"""Rows: a share of a tenth is then told to within a fifth of it, 19 times in 20."""


def noted(database: Database, key: Any) -> Any:
    """What was noted under a key less than half a minute ago, else None."""
    found = database.noted.get(key)
    return found[1] if found is not None and found[0] > monotonic() else None


def note(database: Database, key: Any, value: Any) -> None:
    """Keep a value for half a minute."""
    if len(database.noted) >= _MOST_NOTED:
        database.noted.clear()
    database.noted[key] = (monotonic() + _NOTED_SECONDS, value)


async def rows_of(database: Database, type: str) -> int:
    """About how many rows a type has, tombstones included, as of the last half minute."""
    found = noted(database, ("rows", type))
    if found is None:
        try:
            found = await database.collections[type].estimated_document_count()
        except DriverError as error:
            raise refusal(error) from error
        note(database, ("rows", type), found)
    return int(found)


async def shares(database: Database, type: str, filters: Sequence[Mapping[str, Any]], size: int) -> list[float]:
    """The share of all rows that each filter takes, found in a sample of `size` rows; all 0 where there are none."""
    pipeline = [
        {"$sample": {"size": size}},
        {
            "$facet": {"all": [{"$count": "n"}]}
            | {f"f{n}": [{"$match": f}, {"$count": "n"}] for n, f in enumerate(filters)}
        },
    ]
    (row,) = (await read(database, {"aggregate": type, "pipeline": pipeline, "cursor": {}})).rows
    counted = {name: found[0]["n"] if found else 0 for name, found in row.items()}
    return [counted[f"f{n}"] / max(counted["all"], 1) for n in range(len(filters))]


async def few(
    database: Database, type: str, filter: Mapping[str, Any], limit: int, milliseconds: int | None = None
) -> int:
    """How many live rows match, counted up to `limit`; `limit` too where counting took longer than `milliseconds`."""
    pipeline = [{"$match": live(filter)}, {"$limit": limit}, {"$count": "n"}]
    try:
        rows = (await read(database, {"aggregate": type, "pipeline": pipeline, "cursor": {}}, None, milliseconds)).rows
    except DriverError as error:
        if milliseconds is not None and is_timeout(error):
            return limit
        raise
    return int(rows[0]["n"]) if rows else 0


async def estimate(database: Database, type: str, filter: Mapping[str, Any]) -> int:
    """About how many live rows match: exact up to 20,000 where that is quick to count, else from a sample of rows."""
    try:
        counted = await few(database, type, filter, _COUNTED_EXACTLY + 1, _COUNTING_MILLISECONDS)
        if counted <= _COUNTED_EXACTLY:
            return counted
        (share,) = await shares(database, type, [live(filter)], _SAMPLE)
    except DriverError as error:
        raise refusal(error) from error
    return max(round(share * await rows_of(database, type)), 0)
