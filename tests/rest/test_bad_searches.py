"""A search that is wrong or too much is a 400 that names the parameter and the remedy: never all, never a 5xx.

https://hl7.org/fhir/R4/search.html#errors. The client waits 30 s for each.
"""

from typing import Any

import httpx
import pytest

from tests.rest.conftest import created, observation, patient, texts


@pytest.fixture(scope="module")
def person(api: httpx.Client) -> str:
    """A patient with observations, so that a search that ignored its parameters would find something."""
    id = str(created(api, patient(name=[{"family": "Found", "given": ["Synthia"]}], birthDate="1970-01-01"))["id"])
    for day in range(3):
        created(api, observation(id, effectiveDateTime=f"2024-01-0{day + 1}"))
    return id


def refused(api: httpx.Client, url: str, *named: str, method: str = "GET", **sent: Any) -> str:
    """What the outcome of a 400 says, which must hold the words `named`."""
    response = api.request(method, url, **sent)
    assert response.status_code == 400, (url[:200], response.status_code, response.text[:500])
    said = texts(response)
    assert [word for word in named if word not in said] == [], (url[:200], said)
    return said


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("birthdate=xx1970-01-01", "birthdate"),
        ("birthdate=GT1970-01-01", "birthdate"),
        ("birthdate=gtgt1970", "birthdate"),
        ("birthdate=gt", "birthdate"),
        ("birthdate=1970-13-01", "birthdate"),
        ("birthdate=1970-02-30", "birthdate"),
        ("birthdate=1970-1-1", "birthdate"),
        ("birthdate=70", "birthdate"),
        ("birthdate=1970-01-01T", "birthdate"),
        ("birthdate=1970-01-01T25:00:00Z", "birthdate"),
        ("birthdate=yesterday", "birthdate"),
        ("birthdate=99999-01-01", "birthdate"),
        ("birthdate=1970-01-01,nonsense", "birthdate"),
        ("_lastUpdated=soon", "_lastUpdated"),
        ("birthdate=", "birthdate"),
        ("name=", "name"),
        ("gender=", "gender"),
        ("gender=,", "gender"),
        ("identifier=|", "identifier"),
        ("general-practitioner=", "general-practitioner"),
        ("general-practitioner=Patient/1/2/3", "general-practitioner"),
        ("general-practitioner:Device=1", "general-practitioner"),
        ("name:fuzzy=x", "name"),
        ("name:Exact=x", "name"),
        ("name:exact:contains=x", "name"),
        ("name:=x", "name"),
        (":exact=x", ""),
        ("birthdate:exact=1970", "birthdate"),
        ("birthdate:missing=", "birthdate"),
        ("birthdate:missing=2", "birthdate"),
        ("gender:missing=TRUE,false", "gender"),
        ("identifier:of-type=a|b", "identifier"),
        ("identifier:of-type=a", "identifier"),
        ("nam=x", "nam"),
        ("Name=x", "Name"),
        ("_unknown=x", "_unknown"),
        ("=x", ""),
        ("_sort=nonsense", "_sort"),
        ("_sort=name,nonsense", "_sort"),
        ("_sort=--birthdate", "_sort"),
        ("_sort=", "_sort"),
        ("_count=-1", "_count"),
        ("_count=1&_count=2", "_count"),
        ("_count=99999999999999999999x", "_count"),
        ("_total=exactly", "_total"),
        ("_summary=yes", "_summary"),
        ("_elements=nonsense", "_elements"),
        ("_elements=name&_summary=text", "_elements"),
        ("_include=Patient", "_include"),
        ("_include=Patient:nonsense", "_include"),
        ("_include=Patient:birthdate", "_include"),
        ("_include=Nonsense:subject", "_include"),
        ("_include=Patient:organization:Patient", "_include"),
        ("_include:always=Patient:organization", "_include"),
        ("_revinclude=Observation:code", "_revinclude"),
        ("_revinclude=Patient:nonsense", "_revinclude"),
        ("_contained=maybe", "_contained"),
        ("_query=anything", "_query"),
        ("_has:Observation:patient=x", "_has"),
        ("_has:Observation=x", "_has"),
        ("_has=x", "_has"),
        ("_has:Nonsense:patient:code=x", "_has"),
        ("_has:Observation:code:code=x", "_has"),
        ("_has:Observation:patient:nonsense=x", "_has"),
        ("_has:Observation:encounter:code=x", "_has"),
        ("_list=", "_list"),
        ("_list=no-such-list-anywhere", "_list"),
        ("_list=$current-problems", "_list"),
        ("__explain=perhaps", "__explain"),
        ("_text=", "_text"),
        ("_content=(a AND", "_content"),
    ],
)
def test_a_wrong_parameter_of_a_patient_is_named(api: httpx.Client, person: str, query: str, named: str) -> None:
    refused(api, f"Patient?{query}", named)


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("value-quantity=much", "value-quantity"),
        ("value-quantity=5|http://unitsofmeasure.org", "value-quantity"),
        ("value-quantity=5|a|b|c", "value-quantity"),
        ("value-quantity=NaN", "value-quantity"),
        ("value-quantity=Infinity", "value-quantity"),
        ("value-quantity=0x10", "value-quantity"),
        ("value-quantity=1_000", "value-quantity"),
        ("value-quantity=٣", "value-quantity"),
        ("value-quantity=qq5", "value-quantity"),
        ("value-quantity=1e999999999", "value-quantity"),
        ("value-quantity=", "value-quantity"),
        ("component-code-value-quantity=8480-6", "component-code-value-quantity"),
        ("component-code-value-quantity=8480-6$", "component-code-value-quantity"),
        ("component-code-value-quantity=$5", "component-code-value-quantity"),
        ("component-code-value-quantity=a$b$c", "component-code-value-quantity"),
        ("component-code-value-quantity=a$much", "component-code-value-quantity"),
        ("component-code-value-quantity.code=a", "component-code-value-quantity"),
        ("code:in=http://example.org/no-such-value-set", "code"),
        ("code:not-in=http://example.org/no-such-value-set", "code"),
        ("code:in=", "code"),
        ("code:above=http://example.org/no-such-system|x", "code"),
        ("code:below=x", "code"),
        ("subject.nonsense=x", "subject"),
        ("subject:Patient.nonsense=x", "nonsense"),
        ("subject:Encounter.status=x", "subject"),
        ("subject:Nonsense.name=x", "subject"),
        ("subject:Patient=Group/1", "subject"),
        ("subject:Patient.birthdate=someday", "birthdate"),
        ("subject:Patient.name:fuzzy=x", "name"),
        ("subject.=x", "subject"),
        (".name=x", ""),
        ("code.name=x", "code"),
        ("date.name=x", "date"),
        ("subject:Patient.birthdate.name=x", "birthdate"),
        ("encounter.subject:Device.birthdate=1970", "subject"),
        ("subject:identifier.name=x", "subject"),
    ],
)
def test_a_wrong_parameter_of_an_observation_is_named(api: httpx.Client, person: str, query: str, named: str) -> None:
    refused(api, f"Observation?{query}", named)


