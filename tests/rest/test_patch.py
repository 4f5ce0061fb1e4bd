"""patch and conditional patch in all their forms: https://hl7.org/fhir/R4/http.html#patch"""

import json
from typing import Any

import httpx
import pytest

from tests.rest.conftest import created, numbers, observation, patient, texts

Json = dict[str, Any]

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
FHIR_JSON = "application/fhir+json"
DIV = '<div xmlns="http://www.w3.org/1999/xhtml">Synthia Testpatient</div>'


def send(api: httpx.Client, url: str, document: Any, form: str = JSON_PATCH, **headers: str) -> httpx.Response:
    """A PATCH; underscores in the names of headers stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return api.patch(url, content=body, headers={"content-type": form, **named})


def replaced(path: str, value: Any) -> list[Json]:
    return [{"op": "replace", "path": path, "value": value}]


def by_fhirpath(*operations: tuple[str, str, Json]) -> Json:
    """A FHIRPath Patch; each operation is its type, its path and its value's form with the value."""
    return {
        "resourceType": "Parameters",
        "parameter": [
            {
                "name": "operation",
                "part": [
                    {"name": "type", "valueCode": type},
                    {"name": "path", "valueString": path},
                    *([{"name": "value", **value}] if value else []),
                ],
            }
            for type, path, value in operations
        ],
    }


