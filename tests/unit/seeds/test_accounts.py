"""The accounts that people try the server with: of each kind, about people who are there, with keys that fit."""

from base64 import b32decode
from datetime import date
from typing import Any, cast

import pytest
from joserfc.jwk import KeySet, import_key

from seeds.accounts import clients, dod_id, private_key, users
from seeds.population import demo
from tests.require import ROOT


@pytest.fixture(scope="module")
def ids() -> set[str]:
    return {f"{each['resourceType']}/{each['id']}" for each in demo(date(2026, 11, 22))}


def test_there_is_somebody_of_each_kind() -> None:
    assert {each.kind for each in users()} == {"patient", "practitioner", "officer", "admin"}


def test_clinicians_come_from_every_agency() -> None:
    agencies = {each.agency for each in users() if each.kind == "practitioner"}
    assert agencies == {f"urn:fhir-server:agency:{name}" for name in ("va", "dod", "uscg", "noaa")}


def test_nobody_has_more_than_their_own_record_by_word() -> None:
    assert {len(each.patients) for each in users() if each.kind == "patient"} == {1}


def test_somebody_is_of_level_one_and_somebody_has_a_second_factor() -> None:
    assert {each.level for each in users()} == {"level1", "level2"}
    secrets = [each.totp_secret for each in users() if each.totp_secret]
    assert secrets and all(len(b32decode(each)) == 20 for each in secrets)


def test_a_designed_person_has_the_dod_id_of_their_patient() -> None:
    patients = {each["id"]: each for each in demo(date(2026, 11, 22)) if each["resourceType"] == "Patient"}
    for user in users():
        for id in user.patients:
            assert dod_id(id) in {each.get("value") for each in patients[id]["identifier"]}
    assert dod_id("nobody") is None


def test_who_acts_for_whom_follows_from_the_records() -> None:
    resources = demo(date(2026, 11, 22))
    found = {
        each["id"]: {link["target"]["reference"] for link in each["link"]}
        for each in resources
        if each["resourceType"] == "Person"
    }
    children = {f"RelatedPerson/rivera-{each}-sponsor" for each in ("sofia", "mateo", "lucia", "tomas")}
    assert children | {"RelatedPerson/ortega-carmen-sponsor"} <= found["rivera-ana-person"]
    assert "RelatedPerson/nakamura-kenji-agent" in found["nakamura-emi-person"]


def test_usernames_and_client_ids_are_given_once() -> None:
    assert len({each.username for each in users()}) == len(users())
    assert len({each.client_id for each in clients()}) == len(clients())


def test_everybody_is_somebody_of_the_population(ids: set[str]) -> None:
    for each in users():
        assert each.fhir_user is None or each.fhir_user in ids, each.username
        assert {f"Patient/{id}" for id in each.patients} <= ids, each.username


def test_a_patient_acts_for_itself_first() -> None:
    for each in users():
        if each.kind == "patient":
            assert each.fhir_user == f"Patient/{each.patients[0]}"
        else:
            assert each.patients == ()


def test_there_is_a_client_of_each_kind() -> None:
    methods = {each.token_endpoint_auth_method for each in clients()}
    assert methods == {"none", "client_secret_basic", "private_key_jwt"}
    assert any(each.initiate_login_uri for each in clients())
    assert any(each.may_introspect for each in clients())
    agencies = {each.agency for each in clients() if "client_credentials" in each.grant_types}
    assert agencies == {f"urn:fhir-server:agency:{name}" for name in ("va", "dod", "uscg", "noaa")}


def test_each_public_key_is_that_of_its_private_one() -> None:
    signing = [each for each in clients() if each.token_endpoint_auth_method == "private_key_jwt"]
    for each in signing:
        assert each.jwks is not None
        (public,) = KeySet.import_key_set(cast("Any", each.jwks)).keys
        assert "d" not in each.jwks["keys"][0]
        key = import_key(private_key(each.client_id))
        assert key.thumbprint() == public.thumbprint()
    assert {each.jwks["keys"][0]["alg"] for each in signing if each.jwks} == {"RS384", "ES384"}


def test_the_readme_shows_them_all() -> None:
    page = (ROOT / "seeds" / "README.md").read_text(encoding="utf-8")
    for user in users():
        assert f"| `{user.username}` | `{user.password}` | {user.kind} |" in page, user.username
    for client in clients():
        assert f"| `{client.client_id}` |" in page, client.client_id
