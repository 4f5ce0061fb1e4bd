"""What all Observations of the population share.

https://hl7.org/fhir/R4/observation.html
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from seeds.chart import Chart, Visit, instant
from seeds.codes import concept, quantity
from seeds.model import Labels, Resource
from seeds.visits import encounter, practitioner

SHOWN: Mapping[str, str] = {
    "kg/m2": "kg/m²",
    "/uL": "cells/µL",
    "[pH]": "pH",
    "d/wk": "days/week",
    "min/d": "minutes/day",
    "min/wk": "minutes/week",
    "mL/min/{1.73_m2}": "mL/min/1.73 m²",
}
"""What people write for a UCUM code of measurements; of an annotation such as `{score}` they write what is inside."""


def measured(value: Decimal | int, unit: str, shown: str = "") -> Resource:
    """A Quantity with the UCUM code `unit`, shown as `shown`, else as people write it."""
    found = quantity(value, unit)
    if found["unit"] == unit:
        found["unit"] = SHOWN.get(unit, unit.replace("{", "").replace("}", ""))
    return {**found, "unit": shown or found["unit"]}


def add_observation(
    chart: Chart,
    key: str,
    visit: Visit,
    code: Resource,
    category: tuple[Resource, ...],
    value: Resource,
    *,
    profile: str,
    labels: Labels = (),
    minutes: int = 5,
    by_patient: bool = False,
) -> str:
    """Write down a final Observation made `minutes` after the visit began.

    `value` holds the elements of the result (`valueQuantity`, `component`, `dataAbsentReason`, ...); an effective[x]
    among them replaces the time. The performer is the clinician, or the person where `by_patient`.
    """
    when = visit.start + timedelta(minutes=minutes)
    elements: Resource = {"status": "final"}
    if category:
        elements["category"] = list(category)
    elements |= {"code": code, "subject": chart.patient, **encounter(visit)}
    if not any(name.startswith("effective") for name in value):
        elements["effectiveDateTime"] = instant(when)
    elements["issued"] = instant(when)
    elements["performer"] = [chart.patient if by_patient else practitioner(visit.clinician)]
    elements |= value
    return chart.add("Observation", key, elements, profiles=(profile,), labels=labels, agency=visit.facility.agency)


def category(code: str) -> Resource:
    """A category of HL7's observation-category, or of US Core's where the code is one of those."""
    us_core = {
        "sdoh",
        "functional-status",
        "disability-status",
        "cognitive-status",
        "treatment-intervention-preference",
        "care-experience-preference",
    }
    return concept("us-core-category" if code in us_core else "observation-category", code)


def absent(reason: str) -> Resource:
    """The element that says why there is no value: a code of data-absent-reason."""
    return {"dataAbsentReason": concept("data-absent-reason", reason)}


def period(start: datetime, end: datetime) -> Resource:
    """The element `effectivePeriod`."""
    return {"effectivePeriod": {"start": instant(start), "end": instant(end)}}
