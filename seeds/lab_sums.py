"""Results that follow from others of their panel, so that they agree with them."""

from collections.abc import Callable, Mapping
from decimal import Decimal

from seeds.model import Person

Results = Mapping[str, Decimal]

MDRD = (Decimal(175), -1.154, -0.203, Decimal("0.742"))
"""Constants of the four-variable MDRD equation: https://doi.org/10.7326/0003-4819-145-4-200608150-00004"""
TRIGLYCERIDE_SHARE = 5
"""Triglyceride in mg/dL is about five times the cholesterol it goes with (Friedewald)."""


def filtration_rate(results: Results, person: Person) -> Decimal:
    """The estimated glomerular filtration rate, from creatinine, age and gender."""
    factor, by_creatinine, by_age, of_women = MDRD
    rate = factor * Decimal(float(results["creatinine"]) ** by_creatinine * max(person.age, 1) ** by_age)
    return Decimal(round(rate * of_women if person.gender == "female" else rate))


def cholesterol(results: Results, person: Person) -> Decimal:
    """The sum of its parts."""
    return Decimal(round(results["hdl"] + results["ldl"] + results["triglyceride"] / TRIGLYCERIDE_SHARE))


def hematocrit(results: Results, person: Person) -> Decimal:
    """The share of the cells in the blood, from hemoglobin and its concentration in them."""
    return round(100 * results["hemoglobin"] / results["mchc"], 1)


def erythrocytes(results: Results, person: Person) -> Decimal:
    """The number of the cells, from their share and their volume."""
    return round(10 * hematocrit(results, person) / results["mcv"], 2)


def cell_hemoglobin(results: Results, person: Person) -> Decimal:
    """The hemoglobin of one cell, from its concentration and the cell's volume."""
    return round(results["mchc"] * results["mcv"] / 100, 1)


SUMS: Mapping[str, Callable[[Results, Person], Decimal]] = {
    "egfr": filtration_rate,
    "cholesterol": cholesterol,
    "hematocrit": hematocrit,
    "erythrocytes": erythrocytes,
    "mch": cell_hemoglobin,
}
"""How a result is made of others, by the name of its test."""
