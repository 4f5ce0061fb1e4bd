"""Problems, diagnoses of a visit, and health concerns.

https://hl7.org/fhir/us/core/STU7/StructureDefinition-us-core-condition-problems-health-concerns.html
"""

from datetime import date

from seeds.chart import Chart, Visit, instant
from seeds.codes import coding, concept
from seeds.codes_snomed import ICD_10_CM
from seeds.model import Labels, Resource
from seeds.visits import encounter, practitioner

ASSERTED_DATE = "http://hl7.org/fhir/StructureDefinition/condition-assertedDate"


def problem(
    chart: Chart,
    key: str,
    code: str,
    onset: date,
    *,
    status: str = "active",
    abated: date | None = None,
    labels: Labels = (),
    visit: Visit | None = None,
) -> str:
    """An entry of the problem list: `code` is a SNOMED CT code; a problem that abated is `resolved` unless said."""
    clinical = "resolved" if abated and status == "active" else status
    elements = _condition(chart, code, onset, clinical, abated, visit)
    elements["category"] = [concept("condition-category", "problem-list-item")]
    return _add(chart, key, elements, "us-core-condition-problems-health-concerns", labels, visit)


def diagnosis(chart: Chart, key: str, code: str, visit: Visit, labels: Labels = (), *, days: int = 0) -> str:
    """A diagnosis of a visit, also named as the visit's reason; resolved `days` later where those are given."""
    onset = visit.start.date()
    abated = date.fromordinal(onset.toordinal() + days) if days else None
    is_over = abated is not None and abated <= chart.clock.today
    elements = _condition(chart, code, onset, "resolved" if is_over else "active", abated if is_over else None, visit)
    elements["category"] = [concept("condition-category", "encounter-diagnosis")]
    reference = _add(chart, key, elements, "us-core-condition-encounter-diagnosis", labels, visit)
    _name_as_reason(chart, visit, reference)
    return reference


def health_concern(
    chart: Chart,
    key: str,
    code: str,
    onset: date,
    *,
    screening: str = "sdoh",
    labels: Labels = (),
    visit: Visit | None = None,
) -> str:
    """A health concern that a screening found; `screening` is a code of us-core-category, such as `sdoh`."""
    elements = _condition(chart, code, onset, "active", None, visit)
    elements["category"] = [
        concept("us-core-condition-category", "health-concern"),
        concept("us-core-category", screening),
    ]
    return _add(chart, key, elements, "us-core-condition-problems-health-concerns", labels, visit)


def _condition(
    chart: Chart, code: str, onset: date, clinical: str, abated: date | None, visit: Visit | None
) -> Resource:
    recorded = visit.start if visit else None
    codings = [coding("snomed", code)]
    if code in ICD_10_CM:
        codings.append(coding("icd-10-cm", ICD_10_CM[code]))
    elements: Resource = {
        "extension": [{"url": ASSERTED_DATE, "valueDateTime": (recorded.date() if recorded else onset).isoformat()}],
        "clinicalStatus": concept("condition-clinical", clinical),
        "verificationStatus": concept("condition-ver-status", "confirmed"),
        "category": [],
        "code": {"coding": codings, "text": codings[0]["display"]},
        "subject": chart.patient,
        **encounter(visit),
        "onsetDateTime": onset.isoformat(),
    }
    if abated:
        elements["abatementDateTime"] = abated.isoformat()
    elements["recordedDate"] = instant(recorded) if recorded else onset.isoformat()
    elements["recorder"] = practitioner(visit.clinician if visit else chart.clinician)
    return elements


def _add(chart: Chart, key: str, elements: Resource, profile: str, labels: Labels, visit: Visit | None) -> str:
    agency = visit.facility.agency if visit else None
    return chart.add("Condition", key, elements, profiles=(profile,), labels=labels, agency=agency)


def _name_as_reason(chart: Chart, visit: Visit, condition: str) -> None:
    """Writes the diagnosis into its Encounter, which stands before it in the chart."""
    for resource in reversed(chart.resources):
        if f"{resource['resourceType']}/{resource['id']}" == visit.reference:
            resource.setdefault("reasonReference", []).append({"reference": condition})
            return
