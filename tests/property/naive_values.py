"""Values of resources as sets of strings, stretches of time and of numbers, read from the specification's words.

https://hl7.org/fhir/R4/search.html#prefix. Nothing here knows how the server keeps or compares values.
"""

import calendar
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any

ALWAYS, NEVER = datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)
TICK = timedelta(milliseconds=1)
ENDLESS = Fraction(10**40)
HAIR = Fraction(1, 10**40)
"""Less than any difference between two numbers of a test."""
UCUM = "http://unitsofmeasure.org"


def items(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def at(resource: Any, path: str) -> list[Any]:
    """All values at a path of JSON names; the empty path is the resource itself."""
    found = [resource]
    for name in path.split(".") if path else ():
        found = [item for each in found if isinstance(each, dict) for item in items(each.get(name))]
    return [each for each in found if each is not None]


def plain(text: str) -> str:
    """Without accents, case and repeated white space."""
    letters = (each for each in unicodedata.normalize("NFKD", text) if not unicodedata.category(each).startswith("M"))
    return re.sub(r"\s+", " ", "".join(letters).casefold()).strip()


def prefixed(value: str) -> tuple[str, str]:
    """The prefix, `eq` where there is none, and the rest."""
    return (value[:2], value[2:]) if value[:1].isalpha() else ("eq", value)


# --- time ---------------------------------------------------------------------------------------------------------

Stretch = tuple[datetime, datetime]
"""From the first moment, to the first that no longer belongs to it."""


def stretch_of(found: Any) -> Stretch | None:
    """Of a date, a Period or a Timing; None where it has no limits."""
    if isinstance(found, str):
        return moment_of(found)
    if "start" in found or "end" in found:
        start, end = found.get("start"), found.get("end")
        return (moment_of(start)[0] if start else NEVER), (moment_of(end)[1] if end else ALWAYS)
    limits = [moment_of(each) for each in found.get("event", [])]
    bounds = found.get("repeat", {}).get("boundsPeriod")
    limits += [each for each in [stretch_of(bounds) if bounds else None] if each]
    return (min(each[0] for each in limits), max(each[1] for each in limits)) if limits else None


def moment_of(text: str) -> Stretch:
    zone: timezone = UTC
    match = re.search(r"(Z|[+-]\d\d:\d\d)$", text) if "T" in text else None
    if match:
        text = text[: match.start()]
        if match[1] != "Z":
            sign = -1 if match[1][0] == "-" else 1
            zone = timezone(sign * timedelta(hours=int(match[1][1:3]), minutes=int(match[1][4:])))
    parts = [int(each) for each in re.split(r"[-T:]", text.split(".")[0])]
    fraction = text.partition(".")[2][:3]
    start = datetime(*(parts + [1, 1][len(parts) - 1 :]), tzinfo=zone)  # type: ignore[misc, arg-type]
    days = {1: 366 if calendar.isleap(parts[0]) else 365, 3: 1}
    if len(parts) == 2:
        days[2] = calendar.monthrange(parts[0], parts[1])[1]
    if len(parts) <= 3:
        return start, start + timedelta(days=days[len(parts)])
    if len(parts) == 5:
        return start, start + timedelta(minutes=1)
    if not fraction:
        return start, start + timedelta(seconds=1)
    start += timedelta(milliseconds=int(fraction.ljust(3, "0")))
    return start, start + TICK * 10 ** (3 - len(fraction))


def date_matches(found: Stretch, value: str, now: datetime) -> bool:
    prefix, text = prefixed(value)
    start, end = moment_of(text)
    contained = start <= found[0] and found[1] <= end
    something_below, something_above = found[0] < start, found[1] > end
    match prefix:
        case "eq":
            return contained
        case "ne":
            return not contained
        case "lt":
            return something_below
        case "gt":
            return something_above
        case "le":
            return something_below or contained
        case "ge":
            return something_above or contained
        case "sa":
            return found[0] >= end
        case "eb":
            return found[1] <= start
    gap = max(start - now, now - (end - TICK), timedelta()) / 10
    return found[0] <= end - TICK + gap and found[1] - TICK >= start - gap


# --- numbers ------------------------------------------------------------------------------------------------------

UNITS: dict[str, tuple[str, Fraction, Fraction]] = {
    "kg": ("g", Fraction(1000), Fraction(0)),
    "g": ("g", Fraction(1), Fraction(0)),
    "mg": ("g", Fraction(1, 1000), Fraction(0)),
    "ug": ("g", Fraction(1, 10**6), Fraction(0)),
    "[lb_av]": ("g", Fraction("453.59237"), Fraction(0)),
    "m": ("m", Fraction(1), Fraction(0)),
    "cm": ("m", Fraction(1, 100), Fraction(0)),
    "mm": ("m", Fraction(1, 1000), Fraction(0)),
    "[in_i]": ("m", Fraction("0.0254"), Fraction(0)),
    "mg/dL": ("g/m3", Fraction(10), Fraction(0)),
    "g/L": ("g/m3", Fraction(1000), Fraction(0)),
    "ug/mL": ("g/m3", Fraction(1), Fraction(0)),
    "s": ("s", Fraction(1), Fraction(0)),
    "min": ("s", Fraction(60), Fraction(0)),
    "h": ("s", Fraction(3600), Fraction(0)),
    "d": ("s", Fraction(86400), Fraction(0)),
    "a": ("s", Fraction(31557600), Fraction(0)),
    "1": ("1", Fraction(1), Fraction(0)),
    "%": ("1", Fraction(1, 100), Fraction(0)),
    "Cel": ("K", Fraction(1), Fraction("273.15")),
    "K": ("K", Fraction(1), Fraction(0)),
    "[degF]": ("K", Fraction(5, 9), Fraction("459.67") * 5 / 9),
}
"""UCUM code to what it measures in, factor, and what is added after: https://ucum.org/ucum. Written by hand."""


@dataclass(frozen=True)
class Amount:
    """A stored number or quantity: its lowest and highest value as sent, and its unit."""

    low: Fraction
    high: Fraction
    system: str | None = None
    code: str | None = None
    unit: str | None = None

    def canonical(self) -> tuple[str, Fraction, Fraction] | None:
        """What is measured, lowest and highest, in terms of UNITS."""
        if self.system != UCUM or self.code not in UNITS:
            return None
        kind, factor, offset = UNITS[self.code]
        return kind, _scaled(self.low, factor, offset), _scaled(self.high, factor, offset)


def _scaled(number: Fraction, factor: Fraction, offset: Fraction) -> Fraction:
    return number if abs(number) >= ENDLESS else number * factor + offset


def amounts_of(found: Any) -> Iterator[Amount]:
    """Of a decimal, a Quantity or a Range; a Range's unit is that of either end."""
    if not isinstance(found, dict):
        yield Amount(Fraction(str(found)), Fraction(str(found)))
    elif "low" in found or "high" in found:
        low, high = found.get("low", {}), found.get("high", {})
        unit = low if "code" in low or "unit" in low else high
        yield Amount(
            Fraction(str(low["value"])) if "value" in low else -ENDLESS,
            Fraction(str(high["value"])) if "value" in high else ENDLESS,
            unit.get("system"),
            unit.get("code"),
            unit.get("unit"),
        )
    elif "value" in found:
        value = Fraction(str(found["value"]))
        low_high = {
            "<": (-ENDLESS, value - HAIR),
            "<=": (-ENDLESS, value),
            ">": (value + HAIR, ENDLESS),
            ">=": (value, ENDLESS),
        }.get(found.get("comparator", ""), (value, value))
        yield Amount(*low_high, found.get("system"), found.get("code"), found.get("unit"))


def implicit_range(text: str) -> tuple[Fraction, Fraction]:
    """Half a unit of the last digit sent to each side; the upper end is outside."""
    exponent = Decimal(text).as_tuple().exponent
    assert isinstance(exponent, int)
    half = Fraction(10) ** exponent / 2
    return Fraction(text) - half, Fraction(text) + half


def quantity_matches(found: Amount, value: str) -> bool:
    """`value` is `[prefix]number`, `[prefix]number|system|code` or `[prefix]number||code`."""
    number, _, unit = value.partition("|")
    prefix, text = prefixed(number)
    asked, (start, end) = Fraction(text), implicit_range(text)
    system, _, code = unit.partition("|")
    if not unit:
        return number_matches(found.low, found.high, prefix, asked, start, end)
    if not system:
        return code in (found.code, found.unit) and number_matches(found.low, found.high, prefix, asked, start, end)
    if system != UCUM or code not in UNITS:
        same = (found.system, found.code) == (system, code)
        return same and number_matches(found.low, found.high, prefix, asked, start, end)
    kind, factor, offset = UNITS[code]
    held = found.canonical()
    if held is None or held[0] != kind:
        return False
    ends = [_scaled(each, factor, offset) for each in (asked, start, end)]
    return number_matches(held[1], held[2], prefix, *ends)


def number_matches(low: Fraction, high: Fraction, prefix: str, asked: Fraction, start: Fraction, end: Fraction) -> bool:
    """`start` to `end` is the range that eq and ne mean; the other prefixes mean the exact number."""
    match prefix:
        case "eq":
            return start <= low and high < end
        case "ne":
            return not (start <= low and high < end)
        case "gt":
            return high > asked
        case "lt":
            return low < asked
        case "ge":
            return high >= asked
        case "le":
            return low <= asked
        case "sa":
            return low > asked
        case "eb":
            return high < asked
    gap = abs(asked) / 10
    return low <= asked + gap and high >= asked - gap
