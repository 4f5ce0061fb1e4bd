"""Charts of 50 resources: what the searches of the benchmark look for. A number and a seed give the same chart always.

https://hl7.org/fhir/R4/resourcelist.html
"""

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bench.records import (
    encounter_id,
    encounter_record,
    instant_text,
    observation_id,
    observation_record,
    past_moment,
    patient_id,
    patient_record,
)

RESOURCES_PER_CHART = 50
ENCOUNTERS = 4
VITAL_SIGNS = 36
PRESSURES = 3
CONDITIONS = 2
CHARTS_PER_ORGANIZATION = 20
UCUM = "http://unitsofmeasure.org"
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
MEMBER_NUMBER = "https://example.org/member-number"
SITE = "https://example.org/site"
REPORT_NUMBER = "https://example.org/report-number"

_SYLLABLES = (
    "ba",
    "ce",
    "di",
    "fo",
    "gu",
    "ha",
    "je",
    "ki",
    "lo",
    "mu",
    "na",
    "pe",
    "ri",
    "so",
    "tu",
    "va",
    "we",
    "zi",
)
_CONDITIONS = (
    ("38341003", "Hypertension"),
    ("44054006", "Diabetes mellitus type 2"),
    ("195967001", "Asthma"),
    ("162864005", "Obesity"),
    ("271737000", "Anemia"),
)
_DRUGS = (("860975", "Metformin 500 MG"), ("314076", "Lisinopril 10 MG"), ("197361", "Amlodipine 5 MG"))

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Chart:
    """A patient's resources, each with its id."""

    patient: Record
    encounters: tuple[Record, ...]
    observations: tuple[Record, ...]
    pressures: tuple[Record, ...]
    conditions: tuple[Record, ...]
    risk: Record
    prescription: Record
    procedure: Record
    report: Record

    def records(self) -> tuple[Record, ...]:
        """All 50."""
        single = (self.patient, self.risk, self.prescription, self.procedure, self.report)
        return (*single, *self.encounters, *self.observations, *self.pressures, *self.conditions)


def organization(number: int) -> Record:
    """The Organization that 20 charts in a row belong to."""
    return {
        "resourceType": "Organization",
        "id": f"organization-{number}",
        "identifier": [{"system": SITE, "value": f"site-{number}"}],
        "name": f"Clinic {number}",
    }


def chart(number: int, seed: int) -> Chart:
    """The chart of that number, from 0 on."""
    chance = random.Random(f"{seed} {number}")
    visits = tuple(
        encounter_record(number, visit, chance) | {"id": encounter_id(number, visit)} for visit in range(ENCOUNTERS)
    )
    vital_signs = tuple(
        observation_record(number, f"Encounter/{visits[sign % ENCOUNTERS]['id']}", chance)
        | {"id": observation_id(number, sign)}
        for sign in range(VITAL_SIGNS)
    )
    return Chart(
        _patient(number, chance),
        visits,
        vital_signs,
        tuple(_pressure(number, each, chance) for each in range(PRESSURES)),
        tuple(_condition(number, each, chance) for each in range(CONDITIONS)),
        _risk(number, chance),
        _prescription(number, chance),
        _procedure(number, chance),
        _report(number, vital_signs[:3], chance),
    )


def _patient(number: int, chance: random.Random) -> Record:
    made = patient_record(number, chance)
    name = made["name"][0]
    # As many family names as there are in a town, not ten.
    named = {"name": [name | {"family": f"{name['family']}{chance.randrange(1000)}"}]}
    clinic = {"reference": f"Organization/organization-{number // CHARTS_PER_ORGANIZATION}"}
    return made | named | {"managingOrganization": clinic}


def _pressure(patient: int, number: int, chance: random.Random) -> Record:
    made = observation_record(patient, f"Encounter/{encounter_id(patient, number)}", chance)
    del made["valueQuantity"]
    panel = {"coding": [{"system": LOINC, "code": "85354-9", "display": "Blood pressure panel"}]}
    parts = (("8480-6", "Systolic", chance.randrange(95, 180)), ("8462-4", "Diastolic", chance.randrange(55, 110)))
    components = [
        {
            "code": {"coding": [{"system": LOINC, "code": code, "display": display}]},
            "valueQuantity": {"value": value, "unit": "mmHg", "system": UCUM, "code": "mm[Hg]"},
        }
        for code, display, value in parts
    ]
    return made | {"id": f"pressure-{patient}-{number}", "code": panel, "component": components}


def _condition(patient: int, number: int, chance: random.Random) -> Record:
    code, display = chance.choice(_CONDITIONS)
    return {
        "resourceType": "Condition",
        "id": f"condition-{patient}-{number}",
        "text": _narrative(f"{display} {_words(chance, 8)}"),
        "clinicalStatus": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]
        },
        "code": {"coding": [{"system": SNOMED, "code": code, "display": display}], "text": display},
        **_about(patient),
        "onsetDateTime": instant_text(past_moment(chance)),
        "recordedDate": instant_text(past_moment(chance)),
        "note": [{"text": _words(chance, 8)}],
    }


def _risk(patient: int, chance: random.Random) -> Record:
    return {
        "resourceType": "RiskAssessment",
        "id": f"risk-{patient}",
        "status": "final",
        **_about(patient),
        "occurrenceDateTime": instant_text(past_moment(chance)),
        "prediction": [{"outcome": {"text": "Stroke"}, "probabilityDecimal": chance.randrange(10_000) / 10_000}],
    }


def _prescription(patient: int, chance: random.Random) -> Record:
    code, display = chance.choice(_DRUGS)
    return {
        "resourceType": "MedicationRequest",
        "id": f"prescription-{patient}",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {
            "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": code, "display": display}],
            "text": display,
        },
        **_about(patient),
        "encounter": {"reference": f"Encounter/{encounter_id(patient, 0)}"},
        "authoredOn": instant_text(past_moment(chance)),
    }


def _procedure(patient: int, chance: random.Random) -> Record:
    start = past_moment(chance)
    return {
        "resourceType": "Procedure",
        "id": f"procedure-{patient}",
        "status": "completed",
        "code": {"coding": [{"system": SNOMED, "code": "430193006", "display": "Medication reconciliation"}]},
        **_about(patient),
        "performedPeriod": {"start": instant_text(start), "end": instant_text(start + timedelta(minutes=20))},
    }


def _report(patient: int, results: tuple[Record, ...], chance: random.Random) -> Record:
    return {
        "resourceType": "DiagnosticReport",
        "id": f"report-{patient}",
        "text": _narrative(_words(chance, 12)),
        "identifier": [{"system": REPORT_NUMBER, "value": f"R{patient:08}"}],
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": "34133-9", "display": "Summarization of episode note"}]},
        **_about(patient),
        "effectiveDateTime": instant_text(past_moment(chance)),
        "result": [{"reference": f"Observation/{result['id']}"} for result in results],
    }


def _about(patient: int) -> Record:
    return {"subject": {"reference": f"Patient/{patient_id(patient)}"}}


def _narrative(text: str) -> Record:
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{text}</div>'}


def _words(chance: random.Random, count: int) -> str:
    return " ".join("".join(chance.choices(_SYLLABLES, k=3)) for _ in range(count))
