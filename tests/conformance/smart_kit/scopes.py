"""The scopes that the kits ask for, and the first search of US Core for each type.

https://hl7.org/fhir/us/core/STU7/CapabilityStatement-us-core-server.html, https://hl7.org/fhir/us/core/STU7/scopes.html
"""

from tests.conformance.smart_kit.app import Json

FIXED = ("launch/patient", "openid", "fhirUser", "offline_access")
FIXED_OF_EHR = ("launch", "openid", "fhirUser", "offline_access")

TYPES = (
    *("Medication", "AllergyIntolerance", "CarePlan", "CareTeam", "Condition", "Coverage", "Device"),
    *("DiagnosticReport", "DocumentReference", "Encounter", "Goal", "Immunization", "Location", "MedicationDispense"),
    *("MedicationRequest", "Observation", "Organization", "Patient", "Practitioner", "PractitionerRole", "Procedure"),
    *("Provenance", "QuestionnaireResponse", "RelatedPerson", "ServiceRequest", "Specimen"),
)

FIRST_SEARCHES = {
    "AllergyIntolerance": {"patient": "{patient}"},
    "CarePlan": {"patient": "{patient}", "category": "assess-plan"},
    "CareTeam": {"patient": "{patient}", "status": "active"},
    "Condition": {"patient": "{patient}", "category": "problem-list-item"},
    "Coverage": {"patient": "{patient}"},
    "Device": {"patient": "{patient}"},
    "DiagnosticReport": {"patient": "{patient}", "category": "LAB"},
    "DocumentReference": {"patient": "{patient}"},
    "Encounter": {"patient": "{patient}"},
    "Goal": {"patient": "{patient}"},
    "Immunization": {"patient": "{patient}"},
    "MedicationDispense": {"patient": "{patient}"},
    "MedicationRequest": {"patient": "{patient}", "intent": "order"},
    "Observation": {"patient": "{patient}", "category": "laboratory"},
    "Patient": {"_id": "{patient}"},
    "Procedure": {"patient": "{patient}"},
    "QuestionnaireResponse": {"patient": "{patient}"},
    "RelatedPerson": {"patient": "{patient}"},
    "ServiceRequest": {"patient": "{patient}"},
    "Specimen": {"patient": "{patient}"},
}
"""By type; `{patient}` is the patient of the launch. The types without one are read where they are referenced."""

_CONDITION = "http://terminology.hl7.org/CodeSystem/condition-category"
_OBSERVATION = "http://terminology.hl7.org/CodeSystem/observation-category"
_US_CORE = "http://hl7.org/fhir/us/core/CodeSystem"

Granular = tuple[tuple[str, str], ...]
"""Types, each with a category that is granted of it."""

SET_1: Granular = (
    ("Condition", f"{_CONDITION}|encounter-diagnosis"),
    ("Condition", f"{_US_CORE}/condition-category|health-concern"),
    ("Observation", f"{_OBSERVATION}|laboratory"),
    ("Observation", f"{_OBSERVATION}|social-history"),
)
SET_2: Granular = (
    ("Condition", f"{_CONDITION}|problem-list-item"),
    ("Observation", f"{_OBSERVATION}|vital-signs"),
    ("Observation", f"{_OBSERVATION}|survey"),
    ("Observation", f"{_US_CORE}/us-core-category|sdoh"),
)


def resources(level: str, letters: str = "rs", types: tuple[str, ...] = TYPES) -> tuple[str, ...]:
    """A scope for each type."""
    return tuple(f"{level}/{type}.{letters}" for type in types)


def granular(of: Granular) -> tuple[str, ...]:
    """The set as it is asked for."""
    return tuple(f"patient/{type}.rs?category={token}" for type, token in of)


def categories(resource: Json) -> set[str]:
    """The categories of a resource, as `system|code`."""
    return {f"{c['system']}|{c['code']}" for each in resource.get("category", []) for c in each.get("coding", [])}


def is_granted(of: Granular, resource: Json) -> bool:
    """Whether one of the set's categories is the resource's."""
    return any(type == resource["resourceType"] and token in categories(resource) for type, token in of)
