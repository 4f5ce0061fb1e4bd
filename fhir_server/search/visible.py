"""The rows a caller may see, as a MongoDB filter and as a test of what is about to be written.

The fields are those that current rows, tombstones and history rows have alike, each with its own of that moment:
`owners`, `source`, `labels`, `categories`, `participants` (docs/storage.md). None of them leads an index of current
rows, so that MongoDB never weighs a scan by them against the one that leads; what leads is `drive`'s choice.
"""

from dataclasses import replace
from typing import Any

from fhir_server.core.write_plan import IndexValues
from fhir_server.search.predicate import NOTHING, Filter, all_of, any_of, one_of
from fhir_server.search.request import MAX_VALUES, Reach, Visible

EVERYTHING = Visible((Reach(),))
"""All rows, whoever owns them."""

NOWHERE = Visible(())
"""No row."""


def row_filter(visible: Visible) -> Filter:
    """The rows of either collection within the reach, tombstones included: empty for all of them."""
    if visible is EVERYTHING:
        return {}
    filters = [_within(reach) for reach in visible.reaches]
    if not filters:
        return dict(NOTHING)
    return any_of(filters) if all(filters) else {}


def _within(reach: Reach) -> Filter:
    filters: list[Filter] = []
    if reach.owners is not None:
        filters.append({"owners": one_of(reach.owners)} if reach.owners else NOTHING)
    if reach.source is not None:
        filters.append({"source": reach.source})
    filters += [{"categories": one_of(tokens)} if tokens else NOTHING for tokens in reach.categories]
    if reach.participants is not None:
        filters.append({"participants": one_of(reach.participants)} if reach.participants else NOTHING)
    if reach.without_labels:
        filters.append({"labels": {"$nin": list(reach.without_labels)}})
    return dict(all_of(filters)) if filters else {}


def few_owners(visible: Visible) -> tuple[str, ...] | None:
    """The patients, one of whom owns every row within reach, where an index can be led by them; else None."""
    found: dict[str, None] = {}
    for reach in visible.reaches:
        if reach.owners is None or len(reach.owners) > MAX_VALUES:
            return None
        found |= dict.fromkeys(reach.owners)
    return tuple(found) if 0 < len(found) <= MAX_VALUES else None


def is_within(visible: Visible, values: IndexValues) -> bool:
    """Whether a resource with these values may be written by one who sees this much: all of its owners are among those
    of one reach, and it has one at least where the reach is bounded by owners.
    """
    return any(_holds(reach, values) for reach in visible.reaches)


def _holds(reach: Reach, values: IndexValues) -> bool:
    if reach.owners is not None and not (values.owners and all(each in reach.owners for each in values.owners)):
        return False
    if reach.source is not None and values.source != reach.source:
        return False
    if reach.participants is not None and set(values.participants).isdisjoint(reach.participants):
        return False
    if any(set(values.categories).isdisjoint(tokens) for tokens in reach.categories):
        return False
    return set(values.labels).isdisjoint(reach.without_labels)


def is_unbounded(visible: Visible) -> bool:
    """Whether some reach holds rows whoever owns them."""
    return any(
        reach.owners is None and reach.participants is None and not reach.categories for reach in visible.reaches
    )


def merged(reaches: list[Reach]) -> Visible:
    """The rows within any of the reaches, those that lie within another left out and granular ones joined."""
    if len(reaches) < 2:
        # Not looked up in a dict: to hash the ids of 10,000 patients takes 0.1 ms.
        return EVERYTHING if reaches == [Reach()] else Visible(tuple(reaches))
    joined: dict[Any, Reach] = {}
    for reach in dict.fromkeys(reaches):
        # Reaches that differ in one tuple of categories alone are one whose tuple has the tokens of both.
        key = (replace(reach, categories=()), 1) if len(reach.categories) == 1 else reach
        other = joined.get(key)
        joined[key] = reach if other is None else _with_categories(reach, other)
    found = list(joined.values())
    kept = [
        each
        for position, each in enumerate(found)
        if not any(
            _covers(other, each) and (place < position or not _covers(each, other))
            for place, other in enumerate(found)
            if place != position
        )
    ]
    return EVERYTHING if kept == [Reach()] else Visible(tuple(kept))


def _with_categories(one: Reach, other: Reach) -> Reach:
    tokens = tuple(dict.fromkeys((*other.categories[0], *one.categories[0])))
    return replace(one, categories=(tokens,))


def _covers(wide: Reach, narrow: Reach) -> bool:
    """Whether every row within `narrow` is within `wide`."""
    if wide.owners is not None and (narrow.owners is None or not set(narrow.owners).issubset(wide.owners)):
        return False
    if wide.source is not None and wide.source != narrow.source:
        return False
    if wide.participants is not None and not (
        narrow.participants is not None and set(narrow.participants).issubset(wide.participants)
    ):
        return False
    if not set(wide.without_labels).issubset(narrow.without_labels):
        return False
    return all(any(set(one).issubset(other) for one in narrow.categories) for other in wide.categories)
