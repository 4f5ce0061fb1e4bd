"""Vaccinations given and refused, and what a child gets by its age.

https://hl7.org/fhir/us/core/STU7/StructureDefinition-us-core-immunization.html
"""

from collections.abc import Mapping
from datetime import date, timedelta

from seeds import growth
from seeds.chart import Chart, Visit
from seeds.codes import concept, quantity
from seeds.model import Resource
from seeds.visits import encounter, practitioner

CHILDHOOD: Mapping[str, tuple[int, ...]] = {
    "08": (0, 1, 6),
    "116": (2, 4, 6),
    "20": (2, 4, 6, 15, 48),
    "48": (2, 4, 6, 12),
    "133": (2, 4, 6, 12),
    "10": (2, 4, 6, 48),
    "03": (12, 48),
    "21": (12, 48),
    "83": (12, 18),
    "115": (132,),
    "165": (132, 138),
    "136": (132, 192),
}
"""CVX code to the months of age at which its doses are given, after the schedule of the United States."""

FLU, FLU_AUTUMNS, FLU_DAY = "140", 3, (10, 12)
"""Influenza vaccine: its CVX code, of how many autumns there are records, month and day it is given."""

BY_MOUTH = frozenset({"116"})
UNDER_THE_SKIN = frozenset({"03", "21", "37"})


def given(
    chart: Chart, key: str, cvx: str, day: date, *, visit: Visit | None = None, dose: int = 1, series: int = 0
) -> str:
    """A dose given on a day: the `dose`-th, of `series` doses where the series is that long."""
    elements = _immunization(chart, "completed", cvx, day, visit)
    elements |= {
        "lotNumber": f"SYN{cvx}{day:%y%m}",
        "expirationDate": (day + timedelta(days=300)).isoformat(),
        "route": concept("snomed", _route(cvx)),
        "doseQuantity": quantity(1, "{dose}"),
        "performer": [{"actor": practitioner(visit.clinician if visit else chart.clinician)}],
    }
    if _route(cvx) != "26643006":
        elements["site"] = concept("snomed", "40983000")
    applied: Resource = {"doseNumberPositiveInt": dose}
    if series:
        applied["seriesDosesPositiveInt"] = series
    elements["protocolApplied"] = [applied]
    return _add(chart, key, elements, visit)


def not_done(chart: Chart, key: str, cvx: str, day: date, *, reason: str = "PATOBJ", visit: Visit | None = None) -> str:
    """A vaccination that was offered and not given: `PATOBJ` refused, `MEDPREC` not advised, `IMMUNE` not needed."""
    elements = _immunization(chart, "not-done", cvx, day, visit)
    elements["statusReason"] = concept("v3-ActReason", reason)
    return _add(chart, key, elements, visit)


def childhood_series(chart: Chart, *, without: tuple[str, ...] = ()) -> list[str]:
    """All that a child of the person's age has got, influenza of the last autumns too; `without` are CVX codes.

    How many doses there are follows from the age in years alone (an infant's: in months), so that the population has
    the same ids on whatever day it is seen from.
    """
    age, born = chart.person.age, chart.clock.born(chart.person.age, *chart.person.birthday)
    months_old = growth.months_old(born, chart.clock.today) if age == 0 else 12 * age - 1
    found = []
    for cvx, months in CHILDHOOD.items():
        due = [month for month in months if month <= months_old and cvx not in without]
        for dose, month in enumerate(due, start=1):
            day = born + timedelta(days=round(month * growth.DAYS_PER_MONTH))
            found.append(given(chart, f"vaccine-{cvx}-{dose}", cvx, day, dose=dose, series=len(months)))
    return found + ([] if FLU in without else influenza(chart))


def influenza(chart: Chart) -> list[str]:
    """Influenza vaccine of the last autumns, three at most, from the first that every child of the age has seen."""
    today = chart.clock.today
    latest = today.year - (today < date(today.year, *FLU_DAY))
    count = min(FLU_AUTUMNS, max(0, chart.person.age - 1))
    # The key counts back from today, because ids do not depend on the day the population is seen from.
    days = [(back, date(latest - back + 1, *FLU_DAY)) for back in range(count, 0, -1)]
    return [given(chart, f"vaccine-flu-{back}", FLU, day) for back, day in days]


def _immunization(chart: Chart, status: str, cvx: str, day: date, visit: Visit | None) -> Resource:
    facility = visit.facility if visit else chart.facility
    return {
        "status": status,
        "vaccineCode": concept("cvx", cvx),
        "patient": chart.patient,
        **encounter(visit),
        "occurrenceDateTime": day.isoformat(),
        "recorded": day.isoformat(),
        "primarySource": visit is not None or chart.person.age < 18,
        "location": {"reference": f"Location/{facility.key}", "display": facility.name},
        "manufacturer": {"display": "Invented Vaccines (test data)"},
    }


def _route(cvx: str) -> str:
    return "26643006" if cvx in BY_MOUTH else "34206005" if cvx in UNDER_THE_SKIN else "78421000"


def _add(chart: Chart, key: str, elements: Resource, visit: Visit | None) -> str:
    agency = visit.facility.agency if visit else None
    return chart.add("Immunization", key, elements, profiles=("us-core-immunization",), agency=agency)
