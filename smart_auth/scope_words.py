"""Scopes in words that people understand: what a resource type holds, what each letter lets an app do.

https://hl7.org/fhir/R4/resourcelist.html, https://hl7.org/fhir/us/core/STU7/scopes.html
"""

import re

from smart_auth.access import ANY_TYPE, ResourceScope

TYPE_WORDS = {
    "Patient": "Name, birth date, address and contact details",
    "AllergyIntolerance": "Allergies and intolerances",
    "Appointment": "Appointments",
    "AppointmentResponse": "Answers to appointments",
    "AuditEvent": "Who has looked at the record",
    "Binary": "Files",
    "CarePlan": "Care plans",
    "CareTeam": "Care teams",
    "Claim": "Claims",
    "Communication": "Messages",
    "Condition": "Health problems and diagnoses",
    "Consent": "Consents",
    "Coverage": "Insurance",
    "Device": "Implants and other devices",
    "DiagnosticReport": "Reports of tests and examinations",
    "DocumentReference": "Notes and documents",
    "Encounter": "Visits and stays",
    "ExplanationOfBenefit": "What was paid by whom",
    "FamilyMemberHistory": "Illnesses in the family",
    "Goal": "Goals",
    "Group": "Groups of people",
    "HealthcareService": "Services of clinics",
    "ImagingStudy": "X-rays and other images",
    "Immunization": "Vaccinations",
    "Location": "Places of care",
    "Media": "Photos and recordings",
    "Medication": "Medicines",
    "MedicationAdministration": "Medicines that were given",
    "MedicationDispense": "Medicines that were handed out",
    "MedicationRequest": "Prescriptions",
    "MedicationStatement": "Medicines that are taken",
    "Observation": "Measurements, test results and answers",
    "Organization": "Clinics and other organisations",
    "Practitioner": "Doctors, nurses and other staff",
    "PractitionerRole": "What staff do where",
    "Procedure": "Operations and other procedures",
    "Provenance": "Where entries come from",
    "Questionnaire": "Questionnaires",
    "QuestionnaireResponse": "Filled-in questionnaires",
    "RelatedPerson": "Family members and other people close by",
    "Schedule": "Schedules",
    "ServiceRequest": "Orders and referrals",
    "Slot": "Free times for appointments",
    "Specimen": "Samples that were taken",
    "Task": "Tasks and registrations",
}
"""The types that stand under a scope on every type, so that one can be left out."""

_CONDITION = "http://terminology.hl7.org/CodeSystem/condition-category"
_US_CORE_CONDITION = "http://hl7.org/fhir/us/core/CodeSystem/condition-category"
_OBSERVATION = "http://terminology.hl7.org/CodeSystem/observation-category"
_US_CORE = "http://hl7.org/fhir/us/core/CodeSystem/us-core-category"

CATEGORIES = {
    "Condition": {
        f"{_CONDITION}|problem-list-item": "Problem list",
        f"{_CONDITION}|encounter-diagnosis": "Diagnoses of visits",
        f"{_US_CORE_CONDITION}|health-concern": "Health concerns",
    },
    "Observation": {
        f"{_OBSERVATION}|vital-signs": "Vital signs, such as blood pressure and weight",
        f"{_OBSERVATION}|laboratory": "Laboratory results",
        f"{_OBSERVATION}|social-history": "Social history, such as smoking",
        f"{_OBSERVATION}|survey": "Answers to surveys and screenings",
        f"{_OBSERVATION}|imaging": "Results of imaging",
        f"{_OBSERVATION}|procedure": "Results of procedures and clinical tests",
        f"{_OBSERVATION}|therapy": "Results of therapy",
        f"{_OBSERVATION}|exam": "Findings of examinations",
        f"{_OBSERVATION}|activity": "Activity and exercise",
        f"{_US_CORE}|sdoh": "Living conditions",
        f"{_US_CORE}|functional-status": "What one can do by oneself",
        f"{_US_CORE}|disability-status": "Disability",
        f"{_US_CORE}|cognitive-status": "Memory and thinking",
    },
}
"""The categories that a scope on one of these types can be narrowed to, as they stand in it."""

_SPECIAL = {
    "openid": ("Who you are here", "The app recognises you when you come back."),
    "fhirUser": ("Your own entry in the record system", "The app learns which person or clinician you are."),
    "profile": ("Your name", "The app is told the name of this account."),
    "launch": ("What you are working on", "The app is told the record, and the visit, that it was opened for."),
    "launch/patient": ("Whose record it is", "The app is told which record it may see."),
    "launch/encounter": ("Which visit it is about", "The app is told the visit that it was opened for."),
    "offline_access": (
        "Stay connected when you are away",
        "The app keeps this access, and renews it by itself, after you leave: for more than three months after each "
        "use, until you remove it under “What apps may see”.",
    ),
    "online_access": ("Stay connected while you are signed in", "The access ends when you sign out here."),
}
_DEEDS = {"c": "add", "r": "see", "u": "change", "d": "delete", "s": "search"}


def special_words(scope: str) -> tuple[str, str]:
    """A label and a sentence for a scope that is not on resources."""
    return _SPECIAL[scope]


def type_words(type: str) -> str:
    """What a resource type holds: ours where we have words, else its name taken apart."""
    if type == ANY_TYPE:
        return "Everything"
    return TYPE_WORDS.get(type) or re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type)


def category_words(scope: ResourceScope) -> str:
    """The category of a granular scope; its code where we have no words."""
    tokens = [token for _, token in scope.filters]
    known = CATEGORIES.get(scope.type, {})
    return ", ".join(known.get(token, token.rpartition("|")[2]) for token in tokens)


def scope_words(scope: ResourceScope) -> str:
    """What the resources of a scope are."""
    words = type_words(scope.type)
    return f"{words}: {category_words(scope)}" if scope.filters else words


def deeds(permissions: frozenset[str]) -> str:
    """What may be done: `see, add and change`. To search is to see, unless nothing can be seen."""
    letters = [letter for letter in "rscud" if letter in permissions and not (letter == "s" and "r" in permissions)]
    words = [_DEEDS[letter] for letter in letters]
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
