"""Number parameters: implicit ranges, prefixes, ranges that are stored, and numbers no double holds."""

import math
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.core.codec import decode
from fhir_server.search.entries import Entries
from fhir_server.search.parameter_types.bad_value import BadValue
from fhir_server.search.parameter_types.number import LARGEST, predicate, ratio, read_number, read_value, writer
from fhir_server.search.paths import Leaf
from tests.unit.search.matching import takes

PREFIXES = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")


def written(value: Any, type: str = "decimal") -> Entries:
    entries = Entries((), {})
    visit = writer("probability", Leaf(type))
    assert visit is not None
    visit(value, entries)
    return entries


def row(entries: Entries) -> dict[str, Any]:
    return {"q": [{"p": key, "lo": lo, "hi": hi} for key, lo, hi in entries.measures]}


def finding(entries: Entries, asked: str, prefixes: Iterable[str] = PREFIXES) -> str:
    """The prefixes with which a search finds what is written."""
    found = row(entries)
    return " ".join(each for each in prefixes if takes(predicate(read_value("probability", each + asked)), found))


@pytest.mark.parametrize(
    ("text", "lo", "hi"),
    [
        ("100", "99.5", "100.5"),
        ("100.00", "99.995", "100.005"),
        ("1e2", "50", "150"),
        ("1.0E2", "95", "105"),
        ("1.50", "1.495", "1.505"),
        ("0", "-0.5", "0.5"),
        ("-5.4", "-5.45", "-5.35"),
        ("5e-3", "0.0045", "0.0055"),
        ("007", "6.5", "7.5"),
        ("ap100", "90", "110"),
        ("ap-100", "-110", "-90"),
        ("ap3", "2.7", "3.3"),
        ("ap0", "0", "0"),
    ],
)
def test_a_number_means_half_a_unit_of_its_last_digit_to_each_side(text: str, lo: str, hi: str) -> None:
    asked = read_number(text)
    assert (asked.lo, asked.hi) == (Fraction(lo), Fraction(hi))


@pytest.mark.parametrize(
    "text",
    ["", "x", "5.", ".5", "+5", " 5", "5 ", "5,4", "--5", "1e", "1e1.5", "eqeq5", "EQ5", "xx5", "NaN", "Infinity",
     "inf", "٣", "5\n", "0x10", "1_000", "gt", "1e301", "1e99999", "1e-9999", "1" * 61, "5|mg"],
)  # fmt: skip
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(BadValue, match=r"write|at most"):
        read_value("probability", text)


@pytest.mark.parametrize(
    ("stored", "asked", "prefixes"),
    [
        ("0.5", "0.5", "eq ge le ap"),
        ("0.54", "0.5", "eq gt ge sa ap"),
        ("0.45", "0.5", "eq lt le eb ap"),
        ("0.55", "0.5", "ne gt ge sa ap"),
        ("0.4499", "0.5", "ne lt le eb"),
        ("0.56", "0.5", "ne gt ge sa"),
        ("110", "100", "ne gt ge sa ap"),
        ("110.1", "100", "ne gt ge sa"),
        ("149", "1e2", "eq gt ge sa"),
        ("0.50", "0.500", "eq ge le ap"),
    ],
)
def test_prefixes_compare_a_plain_number(stored: str, asked: str, prefixes: str) -> None:
    assert finding(written(Decimal(stored)), asked) == prefixes


@pytest.mark.parametrize(
    ("stored", "asked", "prefixes"),
    [
        ({"low": 10, "high": 20}, "15", "ne gt lt ge le ap"),
        ({"low": 10, "high": 20}, "20", "ne lt ge le ap"),
        ({"low": 10, "high": 20}, "10", "ne gt ge le ap"),
        ({"low": 10, "high": 20}, "9", "ne gt ge sa"),
        ({"low": 10, "high": 20}, "21", "ne lt le eb ap"),
        ({"low": 10, "high": 20}, "23", "ne lt le eb"),
        ({"low": 10, "high": 12}, "1e1", "eq gt ge le ap"),
        ({"low": 10}, "15", "ne gt lt ge le ap"),
        ({"low": 10}, "8", "ne gt ge sa"),
        ({"high": 10}, "15", "ne lt le eb"),
    ],
)
def test_prefixes_compare_a_range(stored: dict[str, int], asked: str, prefixes: str) -> None:
    value = {end: {"value": number, "code": "%"} for end, number in stored.items()}
    assert finding(written(value, "Range"), asked) == prefixes


