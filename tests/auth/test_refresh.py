"""Refresh tokens are replaced at each use; a client that refreshes twice keeps its access, a thief does not."""

import asyncio

import msgspec
import pytest

from smart_auth.documents import Change
from smart_auth.records import REFRESH_TOKENS, SESSIONS
from tests.auth.oauth import OAuth, oauth_server

DAY = 86_400


async def test_a_refresh_gives_a_new_access_token_and_a_new_refresh_token(server: OAuth) -> None:
    client, secret = await server.app()
    first = await server.tokens(client, secret)
    response = await server.refresh(client, first["refresh_token"], secret)
    assert response.status_code == 200
    second = response.json()
    assert second["scope"] == first["scope"]
    assert second["patient"] == "p1"
    assert second["access_token"] != first["access_token"]
    assert second["refresh_token"] != first["refresh_token"]
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["pragma"] == "no-cache"
    assert await server.status_of(second["access_token"]) == 200


async def test_with_the_granted_scope_spelt_out_the_answer_is_the_same(server: OAuth) -> None:
    client = await server.public()
    first = await server.tokens(client)
    # As the g10 kit does: once without a scope and once with it, both times by the first token.
    for scope in (None, first["scope"]):
        response = await server.refresh(client, first["refresh_token"], scope=scope)
        assert response.status_code == 200
        assert set(response.json()["scope"].split()) == set(first["scope"].split())


async def test_fewer_scopes_can_be_asked_for_and_all_of_them_again_later(server: OAuth) -> None:
    client = await server.public()
    first = await server.tokens(client)
    fewer = (await server.refresh(client, first["refresh_token"], scope="patient/Observation.rs")).json()
    assert fewer["scope"] == "patient/Observation.rs"
    assert "id_token" not in fewer
    again = (await server.refresh(client, fewer["refresh_token"])).json()
    assert again["scope"] == first["scope"]


@pytest.mark.parametrize(
    "scope", ["patient/*.cruds", "user/*.rs", "patient/*.rs system/*.rs", "nonsense", "patient/*.rs profile"]
)
async def test_more_than_was_granted_is_an_invalid_scope(server: OAuth, scope: str) -> None:
    client = await server.public(
        scope="openid fhirUser launch/patient offline_access patient/*.cruds user/*.rs profile"
    )
    first = await server.tokens(client)
    response = await server.refresh(client, first["refresh_token"], scope=scope)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_scope")


async def test_what_the_registration_has_lost_is_gone_from_new_tokens(server: OAuth) -> None:
    client = await server.public()
    first = await server.tokens(client)
    await server.parts.clients.update(msgspec.structs.replace(client, scope="openid offline_access patient/Patient.rs"))
    second = (await server.refresh(client, first["refresh_token"])).json()
    assert second["scope"] == "openid offline_access patient/Patient.rs"


async def test_an_unknown_refresh_token_is_an_invalid_grant(server: OAuth) -> None:
    client, secret = await server.app()
    response = await server.refresh(client, "5b7a5d4e-3a2b-4a1f-9d43-000000000000", secret)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")


