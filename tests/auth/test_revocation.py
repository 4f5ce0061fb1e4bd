"""A client gives its tokens back (RFC 7009); nobody gives back another's."""

import pytest

from smart_auth.records import Client
from tests.auth.oauth import ORIGIN, OAuth


async def given_back(server: OAuth, token: str, client: Client, secret: str = "", **fields: str | None) -> None:
    response = await server.post("revoke", {"token": token, **fields}, client, secret)
    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize("hint", [None, "refresh_token", "access_token", "something_else"])
async def test_a_refresh_token_takes_everything_with_it(server: OAuth, hint: str | None) -> None:
    client, secret = await server.app()
    tokens = await server.tokens(client, secret)
    await given_back(server, tokens["refresh_token"], client, secret, token_type_hint=hint)
    assert (await server.refresh(client, tokens["refresh_token"], secret)).json()["error"] == "invalid_grant"
    assert await server.status_of(tokens["access_token"]) == 401
    assert [event.kind for event in server.trail.events if event.outcome == "ok"][-1] == "revoke"


async def test_an_access_token_goes_alone(server: OAuth) -> None:
    client = await server.public()
    tokens = await server.tokens(client)
    await given_back(server, tokens["access_token"], client)
    assert await server.status_of(tokens["access_token"]) == 401
    assert (await server.refresh(client, tokens["refresh_token"])).status_code == 200


async def test_the_tokens_of_others_stay_and_the_answer_does_not_tell(server: OAuth) -> None:
    client, other = await server.public(), await server.public()
    tokens = await server.tokens(client)
    await given_back(server, tokens["access_token"], other)
    await given_back(server, tokens["refresh_token"], other)
    assert await server.status_of(tokens["access_token"]) == 200
    assert (await server.refresh(client, tokens["refresh_token"])).status_code == 200


@pytest.mark.parametrize("token", ["unknown", "a.b.c", "x" * 9000])
async def test_a_token_that_is_none_is_as_good_as_revoked(server: OAuth, token: str) -> None:
    await given_back(server, token, await server.public())
    await given_back(server, token, await server.public())


async def test_only_a_client_that_proves_who_it_is_gives_tokens_back(server: OAuth) -> None:
    client, secret = await server.app()
    tokens = await server.tokens(client, secret)
    response = await server.post("revoke", {"token": tokens["access_token"]}, client, "wrong")
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")
    response = await server.post("revoke", {"token": tokens["access_token"]}, client)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_client")
    assert await server.status_of(tokens["access_token"]) == 200


async def test_an_assertion_may_be_made_out_to_this_endpoint(server: OAuth) -> None:
    client = await server.backend()
    token = (await server.by_assertion(server.assertion(client))).json()["access_token"]
    form: dict[str, str | None] = {
        "token": token,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": server.assertion(client, aud=f"{ORIGIN}/auth/revoke"),
    }
    assert (await server.post("revoke", form)).status_code == 200


async def test_without_a_token_the_request_is_invalid(server: OAuth) -> None:
    response = await server.post("revoke", {}, await server.public())
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")