FORMS = {
    "JSON Patch": (JSON_PATCH, replaced("/name/0/family", "Changed")),
    "FHIRPath Patch": (FHIR_JSON, by_fhirpath(("replace", "Patient.name[0].family", {"valueString": "Changed"}))),
    "merge patch": (MERGE_PATCH, {"name": [{"family": "Changed", "given": ["Synthia"]}]}),
    "plain JSON, an array": ("application/json", replaced("/name/0/family", "Changed")),
    "plain JSON, an object": ("application/json", {"name": [{"family": "Changed", "given": ["Synthia"]}]}),
    "plain JSON, Parameters": (
        "application/json",
        by_fhirpath(("replace", "Patient.name[0].family", {"valueString": "Changed"})),
    ),
    "with a charset": (f"{JSON_PATCH}; charset=UTF-8", replaced("/name/0/family", "Changed")),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_patch_makes_the_next_version(api: httpx.Client, form: str) -> None:
    stored = created(api, patient(birthDate="1980-07-04"))
    media_type, document = FORMS[form]
    response = send(api, f"Patient/{stored['id']}", document, media_type)
    assert response.status_code == 200, response.text
    answered = response.json()
    assert answered["name"] == [{"family": "Changed", "given": ["Synthia"]}]
    assert answered["birthDate"] == "1980-07-04"
    assert answered["meta"]["versionId"] == "2"
    assert response.headers["etag"] == 'W/"2"'
    assert response.headers["location"].endswith(f"/Patient/{stored['id']}/_history/2")
    assert "last-modified" in response.headers
    assert api.get(f"Patient/{stored['id']}").json() == answered


def test_what_a_patch_leaves_alone_stays_to_the_digit(api: httpx.Client) -> None:
    sent = b"""{"resourceType": "Observation", "status": "final", "code": {"text": "c"},
      "valueQuantity": {"value": 1.50}, "component": [{"code": {"text": "d"}, "valueQuantity": {"value": 0.10e1}}]}"""
    id = api.post("Observation", content=sent, headers={"content-type": FHIR_JSON}).json()["id"]
    document = b'[{"op": "add", "path": "/referenceRange", "value": [{"low": {"value": 1.000}}]}]'
    body = send(api, f"Observation/{id}", document).text
    assert '"value":1.50' in body and '"value":0.10e1' in body and '"value":1.000' in body


def test_a_patched_resource_is_found_by_what_it_says_now(api: httpx.Client, unique: str) -> None:
    stored = created(api, patient(identifier=[{"system": "urn:test", "value": f"{unique}-old"}]))
    assert send(api, f"Patient/{stored['id']}", replaced("/identifier/0/value", unique)).status_code == 200
    assert api.get("Patient", params={"identifier": unique}).json()["total"] == 1
    assert api.get("Patient", params={"identifier": f"{unique}-old"}).json()["total"] == 0


def test_history_says_that_a_version_was_made_by_a_patch(api: httpx.Client) -> None:
    stored = created(api, patient())
    send(api, f"Patient/{stored['id']}", replaced("/name/0/family", "Changed"))
    entries = api.get(f"Patient/{stored['id']}/_history").json()["entry"]
    assert [entry["request"]["method"] for entry in entries] == ["PATCH", "POST"]
    assert entries[0]["request"]["url"] == f"Patient/{stored['id']}"
    assert entries[1]["resource"]["name"][0]["family"] == "Testpatient"


@pytest.mark.parametrize(
    ("preference", "body"),
    [("minimal", None), ("representation", "Patient"), ("OperationOutcome", "OperationOutcome")],
)
def test_the_answer_is_what_prefer_asks_for(api: httpx.Client, preference: str, body: str | None) -> None:
    stored = created(api, patient())
    document = replaced("/name/0/family", "Changed")
    response = send(api, f"Patient/{stored['id']}", document, prefer=f"return={preference}")
    assert response.status_code == 200
    assert (response.json()["resourceType"] if response.content else None) == body
    assert response.headers["etag"] == 'W/"2"'


def test_only_changes_leaves_a_resource_that_a_patch_does_not_change_at_its_version(api: httpx.Client) -> None:
    stored = created(api, patient())
    same = replaced("/name/0/family", "Testpatient")
    assert send(api, f"Patient/{stored['id']}", same, prefer="only-changes").headers["etag"] == 'W/"1"'
    assert send(api, f"Patient/{stored['id']}", same).headers["etag"] == 'W/"2"'


def test_if_match_lets_only_the_current_version_be_patched(api: httpx.Client) -> None:
    stored = created(api, patient())
    document, url = replaced("/name/0/family", "Changed"), f"Patient/{stored['id']}"
    assert send(api, url, document, if_match='W/"1"').status_code == 200
    stale = send(api, url, document, if_match='W/"1"')
    assert (stale.status_code, numbers(stale)) == (412, ["2004"])
    assert "version 2" in texts(stale)
    assert send(api, url, document, if_match="*").status_code == 200
    assert send(api, url, document, if_match='"a", "b"').status_code == 400
    assert api.get(url).json()["meta"]["versionId"] == "3"


def test_a_stale_version_is_a_412_also_where_the_patch_would_not_fit_the_current_one(api: httpx.Client) -> None:
    stored = created(api, patient())
    url = f"Patient/{stored['id']}"
    send(api, url, [{"op": "remove", "path": "/name/0/family"}])
    assert send(api, url, replaced("/name/0/family", "Changed"), if_match='W/"1"').status_code == 412


def test_if_none_match_any_refuses_to_patch_what_exists(api: httpx.Client) -> None:
    stored = created(api, patient())
    response = send(api, f"Patient/{stored['id']}", replaced("/name/0/family", "Changed"), if_none_match="*")
    assert (response.status_code, numbers(response)) == (412, ["2006"])


def test_a_patch_of_what_never_was_or_was_deleted_is_a_404_or_410(api: httpx.Client, unique: str) -> None:
    document = replaced("/name/0/family", "Changed")
    assert send(api, f"Patient/{unique}", document).status_code == 404
    assert send(api, "Patient/has_underscore", document).status_code == 404
    assert send(api, f"Patient/{unique}", document, if_match='W/"1"').status_code == 404
    assert send(api, f"Nothing/{unique}", document).status_code == 404
    stored = created(api, patient())
    api.delete(f"Patient/{stored['id']}")
    assert send(api, f"Patient/{stored['id']}", document).status_code == 410


def test_a_test_that_does_not_hold_changes_nothing(api: httpx.Client) -> None:
    stored = created(api, patient(active=True))
    url = f"Patient/{stored['id']}"
    document = [*replaced("/name/0/family", "Changed"), {"op": "test", "path": "/active", "value": 1}]
    response = send(api, url, document)
    assert (response.status_code, numbers(response)) == (422, ["2019"])
    assert "Operation 1 (test) at /active" in texts(response)
    assert api.get(url).json() == stored


@pytest.mark.parametrize(
    ("document", "form", "status", "number"),
    [
        (replaced("/nothing", 1), JSON_PATCH, 422, "2018"),
        (by_fhirpath(("replace", "Patient.birthDate", {"valueDate": "1980"})), FHIR_JSON, 422, "2018"),
        (replaced("/nothing", 1)[0], JSON_PATCH, 400, "2017"),
        ([{"op": "upsert", "path": "/a"}], JSON_PATCH, 400, "2017"),
        (patient(), FHIR_JSON, 400, "2017"),
        ([], FHIR_JSON, 400, "2017"),
        (by_fhirpath(("drop", "Patient.name", {})), FHIR_JSON, 400, "2017"),
        ({"resourceType": "Parameters", "parameter": "x"}, FHIR_JSON, 400, "3003"),
        (["x"], MERGE_PATCH, 400, "2017"),
        (b"[{", JSON_PATCH, 400, "1001"),
        (b'[{"op": "remove", "op": "add"}]', JSON_PATCH, 400, "1003"),
        (b"", JSON_PATCH, 400, "1012"),
        (b"\xff", JSON_PATCH, 400, "1002"),
        # What results is checked as an update is.
        ([{"op": "add", "path": "/nothing", "value": 1}], JSON_PATCH, 400, "3002"),
        ([{"op": "add", "path": "/gender", "value": "robot"}], JSON_PATCH, 422, "3008"),
        ([{"op": "add", "path": "/active", "value": "true"}], JSON_PATCH, 400, "3003"),
        ([{"op": "add", "path": "/contact", "value": []}], JSON_PATCH, 400, "3006"),
        (replaced("/name/0/family", ""), JSON_PATCH, 400, "3006"),
        (replaced("/name/0/family", None), JSON_PATCH, 400, "3003"),
        ({"birthDate": "yesterday"}, MERGE_PATCH, 400, "3007"),
        ({"name": {"family": "x"}}, MERGE_PATCH, 400, "3003"),
        (by_fhirpath(("replace", "Patient.name", {"valueHumanName": {"use": "robot"}})), FHIR_JSON, 422, "3008"),
    ],
)
def test_a_patch_that_is_wrong_is_told_and_changes_nothing(
    api: httpx.Client, document: Any, form: str, status: int, number: str
) -> None:
    stored = created(api, patient())
    response = send(api, f"Patient/{stored['id']}", document, form)
    assert response.status_code == status, response.text
    assert number in numbers(response), response.text
    assert api.get(f"Patient/{stored['id']}").json() == stored


def test_a_finding_in_what_results_names_the_element(api: httpx.Client) -> None:
    stored = created(api, patient())
    response = send(api, f"Patient/{stored['id']}", [{"op": "add", "path": "/name/0/use", "value": "robot"}])
    assert response.json()["issue"][0]["expression"] == ["Patient.name[0].use"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/id", "another"),
        ("/resourceType", "Practitioner"),
        ("/meta/versionId", "7"),
        ("/meta/lastUpdated", "2020-01-01T00:00:00Z"),
    ],
)
def test_what_the_server_keeps_cannot_be_patched(api: httpx.Client, path: str, value: str) -> None:
    stored = created(api, patient())
    response = send(api, f"Patient/{stored['id']}", replaced(path, value))
    assert (response.status_code, numbers(response)) == (422, ["2020"])
    assert response.json()["issue"][0]["expression"] == ["Patient" + path.replace("/", ".")]
    removed = send(api, f"Patient/{stored['id']}", [{"op": "remove", "path": path}])
    assert removed.status_code == (200 if path.startswith("/meta") else 422)
    if removed.status_code == 200:
        assert removed.json()["meta"]["versionId"] == "2"


