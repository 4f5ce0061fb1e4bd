"""The documents a client reads first: complete, and true."""

import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.applications import Starlette

from smart_auth.app import Authorization, routes
from smart_auth.discovery import CAPABILITIES, openid_configuration, scopes_supported, smart_configuration
from smart_auth.scopes import intersect, read_scope
from smart_auth.settings import SmartSettings
from tests.auth.clock import Clock
from tests.auth.memory_documents import MemoryDocuments
from tests.auth.oauth import OnePatient
from tests.auth.trail import Trail

BASE = "https://ehr.example.org/fhir"
SMART = "/fhir/.well-known/smart-configuration"
OPENID = "/fhir/.well-known/openid-configuration"

# Conformance: the lists that the official kits ask for.
STANDALONE = (
    "launch-standalone client-public client-confidential-symmetric client-confidential-asymmetric sso-openid-connect "
    "context-standalone-patient permission-offline permission-patient authorize-post permission-v2 permission-v1"
)
EHR = (
    "launch-ehr client-confidential-symmetric client-confidential-asymmetric sso-openid-connect context-banner "
    "context-style context-ehr-patient context-ehr-encounter permission-offline permission-user authorize-post "
    "permission-v2 permission-v1"
)


@pytest.fixture(scope="module")
def authorization() -> Authorization:
    clock = Clock()
    return Authorization.compose(
        MemoryDocuments(clock),
        OnePatient(),
        Trail(),
        SmartSettings(),
        clock,
        is_own_base=lambda base: base == BASE,
        base_of=lambda request: f"{request.url.scheme}://{request.url.netloc}/fhir",
    )


@pytest.fixture(scope="module")
async def http(authorization: Authorization) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(Starlette(routes=routes(authorization)))
    async with httpx.AsyncClient(transport=transport, base_url="https://ehr.example.org") as client:
        yield client


async def document(http: httpx.AsyncClient, path: str, origin: str = "https://app.example.com") -> dict[str, Any]:
    answer = await http.get(path, headers={"Accept": "application/json", "Origin": origin})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["access-control-allow-origin"] == "*"
    read: dict[str, Any] = answer.json()
    return read


async def test_the_smart_configuration_is_open_to_everybody(http: httpx.AsyncClient) -> None:
    assert await document(http, SMART) == smart_configuration(BASE)


async def test_the_openid_configuration_is_below_the_issuer(http: httpx.AsyncClient) -> None:
    found = await document(http, OPENID)
    assert found == openid_configuration(BASE)
    assert urlsplit(f"{found['issuer']}/.well-known/openid-configuration").path == OPENID


async def test_the_addresses_are_those_the_client_came_by(http: httpx.AsyncClient) -> None:
    found = (await http.get("http://127.0.0.1:8080" + SMART)).json()
    assert found["issuer"] == "http://127.0.0.1:8080/fhir"
    assert found["token_endpoint"] == "http://127.0.0.1:8080/auth/token"


@pytest.mark.parametrize(
    ("told", "fields"),
    [
        (
            smart_configuration(BASE),
            "issuer jwks_uri authorization_endpoint token_endpoint grant_types_supported registration_endpoint "
            "scopes_supported response_types_supported management_endpoint introspection_endpoint revocation_endpoint "
            "capabilities code_challenge_methods_supported ehr_launch_endpoint token_endpoint_auth_methods_supported "
            "token_endpoint_auth_signing_alg_values_supported",
        ),
        (
            openid_configuration(BASE),
            "issuer authorization_endpoint token_endpoint jwks_uri response_types_supported subject_types_supported "
            "id_token_signing_alg_values_supported userinfo_endpoint claims_supported scopes_supported",
        ),
    ],
)
def test_what_the_guides_ask_for_is_there(told: dict[str, Any], fields: str) -> None:
    assert [field for field in fields.split() if not told.get(field)] == []


def test_every_address_is_absolute_and_at_the_origin() -> None:
    told = smart_configuration(BASE) | openid_configuration(BASE)
    addresses = [value for name, value in told.items() if name.endswith(("_endpoint", "_uri"))]
    assert len(addresses) > 5
    assert [each for each in addresses if not each.startswith("https://ehr.example.org/auth/")] == []


def test_every_address_is_one_where_something_answers(authorization: Authorization) -> None:
    paths = {route.path for route in routes(authorization)}
    told = smart_configuration(BASE) | openid_configuration(BASE)
    addresses = {name: value for name, value in told.items() if re.search("_endpoint$|_uri$", name)}
    assert {name for name, value in addresses.items() if urlsplit(value).path not in paths} == set()
    assert {SMART, OPENID} <= paths


@pytest.mark.parametrize("asked", [STANDALONE, EHR])
def test_the_capabilities_that_certification_asks_for_are_told(asked: str) -> None:
    assert set(asked.split()) <= set(CAPABILITIES)


def test_only_safe_ways_are_told() -> None:
    told = smart_configuration(BASE)
    assert told["code_challenge_methods_supported"] == ["S256"]
    assert told["response_types_supported"] == ["code"]
    assert set(told["token_endpoint_auth_signing_alg_values_supported"]) == {"RS384", "ES384"}
    assert {"authorization_code", "client_credentials"} <= set(told["grant_types_supported"])
    assert told["authorization_response_iss_parameter_supported"] is True
    assert openid_configuration(BASE)["id_token_signing_alg_values_supported"] == ["RS256"]


def test_every_scope_that_is_told_can_be_granted() -> None:
    told = scopes_supported()
    assert [scope for scope in told if read_scope(scope) is None] == []
    assert intersect(told, told) == tuple(told)
    assert len(told) == len(set(told))


def test_scopes_of_both_versions_and_granular_ones_are_told() -> None:
    told = scopes_supported()
    assert "patient/*.rs" in told
    assert "patient/*.read" in told
    categories = "http://terminology.hl7.org/CodeSystem/observation-category"
    assert f"patient/Observation.rs?category={categories}|laboratory" in told


async def test_the_key_set_has_the_key_that_signs_and_is_asked_for_anew(
    http: httpx.AsyncClient, authorization: Authorization
) -> None:
    answer = await http.get(urlsplit(smart_configuration(BASE)["jwks_uri"]).path)
    signing = await authorization.keys.signing()
    assert answer.json()["keys"][0]["kid"] == signing.kid
    assert answer.headers["cache-control"] == "no-cache"
    assert "d" not in answer.json()["keys"][0]


@pytest.mark.parametrize("path", [SMART, OPENID, "/auth/jwks"])
async def test_they_can_only_be_read(http: httpx.AsyncClient, path: str) -> None:
    assert (await http.post(path)).status_code == 405
    assert (await http.head(path)).status_code == 200
