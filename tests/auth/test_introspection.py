"""Introspection tells those who may know what a token is for, and everybody else that it is not active."""

from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from smart_auth.records import Client
from tests.auth.oauth import BASE, SCOPE, OAuth


async def asked(server: OAuth, token: str, client: Client, secret: str) -> dict[str, Any]:
    response = await server.post("introspect", {"token": token}, client, secret)
    assert response.status_code == 200, response.text
    assert response.headers["cache-control"] == "no-store"
    answer: dict[str, Any] = response.json()
    return answer


async def a_resource_server(server: OAuth) -> tuple[Client, str]:
    return await server.app(may_introspect=True, grant_types=())


async def test_an_access_token_is_told_as_the_app_knows_it(server: OAuth) -> None:
    client = await server.public()
    tokens = await server.tokens(client, encounter="e1")
    answer = await asked(server, tokens["access_token"], *await a_resource_server(server))
    keys = KeySet.import_key_set((await server.http.get("/auth/jwks")).json())
    id_token = jwt.decode(tokens["id_token"], keys, algorithms=["RS256"]).claims
    assert answer["active"] is True
    assert answer["scope"] == tokens["scope"]
    assert answer["client_id"] == client.id
    assert (answer["patient"], answer["encounter"]) == ("p1", "e1")
    assert (answer["iss"], answer["sub"], answer["fhirUser"]) == (BASE, id_token["sub"], id_token["fhirUser"])
    assert answer["exp"] == server.clock.at + 1800


async def test_a_refresh_token_is_told_too_and_by_no_launch_it_ends(server: OAuth) -> None:
    client = await server.public()
    tokens = await server.tokens(client)
    resource_server = await a_resource_server(server)
    answer = await asked(server, tokens["refresh_token"], *resource_server)
    assert (answer["active"], answer["client_id"], answer["scope"]) == (True, client.id, SCOPE)
    (grant,) = await server.parts.grants.of_client(client.id)
    await server.parts.grants.revoke(grant.id)
    assert await asked(server, tokens["refresh_token"], *resource_server) == {"active": False}
    assert await asked(server, tokens["access_token"], *resource_server) == {"active": False}


@pytest.mark.parametrize("token", ["invalid_token_value", "a.b.c", "e30.e30.AA", "x" * 9000])
async def test_what_is_no_token_is_not_active_and_nothing_more(server: OAuth, token: str) -> None:
    assert await asked(server, token, *await a_resource_server(server)) == {"active": False}


async def test_an_expired_token_and_an_id_token_are_not_active(server: OAuth) -> None:
    tokens = await server.tokens(await server.public())
    resource_server = await a_resource_server(server)
    assert await asked(server, tokens["id_token"], *resource_server) == {"active": False}
    server.clock.at += 1800
    assert await asked(server, tokens["access_token"], *resource_server) == {"active": False}


async def test_an_app_learns_of_its_own_tokens_alone(server: OAuth) -> None:
    client, secret = await server.app()
    own, others = await server.tokens(client, secret), await server.tokens(await server.public())
    assert (await asked(server, own["access_token"], client, secret))["active"]
    assert (await asked(server, own["refresh_token"], client, secret))["active"]
    assert await asked(server, others["access_token"], client, secret) == {"active": False}
    assert await asked(server, others["refresh_token"], client, secret) == {"active": False}


async def test_nobody_introspects_without_proving_who_it_is(server: OAuth) -> None:
    client = await server.public()
    tokens = await server.tokens(client)
    for response in (
        await server.post("introspect", {"token": tokens["access_token"]}, client),
        await server.post("introspect", {"token": tokens["access_token"]}, client, "made up"),
    ):
        assert (response.status_code, response.json()["error"]) == (401, "invalid_client")
    response = await server.post("introspect", {"token": tokens["access_token"]})
    assert (response.status_code, response.json()["error"]) == (400, "invalid_client")


async def test_a_system_clients_token_says_whose_patient_it_is_for(server: OAuth) -> None:
    client = await server.backend()
    token = (await server.by_assertion(server.assertion(client), launch="p1")).json()["access_token"]
    answer = await asked(server, token, *await a_resource_server(server))
    assert (answer["active"], answer["sub"], answer["patient"]) == (True, client.id, "p1")
    assert "fhirUser" not in answer


async def test_without_a_token_the_request_is_invalid(server: OAuth) -> None:
    client, secret = await a_resource_server(server)
    response = await server.post("introspect", {}, client, secret)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")
