"""What the sign-in pages learn of patients: names, care relations, encounters, and nothing of others."""

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from fhir_server.directory import RecordDirectory
from fhir_server.interactions.context import RequestContext
from smart_auth.directory import EncounterName, PatientName
from tests.rest.in_process import opened, put

DOCTOR = "Practitioner/d1"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"


@pytest_asyncio.fixture(loop_scope="session")
async def context(mongodb_uri: str, database_name: str) -> AsyncIterator[RequestContext]:
    async with opened(mongodb_uri, database_name) as context:
        yield context


def patient(id: str, given: str, family: str, **elements: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": id, "name": [{"given": [given], "family": family}], **elements}


async def test_patients_are_named_in_the_order_asked_for(context: RequestContext) -> None:
    await put(context, patient("p1", "Ada", "Early", birthDate="1980-07-04"))
    await put(context, patient("p2", "Ben", "Later"))
    found = await RecordDirectory(context.server).patients(["p2", "nobody", "p1", "not an id"])
    assert found == [PatientName("p2", "Ben Later"), PatientName("p1", "Ada Early", "1980-07-04")]


async def test_a_person_goes_by_the_name_in_use(context: RequestContext) -> None:
    names = [
        {"use": "old", "family": "Before"},
        {"use": "nickname", "given": ["Addie"]},
        {"use": "official", "given": ["Ada", "M."], "family": "Now", "suffix": ["Jr."]},
    ]
    await put(context, {"resourceType": "Patient", "id": "p1", "name": names})
    await put(context, {"resourceType": "Patient", "id": "p2"})
    found = await RecordDirectory(context.server).patients(["p1", "p2"])
    assert [each.name for each in found] == ["Ada M. Now Jr.", "Patient p2"]


async def test_a_practitioner_finds_related_patients_by_name_and_birth_date(context: RequestContext) -> None:
    mine = {"generalPractitioner": [{"reference": DOCTOR}]}
    await put(context, {"resourceType": "Practitioner", "id": "d1"})
    await put(context, patient("p1", "Ada", "Early", birthDate="1980-07-04", **mine))
    await put(context, patient("p2", "Ada", "Later", birthDate="1990-01-01", **mine))
    await put(context, patient("p3", "Ada", "Elsewhere"))
    directory = RecordDirectory(context.server)

    async def found(words: str) -> list[str]:
        return [each.id for each in await directory.related_patients(DOCTOR, words)]

    assert await found("") == ["p1", "p2"]
    assert await found("ada") == ["p1", "p2"]
    assert await found("ad lat") == ["p2"]
    assert await found("ada 1980-07-04") == ["p1"]
    assert await found("elsewhere") == []
    assert await found("1980-13-99") == []
    assert await found("e,l") == []
    assert await directory.is_related(DOCTOR, "p1")
    assert not await directory.is_related(DOCTOR, "p3")


async def test_encounters_that_may_be_seen_come_newest_first(context: RequestContext) -> None:
    ambulatory = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB", "display": "ambulatory"}
    for id, who, start, more in (
        ("e1", "p1", "2025-01-02", {"type": [{"text": "Annual visit"}]}),
        ("e2", "p1", "2026-01-02T10:00:00Z", {}),
        ("e3", "p2", "2026-03-01", {}),
        ("restricted", "p1", "2026-04-01", {"meta": {"security": [{"system": CONFIDENTIALITY, "code": "R"}]}}),
    ):
        await put(context, patient(who, "Ada", "Early"))
        encounter = {
            "resourceType": "Encounter",
            "id": id,
            "status": "finished",
            "class": ambulatory,
            "subject": {"reference": f"Patient/{who}"},
            "period": {"start": start},
            **more,
        }
        await put(context, encounter)
    found = await RecordDirectory(context.server).encounters("p1")
    assert found == [EncounterName("e2", "2026-01-02, ambulatory"), EncounterName("e1", "2025-01-02, Annual visit")]


async def test_whether_a_patient_exists(context: RequestContext) -> None:
    await put(context, patient("p1", "Ada", "Early"))
    directory = RecordDirectory(context.server)
    assert await directory.patient_exists("p1")
    assert not await directory.patient_exists("p2")
    assert not await directory.patient_exists("p1/../p1")
