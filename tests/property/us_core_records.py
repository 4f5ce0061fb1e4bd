"""Two synthetic patients' records with a resource of each type US Core 7 searches, twice or more with other values."""

from itertools import product
from typing import Any

from tests.property.naive_values import UCUM

TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
US_CORE = "http://hl7.org/fhir/us/core/CodeSystem"
VITAL_SIGNS = (
    "85354-9", "96607-7", "8867-4", "9279-1", "8310-5", "8302-2", "29463-7", "39156-5", "9843-4", "59408-5", "2708-6",
    "59576-9", "77606-2", "8289-1",
)  # fmt: skip
SOCIAL_HISTORY = ("72166-2", "11367-0", "82810-3", "86645-9", "11341-5")
CATEGORIES = ("laboratory", "exam", "therapy", "imaging", "procedure", "activity", "survey")
PREFERENCES = {"75773-2": "treatment-intervention-preference", "95541-9": "care-experience-preference"}
ASSERTED_DATE = "http://hl7.org/fhir/StructureDefinition/condition-assertedDate"
DISCHARGE = f"{TERMINOLOGY}/discharge-disposition"
DAYS = ("2023-03-01", "2024-05-06T07:08:09+02:00")


def concept(system: str, code: str, display: str = "shown") -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}


def records() -> dict[str, list[dict[str, Any]]]:
    """Resources by type; each has an id."""
    made: dict[str, list[dict[str, Any]]] = {}
    for resource in _all():
        made.setdefault(resource["resourceType"], []).append(resource)
    return made


def _all() -> list[dict[str, Any]]:
    found = [*_places(), *(_patient(number) for number in (1, 2))]
    for number, turn in product((1, 2), (0, 1)):
        found += _of_patient(number, turn)
        found += _observations(number, turn)
    return found


def _patient(number: int) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": f"p{number}",
        "identifier": [{"system": "http://hospital.example.org/mrn", "value": f"MRN-{number}"}],
        "name": [
            {"family": ("Shaw", "Sanders")[number - 1], "given": ["Amy", "V."], "suffix": ["PharmD"]},
            {"family": "Baxter", "use": "old", "given": [("Amy", "Zoë")[number - 1]]},
        ],
        "gender": ("female", "male")[number - 1],
        "birthDate": ("1987-02-20", "1987-02-21")[number - 1],
        **({"deceasedDateTime": "2024-07-08T10:00:00Z"} if number == 1 else {}),
    }


def _places() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for number, (city, state, code) in enumerate((("Amherst", "MA", "01002"), ("Albany", "NY", "12201")), 1):
        address = {"line": [f"{number} Main Street"], "city": city, "state": state, "postalCode": code}
        found += [
            {"resourceType": "Organization", "id": f"o{number}", "name": f"{city} Clinic", "address": [address]},
            {"resourceType": "Location", "id": f"l{number}", "name": f"{city} Ward", "address": address},
            {
                "resourceType": "Practitioner",
                "id": f"d{number}",
                "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": f"999994156{number}"}],
                "name": [{"family": ("Bone", "Crusher")[number - 1], "given": ["Ronald"]}],
            },
            {
                "resourceType": "PractitionerRole",
                "id": f"r{number}",
                "practitioner": {"reference": f"Practitioner/d{number}"},
                "specialty": [concept("http://nucc.org/provider-taxonomy", f"20800000{number}X")],
            },
            {"resourceType": "Medication", "id": f"m{number}", "code": concept(SNOMED, f"10{number}")},
        ]
    return found


