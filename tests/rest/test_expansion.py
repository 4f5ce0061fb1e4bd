"""`:in`, `:not-in`, `:above` and `:below`: https://hl7.org/fhir/R4/search.html#token"""

from typing import Any

import httpx
import pytest

from tests.rest.bundles import found
from tests.rest.conftest import observation, texts


@pytest.fixture
def record(api: httpx.Client, unique: str) -> str:
    """A small hierarchy of codes, value sets over it, and an observation for each code."""
    system = f"http://example.org/cs/{unique}"
    fever = {"code": "fever", "concept": [{"code": "high"}, {"code": "low", "property": [_is("grade", "mild")]}]}
    resources: list[dict[str, Any]] = [
        {
            "resourceType": "CodeSystem",
            "id": f"{unique}-cs",
            "status": "active",
            "content": "complete",
            "url": system,
            "concept": [{"code": "sign", "concept": [fever]}, {"code": "Rash", "property": [_is("parent", "sign")]}],
        },
        {
            "resourceType": "CodeSystem",
            "id": f"{unique}-part",
            "status": "active",
            "content": "fragment",
            "url": f"{system}/part",
        },
        _value_set(unique, "listed", {"system": system, "concept": [{"code": "high"}, {"code": "Rash"}]}),
        _value_set(unique, "all", {"system": system}),
        _value_set(unique, "isa", {"system": system, "filter": [_filter("concept", "is-a", "fever")]}),
        _value_set(unique, "under", {"system": system, "filter": [_filter("concept", "descendent-of", "fever")]}),
        _value_set(unique, "mild", {"system": system, "filter": [_filter("grade", "=", "mild")]}),
        _value_set(unique, "regex", {"system": system, "filter": [_filter("code", "regex", "f.*")]}),
        _value_set(unique, "imports", {"valueSet": [f"http://example.org/vs/{unique}-isa"]}),
        _value_set(unique, "both", {"system": system, "valueSet": [f"http://example.org/vs/{unique}-listed"]}),
        _value_set(unique, "loop", {"valueSet": [f"http://example.org/vs/{unique}-loop2"]}),
        _value_set(unique, "loop2", {"valueSet": [f"http://example.org/vs/{unique}-loop"]}),
        _value_set(unique, "fragment", {"system": f"{system}/part"}),
        _value_set(unique, "elsewhere", {"system": f"{system}/none"}),
        {
            **_value_set(unique, "except", {"system": system}),
            "compose": {
                "include": [{"system": system}],
                "exclude": [{"system": system, "concept": [{"code": "sign"}]}],
            },
        },
        {
            **_value_set(unique, "stored", {}),
            "expansion": {
                "timestamp": "2024-01-01",
                "contains": [{"system": system, "code": "fever", "contains": [{"system": system, "code": "low"}]}],
            },
        },
        {"resourceType": "Patient", "id": f"{unique}-p", "gender": "female", "maritalStatus": {"text": "none"}},
    ]
    resources[-2].pop("compose")
    for code in ("sign", "fever", "high", "low", "Rash"):
        coded = {"coding": [{"system": system, "code": code}]}
        resources.append(observation(f"{unique}-p", id=f"{unique}-{code}", code=coded))
    resources.append(observation(f"{unique}-p", id=f"{unique}-text", code={"text": "fever"}))
    entry = [
        {"request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"}, "resource": each}
        for each in resources
    ]
    response = api.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": entry})
    assert response.status_code == 200, response.text
    return unique


def _is(property: str, code: str) -> dict[str, Any]:
    return {"code": property, "valueCode": code}


def _filter(property: str, op: str, value: str) -> dict[str, Any]:
    return {"property": property, "op": op, "value": value}


