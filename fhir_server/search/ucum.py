"""UCUM codes reduced to base units, so that 1 g, 1000 mg and 0.001 kg are one quantity.

https://ucum.org/ucum#section-Grammar-of-Units-and-Unit-Terms

A unit becomes an exact factor over the seven base units of UCUM and its arbitrary units ([IU], [CFU], ...), which are
base units of their own. UCUM counts: mol is a number, as % is, so mmol/L is a number in a volume.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache

from fhir_server.definitions.units import Unit, prefixes, units

SYSTEM = "http://unitsofmeasure.org"
MAX_LENGTH = 200
"""Characters of a code that is read. The longest in UCUM's list of common units has 20."""
MAX_EXPONENT = 99
MAX_BITS = 4096
"""Of a factor's numerator or denominator: far more than any quantity, and little to calculate with."""
MAX_DEPTH = 8
"""Parentheses within each other."""

_ABSOLUTE_ZERO = {
    "Cel": Fraction("273.15"),
    "degF": Fraction("459.67"),
    "degRe": Fraction("218.52"),
}
"""The temperature scales, whose degrees are counted from another zero: how many of its degrees that lies above 0 K.

https://ucum.org/ucum#section-Special-Units-on-non-ratio-Scales
"""

_ANNOTATION = re.compile(r"\{[!-z|~]*\}")
_SIMPLE_UNIT = re.compile(r"(?:[!-'*+,\-0-Z^-z|~\\]|\[[!-Z\\^-~]*\])+")
_ANNOTATED = re.compile(r"([^{}]+)(?:\{[!-z|~]*\})?").fullmatch
_EXPONENTIATED = re.compile(r"(.*[^0-9+-])([+-]?[0-9]+)?").fullmatch

Linear = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Canonical:
    """A unit in terms of base units: a value v of it is v * `factor` + `offset` of `unit`.

    `unit` is the same text for every spelling: base units with their exponents in the order of their names (`g.m-3`);
    `1` for plain numbers.
    """

    unit: str
    factor: Fraction
    offset: Fraction = Fraction(0)

    def linear(self) -> Linear:
        """The factor and offset as integers a, b, c: a value n/d of the unit is (n*a + d*b) / (d*c) of `unit`.

        Plain integers, because a Fraction would look for the lowest terms, which costs ten times as much.
        """
        factor, offset = self.factor, self.offset
        return (
            factor.numerator * offset.denominator,
            offset.numerator * factor.denominator,
            factor.denominator * offset.denominator,
        )

    def convert(self, numerator: int, denominator: int) -> tuple[int, int]:
        """A value of the unit, given as a ratio, as an exact ratio of the canonical unit; not in lowest terms."""
        a, b, c = self.linear()
        return numerator * a + denominator * b, denominator * c


def canonical(code: str) -> Canonical | None:
    """The canonical form of a case sensitive UCUM code.

    None where it is no UCUM, and where it is on a scale that is neither of ratios nor of temperature (`B`, `[pH]`).
    """
    return _canonical(code) if len(code) <= MAX_LENGTH else None


@lru_cache(maxsize=4096)
def _canonical(code: str) -> Canonical | None:
    try:
        return _temperature(code) or _Term(code).canonical()
    except NotUcum:
        return None


class NotUcum(ValueError):
    """The text is no UCUM term that can be reduced."""


@dataclass(frozen=True, slots=True)
class _Reduced:
    """An exact factor over powers of base units."""

    factor: Fraction
    powers: dict[str, int]

    def times(self, other: "_Reduced", exponent: int = 1) -> "_Reduced":
        factor = self.factor * other.factor**exponent
        if max(factor.numerator.bit_length(), factor.denominator.bit_length()) > MAX_BITS:
            raise NotUcum("a factor beyond all measure")
        powers = dict(self.powers)
        for unit, power in other.powers.items():
            powers[unit] = powers.get(unit, 0) + power * exponent
        return _Reduced(factor, powers)


