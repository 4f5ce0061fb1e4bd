"""Conditional writes that meet each other make one resource.

https://hl7.org/fhir/R4/http.html#ccreate, https://hl7.org/fhir/R4/http.html#cond-update
"""

from typing import Any

import pytest

from tests.race.conftest import PARALLEL, Racers, patient, statuses

pytestmark = pytest.mark.race

SYSTEM = "urn:race"


def identified(value: str, **elements: Any) -> dict[str, Any]:
    return patient(identifier=[{"system": SYSTEM, "value": value}], **elements)


def born_of(racers: Racers, value: str) -> list[str]:
    """The Patients that the database holds with this identifier."""
    return [
        local
        for local, versions in racers.stored().items()
        if any(identifier["value"] == value for identifier in (versions[-1].resource or {}).get("identifier", ()))
        and local.startswith("Patient/")
    ]


@pytest.mark.parametrize("attempt", range(3))
async def test_parallel_equal_conditional_creates_make_one_resource(racers: Racers, unique: str, attempt: int) -> None:
    headers = {"if-none-exist": f"identifier={SYSTEM}|{unique}"}
    sent = identified(unique)
    answers = await racers.volley(
        [racers.request("POST", "Patient", json=sent, headers=headers) for _ in range(PARALLEL)]
    )
    assert statuses(answers) == {200: PARALLEL - 1, 201: 1}
    ids = {answer.json()["id"] for answer in answers}
    assert len(ids) == 1
    assert born_of(racers, unique) == [f"Patient/{ids.pop()}"]


async def test_conditional_creates_that_ask_differently_for_one_identifier_make_one_resource(
    racers: Racers, unique: str
) -> None:
    criteria = (f"identifier={SYSTEM}|{unique}", f"identifier={unique}", f"identifier={SYSTEM}|{unique}&active=true")
    sent = identified(unique, active=True)
    answers = await racers.volley(
        [
            racers.request("POST", "Patient", json=sent, headers={"if-none-exist": criteria[number % len(criteria)]})
            for number in range(PARALLEL)
        ]
    )
    assert statuses(answers) == {200: PARALLEL - 1, 201: 1}
    assert len(born_of(racers, unique)) == 1


async def test_parallel_transactions_with_one_if_none_exist_make_one_patient_and_refer_to_it(
    racers: Racers, unique: str
) -> None:
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": "urn:uuid:6d1f3f3c-14a4-4f7e-9d3c-0b6f2f3f9a10",
                "resource": identified(unique),
                "request": {
                    "method": "POST",
                    "url": "Patient",
                    "ifNoneExist": f"identifier={SYSTEM}|{unique}",
                },
            },
            {
                "resource": {
                    "resourceType": "Observation",
                    "status": "final",
                    "code": {"text": "height"},
                    "subject": {"reference": "urn:uuid:6d1f3f3c-14a4-4f7e-9d3c-0b6f2f3f9a10"},
                },
                "request": {"method": "POST", "url": "Observation"},
            },
        ],
    }
    answers = await racers.volley([racers.request("POST", "", json=bundle) for _ in range(PARALLEL)])
    assert statuses(answers) == {200: PARALLEL}
    entries = [answer.json()["entry"] for answer in answers]
    patients = sorted(entry[0]["response"]["status"][:3] for entry in entries)
    assert patients == ["200"] * (PARALLEL - 1) + ["201"]
    local = f"Patient/{entries[0][0]['resource']['id']}"
    assert born_of(racers, unique) == [local]
    assert {entry[1]["resource"]["subject"]["reference"] for entry in entries} == {local}
    assert len({entry[1]["resource"]["id"] for entry in entries}) == PARALLEL


async def test_parallel_conditional_updates_of_a_missing_resource_create_one(racers: Racers, unique: str) -> None:
    answers = await racers.volley(
        [
            racers.request(
                "PUT",
                f"Patient?identifier={SYSTEM}|{unique}",
                json=identified(unique, birthDate=f"19{number:02}"),
            )
            for number in range(PARALLEL)
        ]
    )
    assert statuses(answers) == {200: PARALLEL - 1, 201: 1}
    (local,) = born_of(racers, unique)
    versions = await racers.versions(local)
    assert [version.number for version in versions] == list(range(1, PARALLEL + 1))
    answered = sorted((answer.json() for answer in answers), key=lambda body: int(body["meta"]["versionId"]))
    assert [version.resource for version in versions] == answered
