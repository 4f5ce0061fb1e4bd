"""The help desks can be read and found by everybody; nothing else can, nor what would lead further from them."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from fhir_server.app import create_app
from fhir_server.settings import Settings
from smart_auth.access import AccessContext
from smart_auth.settings import SmartSettings
from tests.auth.browsing import page_server
from tests.rest.access import BASE, as_bearer, guarded, scopes
from tests.rest.conftest import numbers
from tests.rest.in_process import opened, put

EVERYTHING = AccessContext("operations", "system-client", "system", scopes("system/*.cruds"))
PEOPLE = AccessContext("someone", "app", "patient", scopes("patient/Patient.rs"), patients=("p1",), patient="p1")
SUPPORT = {"system": "urn:fhir-server:federal:service-characteristic", "code": "support"}
RESTRICTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}


def desk(id: str, **fields: object) -> dict[str, object]:
    return {
        "resourceType": "HealthcareService",
        "id": id,
        "active": True,
        "name": f"Desk {id}",
        "characteristic": [{"coding": [SUPPORT]}],
        "telecom": [{"system": "phone", "value": "800-600-9332"}],
        "providedBy": {"reference": "Organization/org"},
        **fields,
    }


@pytest_asyncio.fixture(loop_scope="session")
async def api(mongodb_uri: str, database_name: str) -> AsyncIterator[httpx.AsyncClient]:
    async with guarded(mongodb_uri, database_name, {"everything": EVERYTHING, "people": PEOPLE}) as client:
        everything = as_bearer("everything")
        records = (
            {"resourceType": "Organization", "id": "org", "name": "An agency"},
            desk("one"),
            desk("two"),
            desk("three", active=False),
            desk("ward", characteristic=[{"text": "surgery"}]),
            desk("hidden", meta={"security": [RESTRICTED]}),
        )
        for each in records:
            answer = await client.put(f"{each['resourceType']}/{each['id']}", json=each, headers=everything)
            assert answer.status_code == 201, answer.text
        yield client


async def found(api: httpx.AsyncClient, query: str) -> set[str]:
    answer = await api.get(f"HealthcareService?{query}")
    assert answer.status_code == 200, answer.text
    return {entry["resource"]["id"] for entry in answer.json().get("entry", [])}


async def test_a_visitor_finds_the_help_desks(api: httpx.AsyncClient) -> None:
    assert await found(api, "characteristic=support") == {"one", "two", "three"}
    assert await found(api, "characteristic=support&active=true&_format=json") == {"one", "two"}
    assert await found(api, "name=Desk two") == {"two"}
    assert await found(api, "_id=one,ward") == {"one", "ward"}
    assert (await api.head("HealthcareService?characteristic=support")).status_code == 200


async def test_a_visitor_reads_a_desk_with_its_number(api: httpx.AsyncClient) -> None:
    answer = await api.get("HealthcareService/one")
    assert answer.status_code == 200
    assert answer.json()["telecom"][0]["value"] == "800-600-9332"
    assert (await api.get("HealthcareService/nobody")).status_code == 404


async def test_a_restricted_desk_is_not_shown(api: httpx.AsyncClient) -> None:
    assert await found(api, "_id=hidden") == set()
    assert (await api.get("HealthcareService/hidden")).status_code in (403, 404)


async def test_the_link_to_the_next_page_works_for_visitors_and_for_nobody_else(api: httpx.AsyncClient) -> None:
    first = (await api.get("HealthcareService?characteristic=support&_count=2")).json()
    following = next(link["url"] for link in first["link"] if link["relation"] == "next")
    answer = await api.get(following)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["entry"]) == 1
    of_another = (await api.get("HealthcareService?_count=2", headers=as_bearer("everything"))).json()
    theirs = next(link["url"] for link in of_another["link"] if link["relation"] == "next")
    assert (await api.get(theirs)).status_code in (400, 401, 403, 410)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "HealthcareService?_include=HealthcareService:organization"),
        ("GET", "HealthcareService?_revinclude=Location:organization"),
        ("GET", "HealthcareService?organization.name=An"),
        ("GET", "HealthcareService?_has:Appointment:actor:patient=p1"),
        ("GET", "HealthcareService?name:contains=esk"),
        ("GET", "HealthcareService?_filter=name eq x"),
        ("GET", "HealthcareService?_summary=count"),
        ("GET", "HealthcareService?name=%ff"),
        ("POST", "HealthcareService"),
        ("PUT", "HealthcareService/one"),
        ("DELETE", "HealthcareService/one"),
        ("GET", "HealthcareService/one/_history"),
        ("GET", "HealthcareService/one/_history/1"),
        ("GET", "HealthcareService/_history"),
        ("POST", "HealthcareService/_search"),
        ("GET", "HealthcareService/one/$everything"),
        ("GET", "?_type=HealthcareService"),
        ("GET", "Organization/org"),
        ("GET", "Organization?name=An"),
        ("GET", "Patient?_id=p1"),
    ],
)
async def test_whatever_else_a_visitor_asks_is_a_401(api: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await api.request(method, path)
    assert answer.status_code == 401
    assert numbers(answer) == ["6010"]


@pytest.mark.parametrize("sent", ["Bearer made-up", "Basic eDp5", ""])
async def test_a_bad_token_is_a_401_also_at_the_desks(api: httpx.AsyncClient, sent: str) -> None:
    answer = await api.get("HealthcareService?characteristic=support", headers={"authorization": sent})
    assert answer.status_code == 401


async def test_with_a_token_it_is_the_token_that_counts(api: httpx.AsyncClient) -> None:
    answer = await api.get("HealthcareService/one", headers=as_bearer("people"))
    assert answer.status_code == 403


async def test_one_address_asks_as_often_as_it_may_try_to_sign_in(mongodb_uri: str, database_name: str) -> None:
    async with opened(mongodb_uri, database_name) as context:
        await put(context, desk("one") | {"providedBy": {"display": "An agency"}})
    async with page_server(settings=SmartSettings(logins_per_minute=3)) as door:
        settings = Settings(auth="smart", mongodb_uri=mongodb_uri, mongodb_database=database_name)
        app = create_app(settings, door.parts.guard)

        async def asked(address: str, path: str = "HealthcareService?characteristic=support") -> httpx.Response:
            transport = httpx.ASGITransport(app, client=(address, 40_000))
            async with httpx.AsyncClient(transport=transport, base_url=f"{BASE}/") as client:
                return await client.get(path)

        async with app.router.lifespan_context(app):
            for path in ("HealthcareService?name=x", "HealthcareService/one", "HealthcareService?active=true"):
                answer = await asked("192.0.2.7", path)
                assert answer.status_code == 200, answer.text
            for _ in range(3):
                refused = await asked("192.0.2.7")
                assert (refused.status_code, numbers(refused)) == (429, ["6011"])
                assert 0 < int(refused.headers["retry-after"]) <= 60
            assert (await asked("192.0.2.8")).status_code == 200
            told = [each.text for each in door.trail.events if each.kind == "throttled"]
            assert told == ["429: too many requests without an access token"]
            door.clock.pass_seconds(60)
            assert (await asked("192.0.2.7")).status_code == 200
