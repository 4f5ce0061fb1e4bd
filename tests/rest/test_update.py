"""update, create by update, conditional update, delete: https://hl7.org/fhir/R4/http.html#update"""

from typing import Any

import httpx
import pytest

from tests.rest.conftest import created, numbers, patient, texts


def test_an_update_makes_the_next_version(api: httpx.Client) -> None:
    stored = created(api, patient())
    response = api.put(f"Patient/{stored['id']}", json=stored | {"active": False})
    assert response.status_code == 200
    assert response.json()["meta"]["versionId"] == "2"
    assert response.headers["etag"] == 'W/"2"'
    assert response.headers["location"].endswith(f"/Patient/{stored['id']}/_history/2")
    assert response.json()["active"] is False


def test_an_update_to_a_free_id_creates_it(api: httpx.Client, unique: str) -> None:
    response = api.put(f"Patient/{unique}", json=patient(id=unique))
    assert response.status_code == 201
    assert api.get(f"Patient/{unique}").json()["id"] == unique


def test_a_deleted_resource_comes_back_with_the_next_number(api: httpx.Client) -> None:
    stored = created(api, patient())
    assert api.delete(f"Patient/{stored['id']}").status_code == 204
    response = api.put(f"Patient/{stored['id']}", json=stored)
    assert response.status_code == 201
    assert response.json()["meta"]["versionId"] == "3"
    assert api.get(f"Patient/{stored['id']}").status_code == 200


def test_if_match_lets_only_the_current_version_be_replaced(api: httpx.Client) -> None:
    stored = created(api, patient())
    fine = api.put(f"Patient/{stored['id']}", json=stored, headers={"if-match": 'W/"1"'})
    stale = api.put(f"Patient/{stored['id']}", json=stored, headers={"if-match": 'W/"1"'})
    assert (fine.status_code, stale.status_code) == (200, 412)
    assert numbers(stale) == ["2004"]
    assert "version 2" in texts(stale)


def test_if_match_any_asks_only_that_the_resource_exists(api: httpx.Client, unique: str) -> None:
    stored, any_version = created(api, patient()), {"if-match": "*"}
    assert api.put(f"Patient/{stored['id']}", json=stored, headers=any_version).status_code == 200
    assert api.delete(f"Patient/{stored['id']}", headers=any_version).status_code == 204
    assert api.put(f"Patient/{stored['id']}", json=stored, headers=any_version).status_code == 412
    assert api.put(f"Patient/{unique}", json=patient(id=unique), headers=any_version).status_code == 412


def test_if_match_on_what_does_not_exist_is_a_412(api: httpx.Client, unique: str) -> None:
    assert api.put(f"Patient/{unique}", json=patient(id=unique), headers={"if-match": 'W/"1"'}).status_code == 412
    assert api.get(f"Patient/{unique}").status_code == 404


@pytest.mark.parametrize("tag", ["", "W/", 'W/"1", W/"2"'])
def test_an_if_match_that_names_no_single_version_is_a_400(api: httpx.Client, tag: str) -> None:
    stored = created(api, patient())
    response = api.put(f"Patient/{stored['id']}", json=stored, headers={"if-match": tag})
    assert response.status_code == 400


def test_if_none_match_any_keeps_an_existing_resource(api: httpx.Client) -> None:
    stored = created(api, patient())
    response = api.put(f"Patient/{stored['id']}", json=stored, headers={"if-none-match": "*"})
    assert response.status_code == 412


@pytest.mark.parametrize("body_id", [None, "another"])
def test_the_id_in_the_body_must_be_the_one_in_the_url(api: httpx.Client, unique: str, body_id: str | None) -> None:
    body: dict[str, Any] = patient(id=body_id) if body_id else patient()
    response = api.put(f"Patient/{unique}", json=body)
    assert response.status_code == 400
    assert numbers(response) == ["2008"]


@pytest.mark.parametrize("bad", ["has_underscore", "x" * 65, "späce"])
def test_an_id_that_fhir_does_not_allow_is_a_400(api: httpx.Client, bad: str) -> None:
    assert api.put(f"Patient/{bad}", json=patient(id=bad)).status_code == 400


def test_deleting_twice_or_what_never_was_is_quietly_fine(api: httpx.Client, unique: str) -> None:
    stored = created(api, patient())
    assert api.delete(f"Patient/{stored['id']}").status_code == 204
    assert api.delete(f"Patient/{stored['id']}").status_code == 204
    assert api.delete(f"Patient/{unique}").status_code == 204
    history = api.get(f"Patient/{stored['id']}/_history").json()
    assert [entry["request"]["method"] for entry in history["entry"]] == ["DELETE", "POST"]


def test_a_deleted_resource_is_not_found_by_search(api: httpx.Client, unique: str) -> None:
    stored = created(api, patient(identifier=[{"system": "urn:test", "value": unique}]))
    assert api.get("Patient", params={"identifier": unique}).json()["total"] == 1
    api.delete(f"Patient/{stored['id']}")
    assert api.get("Patient", params={"identifier": unique}).json()["total"] == 0
    assert api.get("Patient", params={"_id": stored["id"]}).json()["total"] == 0


def test_a_conditional_update_creates_then_updates_the_one_match(api: httpx.Client, unique: str) -> None:
    resource = patient(identifier=[{"system": "urn:test", "value": unique}])
    url = f"Patient?identifier=urn:test|{unique}"
    first, second = api.put(url, json=resource), api.put(url, json=resource | {"active": True})
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json()["id"] == first.json()["id"]
    assert second.json()["meta"]["versionId"] == "2"
    created(api, resource)
    assert api.put(url, json=resource).status_code == 412


def test_a_conditional_delete_removes_one_match_and_refuses_several(api: httpx.Client, unique: str) -> None:
    resource = patient(identifier=[{"system": "urn:test", "value": unique}])
    first = created(api, resource)
    url = f"Patient?identifier=urn:test|{unique}"
    second = created(api, resource)
    assert api.delete(url).status_code == 412
    api.delete(f"Patient/{second['id']}")
    assert api.delete(url).status_code == 204
    assert api.get(f"Patient/{first['id']}").status_code == 410
    assert api.delete(url).status_code == 204
    assert api.delete("Patient").status_code == 412


def test_only_changes_leaves_an_equal_resource_at_its_version(api: httpx.Client) -> None:
    stored = created(api, patient())
    preference = {"prefer": "only-changes"}
    same = api.put(f"Patient/{stored['id']}", json=stored, headers=preference)
    assert same.json()["meta"]["versionId"] == "1"
    assert (
        api.put(f"Patient/{stored['id']}", json=stored | {"active": True}, headers=preference).headers["etag"]
        == 'W/"2"'
    )
    assert api.put(f"Patient/{stored['id']}", json=stored | {"active": True}).headers["etag"] == 'W/"3"'
