"""Apps register themselves (RFC 7591) and look after what they registered (RFC 7592)."""

from typing import Any

import httpx
import msgspec
import pytest

from smart_auth.client_metadata import DEFAULT_SCOPE
from smart_auth.settings import SmartSettings
from tests.auth.oauth import EC_KEY, ORIGIN, REDIRECT_URI, RSA_KEY, OAuth, oauth_server

APP: dict[str, Any] = {"client_name": "Growth chart", "redirect_uris": [REDIRECT_URI]}
JWKS = {"keys": [RSA_KEY.as_dict(private=False), EC_KEY.as_dict(private=False)]}
BACKEND: dict[str, Any] = {
    "client_name": "Agency",
    "grant_types": ["client_credentials"],
    "token_endpoint_auth_method": "private_key_jwt",
    "scope": "system/*.rs",
}


async def registered(server: OAuth, **metadata: Any) -> dict[str, Any]:
    response = await server.http.post("/auth/register", json=APP | metadata)
    assert response.status_code == 201, response.text
    assert response.headers["cache-control"] == "no-store"
    answer: dict[str, Any] = response.json()
    return answer


def managing(answer: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {answer['registration_access_token']}"}


async def test_an_app_with_a_secret_registers_and_launches(server: OAuth) -> None:
    answer = await registered(server)
    assert answer["token_endpoint_auth_method"] == "client_secret_basic"
    assert answer["client_secret_expires_at"] == 0
    assert answer["scope"] == DEFAULT_SCOPE
    assert answer["grant_types"] == ["authorization_code", "refresh_token"]
    assert answer["response_types"] == ["code"]
    client = await server.parts.clients.get(answer["client_id"])
    assert client is not None
    assert client.registered_by == "dynamic"
    response = await server.exchange(client, await server.code(client), answer["client_secret"])
    assert response.status_code == 200


async def test_a_public_app_gets_no_secret(server: OAuth) -> None:
    answer = await registered(server, token_endpoint_auth_method="none", scope="openid patient/*.rs")
    assert "client_secret" not in answer
    assert answer["grant_types"] == ["authorization_code"]


@pytest.mark.parametrize(
    "keys", [{"jwks": JWKS}, {"jwks_uri": "http://127.0.0.1:4567/jwks.json"}], ids=["inline", "uri"]
)
async def test_a_system_registers_its_keys_either_way(server: OAuth, keys: dict[str, Any]) -> None:
    response = await server.http.post("/auth/register", json=BACKEND | keys)
    assert response.status_code == 201
    answer = response.json()
    assert keys.items() <= answer.items()
    assert "client_secret" not in answer
    assert answer["response_types"] == []


async def test_an_app_says_where_it_is_launched(server: OAuth) -> None:
    answer = await registered(server, initiate_login_uri="https://app.test/launch")
    assert answer["initiate_login_uri"] == "https://app.test/launch"
    assert server.parts.clients.origins() == {"https://app.test"}


async def test_unknown_scopes_and_metadata_are_left_out_of_the_answer(server: OAuth) -> None:
    answer = await registered(server, scope="openid nonsense patient/*.rs patient/*.rs", software_id="x", udap="1")
    assert answer["scope"] == "openid patient/*.rs"
    assert "software_id" not in answer


async def test_no_app_makes_itself_more_than_it_is(server: OAuth) -> None:
    more = {"may_see_ssn": True, "may_introspect": True, "agency": "https://www.va.gov", "purposes": ["TREAT"]}
    answer = await registered(server, **more, registered_by="seed", client_id="chosen", client_secret="chosen")
    client = await server.parts.clients.get(answer["client_id"])
    assert client is not None
    assert (client.may_see_ssn, client.may_introspect, client.agency, client.purposes) == (False, False, None, ())
    assert answer["client_id"] != "chosen"
    assert answer["client_secret"] != "chosen"


@pytest.mark.parametrize(
    "metadata",
    [
        {"redirect_uris": []},
        {"redirect_uris": ["javascript:alert(1)"]},
        {"redirect_uris": ["https://app.test/#x"]},
        {"redirect_uris": ["http://app.test/"]},
        {"redirect_uris": ["https://*.app.test/"]},
        {"redirect_uris": [REDIRECT_URI, "data:text/html,x"]},
        {"redirect_uris": [f"https://app.test/{n}" for n in range(60)]},
    ],
    ids=str,
)
async def test_addresses_that_could_lead_elsewhere_are_refused(server: OAuth, metadata: dict[str, Any]) -> None:
    response = await server.http.post("/auth/register", json=APP | metadata)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_redirect_uri")


@pytest.mark.parametrize(
    "metadata",
    [
        {"redirect_uris": "https://app.test/"},
        {"redirect_uris": [1]},
        {"redirect_uris": None},
        {"token_endpoint_auth_method": "client_secret_jwt"},
        {"token_endpoint_auth_method": "private_key_jwt"},
        {"token_endpoint_auth_method": "private_key_jwt", "jwks": {}},
        {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": []}},
        {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [1]}},
        {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [{"kty": "RSA", "kid": "x"}]}},
        {
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks": {"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "x"}]},
        },
        {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [RSA_KEY.as_dict(private=True)]}},
        {"token_endpoint_auth_method": "private_key_jwt", "jwks": JWKS, "jwks_uri": "https://app.test/jwks"},
        {"jwks_uri": "http://app.test/jwks"},
        {"jwks_uri": "file:///etc/passwd"},
        {"initiate_login_uri": "javascript:alert(1)"},
        {"logo_uri": "data:image/png;base64,x"},
        {"client_uri": "com.example.app:/"},
        {"client_name": "a\u202eb"},
        {"client_name": "x" * 501},
        {"client_name": 7},
        {"contacts": ["x" * 501]},
        {"grant_types": ["implicit"]},
        {"grant_types": []},
        {"grant_types": ["client_credentials"]},
        {"response_types": ["token"]},
        {"scope": "nonsense"},
        {"scope": "system/*.rs"},
        {"scope": ["openid"]},
        {"scope": "patient/*.rs " * 2000},
    ],
    ids=lambda metadata: str(metadata)[:60],
)
async def test_metadata_that_does_not_go_together_is_refused(server: OAuth, metadata: dict[str, Any]) -> None:
    response = await server.http.post("/auth/register", json=APP | metadata)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_client_metadata"), response.text
    assert await server.parts.clients.all() == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null", b"\xff", b"[" * 9999, b'{"client_name": "\\ud800"}'])
async def test_what_is_no_json_object_is_refused(server: OAuth, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    response = await server.http.post("/auth/register", content=body, headers=headers)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_client_metadata")


async def test_a_page_of_another_site_cannot_register_by_a_form(server: OAuth) -> None:
    for content_type in ("text/plain", "application/x-www-form-urlencoded"):
        headers = {"Content-Type": content_type}
        response = await server.http.post("/auth/register", content=b'{"redirect_uris": []}', headers=headers)
        assert response.status_code == 400
    assert await server.parts.clients.all() == []


async def test_metadata_without_end_is_cut_off(server: OAuth) -> None:
    response = await server.http.post("/auth/register", json=APP | {"x": "y" * 70_000})
    assert response.status_code == 413


async def test_where_registration_is_not_open_an_initial_access_token_is_spent() -> None:
    async with oauth_server(settings=SmartSettings(open_registration=False)) as server:
        response = await server.http.post("/auth/register", json=APP)
        assert (response.status_code, response.json()["error"]) == (401, "invalid_token")
        assert response.headers["www-authenticate"].startswith("Bearer")
        token = {"Authorization": f"Bearer {await server.parts.clients.invite(600)}"}
        # A mistake does not cost it; the second client does not get it.
        statuses = [
            (await server.http.post("/auth/register", json=metadata, headers=token)).status_code
            for metadata in ({**APP, "scope": "nonsense"}, APP, APP)
        ]
        assert statuses == [400, 201, 401]


async def test_registrations_of_one_address_are_limited() -> None:
    async with oauth_server(settings=SmartSettings(open_registration=True, registrations_per_minute=2)) as server:
        statuses = [(await server.http.post("/auth/register", json=APP)).status_code for _ in range(3)]
        assert statuses == [201, 201, 429]


async def test_there_is_room_for_a_hundred_registrations_in_a_minute(server: OAuth) -> None:
    statuses = [(await server.http.post("/auth/register", json=APP)).status_code for _ in range(100)]
    assert set(statuses) == {201}


async def test_an_app_reads_changes_and_removes_what_it_registered(server: OAuth) -> None:
    made = await registered(server)
    where = made["registration_client_uri"]
    assert where == f"{ORIGIN}/auth/register/{made['client_id']}"
    read = (await server.http.get(where, headers=managing(made))).json()
    assert "client_secret" not in read
    assert read["client_name"] == "Growth chart"
    changed = APP | {"client_id": made["client_id"], "client_name": "Better chart", "scope": "openid patient/*.rs"}
    answer = await server.http.put(where, json=changed, headers=managing(made))
    assert (answer.status_code, answer.json()["client_name"]) == (200, "Better chart")
    client = await server.parts.clients.get(made["client_id"])
    assert client is not None
    tokens = await server.tokens(client, made["client_secret"])
    assert (await server.http.delete(where, headers=managing(made))).status_code == 204
    assert await server.status_of(tokens["access_token"]) == 401
    assert (await server.http.get(where, headers=managing(made))).status_code == 401


async def test_what_an_operator_said_of_an_app_survives_its_changes(server: OAuth) -> None:
    made = await registered(server)
    client = await server.parts.clients.get(made["client_id"])
    assert client is not None
    await server.parts.clients.update(msgspec.structs.replace(client, may_introspect=True))
    changed = APP | {"client_id": client.id, "may_see_ssn": True}
    await server.http.put(made["registration_client_uri"], json=changed, headers=managing(made))
    after = await server.parts.clients.get(client.id)
    assert after is not None
    assert (after.may_introspect, after.may_see_ssn, after.secret_hash) == (True, False, client.secret_hash)


async def test_only_its_own_token_manages_an_app(server: OAuth) -> None:
    mine, others = await registered(server), await registered(server)
    operators = (await server.app())[0]

    async def tried(id: str, headers: dict[str, str]) -> set[int]:
        responses: list[httpx.Response] = [
            await server.http.get(f"/auth/register/{id}", headers=headers),
            await server.http.put(f"/auth/register/{id}", json=APP | {"client_id": id}, headers=headers),
            await server.http.delete(f"/auth/register/{id}", headers=headers),
        ]
        return {response.status_code for response in responses}

    assert await tried(mine["client_id"], managing(others)) == {401}
    assert await tried(mine["client_id"], {}) == {401}
    assert await tried(operators.id, managing(mine)) == {401}
    assert await tried("nobody", managing(mine)) == {401}
    assert await server.parts.clients.get(mine["client_id"]) is not None


async def test_the_id_and_the_way_to_authenticate_stay(server: OAuth) -> None:
    made = await registered(server)
    for metadata in ({"client_id": "another"}, {"client_id": made["client_id"], "token_endpoint_auth_method": "none"}):
        response = await server.http.put(made["registration_client_uri"], json=APP | metadata, headers=managing(made))
        assert (response.status_code, response.json()["error"]) == (400, "invalid_client_metadata")


async def test_each_registration_is_in_the_audit_log(server: OAuth) -> None:
    made = await registered(server)
    (event,) = server.trail.events
    assert (event.kind, event.client_id) == ("register", made["client_id"])
