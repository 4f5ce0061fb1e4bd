"""Quantity parameters: a number with a unit, found in any unit of the same kind where the unit is UCUM.

https://hl7.org/fhir/R4/search.html#quantity

Index, in `q` (`{p, lo, hi}`, ranges under the key and "~", see number.py), up to four entries for one value:
- `param|` the number as it stands
- `param|code|` and `param|unit|` the same number under its code, and under its unit's text where that is another
- `param|code|system` the same number; in UCUM it is `param|base units|http://unitsofmeasure.org`, counted in base units

SampledData is left out, though some expressions name it: it is a series, and R4 does not say how one is compared.
"""

import math
from collections.abc import Mapping
from typing import Any

from fhir_server.search import ucum
from fhir_server.search.entries import Entries, bounded
from fhir_server.search.escaping import split_unescaped, unescape
from fhir_server.search.parameter_types.bad_value import BadValue
from fhir_server.search.parameter_types.number import (
    RANGES,
    measured,
    quotient,
    ratio,
    read_number,
    sort_by,
    span,
)
from fhir_server.search.paths import Leaf, Visit
from fhir_server.search.request import Measured
from fhir_server.search.ucum import Canonical, Linear

CURRENCIES = "urn:iso:std:iso:4217"
"""The system of Money.currency. https://hl7.org/fhir/R4/datatypes.html#Money"""

_QUANTITIES = frozenset({"Quantity", "Age", "Count", "Distance", "Duration", "SimpleQuantity", "MoneyQuantity"})
_UCUM_OID = "urn:oid:2.16.840.1.113883.6.8"

_Unit = tuple[str | None, str | None, str | None]
"""Text, system and code of a unit."""
_Keys = tuple[tuple[str, Linear | None], ...]
"""Keys a number is written under, each with what converts it; None where it stands as it is."""


def writer(parameter: str, leaf: Leaf) -> Visit | None:
    """What writes a value of the leaf's type to Entries; None for types that are no quantities."""
    if leaf.type in _QUANTITIES:
        return _quantity_writer(parameter)
    if leaf.type == "Money":
        return _money_writer(parameter)
    if leaf.type == "Range":
        return _range_writer(parameter)
    return None


def _quantity_writer(parameter: str) -> Visit:
    def write(value: Any, entries: Entries) -> None:
        number = ratio(value.get("value"))
        if number is None:
            entries.mark_present(parameter)
            return
        unit = (value.get("unit"), value.get("system"), value.get("code"))
        keys = _keys(parameter, unit)
        comparator = value.get("comparator")
        if comparator is None:
            _write_number(parameter, number, keys, entries)
        else:
            _write_compared(parameter, comparator, number, keys, entries)

    return write


def _money_writer(parameter: str) -> Visit:
    def write(value: Any, entries: Entries) -> None:
        number = ratio(value.get("value"))
        if number is None:
            entries.mark_present(parameter)
            return
        currency = value.get("currency")
        unit = (None, CURRENCIES if currency else None, currency)
        _write_number(parameter, number, _keys(parameter, unit), entries)

    return write


def _write_number(parameter: str, number: tuple[int, int], keys: _Keys, entries: Entries) -> None:
    measures, raw = entries.measures, quotient(*number)
    numerator, denominator = number
    for key, linear in keys:
        if linear is None:
            measures[(key, raw, raw)] = None
        else:
            a, b, c = linear
            found = quotient(numerator * a + denominator * b, denominator * c)
            measures[(key, found, found)] = None
    entries.sort_by(parameter, raw, raw)


def _write_compared(parameter: str, comparator: str, number: tuple[int, int], keys: _Keys, entries: Entries) -> None:
    """Write what is only known to be below or above a number, as the range it may be in."""
    for key, linear in keys:
        ends = _compared(comparator, _converted(number, linear))
        if ends is not None:
            entries.measures[(key + RANGES, *ends)] = None
        else:
            entries.mark_present(parameter)
    raw = quotient(*number)
    entries.sort_by(parameter, raw, raw)


def _compared(comparator: str, number: float) -> tuple[float, float] | None:
    match comparator:
        case "<":
            return -math.inf, math.nextafter(number, -math.inf)
        case "<=":
            return -math.inf, number
        case ">=":
            return number, math.inf
        case ">":
            return math.nextafter(number, math.inf), math.inf
    return None


