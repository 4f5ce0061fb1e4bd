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


@pytest.mark.parametrize(
    ("parameter", "value", "found"),
    [
        ("code:text", "body h", True),
        ("code:text", "HEIGHT OF", True),
        ("code:text", "dy", False),
        ("code:text", "8302", False),
        ("category:text", "body", False),
        ("code:not", "8302-2", False),
        ("code:not", "x", True),
        ("code:not", "x,8302-2", False),
        ("category:not", "x", True),
        ("code:not", f"{LOINC}|", False),
    ],
)
def test_modifiers_of_codes(parameter: str, value: str, found: bool) -> None:
    concept = {"coding": [{"system": LOINC, "code": "8302-2", "display": "Body Height"}], "text": "Height of body"}
    assert finds("Observation", [(parameter, value)], row({"resourceType": "Observation", "code": concept})) is found


@pytest.mark.parametrize(
    ("parameter", "value", "found"),
    [
        ("identifier:of-type", "http://v2|MR|12345", True),
        ("identifier:of-type", "http://v2|mr|12345", True),
        ("identifier:of-type", "|MR|12345", False),
        ("identifier:of-type", "|local|12345", True),
        ("identifier:of-type", "http://v2|MR|1234", False),
        ("identifier:of-type", "http://v2|SS|12345", False),
        ("identifier:of-type", "http://v2|SS|123-45-6789", True),
        ("identifier:of-type", "http://v2|SS|123456789", True),
        ("identifier:text", "medical rec", True),
        ("identifier:text", "record", False),
        ("identifier:text", "number of", True),
        ("identifier", "of-type", False),
    ],
)
def test_modifiers_of_identifiers(parameter: str, value: str, found: bool) -> None:
    type = {
        "coding": [{"system": "http://v2", "code": "MR", "display": "Medical record"}, {"code": "local"}],
        "text": "Number of record",
    }
    social = {"coding": [{"system": "http://v2", "code": "SS"}]}
    identifiers = [
        {"type": type, "system": "http://clinic", "value": "12345"},
        {"type": social, "system": "http://hl7.org/fhir/sid/us-ssn", "value": "123-45-6789"},
    ]
    assert finds("Patient", [(parameter, value)], row({"resourceType": "Patient", "identifier": identifiers})) is found


@pytest.mark.parametrize("value", ["http://v2|MR", "MR", "http://v2||1", "http://v2|MR|", "a|b|c|d"])
def test_a_type_without_all_its_parts_is_refused(value: str) -> None:
    with pytest.raises(FhirError):
        finds("Patient", [("identifier:of-type", value)], {})