@pytest.mark.parametrize("value", [7, None, [], patient(id="another")])
def test_the_whole_resource_cannot_become_another_one(api: httpx.Client, value: Any) -> None:
    stored = created(api, patient())
    response = send(api, f"Patient/{stored['id']}", replaced("", value))
    assert (response.status_code, numbers(response)) == (422, ["2020"])


def test_version_and_instant_may_be_sent_as_they_are(api: httpx.Client) -> None:
    stored = created(api, patient())
    document = {"resourceType": "Patient", "id": stored["id"], "meta": stored["meta"], "active": True}
    response = send(api, f"Patient/{stored['id']}", document, MERGE_PATCH)
    assert (response.status_code, response.json()["meta"]["versionId"]) == (200, "2")


def test_tags_and_profiles_in_meta_can_be_patched(api: httpx.Client) -> None:
    stored = created(api, patient())
    tag = {"system": "urn:test", "code": "x"}
    response = send(api, f"Patient/{stored['id']}", [{"op": "add", "path": "/meta/tag", "value": [tag]}])
    assert response.json()["meta"]["tag"] == [tag]


@pytest.mark.parametrize("status", ["generated", "extensions"])
def test_a_narrative_made_from_the_elements_goes_when_a_patch_changes_them(api: httpx.Client, status: str) -> None:
    stored = created(api, patient(text={"status": status, "div": DIV}))
    url = f"Patient/{stored['id']}"
    tagged = [{"op": "add", "path": "/meta/tag", "value": [{"code": "x"}]}]
    assert send(api, url, tagged).json()["text"] == stored["text"]
    assert "text" not in send(api, url, replaced("/name/0/family", "Changed")).json()


