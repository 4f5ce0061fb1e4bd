"""An authorization code becomes tokens once, for the client, the address and the verifier it was made for."""

import asyncio
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from smart_auth.documents import Change
from smart_auth.settings import SmartSettings
from tests.auth.oauth import BASE, CHALLENGE, ORIGIN, VERIFIER, OAuth, basic, launched, oauth_server


async def test_a_confidential_client_gets_everything_it_was_granted(server: OAuth) -> None:
    client, secret = await server.app()
    response = await server.exchange(client, await server.code(client), secret)
    assert response.status_code == 200
    answer = response.json()
    assert answer["token_type"] == "Bearer"
    assert answer["expires_in"] == 1800
    assert answer["scope"] == "openid fhirUser launch/patient offline_access patient/*.rs"
    assert answer["patient"] == "p1"
    assert answer["smart_style_url"] == f"{ORIGIN}/auth/style"
    assert {"access_token", "refresh_token", "id_token"} <= answer.keys()
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["pragma"] == "no-cache"


async def test_a_public_client_needs_no_more_than_its_id_and_the_verifier(server: OAuth) -> None:
    client = await server.public()
    assert (await server.exchange(client, await server.code(client))).status_code == 200


async def test_the_id_token_says_who_signed_in_and_is_signed_by_a_published_key(server: OAuth) -> None:
    client = await server.public()
    answer = await server.tokens(client, nonce="n-1")
    keys = KeySet.import_key_set((await server.http.get("/auth/jwks")).json())
    token = jwt.decode(answer["id_token"], keys, algorithms=["RS256"])
    assert token.claims["iss"] == BASE
    assert token.claims["aud"] == client.id
    assert token.claims["sub"] == server.account.id
    assert token.claims["nonce"] == "n-1"
    assert token.claims["fhirUser"] == f"{BASE}/Patient/p1"
    assert token.claims["auth_time"] == server.clock.at - 5


async def test_an_ehr_launch_passes_its_context_on(server: OAuth) -> None:
    client = await server.public(scope="launch patient/*.rs")
    launch = launched(
        client,
        intent="reconcile-medications",
        fhir_context=({"reference": "ImagingStudy/i1"},),
        need_patient_banner=False,
    )
    answer = await server.tokens(client, scope="launch patient/*.rs", launch=launch, encounter="e1")
    assert answer["need_patient_banner"] is False
    assert answer["intent"] == "reconcile-medications"
    assert answer["fhirContext"] == [{"reference": "ImagingStudy/i1"}]
    assert answer["encounter"] == "e1"
    assert "id_token" not in answer
    assert "refresh_token" not in answer


@pytest.mark.parametrize(
    "verifier",
    [
        None,
        "",
        VERIFIER[:-1] + "y",
        CHALLENGE,
        VERIFIER + "\n",
        "short",
        "x" * 129,
    ],
    ids=["missing", "empty", "wrong", "the challenge itself", "with a line end", "too short", "too long"],
)
async def test_no_code_is_exchanged_without_the_verifier_it_was_made_for(server: OAuth, verifier: str | None) -> None:
    client, secret = await server.app()
    code = await server.code(client)
    response = await server.exchange(client, code, secret, code_verifier=verifier)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")
    # The mistake has not cost the client its code.
    assert (await server.exchange(client, code, secret)).status_code == 200


@pytest.mark.parametrize(
    "redirect_uri",
    [
        None,
        "https://app.test/callback/",
        "https://app.test/Callback",
        "https://app.test/callback?x=1",
        "https://evil.test/",
    ],
)
async def test_the_redirect_uri_must_be_the_one_the_code_was_sent_to(server: OAuth, redirect_uri: str | None) -> None:
    client, secret = await server.app()
    response = await server.exchange(client, await server.code(client), secret, redirect_uri=redirect_uri)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")


async def test_an_unknown_code_is_an_invalid_grant(server: OAuth) -> None:
    client, secret = await server.app()
    response = await server.exchange(client, "no-such-code", secret)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")
    assert response.headers["cache-control"] == "no-store"


async def test_a_code_of_another_client_is_refused_and_stays_good_for_its_own(server: OAuth) -> None:
    client, thief = await server.public(), await server.public()
    code = await server.code(client)
    assert (await server.exchange(thief, code)).json()["error"] == "invalid_grant"
    assert (await server.exchange(client, code)).status_code == 200
    # Nor can another client end what was granted by it.
    assert (await server.exchange(thief, code)).json()["error"] == "invalid_grant"
    assert len(await server.parts.grants.of_client(client.id)) == 1


async def test_a_code_is_good_for_a_minute(server: OAuth) -> None:
    client = await server.public()
    code = await server.code(client)
    server.clock.at += 60
    assert (await server.exchange(client, code)).json()["error"] == "invalid_grant"


async def test_a_code_used_twice_ends_what_it_had_given(server: OAuth) -> None:
    client = await server.public()
    code = await server.code(client)
    answer = (await server.exchange(client, code)).json()
    assert await server.status_of(answer["access_token"]) == 200
    assert (await server.exchange(client, code)).json()["error"] == "invalid_grant"
    assert await server.status_of(answer["access_token"]) == 401
    assert (await server.refresh(client, answer["refresh_token"])).json()["error"] == "invalid_grant"


async def test_of_twenty_exchanges_at_once_one_wins_and_then_its_tokens_end(server: OAuth) -> None:
    client = await server.public()
    await _race(server, await server.code(client), client)


