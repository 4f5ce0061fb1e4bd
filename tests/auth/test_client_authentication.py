"""A client proves who it is by the one method it is registered for; what is wrong is never a 5xx, nor a hint."""

import asyncio
import base64
import hmac
import json
import warnings
from typing import Any

import pytest
from joserfc.jwk import ECKey, RSAKey

from tests.auth.oauth import EC_KEY, ORIGIN, RSA_KEY, TOKEN_URL, VERIFIER, OAuth, basic, signed

JWKS_URI = "https://backend.test/jwks.json"


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


async def refused(server: OAuth, assertion: str, status: int = 400, **fields: str | None) -> None:
    response = await server.by_assertion(assertion, **fields)
    assert (response.status_code, response.json()["error"]) == (status, "invalid_client"), response.text


async def test_an_unknown_client_by_basic_is_a_401_with_a_challenge(server: OAuth) -> None:
    form = {"grant_type": "authorization_code", "code": "x"}
    response = await server.http.post("/auth/token", data=form, headers=basic("nobody", "secret"))
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")
    assert response.headers["www-authenticate"].startswith("Basic ")


async def test_a_wrong_secret_and_an_unknown_client_look_alike(server: OAuth) -> None:
    client, _ = await server.app()
    form = {"grant_type": "authorization_code", "code": "x"}
    wrong = await server.http.post("/auth/token", data=form, headers=basic(client.id, "wrong"))
    unknown = await server.http.post("/auth/token", data=form, headers=basic("nobody", "wrong"))
    assert (wrong.status_code, wrong.content) == (unknown.status_code, unknown.content)


@pytest.mark.parametrize(
    "header",
    ["Basic", "Basic ", "Basic !!!", "Basic " + base64.b64encode(b"\xff:x").decode(), "Basic bm9jb2xvbg==", "Bearer x"],
)
async def test_a_malformed_authorization_header_is_a_401(server: OAuth, header: str) -> None:
    form = {"grant_type": "authorization_code", "code": "x"}
    response = await server.http.post("/auth/token", data=form, headers={"Authorization": header})
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("registered", ["client_secret_basic", "client_secret_post"])
async def test_a_secret_is_taken_the_way_it_was_registered_and_no_other(server: OAuth, registered: str) -> None:
    client, secret = await server.app(auth_method=registered)
    by_basic = await server.exchange(client, await server.code(client), secret)
    in_body = await server.exchange(client, await server.code(client), client_secret=secret)
    assert (by_basic.status_code == 200) == (registered == "client_secret_basic")
    assert (in_body.status_code == 200) == (registered == "client_secret_post")


async def test_a_confidential_client_cannot_pass_for_a_public_one(server: OAuth) -> None:
    client, _ = await server.app()
    response = await server.exchange(client, await server.code(client))
    assert (response.status_code, response.json()["error"]) == (400, "invalid_client")


async def test_a_client_id_that_is_not_the_one_of_basic_is_refused(server: OAuth) -> None:
    client, secret = await server.app()
    response = await server.exchange(client, await server.code(client), secret, client_id="another")
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


async def test_without_any_client_the_answer_is_invalid_client(server: OAuth) -> None:
    response = await server.post("token", {"grant_type": "authorization_code", "code": "x"})
    assert (response.status_code, response.json()["error"]) == (400, "invalid_client")


@pytest.mark.parametrize(("algorithm", "key"), [("RS384", RSA_KEY), ("ES384", EC_KEY)])
async def test_both_algorithms_of_smart_are_taken(server: OAuth, algorithm: str, key: Any) -> None:
    client = await server.backend()
    assertion = signed(server.claims(client), {"alg": algorithm, "kid": key.kid}, key)
    assert (await server.by_assertion(assertion)).status_code == 200


async def test_an_app_with_a_key_exchanges_its_code_by_an_assertion(server: OAuth) -> None:
    client = await server.backend(grant_types=("authorization_code",), scope="openid patient/*.rs")
    code = await server.code(client, scope="openid patient/*.rs")
    fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": "https://app.test/callback"}
    response = await server.by_assertion(server.assertion(client), **fields, code_verifier=VERIFIER, scope=None)
    assert response.status_code == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "another"},
        {"iss": None},
        {"sub": "another"},
        {"sub": None},
        {"sub": ["x"]},
        {"sub": "\ud800"},
        {"aud": f"{ORIGIN}/fhir"},
        {"aud": TOKEN_URL + "/"},
        {"aud": ["https://other.test/token"]},
        {"aud": None},
        {"aud": {"x": 1}},
        {"exp": None},
        {"exp": "soon"},
        {"exp": True},
        {"exp": 1e300},
        {"exp": 1_800_000_000 - 6},
        {"exp": 1_800_000_000 + 306},
        {"nbf": 1_800_000_000 + 200},
        {"iat": 1_800_000_000 + 200},
        {"jti": None},
        {"jti": ""},
        {"jti": 7},
        {"jti": "x" * 257},
        {"jti": "\ud800"},
    ],
    ids=str,
)
async def test_an_assertion_that_is_not_for_us_now_and_by_the_client_is_refused(
    server: OAuth, claims: dict[str, Any]
) -> None:
    await refused(server, server.assertion(await server.backend(), **claims))


