"""patch as an entry of a batch or transaction: https://hl7.org/fhir/R4/http.html#transaction"""

import base64
import json
from typing import Any

import httpx
import pytest

from tests.rest.conftest import created, numbers, observation, patient, texts

Json = dict[str, Any]

KINDS = ("batch", "transaction")


def entry(method: str, url: str, resource: Json | None = None, **more: Any) -> Json:
    full_url = {"fullUrl": more.pop("fullUrl")} if "fullUrl" in more else {}
    made: Json = {"request": {"method": method, "url": url, **more}, **full_url}
    return made | ({"resource": resource} if resource is not None else {})


def binary(document: Any, content_type: str = "application/json-patch+json") -> Json:
    data = base64.b64encode(json.dumps(document).encode()).decode()
    return {"resourceType": "Binary", "contentType": content_type, "data": data}


def renamed(family: str) -> Json:
    return binary([{"op": "replace", "path": "/name/0/family", "value": family}])


def parameters(type: str, path: str, **value: Any) -> Json:
    parts = [{"name": "type", "valueCode": type}, {"name": "path", "valueString": path}, {"name": "value", **value}]
    return {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}


def post(api: httpx.Client, kind: str, *entries: Json, **headers: str) -> httpx.Response:
    sent = {"resourceType": "Bundle", "type": kind, "entry": list(entries)}
    return api.post("", json=sent, headers=headers)


def statuses(response: httpx.Response) -> list[str]:
    assert response.status_code == 200, response.text
    return [each["response"]["status"].partition(" ")[0] for each in response.json()["entry"]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "resource",
    [
        renamed("Changed"),
        binary({"name": [{"family": "Changed"}]}, "application/merge-patch+json; charset=utf-8"),
        parameters("replace", "Patient.name[0].family", valueString="Changed"),
        binary(parameters("replace", "Patient.name[0].family", valueString="Changed"), "application/fhir+json"),
    ],
)
def test_a_patch_in_a_bundle_has_every_form(api: httpx.Client, kind: str, resource: Json) -> None:
    stored = created(api, patient())
    response = post(api, kind, entry("PATCH", f"Patient/{stored['id']}", resource))
    assert statuses(response) == ["200"]
    answered = response.json()["entry"][0]["response"]
    assert answered["etag"] == 'W/"2"'
    assert answered["location"].endswith(f"/Patient/{stored['id']}/_history/2")
    assert api.get(f"Patient/{stored['id']}").json()["name"][0]["family"] == "Changed"
    methods = [each["request"]["method"] for each in api.get(f"Patient/{stored['id']}/_history").json()["entry"]]
    assert methods == ["PATCH", "POST"]