async def test_a_code_replayed_after_its_end_still_ends_what_it_had_given(server: OAuth) -> None:
    client = await server.public()
    code = await server.code(client)
    answer = (await server.exchange(client, code)).json()
    server.clock.at += 300
    await server.exchange(client, code)
    assert await server.status_of(answer["access_token"]) == 401


async def test_what_was_revoked_before_the_exchange_gives_no_tokens(server: OAuth) -> None:
    client = await server.public()
    grant = await server.granted(client)
    code = await server.code(client, grant)
    await server.parts.grants.revoke(grant.id)
    assert (await server.exchange(client, code)).json()["error"] == "invalid_grant"


async def test_a_disabled_account_gets_no_tokens(server: OAuth) -> None:
    client = await server.public()
    code = await server.code(client)
    await server.parts.documents.change("accounts", server.account.id, {"is_disabled": True})
    assert (await server.exchange(client, code)).json()["error"] == "invalid_grant"


async def test_a_parameter_sent_twice_is_refused(server: OAuth) -> None:
    client = await server.public()
    form = f"grant_type=authorization_code&client_id={client.id}&code=a&code=b"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    response = await server.http.post("/auth/token", content=form, headers=headers)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        ('{"grant_type": "authorization_code"}', "application/json"),
        ("grant_type=%ff", "application/x-www-form-urlencoded"),
        ("&".join(f"a{n}=1" for n in range(500)), "application/x-www-form-urlencoded"),
        ("", "application/x-www-form-urlencoded"),
        ("grant_type=", "application/x-www-form-urlencoded"),
    ],
    ids=["JSON", "no UTF-8", "500 fields", "nothing", "no value"],
)
async def test_what_is_no_form_is_an_invalid_request(server: OAuth, content: str, content_type: str) -> None:
    response = await server.http.post("/auth/token", content=content, headers={"Content-Type": content_type})
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


async def test_a_body_that_does_not_end_is_cut_off(server: OAuth) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    response = await server.http.post("/auth/token", content="code=" + "x" * 70_000, headers=headers)
    assert (response.status_code, response.json()["error"]) == (413, "invalid_request")


async def test_an_unknown_grant_type_is_a_400_whoever_asks(server: OAuth) -> None:
    client, secret = await server.app()
    response = await server.post("token", {"grant_type": "not_a_grant_type"}, client, secret)
    assert (response.status_code, response.json()["error"]) == (400, "unsupported_grant_type")
    response = await server.post("token", {"grant_type": "not_a_grant_type"})
    assert (response.status_code, response.json()["error"]) == (400, "unsupported_grant_type")


async def test_a_client_uses_the_grants_it_is_registered_for(server: OAuth) -> None:
    client, secret = await server.app()
    response = await server.post("token", {"grant_type": "client_credentials", "scope": "system/*.rs"}, client, secret)
    assert (response.status_code, response.json()["error"]) == (400, "unauthorized_client")


async def test_each_exchange_and_each_refusal_is_in_the_audit_log(server: OAuth) -> None:
    client = await server.public()
    await server.tokens(client)
    await server.exchange(client, "no-such-code")
    await server.http.post("/auth/token", data={"grant_type": "authorization_code", "client_id": "nobody"})
    granted, refused, unknown = server.trail.events
    assert (granted.kind, granted.client_id, granted.account, granted.patient) == ("token", client.id, "a1", "p1")
    assert (refused.kind, refused.outcome, refused.client_id) == ("token-refused", "failed", client.id)
    assert (unknown.kind, unknown.client_id) == ("token-refused", None)


async def test_a_client_over_its_limit_is_told_when_to_come_back() -> None:
    async with oauth_server(settings=SmartSettings(token_requests_per_minute=2)) as server:
        client = await server.public()
        for _ in range(2):
            await server.exchange(client, "no-such-code")
        response = await server.exchange(client, "no-such-code")
        assert response.status_code == 429
        assert int(response.headers["retry-after"]) > 0
        await server.exchange(client, "no-such-code")
        assert server.trail.kinds() == ["token-refused", "token-refused", "throttled"]
        assert server.trail.events[-1].client_id == client.id


async def test_the_token_endpoint_answers_post_alone(server: OAuth) -> None:
    assert (await server.http.get("/auth/token?grant_type=authorization_code")).status_code == 405


async def test_basic_credentials_in_the_body_as_well_are_refused(server: OAuth) -> None:
    client, secret = await server.app()
    form = {"grant_type": "authorization_code", "code": "x", "client_secret": secret, "client_id": client.id}
    response = await server.http.post("/auth/token", data=form, headers=basic(client.id, secret))
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


@pytest.mark.race
async def test_over_a_real_database_too_one_of_twenty_exchanges_wins(mongodb_uri: str, database_name: str) -> None:
    from fhir_server.store import mongo
    from fhir_server.store.documents import DatabaseDocuments

    database = mongo.connect(mongodb_uri, database_name)
    try:
        async with oauth_server(DatabaseDocuments(database, Change)) as server:
            client = await server.public()
            # Twice, because on cold connections even no claim at all looks right.
            await _race(server, await server.code(client), client)
            await _race(server, await server.code(client), client)
    finally:
        await mongo.close(database)


async def _race(server: OAuth, code: str, client: Any) -> None:
    responses = await asyncio.gather(*(server.exchange(client, code) for _ in range(20)))
    won = [response.json() for response in responses if response.status_code == 200]
    assert len(won) == 1
    assert {each.json()["error"] for each in responses if each.status_code != 200} == {"invalid_grant"}
    assert await server.status_of(won[0]["access_token"]) == 401
    assert (await server.refresh(client, won[0]["refresh_token"])).json()["error"] == "invalid_grant"
