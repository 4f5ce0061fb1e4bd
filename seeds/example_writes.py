"""Writes that work on the demo population: create, update, patch, delete, batch and transaction.

https://hl7.org/fhir/R4/http.html
"""

import json
from dataclasses import dataclass
from typing import Any, Literal

from seeds.ids import DOD_ID_SYSTEM, dod_id

_TEST = {
    "security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST"}],
    "tag": [{"system": "urn:fhir-server:seeds", "code": "example"}],
}
_WEIGHT = {
    "resourceType": "Observation",
    "meta": _TEST,
    "status": "final",
    "category": [
        {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}]}
    ],
    "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7", "display": "Body weight"}]},
    "subject": {"reference": "Patient/park-minjun"},
    "effectiveDateTime": "2026-11-02T08:15:00-05:00",
    "valueQuantity": {"value": 71.3, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
}
_MESSAGE = {
    "resourceType": "Communication",
    "meta": _TEST,
    "status": "completed",
    "subject": {"reference": "Patient/park-minjun"},
    "topic": {"text": "Ankle"},
    "sender": {"reference": "Patient/park-minjun"},
    "recipient": [{"reference": "CareTeam/park-minjun-team"}],
    "payload": [{"contentString": "May I run again?"}],
}
_CONTACT = {
    "resourceType": "RelatedPerson",
    "id": "example-contact",
    "meta": _TEST,
    "active": True,
    "patient": {"reference": "Patient/park-minjun"},
    "relationship": [{"text": "Brother"}],
    "name": [{"family": "Park", "given": ["Jihoon"]}],
    "telecom": [{"system": "phone", "value": "910-555-0177"}],
}
_JSON_PATCH = [{"op": "add", "path": "/comment", "value": "Asked for an interpreter."}]
_FHIRPATH_PATCH = {
    "resourceType": "Parameters",
    "parameter": [
        {
            "name": "operation",
            "part": [
                {"name": "type", "valueCode": "replace"},
                {"name": "path", "valueString": "Goal.lifecycleStatus"},
                {"name": "value", "valueCode": "on-hold"},
            ],
        }
    ],
}


def _request(method: str, url: str, **more: str) -> dict[str, str]:
    return {"method": method, "url": url, **more}


_HOME_PAGE = {
    "resourceType": "Bundle",
    "type": "batch",
    "entry": [
        {"request": _request("GET", "Patient/washington-harold")},
        {"request": _request("GET", "Communication?patient=washington-harold&received:missing=true&_summary=count")},
        {"request": _request("GET", "Appointment?patient=washington-harold&status=booked&_sort=date&_count=1")},
        {"request": _request("GET", "MedicationRequest?patient=washington-harold&status=active&intent=order")},
    ],
}
_VISIT = "urn:uuid:8f5c1b0e-5a53-4c3e-9d0b-2f6c7a1e4b01"
_TRANSACTION = {
    "resourceType": "Bundle",
    "type": "transaction",
    "entry": [
        {
            "fullUrl": _VISIT,
            "resource": {
                "resourceType": "Encounter",
                "meta": _TEST,
                "identifier": [{"system": "urn:fhir-server:seeds:example", "value": "visit-1"}],
                "status": "finished",
                "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "FLD"},
                "subject": {"reference": "Patient/park-minjun"},
                "period": {"start": "2026-10-19T06:40:00+03:00", "end": "2026-10-19T07:05:00+03:00"},
            },
            "request": _request("POST", "Encounter", ifNoneExist="identifier=urn:fhir-server:seeds:example|visit-1"),
        },
        {
            "fullUrl": "urn:uuid:8f5c1b0e-5a53-4c3e-9d0b-2f6c7a1e4b02",
            "resource": {
                **_WEIGHT,
                "identifier": [{"system": "urn:fhir-server:seeds:example", "value": "weight-1"}],
                "encounter": {"reference": _VISIT},
            },
            "request": _request("POST", "Observation", ifNoneExist="identifier=urn:fhir-server:seeds:example|weight-1"),
        },
    ],
}


@dataclass(frozen=True, slots=True)
class Write:
    """A request with a body, as `seeds.examples.Example` has it."""

    type: str
    title: str
    method: Literal["POST", "PUT", "PATCH", "DELETE"]
    path: str
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    status: int = 200


def _text(body: Any) -> str:
    return json.dumps(body, indent=2, ensure_ascii=False)


WRITES: tuple[Write, ...] = (
    Write("", "What a home page needs, in one batch", "POST", "", _text(_HOME_PAGE)),
    Write(
        "",
        "A visit written down offline, sent in one transaction: twice adds nothing",
        "POST",
        "",
        _text(_TRANSACTION),
    ),
    Write(
        "",
        "A search of several types with nothing in the URL",
        "POST",
        "_search",
        "_type=Condition,Procedure&patient=walker-james",
        (("Content-Type", "application/x-www-form-urlencoded"),),
    ),
    Write(
        "Patient",
        "Search without anything in the URL",
        "POST",
        "Patient/_search",
        "family=rivera&birthdate=ge2010-01-01",
        (("Content-Type", "application/x-www-form-urlencoded"),),
    ),
    Write("Observation", "Create an observation", "POST", "Observation", _text(_WEIGHT), status=201),
    Write("Communication", "Send a message to the care team", "POST", "Communication", _text(_MESSAGE), status=201),
    Write(
        "Patient",
        "Create only where nobody has the DoD ID: here somebody does",
        "POST",
        "Patient",
        _text({"resourceType": "Patient", "meta": _TEST, "name": [{"family": "Rivera", "given": ["Ana"]}]}),
        (("If-None-Exist", f"identifier={DOD_ID_SYSTEM}|{dod_id(1)}"),),
    ),
    Write(
        "RelatedPerson",
        "Create or update under an id of your own",
        "PUT",
        "RelatedPerson/example-contact",
        _text(_CONTACT),
        status=201,
    ),
    Write(
        "Appointment",
        "Add a comment (JSON Patch)",
        "PATCH",
        "Appointment/chen-wei-diary",
        _text(_JSON_PATCH),
        (("Content-Type", "application/json-patch+json"),),
    ),
    Write(
        "Goal",
        "Put a goal on hold (FHIRPath Patch)",
        "PATCH",
        "Goal/tuiasosopo-sione-knee-plan-goal-1",
        _text(_FHIRPATH_PATCH),
        (("Content-Type", "application/fhir+json"),),
    ),
    Write(
        "Observation",
        "Delete, whether or not it is there",
        "DELETE",
        "Observation/example-deleted",
        status=204,
    ),
)