def _range_writer(parameter: str) -> Visit:
    raw = f"{parameter}|"

    def write(value: Any, entries: Entries) -> None:
        low, high = value.get("low") or {}, value.get("high") or {}
        low_unit, high_unit = _unit(low), _unit(high)
        # R4 wants the same unit on both ends, or on one alone; texts of one code may differ.
        if not any(low_unit):
            low_unit = high_unit
        elif not any(high_unit) or low_unit[1:] == high_unit[1:] != (None, None):
            high_unit = low_unit
        lows, highs = _ends(parameter, low, low_unit), _ends(parameter, high, high_unit)
        if not lows and not highs:
            entries.mark_present(parameter)
            return
        for key in [key for key in lows if key in highs] if lows and highs else lows or highs:
            ends = span(lows.get(key), highs.get(key))
            if ends is not None:
                entries.measures[(key + RANGES, *ends)] = None
                if key == raw:
                    sort_by(parameter, ends, entries)
            elif key == raw:
                # From 500 mg to 1 g: `param|`, by which `:missing` goes, has no such range.
                entries.mark_present(parameter)

    return write


def _unit(quantity: Mapping[str, Any]) -> _Unit:
    return quantity.get("unit"), quantity.get("system"), quantity.get("code")


def _ends(parameter: str, quantity: Mapping[str, Any], unit: _Unit) -> dict[str, float]:
    """The number of one end of a Range by key; empty where it has none."""
    number = ratio(quantity.get("value"))
    if number is None:
        return {}
    return {key: _converted(number, linear) for key, linear in _keys(parameter, unit)}


def _converted(number: tuple[int, int], linear: Linear | None) -> float:
    numerator, denominator = number
    a, b, c = linear or (1, 0, 1)
    return quotient(numerator * a + denominator * b, denominator * c)


def _keys(parameter: str, unit: _Unit) -> _Keys:
    known = _known_keys.get((parameter, unit))
    if known is not None:
        return known
    made = _made_keys(parameter, unit)
    # A server meets a few hundred units; a text of a megabyte must not stay in memory.
    if len(_known_keys) < 10_000 and sum(len(part) for part in unit if part) <= 300:
        _known_keys[(parameter, unit)] = made
    return made


_known_keys: dict[tuple[str, _Unit], _Keys] = {}


def _made_keys(parameter: str, unit: _Unit) -> _Keys:
    text, system, code = unit
    keys: dict[str, Canonical | None] = {f"{parameter}|": None}
    for name in (code, text):
        if name:
            keys[_key(parameter, name)] = None
    if system and code:
        key, canonical = _system_key(parameter, system, code)
        keys[key] = canonical
    return tuple((bounded(key), canonical.linear() if canonical else None) for key, canonical in keys.items())


def _system_key(parameter: str, system: str, code: str) -> tuple[str, Canonical | None]:
    """The key of a unit with its system, and what converts a number to it: a UCUM code becomes base units."""
    if system == _UCUM_OID:
        system = ucum.SYSTEM
    canonical = ucum.canonical(code) if system == ucum.SYSTEM else None
    return _key(parameter, canonical.unit if canonical else code, system), canonical


def _key(parameter: str, unit: str, system: str = "") -> str:
    return f"{parameter}|{_escaped(unit)}|{_escaped(system)}"


def _escaped(text: str) -> str:
    """Without a bare "|", and without "~", which ends the keys of ranges."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("~", "\\~")


def read_value(parameter: str, text: str) -> Measured:
    """`[prefix]number`, `[prefix]number|system|code` or `[prefix]number||code`, escapes included. Raises BadValue.

    A number in UCUM is asked for in base units, its implicit range too.
    """
    parts = [unescape(part) for part in split_unescaped(text, "|")]
    if len(parts) not in (1, 3):
        raise BadValue('has one "|" or too many; write "5.4", "5.4||mg" or "5.4|http://unitsofmeasure.org|mg"')
    asked = read_number(parts[0])
    key, canonical = _asked_key(parameter, *parts[1:])
    linear = canonical.linear() if canonical else None
    ends = (_converted(each.as_integer_ratio(), linear) for each in (asked.lo, asked.value, asked.hi))
    return measured(key, asked, *ends)


def _asked_key(parameter: str, system: str = "", code: str | None = None) -> tuple[str, Canonical | None]:
    if code is None:
        return f"{parameter}|", None
    if not code:
        raise BadValue('names no unit after the last "|"; write "5.4||mg", or the number alone for any unit')
    return _system_key(parameter, system, code) if system else (_key(parameter, code), None)
