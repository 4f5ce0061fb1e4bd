"""Allergies and intolerances, and the statement that there are none.

https://hl7.org/fhir/us/core/STU7/StructureDefinition-us-core-allergyintolerance.html
"""

from collections.abc import Mapping
from datetime import date

from seeds.chart import Chart, Visit
from seeds.codes import concept
from seeds.model import Resource
from seeds.visits import practitioner

CATEGORIES: Mapping[str, str] = {
    "111088007": "environment",
    "735029006": "food",
    "762952008": "food",
    "763875007": "medication",
    "764146007": "medication",
}
"""AllergyIntolerance.category of the substances tabled, by SNOMED CT code."""

NO_KNOWN_ALLERGY = "716186003"


def allergy(
    chart: Chart,
    key: str,
    code: str,
    *,
    reactions: tuple[str, ...] = (),
    criticality: str = "low",
    onset: date | None = None,
    status: str = "active",
    visit: Visit | None = None,
) -> str:
    """An allergy to the substance `code`; `reactions` are its manifestations. All are SNOMED CT codes."""
    elements = _statement(chart, code, status)
    elements["type"] = "allergy"
    elements["category"] = [CATEGORIES[code]]
    elements["criticality"] = criticality
    if onset:
        elements["onsetDateTime"] = onset.isoformat()
        elements["recordedDate"] = onset.isoformat()
    if reactions:
        severity = "severe" if criticality == "high" else "mild"
        elements["reaction"] = [
            {"manifestation": [concept("snomed", each)], "severity": severity} for each in reactions
        ]
    return _add(chart, key, elements, visit)


def none_known(chart: Chart, *, visit: Visit | None = None) -> str:
    """The statement that no allergy is known, so that nobody must ask whether anybody asked."""
    return _add(chart, "no-known-allergy", _statement(chart, NO_KNOWN_ALLERGY, "active"), visit)


def _statement(chart: Chart, code: str, status: str) -> Resource:
    return {
        "clinicalStatus": concept("allergyintolerance-clinical", status),
        "verificationStatus": concept("allergyintolerance-verification", "confirmed"),
        "code": concept("snomed", code),
        "patient": chart.patient,
        "recorder": practitioner(chart.clinician),
    }


def _add(chart: Chart, key: str, elements: Resource, visit: Visit | None) -> str:
    agency = visit.facility.agency if visit else None
    return chart.add("AllergyIntolerance", key, elements, profiles=("us-core-allergyintolerance",), agency=agency)