def _of_patient(number: int, turn: int) -> list[dict[str, Any]]:
    """One resource of each type that belongs to a patient; `turn` changes its codes, statuses and days."""
    person = {"reference": f"Patient/p{number}"}
    day, other = DAYS[turn], DAYS[1 - turn][:10]
    visit = {"reference": f"Encounter/encounter-{number}-{turn}"}

    def one(name: str, /, **elements: Any) -> dict[str, Any]:
        named = {element.rstrip("_"): value for element, value in elements.items()}
        return {"resourceType": name, "id": f"{name.lower()}-{number}-{turn}", **named}

    condition = ("encounter-diagnosis", "problem-list-item")[turn]
    report = (concept(f"{TERMINOLOGY}/v2-0074", "LAB"), concept(LOINC, "LP29684-5"))[turn]
    medicine = ({"medicationReference": {"reference": f"Medication/m{number}"}},
                {"medicationCodeableConcept": concept(SNOMED, "105")})[turn]  # fmt: skip
    activity = concept(f"{TERMINOLOGY}/condition-clinical", ("active", "resolved")[turn])
    return [
        one("AllergyIntolerance", patient=person, code=concept(SNOMED, "111"), clinicalStatus=concept(
            f"{TERMINOLOGY}/allergyintolerance-clinical", ("active", "inactive")[turn])),
        one("CarePlan", status=("active", "completed")[turn], intent="plan", subject=person,
            category=[concept(f"{US_CORE}/careplan-category", "assess-plan")], period={"start": other, "end": "2025"}),
        one("CareTeam", status=("active", "inactive")[turn], subject=person,
            participant=[{"role": [concept(SNOMED, ("17561000", "224535009")[turn])],
                          "member": {"reference": "Practitioner/d1"}}]),
        one("Condition", subject=person, code=concept(SNOMED, f"20{turn}"), clinicalStatus=activity, encounter=visit,
            category=[concept(f"{TERMINOLOGY}/condition-category", condition)], onsetDateTime=day,
            abatementDateTime="2024-12-31", recordedDate=day,
            extension=[{"url": ASSERTED_DATE, "valueDateTime": ("2023-02-27", "2024-05-01")[turn]}]),
        one("Coverage", status="active", beneficiary=person, payor=[{"reference": "Organization/o1"}]),
        one("Device", patient=person, status=("active", "inactive")[turn], type=concept(SNOMED, f"30{turn}")),
        one("DiagnosticReport", status=("final", "amended")[turn], subject=person, code=concept(LOINC, f"2432{turn}-2"),
            category=[report], effectiveDateTime=day),
        one("DocumentReference", status=("current", "superseded")[turn], subject=person, date=f"{other}T10:00:00Z",
            type=concept(LOINC, ("11488-4", "18842-5")[turn]), content=[{"attachment": {"contentType": "text/plain"}}],
            category=[concept(f"{US_CORE}/us-core-documentreference-category", "clinical-note")],
            context={"period": {"start": other, "end": "2024-12-31"}}),
        one("Encounter", status=("finished", "in-progress")[turn], subject=person, type=[concept(SNOMED, f"40{turn}")],
            class_={"system": f"{TERMINOLOGY}/v3-ActCode", "code": ("AMB", "IMP")[turn]}, period={"start": day},
            identifier=[{"system": "http://hospital.example.org/visit", "value": f"V-{number}-{turn}"}],
            location=[{"location": {"reference": f"Location/l{turn + 1}"}}],
            hospitalization={"dischargeDisposition": concept(DISCHARGE, ("home", "hosp")[turn])}),
        one("Goal", lifecycleStatus=("active", "completed")[turn], subject=person,
            description=concept(SNOMED, f"50{turn}"), target=[{"dueDate": other}]),
        one("Immunization", status=("completed", "not-done")[turn], patient=person, occurrenceDateTime=day,
            vaccineCode=concept("http://hl7.org/fhir/sid/cvx", "140")),
        one("MedicationDispense", status=("completed", "stopped")[turn], subject=person,
            type=concept(f"{TERMINOLOGY}/v3-ActCode", ("FF", "RF")[turn]), **medicine),
        one("MedicationRequest", status=("active", "stopped")[turn], intent=("order", "plan")[turn], subject=person,
            encounter=visit, authoredOn=day, **medicine),
        one("Procedure", status=("completed", "in-progress")[turn], subject=person, code=concept(SNOMED, f"60{turn}"),
            **({"performedDateTime": day} if turn else {"performedPeriod": {"start": day, "end": "2023-03-02"}})),
        one("ServiceRequest", status=("active", "completed")[turn], intent="order", subject=person, authoredOn=day,
            code=concept(SNOMED, f"70{turn}"), category=[concept(SNOMED, ("386053000", "410606002")[turn])]),
        one("RelatedPerson", patient=person, name=[{"family": ("Shaw", "Other")[turn], "given": ["Sarah"]}]),
        one("Specimen", subject=person, type=concept(SNOMED, "119297000")),
        one("QuestionnaireResponse", status=("completed", "in-progress")[turn], subject=person, authored=day,
            questionnaire=("http://example.org/q/phq-9", "http://example.org/q/gad-7|2")[turn]),
        one("Provenance", recorded="2024-01-01T00:00:00Z", agent=[{"who": {"reference": "Practitioner/d1"}}],
            target=[{"reference": f"{type}/{type.lower()}-{number}-{turn}"} for type in _WITH_PROVENANCE]),
    ]  # fmt: skip


_WITH_PROVENANCE = (
    "AllergyIntolerance", "CarePlan", "CareTeam", "Condition", "Coverage", "Device", "DiagnosticReport",
    "DocumentReference", "Encounter", "Goal", "Immunization", "MedicationDispense", "MedicationRequest", "Observation",
    "Procedure", "ServiceRequest",
)  # fmt: skip


def _observations(number: int, turn: int) -> list[dict[str, Any]]:
    coded = [("vital-signs", each) for each in VITAL_SIGNS]
    coded += [("social-history", each) for each in SOCIAL_HISTORY]
    coded += [(category, f"{place}00-1") for place, category in enumerate(CATEGORIES, 1)]
    found = [_observation(number, turn, category, code) for category, code in coded]
    found += [
        _observation(number, turn, category, code, f"{US_CORE}/us-core-category")
        for code, category in PREFERENCES.items()
    ]
    orientation = _observation(number, turn, "none", "76690-7")
    del orientation["category"]
    return [*found, orientation, _observation(number, turn, "exam", "8716-3") | {"id": f"observation-{number}-{turn}"}]


def _observation(
    number: int, turn: int, category: str, code: str, system: str = f"{TERMINOLOGY}/observation-category"
) -> dict[str, Any]:
    period = {"effectivePeriod": {"start": DAYS[turn], "end": "2024-06-01"}}
    return {
        "resourceType": "Observation",
        "id": f"obs-{code}-{number}-{turn}",
        "status": ("final", "amended")[turn],
        "category": [concept(system, category)],
        "code": concept(LOINC, code),
        "subject": {"reference": f"Patient/p{number}"},
        "valueQuantity": {"value": 70 + turn, "system": UCUM, "code": "kg"},
        **(period if code.endswith("2") else {"effectiveDateTime": DAYS[turn]}),
    }
