"""Number parameters, and the comparison of measured values that number and quantity parameters share.

https://hl7.org/fhir/R4/search.html#number, https://hl7.org/fhir/R4/search.html#prefix

Index, in `q`: `{p: param, lo, hi}` with lo == hi; what is a range of values stands under `param~`, both ends inclusive
and infinite where they are open. So a condition on a plain value can be put on both of its ends.
"""

import math
import re
import sys
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any, cast

from fhir_server.search.entries import Entries, bounded
from fhir_server.search.escaping import unescape
from fhir_server.search.parameter_types.bad_value import BadValue
from fhir_server.search.paths import Leaf, Visit
from fhir_server.search.request import Measured, Prefix

RANGES = "~"
"""Ends the key that ranges stand under."""
LARGEST = sys.float_info.max
_INFINITE = math.inf
_NUMBERS = frozenset({"decimal", "integer", "positiveInt", "unsignedInt", "integer64"})
_PREFIXED = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb|ap)?(.*)", re.DOTALL).fullmatch
_DECIMAL = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,4})?").fullmatch
_LONGEST = 60
"""Digits that are calculated with, of what is stored and of what is asked; a double has 17."""
_ROUNDED = Context(prec=_LONGEST, Emin=-400, Emax=400, traps=[])


def writer(parameter: str, leaf: Leaf) -> Visit | None:
    """What writes a value of the leaf's type to Entries; None for types that are no numbers.

    A Range is written by the numbers of its ends, whatever their unit (RiskAssessment.probability: percent).
    """
    if leaf.type in _NUMBERS:
        return _number_writer(parameter)
    if leaf.type == "Range":
        return _range_writer(parameter)
    return None


def _number_writer(parameter: str) -> Visit:
    def write(value: Any, entries: Entries) -> None:
        found = ratio(value)
        if found is not None:
            number = quotient(*found)
            entries.measures[(parameter, number, number)] = None
            entries.sort_by(parameter, number, number)

    return write


def _range_writer(parameter: str) -> Visit:
    key = parameter + RANGES

    def write(value: Any, entries: Entries) -> None:
        low, high = (ratio((value.get(end) or {}).get("value")) for end in ("low", "high"))
        ends = span(low and quotient(*low), high and quotient(*high))
        if ends is not None:
            entries.measures[(key, *ends)] = None
            sort_by(parameter, ends, entries)

    return write


def span(low: float | None, high: float | None) -> tuple[float, float] | None:
    """The ends of a range, infinite where one is missing; None where both are, or they are the wrong way round."""
    if low is None and high is None:
        return None
    lo, hi = -_INFINITE if low is None else low, _INFINITE if high is None else high
    return (lo, hi) if lo <= hi else None


def sort_by(parameter: str, ends: tuple[float, float], entries: Entries) -> None:
    """Sort keys of a range: its low end, or its high one where the low one is open."""
    lo, hi = ends
    key = hi if lo == -_INFINITE else lo
    entries.sort_by(parameter, key, key)


def ratio(value: Any) -> tuple[int, int] | None:
    """A decoded JSON number as a ratio, rounded at its 60th digit; None for what is none.

    What is beyond any double becomes the largest or zero: a body of 10 MB of digits must not cost more than its size.
    """
    if type(value) is int:
        return value, 1
    if not isinstance(value, Decimal):
        return None
    rounded = _ROUNDED.plus(value)
    if rounded.is_finite():
        return rounded.as_integer_ratio()
    return None if rounded.is_nan() else (int(math.copysign(LARGEST, rounded)), 1)


def quotient(numerator: int, denominator: int) -> float:
    """The double nearest to a ratio, so that equal ratios give equal doubles; LARGEST or its negative beyond."""
    try:
        return numerator / denominator
    except OverflowError:
        return LARGEST if numerator > 0 else -LARGEST


@dataclass(frozen=True, slots=True)
class Asked:
    """A number of a search: its exact value, and the range it stands for, `lo` inclusive and `hi` exclusive.

    The range is the implicit one, half a unit of the last digit sent on either side; with `ap` it is a tenth of the
    value on either side.
    """

    prefix: Prefix
    value: Fraction
    lo: Fraction
    hi: Fraction


