"""Whatever a field of an OAuth endpoint holds, the answer is a refusal that says what is wrong, never a failure."""

import asyncio

import pytest

from smart_auth.documents import Change
from tests.auth.oauth import ASSERTION_TYPE, OAuth, oauth_server

ODD = [
    " ",
    "\x00",
    "\n",
    "é\u202e\ufffd",
    "{}",
    "[]",
    '{"$ne": null}',
    "$where",
    "../../etc/passwd",
    "a.b.c",
    "..",
    "eyJhbGciOiJub25lIn0.e30.",
    "x" * 30_000,
    "%ff",
    "null",
    "-1",
]

FIELDS = {
    "token": [
        *(
            "grant_type",
            "code",
            "redirect_uri",
            "code_verifier",
            "client_id",
            "client_secret",
            "refresh_token",
            "scope",
        ),
        *("launch", "client_assertion", "client_assertion_type"),
    ],
    "introspect": ["token", "client_id", "client_secret", "client_assertion"],
    "revoke": ["token", "client_id", "token_type_hint"],
}

USUAL = {
    "authorization_code": {"code": "c", "redirect_uri": "https://app.test/callback", "code_verifier": "v"},
    "refresh_token": {"refresh_token": "r", "scope": "openid"},
    "client_credentials": {
        "scope": "system/*.rs",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": "a.b.c",
    },
}


@pytest.mark.parametrize("grant_type", USUAL)
async def test_no_field_of_the_token_endpoint_makes_it_fail(server: OAuth, grant_type: str) -> None:
    client = await server.public()
    usual = {"grant_type": grant_type, "client_id": client.id, **USUAL[grant_type]}
    for name in FIELDS["token"]:
        for value in ODD:
            response = await server.http.post("/auth/token", data={**usual, name: value})
            assert 400 <= response.status_code < 500, (name, value, response.text)
            assert {"error", "error_description", "error_uri"} == response.json().keys()


@pytest.mark.parametrize("endpoint", ["introspect", "revoke"])
async def test_no_field_of_the_other_endpoints_makes_them_fail(server: OAuth, endpoint: str) -> None:
    client, secret = await server.app(auth_method="client_secret_post")
    usual = {"token": "t", "client_id": client.id, "client_secret": secret}
    for name in FIELDS[endpoint]:
        for value in ODD:
            response = await server.http.post(f"/auth/{endpoint}", data={**usual, name: value})
            assert response.status_code < 500, (name, value, response.text)


@pytest.mark.race
async def test_over_a_real_database_neither_odd_fields_nor_replays_pass(mongodb_uri: str, database_name: str) -> None:
    from fhir_server.store import mongo
    from fhir_server.store.documents import DatabaseDocuments

    database = mongo.connect(mongodb_uri, database_name)
    try:
        async with oauth_server(DatabaseDocuments(database, Change)) as server:
            client = await server.public()
            for value in ODD:
                form = {"grant_type": "authorization_code", "client_id": client.id, "code": value}
                assert (await server.http.post("/auth/token", data=form)).status_code == 400
                form = {"grant_type": "authorization_code", "client_id": value, "code": "c"}
                assert (await server.http.post("/auth/token", data=form)).status_code == 400
            assertion = server.assertion(await server.backend(), jti="once")
            responses = await asyncio.gather(*(server.by_assertion(assertion) for _ in range(10)))
            assert sorted(response.status_code for response in responses) == [200] + [400] * 9
    finally:
        await mongo.close(database)
