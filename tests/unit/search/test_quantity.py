"""Quantity parameters: units of one kind are compared, others by system and code; comparators, ranges, money."""

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.search.entries import MAX_KEY, Entries
from fhir_server.search.parameter_types.bad_value import BadValue
from fhir_server.search.parameter_types.number import predicate
from fhir_server.search.parameter_types.quantity import read_value, writer
from fhir_server.search.paths import Leaf
from tests.unit.search.matching import takes

UCUM = "http://unitsofmeasure.org"


def written(value: dict[str, Any], type: str = "Quantity") -> Entries:
    entries = Entries((), {})
    visit = writer("value", Leaf(type))
    assert visit is not None
    visit(value, entries)
    return entries


def finds(asked: str, entries: Entries) -> bool:
    row = {"q": [{"p": key, "lo": lo, "hi": hi} for key, lo, hi in entries.measures]}
    return takes(predicate(read_value("value", asked)), row)


def measure(value: str, code: str, **rest: str) -> Entries:
    return written({"value": Decimal(value), "system": UCUM, "code": code, **rest})


def test_a_quantity_in_ucum_is_written_in_base_units_and_as_it_stands() -> None:
    assert list(measure("6.30", "mg/dL", unit="mg per dL").measures) == [
        ("value|", 6.3, 6.3),
        ("value|mg/dL|", 6.3, 6.3),
        ("value|mg per dL|", 6.3, 6.3),
        (f"value|g.m-3|{UCUM}", 63.0, 63.0),
    ]


def test_a_quantity_in_another_system_keeps_its_code() -> None:
    entries = written({"value": 2, "system": "urn:units", "code": "tbl", "unit": "tbl"})
    assert list(entries.measures) == [("value|", 2.0, 2.0), ("value|tbl|", 2.0, 2.0), ("value|tbl|urn:units", 2.0, 2.0)]


@pytest.mark.parametrize("code", ["[pH]", "dB", "Torr"])
def test_a_code_that_is_not_reduced_is_found_by_system_and_code(code: str) -> None:
    assert finds(f"7.35|{UCUM}|{code}", measure("7.35", code))
    assert not finds(f"7.35|{UCUM}|mol", measure("7.35", code))


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (f"1|{UCUM}|g", True),
        (f"1000|{UCUM}|mg", True),
        (f"0.001|{UCUM}|kg", True),
        (f"1.0|{UCUM}|g", True),
        (f"1|{UCUM}|kg", False),
        (f"1|{UCUM}|m", False),
        ("1000||mg", True),
        ("1000||milligram", True),
        ("1000||Milligram", False),
        ("1||g", False),
        ("1000", True),
        ("1", False),
        ("1000|urn:units|mg", False),
        ("1000|urn:oid:2.16.840.1.113883.6.8|mg", True),
        (f"gt0.9|{UCUM}|g", True),
        (f"lt1|{UCUM}|g", False),
        (f"le1|{UCUM}|g", True),
        (f"ap950|{UCUM}|mg", True),
        (f"ap900|{UCUM}|mg", False),
        (f"ne999|{UCUM}|mg", True),
    ],
)
def test_a_quantity_is_found_in_any_unit_of_its_kind(asked: str, found: bool) -> None:
    assert finds(asked, measure("1000", "mg", unit="milligram")) is found


def test_the_implicit_range_is_converted_too() -> None:
    for value, found in (("99.5", True), ("100.49", True), ("100.5", False), ("99.4", False)):
        assert finds(f"100|{UCUM}|mg", measure(value, "mg")) is found
        assert finds(f"100|{UCUM}|mg", measure(str(Decimal(value) / 1000), "g")) is found


def test_temperatures_are_compared_across_scales() -> None:
    assert finds(f"98.6|{UCUM}|[degF]", measure("37.0", "Cel"))
    assert finds(f"310|{UCUM}|K", measure("37.0", "Cel"))
    # A tenth of 37 degrees, not of 310 kelvins.
    assert not finds(f"ap37|{UCUM}|Cel", measure("42", "Cel"))
    assert finds(f"ap37|{UCUM}|Cel", measure("40", "Cel"))


@pytest.mark.parametrize(
    ("comparator", "asked", "found"),
    [
        ("<", "lt5", True), ("<", "gt4", True), ("<", "gt5", False), ("<", "ge5", False), ("<", "5", False),
        ("<", "eb5", True), ("<=", "eb5", False), ("<=", "ge5", True), ("<=", "gt5", False), ("<", "ne5", True),
        (">", "gt5", True), (">", "sa5", True), (">=", "sa5", False), (">", "lt6", True), (">", "le5", False),
        (">=", "le5", True), (">=", "gt100", True), (">", "5", False), (">", "ap5", True), ("<", "ap50", False),
    ],
)  # fmt: skip
def test_a_comparator_stands_for_all_the_numbers_it_allows(comparator: str, asked: str, found: bool) -> None:
    entries = measure("5", "mg", comparator=comparator)
    assert finds(f"{asked}|{UCUM}|mg", entries) is found
    assert finds(asked, entries) is found
    assert all(key.endswith("~") for key, _, _ in entries.measures)
    assert entries.keys == {"value": {"a": 5.0, "d": 5.0}}


def test_an_unknown_comparator_is_left_out() -> None:
    assert measure("5", "mg", comparator="ad").measures == {}


def ranged(low: dict[str, Any] | None, high: dict[str, Any] | None) -> set[tuple[str, float, float]]:
    return set(written({"low": low, "high": high}, "Range").measures)


