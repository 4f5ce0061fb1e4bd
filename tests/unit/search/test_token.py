"""Token parameters: what is written and what is asked meet."""

from typing import Any

import pytest

from fhir_server.core.outcome import FhirError
from tests.unit.search.matching import finds, row

LOINC = "http://loinc.org"


def coded(*codings: dict[str, str]) -> dict[str, Any]:
    return {"resourceType": "Observation", "status": "final", "code": {"coding": list(codings)}}


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("8302-2", True),
        (f"{LOINC}|8302-2", True),
        (f"{LOINC}|", True),
        ("|8302-2", False),
        ("http://other|8302-2", False),
        ("http://other|", False),
        ("8302", False),
        ("8302-2,other", True),
        ("other,http://x|y", False),
    ],
)
def test_a_code_with_a_system(value: str, found: bool) -> None:
    assert finds("Observation", [("code", value)], row(coded({"system": LOINC, "code": "8302-2"}))) is found


@pytest.mark.parametrize(("value", "found"), [("X", True), ("x", True), ("|x", True), (f"{LOINC}|x", False)])
def test_a_code_without_a_system_in_any_case(value: str, found: bool) -> None:
    assert finds("Observation", [("code", value)], row(coded({"code": "X"}))) is found


def test_system_and_code_must_be_of_one_coding() -> None:
    resource = coded({"system": LOINC, "code": "a"}, {"system": "http://other", "code": "b"})
    assert not finds("Observation", [("code", f"{LOINC}|b")], row(resource))
    assert finds("Observation", [("code", "http://other|b")], row(resource))
    assert finds("Observation", [("code", f"{LOINC}|a"), ("code", "b")], row(resource))


def test_a_system_without_a_code_is_found_by_the_system() -> None:
    assert finds("Observation", [("code", f"{LOINC}|")], row(coded({"system": LOINC, "display": "x"})))


@pytest.mark.parametrize("code", ["a|b", "a,b", "a$b", "a\\b", "a\\|b", "{$gt:''}", "ä", "a b"])
def test_odd_characters_in_codes_are_found_when_escaped(code: str) -> None:
    escaped = code.replace("\\", "\\\\").replace("|", "\\|").replace(",", "\\,").replace("$", "\\$")
    found = row(coded({"system": LOINC, "code": code}))
    assert finds("Observation", [("code", f"{LOINC}|{escaped}")], found)
    assert finds("Observation", [("code", escaped)], found)
    assert not finds("Observation", [("code", escaped + "x")], found)


def test_a_code_with_a_bar_is_not_a_code_with_a_system() -> None:
    assert not finds("Observation", [("code", "b")], row(coded({"code": "a|b"})))
    assert not finds("Observation", [("code", "b|a")], row(coded({"code": "a|b"})))
    assert not finds("Observation", [("code", "|x")], row(coded({"code": "x", "system": "|"})))


@pytest.mark.parametrize("length", [899, 900, 1000, 5000])
def test_codes_longer_than_an_index_key_stay_exact(length: int) -> None:
    long = "c" * length
    found = row(coded({"system": LOINC, "code": long}))
    assert max(map(len, found["t"])) <= 1000
    assert finds("Observation", [("code", long)], found)
    assert finds("Observation", [("code", f"{LOINC}|{long}")], found)
    assert not finds("Observation", [("code", long + "c")], found)
    assert not finds("Observation", [("code", long[:-1])], found)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("final", True),
        ("FINAL", True),
        ("|final", True),
        ("http://hl7.org/fhir/observation-status|final", True),
        ("http://hl7.org/fhir/observation-status|", True),
        ("http://hl7.org/fhir/observation-status|amended", False),
        ("http://hl7.org/fhir/administrative-gender|final", False),
        ("http://hl7.org/fhir/administrative-gender|", False),
    ],
)
def test_a_code_element_has_the_system_its_binding_implies(value: str, found: bool) -> None:
    assert finds("Observation", [("status", value)], row(coded())) is found


@pytest.mark.parametrize(
    ("value", "found"),
    [("true", True), ("false", False), ("TRUE", True), ("http://hl7.org/fhir/special-values|true", True)],
)
def test_booleans(value: str, found: bool) -> None:
    assert finds("Patient", [("active", value)], row({"resourceType": "Patient", "active": True})) is found


@pytest.mark.parametrize(
    ("resource", "deceased"),
    [
        ({}, False),
        ({"deceasedBoolean": False}, False),
        ({"deceasedBoolean": True}, True),
        ({"deceasedDateTime": "2020"}, True),
    ],
)
def test_everyone_is_deceased_or_not(resource: dict[str, Any], deceased: bool) -> None:
    found = row({"resourceType": "Patient", **resource})
    assert finds("Patient", [("deceased", "true")], found) is deceased
    assert finds("Patient", [("deceased", "false")], found) is not deceased


def test_contacts_are_told_apart_by_their_system() -> None:
    telecom = [{"system": "phone", "value": "555-1"}, {"system": "email", "value": "A@b.C"}]
    found = row({"resourceType": "Patient", "telecom": telecom})
    assert finds("Patient", [("phone", "555-1"), ("email", "a@B.c"), ("telecom", "555-1")], found)
    assert not finds("Patient", [("email", "555-1")], found)


def test_where_booleans_stand_beside_codings_no_system_means_no_system() -> None:
    characteristic = {"code": {}, "valueCodeableConcept": {"coding": [{"system": "s", "code": "x"}]}, "exclude": False}
    concept = row({"resourceType": "Group", "characteristic": [characteristic]})
    boolean = row({"resourceType": "Group", "characteristic": [{"code": {}, "valueBoolean": True, "exclude": False}]})
    assert finds("Group", [("value", "x")], concept)
    assert not finds("Group", [("value", "|x")], concept)
    assert finds("Group", [("value", "|true")], boolean)
    assert finds("Group", [("value", "true")], boolean)


@pytest.mark.parametrize("value", ["|", "a|b|c"])
def test_malformed_tokens_are_refused(value: str) -> None:
    with pytest.raises(FhirError) as refused:
        finds("Observation", [("code", value)], {})
    assert [issue.number for issue in refused.value.issues] == [4003]
