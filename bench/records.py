"""Generated records: patients, their encounters and vital signs, shaped like the ones of real charts.

https://hl7.org/fhir/R4/observation.html
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from fhir_server.core.codec import encode

RESOURCES_PER_PATIENT = 100
ENCOUNTERS_PER_PATIENT = 9
OBSERVATIONS_PER_PATIENT = RESOURCES_PER_PATIENT - ENCOUNTERS_PER_PATIENT - 1
OBSERVATIONS_PER_TRANSACTION = 9

_NEWEST = datetime(2026, 11, 1, 12, tzinfo=UTC)
_VITAL_SIGNS = (
    ("8302-2", "Body Height", "cm", 1500, 1990),
    ("29463-7", "Body Weight", "kg", 480, 1250),
    ("39156-5", "Body Mass Index", "kg/m2", 180, 390),
    ("8867-4", "Heart rate", "/min", 520, 1100),
    ("9279-1", "Respiratory rate", "/min", 110, 220),
    ("8310-5", "Body temperature", "Cel", 360, 390),
    ("2339-0", "Glucose", "mg/dL", 650, 1800),
    ("2093-3", "Cholesterol", "mg/dL", 1400, 2800),
)
_FAMILY = ("Abbott", "Becker", "Conn", "Dubuque", "Emmerich", "Feeney", "Gutmann", "Huel", "Jacobi", "Kutch")
_GIVEN = ("Ada", "Benito", "Carla", "Dean", "Erick", "Fannie", "Gail", "Hugo", "Isabel", "Jon")


@dataclass(frozen=True, slots=True)
class Population:
    """So many resources over so many patients; the same seed gives the same records."""

    resources: int
    seed: int = 4

    @property
    def patients(self) -> int:
        return max(1, self.resources // RESOURCES_PER_PATIENT)

    def lines(self) -> Iterator[bytes]:
        """Every resource as a line of NDJSON, each with its id, a patient's resources together."""
        chance = random.Random(self.seed)
        for number in range(self.patients):
            yield encode(patient_record(number, chance)) + b"\n"
            for encounter in range(ENCOUNTERS_PER_PATIENT):
                yield (
                    encode(encounter_record(number, encounter, chance) | {"id": encounter_id(number, encounter)})
                    + b"\n"
                )
            for observation in range(OBSERVATIONS_PER_PATIENT):
                visited = encounter_id(number, observation % ENCOUNTERS_PER_PATIENT)
                made = observation_record(number, f"Encounter/{visited}", chance)
                yield encode(made | {"id": observation_id(number, observation)}) + b"\n"


def patient_id(number: int) -> str:
    """`patient-17`."""
    return f"patient-{number}"


def encounter_id(patient: int, number: int) -> str:
    """`encounter-17-3`."""
    return f"encounter-{patient}-{number}"


def observation_id(patient: int, number: int) -> str:
    """`observation-17-42`."""
    return f"observation-{patient}-{number}"


def new_observation(patient: int, chance: random.Random) -> dict[str, Any]:
    """An Observation without an id, for a patient of the population."""
    encounter = encounter_id(patient, chance.randrange(ENCOUNTERS_PER_PATIENT))
    return observation_record(patient, f"Encounter/{encounter}", chance)


def visit(patient: int, chance: random.Random) -> dict[str, Any]:
    """A transaction Bundle of ten creates: an Encounter, and Observations that refer to it by its urn:uuid."""
    full_url = f"urn:uuid:{chance.getrandbits(32):08x}-0000-4000-8000-{chance.getrandbits(48):012x}"
    entries = [_entry(full_url, encounter_record(patient, 0, chance))]
    for number in range(OBSERVATIONS_PER_TRANSACTION):
        entries.append(_entry(f"{full_url[:-4]}{number:04x}", observation_record(patient, full_url, chance)))
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def _entry(full_url: str, resource: dict[str, Any]) -> dict[str, Any]:
    return {
        "fullUrl": full_url,
        "resource": resource,
        "request": {"method": "POST", "url": resource["resourceType"]},
    }


def patient_record(number: int, chance: random.Random) -> dict[str, Any]:
    """The Patient of that number, with its id."""
    birth = datetime(1940, 1, 1, tzinfo=UTC) + timedelta(days=chance.randrange(29_000))
    return {
        "resourceType": "Patient",
        "id": patient_id(number),
        "identifier": [{"system": "https://example.org/member-number", "value": f"{1_000_000_000 + number}"}],
        "active": True,
        "name": [{"use": "official", "family": chance.choice(_FAMILY), "given": [chance.choice(_GIVEN)]}],
        "telecom": [{"system": "phone", "value": f"555-{chance.randrange(1000):03}-{chance.randrange(10000):04}"}],
        "gender": chance.choice(("female", "male")),
        "birthDate": f"{birth:%Y-%m-%d}",
        "address": [{"line": [f"{chance.randrange(999)} Main Street"], "city": "Boston", "state": "MA"}],
    }


def encounter_record(patient: int, number: int, chance: random.Random) -> dict[str, Any]:
    """An Encounter without an id."""
    start = past_moment(chance)
    return {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "type": [
            {
                "coding": [{"system": "http://snomed.info/sct", "code": "162673000", "display": "General examination"}],
                "text": f"Visit {number + 1}",
            }
        ],
        "subject": {"reference": f"Patient/{patient_id(patient)}"},
        "period": {
            "start": instant_text(start),
            "end": instant_text(start + timedelta(minutes=15 + chance.randrange(45))),
        },
    }


def observation_record(patient: int, encounter: str, chance: random.Random) -> dict[str, Any]:
    """A vital sign without an id; `encounter` is a reference."""
    code, display, unit, low, high = chance.choice(_VITAL_SIGNS)
    taken = past_moment(chance)
    tenths = chance.randrange(low, high)
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                        "code": "vital-signs",
                        "display": "Vital Signs",
                    }
                ]
            }
        ],
        "code": {"coding": [{"system": "http://loinc.org", "code": code, "display": display}], "text": display},
        "subject": {"reference": f"Patient/{patient_id(patient)}"},
        "encounter": {"reference": encounter},
        "effectiveDateTime": instant_text(taken),
        "issued": f"{taken:%Y-%m-%dT%H:%M:%S}.{chance.randrange(1000):03}Z",
        "valueQuantity": {
            "value": tenths / 10,
            "unit": unit,
            "system": "http://unitsofmeasure.org",
            "code": unit,
        },
    }


def past_moment(chance: random.Random) -> datetime:
    """Some moment of the last ten years."""
    return _NEWEST - timedelta(seconds=chance.randrange(10 * 365 * 86_400))


def instant_text(moment: datetime) -> str:
    """As FHIR writes it, in UTC and to the second."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
