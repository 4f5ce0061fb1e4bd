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
        _value_set(
            unique,
            "unnamed",
            {"valueSet": [None, f"http://example.org/vs/{unique}-isa"], "_valueSet": [{"extension": [_UNKNOWN]}, None]},
        ),
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


_UNKNOWN = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}


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
        ("code:in=http://example.org/vs/{u}-none", "a value that names no ValueSet here"),
        ("code:in=http://example.org/vs/{u}-listed,http://example.org/vs/{u}-none", "a value (number 2)"),
        ("code:in=http://example.org/vs/{u}-listed|1.0", "names no ValueSet here"),
        ("code:in=ValueSet/{u}-none", "names no ValueSet here"),
        ("code:in=http://example.org/vs/{u}-unnamed", "imports one without a URL"),
        ("code:in=http://example.org/vs/{u}-loop", "imports itself"),
        ("code:in=http://example.org/vs/{u}-fragment", "not complete"),
        ("code:in=http://example.org/vs/{u}-elsewhere", "cs/{u}/none"),
        ("code:in=http://example.org/vs/{u}-regex", "regex"),
        ("code:below=fever", "system|code"),
        ("code:below=http://example.org/none/{u}|fever", "names no CodeSystem here"),
    ],
)
def test_what_cannot_be_expanded_is_named(api: httpx.Client, record: str, criterion: str, says: str) -> None:
    """What a stored resource names is told; what the search itself says is not repeated."""
    criterion = criterion.format(u=record)
    response = api.get(f"Observation?{criterion}")
    assert response.status_code == 400, response.text
    assert says.format(u=record) in texts(response)
    name, _, value = criterion.partition("=")
    assert response.json()["issue"][0]["expression"] == [name]
    assert value not in response.text


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


def test_a_value_set_that_is_named_often_is_read_once(api: httpx.Client, record: str) -> None:
    every = " or ".join([f"code in http://example.org/vs/{record}-isa"] * 40)
    search = f"Observation?patient={record}-p&_filter={every}"
    assert sorted(found(api, search)) == sorted(f"{record}-{each}" for each in ("fever", "high", "low"))


def test_places_of_a_parameter_that_names_several_types_form_a_hierarchy_of_the_searched_one(
    api: httpx.Client, unique: str
) -> None:
    """`has-member` may name a QuestionnaireResponse too; an id alone is one of an Observation here."""
    for name, member in (("leaf", None), ("node", "leaf"), ("root", "node")):
        members = {"hasMember": [{"reference": f"Observation/{unique}-{member}"}]} if member else {}
        one = observation(unique, id=f"{unique}-{name}", **members)
        assert api.put(f"Observation/{unique}-{name}", json=one).status_code == 201
    for value in (f"{unique}-leaf", f"Observation/{unique}-leaf"):
        below = found(api, f"Observation?subject=Patient/{unique}&has-member:below={value}")
        assert sorted(below) == [f"{unique}-node", f"{unique}-root"]
