"""How tall and heavy somebody is at an age: rounded medians of growth, moved by how the person is built.

The medians are our own rounding of what growth charts show; they make plausible records, not references.
"""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from math import erf, sqrt
from random import Random

from seeds.model import Person

DAYS_PER_MONTH = 30.4375
ADULT_MONTHS = 216

_MEDIANS = (
    (0, 50.0, 3.4, 34.5),
    (2, 58.0, 5.4, 39.0),
    (4, 63.5, 6.8, 41.5),
    (6, 67.0, 7.7, 43.2),
    (9, 71.5, 8.8, 44.8),
    (12, 75.5, 9.5, 46.0),
    (18, 82.0, 10.8, 47.2),
    (24, 87.0, 12.0, 48.2),
    (36, 95.5, 14.2, 49.2),
    (48, 102.5, 16.2, 50.0),
    (60, 109.5, 18.3, 50.5),
    (84, 122.0, 23.0, 51.5),
    (108, 133.0, 28.6, 52.0),
    (132, 144.0, 36.0, 53.0),
    (156, 157.0, 46.0, 54.0),
    (180, 166.0, 55.0, 55.0),
    (ADULT_MONTHS, 171.0, 65.0, 56.0),
)
"""Age in months, height in cm, weight in kg, head circumference in cm."""


@dataclass(frozen=True, slots=True)
class Build:
    """How a person deviates from the median: standard deviations of height and of weight for height."""

    height: float
    weight: float


def build(person: Person) -> Build:
    """The person's build, the same at every visit."""
    random = Random(f"build {person.key}")
    return Build(round(random.gauss(0, 0.8), 2), round(random.gauss(0, 0.7), 2))


def months_old(born: date, day: date) -> int:
    """Completed months of age on a day."""
    return max(0, int((day - born).days / DAYS_PER_MONTH))


def height_cm(person: Person, months: int) -> Decimal:
    """Body height at an age, to the millimetre."""
    median = _interpolate(months, 1)
    shift = 0.04 * build(person).height
    if months >= ADULT_MONTHS:
        median = 176.0 if person.gender == "male" else 163.0
    return Decimal(str(round(median * (1 + shift), 1)))


def weight_kg(person: Person, months: int) -> Decimal:
    """Body weight at an age, to 100 g; an adult's follows from height and a body mass index near 26."""
    shape = build(person)
    if months >= ADULT_MONTHS:
        metres = float(height_cm(person, months)) / 100
        return Decimal(str(round((26 + 4 * shape.weight) * metres * metres, 1)))
    return Decimal(str(round(_interpolate(months, 2) * (1 + 0.1 * shape.weight + 0.06 * shape.height), 1)))


def head_cm(person: Person, months: int) -> Decimal:
    """Head circumference at an age, to the millimetre."""
    return Decimal(str(round(_interpolate(months, 3) * (1 + 0.02 * build(person).height), 1)))


def percentile(deviation: float) -> Decimal:
    """The percentile of a value `deviation` standard deviations from the median."""
    return Decimal(str(round(50 * (1 + erf(deviation / sqrt(2))))))


def _interpolate(months: int, column: int) -> float:
    index = bisect_right(_MEDIANS, (months, float("inf")))
    if index >= len(_MEDIANS):
        return float(_MEDIANS[-1][column])
    low, high = _MEDIANS[index - 1], _MEDIANS[index]
    part = (months - low[0]) / (high[0] - low[0])
    return float(low[column] + part * (high[column] - low[column]))
