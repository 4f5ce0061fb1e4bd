"""Which elements the search parameters of the tests read, by hand from https://hl7.org/fhir/R4/searchparameter-registry.html.

A line is: code, kind, paths of JSON names, and after `>` the types a reference may name. `kind:x` reads only contact
points of system x, or references to x. Kinds: concept coding identifier contact code boolean deceased string name
address date number quantity reference canonical uri near.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.property.naive_values import at


@dataclass(frozen=True)
class Parameter:
    """What is read for a parameter: values of `kind` at `paths`."""

    kind: str
    paths: tuple[str, ...]
    only: str | None = None
    targets: tuple[str, ...] = ()

    def values(self, resource: Any) -> list[Any]:
        """The elements as they are in the JSON; those that hold nothing to compare are among them."""
        return list(self._values(resource))

    def _values(self, resource: Any) -> Iterator[Any]:
        for path in self.paths:
            for found in at(resource, path):
                if self.kind == "contact" and self.only not in (None, found.get("system")):
                    continue
                if self.kind == "reference" and self.only and not names_type(found.get("reference", ""), self.only):
                    continue
                yield found
        if self.kind == "deceased":
            yield bool(resource.get("deceasedBoolean")) or "deceasedDateTime" in resource


@dataclass(frozen=True)
class Composite:
    """Parts that must hold for one element at one of `roots`; the empty root is the resource."""

    roots: tuple[str, ...]
    parts: tuple[Parameter, ...]

    def instances(self, resource: Any) -> list[Any]:
        """The elements that parts are tied to, of which all parts may be absent."""
        return [each for root in self.roots for each in at(resource, root)]

    def values(self, resource: Any) -> list[Any]:
        """The elements that have a value for every part; without one the parameter is missing."""
        return [each for each in self.instances(resource) if all(part.values(each) for part in self.parts)]


def names_type(reference: str, type: str) -> bool:
    """Whether a literal reference says that it leads to a resource of the type."""
    parts = reference.split("/_history/")[0].split("/")
    return len(parts) > 1 and parts[-2] == type


SHARED = """
_tag coding meta.tag
_security coding meta.security
_profile canonical meta.profile
_source uri meta.source
"""
LINES = {
    "Patient": """
identifier identifier identifier
name name name
family string name.family
given string name.given
address address address
address-city string address.city
address-state string address.state
gender code gender
active boolean active
deceased deceased
telecom contact telecom
phone contact:phone telecom
email contact:email telecom
birthdate date birthDate
death-date date deceasedDateTime
organization reference managingOrganization > Organization
general-practitioner reference generalPractitioner > Practitioner Organization PractitionerRole
link reference link.other > Patient RelatedPerson
""",
    "Observation": """
identifier identifier identifier
status code status
code concept code
category concept category
method concept method
combo-code concept code component.code
component-code concept component.code
value-concept concept valueCodeableConcept
component-value-concept concept component.valueCodeableConcept
combo-value-concept concept valueCodeableConcept component.valueCodeableConcept
data-absent-reason concept dataAbsentReason
value-string string valueString valueCodeableConcept.text
value-quantity quantity valueQuantity
component-value-quantity quantity component.valueQuantity
combo-value-quantity quantity valueQuantity component.valueQuantity
date date effectiveDateTime effectivePeriod effectiveInstant effectiveTiming
value-date date valueDateTime valuePeriod
patient reference:Patient subject > Patient
subject reference subject > Group Device Patient Location
encounter reference encounter > Encounter EpisodeOfCare
has-member reference hasMember > Observation MolecularSequence QuestionnaireResponse
performer reference performer > Practitioner Organization CareTeam Patient PractitionerRole RelatedPerson
""",
    "Encounter": """
identifier identifier identifier
status code status
class coding class
type concept type
date date period
length quantity length
discharge-disposition concept hospitalization.dischargeDisposition
location reference location.location > Location
location-period date location.period
patient reference:Patient subject > Patient
subject reference subject > Group Patient
part-of reference partOf > Encounter
service-provider reference serviceProvider > Organization
reason-code concept reasonCode
""",
    "MedicationRequest": """
identifier identifier identifier
status code status
intent code intent
code concept medicationCodeableConcept
medication reference medicationReference > Medication
authoredon date authoredOn
date date dosageInstruction.timing.event
patient reference:Patient subject > Patient
subject reference subject > Group Patient
encounter reference encounter > Encounter
""",
    "Location": """
identifier identifier identifier
name string name alias
status code status
address address address
address-city string address.city
address-state string address.state
address-postalcode string address.postalCode
partof reference partOf > Location
organization reference managingOrganization > Organization
near near position
""",
    "RiskAssessment": """
identifier identifier identifier
probability number prediction.probabilityDecimal prediction.probabilityRange
risk concept prediction.qualitativeRisk
date date occurrenceDateTime
patient reference:Patient subject > Patient
subject reference subject > Group Patient
encounter reference encounter > Encounter EpisodeOfCare
condition reference condition > Condition
""",
    "Condition": """
identifier identifier identifier
code concept code
category concept category
clinical-status concept clinicalStatus
verification-status concept verificationStatus
onset-age quantity onsetAge onsetRange
onset-date date onsetDateTime onsetPeriod
onset-info string onsetString
abatement-date date abatementDateTime abatementPeriod
recorded-date date recordedDate
asserted-date date extension.valueDateTime
patient reference:Patient subject > Patient
subject reference subject > Group Patient
encounter reference encounter > Encounter
""",
    "ValueSet": """
