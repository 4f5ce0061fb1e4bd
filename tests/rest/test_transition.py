"""What patients see while their facility changes over, when they move, and when records come late.

docs/people/after-login.md, https://hl7.org/fhir/R4/http.html#ccreate
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio
from pymongo import MongoClient

from smart_auth.access import AccessContext
from tests.rest.access import as_bearer, guarded, scopes

GO_LIVE = "urn:fhir-server:federal:go-live-date"


def patient_access(id: str) -> AccessContext:
    return AccessContext(
        id, "app", "patient", scopes("patient/*.rs"), fhir_user=f"Patient/{id}", patients=(id,), patient=id
    )


BEARERS = {
    **{id: patient_access(id) for id in ("early", "late", "moved", "nowhere", "waiting")},
    "dr": AccessContext("dr", "chart", "practitioner", scopes("user/*.rs"), fhir_user="Practitioner/dr"),
    "system": AccessContext("system", "exchange", "system", scopes("system/*.cruds")),
}


def day(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).date().isoformat()


def organization(id: str, days: int | None, **more: Any) -> dict[str, Any]:
    said = {} if days is None else {"extension": [{"url": GO_LIVE, "valueDate": day(days)}]}
    return {"resourceType": "Organization", "id": id, "name": id, **said, **more}


def enrolled(id: str, organization: str | None) -> dict[str, Any]:
    where = {} if organization is None else {"managingOrganization": {"reference": f"Organization/{organization}"}}
    doctor = {"generalPractitioner": [{"reference": "Practitioner/dr"}]}
    return {"resourceType": "Patient", "id": id, **where, **doctor}


def result(id: str, about: str, status: str = "final", **more: Any) -> dict[str, Any]:
    category = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}
    return {
        "resourceType": "Observation",
        "id": id,
        "status": status,
        "category": [{"coding": [category]}],
        "code": {"text": "Sodium"},
        "subject": {"reference": f"Patient/{about}"},
        **more,
    }


WORLD = [
    organization("live", -30),
    organization("coming", 30),
    organization("ward", None, partOf={"reference": "Organization/coming"}),
    enrolled("early", "coming"),
    enrolled("waiting", "ward"),
    enrolled("late", "live"),
    enrolled("nowhere", None),
    enrolled("moved", "live"),
]


@pytest_asyncio.fixture
async def api(mongodb_uri: str, database_name: str) -> AsyncIterator[httpx.AsyncClient]:
    async with guarded(mongodb_uri, database_name, BEARERS) as client:
        for each in WORLD:
            await put(client, each)
        yield client


async def put(api: httpx.AsyncClient, resource: dict[str, Any]) -> None:
    place = f"{resource['resourceType']}/{resource['id']}"
    answer = await api.put(place, json=resource, headers=as_bearer("system"))
    assert answer.status_code in (200, 201), answer.text


async def found(api: httpx.AsyncClient, who: str, url: str) -> dict[str, Any]:
    answer = await api.get(url, headers=as_bearer(who))
    assert answer.status_code == 200, answer.text
    bundle: dict[str, Any] = answer.json()
    return bundle


def said(bundle: dict[str, Any]) -> list[tuple[str, str, str]]:
    outcomes = [each["resource"] for each in bundle.get("entry", ()) if each["search"]["mode"] == "outcome"]
    return [
        (issue["severity"], issue["code"], issue["details"]["text"]) for each in outcomes for issue in each["issue"]
    ]


NO_RECORDS = [("information", "informational", "No Records Available")]


@pytest.mark.parametrize("who", ["early", "waiting"])
@pytest.mark.parametrize(
    "url", ["Condition", "Observation?category=laboratory", "Encounter?_sort=-date&_total=accurate"]
)
async def test_before_the_facility_goes_live_an_empty_answer_says_that_there_are_no_records(
    api: httpx.AsyncClient, who: str, url: str
) -> None:
    bundle = await found(api, who, url)
    assert bundle["total"] == 0
    assert said(bundle) == NO_RECORDS
    assert [each["search"]["mode"] for each in bundle["entry"]] == ["outcome"]


@pytest.mark.parametrize("who", ["late", "nowhere"])
async def test_at_a_facility_that_is_live_an_empty_answer_says_nothing(api: httpx.AsyncClient, who: str) -> None:
    bundle = await found(api, who, "Condition")
    assert bundle["total"] == 0
    assert "entry" not in bundle


async def test_the_text_is_for_patients_and_for_records_alone(api: httpx.AsyncClient) -> None:
    assert said(await found(api, "dr", "Condition?patient=early")) == []
    assert said(await found(api, "early", "Practitioner?name=nobody")) == []
    assert said(await found(api, "early", "Patient?_id=somebody")) == []


async def test_once_the_facility_is_live_the_text_is_gone(
    api: httpx.AsyncClient, mongodb_uri: str, database_name: str
) -> None:
    assert said(await found(api, "early", "Condition")) == NO_RECORDS
    await put(api, organization("coming", 0))
    async with guarded(mongodb_uri, database_name, BEARERS) as another_worker:
        assert said(await found(another_worker, "early", "Condition")) == []


async def test_what_came_before_the_day_is_seen_with_its_source(api: httpx.AsyncClient) -> None:
    tag = {"system": "urn:fhir-server:federal:source-system", "code": "ahlta"}
    await put(api, result("old", "early", meta={"source": "urn:agency:ahlta", "tag": [tag]}))
    bundle = await found(api, "early", "Observation")
    assert said(bundle) == []
    assert bundle["entry"][0]["resource"]["meta"]["source"] == "urn:agency:ahlta"
    by_tag = f"Observation?_tag={tag['system']}|{tag['code']}"
    assert (await found(api, "early", by_tag))["total"] == 1
    assert (await found(api, "early", f"Observation?_tag:not={tag['system']}|{tag['code']}"))["total"] == 0


async def test_a_move_changes_nothing_about_what_one_sees(api: httpx.AsyncClient) -> None:
    await put(api, result("before", "moved", meta={"source": "urn:agency:dod"}))
    listed = await found(api, "moved", "Observation")
    await put(api, enrolled("moved", "coming"))
    await put(api, result("after", "moved", meta={"source": "urn:agency:va"}))
    now = await found(api, "moved", "Observation")
    assert {each["resource"]["id"] for each in now["entry"]} == {"before", "after"}
    assert listed["entry"][0]["resource"] in [each["resource"] for each in now["entry"]]


async def test_a_late_upload_sent_twice_adds_nothing_and_keeps_its_own_times(
    api: httpx.AsyncClient, mongodb: MongoClient[dict[str, Any]], database_name: str
) -> None:
    system = "urn:theatre:offline"
    entries = []
    for number in range(3):
        resource = result("x", "late", effectiveDateTime=f"2025-03-0{number + 1}T23:30:00+04:30")
        del resource["id"]
        resource["identifier"] = [{"system": system, "value": str(number)}]
        condition = f"identifier={system}|{number}"
        entries.append(
            {"resource": resource, "request": {"method": "POST", "url": "Observation", "ifNoneExist": condition}}
        )
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    for status in ("201", "200", "200"):
        answer = await api.post("", json=bundle, headers=as_bearer("system"))
        assert [each["response"]["status"][:3] for each in answer.json()["entry"]] == [status] * 3
    listed = await found(api, "late", "Observation?date=2025-03-02")
    assert [each["resource"]["effectiveDateTime"] for each in listed["entry"]] == ["2025-03-02T23:30:00+04:30"]
    assert mongodb[database_name]["Observation"].count_documents({}) == 3


@pytest.mark.parametrize("status", ["registered", "preliminary"])
async def test_a_result_is_the_patients_once_it_is_final(api: httpx.AsyncClient, status: str) -> None:
    report = {"resourceType": "DiagnosticReport", "id": "r1", "status": status, "code": {"text": "CBC"}}
    report |= {"subject": {"reference": "Patient/late"}}
    await put(api, result("r1", "late", status))
    await put(api, report)
    for type in ("Observation", "DiagnosticReport"):
        assert (await found(api, "late", type))["total"] == 0
        assert (await found(api, "late", f"{type}?_summary=count"))["total"] == 0
        assert (await api.get(f"{type}/r1", headers=as_bearer("late"))).status_code == 404
        assert (await api.get(f"{type}/r1", headers=as_bearer("dr"))).status_code == 200
    await put(api, result("r1", "late"))
    await put(api, report | {"status": "final"})
    for type in ("Observation", "DiagnosticReport"):
        assert (await found(api, "late", type))["total"] == 1
        history = await found(api, "late", f"{type}/r1/_history")
        assert [each["resource"]["status"] for each in history["entry"]] == ["final"]


def note(status: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "DocumentReference",
        "id": "n1",
        "status": "current",
        "docStatus": status,
        "type": {"coding": [{"system": "http://loinc.org", "code": "34895-3"}]},
        "subject": {"reference": "Patient/late"},
        "context": {"related": [{"reference": "Condition/c1"}]},
        "content": [{"attachment": {"url": "Binary/leaflet"}}],
        **more,
    }


async def test_a_note_or_a_leaflet_is_the_patients_once_it_is_signed(api: httpx.AsyncClient) -> None:
    about = {"reference": "Patient/late"}
    await put(api, {"resourceType": "Condition", "id": "c1", "subject": about, "code": {"text": "Asthma"}})
    leaflet = {"resourceType": "Binary", "id": "leaflet", "contentType": "text/plain", "data": "QnJlYXRoZQ=="}
    await put(api, leaflet | {"securityContext": about})
    search = "DocumentReference?patient=late&type=http://loinc.org|34895-3&related=Condition/c1"
    await put(api, note("preliminary"))
    assert (await found(api, "late", search))["total"] == 0
    for place in ("DocumentReference/n1", "Binary/leaflet"):
        assert (await api.get(place, headers=as_bearer("late"))).status_code == 404
    assert (await found(api, "dr", search))["total"] == 1
    await put(api, note("final"))
    assert (await found(api, "late", search))["total"] == 1
    assert (await api.get("Binary/leaflet", headers=as_bearer("late"))).status_code == 200
    await put(api, note("preliminary", author=[about]))
    assert (await found(api, "late", search))["total"] == 1, "what patients write themselves they see"


async def test_what_was_measured_is_seen_at_once(api: httpx.AsyncClient) -> None:
    vital = {"coding": [{"code": "vital-signs"}]}
    await put(api, result("v1", "late", "preliminary", category=[vital]))
    assert (await found(api, "late", "Observation"))["total"] == 1