@pytest.mark.parametrize(
    "query",
    [
        "near=52.1", "near=91|5", "near=52|181", "near=52|5|-1|km", "near=52|5|1|parsec", "near=a|b", "near=NaN|5",
        "near=52|5|1|km|x", "near=52|5|Infinity|km", "near:missing=x", "near=",
    ],
)  # fmt: skip
def test_a_wrong_place_is_named(api: httpx.Client, query: str) -> None:
    refused(api, f"Location?{query}", "near")


@pytest.mark.parametrize(
    "expression",
    [
        "", "name", "name eq", "name eq ", "eq name x", "name xx y", "name eq x and", "and name eq x", "(name eq x",
        "name eq x)", "name eq x name eq y", "not name eq x", "not(name eq x", "near eq 1", "birthdate gt x",
        "nonsense eq x", "organization.nonsense eq x", "organization[nonsense eq x].name eq y", "name eq \"x",
        "name.x eq y", "gender gt male", "birthdate eq 1970 or", "()", "name sw", "_filter eq x", "a" * 5000,
        "(" * 5000, "not(" * 1000 + "name eq x" + ")" * 1000, "(" * 500 + "name eq x" + ")" * 500,
        " and ".join(["name eq x"] * 2000), "organization[" * 100 + "name eq x" + "]" * 100,
    ],
)  # fmt: skip
def test_a_wrong_or_too_deep_filter_is_refused_in_no_time(api: httpx.Client, person: str, expression: str) -> None:
    refused(api, "Patient/_search", "_filter", method="POST", data={"_filter": expression})


def test_a_hundred_parameters_are_taken_and_one_more_is_not(api: httpx.Client, person: str) -> None:
    assert api.get("Patient?" + "&".join(["name=found"] * 100)).json()["total"] >= 1
    said = refused(api, "Patient?" + "&".join(["name=found"] * 101))
    assert "100" in said


def test_an_or_of_two_hundred_values_is_taken_and_one_more_is_not(api: httpx.Client, person: str) -> None:
    for count in (100, 200):
        codes = ",".join([*(f"http://loinc.org|x{number}" for number in range(count - 1)), "http://loinc.org|8302-2"])
        found = api.get(f"Observation?patient={person}&code={codes}")
        assert (found.status_code, found.json()["total"]) == (200, 3)
    assert "200" in refused(api, "Observation?code=" + ",".join(f"x{number}" for number in range(201)), "code")
    assert "200" in refused(api, "Patient?name=" + ",".join(f"x{number}" for number in range(201)), "name")
    assert "200" in refused(api, "Patient?birthdate=" + ",".join(["1970"] * 201), "birthdate")


