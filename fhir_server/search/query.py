"""A search as the store runs it: one filter, one order, one limit over the current rows of one type.

https://hl7.org/fhir/R4/search.html
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

_ONLY_LIVE_ROWS_HAVE = frozenset({"pt", "t", "s", "d", "q", "w", "c", "h", "g"})
_ASKS_FOR_A_VALUE = frozenset({"$eq", "$in", "$all", "$regex", "$elemMatch", "$geoWithin", "$gte", "$gt"})


@dataclass(frozen=True, slots=True)
class Part:
    """Some of a query's rows, which one index gives in the query's order."""

    filter: dict[str, Any]
    hint: str | None = None


class Query(msgspec.Struct, frozen=True):
    """What to read and in which order.

    `filter` is a MongoDB filter; `sort` pairs fields with 1 or -1 and ends in `_id`; `limit` counts rows.
    Fields in `missing_last` may be absent and have no sentinel: rows without them come last in either direction.
    `hint` names the index to use. `fields` are row fields to read besides the body and those of `sort`; without
    `bodies` the body is left out.

    Where no single index scan gives the order, `rounds` say how to read instead of `filter`, which then says only what
    matches and leaves out where the page begins. The parts of one round are read each in order and merged, and all
    rows of a round come before those of the next.

    `asked` is the filter without the place where the page begins; empty where `filter` names none.
    """

    type: str
    filter: dict[str, Any]
    sort: tuple[tuple[str, int], ...]
    limit: int
    missing_last: frozenset[str] = frozenset()
    hint: str | None = None
    fields: tuple[str, ...] = ()
    rounds: tuple[tuple[Part, ...], ...] = ()
    asked: dict[str, Any] = {}
    bodies: bool = True

    @property
    def matching(self) -> dict[str, Any]:
        """The filter of all pages together."""
        return self.asked or self.filter


def live(filter: Mapping[str, Any]) -> dict[str, Any]:
    """The filter without tombstones.

    Tombstones have none of the index fields, so a filter that asks for a value there needs no more; this lets a count
    run in the index alone.
    """
    return dict(filter) if any(map(_takes_only_live_rows, conjuncts(filter))) else {**filter, "deleted": None}


def conjuncts(filter: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The filter as single conditions, all of which must hold."""
    for name, condition in filter.items():
        if name == "$and":
            for each in condition:
                yield from conjuncts(each)
        else:
            yield {name: condition}


def _takes_only_live_rows(filter: Mapping[str, Any]) -> bool:
    ((name, condition),) = filter.items()
    if name.partition(".")[0] not in _ONLY_LIVE_ROWS_HAVE:
        return name == "deleted"
    if isinstance(condition, Mapping):
        return not _ASKS_FOR_A_VALUE.isdisjoint(condition)
    return isinstance(condition, str)
