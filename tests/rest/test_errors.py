"""Whatever is wrong with a request: an OperationOutcome that says what, never a 5xx.

https://hl7.org/fhir/R4/http.html#Status-Codes
"""

import json

import httpx
import pytest

from tests.conftest import RunningServer
from tests.rest.conftest import FHIR_JSON, numbers, patient, texts


@pytest.mark.parametrize(
    ("method", "path", "status", "number"),
    [
        ("GET", "Patientt/1", 404, "1010"),
        ("GET", "patient", 404, "1010"),
        ("GET", "Patient/1/nothing", 404, "1008"),
        ("GET", "Patient/1/_history/1/more", 404, "1008"),
        ("GET", "$nothing", 404, "2016"),
        ("POST", "Patient/$nothing", 404, "2016"),
        ("POST", "Patient/1", 405, "1009"),
        ("PATCH", "Patient/1/_history/1", 405, "1009"),
        ("PUT", "metadata", 405, "1009"),
        ("DELETE", "_history", 405, "1009"),
    ],
)
def test_a_path_or_method_that_is_not_there_is_an_outcome(
    api: httpx.Client, method: str, path: str, status: int, number: str
) -> None:
    response = api.request(method, path)
    assert (response.status_code, numbers(response)) == (status, [number])
    assert response.headers["content-type"].startswith("application/fhir+json")
    if status == 405:
        assert "GET" in response.headers["allow"]


def test_a_path_outside_the_base_is_an_outcome_too(shared_server: RunningServer) -> None:
    root = shared_server.base.removesuffix("/fhir")
    for path in ("/nothing", "/fhirr/Patient", "/../etc/passwd"):
        response = httpx.get(root + path, trust_env=False)
        assert (response.status_code, numbers(response)) == (404, ["1008"])


def test_every_error_carries_the_request_id(api: httpx.Client) -> None:
    response = api.get("Patient/never-was")
    assert response.json()["id"] == response.headers["x-request-id"]
    own = api.get("Patient/never-was", headers={"x-request-id": "my-own.id-1"})
    assert own.json()["id"] == own.headers["x-request-id"] == "my-own.id-1"
    forged = api.get("Patient/never-was", headers={"x-request-id": 'x" onload="'})
    assert forged.headers["x-request-id"] != 'x" onload="'


@pytest.mark.parametrize(
    "body",
    [b"", b"   ", b"{", b'{"resourceType":"Patient",}', b"\xff\xfe", b"[]", b"null", b'"Patient"', b"1", b"{}",
     b'{"resourceType":1}', b'{"resourceType":"Nothing"}', b'{"resourceType":"Patient","active":NaN}',
     b'{"resourceType":"Patient","active":true,"active":true}', b'{"resourceType":"Patient","id":"\\ud800"}',
     b'{"resourceType":"Patient","gender":"male\\u0000"}'],
)  # fmt: skip
def test_a_body_that_is_no_resource_is_a_400(api: httpx.Client, body: bytes) -> None:
    response = api.post("Patient", content=body, headers=FHIR_JSON)
    assert response.status_code == 400, response.text
    assert numbers(response)


def test_bottomless_nesting_is_a_400(api: httpx.Client) -> None:
    flat = b"[" * 200_000
    nested = '{"url":"u","extension":[' * 2000 + "]}" * 2000
    deep = json.dumps(patient()).replace('"name"', f'"extension":[{nested}],"name"').encode()
    for body in (flat, deep):
        response = api.post("Patient", content=body, headers=FHIR_JSON)
        assert (response.status_code, numbers(response)) == (400, ["1004"])


def test_a_body_over_the_limit_is_a_413(api: httpx.Client) -> None:
    body = b'{"resourceType":"Binary","contentType":"text/plain","data":"' + b"QUJD" * (4 * 1024 * 1024) + b'"}'
    response = api.post("Binary", content=body, headers=FHIR_JSON)
    assert (response.status_code, numbers(response)) == (413, ["1005"])

    def chunks() -> object:
        for start in range(0, len(body), 65536):
            yield body[start : start + 65536]

    streamed = api.post("Binary", content=chunks(), headers=FHIR_JSON)  # type: ignore[arg-type]
    assert streamed.status_code == 413