_ONE = _Reduced(Fraction(1), {})


class _Term:
    """Reads one term from left to right: `.` and `/` bind alike, as the grammar says."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.at = 0
        self.depth = 0

    def canonical(self) -> Canonical:
        reduced = self.whole()
        powers = sorted((unit, power) for unit, power in reduced.powers.items() if power)
        unit = ".".join(unit if power == 1 else f"{unit}{power}" for unit, power in powers)
        return Canonical(unit or "1", reduced.factor)

    def whole(self) -> _Reduced:
        reduced = self.term()
        if self.at < len(self.code):
            raise NotUcum(self.code)
        return reduced

    def term(self) -> _Reduced:
        reduced = _ONE
        exponent = -1 if self.takes("/") else 1
        while True:
            reduced = reduced.times(self.component(), exponent)
            if self.takes("."):
                exponent = 1
            elif self.takes("/"):
                exponent = -1
            else:
                return reduced

    def component(self) -> _Reduced:
        if self.takes("("):
            reduced = self.enclosed()
        elif self.peek() == "{":
            reduced = _ONE
        else:
            reduced = self.simple_unit()
        if self.peek() == "{":
            self.matched(_ANNOTATION)
        return reduced

    def enclosed(self) -> _Reduced:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise NotUcum("parentheses within parentheses")
        reduced = self.term()
        if not self.takes(")"):
            raise NotUcum(self.code)
        self.depth -= 1
        return reduced

    def simple_unit(self) -> _Reduced:
        text = self.matched(_SIMPLE_UNIT)
        if text.isdigit():
            return _ONE.times(_Reduced(_positive(text), {}))
        parts = _EXPONENTIATED(text)
        if parts is None:
            raise NotUcum(text)
        exponent = int(parts[2] or 1)
        if abs(exponent) > MAX_EXPONENT:
            raise NotUcum(text)
        multiple, unit = _prefixed(parts[1])
        return _ONE.times(_Reduced(multiple, {}).times(_reduced(unit.code)), exponent)

    def peek(self) -> str:
        return self.code[self.at : self.at + 1]

    def takes(self, mark: str) -> bool:
        if self.peek() != mark:
            return False
        self.at += 1
        return True

    def matched(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.code, self.at)
        if match is None:
            raise NotUcum(self.code)
        self.at = match.end()
        return match[0]


def _positive(digits: str) -> Fraction:
    number = int(digits)
    if not number:
        raise NotUcum("a factor of zero")
    return Fraction(number)


def _prefixed(text: str) -> tuple[Fraction, Unit]:
    """The prefix's multiple and the unit; a unit's own code goes before a prefix and a shorter one (`cd`, `Pa`)."""
    table = units()
    if text in table:
        return Fraction(1), table[text]
    for length in (1, 2):
        unit = table.get(text[length:])
        if text[:length] in prefixes() and unit is not None and unit.is_metric:
            return prefixes()[text[:length]], unit
    raise NotUcum(text)


@cache
def _reduced(code: str) -> _Reduced:
    unit = units()[code]
    if unit.scale is not None:
        raise NotUcum(f"{code} is on no ratio scale")
    if unit.of is None or (unit.is_arbitrary and unit.of == "1"):
        return _Reduced(Fraction(1), {code: 1})
    return _Reduced(unit.value, {}).times(_Term(unit.of).whole())


def _temperature(code: str) -> Canonical | None:
    """A temperature scale, prefixed or annotated or not; None for what is none. In a product it is not reduced."""
    match = _ANNOTATED(code)
    if match is None:
        return None
    try:
        multiple, unit = _prefixed(match[1])
    except NotUcum:
        return None
    zero = _ABSOLUTE_ZERO.get(unit.scale or "")
    if zero is None:
        return None
    assert unit.of is not None
    degree = _Reduced(unit.value, {}).times(_Term(unit.of).whole())
    return Canonical("K", multiple * degree.factor, zero * degree.factor)
