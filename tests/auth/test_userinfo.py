"""The userinfo endpoint says who signed in, to the bearer of a token with openid."""

import pytest

from tests.auth.oauth import BASE, OAuth


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_it_says_what_the_id_token_says(server: OAuth, method: str) -> None:
    scope = "openid fhirUser profile patient/*.rs"
    tokens = await server.tokens(await server.public(scope=scope), scope=scope)
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    response = await server.http.request(method, "/auth/userinfo", headers=headers)
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    who = f"{BASE}/Patient/p1"
    assert response.json() == {"sub": "a1", "fhirUser": who, "name": "Ann Example", "profile": who}


async def test_what_was_not_granted_is_not_said(server: OAuth) -> None:
    tokens = await server.tokens(await server.public(), scope="openid patient/*.rs")
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert (await server.http.get("/auth/userinfo", headers=headers)).json() == {"sub": "a1"}


async def test_without_openid_the_scope_is_insufficient(server: OAuth) -> None:
    tokens = await server.tokens(await server.public(), scope="fhirUser patient/*.rs")
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    response = await server.http.get("/auth/userinfo", headers=headers)
    assert response.status_code == 403
    assert 'error="insufficient_scope"' in response.headers["www-authenticate"]


async def test_a_system_client_is_nobody_who_signed_in(server: OAuth) -> None:
    token = (await server.by_assertion(server.assertion(await server.backend()))).json()["access_token"]
    assert await server.status_of(token) == 403


async def test_without_a_token_the_answer_is_a_plain_challenge(server: OAuth) -> None:
    response = await server.http.get("/auth/userinfo")
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'Bearer realm="fhir"'


async def test_a_token_elsewhere_than_in_the_header_does_not_count(server: OAuth) -> None:
    tokens = await server.tokens(await server.public())
    token = {"access_token": tokens["access_token"]}
    assert (await server.http.get("/auth/userinfo", params=token)).status_code == 401
    assert (await server.http.post("/auth/userinfo", data=token)).status_code == 401


async def test_an_id_token_is_no_access_token(server: OAuth) -> None:
    tokens = await server.tokens(await server.public())
    assert await server.status_of(tokens["id_token"]) == 401