@pytest.mark.parametrize("target", ["Observation?", "Patient?_has:Observation:patient:"])
def test_five_links_are_followed_and_six_are_not(api: httpx.Client, unique: str, target: str) -> None:
    previous = created(api, organization(unique))["id"]
    for _ in range(4):
        previous = created(api, organization(partof=previous))["id"]
    person = created(api, patient(managingOrganization={"reference": f"Organization/{previous}"}))["id"]
    created(api, observation(person))
    steps = "subject:Patient.organization"
    links = 2 + target.count("_has")
    chain = steps + ".partof" * (5 - links)
    answer = api.get(f"{target}{chain}.name=none-of-them")
    assert (answer.status_code, answer.json().get("total")) == (200, 0), answer.text
    refused(api, f"{target}{steps}{'.partof' * (6 - links)}.name={unique}", "5")
    refused(api, f"{target}{steps}{'.partof' * 500}.name={unique}")


def test_a_chain_of_five_links_finds_what_it_should(api: httpx.Client, unique: str) -> None:
    top = created(api, organization(unique))["id"]
    below = created(api, organization(partof=top))["id"]
    lowest = created(api, organization(partof=below))["id"]
    person = created(api, patient(managingOrganization={"reference": f"Organization/{lowest}"}))["id"]
    stored = created(api, observation(person))["id"]
    created(api, observation(created(api, patient())["id"]))
    part_of = created(api, observation(person, hasMember=[{"reference": f"Observation/{stored}"}]))["id"]
    for url, expected in (
        (f"Observation?subject:Patient.organization.partof.partof.name={unique}", {stored, part_of}),
        (f"Observation?has-member:Observation.subject:Patient.organization.partof.partof.name={unique}", {part_of}),
    ):
        answer = api.get(url)
        assert answer.status_code == 200, answer.text
        assert {entry["resource"]["id"] for entry in answer.json().get("entry", ())} == expected, url


def organization(name: str = "Testorganization", partof: str | None = None) -> dict[str, Any]:
    above = {"partOf": {"reference": f"Organization/{partof}"}} if partof else {}
    return {"resourceType": "Organization", "name": name, **above}


def test_includes_in_a_circle_end_and_hold_each_resource_once(api: httpx.Client, unique: str) -> None:
    ids = [f"{unique[:20]}-{number}" for number in range(6)]
    tag = {"meta": {"tag": [{"system": "urn:run", "code": unique}]}}
    for number, id in enumerate(ids):
        ring = organization(f"Ring {number}", ids[(number + 1) % len(ids)]) | {"id": id}
        assert api.put(f"Organization/{id}", json=ring | (tag if number == 0 else {})).is_success
    for query, expected in (
        ("_include:iterate=Organization:partof", set(ids[1:])),
        ("_include=Organization:partof", {ids[1]}),
        ("_revinclude:iterate=Organization:partof", set(ids[1:])),
        ("_revinclude=Organization:partof", {ids[5]}),
        ("_include:iterate=*&_revinclude:iterate=Organization:partof", set(ids[1:])),
        ("_include:iterate=Organization:partof&_include:iterate=Organization:*", set(ids[1:])),
    ):
        answer = api.get(f"Organization?_tag=urn:run|{unique}&{query}")
        assert answer.status_code == 200, answer.text
        modes = [(entry["search"]["mode"], entry["resource"]["id"]) for entry in answer.json()["entry"]]
        assert [id for mode, id in modes if mode == "match"] == [ids[0]]
        included = [id for mode, id in modes if mode == "include"]
        assert (len(included), set(included)) == (len(expected), expected), query


def test_lenient_handling_never_turns_a_known_parameter_into_everything(api: httpx.Client, person: str) -> None:
    lenient = {"prefer": "handling=lenient"}
    for query in ("birthdate=someday", "name:fuzzy=x", "subject.nonsense=x", "_sort=nonsense", "_has:X:y:z=1"):
        answer = api.get(f"Patient?{query}", headers=lenient)
        if answer.status_code == 200:
            modes = [entry["search"]["mode"] for entry in answer.json()["entry"]]
            assert "outcome" in modes, (query, answer.text[:300])
            assert query.split("=")[0] not in answer.json()["link"][0]["url"], query
        else:
            assert answer.status_code == 400


def test_all_that_is_wrong_is_said_at_once(api: httpx.Client) -> None:
    response = api.get("Patient?nam=x&birthdate=someday&name:fuzzy=x&_sort=nonsense&_include=Patient:none")
    assert response.status_code == 400
    said = texts(response)
    assert [word for word in ("nam", "birthdate", "fuzzy", "_sort", "_include") if word not in said] == []


def test_a_refusal_shows_no_value(api: httpx.Client) -> None:
    for query in (
        "birthdate=secret99",
        "name:fuzzy=secret99",
        "nam=secret99",
        "general-practitioner=secret99/secret99",
    ):
        assert "secret99" not in api.get(f"Patient?{query}").text, query
