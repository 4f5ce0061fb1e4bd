"""The rows of several types as one sequence, page by page: by the sort keys, then by type, then by id.

https://hl7.org/fhir/R4/search.html#sort
"""

import asyncio
from collections.abc import Sequence
from functools import cmp_to_key
from typing import Any

import msgspec
from msgspec.structs import replace

from fhir_server.interactions.joins import Resolved, joined_page
from fhir_server.interactions.reading import Page, Reading, place_of
from fhir_server.search.page import Key, Position
from fhir_server.search.parameter_types.date import FAR_FUTURE, FAR_PAST
from fhir_server.search.plan import deciding
from fhir_server.search.query import Query
from fhir_server.search.request import SearchRequest

_AT_ONCE = 8
"""Queries of one page that run at the same time."""

# Before and after all logical ids, and right after one: they are made of ASCII letters, digits, "-" and ".".
_FIRST, _LAST, _NEXT = "", "\U0010ffff", "\x01"


class Part(msgspec.Struct, frozen=True):
    """What a search asks of the rows of one type, `rows`: its own type, or one that contains it (`_contained`).

    `hint` is the index to read them by, None where that is left to the plan.
    """

    rows: str
    resolved: Resolved
    hint: str | None = None

    @property
    def request(self) -> SearchRequest:
        """The search without its joins."""
        return self.resolved.request


async def merged_page(
    reading: Reading, parts: Sequence[Part], after: Position | None, fields: tuple[str, ...] = ()
) -> Page:
    """One page of several parts, which all have the same sort and count. `fields` are read with the bodies."""
    order = Order(parts[0].request)
    # The first to read decides about the moment; the others wait for it.
    pages = [await _page(reading, parts[0], order, after)]
    for start in range(1, len(parts), _AT_ONCE):
        some = parts[start : start + _AT_ONCE]
        pages += await asyncio.gather(*(_page(reading, part, order, after) for part in some))
    count = parts[0].request.count
    placed = [(order.place(type, row.keys, row.id), type, row) for page in pages for type, row in page.rows]
    placed.sort(key=lambda each: order.key(each[0]))
    # After the place where one part stopped, that part may have rows still.
    ends = [page.after for page in pages if page.after is not None]
    if len(placed) > count:
        ends.append(placed[count - 1][0])
    if not ends:
        return await reading.filled(Page([(type, row) for _, type, row in placed], None), fields)
    end = min(ends, key=order.key)
    shown = [each for each in placed[:count] if order.compare(each[0], end) <= 0]
    # A full page ends with its last row; a shorter one where the part stopped that has no say about what follows.
    page = Page([(type, row) for _, type, row in shown], shown[-1][0] if len(shown) == count else end)
    return await reading.filled(page, fields)


async def _page(reading: Reading, part: Part, order: "Order", after: Position | None) -> Page:
    """The page of one part after the place of a row of any part, without bodies."""
    query = reading.plan(part.request, container=part.rows)
    start = order.start(part.rows, query, after) if after is not None else None
    if part.resolved.joins:
        page = await joined_page(reading, part.resolved, start, part.hint)
        end = page.after
    else:
        if start is not None:
            query = reading.plan(part.request, start, container=part.rows)
        found = await reading.find(replace(query, hint=part.hint or query.hint, bodies=False))
        rows = found[: part.request.count]
        page = Page([(part.rows, row) for row in rows], None)
        end = place_of(rows[-1]) if len(found) > len(rows) else None
    return Page(page.rows, order.place(part.rows, end.keys, end.id) if end is not None else None)


class Order:
    """The order of rows of several types. The place of a row has no sentinels: what is missing is None and last."""

    def __init__(self, request: SearchRequest) -> None:
        keys = deciding(request)
        signs = tuple(-1 if key.descending else 1 for key in keys)
        self.by_id = bool(keys) and keys[-1].parameter == "_id"
        self.signs, self.id_sign = (signs[:-1], signs[-1]) if self.by_id else (signs, 1)
        self.key = cmp_to_key(self.compare)

    def place(self, type: str, keys: Sequence[Any], id: str) -> Position:
        return Position((*(None if _is_sentinel(key) else key for key in keys[:-1]), id), id, type)

    def compare(self, one: Position, other: Position) -> int:
        """Below 0 where `one` comes first; 0 for rows of one type that differ in id alone: they keep their order."""
        for sign, a, b in zip(self.signs, one.keys[:-1], other.keys[:-1], strict=True):
            if a != b:
                if a is None or b is None:
                    return 1 if a is None else -1
                return sign if a > b else -sign  # type: ignore[operator]  # keys of one parameter are of one kind
        if self.by_id and one.id != other.id:
            return self.id_sign if one.id > other.id else -self.id_sign
        return (one.type > other.type) - (one.type < other.type)

    def start(self, type: str, query: Query, after: Position) -> Position:
        """The place in the rows of a type from which on they come after a place in all."""
        keys = tuple(_kept(field, key, query) for (field, _), key in zip(query.sort, after.keys, strict=False))
        if len(keys) != len(query.sort):
            return after
        if type == after.type:
            return Position(keys, after.id)
        is_before = type < after.type
        upwards = query.sort[-1][1] > 0
        if self.by_id:
            id = after.id if is_before else _beside(after.id, upwards)
        else:
            # All rows of an earlier type with these keys were shown, none of a later one.
            id = _LAST if is_before == upwards else _FIRST
        return Position(keys, id)


def _beside(id: str, upwards: bool) -> str:
    """The place right before a logical id, in either direction."""
    if not upwards:
        return id + _NEXT
    return id[:-1] + chr(ord(id[-1]) - 1) + _LAST


def _is_sentinel(key: Any) -> bool:
    return key in (FAR_PAST, FAR_FUTURE) and isinstance(key, int)


def _kept(field: str, key: Key, query: Query) -> Key:
    """A key as the rows of a type have it: a type's indexed sort key has a sentinel instead of being absent."""
    if key is None and field.startswith("k.") and field not in query.missing_last:
        return FAR_PAST if field.endswith(".d") else FAR_FUTURE
    return key