def test_a_narrative_that_says_more_must_be_patched_too(api: httpx.Client) -> None:
    stored = created(api, patient(text={"status": "additional", "div": DIV}))
    url = f"Patient/{stored['id']}"
    response = send(api, url, replaced("/name/0/family", "Changed"))
    assert (response.status_code, numbers(response)) == (422, ["2021"])
    both = [*replaced("/name/0/family", "Changed"), *replaced("/text/div", DIV.replace("Testpatient", "Changed"))]
    assert "Changed" in send(api, url, both).json()["text"]["div"]
    removed = [*replaced("/name/0/family", "Again"), {"op": "remove", "path": "/text"}]
    assert "text" not in send(api, url, removed).json()


def test_a_narrative_inside_a_stored_bundle_goes_with_what_it_told(api: httpx.Client) -> None:
    inside = [patient(id=id, text={"status": "generated", "div": DIV}) for id in ("a", "b")]
    sent = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": each} for each in inside]}
    stored = created(api, sent)
    response = send(api, f"Bundle/{stored['id']}", replaced("/entry/1/resource/name/0/family", "Changed"))
    assert ["text" in entry["resource"] for entry in response.json()["entry"]] == [True, False]


@pytest.mark.parametrize(
    "form", ["application/xml-patch+xml", "application/fhir+xml", "text/plain", "", f"{JSON_PATCH}; charset=latin-1"]
)
def test_another_media_type_is_a_415_that_says_what_is_read(api: httpx.Client, form: str) -> None:
    stored = created(api, patient())
    response = send(api, f"Patient/{stored['id']}", b"<diff/>", form)
    assert (response.status_code, numbers(response)) == (415, ["1006"])
    assert response.headers["accept-patch"] == f"{JSON_PATCH}, {FHIR_JSON}, {MERGE_PATCH}"


def test_options_and_refused_methods_say_which_patches_are_read(api: httpx.Client) -> None:
    asked = api.options("Patient/p1")
    assert asked.status_code == 204
    assert set(asked.headers["allow"].split(", ")) == {"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"}
    refused = api.request("POST", "Patient/p1")
    assert refused.status_code == 405
    assert asked.headers["accept-patch"] == refused.headers["accept-patch"]
    assert "accept-patch" not in api.options("metadata").headers


def test_an_unknown_parameter_beside_a_patch_is_a_400(api: httpx.Client) -> None:
    stored = created(api, patient())
    document = replaced("/name/0/family", "Changed")
    assert send(api, f"Patient/{stored['id']}?_count=1", document).status_code == 400
    assert send(api, f"Patient/{stored['id']}?_format=json&_pretty=true", document).status_code == 200


