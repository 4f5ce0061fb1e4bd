"""Attacks by whoever may register: a web page at work in somebody's browser, and metadata made to cost time."""

import base64
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from fhir_server.settings import Settings
from smart_auth.settings import SmartSettings
from tests.auth.conftest import IN_PROCESS_BASE, SmartApp
from tests.auth.oauth import EC_KEY, RSA_KEY, OAuth, oauth_server

HERE = IN_PROCESS_BASE.removesuffix("/fhir")
EVIL = "https://evil.example.org"
APP: dict[str, Any] = {"redirect_uris": [f"{EVIL}/callback"], "token_endpoint_auth_method": "none"}
BACKEND: dict[str, Any] = {
    "grant_types": ["client_credentials"],
    "token_endpoint_auth_method": "private_key_jwt",
    "scope": "system/*.cruds",
    "jwks": {"keys": [EC_KEY.as_dict(private=False)]},
}


async def dynamic(app: SmartApp) -> list[str]:
    return [each.id for each in await app.authorization.clients.all() if each.registered_by == "dynamic"]


async def test_a_name_that_was_made_to_point_here_registers_nothing(smart_app: SmartApp) -> None:
    # DNS rebinding: the page's own name leads to this machine, so its requests are of one origin for the browser.
    answer = await smart_app.http.post(f"{HERE}/auth/register", json=APP, headers={"host": "evil.example.org:8080"})
    assert answer.status_code == 400
    assert await dynamic(smart_app) == []
    assert EVIL not in smart_app.authorization.clients.origins()


@pytest.mark.parametrize("path", ["token", "introspect", "revoke", "userinfo", "register", "register/x"])
async def test_no_endpoint_answers_to_a_name_that_is_not_ours(smart_app: SmartApp, path: str) -> None:
    for method in ("GET", "POST", "PUT", "DELETE"):
        answer = await smart_app.http.request(method, f"{HERE}/auth/{path}", headers={"host": "evil.example.org:8080"})
        assert answer.status_code in (400, 405), (method, answer.text)


async def test_a_web_page_registers_no_system(smart_app: SmartApp) -> None:
    # The page of an app that people let in would otherwise get, by itself, what none of them granted.
    assert (await smart_app.http.post(f"{HERE}/auth/register", json=APP)).status_code == 201
    answer = await smart_app.http.post(f"{HERE}/auth/register", json=BACKEND, headers={"origin": EVIL})
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_client_metadata"
    assert len(await dynamic(smart_app)) == 1
    assert (await smart_app.http.post(f"{HERE}/auth/register", json=BACKEND)).status_code == 201


async def test_an_app_does_not_make_itself_a_system_from_a_web_page(smart_app: SmartApp) -> None:
    keys = {"token_endpoint_auth_method": "private_key_jwt", "jwks": BACKEND["jwks"]}
    made = (await smart_app.http.post(f"{HERE}/auth/register", json=APP | keys)).json()
    headers = {"authorization": f"Bearer {made['registration_access_token']}", "origin": EVIL}
    changed = {**BACKEND, "client_id": made["client_id"]}
    answer = await smart_app.http.put(f"{HERE}/auth/register/{made['client_id']}", json=changed, headers=headers)
    assert answer.status_code == 400, answer.text


def number(bits: int) -> str:
    """An odd number of so many bits, in base64url."""
    bytes_ = ((1 << (bits - 1)) | 1).to_bytes((bits + 7) // 8, "big")
    return base64.urlsafe_b64encode(bytes_).rstrip(b"=").decode()


@pytest.mark.parametrize(("bits", "exponent"), [(3072, number(3071)), (2048, number(65)), (65_536, "AQAB")])
async def test_a_key_that_takes_long_to_verify_by_is_refused(server: OAuth, bits: int, exponent: str) -> None:
    slow = {"kty": "RSA", "kid": "slow", "n": number(bits), "e": exponent}
    answer = await server.http.post("/auth/register", json=BACKEND | {"jwks": {"keys": [slow]}})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")


async def test_a_kid_does_not_stand_for_any_number_of_keys(server: OAuth) -> None:
    others = [RSAKey.generate_key(2048, {"kid": "rsa-1"}).as_dict(private=False) for _ in range(4)]
    client = await server.backend(jwks={"keys": [*others, RSA_KEY.as_dict(private=False)]})
    assert (await server.by_assertion(server.assertion(client))).json()["error"] == "invalid_client"
    client = await server.backend(jwks={"keys": [*others[:3], RSA_KEY.as_dict(private=False)]})
    assert (await server.by_assertion(server.assertion(client))).status_code == 200


@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example.org/\U0001f600",
        "https://\U0001d41evil.example.org/callback",
        "https://trusted.example.org%2f.evil.example.org/callback",
        "https://trusted.example.org%40evil.example.org/callback",
        "https://evil.example.org:@trusted.example.org/callback",
        "http://127.0.0.1.evil.example.org/callback",
        "http://127.1/callback",
        "http://2130706433/callback",
        "http://0x7f.1/callback",
        "http://[::ffff:127.0.0.1]/callback",
        "http://localhost./callback",
        "http://0.0.0.0/callback",
        "vbscript:x",
        "blob:https://evil.example.org/x",
        "view-source:https://evil.example.org",
        "//evil.example.org/callback",
        "https:evil.example.org",
        "https:///evil.example.org",
    ],
)
async def test_no_address_that_reads_as_another_is_registered(server: OAuth, uri: str) -> None:
    answer = await server.http.post("/auth/register", json=APP | {"redirect_uris": [uri]})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_redirect_uri"), answer.text


async def test_elsewhere_than_on_loopback_only_an_operator_adds_a_system() -> None:
    async with oauth_server(settings=SmartSettings(open_registration=True)) as server:
        answer = await server.http.post("/auth/register", json=BACKEND)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")
        made = (await server.http.post("/auth/register", json=APP)).json()
        headers = {"authorization": f"Bearer {made['registration_access_token']}"}
        changed = BACKEND | {"client_id": made["client_id"]}
        answer = await server.http.put(made["registration_client_uri"], json=changed, headers=headers)
        assert answer.status_code == 400


async def test_an_invitation_is_for_an_app() -> None:
    async with oauth_server(settings=SmartSettings()) as server:
        headers = {"authorization": f"Bearer {await server.parts.clients.invite(60)}"}
        assert (await server.http.post("/auth/register", json=BACKEND, headers=headers)).status_code == 400
        assert (await server.http.post("/auth/register", json=APP, headers=headers)).status_code == 201


def test_what_is_reached_through_a_proxy_lets_no_system_register_itself() -> None:
    assert Settings().registers_systems
    assert not Settings(registration="open", base_url="https://fhir.example.org/fhir").registers_systems
    assert not Settings(registration="open", trusted_proxies=("127.0.0.1",)).registers_systems
    assert not Settings(registration="open", host="0.0.0.0", base_url="https://f.example.org/fhir").registers_systems
