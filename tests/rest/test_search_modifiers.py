"""Modifiers, one by one, with the cases a matcher would not think of: https://hl7.org/fhir/R4/search.html#modifiers"""

from typing import Any

import httpx
import pytest

from tests.rest.conftest import created, numbers, observation, patient, texts


def found(api: httpx.Client, url: str) -> set[str]:
    response = api.get(url)
    assert response.status_code == 200, (url, response.text)
    return {entry["resource"]["id"] for entry in response.json().get("entry", ())}


def tagged(unique: str, **elements: Any) -> dict[str, Any]:
    return {"meta": {"tag": [{"system": "urn:run", "code": unique}]}, **elements}


@pytest.fixture
def run(unique: str) -> str:
    """The parameter that finds only what this test stored."""
    return f"_tag=urn:run|{unique}"


def test_strings_are_compared_folded_exactly_or_anywhere(api: httpx.Client, unique: str, run: str) -> None:
    accented = created(api, patient(**tagged(unique, name=[{"family": "Müller-Lüdenscheidt"}])))["id"]
    ordinary = created(api, patient(**tagged(unique, name=[{"family": "Muller"}])))["id"]
    for query, expected in {
        "family=MULLER": {accented, ordinary},
        "family=lüdenscheidt": set(),
        "family:contains=LUDENSCHEIDT": {accented},
        "family:contains=muller": {accented, ordinary},
        "family:exact=Muller": {ordinary},
        "family:exact=muller": set(),
        "family:exact=Müller-Lüdenscheidt": {accented},
        "family:exact=Müller": set(),
        "family:contains=er-": {accented},
    }.items():
        assert found(api, f"Patient?{run}&{query}") == expected, query


def test_contains_finds_the_end_of_a_long_text(api: httpx.Client, unique: str, run: str) -> None:
    long = "Lorem ipsum " * 400 + "needle" + " dolor sit" * 300
    one = created(api, patient(**tagged(unique, name=[{"text": long}])))["id"]
    assert found(api, f"Patient?{run}&name:contains=NEEDLE dolor") == {one}
    assert found(api, f"Patient?{run}&name:contains=ipsum needle") == {one}
    assert found(api, f"Patient?{run}&name:contains=needle ipsum") == set()
    assert found(api, f"Patient?{run}&name=lorem ipsum") == {one}


def test_escapes_are_part_of_the_value(api: httpx.Client, unique: str, run: str) -> None:
    comma = created(api, patient(**tagged(unique, name=[{"family": "Smith, Jr$|\\x"}])))["id"]
    created(api, patient(**tagged(unique, name=[{"family": "Smith"}])))
    for query in ("family=smith\\, jr", "family:exact=Smith\\, Jr\\$\\|\\\\x", "family:contains=\\$\\|\\\\"):
        assert found(api, f"Patient?{run}&{query}") == {comma}, query
    identifier = [{"system": "urn:a|b", "value": "c,d"}]
    held = created(api, patient(**tagged(unique, identifier=identifier)))["id"]
    assert found(api, f"Patient?{run}&identifier=urn:a\\|b|c\\,d") == {held}
    assert found(api, f"Patient?{run}&identifier=c\\,d") == {held}
    assert found(api, f"Patient?{run}&identifier=c,d") == set()


def test_not_means_none_of_the_values_and_takes_those_without(api: httpx.Client, unique: str, run: str) -> None:
    _, female, neither = (
        created(api, patient(**tagged(unique, **gender)))["id"]
        for gender in ({"gender": "male"}, {"gender": "female"}, {})
    )
    assert found(api, f"Patient?{run}&gender:not=male") == {female, neither}
    assert found(api, f"Patient?{run}&gender:not=male,female") == {neither}
    assert found(api, f"Patient?{run}&gender:not=male&gender:not=female") == {neither}
    assert found(api, f"Patient?{run}&gender:missing=false&gender:not=male") == {female}
    assert created(api, patient())["id"] not in found(api, f"Patient?{run}&gender:not=other")


def test_not_and_missing_alone_never_find_what_was_deleted(api: httpx.Client) -> None:
    resource = {"resourceType": "Substance", "code": {"text": "x"}}
    kept, deleted = created(api, resource)["id"], created(api, resource)["id"]
    assert api.delete(f"Substance/{deleted}").status_code == 204
    for query in ("category:missing=true", "status:not=active", "category:not=x", "expiry:missing=true"):
        ids = found(api, f"Substance?{query}&_count=1000")
        assert kept in ids and deleted not in ids, query


def test_text_reads_displays_and_texts(api: httpx.Client, unique: str, run: str) -> None:
    person = created(api, patient())["id"]
    code = {"text": "Körper weight", "coding": [{"code": "x", "display": "Body Weight"}]}
    one = created(api, observation(person, **tagged(unique, code=code)))["id"]
    for query, is_found in {
        "code:text=body w": True, "code:text=KORPER": True, "code:text=weight": False, "code:text=x": False,
    }.items():  # fmt: skip
        assert found(api, f"Observation?{run}&{query}") == ({one} if is_found else set()), query
    typed = [{"type": {"text": "Medical record"}, "value": "7"}]
    held = created(api, patient(**tagged(unique, identifier=typed)))["id"]
    assert found(api, f"Patient?{run}&identifier:text=medical") == {held}


