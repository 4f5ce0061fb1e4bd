"""A DS Logon of level 1 sees who and where the agencies are, and nobody's record, by whatever way it is asked.

https://hl7.org/fhir/R4/security.html
"""

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
import pytest_asyncio

from tests.auth.two_worlds import ready
from tests.rest.access import as_bearer, guarded
from tests.rest.conftest import numbers
from tests.rest.families import ana, stored_family
from tests.rest.in_process import opened, put

pytestmark = pytest.mark.asyncio

ONE = as_bearer("one")
BEARERS = {"one": replace(ana(patient="ana"), acr="level1"), "two": ana(patient="ana")}


@pytest_asyncio.fixture(loop_scope="session")
async def api(mongodb_uri: str, database_name: str) -> AsyncIterator[httpx.AsyncClient]:
    async with opened(mongodb_uri, database_name) as context:
        await stored_family(context)
        await put(context, {"resourceType": "Organization", "id": "org", "name": "House"})
    async with guarded(mongodb_uri, database_name, BEARERS) as client:
        await ready(client, "two")
        yield client


@pytest.mark.parametrize(
    "path",
    [
        "Patient/ana",
        "Observation/ana-plain",
        "Observation/ana-plain/_history/1",
        "Observation/ana-plain/_history",
        "Observation/_history",
        "Observation?patient=ana",
        "Observation?_summary=count",
        "Patient/ana/Observation",
        "Observation/nothing",
        "Organization?_has:Patient:organization:name=x",
        "AuditEvent",
        "AuditEvent/a1",
    ],
)
async def test_every_way_to_a_record_is_refused_with_how_to_upgrade(api: httpx.AsyncClient, path: str) -> None:
    answer = await api.get(path, headers=ONE)
    assert (answer.status_code, numbers(answer)[0]) == (403, "6043")
    issue = answer.json()["issue"][0]
    assert {"system": "urn:fhir-server:refusal", "code": "insufficient-assurance"} in issue["details"]["coding"]
    assert "/auth/logon/upgrade" in issue["details"]["text"]


async def test_what_is_there_and_what_is_not_are_refused_alike(api: httpx.AsyncClient) -> None:
    there, missing = [await api.get(f"Observation/{each}", headers=ONE) for each in ("ana-plain", "made-up")]
    texts = [each.json()["issue"][0]["details"] for each in (there, missing)]
    assert texts[0] == texts[1]


async def test_it_writes_nothing(api: httpx.AsyncClient) -> None:
    content = {"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "x"}}
    for body in (
        content | {"subject": {"reference": "Patient/ana"}},
        content | {"subject": {"reference": "Patient/kid"}},
    ):
        answer = await api.post("Goal", json=body, headers=ONE)
        assert (answer.status_code, numbers(answer)[0]) == (403, "6043")


async def test_the_agencies_are_open(api: httpx.AsyncClient) -> None:
    assert (await api.get("Organization/org", headers=ONE)).status_code == 200
    assert (await api.get("Organization?name=House", headers=ONE)).json()["total"] == 1
    included = (await api.get("Organization?_revinclude=Patient:organization&_revinclude=*", headers=ONE)).json()
    assert {each["resource"]["resourceType"] for each in included.get("entry", ())} <= {"Organization"}


async def test_a_search_of_all_types_finds_the_open_ones(api: httpx.AsyncClient) -> None:
    answer = await api.get("?_type=Organization,Patient,Observation", headers=ONE)
    kinds = {each["resource"]["resourceType"] for each in answer.json().get("entry", ())}
    assert not kinds & {"Patient", "Observation"}


async def test_each_entry_of_a_batch_is_refused_by_itself(api: httpx.AsyncClient) -> None:
    entries = [{"request": {"method": "GET", "url": each}} for each in ("Patient/ana", "Organization/org")]
    answer = await api.post("", json={"resourceType": "Bundle", "type": "batch", "entry": entries}, headers=ONE)
    assert [each["response"]["status"][:3] for each in answer.json()["entry"]] == ["403", "200"]


async def test_level_two_of_the_same_person_sees_the_record(api: httpx.AsyncClient) -> None:
    assert (await api.get("Observation/ana-plain", headers=as_bearer("two"))).status_code == 200
    assert (await api.get("Observation/kid-plain", headers=as_bearer("two"))).status_code == 200
