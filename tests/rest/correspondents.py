"""A patient, a family and a care team at a federal facility, who write to each other.

https://hl7.org/fhir/R4/communication.html
"""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from pymongo import MongoClient

from smart_auth.access import AccessContext
from tests.rest.access import as_bearer, guarded, scopes

Resource = dict[str, Any]

PDF = b"%PDF-1.4 a list of my medicines %%EOF"
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 64

ANNA = AccessContext(
    "anna", "app", "patient", scopes("patient/*.cruds"), fhir_user="Patient/anna", patients=("anna",), patient="anna"
)
BEN = AccessContext(
    "ben", "app", "patient", scopes("patient/*.cruds"), fhir_user="Patient/ben", patients=("ben",), patient="ben"
)
READER = AccessContext(
    "anna", "app", "patient", scopes("patient/Binary.r"), fhir_user="Patient/anna", patients=("anna",), patient="anna"
)
DR = AccessContext("dr", "chart", "practitioner", scopes("user/*.cruds"), fhir_user="Practitioner/dr")
NURSE = AccessContext("nurse", "chart", "practitioner", scopes("user/*.cruds"), fhir_user="Practitioner/nurse")
OTHER = AccessContext("other", "chart", "practitioner", scopes("user/*.cruds"), fhir_user="Practitioner/other")
SYSTEM = AccessContext("system", "exchange", "system", scopes("system/*.cruds"))
# Who acts for anna by an administrator's word.
MOTHER = AccessContext(
    "mother", "app", "patient", scopes("user/*.cruds"), fhir_user="Patient/ben", patients=("ben", "anna")
)
BEARERS = {
    "mother": MOTHER,
    "anna": ANNA,
    "ben": BEN,
    "reader": READER,
    "dr": DR,
    "nurse": NURSE,
    "other": OTHER,
    "system": SYSTEM,
}

GOVERNMENT = {
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/organization-type", "code": "govt"}],
}


def person(type: str, id: str, family: str) -> Resource:
    return {"resourceType": type, "id": id, "name": [{"given": [id.title()], "family": family}]}


def role(id: str, practitioner: str, organization: str) -> Resource:
    return {
        "resourceType": "PractitionerRole",
        "id": id,
        "active": True,
        "practitioner": {"reference": f"Practitioner/{practitioner}"},
        "organization": {"reference": f"Organization/{organization}"},
    }


def team(id: str, patient: str, *members: str) -> Resource:
    return {
        "resourceType": "CareTeam",
        "id": id,
        "name": f"Team of {patient}",
        "status": "active",
        "subject": {"reference": f"Patient/{patient}"},
        "managingOrganization": [{"reference": "Organization/clinic"}],
        "participant": [{"member": {"reference": f"Practitioner/{member}"}} for member in members],
    }


WORLD: list[Resource] = [
    {"resourceType": "Organization", "id": "agency", "name": "Agency", "type": [GOVERNMENT]},
    {"resourceType": "Organization", "id": "clinic", "name": "Clinic", "partOf": {"reference": "Organization/agency"}},
    {"resourceType": "Organization", "id": "civilian", "name": "Civilian practice"},
    person("Patient", "anna", "Stone") | {"managingOrganization": {"reference": "Organization/clinic"}},
    person("Patient", "ben", "Field"),
    person("Practitioner", "dr", "Green"),
    person("Practitioner", "nurse", "Blue"),
    person("Practitioner", "other", "Grey"),
    role("dr-role", "dr", "clinic"),
    role("nurse-role", "nurse", "clinic"),
    role("civilian-role", "other", "civilian"),
    team("team", "anna", "dr", "nurse"),
    team("bens", "ben", "other"),
]


@asynccontextmanager
async def correspondence(uri: str, mongodb: MongoClient[dict[str, Any]], name: str) -> AsyncIterator[httpx.AsyncClient]:
    """A server over a new database of this name with all of them."""
    mongodb.drop_database(name)
    async with guarded(uri, name, BEARERS) as api:
        for resource in WORLD:
            place = f"{resource['resourceType']}/{resource['id']}"
            answer = await api.put(place, json=resource, headers=as_bearer("system"))
            assert answer.status_code == 201, answer.text
        yield api
    mongodb.drop_database(name)


def message(**more: Any) -> Resource:
    return {
        "resourceType": "Communication",
        "status": "completed",
        "subject": {"reference": "Patient/anna"},
        "recipient": [{"reference": "CareTeam/team"}],
        "topic": {"text": "My new medicine"},
        "payload": [{"contentString": "May I take it with milk?"}],
        **more,
    }


def attached(content: bytes = PDF, type: str = "application/pdf", **more: Any) -> Resource:
    data = base64.b64encode(content).decode()
    return {"contentAttachment": {"contentType": type, "title": "list", "data": data, **more}}


async def send(api: httpx.AsyncClient, who: str, resource: Resource) -> httpx.Response:
    if "id" in resource:
        place = f"{resource['resourceType']}/{resource['id']}"
        return await api.put(place, json=resource, headers=as_bearer(who))
    return await api.post(resource["resourceType"], json=resource, headers=as_bearer(who))


async def sent(api: httpx.AsyncClient, who: str, resource: Resource) -> Resource:
    answer = await send(api, who, resource)
    assert answer.status_code in (200, 201), answer.text
    found: Resource = answer.json()
    return found


async def seen(api: httpx.AsyncClient, who: str, id: str) -> int:
    return (await api.get(f"Communication/{id}", headers=as_bearer(who))).status_code


def refused(answer: httpx.Response, status: int, *elements: str) -> None:
    assert answer.status_code == status, answer.text
    found = [each for issue in answer.json()["issue"] for each in issue.get("expression", ())]
    assert [each for each in elements if each not in found] == [], answer.text


def draft_of_staff() -> Resource:
    return message(
        status="preparation", sender={"reference": "Practitioner/dr"}, recipient=[{"reference": "Patient/anna"}]
    )
