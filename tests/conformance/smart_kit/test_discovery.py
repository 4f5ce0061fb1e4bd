"""1.1 Discovery: what the kits look for before anything else."""

from urllib.parse import urlsplit

import pytest

from tests.conformance.smart_kit.kit import Kit

pytestmark = pytest.mark.slow

STANDALONE = (
    "launch-standalone client-public client-confidential-symmetric client-confidential-asymmetric sso-openid-connect "
    "context-standalone-patient permission-offline permission-patient authorize-post permission-v2 permission-v1"
)
EHR = (
    "launch-ehr client-confidential-symmetric client-confidential-asymmetric sso-openid-connect context-banner "
    "context-style context-ehr-patient context-ehr-encounter permission-offline permission-user authorize-post "
    "permission-v2 permission-v1"
)


async def test_the_configuration_is_json_for_everybody(kit: Kit) -> None:
    answer = await kit.get(".well-known/smart-configuration", Accept="application/json")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.json() == kit.smart


async def test_required_fields_are_there_in_their_types(kit: Kit) -> None:
    for name in ("issuer", "jwks_uri", "authorization_endpoint", "token_endpoint"):
        assert isinstance(kit.smart[name], str) and kit.smart[name].strip()
    for name in ("capabilities", "grant_types_supported", "code_challenge_methods_supported", "scopes_supported"):
        assert kit.smart[name] and all(isinstance(each, str) for each in kit.smart[name])
    assert "authorization_code" in kit.smart["grant_types_supported"]
    assert kit.smart["code_challenge_methods_supported"] == ["S256"]


@pytest.mark.parametrize("needed", [STANDALONE, EHR], ids=["standalone", "ehr"])
async def test_capabilities_are_those_of_g10(kit: Kit, needed: str) -> None:
    assert set(needed.split()) <= set(kit.smart["capabilities"])


async def test_every_address_is_absolute(kit: Kit) -> None:
    named = {name: value for name, value in kit.smart.items() if name.endswith(("_endpoint", "_uri"))}
    assert {"introspection_endpoint", "management_endpoint", "registration_endpoint", "revocation_endpoint"} <= {*named}
    assert all(urlsplit(value).scheme and urlsplit(value).netloc for value in named.values())


async def test_scopes_of_version_2_are_named(kit: Kit) -> None:
    assert "patient/Patient.rs" in kit.smart["scopes_supported"]
    granular = [each for each in kit.smart["scopes_supported"] if each.startswith("patient/Observation.rs?category=")]
    assert any(each.endswith("us-core-category|sdoh") for each in granular)


async def test_bulk_data_clients_find_how_to_authenticate(kit: Kit) -> None:
    assert "private_key_jwt" in kit.smart["token_endpoint_auth_methods_supported"]
    assert {"RS384", "ES384"} <= set(kit.smart["token_endpoint_auth_signing_alg_values_supported"])


@pytest.mark.parametrize("path", [".well-known/smart-configuration", "metadata"])
async def test_any_page_may_read_it(kit: Kit, path: str) -> None:
    answer = await kit.get(path, Origin="https://anywhere.example.org")
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] in ("*", "https://anywhere.example.org")


async def test_the_capability_statement_needs_no_token(kit: Kit) -> None:
    stated = (await kit.get("metadata")).json()
    assert stated["resourceType"] == "CapabilityStatement" and stated["fhirVersion"] == "4.0.1"
    assert {"json", "application/json", "application/fhir+json"} & set(stated["format"])