@pytest.mark.parametrize("value", [{}, {"low": {}}, {"low": {"value": 2}, "high": {"value": 1}}, {"high": None}])
def test_a_range_without_numbers_or_the_wrong_way_round_is_left_out(value: dict[str, Any]) -> None:
    entries = written(value, "Range")
    assert (entries.measures, entries.keys) == ({}, {})


def test_numbers_and_ranges_are_sorted_by_where_they_begin() -> None:
    assert written(Decimal("0.5")).keys == {"probability": {"a": 0.5, "d": 0.5}}
    assert written({"low": {"value": 1}, "high": {"value": 2}}, "Range").keys == {"probability": {"a": 1.0, "d": 1.0}}
    assert written({"high": {"value": 2}}, "Range").keys == {"probability": {"a": 2.0, "d": 2.0}}


def test_integers_are_numbers_and_texts_are_none() -> None:
    assert list(written(7, "positiveInt").measures) == [("probability", 7.0, 7.0)]
    assert writer("probability", Leaf("string")) is None
    assert writer("probability", Leaf("Quantity")) is None


@pytest.mark.parametrize(
    ("literal", "stored"),
    [
        ("1e400", LARGEST),
        ("-1e400", -LARGEST),
        ("1e999999999", LARGEST),
        ("1e-400", 0.0),
        ("1e-999999999", 0.0),
        ("0e999999999", 0.0),
        ("-0", 0.0),
        ("1e3", 1000.0),
        ("9" * 400, LARGEST),
        ("1." + "3" * 100_000, 1.3333333333333333),
    ],
)
def test_a_stored_number_that_no_double_holds_becomes_the_nearest_one(literal: str, stored: float) -> None:
    assert list(written(decode(literal.encode())).measures) == [("probability", stored, stored)]


@pytest.mark.parametrize("value", [None, True, "5", Decimal("NaN"), Decimal("sNaN"), [], {}, 5.0])
def test_what_is_no_number_has_no_ratio(value: Any) -> None:
    assert ratio(value) is None


def test_a_number_finds_itself_whatever_its_precision() -> None:
    for text in ("0.1000000000000000000000001", "12345678901234567890", "-0.3", "1e300", "-1e300", "5e-324"):
        assert "eq" in finding(written(Decimal(text)), text).split(), text


def test_every_condition_bounds_both_ends_of_both_fields() -> None:
    for prefix in PREFIXES:
        for each in predicate(read_value("probability", f"{prefix}5"))["$or"]:
            bounds = each["q"]["$elemMatch"]
            assert bounds["p"] in ("probability", "probability~")
            for end in ("lo", "hi"):
                assert len(bounds[end]) == 2
                assert not any(map(math.isnan, bounds[end].values()))
            assert bounds["p"].endswith("~") or bounds["lo"] == bounds["hi"]


_DECIMALS = st.decimals(min_value=-(10**6), max_value=10**6, places=3).map(lambda each: each.normalize())


@given(_DECIMALS, _DECIMALS, _DECIMALS)
def test_the_filter_says_what_the_exact_numbers_say(asked: Decimal, low: Decimal, high: Decimal) -> None:
    low, high = min(low, high), max(low, high)
    number, exponent = Fraction(asked), asked.as_tuple().exponent
    assert isinstance(exponent, int)
    half = Fraction(10) ** exponent / 2
    near = abs(number) / 10
    for lo, hi in ((Fraction(low), Fraction(high)), (Fraction(low), Fraction(low))):
        is_equal = number - half <= lo and hi < number + half
        holds = {
            "eq": is_equal,
            "ne": not is_equal,
            "gt": hi > number,
            "lt": lo < number,
            "ge": hi >= number,
            "le": lo <= number,
            "sa": lo > number,
            "eb": hi < number,
            "ap": lo <= number + near and hi >= number - near,
        }
        stored = written(low) if lo == hi else written({"low": {"value": low}, "high": {"value": high}}, "Range")
        assert finding(stored, str(asked)) == " ".join(each for each in PREFIXES if holds[each])
