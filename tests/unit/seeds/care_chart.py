"""A person of no family, and what their record has of a type."""

from datetime import date
from random import Random
from typing import Any

from seeds import clinicians
from seeds.chart import Chart
from seeds.model import Agency, BeneficiaryClass, Branch, Clock, Person

Json = dict[str, Any]

TODAY = date(2026, 11, 20)
"""A Friday."""


def chart(*, age: int = 40, today: date = TODAY) -> Chart:
    """An empty chart of an active-duty sailor of San Diego."""
    person = Person(
        "doe-john",
        "Doe",
        ("John",),
        "male",
        age,
        (3, 4),
        BeneficiaryClass.ACTIVE_DUTY,
        Agency.DOD,
        Branch.NAVY,
        77,
        "cabrillo-naval",
        "okafor-grace",
        ("white",),
        "not-hispanic",
        ("1 Oak Street",),
        "San Diego",
        "CA",
        "92101",
    )
    return Chart(person, clinicians.directory(), Clock(today), Random("doe-john"))


def only(chart: Chart, type: str) -> list[Json]:
    """The resources of a type, in the order they were written down."""
    return [each for each in chart.resources if each["resourceType"] == type]


def named(chart: Chart, reference: str) -> Json:
    """The resource of a reference."""
    return next(each for each in chart.resources if f"{each['resourceType']}/{each['id']}" == reference)