async def test_another_client_can_neither_use_a_refresh_token_nor_end_it(server: OAuth) -> None:
    client, thief = await server.public(), await server.public()
    first = await server.tokens(client)
    assert (await server.refresh(thief, first["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await server.refresh(client, first["refresh_token"])).status_code == 200


async def test_a_client_that_did_not_get_the_answer_can_ask_again_however_late(server: OAuth) -> None:
    client = await server.public()
    first = await server.tokens(client)
    for _ in range(5):
        assert (await server.refresh(client, first["refresh_token"])).status_code == 200
        server.clock.at += DAY


async def test_requests_at_the_same_time_all_get_an_answer_and_go_on_from_any_of_them(server: OAuth) -> None:
    client = await server.public()
    first = await server.tokens(client)
    responses = await asyncio.gather(*(server.refresh(client, first["refresh_token"]) for _ in range(10)))
    assert [response.status_code for response in responses] == [200] * 10
    for response in responses:
        assert (await server.refresh(client, response.json()["refresh_token"])).status_code == 200


async def test_a_replaced_token_whose_successor_was_used_ends_the_grant(server: OAuth) -> None:
    client = await server.public()
    stolen = (await server.tokens(client))["refresh_token"]
    second = (await server.refresh(client, stolen)).json()
    third = (await server.refresh(client, second["refresh_token"])).json()
    server.clock.at += 61
    assert (await server.refresh(client, stolen)).json()["error"] == "invalid_grant"
    assert (await server.refresh(client, third["refresh_token"])).json()["error"] == "invalid_grant"
    assert await server.status_of(third["access_token"]) == 401


async def test_a_thief_who_comes_before_the_client_is_found_out_as_well(server: OAuth) -> None:
    client = await server.public()
    kept = (await server.tokens(client))["refresh_token"]
    stolen_from = (await server.refresh(client, kept)).json()
    thiefs = (await server.refresh(client, kept)).json()
    server.clock.at += 61
    # The thief goes on, and then the client does with the token that was replaced behind its back.
    thiefs = (await server.refresh(client, thiefs["refresh_token"])).json()
    server.clock.at += 61
    assert (await server.refresh(client, stolen_from["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await server.refresh(client, thiefs["refresh_token"])).json()["error"] == "invalid_grant"


async def test_each_use_gives_the_full_hundred_days_again(server: OAuth) -> None:
    client = await server.public()
    token = (await server.tokens(client))["refresh_token"]
    for _ in range(5):
        server.clock.at += 99 * DAY
        response = await server.refresh(client, token)
        assert response.status_code == 200
        assert response.json()["expires_in"] == 1800
        token = response.json()["refresh_token"]
    server.clock.at += 100 * DAY
    assert (await server.refresh(client, token)).json()["error"] == "invalid_grant"


async def test_a_revoked_grant_gives_no_tokens_any_more(server: OAuth) -> None:
    client = await server.public()
    first = await server.tokens(client)
    (grant,) = await server.parts.grants.of_account(server.account.id)
    await server.parts.grants.revoke(grant.id)
    response = await server.refresh(client, first["refresh_token"])
    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")
    assert await server.parts.grants.of_account(server.account.id) == []


async def test_a_disabled_account_gives_no_tokens(server: OAuth) -> None:
    client = await server.public()
    first = await server.tokens(client)
    await server.parts.documents.change("accounts", server.account.id, {"is_disabled": True})
    assert (await server.refresh(client, first["refresh_token"])).json()["error"] == "invalid_grant"


async def test_online_access_lasts_as_long_as_the_session(server: OAuth) -> None:
    scope = "openid online_access patient/*.rs"
    client = await server.public(scope=scope)
    _, session = await server.parts.sessions.start(server.account)
    first = await server.tokens(client, scope=scope, session=session.id)
    second = await server.refresh(client, first["refresh_token"])
    assert second.status_code == 200
    await server.parts.documents.remove(SESSIONS, session.id)
    assert (await server.refresh(client, second.json()["refresh_token"])).json()["error"] == "invalid_grant"


async def test_online_access_ends_with_the_longest_session(server: OAuth) -> None:
    scope = "online_access patient/*.rs"
    client = await server.public(scope=scope)
    _, session = await server.parts.sessions.start(server.account)
    first = await server.tokens(client, scope=scope, session=session.id)
    server.clock.at += 12 * 3600
    assert (await server.refresh(client, first["refresh_token"])).json()["error"] == "invalid_grant"


async def test_offline_access_outlives_the_session(server: OAuth) -> None:
    client = await server.public()
    _, session = await server.parts.sessions.start(server.account)
    first = await server.tokens(client, session=session.id)
    await server.parts.sessions.end(session.id)
    assert (await server.refresh(client, first["refresh_token"])).status_code == 200


async def test_without_either_scope_there_is_no_refresh_token(server: OAuth) -> None:
    client = await server.public()
    assert "refresh_token" not in await server.tokens(client, scope="openid patient/*.rs")


async def test_refresh_tokens_are_kept_as_digests(server: OAuth) -> None:
    client = await server.public()
    first = await server.tokens(client)
    assert first["refresh_token"] not in str(await server.parts.documents.find(REFRESH_TOKENS, {}))


@pytest.mark.race
async def test_over_a_real_database_too_parallel_refreshes_all_get_an_answer(
    mongodb_uri: str, database_name: str
) -> None:
    from fhir_server.store import mongo
    from fhir_server.store.documents import DatabaseDocuments

    database = mongo.connect(mongodb_uri, database_name)
    try:
        async with oauth_server(DatabaseDocuments(database, Change)) as server:
            client = await server.public()
            first = await server.tokens(client)
            responses = await asyncio.gather(*(server.refresh(client, first["refresh_token"]) for _ in range(10)))
            assert [response.status_code for response in responses] == [200] * 10
            newest = [token for token in await server.parts.documents.find(REFRESH_TOKENS, {}) if not token["used_at"]]
            assert len(newest) == 1
    finally:
        await mongo.close(database)
