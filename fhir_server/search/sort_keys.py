"""What rows are listed in order of: the sort keys of a row.

https://hl7.org/fhir/R4/search.html#_sort
"""

from typing import Any

from fhir_server.definitions.search_parameters import SearchParameter
from fhir_server.search.entries import Entries
from fhir_server.search.parameter_types import date
from fhir_server.search.unions import unions

INDEXED_SORT: dict[str, str] = {
    "AdverseEvent": "date",
    "AllergyIntolerance": "date",
    "Appointment": "date",
    "AuditEvent": "date",
    "CarePlan": "date",
    "ChargeItem": "occurrence",
    "Claim": "created",
    "ClaimResponse": "created",
    "ClinicalImpression": "date",
    "Communication": "sent",
    "CommunicationRequest": "authored",
    "Composition": "date",
    "Condition": "recorded-date",
    "Consent": "date",
    "CoverageEligibilityRequest": "created",
    "CoverageEligibilityResponse": "created",
    "DetectedIssue": "identified",
    "DeviceRequest": "authored-on",
    "DiagnosticReport": "date",
    "DocumentManifest": "created",
    "DocumentReference": "date",
    "Encounter": "date",
    "EpisodeOfCare": "date",
    "ExplanationOfBenefit": "created",
    "FamilyMemberHistory": "date",
    "Flag": "date",
    "Goal": "start-date",
    "ImagingStudy": "started",
    "Immunization": "date",
    "ImmunizationEvaluation": "date",
    "ImmunizationRecommendation": "date",
    "Invoice": "date",
    "List": "date",
    "MeasureReport": "date",
    "Media": "created",
    "MedicationAdministration": "effective-time",
    "MedicationDispense": "whenhandedover",
    "MedicationRequest": "authoredon",
    "MedicationStatement": "effective",
    "NutritionOrder": "datetime",
    "Observation": "date",
    "PaymentNotice": "created",
    "Procedure": "date",
    "Provenance": "recorded",
    "QuestionnaireResponse": "authored",
    "RequestGroup": "authored",
    "RiskAssessment": "date",
    "ServiceRequest": "authored",
    "Specimen": "collected",
    "SupplyRequest": "date",
    "Task": "authored-on",
    "VisionPrescription": "datewritten",
}
"""Type to the date parameter a patient's resources are listed by, newest first, out of the index `pt`."""

MISSING = {"a": date.FAR_FUTURE, "d": date.FAR_PAST}
"""The sort keys of a resource without a value for its type's INDEXED_SORT: last in either direction."""


def is_sortable(parameter: SearchParameter) -> bool:
    """Whether rows carry sort keys for a parameter. References, the parameters of `meta` and unions have none: each
    key makes the row longer, and nobody reads a list in their order.
    """
    return (
        parameter.expression is not None
        and parameter.type in ("date", "string", "token", "uri", "number", "quantity")
        and not parameter.code.startswith("_")
        and parameter.code not in unions(parameter.base)
    )


def sort_keys(type: str, entries: Entries) -> dict[str, Any]:
    """The sort keys of a row, taken out of `entries.keys`, which this empties of the parameters of `meta`."""
    keys = entries.keys
    for name in [name for name in keys if name[0] == "_"]:
        del keys[name]
    indexed = INDEXED_SORT.get(type)
    if indexed is not None and indexed not in keys:
        keys[indexed] = dict(MISSING)
    return keys
