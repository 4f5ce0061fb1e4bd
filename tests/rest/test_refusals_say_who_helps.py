"""Each refusal says who helps and by which id the request is found; the statement of capabilities says it too."""

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
import pytest_asyncio

from fhir_server.app import create_app
from fhir_server.core.codec import decode
from fhir_server.definitions.parameter_set import STANDARD
from fhir_server.interactions.capabilities import _statement
from fhir_server.settings import Settings
from smart_auth.access import AccessContext
from tests.rest.access import BASE, FixedGuard, as_bearer, scopes

DESK = "Global Service Center, 1-800-600-9332"
EVERYTHING = AccessContext("operations", "system-client", "system", scopes("system/Patient.cruds"))


@pytest_asyncio.fixture(loop_scope="session")
async def api(mongodb_uri: str, database_name: str) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(auth="smart", mongodb_uri=mongodb_uri, mongodb_database=database_name)
    app = create_app(settings, FixedGuard({"everything": EVERYTHING}))
    async with app.router.lifespan_context(app):
        app.state.server = replace(app.state.server, help_desk=DESK)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=f"{BASE}/", timeout=30) as client:
            yield client


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "Patient/p1", 401),
        ("GET", "Patient/p1", 404),
        ("GET", "Observation/o1", 403),
        ("GET", "Patient?nothing=x", 400),
        ("PUT", "Patient", 415),
        ("GET", "Nothing/n1", 404),
        ("GET", "../nowhere", 404),
        ("TRACE", "Patient/p1", 405),
    ],
)
async def test_a_refusal_says_who_helps_and_its_own_id(
    api: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    headers = {"x-request-id": "call-me-17"} | ({} if status == 401 else as_bearer("everything"))
    answer = await api.request(method, path, headers=headers)
    assert answer.status_code == status
    outcome = answer.json()
    assert outcome["id"] == answer.headers["x-request-id"] == "call-me-17"
    assert outcome["issue"][0]["diagnostics"] == f"Help: {DESK}. Request id: call-me-17."
    assert int(answer.headers["content-length"]) == len(answer.content)


async def test_a_person_at_a_browser_is_told_the_same(api: httpx.AsyncClient) -> None:
    answer = await api.get("Patient/p1", headers={"accept": "text/html"})
    assert answer.status_code == 401
    assert answer.headers["content-type"].startswith("text/html")
    assert DESK in answer.text and answer.headers["x-request-id"] in answer.text


async def test_an_answer_that_is_asked_for_with_indents_says_it_too(api: httpx.AsyncClient) -> None:
    answer = await api.get("Patient/p1?_pretty=true")
    assert answer.json()["issue"][0]["diagnostics"].startswith("Help: ")
    assert int(answer.headers["content-length"]) == len(answer.content)


async def test_a_refusal_of_an_endpoint_of_sign_in_names_the_page_that_helps(api: httpx.AsyncClient) -> None:
    origin = BASE.removesuffix("/fhir")
    answer = await api.post(f"{origin}/auth/token", data={"grant_type": "password"})
    assert answer.status_code == 400
    assert answer.json()["error_uri"].endswith("/help")


async def test_the_statement_of_capabilities_names_the_help_desk(api: httpx.AsyncClient) -> None:
    statement = (await api.get("metadata")).json()
    assert statement["contact"] == [
        {
            "name": "Global Service Center",
            "telecom": [
                {"system": "phone", "value": "1-800-600-9332"},
                {"system": "url", "value": "http://localhost:8080/help"},
            ],
        }
    ]


@pytest.mark.parametrize(
    ("desk", "contact"),
    [
        ("", None),
        ("Ask at the desk, second floor", [{"name": "Ask at the desk, second floor"}]),
        ("Help", [{"name": "Help"}]),
    ],
)
def test_a_help_desk_without_a_number_is_a_name(desk: str, contact: object) -> None:
    statement = decode(_statement("http://localhost/fhir", STANDARD, (), False, desk))
    assert statement.get("contact") == contact
