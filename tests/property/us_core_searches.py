"""The searches US Core 7 asks of a server, by type, and the ways a test kit writes their values.

https://hl7.org/fhir/us/core/STU7/CapabilityStatement-us-core-server.html
"""

import re
from collections.abc import Iterator
from datetime import timedelta

from tests.property.generated_searches import STRUCTURAL
from tests.property.naive_match import coded, spelled, texts
from tests.property.naive_parameters import PARAMETERS
from tests.property.naive_search import Pairs, Stored
from tests.property.naive_values import ALWAYS, NEVER, stretch_of

OBSERVATION = ("patient code", "patient category", "patient category date")
REQUIRED: dict[str, tuple[str, ...]] = {
    "Patient": ("_id", "identifier", "name", "birthdate name", "gender name"),
    "AllergyIntolerance": ("patient",),
    "CarePlan": ("patient category",),
    "CareTeam": ("patient status",),
    "Condition": ("patient category", "patient"),
    "Coverage": ("patient",),
    "Device": ("patient",),
    "DiagnosticReport": ("patient category", "patient", "patient code", "patient category date"),
    "DocumentReference": ("patient", "_id", "patient type", "patient category", "patient category date"),
    "Encounter": ("patient", "_id", "date patient"),
    "Goal": ("patient",),
    "Immunization": ("patient",),
    "Location": ("name", "address"),
    "MedicationDispense": ("patient",),
    "MedicationRequest": ("patient intent", "patient intent status"),
    "Observation": OBSERVATION,
    "Procedure": ("patient", "patient date"),
    "ServiceRequest": ("patient", "_id", "patient code", "patient category", "patient category authored"),
    "Organization": ("name", "address"),
    "Practitioner": ("name", "identifier"),
    "PractitionerRole": ("practitioner", "specialty"),
    "RelatedPerson": ("_id",),
    "Specimen": ("_id",),
    "QuestionnaireResponse": ("patient", "_id"),
}
OPTIONAL: dict[str, tuple[str, ...]] = {
    "Patient": ("family gender", "birthdate family", "death-date family"),
    "AllergyIntolerance": ("patient clinical-status",),
    "CarePlan": ("patient category status", "patient category date", "patient category status date"),
    "CareTeam": ("role", "patient role"),
    "Condition": (
        "patient clinical-status", "patient onset-date", "patient abatement-date", "patient recorded-date",
        "patient asserted-date",
        "patient code", "patient category encounter", "patient category clinical-status", "patient _lastUpdated",
    ),
    "Device": ("patient status", "patient type"),
    "DiagnosticReport": ("patient code date", "patient status", "patient _lastUpdated"),
    "DocumentReference": ("patient status", "patient type period"),
    "Encounter": (
        "identifier", "class patient", "patient type", "patient _lastUpdated", "patient status", "patient location",
        "patient discharge-disposition",
    ),
    "Goal": ("patient target-date", "patient lifecycle-status", "patient description"),
    "Immunization": ("patient date", "patient status"),
    "Location": ("address-city", "address-state", "address-postalcode"),
    "MedicationDispense": ("patient status", "patient status type"),
    "MedicationRequest": ("patient intent encounter", "patient intent authoredon"),
    "Observation": ("patient code date", "patient category status", "patient category _lastUpdated"),
    "Procedure": ("patient code date", "patient status"),
    "ServiceRequest": ("patient code authored", "patient status"),
    "Practitioner": ("_id",),
    "RelatedPerson": ("patient", "name", "patient name"),
    "Specimen": ("patient",),
    "QuestionnaireResponse": ("patient questionnaire", "patient authored", "patient status"),
}  # fmt: skip
MULTIPLE_OR = {
    "CarePlan": "status", "CareTeam": "status", "Condition": "clinical-status", "DiagnosticReport": "status",
    "DocumentReference": "status", "Encounter": "status", "Goal": "lifecycle-status", "Immunization": "status",
    "MedicationDispense": "type", "MedicationRequest": "intent", "Observation": "status", "Procedure": "status",
    "ServiceRequest": "status",
}  # fmt: skip
INCLUDES = {"MedicationRequest": "MedicationRequest:medication", "MedicationDispense": "MedicationDispense:medication"}


def asked_of(stored: Stored, names: str) -> Iterator[Pairs]:
    """Searches by the parameters `names` with the resource's own values, in as many ways as the widest has.

    Nothing where the resource has no value for one of them.
    """
    ways = {name: list(ways_to_ask(stored, name)) for name in names.split()}
    if all(ways.values()):
        for turn in range(max(map(len, ways.values()))):
            yield [(name, found[turn % len(found)]) for name, found in ways.items()]


def ways_to_ask(stored: Stored, name: str) -> Iterator[str]:
    """The values a test kit sends for a parameter, made from what the resource holds."""
    if name == "_id":
        yield stored.id
        return
    if name == "_lastUpdated":
        for prefix, change in (("gt", -1), ("ge", 0), ("lt", 1), ("le", 0)):
            yield f"{prefix}{(stored.updated + timedelta(days=change)).isoformat(timespec='milliseconds')}"
        return
    parameter = PARAMETERS[stored.resource["resourceType"]][name]
    for found in parameter.values(stored.resource)[:2]:
        match parameter.kind:
            case "concept" | "coding" | "identifier":
                for system, code in coded(found):
                    if code and not STRUCTURAL.search(f"{system}{code}"):
                        yield from (code, f"{system}|{code}") if system else (code,)
            case "code":
                yield spelled(found)
            case "string" | "name" | "address":
                for text in texts(parameter.kind, found):
                    yield re.split(STRUCTURAL, text)[0].strip()
            case "date":
                yield from _dates(found)
            case "reference" if "reference" in found:
                yield from dict.fromkeys([found["reference"].split("/")[-1], found["reference"]])
            case "canonical":
                yield found


def _dates(found: object) -> Iterator[str]:
    """The date as it is, its day, and full date-times one day off, with the prefixes that then find it."""
    if isinstance(found, str):
        yield from dict.fromkeys([found, found[:10]])
    stretch = stretch_of(found)
    assert stretch is not None
    day = timedelta(days=1)
    if stretch[0] != NEVER:
        yield from (f"{prefix}{(stretch[0] - day).isoformat()}" for prefix in ("gt", "ge"))
    if stretch[1] != ALWAYS:
        yield from (f"{prefix}{(stretch[1] + day).isoformat()}" for prefix in ("lt", "le"))