def test_a_range_takes_the_unit_of_either_end() -> None:
    gram, bare = {"value": 1, "system": UCUM, "code": "g"}, {"value": 2}
    wanted = {("value|~", 1.0, 2.0), ("value|g|~", 1.0, 2.0), (f"value|g|{UCUM}~", 1.0, 2.0)}
    assert ranged(gram, {**gram, "value": 2}) == wanted
    assert ranged(gram, bare) == wanted
    assert ranged({"value": 1}, {**gram, "value": 2}) == wanted
    assert ranged({**gram, "unit": "gram"}, {**gram, "value": 2, "unit": "Gramm"}) == {
        *wanted,
        ("value|gram|~", 1.0, 2.0),
    }


def test_a_range_with_one_end_is_open_at_the_other() -> None:
    assert ranged({"value": 18, "unit": "years"}, None) == {
        ("value|~", 18.0, math.inf),
        ("value|years|~", 18.0, math.inf),
    }
    assert ranged(None, {"value": 18}) == {("value|~", -math.inf, 18.0)}
    assert ranged({"value": 2}, {"value": 1}) == ranged(None, None) == ranged({"unit": "years"}, None) == set()


def test_a_range_in_two_units_is_one_stretch_of_base_units() -> None:
    low, high = {"value": 500, "system": UCUM, "code": "mg"}, {"value": 1, "system": UCUM, "code": "g"}
    entries = written({"low": low, "high": high}, "Range")
    assert list(entries.measures) == [(f"value|g|{UCUM}~", 0.5, 1.0)]
    assert "value!" in entries.tokens


def test_money_is_found_by_its_currency() -> None:
    entries = written({"value": Decimal("9.99"), "currency": "USD"}, "Money")
    for asked, found in (
        ("9.99|urn:iso:std:iso:4217|USD", True),
        ("9.99||USD", True),
        ("9.99", True),
        ("9.99|urn:iso:std:iso:4217|EUR", False),
    ):
        assert finds(asked, entries) is found
    assert list(written({"value": 1}, "Money").measures) == [("value|", 1.0, 1.0)]


@pytest.mark.parametrize("type", ["Quantity", "Age", "Duration", "Count", "Distance", "SimpleQuantity"])
def test_every_kind_of_quantity_is_written(type: str) -> None:
    assert written({"value": 40, "system": UCUM, "code": "a"}, type).measures


@pytest.mark.parametrize("type", ["SampledData", "Ratio", "string"])
def test_what_is_no_quantity_is_not_written(type: str) -> None:
    assert writer("value", Leaf(type)) is None


@pytest.mark.parametrize("value", [{}, {"unit": "mg"}, {"value": None}, {"value": "5"}, {"value": Decimal("NaN")}])
def test_a_quantity_without_a_number_is_left_out(value: dict[str, Any]) -> None:
    entries = written(value)
    assert (entries.measures, entries.keys) == ({}, {})


def test_a_number_beyond_all_measure_does_no_harm() -> None:
    for value in ("1e400", "-1e999999", "1e-999999"):
        for code in ("Ym", "ym", "Cel"):
            assert all(math.isfinite(lo) for _, lo, _ in measure(value, code).measures)


@pytest.mark.parametrize(
    "text", ["5|mg", "5|", "5||", "5|urn:units|", "5||mg|", "5|a|b|c", "mg", "||mg", f"|{UCUM}|mg", "five||mg", ""]
)
def test_what_is_no_quantity_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(BadValue, match="write"):
        read_value("value", text)


@pytest.mark.parametrize("code", ["a|b", "a~", "a\\b", "a,b", "a$b", "x" * (MAX_KEY + 1)])
def test_any_code_is_found_again(code: str) -> None:
    entries = written({"value": 1, "system": "urn:units", "code": code})
    escaped = code.replace("\\", "\\\\").replace("|", "\\|").replace(",", "\\,").replace("$", "\\$")
    assert finds(f"1|urn:units|{escaped}", entries)
    assert finds(f"1||{escaped}", entries)
    assert not finds(f"1||{escaped}x", entries)
    assert all(len(key) <= MAX_KEY for key, _, _ in entries.measures)


def test_a_code_that_ends_like_a_range_key_is_not_taken_for_one() -> None:
    assert not finds("lt9||a", written({"value": 1, "system": "urn:units", "code": "a|~"}))


_UNITS = {"ug": Fraction(1, 10**6), "mg": Fraction(1, 1000), "g": Fraction(1), "kg": Fraction(1000)}
_VALUES = st.decimals(min_value=0, max_value=10**6, places=4)


@given(_VALUES, st.sampled_from(sorted(_UNITS)), _VALUES, st.sampled_from(sorted(_UNITS)))
def test_equal_masses_are_equal_and_others_in_their_order(one: Decimal, unit: str, two: Decimal, other: str) -> None:
    stored, asked = Fraction(one) * _UNITS[unit], Fraction(two) * _UNITS[other]
    entries = measure(str(one), unit)
    for prefix, holds in (("gt", stored > asked), ("lt", stored < asked), ("ge", stored >= asked)):
        assert finds(f"{prefix}{two:f}|{UCUM}|{other}", entries) is holds


@given(_VALUES, st.sampled_from(sorted(_UNITS)), st.sampled_from(sorted(_UNITS)))
def test_a_mass_is_found_by_itself_in_every_unit(value: Decimal, unit: str, other: str) -> None:
    again = (value * Decimal(_UNITS[unit].numerator) / _UNITS[unit].denominator) * _UNITS[other].denominator
    again /= _UNITS[other].numerator
    assert finds(f"{again:f}|{UCUM}|{other}", measure(str(value), unit))
    assert not finds(f"gt{again:f}|{UCUM}|{other}", measure(str(value), unit))
