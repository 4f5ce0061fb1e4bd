"""Social Security numbers over HTTP: shown to those who may see them, masked for all others on every way out, asked for
by none of those, and not lost when a masked resource is sent back.
"""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from pymongo import MongoClient

from fhir_server.definitions.withheld import SSN, SSN_OID
from fhir_server.formats.withheld import MASK
from smart_auth.access import AccessContext
from tests.rest.access import as_bearer, guarded, scopes
from tests.rest.conftest import numbers

Resource = dict[str, Any]

NUMBER, DIGITS = "999-12-3456", "999123456"
FHIR_JSON = {"content-type": "application/fhir+json"}
BEARERS = {
    "registry": AccessContext("registry", "registry", "system", scopes("system/*.cruds"), may_see_ssn=True),
    "clinic": AccessContext("clinic", "clinic", "system", scopes("system/*.cruds")),
    "ann": AccessContext("ann", "app", "patient", scopes("patient/*.cruds"), patients=("ann",), patient="ann"),
}
OTHERS = ("clinic", "ann")


class Api:
    """Requests by named bearers; paths are below the base."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def send(self, bearer: str, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        sent = as_bearer(bearer) | FHIR_JSON | {name.replace("_", "-"): value for name, value in headers.items()}
        content = None if body is None else json.dumps(body)
        return await self.client.request(method, path, content=content, headers=sent)

    async def get(self, bearer: str, path: str, **headers: str) -> httpx.Response:
        return await self.send(bearer, "GET", path, **headers)

    async def put(self, bearer: str, resource: Resource, **headers: str) -> httpx.Response:
        answer = await self.send(bearer, "PUT", f"{resource['resourceType']}/{resource['id']}", resource, **headers)
        assert answer.status_code in (200, 201), answer.text
        return answer

    async def whole(self, place: str) -> Resource:
        """The resource as it is stored."""
        found: Resource = (await self.get("registry", place)).json()
        return found


@pytest_asyncio.fixture
async def api(mongodb_uri: str, database_name: str) -> AsyncIterator[Api]:
    async with guarded(mongodb_uri, database_name, BEARERS) as client:
        made = Api(client)
        await made.put("registry", ann())
        await made.put("registry", observation())
        yield made


def ann(**elements: Any) -> Resource:
    return {
        "resourceType": "Patient",
        "id": "ann",
        "text": {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">Ann, SSN {NUMBER}</div>'},
        "identifier": [
            {"system": "urn:mrn", "value": "a1"},
            {"use": "official", "system": SSN, "value": NUMBER},
        ],
        "name": [{"family": "Example"}],
        **elements,
    }


def observation(**elements: Any) -> Resource:
    return {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "code": {"text": "height"},
        "subject": {"reference": "Patient/ann", "identifier": {"system": SSN_OID, "value": DIGITS}},
        "contained": [{"resourceType": "Practitioner", "id": "c", "identifier": [{"system": SSN, "value": DIGITS}]}],
        "performer": [{"reference": "#c"}],
        **elements,
    }


def is_silent(text: str) -> bool:
    return not any(form in text for form in (NUMBER, DIGITS, "3456"))


READS = [
    "Patient/ann",
    "Patient/ann/_history/1",
    "Patient/ann/_history",
    "Patient/_history",
    "_history",
    "Patient?_id=ann",
    "Patient?identifier=a1&_elements=identifier",
    "Patient?name=example&_summary=text",
    "Patient?name=example&_summary=true",
    "Patient/ann?_elements=identifier",
    "?_type=Patient,Observation&_lastUpdated=gt2000",
    "Observation?_include=Observation:patient",
    "Patient?_revinclude=Observation:subject",
    "Observation/o1",
    "Patient/ann/Observation",
    "Patient/ann/*",
    "Practitioner?_contained=true",
    "Practitioner?_contained=both&_containedType=container",
    "Patient?_sort=identifier",
]


@pytest.mark.asyncio
async def test_every_read_shows_it_to_those_who_may_and_a_mask_to_others(api: Api) -> None:
    for path in READS:
        for bearer in OTHERS:
            answer = await api.get(bearer, path)
            assert answer.status_code == 200, (bearer, path, answer.text)
            assert is_silent(answer.text), (bearer, path)
        answer = await api.get("registry", path)
        assert answer.status_code == 200, (path, answer.text)
        assert not is_silent(answer.text), path


@pytest.mark.asyncio
async def test_what_is_left_of_it_is_an_identifier_whose_value_is_masked(api: Api) -> None:
    shown = (await api.get("clinic", "Patient/ann")).json()
    assert shown["identifier"][1] == {"use": "official", "system": SSN, "_value": MASK}
    assert shown["identifier"][0] == {"system": "urn:mrn", "value": "a1"}
    assert "***-**-****" in shown["text"]["div"]
    found = (await api.get("clinic", "Patient?_id=ann")).json()["entry"][0]["resource"]
    assert found == shown


@pytest.mark.asyncio
async def test_pages_for_people_are_masked_too(api: Api) -> None:
    for path in ("Patient/ann", "Patient?_id=ann", "Patient/ann/_history"):
        page = await api.get("clinic", path, accept="text/html")
        assert page.headers["content-type"].startswith("text/html")
        assert is_silent(page.text)


@pytest.mark.asyncio
async def test_batch_and_transaction_answers_are_masked(api: Api) -> None:
    reads = [{"request": {"method": "GET", "url": path}} for path in READS]
    update = {"resource": ann(id="bob", active=True), "request": {"method": "PUT", "url": "Patient/bob"}}
    again = {
        "resource": ann(),
        "request": {"method": "POST", "url": "Patient", "ifNoneExist": "identifier=urn:mrn|a1&_id=ann"},
    }
    for kind in ("batch", "transaction"):
        bundle = {"resourceType": "Bundle", "type": kind, "entry": [*reads, update, again]}
        answer = await api.send("clinic", "POST", "", bundle, prefer="return=representation")
        assert answer.status_code == 200, answer.text
        assert {each["response"]["status"][:2] for each in answer.json()["entry"]} == {"20"}, answer.text
        assert is_silent(answer.text), kind


@pytest.mark.asyncio
async def test_the_answers_of_writes_are_masked(api: Api) -> None:
    created = await api.send("clinic", "POST", "Patient", ann(), prefer="return=representation")
    assert created.status_code == 201 and is_silent(created.text)
    assert "_value" in created.json()["identifier"][1]
    updated = await api.put("clinic", ann(active=True), prefer="return=representation")
    assert is_silent(updated.text)
    patch = [{"op": "replace", "path": "/active", "value": False}]
    patched = await api.send("clinic", "PATCH", "Patient/ann", patch, content_type="application/json-patch+json")
    assert patched.status_code == 200 and is_silent(patched.text), patched.text
    existing = await api.send("clinic", "POST", "Patient", ann(), if_none_exist="_id=ann")
    assert existing.status_code == 200 and is_silent(existing.text)
    by_condition = await api.send("clinic", "PUT", "Patient?_id=ann", ann(active=True))
    assert by_condition.status_code == 200 and is_silent(by_condition.text)
    stored = await api.whole("Patient/ann")
    assert stored["identifier"][1]["value"] == NUMBER


ASKING = [
    f"Patient?identifier={SSN}|{NUMBER}",
    f"Patient?identifier={SSN}|000000000",
    f"Patient?identifier={SSN_OID}|{DIGITS}",
    f"Patient?identifier={SSN}|",
    f"Patient?identifier:not={SSN}|{DIGITS}",
    f"Patient?identifier=urn:mrn|a1,{SSN}|{DIGITS}",
    f"Patient?_filter=identifier eq {SSN}|{DIGITS}",
    f"Observation?patient.identifier={SSN}|{DIGITS}",
    f"Observation?subject:identifier={SSN}|{DIGITS}",
    f"Practitioner?_has:Encounter:participant:patient.identifier={SSN}|{DIGITS}",
    f"Practitioner?_contained=true&identifier={SSN}|{DIGITS}",
    f"Patient/ann/Observation?patient.identifier={SSN}|{DIGITS}",
    f"?_type=Patient,Practitioner&identifier={SSN}|{DIGITS}",
    f"Patient?_summary=count&identifier={SSN}|{DIGITS}",
]


@pytest.mark.asyncio
async def test_a_search_for_it_is_refused_whether_it_would_find_anything_or_not(api: Api) -> None:
    for path in ASKING:
        for bearer in OTHERS:
            answer = await api.get(bearer, path)
            assert (answer.status_code, numbers(answer)) == (403, ["6030"]), (bearer, path, answer.text)
            assert DIGITS not in answer.text and NUMBER not in answer.text
        allowed = await api.get("registry", path)
        assert allowed.status_code == 200, (path, allowed.text)


@pytest.mark.asyncio
async def test_conditions_in_writes_cannot_ask_for_it(api: Api) -> None:
    criteria = f"identifier={SSN}|{DIGITS}"
    answers = [
        await api.send("clinic", "POST", "Patient", ann(), if_none_exist=criteria),
        await api.send("clinic", "PUT", f"Patient?{criteria}", ann()),
        await api.send("clinic", "DELETE", f"Patient?{criteria}"),
        await api.send("clinic", "PATCH", f"Patient?{criteria}", [], content_type="application/json-patch+json"),
    ]
    referring = observation(id="o2", subject={"reference": f"Patient?{criteria}"}, contained=[], performer=[])
    del referring["contained"], referring["performer"]
    entries = [
        {"resource": referring, "request": {"method": "PUT", "url": "Observation/o2"}},
        {"resource": ann(), "request": {"method": "POST", "url": "Patient", "ifNoneExist": criteria}},
        {"request": {"method": "GET", "url": f"Patient?{criteria}"}},
    ]
    for entry in entries:
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
        answers.append(await api.send("clinic", "POST", "", bundle))
    for answer in answers:
        assert (answer.status_code, numbers(answer)) == (403, ["6030"]), answer.text


@pytest.mark.asyncio
async def test_its_bare_value_finds_nothing_for_anybody(api: Api) -> None:
    paths = [f"Patient?identifier={form}" for form in (NUMBER, DIGITS, f"|{NUMBER}")]
    paths += [f"Patient?{code}={form}" for code in ("_text", "_content") for form in (DIGITS, "3456")]
    for bearer in ("clinic", "registry"):
        for path in paths:
            answer = await api.get(bearer, path)
            assert answer.json().get("entry", []) == [], path
    found = await api.get("registry", f"Patient?identifier={SSN}|{DIGITS}")
    assert [each["resource"]["id"] for each in found.json()["entry"]] == ["ann"]


@pytest.mark.asyncio
async def test_a_masked_resource_that_is_put_back_keeps_the_number(api: Api) -> None:
    for place in ("Patient/ann", "Observation/o1"):
        before = await api.whole(place)
        shown = (await api.get("clinic", place)).json()
        shown["language"] = "en"
        await api.put("clinic", shown)
        after = await api.whole(place)
        assert after.pop("language") == "en"
        del before["meta"], after["meta"]
        assert after == before


@pytest.mark.asyncio
async def test_so_it_is_in_a_conditional_update_and_in_a_transaction(api: Api) -> None:
    shown = (await api.get("clinic", "Patient/ann")).json() | {"active": True}
    answer = await api.send("clinic", "PUT", "Patient?_id=ann", shown)
    assert answer.status_code == 200, answer.text
    assert (await api.whole("Patient/ann"))["identifier"][1]["value"] == NUMBER
    entries = [
        {"resource": shown | {"active": False}, "request": {"method": "PUT", "url": "Patient/ann"}},
        {"resource": ann(id="new"), "request": {"method": "PUT", "url": "Patient/new"}},
    ]
    answer = await api.send("clinic", "POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert answer.status_code == 200, answer.text
    stored = await api.whole("Patient/ann")
    assert stored["active"] is False and stored["identifier"][1]["value"] == NUMBER
    assert NUMBER in stored["text"]["div"]


@pytest.mark.asyncio
async def test_one_left_out_is_removed_and_a_new_one_replaces_it(api: Api) -> None:
    shown = (await api.get("clinic", "Patient/ann")).json()
    await api.put("clinic", shown | {"identifier": [{"system": SSN, "value": "900-00-0001"}]})
    assert (await api.whole("Patient/ann"))["identifier"] == [{"system": SSN, "value": "900-00-0001"}]
    await api.put("clinic", shown | {"identifier": shown["identifier"][:1]})
    assert [each["value"] for each in (await api.whole("Patient/ann"))["identifier"]] == ["a1"]


@pytest.mark.asyncio
async def test_a_patch_sees_the_mask_and_keeps_the_number(api: Api) -> None:
    async def patched(operations: list[Resource]) -> httpx.Response:
        kind = "application/json-patch+json"
        return await api.send("clinic", "PATCH", "Patient/ann", operations, content_type=kind)

    tested = await patched([{"op": "test", "path": "/identifier/1/value", "value": NUMBER}])
    assert tested.status_code == 422 and is_silent(tested.text)
    copied = await patched([{"op": "copy", "from": "/identifier/1/value", "path": "/name/0/text"}])
    assert copied.status_code == 422 and is_silent(copied.text)
    moved = await patched(
        [
            {"op": "remove", "path": "/text"},
            {"op": "copy", "from": "/identifier/1", "path": "/identifier/0"},
            {"op": "replace", "path": "/name/0/family", "value": "Moved"},
        ]
    )
    assert moved.status_code == 200 and is_silent(moved.text), moved.text
    stored = await api.whole("Patient/ann")
    assert [each.get("value") for each in stored["identifier"]] == [NUMBER, "a1", None]
    # Nothing of what the mask is made of was changed on the way.
    assert stored["identifier"][2]["_value"] == MASK
    assert stored["name"][0]["family"] == "Moved"


@pytest.mark.asyncio
async def test_a_patch_that_takes_a_mask_apart_does_not_change_other_answers(api: Api) -> None:
    path = "/identifier/1/_value/extension/0/valueCode"
    operations = [{"op": "remove", "path": "/text"}, {"op": "replace", "path": path, "value": "unknown"}]
    answer = await api.send("clinic", "PATCH", "Patient/ann", operations, content_type="application/json-patch+json")
    assert answer.status_code == 200, answer.text
    assert (await api.get("clinic", "Observation/o1")).json()["subject"]["identifier"]["_value"] == MASK


@pytest.mark.asyncio
async def test_rows_that_hold_one_are_marked_now_and_in_history(
    api: Api, mongodb: MongoClient[Resource], database_name: str
) -> None:
    await api.put("registry", ann(active=True))
    await api.put("registry", {"resourceType": "Patient", "id": "plain"})
    rows = mongodb[database_name]["Patient"]
    assert [row["_id"] for row in rows.find({"withheld": True})] == ["ann"]
    assert rows.count_documents({"withheld": {"$exists": True}}) == 1
    assert [row["rid"] for row in mongodb[database_name]["Patient_history"].find({"withheld": True})] == ["ann"]
    mongodb[database_name]["Patient_history"].update_many({}, {"$unset": {"withheld": 1}})
    assert is_silent((await api.get("clinic", "Patient/ann/_history/1")).text)
