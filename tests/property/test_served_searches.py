"""A server's answers are what a matcher by hand finds: the set, the order, the pages, the totals.

https://hl7.org/fhir/R4/search.html
"""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.property.generated_links import LINKED, linked
from tests.property.generated_records import MAKE
from tests.property.generated_searches import pair, query
from tests.property.generated_values import Pick, drawing
from tests.property.naive_parameters import COMPOSITES, PARAMETERS, Parameter
from tests.property.naive_search import Pairs
from tests.property.served import COUNT, Served, ids

TYPES = sorted(MAKE)
UNORDERED = ("reference", "near", "contact", "deceased", "canonical", "boolean")
"""Kinds whose order R4 does not say or nobody asks for."""
MODEST = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def sorts(type: str) -> list[str]:
    return ["_id", "_lastUpdated", *(code for code, each in PARAMETERS[type].items() if _has_order(code, each))]


def _has_order(code: str, parameter: Parameter) -> bool:
    return parameter.kind not in UNORDERED and not code.startswith(("_", "combo-"))


def searched(pick: Pick, served: Served, type: str) -> Pairs:
    return query(pick, type, served.world.records[type], served.world.base)


@pytest.mark.parametrize("type", TYPES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_search_finds_what_matches_and_only_that(served: Served, data: st.DataObject, type: str) -> None:
    pairs = searched(drawing(data), served, type)
    assert sorted(ids(served.get(type, [*pairs, ("_count", "1000")]))) == served.expected(type, pairs)


@pytest.mark.parametrize(
    ("type", "name"), [(type, name) for type in TYPES for name in (*PARAMETERS[type], *COMPOSITES.get(type, {}))]
)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_every_parameter_finds_what_matches_and_only_that(
    served: Served, data: st.DataObject, type: str, name: str
) -> None:
    pairs = [pair(drawing(data), type, name, served.world.records[type], served.world.base)]
    assert sorted(ids(served.get(type, [*pairs, ("_count", "1000")]))) == served.expected(type, pairs)


@pytest.mark.parametrize("form", ["missing", "present"])
@pytest.mark.parametrize("type", TYPES)
def test_missing_is_exact_for_every_parameter(served: Served, type: str, form: str) -> None:
    for name in (*PARAMETERS[type], *COMPOSITES.get(type, {})):
        pairs = [(f"{name}:missing", "true" if form == "missing" else "false")]
        found = ids(served.get(type, [*pairs, ("_count", "1000")]))
        assert sorted(found) == served.expected(type, pairs), pairs


@MODEST
@given(data=st.data(), type=st.sampled_from(LINKED), depth=st.integers(1, 3))
def test_chains_and_has_find_what_matches_and_only_that(
    served: Served, data: st.DataObject, type: str, depth: int
) -> None:
    pick = drawing(data)
    pairs = [linked(pick, type, served.world, depth)]
    if pick([True, False, False]):
        pairs += searched(pick, served, type)[:1]
    assert sorted(ids(served.get(type, [*pairs, ("_count", "1000")]))) == served.expected(type, pairs)


@MODEST
@given(data=st.data(), type=st.sampled_from(TYPES))
def test_the_order_is_the_one_asked_for(served: Served, data: st.DataObject, type: str) -> None:
    pick = drawing(data)
    pairs = searched(pick, served, type)[:1] if pick([True, False]) else []
    codes = data.draw(st.lists(st.sampled_from(sorts(type)), min_size=1, max_size=3, unique=True))
    sort = ",".join(pick(["", "-"]) + code for code in codes)
    found = ids(served.get(type, [*pairs, ("_sort", sort), ("_count", "1000")]))
    assert served.in_order(type, pairs, sort, found), found


@pytest.mark.parametrize("type", TYPES)
def test_every_sort_key_orders_both_ways_with_missing_values_last(served: Served, type: str) -> None:
    for code in sorts(type):
        for sort in (code, f"-{code}"):
            found = ids(served.get(type, [("_sort", sort), ("_count", "1000")]))
            assert served.in_order(type, [], sort, found), sort


@MODEST
@given(data=st.data(), type=st.sampled_from(TYPES), size=st.integers(1, COUNT + 2))
def test_pages_put_together_are_the_whole_in_its_order(
    served: Served, data: st.DataObject, type: str, size: int
) -> None:
    pick = drawing(data)
    pairs = list(searched(pick, served, type)[:1] if pick([True, False]) else [])
    if type in LINKED and pick([False] * 3 + [True]):
        pairs = [linked(pick, type, served.world, 1)]
    sort = pick(["", "", "_lastUpdated", *sorts(type), *(f"-{code}" for code in sorts(type))])
    asked = [*pairs, *([("_sort", sort)] if sort else [])]
    whole = ids(served.get(type, [*asked, ("_count", "1000")]))
    pages = served.pages(type, [*asked, ("_count", str(size))])
    assert [id for page in pages for id in page] == whole
    assert all(len(page) == size for page in pages[:-1])
    assert sorted(whole) == served.expected(type, pairs)


@pytest.mark.parametrize("size", range(1, COUNT + 2, 5))
def test_every_page_size_loses_and_repeats_nothing(served: Served, size: int) -> None:
    for sort in ("-date,code", "date", "value-quantity,-status"):
        pages = served.pages("Observation", [("_sort", sort), ("_count", str(size))])
        assert served.in_order("Observation", [], sort, [id for page in pages for id in page]), sort


@MODEST
@given(data=st.data(), type=st.sampled_from(TYPES))
def test_totals_and_counts_are_exact(served: Served, data: st.DataObject, type: str) -> None:
    pick = drawing(data)
    pairs = list(searched(pick, served, type))
    if type in LINKED and pick([False, False, True]):
        pairs = [linked(pick, type, served.world, 2)]
    expected = len(served.world.found(type, pairs))
    assert served.get(type, [*pairs, ("_total", "accurate"), ("_count", "1")])["total"] == expected
    counted = served.get(type, [*pairs, ("_summary", "count")])
    assert (counted["total"], "entry" in counted) == (expected, False)