def test_an_identifier_is_found_by_its_type(api: httpx.Client, unique: str, run: str) -> None:
    system = "http://terminology.hl7.org/CodeSystem/v2-0203"
    typed = {"coding": [{"system": system, "code": "MR"}]}
    two = [{"type": typed, "system": "urn:a", "value": "12345"}, {"system": "urn:b", "value": "67"}]
    one = created(api, patient(**tagged(unique, identifier=two)))["id"]
    assert found(api, f"Patient?{run}&identifier:of-type={system}|MR|12345") == {one}
    for query in (f"{system}|MR|67", f"{system}|SS|12345", "urn:other|MR|12345"):
        assert found(api, f"Patient?{run}&identifier:of-type={query}") == set(), query


def test_a_reference_is_found_by_its_identifier(api: httpx.Client, unique: str, run: str) -> None:
    subject = {"identifier": {"system": "urn:mrn", "value": unique}}
    one = created(api, observation("x", **tagged(unique, subject=subject)))["id"]
    for value in (f"urn:mrn|{unique}", unique, "urn:mrn|"):
        assert found(api, f"Observation?{run}&subject:identifier={value}") == {one}
    assert found(api, f"Observation?{run}&subject:identifier=|{unique}") == set()
    assert found(api, f"Observation?{run}&subject:missing=false") == {one}


def test_uris_go_up_and_down_by_whole_parts(api: httpx.Client, unique: str) -> None:
    root = f"http://example.org/{unique}"
    ids = {}
    for path in ("/fhir", "/fhir/ValueSet", "/fhir/ValueSet/my", "/fhirs"):
        ids[path] = created(api, {"resourceType": "ValueSet", "status": "draft", "url": root + path})["id"]
    for query, expected in {
        f"url={root}/fhir": {"/fhir"},
        f"url:below={root}/fhir": {"/fhir", "/fhir/ValueSet", "/fhir/ValueSet/my"},
        f"url:below={root}/fhir/": {"/fhir/ValueSet", "/fhir/ValueSet/my"},
        f"url:below={root}": {"/fhir", "/fhir/ValueSet", "/fhir/ValueSet/my", "/fhirs"},
        f"url:above={root}/fhir/ValueSet/my/own": {"/fhir", "/fhir/ValueSet", "/fhir/ValueSet/my"},
        f"url:above={root}/fhir/ValueSets": {"/fhir"},
        f"url:below={root.upper()}": set(),
    }.items():
        assert found(api, f"ValueSet?{query}") == {ids[path] for path in expected}, query
    response = api.get("ValueSet?url:below=urn:oid:1.2.3")
    assert (response.status_code, numbers(response)) == (400, ["4003"])
    assert "url:below" in texts(response)


def test_codes_are_found_in_a_stored_value_set_and_outside_it(api: httpx.Client, unique: str, run: str) -> None:
    url = f"http://example.org/{unique}/colours"
    include = {"system": f"{url}/system", "concept": [{"code": "red"}, {"code": "green"}]}
    value_set = {"resourceType": "ValueSet", "status": "active", "url": url, "compose": {"include": [include]}}
    stored = created(api, value_set)["id"]
    person = created(api, patient())["id"]
    ids = {}
    for code in ("red", "blue"):
        coding = {"coding": [{"system": f"{url}/system", "code": code}]}
        ids[code] = created(api, observation(person, **tagged(unique, code=coding)))["id"]
    ids["foreign"] = created(api, observation(person, **tagged(unique, code={"coding": [{"code": "red"}]})))["id"]
    ids["none"] = created(api, observation(person, **tagged(unique, code={"text": "red"})))["id"]
    for name in (url, f"ValueSet/{stored}"):
        assert found(api, f"Observation?{run}&code:in={name}") == {ids["red"]}
        outside = {ids["blue"], ids["foreign"], ids["none"]}
        assert found(api, f"Observation?{run}&code:not-in={name}") == outside


def test_codes_go_up_and_down_a_stored_code_system(api: httpx.Client, unique: str, run: str) -> None:
    url = f"http://example.org/{unique}/animals"
    dog = {"code": "dog", "concept": [{"code": "poodle"}]}
    concepts = [{"code": "animal", "concept": [dog, {"code": "cat"}]}]
    system = {"resourceType": "CodeSystem", "status": "active", "content": "complete", "url": url, "concept": concepts}
    created(api, system)
    person = created(api, patient())["id"]
    ids = {
        code: created(api, observation(person, **tagged(unique, code={"coding": [{"system": url, "code": code}]})))[
            "id"
        ]
        for code in ("animal", "dog", "poodle", "cat")
    }
    for query, expected in {
        f"code:below={url}|dog": {"dog", "poodle"},
        f"code:below={url}|animal": {"animal", "dog", "poodle", "cat"},
        f"code:above={url}|poodle": {"animal", "dog", "poodle"},
        f"code:above={url}|animal": {"animal"},
        f"code:below={url}|poodle,{url}|cat": {"poodle", "cat"},
    }.items():
        assert found(api, f"Observation?{run}&{query}") == {ids[code] for code in expected}, query


