"""What is sent is what comes back: every element, digit and character.

https://hl7.org/fhir/R4/json.html, https://hl7.org/fhir/R4/datatypes.html#decimal
"""

import json

import httpx
import pytest

from tests.rest.conftest import FHIR_JSON, observation, patient


def _without_stamps(text: str) -> str:
    body = json.loads(text, parse_float=str, parse_int=str)
    del body["id"], body["meta"]
    return json.dumps(body)


@pytest.mark.parametrize(
    "digits", ["1.50", "0.00", "1e3", "1.0E+2", "-0.0", "6.30", "100", "3.141592653589793238462643"]
)
def test_a_decimal_keeps_every_digit(api: httpx.Client, digits: str) -> None:
    sent = json.dumps(observation("p1", valueQuantity={"value": "DIGITS"})).replace('"DIGITS"', digits)
    stored = api.post("Observation", content=sent, headers=FHIR_JSON)
    assert stored.status_code == 201, stored.text
    read = api.get(f"Observation/{stored.json()['id']}")
    assert f'"value":{digits}' in read.text
    assert f'"value":{digits}' in api.get(f"Observation?_id={stored.json()['id']}").text


def test_primitive_extensions_contained_resources_and_odd_characters_come_back(api: httpx.Client) -> None:
    sent = patient(
        birthDate="1970-01-01",
        _birthDate={"extension": [{"url": "urn:time", "valueDateTime": "1970-01-01T13:45:00Z"}]},
        name=[
            {
                "given": ["Zoë", None, "李"],
                "_given": [None, {"extension": [{"url": "urn:absent", "valueCode": "unknown"}]}, None],
                "family": "O’Néill  \t\n𝒳",
            }
        ],
        contained=[{"resourceType": "Organization", "id": "o1", "name": 'A "quoted" \\ name'}],
        managingOrganization={"reference": "#o1"},
        extension=[{"url": "urn:decimal", "valueDecimal": 1.10}],
        text={"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml"><p>&lt;b&gt; &amp; é</p></div>'},
    )
    text = json.dumps(sent)
    stored = api.post("Patient", content=text, headers=FHIR_JSON)
    assert stored.status_code == 201, stored.text
    read = api.get(f"Patient/{stored.json()['id']}")
    sent_text = json.dumps(json.loads(text, parse_float=str, parse_int=str))
    assert _without_stamps(read.text) == sent_text


def test_the_order_of_elements_is_kept(api: httpx.Client) -> None:
    sent = {"resourceType": "Patient", "gender": "female", "active": True, "birthDate": "1980-05-05"}
    stored = api.post("Patient", json=sent).json()
    assert list(stored) == ["resourceType", "id", "meta", "gender", "active", "birthDate"]


def test_meta_of_the_client_is_kept_beside_what_the_server_stamps(api: httpx.Client) -> None:
    meta = {
        "versionId": "99",
        "lastUpdated": "2001-01-01T00:00:00Z",
        "source": "urn:agency:uscg",
        "tag": [{"system": "urn:tags", "code": "t1"}],
        "security": [{"code": "HTEST"}],
        "profile": ["http://example.org/StructureDefinition/p"],
    }
    stored = api.post("Patient", json=patient(meta=meta)).json()
    assert stored["meta"]["versionId"] == "1"
    assert stored["meta"]["lastUpdated"].startswith("20") and not stored["meta"]["lastUpdated"].startswith("2001")
    assert {name: stored["meta"][name] for name in ("source", "tag", "security", "profile")} == {
        name: meta[name] for name in ("source", "tag", "security", "profile")
    }


def test_pretty_indents_a_refusal_too(api: httpx.Client) -> None:
    plain, pretty = api.get("Patient/nobody-here"), api.get("Patient/nobody-here?_pretty=true")
    assert pretty.status_code == 404
    assert pretty.text.startswith('{\n  "resourceType"')
    assert plain.text.startswith('{"resourceType"')
    issues = [answer.json()["issue"] for answer in (plain, pretty)]
    for (issue,) in issues:
        # It names the request.
        assert issue.pop("diagnostics")
    assert issues[0] == issues[1]


def test_pretty_asks_for_indented_json_of_the_same_content(api: httpx.Client) -> None:
    stored = api.post("Patient", json=patient()).json()
    pretty = api.get(f"Patient/{stored['id']}?_pretty=true")
    assert pretty.text.startswith('{\n  "resourceType"')
    assert pretty.json() == stored
