"""Who may come in at all: 401 without a usable token on everything but what is open to all."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from fhir_server.rest.caller import _refusal
from smart_auth.access import AccessContext, NotAdmitted
from smart_auth.tokens import expired
from tests.rest.access import as_bearer, guarded, scopes
from tests.rest.conftest import numbers

EVERYTHING = AccessContext("operations", "system-client", "system", scopes("system/*.cruds"))


@pytest_asyncio.fixture(loop_scope="session")
async def api(mongodb_uri: str, database_name: str) -> AsyncIterator[httpx.AsyncClient]:
    async with guarded(mongodb_uri, database_name, {"everything": EVERYTHING}) as client:
        yield client


CLOSED = [
    ("GET", "Patient/p1"),
    ("HEAD", "Patient/p1"),
    ("PUT", "Patient/p1"),
    ("PATCH", "Patient/p1"),
    ("DELETE", "Patient/p1"),
    ("GET", "Patient/p1/_history"),
    ("GET", "Patient/p1/_history/1"),
    ("GET", "Patient"),
    ("POST", "Patient"),
    ("POST", "Patient/_search"),
    ("GET", "Patient/p1/Observation"),
    ("GET", "Patient/_history"),
    ("GET", "_history"),
    ("POST", "_search"),
    ("GET", ""),
    ("POST", ""),
    ("GET", "Patient/p1/$everything"),
    ("GET", "$export"),
    ("GET", "Nothing/n1"),
    ("POST", "Patient/p1"),
]


@pytest.mark.parametrize(("method", "path"), CLOSED, ids=[f"{method} {path}" for method, path in CLOSED])
async def test_without_a_token_everything_of_the_api_is_a_401(api: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await api.request(method, path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="fhir"'
    assert answer.headers["cache-control"] == "no-store"
    if method != "HEAD":
        assert numbers(answer) == ["6010"]


async def test_an_unknown_token_is_a_401_that_says_so(api: httpx.AsyncClient) -> None:
    answer = await api.get("Patient/p1", headers=as_bearer("made-up"))
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert answer.json()["issue"][0]["code"] == "login"


async def test_a_missing_and_an_expired_token_are_told_apart_by_a_word() -> None:
    def slug(refused: NotAdmitted) -> str | None:
        return _refusal(refused).issues[0].slug

    assert slug(NotAdmitted(None, "Sign in first.")) == "token-missing"
    assert slug(expired()) == "token-expired"
    assert slug(NotAdmitted("invalid_token", "The access token was revoked.")) is None
    assert slug(NotAdmitted(None, "Try again.", 503)) is None


async def test_a_token_in_the_query_is_none(api: httpx.AsyncClient) -> None:
    assert (await api.get("Patient/p1?access_token=everything")).status_code == 401


async def test_of_two_authorization_headers_none_is_picked(api: httpx.AsyncClient) -> None:
    twice = [("authorization", "Bearer everything"), ("authorization", "Bearer made-up")]
    answer = await api.get("Patient/p1", headers=twice)
    assert answer.status_code == 401
    assert 'error="invalid_request"' in answer.headers["www-authenticate"]


async def test_with_a_token_the_api_answers(api: httpx.AsyncClient) -> None:
    written = await api.put("Patient/p1", json={"resourceType": "Patient", "id": "p1"}, headers=as_bearer("everything"))
    assert written.status_code == 201
    assert (await api.get("Patient/p1", headers=as_bearer("everything"))).json()["id"] == "p1"


@pytest.mark.parametrize("path", ["metadata", "openapi.json", "/livez", "/docs/api", "/"])
async def test_what_holds_no_record_is_open_to_all(api: httpx.AsyncClient, path: str) -> None:
    url = path if not path.startswith("/") else f"http://localhost:8080{path}"
    assert (await api.get(url)).status_code == 200


async def test_a_browser_is_shown_a_page_that_says_why(api: httpx.AsyncClient) -> None:
    answer = await api.get("Patient/p1", headers={"accept": "text/html"})
    assert answer.status_code == 401
    assert answer.headers["content-type"].startswith("text/html")
    assert "www-authenticate" in answer.headers
