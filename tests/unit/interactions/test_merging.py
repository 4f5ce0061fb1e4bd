"""Rows of several types in one order."""

from itertools import product
from typing import Any

import pytest

from fhir_server.interactions.merging import Order
from fhir_server.search.page import Position
from fhir_server.search.parameter_types.date import FAR_FUTURE, FAR_PAST
from fhir_server.search.query import Query
from fhir_server.search.request import SearchRequest, SortKey

# (type, sort key, id); the rows of "B" have a sentinel where the key is missing.
ROWS = [(type, key, id) for type, key, id in product("ABC", (1, 2, None), ("a", "a-b", "b"))]


def order_of(*sort: str) -> Order:
    keys = tuple(SortKey(each.lstrip("-"), each.startswith("-")) for each in sort)
    return Order(SearchRequest("", sort=keys))


def query_of(type: str, sign: int, id_sign: int) -> Query:
    field = "k.date.a" if sign > 0 else "k.date.d"
    absent = frozenset() if type == "B" else frozenset((field,))
    return Query(type, {}, ((field, sign), ("_id", id_sign)), 10, absent)


def stored_key(type: str, key: int | None, sign: int) -> int | None:
    if key is None and type == "B":
        return FAR_FUTURE if sign > 0 else FAR_PAST
    return key


def follows(row: tuple[str, int | None, str], after: Position, query: Query) -> bool:
    """What the store would give: rows of one type strictly behind a place in the order of their query."""
    sign, id_sign = query.sort[0][1], query.sort[1][1]
    key, start = stored_key(row[0], row[1], sign), after.keys[0]
    if key == start:
        return row[2] > after.id if id_sign > 0 else row[2] < after.id
    if key is None or start is None:
        return key is None and query.sort[0][0] in query.missing_last
    assert isinstance(start, int)
    return key > start if sign > 0 else key < start


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("id_sign", [1, -1])
def test_each_type_goes_on_where_all_of_them_stopped(sign: int, id_sign: int) -> None:
    order = order_of("date" if sign > 0 else "-date")
    whole = sorted(
        sorted(ROWS, key=lambda row: row[2], reverse=id_sign < 0),
        key=lambda row: order.key(order.place(row[0], (stored_key(row[0], row[1], sign), row[2]), row[2])),
    )
    assert [row[1] for row in whole] == sorted(
        (row[1] for row in ROWS), key=lambda key: (key is None, sign * (key or 0))
    )
    for position, row in enumerate(whole):
        place = order.place(row[0], (stored_key(row[0], row[1], sign), row[2]), row[2])
        left = {
            each
            for each in ROWS
            for query in (query_of(each[0], sign, id_sign),)
            if follows(each, order.start(each[0], query, place), query)
        }
        assert left == set(whole[position + 1 :]), row


@pytest.mark.parametrize("sign", [1, -1])
def test_equal_ids_of_several_types_are_told_apart_by_type(sign: int) -> None:
    order = order_of("_id" if sign > 0 else "-_id")
    rows = [(type, id) for type in "ABC" for id in ("a", "a-b", "b")]
    whole = sorted(rows, key=lambda row: order.key(order.place(row[0], (row[1],), row[1])))
    query = Query("A", {}, (("_id", sign),), 10)
    for position, (type, id) in enumerate(whole):
        place = order.place(type, (id,), id)

        def behind(each: tuple[str, str], place: Position = place) -> bool:
            start = order.start(each[0], query, place).id
            return each[1] > start if sign > 0 else each[1] < start

        assert {each for each in rows if behind(each)} == set(whole[position + 1 :])


def test_a_place_has_none_instead_of_a_sentinel() -> None:
    keys: tuple[Any, ...] = (FAR_PAST, "x")
    assert order_of("-date").place("B", keys, "x") == Position((None, "x"), "x", "B")