def _value_set(unique: str, name: str, include: dict[str, Any]) -> dict[str, Any]:
    return {
        "resourceType": "ValueSet",
        "id": f"{unique}-{name}",
        "status": "active",
        "version": "2.0",
        "url": f"http://example.org/vs/{unique}-{name}",
        "compose": {"include": [include]},
    }


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [
        ("code:in=http://example.org/vs/{u}-listed", "high Rash"),
        ("code:in=http://example.org/vs/{u}-listed|2.0", "high Rash"),
        ("code:in=ValueSet/{u}-listed", "high Rash"),
        ("code:in=http://example.org/vs/{u}-all", "sign fever high low Rash"),
        ("code:in=http://example.org/vs/{u}-isa", "fever high low"),
        ("code:in=http://example.org/vs/{u}-under", "high low"),
        ("code:in=http://example.org/vs/{u}-mild", "low"),
        ("code:in=http://example.org/vs/{u}-imports", "fever high low"),
        ("code:in=http://example.org/vs/{u}-both", "high Rash"),
        ("code:in=http://example.org/vs/{u}-except", "fever high low Rash"),
        ("code:in=http://example.org/vs/{u}-stored", "fever low"),
        ("code:not-in=http://example.org/vs/{u}-isa", "sign Rash text"),
        ("code:below=http://example.org/cs/{u}|fever", "fever high low"),
        ("code:below=http://example.org/cs/{u}|sign", "sign fever high low Rash"),
        ("code:above=http://example.org/cs/{u}|low", "sign fever low"),
        ("code:above=http://example.org/cs/{u}|Rash", "sign Rash"),
    ],
)
def test_a_set_of_codes_finds_what_has_one_of_them(
    api: httpx.Client, record: str, criterion: str, expected: str
) -> None:
    ids = found(api, f"Observation?patient={record}-p&{criterion.format(u=record)}")
    assert sorted(ids) == sorted(f"{record}-{each}" for each in expected.split())


def test_the_value_sets_of_r4_are_known(api: httpx.Client, record: str) -> None:
    genders = "http://hl7.org/fhir/ValueSet/administrative-gender"
    assert found(api, f"Patient?_id={record}-p&gender:in={genders}") == [f"{record}-p"]
    assert found(api, f"Patient?_id={record}-p&gender:not-in={genders}") == []


@pytest.mark.parametrize(
    ("criterion", "says"),
    [
        ("code:in=http://example.org/vs/{u}-none", "vs/{u}-none"),
        ("code:in=http://example.org/vs/{u}-listed|1.0", "vs/{u}-listed|1.0"),
        ("code:in=ValueSet/{u}-none", "ValueSet/{u}-none"),
        ("code:in=http://example.org/vs/{u}-loop", "imports itself"),
        ("code:in=http://example.org/vs/{u}-fragment", "not complete"),
        ("code:in=http://example.org/vs/{u}-elsewhere", "cs/{u}/none"),
        ("code:in=http://example.org/vs/{u}-regex", "regex"),
        ("code:below=fever", "system|code"),
        ("code:below=http://example.org/none/{u}|fever", "none/{u}"),
    ],
)
def test_what_cannot_be_expanded_is_named(api: httpx.Client, record: str, criterion: str, says: str) -> None:
    response = api.get(f"Observation?{criterion.format(u=record)}")
    assert response.status_code == 400, response.text
    assert says.format(u=record) in texts(response)


def test_places_are_found_above_and_below_in_their_hierarchy(api: httpx.Client, unique: str) -> None:
    for name, part_of in (("site", None), ("house", "site"), ("floor", "house"), ("room", "floor"), ("shed", "site")):
        location: dict[str, Any] = {"resourceType": "Location", "id": f"{unique}-{name}", "name": name}
        if part_of:
            location["partOf"] = {"reference": f"Location/{unique}-{part_of}"}
        assert api.put(f"Location/{unique}-{name}", json=location).status_code == 201

    def parts(criterion: str) -> set[str]:
        return {id.removeprefix(f"{unique}-") for id in found(api, f"Location?{criterion}")}

    assert parts(f"partof:below=Location/{unique}-house") == {"floor", "room"}
    assert parts(f"partof:below={unique}-site") == {"house", "floor", "room", "shed"}
    assert parts(f"partof:above=Location/{unique}-floor") == {"house", "floor", "room", "shed"}
    assert parts(f"partof:below=Location/{unique}-none") == set()


def test_chains_take_value_sets_too(api: httpx.Client, record: str) -> None:
    having = f"_has:Observation:patient:code:in=http://example.org/vs/{record}-isa"
    assert found(api, f"Patient?_id={record}-p&{having}") == [f"{record}-p"]