def read_number(text: str) -> Asked:
    """An optional prefix and a decimal as R4 writes it, without its unit. Raises BadValue."""
    match = _PREFIXED(text)
    assert match is not None
    prefix, digits = cast(Prefix, match[1] or "eq"), match[2]
    if not _DECIMAL(digits):
        raise BadValue(_remedy(digits))
    number = Decimal(digits)
    exponent = cast(int, number.as_tuple().exponent)
    if len(number.as_tuple().digits) > _LONGEST or not -400 <= exponent <= number.adjusted() <= 300:
        raise BadValue(f"is beyond what can be compared: at most {_LONGEST} digits, and at most 1e300")
    value = Fraction(number)
    reach = abs(value) / 10 if prefix == "ap" else Fraction(10) ** exponent / 2
    return Asked(prefix, value, value - reach, value + reach)


def _remedy(digits: str) -> str:
    if "," in digits:
        return 'is not a number: write a decimal point, as in 5.4; a "," separates values'
    return "is not a number: write one such as 100, -5.40 or 1.2e-3, after one of eq ne gt lt ge le sa eb ap or none"


def measured(key: str, asked: Asked, lo: float, value: float, hi: float) -> Measured:
    """What is asked as doubles. The range never closes by rounding, and with `ap` its upper end belongs to it."""
    if asked.prefix == "ap":
        hi = math.nextafter(hi, _INFINITE)
    return Measured(asked.prefix, key, value, lo, max(hi, math.nextafter(value, _INFINITE)))


def read_value(parameter: str, text: str) -> Measured:
    """`[prefix]number`, escapes included. Raises BadValue."""
    asked = read_number(unescape(text))
    lo, value, hi = (quotient(*each.as_integer_ratio()) for each in (asked.lo, asked.value, asked.hi))
    return measured(parameter, asked, lo, value, hi)


_Bounds = dict[str, float]
_ANY: _Bounds = {"$gte": -_INFINITE, "$lte": _INFINITE}


def predicate(value: Measured) -> dict[str, Any]:
    """The filter over `q`. Each $elemMatch bounds both ends of both fields, as for dates, and a plain value's alike."""
    points, ranges = _wanted(value)
    key = bounded(value.key)
    filters = [_element(key, each, each) for each in points]
    filters += [_element(key + RANGES, lo, hi) for lo, hi in ranges]
    return {"$or": filters}


def _wanted(value: Measured) -> tuple[list[_Bounds], list[tuple[_Bounds, _Bounds]]]:
    """Bounds for plain values, and for the ends of ranges: R4's table of prefixes.

    `eq`, `ne` and `ap` go by the range the number stands for, the others by the number itself, of any precision.
    """
    number = value.value
    below: _Bounds = {"$gte": -_INFINITE, "$lt": number}
    above: _Bounds = {"$gt": number, "$lte": _INFINITE}
    up_to: _Bounds = {"$gte": -_INFINITE, "$lte": number}
    from_on: _Bounds = {"$gte": number, "$lte": _INFINITE}
    within: _Bounds = {"$gte": value.lo, "$lt": value.hi}
    before: _Bounds = {"$gte": -_INFINITE, "$lt": value.lo}
    behind: _Bounds = {"$gte": value.hi, "$lte": _INFINITE}
    match value.prefix:
        case "eq":
            return [within], [(within, within)]
        case "ne":
            return [before, behind], [(before, _ANY), (_ANY, behind)]
        case "gt":
            return [above], [(_ANY, above)]
        case "lt":
            return [below], [(below, _ANY)]
        case "ge":
            return [from_on], [(_ANY, from_on)]
        case "le":
            return [up_to], [(up_to, _ANY)]
        case "sa":
            return [above], [(above, above)]
        case "eb":
            return [below], [(below, below)]
        case "ap":
            starts: _Bounds = {"$gte": -_INFINITE, "$lt": value.hi}
            return [within], [(starts, {"$gte": value.lo, "$lte": _INFINITE})]


def _element(key: str, lo: _Bounds, hi: _Bounds) -> dict[str, Any]:
    return {"q": {"$elemMatch": {"p": key, "lo": lo, "hi": hi}}}