@pytest.mark.parametrize("kind", KINDS)
def test_if_match_and_conditions_hold_in_bundles(api: httpx.Client, unique: str, kind: str) -> None:
    stored = created(api, patient(identifier=[{"system": "urn:test", "value": unique}]))
    url, condition = f"Patient/{stored['id']}", f"Patient?identifier=urn:test|{unique}"
    assert statuses(post(api, kind, entry("PATCH", url, renamed("A"), ifMatch='W/"1"'))) == ["200"]
    assert statuses(post(api, kind, entry("PATCH", condition, renamed("B"), ifMatch='W/"2"'))) == ["200"]
    for bad, status, number in (
        (entry("PATCH", url, renamed("C"), ifMatch='W/"1"'), 412, "2004"),
        (entry("PATCH", condition, renamed("C"), ifMatch='W/"1"'), 412, "2004"),
        (entry("PATCH", f"{condition}x", renamed("C")), 404, "2001"),
        (entry("PATCH", f"Patient/{unique}", renamed("C")), 404, "2001"),
        (entry("PATCH", url, binary([{"op": "remove", "path": "/nothing"}])), 422, "2018"),
        (entry("PATCH", url, binary([{"op": "test", "path": "/name", "value": 1}])), 422, "2019"),
        (entry("PATCH", url, binary([{"op": "add", "path": "/gender", "value": "robot"}])), 422, "3008"),
        (entry("PATCH", url, binary([{"op": "replace", "path": "/id", "value": "x"}])), 422, "2020"),
    ):
        response = post(api, kind, entry("GET", "metadata"), bad)
        if kind == "transaction":
            assert (response.status_code, numbers(response)) == (status, [number])
            assert texts(response).startswith("Entry 1:")
            assert response.json()["issue"][0]["expression"][0].startswith("Bundle.entry[1]")
        else:
            assert statuses(response) == ["200", str(status)]
    assert api.get(url).json()["meta"]["versionId"] == "3"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "resource",
    [
        None,
        patient(),
        binary({}, "application/json-patch+json"),
        binary([], "application/xml-patch+xml"),
        {"resourceType": "Binary", "contentType": "application/json-patch+json"},
        {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": "W3s="},
        {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": "?"},
        {"resourceType": "Binary", "data": "W10="},
        {"resourceType": "Binary", "_contentType": {"extension": [{"url": "urn:x", "valueCode": "x"}]}, "data": "W10="},
        {"resourceType": "Parameters", "parameter": [{"name": "x", "valueString": "y"}]},
    ],
)
def test_an_entry_without_a_readable_patch_is_refused(api: httpx.Client, kind: str, resource: Json | None) -> None:
    stored = created(api, patient())
    response = post(api, kind, entry("PATCH", f"Patient/{stored['id']}", resource))
    refused = [str(response.status_code)] if kind == "transaction" else statuses(response)
    assert refused in (["400"], ["415"])
    assert api.get(f"Patient/{stored['id']}").json() == stored


def test_a_transaction_patches_creates_and_deletes_together_or_not_at_all(api: httpx.Client) -> None:
    kept, removed = created(api, patient()), created(api, patient())
    entries = (
        entry("PATCH", f"Patient/{kept['id']}", renamed("Changed")),
        entry("POST", "Patient", patient()),
        entry("DELETE", f"Patient/{removed['id']}"),
        entry("GET", f"Patient/{kept['id']}"),
    )
    failing = entry("PATCH", f"Patient/{kept['id']}x", renamed("Changed"))
    assert post(api, "transaction", *entries, failing).status_code == 404
    assert api.get(f"Patient/{kept['id']}").json() == kept
    assert api.get(f"Patient/{removed['id']}").status_code == 200
    response = post(api, "transaction", *entries, prefer="return=representation")
    assert statuses(response) == ["200", "201", "204", "200"]
    patched, read = (response.json()["entry"][position]["resource"] for position in (0, 3))
    assert patched == read
    assert patched["name"][0]["family"] == "Changed"


def test_a_patch_may_refer_to_what_its_transaction_creates(api: httpx.Client, unique: str) -> None:
    owner = created(api, patient(identifier=[{"system": "urn:test", "value": unique}]))
    before = observation(owner["id"], focus=[{"reference": "urn:uuid:3fdc72f4-a11d-4a9d-9260-a9f745779e1d"}])
    stored = created(api, before)
    organization = "urn:uuid:5a9f1d0e-2f6f-4d8c-9a9d-1f0b5f1f0a01"
    document = [
        {"op": "add", "path": "/performer", "value": [{"reference": organization}]},
        {"op": "add", "path": "/focus/-", "value": {"reference": f"Patient?identifier=urn:test|{unique}"}},
    ]
    response = post(
        api,
        "transaction",
        entry("PATCH", f"Observation/{stored['id']}", binary(document)),
        entry("POST", "Organization", {"resourceType": "Organization", "name": "x"}, fullUrl=organization),
    )
    assert statuses(response) == ["200", "201"]
    made = response.json()["entry"][1]["response"]["location"].split("/")[-3]
    patched = api.get(f"Observation/{stored['id']}").json()
    assert patched["performer"] == [{"reference": f"Organization/{made}"}]
    assert patched["focus"] == [*before["focus"], {"reference": f"Patient/{owner['id']}"}]
    unknown = [
        {"op": "add", "path": "/device", "value": {"reference": "urn:uuid:0a9f1d0e-2f6f-4d8c-9a9d-1f0b5f1f0a02"}}
    ]
    refused = post(api, "transaction", entry("PATCH", f"Observation/{stored['id']}", binary(unknown)))
    assert (refused.status_code, numbers(refused)) == (400, ["2012"])


def test_two_entries_of_a_transaction_cannot_write_the_same_resource(api: httpx.Client) -> None:
    stored = created(api, patient())
    url = f"Patient/{stored['id']}"
    patch = entry("PATCH", url, renamed("Changed"))
    for other in (patch, entry("PUT", url, stored), entry("DELETE", url)):
        response = post(api, "transaction", patch, other)
        assert (response.status_code, numbers(response)) == (400, ["2011"])
    assert statuses(post(api, "batch", patch, patch)) == ["200", "200"]
    assert api.get(url).json()["meta"]["versionId"] == "3"


def test_a_patch_of_a_type_needs_criteria(api: httpx.Client) -> None:
    for kind in KINDS:
        response = post(api, kind, entry("PATCH", "Patient", renamed("x")))
        refused = [str(response.status_code)] if kind == "transaction" else statuses(response)
        assert refused == ["400"]


def test_a_transaction_that_patches_more_than_fits_into_memory_is_a_413_that_changes_nothing(
    api: httpx.Client,
) -> None:
    data = "QUJD" * 1_500_000
    large = {"resourceType": "Binary", "contentType": "text/plain", "data": data}
    urls = [f"Binary/{created(api, large)['id']}" for _ in range(3)]
    patches = [entry("PATCH", url, binary([{"op": "replace", "path": "/contentType", "value": "a/b"}])) for url in urls]
    response = post(api, "transaction", *patches)
    assert (response.status_code, numbers(response)) == (413, ["1005"])
    assert statuses(post(api, "transaction", *patches[:2])) == ["200", "200"]
    assert api.get(urls[2], params={"_elements": "contentType"}).json()["meta"]["versionId"] == "1"