def test_a_resource_just_under_the_limit_is_kept_whole(api: httpx.Client) -> None:
    binary = {"resourceType": "Binary", "contentType": "text/plain", "data": "QUJD" * (3 * 1024 * 1024 + 512 * 1024)}
    response = api.post("Binary", json=binary, headers={"prefer": "return=minimal"})
    assert response.status_code == 201, response.text
    assert api.get(response.headers["location"]).json()["data"] == binary["data"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/fhir+xml"}, 415),
        ({"content-type": "application/fhir+json; charset=latin-1"}, 415),
        ({"content-type": "application/fhir+json; fhirVersion=5.0"}, 415),
        ({"content-type": "application/fhir+json", "content-encoding": "gzip"}, 415),
        ({"content-type": "application/fhir+json", "accept": "application/fhir+xml"}, 406),
        ({"content-type": "application/fhir+json", "accept": "image/png"}, 406),
        ({"content-type": "application/fhir+json", "accept": "application/fhir+json; fhirVersion=3.0"}, 406),
        ({"content-type": "application/fhir+json; charset=utf-8; fhirVersion=4.0"}, 201),
        ({"content-type": "application/json", "accept": "text/html,application/xml;q=0.9,*/*;q=0.8"}, 201),
    ],
)
def test_media_types_that_cannot_be_read_or_written_are_refused(
    api: httpx.Client, headers: dict[str, str], status: int
) -> None:
    response = api.post("Patient", content=json.dumps(patient()), headers=headers)
    assert response.status_code == status
    if status != 201:
        assert numbers(response)


def test_the_format_parameter_wins_over_accept(api: httpx.Client) -> None:
    xml = {"accept": "application/fhir+xml"}
    assert api.get("metadata?_format=json", headers=xml).status_code == 200
    assert api.get("metadata?_format=application/fhir%2Bjson", headers=xml).status_code == 200
    assert api.get("metadata?_format=xml").status_code == 406
    plain = api.get("metadata", headers={"accept": "application/json"})
    assert plain.headers["content-type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize(
    "query",
    ["name[$ne]=x", "$where=1", "name=%FF", "_id[$gt]=", 'identifier={"$gt":""}', "name=a%00b", "birthdate=$gt"],
)
def test_operators_of_the_database_are_only_ever_text(api: httpx.Client, query: str) -> None:
    response = api.get(f"Patient?{query}")
    if response.status_code == 200:
        assert response.json()["total"] == 0
    else:
        assert response.status_code == 400
        assert numbers(response)


def test_operators_in_a_body_are_unknown_elements(api: httpx.Client) -> None:
    response = api.post("Patient", json=patient(**{"$where": "1", "name.family": {"$gt": ""}}))
    assert response.status_code == 400
    assert set(numbers(response)) == {"3002"}


def test_no_error_speaks_of_the_database_or_shows_a_trace(api: httpx.Client) -> None:
    for response in (api.get("Patient?name[$ne]=x"), api.post("Patient", content=b"{", headers=FHIR_JSON)):
        said = texts(response).lower()
        assert not any(word in said for word in ("mongo", "bson", "traceback", "pymongo", 'file "'))


@pytest.mark.parametrize(
    ("criteria", "said"),
    [
        ("subject.name=x", "'subject.name' asks other resources, which the URL cannot. Search first"),
        ("code:in=http://example.org/vs", "'code:in' asks other resources, which the URL cannot. Write out what"),
        ("code=x&_sort=code", "'_sort' shapes a result, and the URL has none."),
    ],
)
def test_a_condition_that_cannot_be_one_says_what_to_do(api: httpx.Client, criteria: str, said: str) -> None:
    response = api.delete(f"Condition?{criteria}")
    assert response.status_code == 400
    assert said in texts(response)
