"""Whose record a resource is: one row for each resource type. Everything the server shows a patient is decided here.

https://hl7.org/fhir/R4/compartmentdefinition-patient.html lists types by who is mentioned in them; that is both too
wide (a performer, a subscriber or a group's members would see another person's record) and too narrow (Device, Task
and Binary are in no compartment), so it serves compartment search and nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

OwnerKind = Literal["self", "paths", "rule", "shared", "deny"]

REFERENCED = "referenced"
"""The rule of types that are about another resource: their owners are the owners of what `paths` refer to.

Paths stand in order of precedence: the first whose references yield an owner decides, and a Patient is its own owner.
"""


@dataclass(frozen=True, slots=True)
class OwnerRule:
    """How the owners of a resource are found.

    `self`: it is a Patient, the owner of itself. `paths`: the patients that the references at `paths` name; a reference
    to anything but a Patient owns nothing. `rule`: what `rule` names, applied to `paths`. `shared`: nobody's record,
    readable by every caller whose scopes cover the type. `deny`: no owner can be told, so only system scopes and
    administrators see it; so too where `paths` or `rule` find none.

    `paths` are element names from the root, joined by dots. `parameters` are the search parameters of which every
    Patient-valued match is an owner.
    """

    kind: OwnerKind
    paths: tuple[str, ...] = ()
    rule: str | None = None
    parameters: tuple[str, ...] = ()


def owner_rule(resource_type: str) -> OwnerRule:
    """The row of a resource type. Raises KeyError where it is none of R4's."""
    return _ROWS[resource_type]


# Type: path of the one reference, search parameters that read nothing else.
_PATHS: dict[str, tuple[str, tuple[str, ...]]] = {
    "Account": ("subject", ("patient", "subject")),
    "AdverseEvent": ("subject", ("subject",)),
    "AllergyIntolerance": ("patient", ("patient",)),
    # The patients who take part; what it supports (supportingInformation) may be anybody's.
    "Appointment": ("participant.actor", ("actor", "patient")),
    "AppointmentResponse": ("actor", ("actor", "patient")),
    "Basic": ("subject", ("patient", "subject")),
    "BodyStructure": ("patient", ("patient",)),
    "CarePlan": ("subject", ("patient", "subject")),
    "CareTeam": ("subject", ("patient", "subject")),
    "ChargeItem": ("subject", ("patient", "subject")),
    "Claim": ("patient", ("patient",)),
    "ClaimResponse": ("patient", ("patient",)),
    "ClinicalImpression": ("subject", ("patient", "subject")),
    # A relative who writes or receives a message about the patient does not own it.
    "Communication": ("subject", ("patient", "subject")),
    "CommunicationRequest": ("subject", ("patient", "subject")),
    "Composition": ("subject", ("patient", "subject")),
    "Condition": ("subject", ("patient", "subject")),
    "Consent": ("patient", ("patient",)),
    "Contract": ("subject", ("patient", "subject")),
    # The covered person, not the sponsor (subscriber) or the one who pays (policyHolder, payor).
    "Coverage": ("beneficiary", ("beneficiary", "patient")),
    "CoverageEligibilityRequest": ("patient", ("patient",)),
    "CoverageEligibilityResponse": ("patient", ("patient",)),
    "DetectedIssue": ("patient", ("patient",)),
    # A device worn by or put into a patient; equipment of the house names none and so shows to no patient.
    "Device": ("patient", ("patient",)),
    "DeviceRequest": ("subject", ("patient", "subject")),
    "DeviceUseStatement": ("subject", ("patient", "subject")),
    "DiagnosticReport": ("subject", ("patient", "subject")),
    "DocumentManifest": ("subject", ("patient", "subject")),
    "DocumentReference": ("subject", ("patient", "subject")),
    "Encounter": ("subject", ("patient", "subject")),
    "EnrollmentRequest": ("candidate", ("patient", "subject")),
    "EpisodeOfCare": ("patient", ("patient",)),
    "ExplanationOfBenefit": ("patient", ("patient",)),
    "FamilyMemberHistory": ("patient", ("patient",)),
    "Flag": ("subject", ("patient", "subject")),
    "Goal": ("subject", ("patient", "subject")),
    "GuidanceResponse": ("subject", ("patient", "subject")),
    "ImagingStudy": ("subject", ("patient", "subject")),
    "Immunization": ("patient", ("patient",)),
    "ImmunizationEvaluation": ("patient", ("patient",)),
    "ImmunizationRecommendation": ("patient", ("patient",)),
    "Invoice": ("subject", ("patient", "subject")),
    "List": ("subject", ("patient", "subject")),
    # The report on one patient; a summary of many has a Group for subject, or none.
    "MeasureReport": ("subject", ("patient", "subject")),
    "Media": ("subject", ("patient", "subject")),
    "MedicationAdministration": ("subject", ("patient", "subject")),
    "MedicationDispense": ("subject", ("patient", "subject")),
    "MedicationRequest": ("subject", ("patient", "subject")),
    "MedicationStatement": ("subject", ("patient", "subject")),
    "MolecularSequence": ("patient", ("patient",)),
    "NutritionOrder": ("patient", ("patient",)),
    # A patient may be performer or focus of what is observed in another (mother and child).
    "Observation": ("subject", ("patient", "subject")),
    "Procedure": ("subject", ("patient", "subject")),
    "QuestionnaireResponse": ("subject", ("patient", "subject")),
    "RelatedPerson": ("patient", ("patient",)),
    "RequestGroup": ("subject", ("patient", "subject")),
    "ResearchSubject": ("individual", ("individual", "patient")),
    "RiskAssessment": ("subject", ("patient", "subject")),
    "ServiceRequest": ("subject", ("patient", "subject")),
    "Specimen": ("subject", ("patient", "subject")),
    "SupplyDelivery": ("patient", ("patient",)),
    # It has no subject; its parameter of that name reads deliverTo.
    "SupplyRequest": ("deliverTo", ("subject",)),
    "VisionPrescription": ("patient", ("patient",)),
}

