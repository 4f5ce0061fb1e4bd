"""1.5 OpenID Connect: the id token, the keys that prove it, and who it says was there."""

import time
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.conformance.smart_kit.app import SITE, Json
from tests.conformance.smart_kit.kit import Kit, Launched

pytestmark = pytest.mark.slow


async def _configuration(kit: Kit, launched: Launched) -> Json:
    """Found by the issuer that the token itself names."""
    claims = jwt.decode(launched.answer["id_token"], await _keys(kit), algorithms=["RS256"]).claims
    answer = await kit.http.get(f"{claims['iss'].removesuffix('/')}/.well-known/openid-configuration")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("application/json")
    return answer.json()


async def _keys(kit: Kit) -> KeySet:
    answer = await kit.http.get(kit.smart["jwks_uri"])
    assert answer.status_code == 200
    return KeySet.import_key_set(answer.json())


async def _token(kit: Kit, launched: Launched) -> Any:
    return jwt.decode(launched.answer["id_token"], await _keys(kit), algorithms=["RS256"])


async def test_the_configuration_says_what_openid_asks_for(kit: Kit, standalone: Launched) -> None:
    configuration = await _configuration(kit, standalone)
    for name in ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri"):
        assert configuration[name]
    assert configuration["response_types_supported"] and configuration["subject_types_supported"]
    assert "RS256" in configuration["id_token_signing_alg_values_supported"]
    assert configuration["jwks_uri"] == kit.smart["jwks_uri"]


async def test_the_keys_are_rsa_and_public(kit: Kit) -> None:
    keys = (await _keys(kit)).keys
    assert keys and all(key.key_type == "RSA" and not key.is_private for key in keys)


async def test_the_id_token_is_signed_by_a_listed_key(kit: Kit, each_launch: Launched) -> None:
    token = await _token(kit, each_launch)
    assert token.header["alg"] == "RS256"
    assert token.header["kid"] in [key.kid for key in (await _keys(kit)).keys]


async def test_the_id_token_says_for_whom_by_whom_and_until_when(kit: Kit, each_launch: Launched) -> None:
    claims = (await _token(kit, each_launch)).claims
    assert claims["iss"] == (await _configuration(kit, each_launch))["issuer"]
    assert claims["aud"] in (each_launch.app.client_id, [each_launch.app.client_id])
    assert claims["exp"] > time.time() and claims["iat"] <= time.time() + 60
    assert 0 < len(claims["sub"].strip()) < 256


async def test_who_signed_in_is_read(kit: Kit, standalone: Launched, ehr: Launched) -> None:
    for launched, kind in ((standalone, "Patient"), (ehr, "Practitioner")):
        url = (await _token(kit, launched)).claims["fhirUser"]
        assert url.split("/")[-2] == kind
        read = await kit.http.get(url, headers={**launched.bearer, "Origin": SITE})
        assert read.status_code == 200 and read.json()["resourceType"] == kind
        assert read.headers["access-control-allow-origin"] == SITE


async def test_a_nonce_comes_back(kit: Kit, apps: Any, patient: Any) -> None:
    launched = await kit.launch(apps["public"], patient, "openid launch/patient", nonce="n-0S6_WzA2Mj")
    assert (await _token(kit, launched)).claims["nonce"] == "n-0S6_WzA2Mj"