@pytest.mark.parametrize(
    "header",
    [{"kid": "unknown"}, {"kid": None}, {"jku": JWKS_URI}, {"crit": ["b64"], "b64": True}, {"b64": True}],
    ids=str,
)
async def test_an_assertion_whose_header_points_elsewhere_is_refused(server: OAuth, header: dict[str, Any]) -> None:
    try:
        assertion = server.assertion(await server.backend(), header)
    except Exception:
        # The library does not make such a thing; written by hand it is refused before its signature is looked at.
        written = json.dumps({"alg": "RS384", "kid": "rsa-1", **header}).encode()
        assertion = f"{encoded(written)}.e30.AAAA"
    await refused(server, assertion)


async def test_an_assertion_signed_by_another_key_of_the_same_kid_is_refused(server: OAuth) -> None:
    client = await server.backend()
    stranger = RSAKey.generate_key(2048, {"kid": "rsa-1"})
    await refused(server, signed(server.claims(client), {"alg": "RS384", "kid": "rsa-1"}, stranger))


@pytest.mark.parametrize("algorithm", ["none", "RS256", "RS512", "PS384", "ES256"])
async def test_no_other_algorithm_is_taken(server: OAuth, algorithm: str) -> None:
    client = await server.backend()
    key = ECKey.generate_key("P-256") if algorithm == "ES256" else RSA_KEY
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assertion = signed(server.claims(client), {"alg": algorithm, "kid": "rsa-1"}, key)
    await refused(server, assertion)


@pytest.mark.parametrize("algorithm", ["sha256", "sha384"])
async def test_a_public_key_is_not_the_secret_of_a_mac(server: OAuth, algorithm: str) -> None:
    client = await server.backend()
    header = {"alg": algorithm.replace("sha", "HS"), "kid": "rsa-1", "typ": "JWT"}
    text = ".".join(encoded(json.dumps(each).encode()) for each in (header, server.claims(client)))
    mac = hmac.digest(RSA_KEY.as_pem(private=False), text.encode(), algorithm)
    await refused(server, f"{text}.{encoded(mac)}")


async def test_a_key_of_one_algorithm_does_not_verify_the_other(server: OAuth) -> None:
    client = await server.backend()
    await refused(server, signed(server.claims(client), {"alg": "RS384", "kid": "ec-1"}, RSA_KEY))
    await refused(server, signed(server.claims(client), {"alg": "ES384", "kid": "rsa-1"}, EC_KEY))


@pytest.mark.parametrize("assertion", ["", "a", "a.b.c", "e30.e30.e30", "....", "W10.W10.AA", "x" * 20_000, "é.é.é"])
async def test_what_is_no_jwt_is_refused(server: OAuth, assertion: str) -> None:
    await refused(server, assertion)


async def test_another_assertion_type_is_refused(server: OAuth) -> None:
    assertion = server.assertion(await server.backend())
    await refused(server, assertion, client_assertion_type="not_an_assertion_type")
    await refused(server, assertion, client_assertion_type=None)


async def test_a_client_id_beside_an_assertion_must_be_its_own(server: OAuth) -> None:
    client = await server.backend()
    await refused(server, server.assertion(client), client_id="another")
    assert (await server.by_assertion(server.assertion(client), client_id=client.id)).status_code == 200


async def test_a_jti_is_good_once_even_for_many_at_the_same_time(server: OAuth) -> None:
    client, other = await server.backend(), await server.backend()
    assertion = server.assertion(client, jti="once")
    responses = await asyncio.gather(*(server.by_assertion(assertion) for _ in range(10)))
    assert sorted(response.status_code for response in responses) == [200] + [400] * 9
    # Another client's jti is its own.
    assert (await server.by_assertion(server.assertion(other, jti="once"))).status_code == 200
    server.clock.at += 304
    await refused(server, assertion)


async def test_an_assertion_that_was_refused_has_not_used_up_its_jti(server: OAuth) -> None:
    client = await server.backend()
    await refused(server, server.assertion(client, jti="j", aud="https://other.test"))
    assert (await server.by_assertion(server.assertion(client, jti="j"))).status_code == 200


async def test_a_symmetric_client_cannot_come_by_an_assertion(server: OAuth) -> None:
    client, _ = await server.app(jwks={"keys": [RSA_KEY.as_dict(private=False)]})
    await refused(server, server.assertion(client))


async def test_a_short_rsa_key_does_not_count(server: OAuth) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        short = RSAKey.generate_key(1024, {"kid": "rsa-1"})
        client = await server.backend(jwks={"keys": [short.as_dict(private=False)]})
        await refused(server, signed(server.claims(client), {"alg": "RS384", "kid": "rsa-1"}, short))