# Type: paths in order of precedence, search parameters that read the first alone.
_REFERENCED: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Binary": (("securityContext",), ()),
    "DeviceMetric": (("source",), ()),
    "EnrollmentResponse": (("request",), ()),
    "PaymentNotice": (("request", "response"), ("request",)),
    "Provenance": (("target",), ("patient", "target")),
    # A task for one patient may work on another's resource: `for` decides, focus only where it names no owner.
    "Task": (("for", "focus"), ("patient", "subject")),
    "VerificationResult": (("target",), ("target",)),
}

REFERENCING = tuple(_REFERENCED)
"""The types whose owners are those of what they are about."""

HIDDEN_WITH_OTHERS = (*REFERENCING, "AppointmentResponse")
"""The types that are hidden with what they are about: the answer to an invitation tells of the visit, and of when."""

_SHARED = (
    # Who provides care, where and when. A slot says only that a time is taken; a Schedule whose actor is a patient
    # says no more of them than that there are slots.
    "Endpoint HealthcareService InsurancePlan Location Organization OrganizationAffiliation Practitioner "
    "PractitionerRole Schedule Slot",
    # Products and substances as such.
    "CatalogEntry DeviceDefinition Medication MedicationKnowledge MedicinalProduct MedicinalProductAuthorization "
    "MedicinalProductContraindication MedicinalProductIndication MedicinalProductIngredient "
    "MedicinalProductInteraction MedicinalProductManufactured MedicinalProductPackaged "
    "MedicinalProductPharmaceutical MedicinalProductUndesirableEffect Substance SubstanceNucleicAcid "
    "SubstancePolymer SubstanceProtein SubstanceReferenceInformation SubstanceSourceMaterial SubstanceSpecification",
    # Knowledge, definitions and evidence.
    "ActivityDefinition ChargeItemDefinition EffectEvidenceSynthesis EventDefinition Evidence EvidenceVariable Library "
    "Measure ObservationDefinition PlanDefinition Questionnaire ResearchDefinition ResearchElementDefinition "
    "ResearchStudy RiskEvidenceSynthesis SpecimenDefinition",
    # Conformance and terminology.
    "CapabilityStatement CodeSystem CompartmentDefinition ConceptMap ExampleScenario GraphDefinition "
    "ImplementationGuide MessageDefinition NamingSystem OperationDefinition SearchParameter StructureDefinition "
    "StructureMap TerminologyCapabilities TestScript ValueSet",
)

_DENIED: dict[str, str] = {
    "AuditEvent": "who looked at what is for security officers; a patient's own report is an operation of its own",
    "BiologicallyDerivedProduct": "names its donor, and is used for somebody else",
    "Bundle": "may hold anybody's resources, and nothing outside its entries says whose",
    "Group": "each member would see the others",
    "Linkage": "states that two records may be one; where it is wrong it shows one person the other",
    "MessageHeader": "the focus of a message may be many resources of many patients",
    "OperationOutcome": "speaks of a request, not of a patient",
    "Parameters": "may hold anybody's resources",
    "PaymentReconciliation": "one payment settles the claims of many patients",
    "Person": "links records believed to be one human's; a weak link would show one person's identity to another",
    "Subscription": "its criteria and channel headers may hold secrets",
    "TestReport": "speaks of a system under test",
}


def _rows() -> dict[str, OwnerRule]:
    rows = {"Patient": OwnerRule("self")}
    for name, (path, parameters) in _PATHS.items():
        rows[name] = OwnerRule("paths", (path,), parameters=parameters)
    for name, (paths, parameters) in _REFERENCED.items():
        rows[name] = OwnerRule("rule", paths, REFERENCED, parameters)
    rows.update((name, OwnerRule("shared")) for names in _SHARED for name in names.split())
    rows.update((name, OwnerRule("deny")) for name in _DENIED)
    return rows


_ROWS: Mapping[str, OwnerRule] = _rows()
