"""Which pages of other sites may read answers: those of registered apps, and what is open to all."""

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from fhir_server.rest.cors import Cors

APP = "https://app.example.org"
PREFLIGHT = {"origin": APP, "access-control-request-method": "PUT", "access-control-request-headers": "authorization"}


async def _answer(request: Request) -> Response:
    return PlainTextResponse("answer", int(request.query_params.get("status", "200")))


async def _own(request: Request) -> Response:
    return PlainTextResponse("answer", headers={"access-control-allow-origin": "*"})


@pytest.fixture
def origins() -> set[str]:
    return {APP}


@pytest.fixture
def client(origins: set[str]) -> httpx.AsyncClient:
    app = Starlette(
        routes=[Route("/fhir/.well-known/smart-configuration", _own), Route("/{path:path}", _answer)],
    )
    transport = httpx.ASGITransport(Cors(app, lambda: origins, ["/auth/token"]))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost:8080")


@pytest.mark.parametrize("path", ["/fhir/Patient/p1", "/fhir", "/auth/token"])
async def test_a_page_of_a_registered_app_may_read_answers(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path, headers={"origin": APP})
    assert answer.headers["access-control-allow-origin"] == APP
    assert answer.headers["vary"] == "Origin"
    assert "ETag" in answer.headers["access-control-expose-headers"]
    assert "access-control-allow-credentials" not in answer.headers


async def test_a_refusal_can_be_read_too(client: httpx.AsyncClient) -> None:
    answer = await client.get("/fhir/Patient/p1?status=401", headers={"origin": APP})
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == APP


@pytest.mark.parametrize("origin", ["https://evil.example.org", "null", f"{APP}.evil.example.org", f"{APP}:8443", ""])
async def test_a_page_of_any_other_site_may_not(client: httpx.AsyncClient, origin: str) -> None:
    answer = await client.get("/fhir/Patient/p1", headers={"origin": origin})
    assert "access-control-allow-origin" not in answer.headers


async def test_an_app_that_is_removed_may_not_any_more(client: httpx.AsyncClient, origins: set[str]) -> None:
    origins.clear()
    answer = await client.get("/fhir/Patient/p1", headers={"origin": APP})
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("path", ["/auth/consent", "/auth/login", "/", "/metrics", "/fhirish"])
async def test_what_a_person_looks_at_is_read_by_no_other_page(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path, headers={"origin": APP})
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("path", ["/fhir/metadata", "/fhir/.well-known/smart-configuration"])
async def test_what_is_open_to_all_is_read_by_every_page(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path, headers={"origin": "https://anything.example.org"})
    assert answer.headers.get_list("access-control-allow-origin") == ["*"]


async def test_a_browser_that_asks_first_is_told_what_may_be_sent(client: httpx.AsyncClient) -> None:
    answer = await client.options("/fhir/Patient/p1", headers=PREFLIGHT)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == APP
    assert "PUT" in answer.headers["access-control-allow-methods"]
    assert "Authorization" in answer.headers["access-control-allow-headers"]


async def test_a_browser_that_asks_first_for_another_site_is_told_nothing(client: httpx.AsyncClient) -> None:
    answer = await client.options("/fhir/Patient/p1", headers={**PREFLIGHT, "origin": "https://evil.example.org"})
    assert not [name for name in answer.headers if name.startswith("access-control-")]


async def test_a_request_that_comes_from_no_page_is_answered_as_ever(client: httpx.AsyncClient) -> None:
    answer = await client.get("/fhir/Patient/p1")
    assert answer.text == "answer"
    assert not [name for name in answer.headers if name.startswith("access-control-")]
