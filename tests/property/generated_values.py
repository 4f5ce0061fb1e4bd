"""Few values of every kind, so that resources and searches made of them often meet."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from tests.property.naive_values import UCUM

Pick = Callable[[Sequence[Any]], Any]
"""Chooses one of several: a random generator's `choice`, or a draw of hypothesis."""

BASE = "http://localhost:8080/fhir"
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOTHING = object()

SYSTEMS = [NOTHING, "http://loinc.org", "urn:oid:1.2"]
CODES = [NOTHING, "a", "A", "b", "8302-2", "ä b"]
IDENTIFIERS = [NOTHING, "1", "aB", "ab"]
FAMILIES = ["Ang", "Ångström", "angst", "Anders", "O'Brien", "Ö", "van  Dyk", "(x"]
GIVENS = ["Ann", "Anna", "José", "Jose Maria"]
DATES = ["2019", "2020", "2020-02", "2020-02-29", "2020-12-31", "2021-01-01", "2020-02-29T10:30:05Z", "2025-12-01",
         "2020-02-29T23:30:05-05:00", "2020-02-29T10:30:05.120+01:00"]  # fmt: skip
BIRTHDAYS = ["1970", "1970-01", "1970-01-01", "1969-12-31", "2020-02-29"]
PREFIXES = ["", "", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"]
UPDATED = [NOW - timedelta(milliseconds=each) for each in (0, 0, 0, 1, 1000, 86_400_000)]
NUMBERS = ["0", "1", "1.0", "1.2", "1.50", "2", "99.5", "100", "1000", "-5", "0.004"]
WEIGHTS = ["kg", "g", "mg", "[lb_av]"]
AMOUNT_UNITS = [*WEIGHTS, "g", "mg/dL", "g/L", "%", "1", "Cel", "K", "[degF]", "cm", "m"]
URIS = [
    "http://x.org/a",
    "http://x.org/a/b",
    "http://x.org/a/b/c",
    "http://x.org/ab",
    "urn:oid:1.2.3",
    "http://x.org/A",
]
PLACES = [(52.0, 5.0), (52.1, 5.0), (52.0, 5.3), (51.0, 4.0), (-33.9, 151.2), (0.0, 179.9), (0.0, -179.9), (89.9, 20.0)]


def drawing(data: st.DataObject) -> Pick:
    """Choices that hypothesis makes, and makes simpler when a test fails."""
    return lambda values: data.draw(st.sampled_from(values))


def some(**members: Any) -> dict[str, Any]:
    """An object of the members that are something."""
    return {name: value for name, value in members.items() if value is not NOTHING and value != [] and value != {}}


def several(pick: Pick, make: Callable[[], Any]) -> list[Any]:
    made = [make() for _ in range(pick([0, 1, 1, 2]))]
    return [each for each in made if each != {}]


def coding(pick: Pick) -> dict[str, Any]:
    return some(system=pick(SYSTEMS), code=pick(CODES), display=pick(["shown", "Shówn otherwise", *FAMILIES[:2]]))


def concept(pick: Pick) -> dict[str, Any]:
    return some(coding=several(pick, lambda: coding(pick)), text=pick([NOTHING, *FAMILIES]))


def required_concept(pick: Pick) -> dict[str, Any]:
    return concept(pick) or {"text": pick(FAMILIES)}


def identifier(pick: Pick) -> dict[str, Any]:
    type = some(coding=several(pick, lambda: coding(pick)), text=pick([NOTHING, *FAMILIES]))
    held = some(system=pick(SYSTEMS), value=pick(IDENTIFIERS))
    return held | some(type=pick([NOTHING, type])) if held else {}


def period(pick: Pick) -> dict[str, Any]:
    # Ends are later than starts: a period that ends before it begins has no meaning to agree on.
    return some(start=pick([NOTHING, *DATES[:4]]), end=pick([NOTHING, "2020-12-31", "2021-01-01", "2025-12-01"]))


def quantity(pick: Pick, compares: bool = True) -> dict[str, Any]:
    code = pick(AMOUNT_UNITS)
    unit = pick(
        [
            {"system": UCUM, "code": code},
            {"system": UCUM, "code": code, "unit": "shown"},
            {"system": UCUM, "code": pick(WEIGHTS), "unit": "g"},
            {"system": "urn:units", "code": pick(["pack", "g"])},
            {"unit": pick(["mg", "pack"])},
            {"code": "mg", "system": "urn:units", "unit": "milligram"},
            {},
        ]
    )
    comparator = pick([NOTHING] * 6 + ["<", "<=", ">", ">="]) if compares else NOTHING
    return some(value=number(pick(NUMBERS)), comparator=comparator, **unit)


def amount_range(pick: Pick, code: str) -> dict[str, Any]:
    low, high = pick([("1", "2"), ("0", "100"), ("1.2", "1.50"), (None, "2"), ("99.5", None), ("100", "1000")])
    unit = {"system": UCUM, "code": code}
    ends = {"low": low, "high": high}
    return {name: {"value": number(text), **unit} for name, text in ends.items() if text is not None}


def number(text: str) -> float:
    """As JSON writes it; an int where the text is one."""
    return float(text) if "." in text else int(text)


def address(pick: Pick) -> dict[str, Any]:
    return some(
        city=pick(FAMILIES),
        line=several(pick, lambda: pick(GIVENS)),
        state=pick([NOTHING, "MA", "NY"]),
        postalCode=pick([NOTHING, "01001", "01002"]),
    )


def meta(pick: Pick) -> dict[str, Any]:
    return some(
        tag=several(pick, lambda: coding(pick)),
        security=several(pick, lambda: coding(pick)),
        profile=several(pick, lambda: pick(["http://x/p", "http://x/p|1", "http://x/q"])),
        source=pick([NOTHING, "urn:agency:1", "urn:agency:2"]),
    )