url uri url
identifier identifier identifier
version code version
name string name
title string title
status code status
reference uri compose.include.system
context-type coding useContext.code
context-quantity quantity useContext.valueQuantity useContext.valueRange
context concept useContext.valueCodeableConcept
""",
    "DocumentReference": """
identifier identifier masterIdentifier identifier
status code status
type concept type
category concept category
date date date
description string description
location uri content.attachment.url
contenttype code content.attachment.contentType
relatesto reference relatesTo.target > DocumentReference
relation code relatesTo.code
period date context.period
patient reference:Patient subject > Patient
subject reference subject > Practitioner Group Device Patient
""",
    "Group": """
identifier identifier identifier
type code type
actual boolean actual
characteristic concept characteristic.code
value concept characteristic.valueCodeableConcept characteristic.valueBoolean
exclude boolean characteristic.exclude
member reference member.entity > Practitioner Group Device Medication Patient Substance PractitionerRole
""",
    "Appointment": """
identifier identifier identifier
status code status
date date start
part-status code participant.status
actor reference participant.actor > Practitioner Device Patient HealthcareService \
PractitionerRole RelatedPerson Location
patient reference:Patient participant.actor > Patient
location reference:Location participant.actor > Location
practitioner reference:Practitioner participant.actor > Practitioner
specialty concept specialty
""",
    "Organization": """
identifier identifier identifier
name string name alias
address address address
address-city string address.city
active boolean active
partof reference partOf > Organization
""",
    "AllergyIntolerance": """
clinical-status concept clinicalStatus
patient reference patient > Patient
""",
    "CarePlan": """
category concept category
status code status
date date period
patient reference:Patient subject > Patient
""",
    "CareTeam": """
status code status
role concept participant.role
participant reference participant.member > Practitioner Organization CareTeam Patient PractitionerRole RelatedPerson
patient reference:Patient subject > Patient
""",
    "Coverage": """
patient reference beneficiary > Patient
""",
    "Device": """
status code status
type concept type
patient reference patient > Patient
""",
    "DiagnosticReport": """
category concept category
code concept code
date date effectiveDateTime effectivePeriod
status code status
patient reference:Patient subject > Patient
""",
    "Goal": """
lifecycle-status code lifecycleStatus
description concept description
target-date date target.dueDate
patient reference:Patient subject > Patient
""",
    "Immunization": """
date date occurrenceDateTime
status code status
patient reference patient > Patient
""",
    "MedicationDispense": """
status code status
type concept type
patient reference:Patient subject > Patient
""",
    "Procedure": """
code concept code
status code status
date date performedDateTime performedPeriod
patient reference:Patient subject > Patient
""",
    "ServiceRequest": """
code concept code
category concept category
status code status
authored date authoredOn
patient reference:Patient subject > Patient
""",
    "Practitioner": """
name name name
identifier identifier identifier
""",
    "PractitionerRole": """
practitioner reference practitioner > Practitioner
specialty concept specialty
""",
    "RelatedPerson": """
name name name
patient reference patient > Patient
""",
    "Specimen": """
patient reference:Patient subject > Patient
""",
    "QuestionnaireResponse": """
questionnaire canonical questionnaire
authored date authored
status code status
patient reference:Patient subject > Patient
""",
    "Provenance": """
target reference target
""",
}


def _parameter(line: str) -> tuple[str, Parameter]:
    read, _, targets = line.partition(">")
    code, kind, *paths = read.split()
    kind, _, only = kind.partition(":")
    return code, Parameter(kind, tuple(paths), only or None, tuple(targets.split()))


PARAMETERS = {
    type: dict(_parameter(line) for line in (SHARED + lines).split("\n") if line) for type, lines in LINES.items()
}
_CODE = Parameter("concept", ("code",))
_QUANTITY = Parameter("quantity", ("valueQuantity",))
_CONCEPT = Parameter("concept", ("valueCodeableConcept",))
COMPOSITES: dict[str, dict[str, Composite]] = {
    "Observation": {
        "code-value-quantity": Composite(("",), (_CODE, _QUANTITY)),
        "code-value-concept": Composite(("",), (_CODE, _CONCEPT)),
        "code-value-string": Composite(("",), (_CODE, Parameter("string", ("valueString",)))),
        "code-value-date": Composite(("",), (_CODE, Parameter("date", ("valueDateTime", "valuePeriod")))),
        "component-code-value-quantity": Composite(("component",), (_CODE, _QUANTITY)),
        "component-code-value-concept": Composite(("component",), (_CODE, _CONCEPT)),
        "combo-code-value-quantity": Composite(("", "component"), (_CODE, _QUANTITY)),
        "combo-code-value-concept": Composite(("", "component"), (_CODE, _CONCEPT)),
    },
    "Group": {
        "characteristic-value": Composite(
            ("characteristic",), (_CODE, Parameter("concept", ("valueCodeableConcept", "valueBoolean")))
        ),
    },
    "DocumentReference": {
        "relationship": Composite(
            ("relatesTo",),
            (Parameter("reference", ("target",), None, ("DocumentReference",)), Parameter("code", ("code",))),
        ),
    },
    "ValueSet": {
        "context-type-quantity": Composite(
            ("useContext",),
            (Parameter("coding", ("code",)), Parameter("quantity", ("valueQuantity", "valueRange"))),
        ),
        "context-type-value": Composite(("useContext",), (Parameter("coding", ("code",)), _CONCEPT)),
    },
}