def test_locations_go_up_and_down_their_parts(api: httpx.Client, unique: str, run: str) -> None:
    ids: list[str] = []
    for _ in range(3):
        above = {"partOf": {"reference": f"Location/{ids[-1]}"}} if ids else {}
        ids.append(created(api, {"resourceType": "Location", **tagged(unique), **above})["id"])
    below = found(api, f"Location?{run}&partof:below={ids[0]}")
    assert {ids[1], ids[2]} <= below <= {*ids}
    assert found(api, f"Location?{run}&partof:below={ids[2]}") <= {ids[2]}


def test_a_gram_finds_a_thousand_milligrams(api: httpx.Client, unique: str, run: str) -> None:
    person = created(api, patient())["id"]
    ucum = "http://unitsofmeasure.org"
    ids = {}
    for name, value in {
        "mg": {"value": 1000, "system": ucum, "code": "mg", "unit": "milligram"},
        "g": {"value": 1.0, "system": ucum, "code": "g"},
        "kg": {"value": 0.001, "system": ucum, "code": "kg"},
        "two": {"value": 2, "system": ucum, "code": "g"},
        "volume": {"value": 1, "system": ucum, "code": "L"},
        "bare": {"value": 1},
        "other": {"value": 1, "system": "urn:x", "code": "g"},
    }.items():
        ids[name] = created(api, observation(person, **tagged(unique, valueQuantity=value)))["id"]
    for query, expected in {
        f"1|{ucum}|g": {"mg", "g", "kg"},
        f"1000|{ucum}|mg": {"mg", "g", "kg"},
        f"gt1|{ucum}|g": {"two"},
        f"le1|{ucum}|g": {"mg", "g", "kg"},
        f"ne1|{ucum}|g": {"two"},
        "1": {"g", "volume", "bare", "other"},
        "1||g": {"g", "other"},
        "1000||milligram": {"mg"},
        "1|urn:x|g": {"other"},
        f"sa0.999|{ucum}|g": {"mg", "g", "kg", "two"},
        f"ap1.05|{ucum}|g": {"mg", "g", "kg"},
        f"1000.0|{ucum}|ug": set(),
    }.items():
        expected_ids = {ids[name] for name in expected}
        assert found(api, f"Observation?{run}&value-quantity={query}") == expected_ids, query


def test_a_composite_is_tied_to_one_element(api: httpx.Client, unique: str, run: str) -> None:
    person = created(api, patient())["id"]

    def part(code: str, value: int) -> dict[str, Any]:
        coding = {"system": "http://loinc.org", "code": code}
        return {"code": {"coding": [coding]}, "valueQuantity": {"value": value, "unit": "mmHg"}}

    panel = [part("8480-6", 120), part("8462-4", 80)]
    one = created(api, observation(person, **tagged(unique, component=panel)))["id"]
    for query, is_found in {
        "component-code-value-quantity=8480-6$120": True,
        "component-code-value-quantity=http://loinc.org|8480-6$gt110": True,
        "component-code-value-quantity=8480-6$80": False,
        "component-code-value-quantity=8480-6$lt100": False,
        "component-code-value-quantity=8480-6$80,8462-4$80": True,
        "combo-code-value-quantity=8462-4$80": True,
        "combo-code-value-quantity=8462-4$120": False,
        "code-value-quantity=8480-6$120": False,
        "component-code-value-quantity=8480-6$120&component-code-value-quantity=8462-4$80": True,
        "_filter=component-code eq 8480-6 and component-value-quantity eq 80": True,
    }.items():
        assert found(api, f"Observation?{run}&{query}") == ({one} if is_found else set()), query


@pytest.mark.parametrize("distance", ["1|km", "1000|m", "0.7|[mi_i]"])
def test_near_is_a_circle_also_across_the_date_line(api: httpx.Client, unique: str, run: str, distance: str) -> None:
    ids = {}
    for name, place in {"near": (52.0, 179.999), "across": (52.0, -179.999), "far": (52.0, 179.9)}.items():
        position = {"latitude": place[0], "longitude": place[1]}
        ids[name] = created(api, {"resourceType": "Location", **tagged(unique), "position": position})["id"]
    assert found(api, f"Location?{run}&near=52|180|{distance}") == {ids["near"], ids["across"]}
    assert found(api, f"Location?{run}&near=52|-180") == set(ids.values())