def test_a_conditional_patch_changes_the_one_match(api: httpx.Client, unique: str) -> None:
    url, document = f"Patient?identifier=urn:test|{unique}", replaced("/name/0/family", "Changed")
    none = send(api, url, document)
    assert (none.status_code, numbers(none)) == (404, ["2001"])
    identifier = [{"system": "urn:test", "value": unique}]
    stored = created(api, patient(identifier=identifier))
    response = send(api, url, document)
    assert (response.status_code, response.json()["id"]) == (200, stored["id"])
    assert send(api, url, document, if_match='W/"1"').status_code == 412
    assert send(api, url, document, if_match='W/"2"').status_code == 200
    created(api, patient(identifier=identifier))
    several = send(api, url, document)
    assert (several.status_code, numbers(several)) == (412, ["2005"])


def test_a_conditional_patch_without_criteria_or_with_unknown_ones_is_refused(api: httpx.Client) -> None:
    document = replaced("/name/0/family", "Changed")
    assert send(api, "Patient", document).status_code == 412
    assert send(api, "Patient?nothing=1", document).status_code == 400


def test_any_type_can_be_patched(api: httpx.Client) -> None:
    binary = created(api, {"resourceType": "Binary", "contentType": "text/plain", "data": "YQ=="})
    assert send(api, f"Binary/{binary['id']}", replaced("/data", "Yg==")).json()["data"] == "Yg=="
    stored = created(api, {"resourceType": "Parameters", "parameter": [{"name": "a", "valueString": "x"}]})
    merged = {"resourceType": "Parameters", "parameter": [{"name": "b", "valueString": "x"}]}
    answered = send(api, f"Parameters/{stored['id']}", merged, "application/json").json()
    assert answered["parameter"] == merged["parameter"]


def test_a_status_moves_on_as_a_portal_does_it(api: httpx.Client) -> None:
    person = created(api, patient())
    stored = created(api, observation(person["id"], status="preliminary"))
    url = f"Observation/{stored['id']}"
    document = [{"op": "test", "path": "/status", "value": "preliminary"}, *replaced("/status", "final")]
    assert send(api, url, document).json()["status"] == "final"
    assert send(api, url, document).status_code == 422


def test_the_capability_statement_and_the_description_offer_patch(api: httpx.Client) -> None:
    statement = api.get("metadata").json()
    assert statement["patchFormat"] == [JSON_PATCH, FHIR_JSON, MERGE_PATCH]
    for resource in statement["rest"][0]["resource"]:
        assert "patch" in [each["code"] for each in resource["interaction"]]
    paths = api.get("openapi.json").json()["paths"]
    for path in ("/Patient", "/Patient/{id}"):
        assert paths[path]["patch"]["summary"].startswith("Patch")


def test_a_large_patch_of_a_large_resource_is_applied(api: httpx.Client) -> None:
    contact = [{"name": {"text": "x" * 500}} for _ in range(1500)]
    stored = created(api, patient(contact=contact))
    document = [{"op": "add", "path": "/contact/-", "value": each} for each in contact[:900]]
    response = send(api, f"Patient/{stored['id']}", document)
    assert response.status_code == 200
    assert len(response.json()["contact"]) == 2400


def test_a_short_patch_that_asks_for_much_work_is_a_413(api: httpx.Client) -> None:
    stored = created(api, patient(extension=[{"url": "urn:x", "valueCode": "x"}] * 2000))
    in_vain = " or ".join(["value.empty()"] * 40)
    document = by_fhirpath(*[("delete", f"Patient.extension.where({in_vain})", {})] * 10)
    response = send(api, f"Patient/{stored['id']}", document, FHIR_JSON)
    assert (response.status_code, numbers(response)) == (413, ["1005"])
    doubling = [{"op": "copy", "from": "/extension", "path": f"/a{number}"} for number in range(900)]
    response = send(api, f"Patient/{stored['id']}", doubling)
    assert (response.status_code, numbers(response)) == (413, ["1005"])


def test_a_refused_patch_does_not_repeat_what_its_path_compares(api: httpx.Client) -> None:
    stored = created(api, patient())
    path = "Patient.identifier.where(value = 'secretmark').system"
    response = send(api, f"Patient/{stored['id']}", by_fhirpath(("replace", path, {"valueUri": "urn:x"})), FHIR_JSON)
    assert response.status_code == 422
    assert "secretmark" not in response.text
