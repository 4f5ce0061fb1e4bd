"""1.9 Asymmetric client authentication: assertions as the kits make them, and those that prove nothing."""

import time
from typing import Any

import httpx
import pytest
from joserfc.jwk import RSAKey

from tests.conformance.smart_kit.app import App, by_assertion
from tests.conformance.smart_kit.kit import Kit, Launched
from tests.conformance.smart_kit.person import Person
from tests.conformance.smart_kit.scopes import FIXED

pytestmark = pytest.mark.slow

SCOPE = " ".join((*FIXED, "patient/Patient.rs"))


async def _asked(kit: Kit, assertion: str) -> httpx.Response:
    """A backend service's request with this assertion."""
    form = {"grant_type": "client_credentials", "scope": "system/Patient.rs", **by_assertion(assertion)}
    return await kit.http.post(kit.smart["token_endpoint"], data=form)


@pytest.mark.parametrize("algorithm", ["RS384", "ES384"])
@pytest.mark.parametrize("kind", ["asymmetric", "asymmetric-by-url"])
async def test_an_app_proves_itself_at_each_exchange(
    kit: Kit, apps: dict[str, App], patient: Person, kind: str, algorithm: str
) -> None:
    app = App(apps[kind].client_id, "private_key_jwt", algorithm=algorithm)
    launched = await kit.launch(app, patient, SCOPE)
    assert launched.answer["id_token"]
    assert (await kit.get(f"Patient/{launched.patient}", launched)).status_code == 200
    assert (await kit.refresh(app, launched.answer["refresh_token"])).status_code == 200


async def test_an_app_with_a_key_is_nobody_without_it(kit: Kit, asymmetric: Launched) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": asymmetric.answer["refresh_token"]}
    for given in ({}, {"client_id": asymmetric.app.client_id}):
        refused = await kit.http.post(kit.smart["token_endpoint"], data={**form, **given})
        assert refused.status_code == 400 and refused.json()["error"] == "invalid_client", refused.text


async def test_the_registered_address_of_the_keys_may_be_named(kit: Kit, apps: dict[str, App], jwks_site: str) -> None:
    assertion = apps["backend-by-url"].assertion(kit.smart["token_endpoint"], {"jku": f"{jwks_site}/jwks.json"})
    assert (await _asked(kit, assertion)).status_code == 200


@pytest.mark.parametrize("kind", ["backend", "backend-by-url"])
async def test_another_address_of_keys_is_not_looked_at(
    kit: Kit, apps: dict[str, App], jwks_site: str, kind: str
) -> None:
    # Inferno's own refreshing names such an address, which is why tokens last longer than its runs.
    assertion = apps[kind].assertion(kit.smart["token_endpoint"], {"jku": f"{jwks_site}/inferno/jwks.json"})
    refused = await _asked(kit, assertion)
    assert refused.status_code == 400 and refused.json()["error"] == "invalid_client"


WRONG: dict[str, dict[str, Any]] = {
    "expired": {"exp": int(time.time()) - 60},
    "too long": {"exp": int(time.time()) + 3600},
    "another audience": {"aud": "https://elsewhere.example.org/token"},
    "another issuer": {"iss": "not_a_valid_iss"},
    "another subject": {"sub": "somebody-else"},
    "another key": {"key": RSAKey.generate_key(2048, {"kid": "kit-RS384"})},
    "an unknown kid": {"header": {"kid": "unknown"}},
    "no jti": {"jti": None},
}


@pytest.mark.parametrize("how", WRONG)
@pytest.mark.parametrize("kind", ["backend", "backend-by-url"])
async def test_an_assertion_that_proves_nothing_is_refused(kit: Kit, apps: dict[str, App], kind: str, how: str) -> None:
    refused = await _asked(kit, apps[kind].assertion(kit.smart["token_endpoint"], **WRONG[how]))
    assert refused.status_code == 400 and refused.json()["error"] == "invalid_client", refused.text


async def test_an_assertion_is_used_once(kit: Kit, apps: dict[str, App]) -> None:
    assertion = apps["backend"].assertion(kit.smart["token_endpoint"])
    assert (await _asked(kit, assertion)).status_code == 200
    again = await _asked(kit, assertion)
    assert again.status_code == 400 and again.json()["error"] == "invalid_client"


async def test_an_unsigned_assertion_is_refused(kit: Kit, apps: dict[str, App]) -> None:
    signed = apps["backend"].assertion(kit.smart["token_endpoint"])
    claims = signed.split(".")[1]
    unsigned = f"eyJhbGciOiJub25lIiwia2lkIjoia2l0LVJTMzg0In0.{claims}."
    assert (await _asked(kit, unsigned)).status_code == 400
