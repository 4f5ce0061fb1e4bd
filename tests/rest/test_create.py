"""create: https://hl7.org/fhir/R4/http.html#create"""

import httpx
import pytest

from tests.rest.conftest import created, numbers, patient, texts


def test_a_created_resource_is_answered_with_its_id_version_location_and_body(api: httpx.Client) -> None:
    response = api.post("Patient", json=patient(id="ignored"))
    body = response.json()
    assert response.status_code == 201
    assert body["id"] != "ignored"
    assert body["meta"]["versionId"] == "1"
    assert response.headers["location"] == f"{str(api.base_url).rstrip('/')}/Patient/{body['id']}/_history/1"
    assert response.headers["etag"] == 'W/"1"'
    assert response.headers["content-type"] == "application/fhir+json; charset=utf-8"
    assert api.get(f"Patient/{body['id']}").json() == body


@pytest.mark.parametrize(
    ("preference", "shown"),
    [("return=minimal", None), ("return=representation", "Patient"), ("return=OperationOutcome", "OperationOutcome")],
)
def test_prefer_return_decides_what_a_create_answers(api: httpx.Client, preference: str, shown: str | None) -> None:
    response = api.post("Patient", json=patient(), headers={"prefer": preference})
    assert response.status_code == 201
    assert "location" in response.headers
    assert (response.json()["resourceType"] if response.content else None) == shown


def test_if_none_exist_creates_once_and_then_answers_what_is_there(api: httpx.Client, unique: str) -> None:
    resource = patient(identifier=[{"system": "urn:test", "value": unique}])
    headers = {"if-none-exist": f"identifier=urn:test|{unique}"}
    first = api.post("Patient", json=resource, headers=headers)
    second = api.post("Patient", json=resource, headers=headers)
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json() == first.json()
    assert second.headers["location"] == first.headers["location"]


@pytest.mark.parametrize("start", ["", "?", "Patient?", "{base}Patient?"])
def test_the_criteria_of_if_none_exist_may_stand_alone_or_end_a_url_of_a_search(
    api: httpx.Client, unique: str, start: str
) -> None:
    made = created(api, patient(identifier=[{"system": "urn:test", "value": unique}]))
    criteria = f"{start.format(base=api.base_url)}identifier=urn:test|{unique}"
    response = api.post("Patient", json=patient(), headers={"if-none-exist": criteria})
    assert (response.status_code, response.json()["id"]) == (200, made["id"])


@pytest.mark.parametrize("start", ["http://elsewhere.example/fhir/Patient?", "{base}Observation?"])
def test_criteria_of_another_server_or_type_are_refused(api: httpx.Client, unique: str, start: str) -> None:
    criteria = f"{start.format(base=api.base_url)}identifier=urn:test|{unique}"
    assert api.post("Patient", json=patient(), headers={"if-none-exist": criteria}).status_code == 400


def test_if_none_exist_with_two_matches_is_a_412(api: httpx.Client, unique: str) -> None:
    resource = patient(identifier=[{"system": "urn:test", "value": unique}])
    created(api, resource)
    created(api, resource)
    response = api.post("Patient", json=resource, headers={"if-none-exist": f"identifier=urn:test|{unique}"})
    assert response.status_code == 412
    assert numbers(response) == ["2005"]


def test_if_none_exist_that_would_match_everything_is_refused(api: httpx.Client) -> None:
    response = api.post("Patient", json=patient(), headers={"if-none-exist": "_count=1"})
    assert response.status_code == 412


def test_if_none_exist_with_an_unknown_parameter_is_refused_by_name(api: httpx.Client) -> None:
    response = api.post("Patient", json=patient(), headers={"if-none-exist": "identifer=1"})
    assert response.status_code == 400
    assert "identifer" in texts(response)


def test_a_body_of_another_type_than_the_url_is_refused(api: httpx.Client) -> None:
    response = api.post("Observation", json=patient())
    assert response.status_code == 400
    assert numbers(response) == ["2007"]


def test_all_findings_come_at_once_each_with_its_place(api: httpx.Client) -> None:
    response = api.post("Patient", json=patient(birthDate="2023-02-30", gender="robot", colour="blue", contact=[]))
    assert response.status_code == 400
    places = {issue["expression"][0] for issue in response.json()["issue"]}
    assert places == {"Patient.birthDate", "Patient.gender", "Patient.colour", "Patient.contact"}


def test_a_wrong_required_code_alone_is_a_422(api: httpx.Client) -> None:
    response = api.post("Patient", json=patient(gender="robot"))
    assert response.status_code == 422
    assert response.json()["issue"][0]["code"] == "code-invalid"


def test_every_type_of_r4_can_be_created_and_is_listed_by_metadata(api: httpx.Client) -> None:
    listed = {resource["type"] for resource in api.get("metadata").json()["rest"][0]["resource"]}
    assert len(listed) == 146
    assert created(api, {"resourceType": "Basic", "code": {"text": "anything"}})["id"]
    assert created(api, {"resourceType": "Binary", "contentType": "text/plain", "data": "aGVsbG8="})["id"]
    assert created(api, {"resourceType": "Parameters"})["id"]
