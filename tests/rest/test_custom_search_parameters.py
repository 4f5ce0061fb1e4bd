"""Search parameters of one's own: SearchParameter resources that bring new codes into force.

https://hl7.org/fhir/R4/searchparameter.html
"""

import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pymongo import MongoClient

from tests.conftest import StartServer, start_server
from tests.rest.conftest import created, numbers, patient, texts

Json = dict[str, Any]

PATIENCE_SECONDS = 30


@pytest.fixture(scope="module")
def client(
    mongodb: MongoClient[Json], mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """A client of a server of this file's own: what is in force is in force for all."""
    name = f"test_{uuid4().hex[:16]}"
    settings = {"FHIR_MONGODB_URI": mongodb_uri, "FHIR_MONGODB_DATABASE": name}
    running = start_server(tmp_path_factory.mktemp("server") / "server.log", 1, settings)
    with httpx.Client(base_url=f"{running.base}/", timeout=30, trust_env=False) as client:
        yield client
    running.stop()
    mongodb.drop_database(name)


@pytest.fixture
def api(client: httpx.Client) -> Iterator[httpx.Client]:
    """The client, with nothing of another test's to be found."""
    yield client
    for type in ("SearchParameter", "Observation", "Patient"):
        for entry in client.get(f"{type}?_count=1000").json().get("entry", ()):
            client.delete(f"{type}/{entry['resource']['id']}").raise_for_status()


def parameter(code: str, **elements: Any) -> Json:
    """An active SearchParameter on Patient."""
    return {
        "resourceType": "SearchParameter",
        "url": f"http://example.org/SearchParameter/{code}",
        "name": code.replace("-", "_"),
        "status": "active",
        "description": "A search parameter of a test.",
        "code": code,
        "base": ["Patient"],
        "type": "token",
        "expression": "Patient.maritalStatus",
        **elements,
    }


def married(**elements: Any) -> Json:
    return patient(maritalStatus={"coding": [{"system": "urn:marital", "code": "M"}]}, **elements)


def when_live(api: httpx.Client, search: str) -> httpx.Response:
    """The first answer to a search that is not a refusal because of a parameter that is not live yet."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (response := api.get(search)).status_code == 400:
        assert time.monotonic() < deadline, response.text
        time.sleep(0.05)
    assert response.status_code == 200, response.text
    return response


def when_gone(api: httpx.Client, search: str) -> httpx.Response:
    """The first refusal of a search by a parameter that is no longer in force."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (response := api.get(search)).status_code == 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return response


def ids(response: httpx.Response) -> set[str]:
    return {entry["resource"]["id"] for entry in response.json().get("entry", ()) if "search" in entry}


def test_a_posted_parameter_finds_what_was_there_before_and_what_comes_after(api: httpx.Client) -> None:
    before = created(api, married())["id"]
    created(api, patient())
    posted = api.post("SearchParameter", json=parameter("marital"))
    assert posted.status_code == 201, posted.text
    assert ids(when_live(api, "Patient?marital=urn:marital|M")) == {before}
    after = created(api, married())["id"]
    assert ids(api.get("Patient?marital=M")) == {before, after}
    assert api.get(f"SearchParameter/{posted.json()['id']}").json()["code"] == "marital"


@pytest.mark.parametrize(
    ("type", "expression", "matching", "other"),
    [
        ("string", "Patient.contact.name", "given", "nobody"),
        ("date", "Patient.contact.period", "lt2021", "gt2022"),
        ("date", "Patient.deceased as dateTime", "2020-05", "2021"),
        ("number", "Patient.multipleBirth as integer", "gt1", "gt2"),
        ("number", "Patient.extension('urn:score').value as decimal", "4.50", "4.6"),
        ("quantity", "Patient.extension('urn:weight').value as Quantity", "gt70|http://unitsofmeasure.org|kg", "gt90"),
        ("reference", "Patient.contact.organization", "Organization/o1", "Organization/o2"),
        ("uri", "Patient.extension('urn:site').value as uri", "http://example.org/a", "http://example.org/b"),
        ("token", "Patient.extension.where(url = 'urn:race').extension.value.code", "2106-3", "2054-5"),
        ("date", "Patient.extension('urn:race').extension.value.code | Patient.contact.period.end", "2020", "2021"),
        ("token", "Patient.contact.telecom.where(system='phone')", "555", "556"),
    ],
)
def test_every_type_of_parameter_can_be_added(
    api: httpx.Client, type: str, expression: str, matching: str, other: str
) -> None:
    contact = {
        "name": {"given": ["Given"], "text": "given"},
        "period": {"end": "2020-12-31"},
        "organization": {"reference": "Organization/o1"},
        "telecom": [{"system": "phone", "value": "555"}],
    }
    weight = {"value": 75.5, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"}
    extensions = [
        {"url": "urn:score", "valueDecimal": 4.5},
        {"url": "urn:weight", "valueQuantity": weight},
        {"url": "urn:site", "valueUri": "http://example.org/a"},
        {"url": "urn:race", "extension": [{"url": "ombCategory", "valueCoding": {"code": "2106-3"}}]},
    ]
    many = {"contact": [contact], "deceasedDateTime": "2020-05-05", "multipleBirthInteger": 2}
    wanted = created(api, patient(**many, extension=extensions))["id"]
    created(api, patient())
    definition = parameter("custom", type=type, expression=expression)
    assert api.post("SearchParameter", json=definition).status_code == 201
    found = when_live(api, f"Patient?custom={matching}")
    assert ids(found) == {wanted}
    assert ids(api.get(f"Patient?custom={other}")) == set()


def test_a_parameter_that_is_retired_or_deleted_is_unknown_again(api: httpx.Client) -> None:
    created(api, married())
    for end in ("retire", "delete"):
        put = api.put("SearchParameter/m", json=parameter("marital", id="m"))
        assert put.is_success, put.text
        assert len(ids(when_live(api, "Patient?marital=M"))) == 1
        if end == "retire":
            retired = api.put("SearchParameter/m", json=parameter("marital", id="m", status="retired"))
            assert retired.status_code == 200
        else:
            assert api.delete("SearchParameter/m").status_code == 204
        refused = api.get("Patient?marital=M")
        assert refused.status_code == 400
        assert numbers(refused) == ["4001"]


def test_a_new_expression_finds_nothing_by_the_old_one(api: httpx.Client) -> None:
    old, new = created(api, married())["id"], created(api, patient(gender="male"))["id"]
    api.put("SearchParameter/m", json=parameter("custom", id="m")).raise_for_status()
    assert ids(when_live(api, "Patient?custom=M")) == {old}
    api.put("SearchParameter/m", json=parameter("custom", id="m", expression="Patient.gender")).raise_for_status()
    assert api.get("Patient?custom=M").status_code == 400
    assert ids(when_live(api, "Patient?custom=male")) == {new}
    assert ids(api.get("Patient?custom=M")) == set()


def test_drafts_and_r4s_own_parameters_are_only_stored(api: httpx.Client) -> None:
    own = {"url": "http://hl7.org/fhir/SearchParameter/individual-gender", "expression": "Patient.gender"}
    for resource in (parameter("draft-code", status="draft"), parameter("gender", **own)):
        assert api.post("SearchParameter", json=resource).status_code == 201
    assert api.get("Patient?draft-code=x").status_code == 400
    assert api.get("Patient?gender=male").status_code == 200


@pytest.mark.parametrize(
    ("elements", "place", "words"),
    [
        ({"expression": "Patient.name.lower()"}, "expression", "Patient.name.lower()"),
        ({"expression": "Patient.nothing"}, "expression", ".where(element='text')"),
        ({"expression": "Patient.photo"}, "expression", "finds nothing"),
        ({"type": "special"}, "type", "special"),
        ({"code": "gender"}, "code", "another meaning"),
        ({"base": ["Resource"]}, "base", "Resource"),
    ],
)
def test_what_cannot_come_into_force_is_refused_by_the_name_of_its_element(
    api: httpx.Client, elements: Json, place: str, words: str
) -> None:
    refused = api.post("SearchParameter", json=parameter("custom") | elements)
    assert refused.status_code == 422, refused.text
    assert refused.json()["issue"][0]["expression"] == [f"SearchParameter.{place}"]
    assert words in texts(refused)
    assert api.get("SearchParameter?_summary=count").json()["total"] == 0


def test_a_code_that_another_custom_parameter_has_is_refused(api: httpx.Client) -> None:
    assert api.post("SearchParameter", json=parameter("marital")).status_code == 201
    refused = api.post("SearchParameter", json=parameter("marital", url="urn:another"))
    assert refused.status_code == 422
    assert refused.json()["issue"][0]["expression"] == ["SearchParameter.code"]
    entry = {"resource": parameter("marital", url="urn:b"), "request": {"method": "POST", "url": "SearchParameter"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    refused = api.post("", json=bundle)
    assert refused.status_code == 422
    assert refused.json()["issue"][0]["expression"] == ["Bundle.entry[0].resource.code"]


@pytest.mark.parametrize("type", ["batch", "transaction"])
def test_parameters_come_into_force_from_bundles_and_conditional_updates(api: httpx.Client, type: str) -> None:
    wanted = created(api, married())["id"]
    entry = {"resource": parameter("marital"), "request": {"method": "POST", "url": "SearchParameter"}}
    answer = api.post("", json={"resourceType": "Bundle", "type": type, "entry": [entry]})
    assert answer.json()["entry"][0]["response"]["status"].startswith("201")
    assert ids(when_live(api, "Patient?marital=M")) == {wanted}
    retired = parameter("marital", status="retired")
    assert api.put(f"SearchParameter?url={retired['url']}", json=retired).status_code == 200
    assert api.get("Patient?marital=M").status_code == 400


def test_a_custom_parameter_sorts_and_takes_modifiers_as_others_do(api: httpx.Client) -> None:
    first = created(api, married())["id"]
    second = created(api, patient(maritalStatus={"coding": [{"code": "S"}]}))["id"]
    none = created(api, patient())["id"]
    api.post("SearchParameter", json=parameter("marital")).raise_for_status()
    assert ids(when_live(api, "Patient?marital:missing=true")) == {none}
    assert ids(api.get("Patient?marital:not=M")) == {second, none}
    sorted_ids = [entry["resource"]["id"] for entry in api.get("Patient?_sort=-marital").json()["entry"]]
    assert sorted_ids == [second, first, none]
    observation = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
    seen = created(api, observation | {"subject": {"reference": f"Patient/{first}"}})["id"]
    created(api, observation | {"subject": {"reference": f"Patient/{second}"}})
    assert ids(api.get("Observation?subject:Patient.marital=M")) == {seen}


def test_the_capability_statement_lists_what_is_live(api: httpx.Client) -> None:
    def listed() -> list[str]:
        types = api.get("metadata").json()["rest"][0]["resource"]
        found = next(each for each in types if each["type"] == "Patient")["searchParam"]
        return [each["definition"] for each in found if each["name"] == "marital"]

    assert listed() == []
    api.post("SearchParameter", json=parameter("marital", id="m")).raise_for_status()
    when_live(api, "Patient?marital=M")
    assert listed() == ["http://example.org/SearchParameter/marital"]


def test_a_parameter_stays_in_force_over_a_restart(server: StartServer) -> None:
    first = server()
    with httpx.Client(base_url=f"{first.base}/", timeout=30, trust_env=False) as api:
        wanted = created(api, married())["id"]
        api.post("SearchParameter", json=parameter("marital")).raise_for_status()
        when_live(api, "Patient?marital=M")
    first.stop()
    with httpx.Client(base_url=f"{server().base}/", timeout=30, trust_env=False) as api:
        assert ids(api.get("Patient?marital=M")) == {wanted}
