"""Reference and uri parameters."""

from typing import Any

import pytest

from fhir_server.core.outcome import FhirError
from tests.unit.search.matching import BASE, finds, row


def about(reference: str) -> dict[str, Any]:
    return row({"resourceType": "Observation", "subject": {"reference": reference}})


LOCAL = ["p1", "Patient/p1", f"{BASE}/Patient/p1", "Patient/p1/_history/3", f"{BASE}/Patient/p1/_history/3"]


@pytest.mark.parametrize("stored", LOCAL[1:])
@pytest.mark.parametrize("asked", LOCAL)
@pytest.mark.parametrize("parameter", ["subject", "subject:Patient", "patient"])
def test_a_local_reference_is_one_however_it_is_written(stored: str, asked: str, parameter: str) -> None:
    assert finds("Observation", [(parameter, asked)], about(stored))


@pytest.mark.parametrize("asked", ["p2", "Group/p1", "P1", "http://other/fhir/Patient/p1"])
def test_other_references_are_others(asked: str) -> None:
    assert not finds("Observation", [("subject", asked)], about("Patient/p1"))


def test_an_id_alone_may_be_of_any_target_and_a_type_narrows_it() -> None:
    found = about("Group/g1")
    assert finds("Observation", [("subject", "g1")], found)
    assert finds("Observation", [("subject:Group", "g1")], found)
    assert not finds("Observation", [("subject:Patient", "g1")], found)
    assert not finds("Observation", [("patient", "g1")], found)


def test_a_foreign_reference_is_found_by_its_url_in_every_version() -> None:
    found = about("http://other/fhir/Patient/p1/_history/2")
    assert finds("Observation", [("subject", "http://other/fhir/Patient/p1")], found)
    assert finds("Observation", [("patient", "http://other/fhir/Patient/p1")], found)
    assert not finds("Observation", [("subject", "Patient/p1")], found)
    assert not finds("Observation", [("subject", "p1")], found)


def test_a_reference_into_the_resource_itself_is_not_found() -> None:
    assert about("#p1")["t"] == ["subject!"]


def test_a_urn_is_found_as_it_stands() -> None:
    urn = "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"
    assert finds("Observation", [("subject", urn)], about(urn))


@pytest.mark.parametrize("asked", ["Foo/1", "#p1", "a b", "Patient/", "/Patient/1", "a/b/c", "{}", "http://a b"])
def test_what_is_no_reference_is_refused(asked: str) -> None:
    with pytest.raises(FhirError) as refused:
        finds("Observation", [("subject", asked)], {})
    assert [issue.number for issue in refused.value.issues] == [4003]


def test_a_parameter_for_every_type_asks_for_an_id_of_each() -> None:
    found = row({"resourceType": "Provenance", "target": [{"reference": "VisionPrescription/1"}]})
    assert finds("Provenance", [("target", "1")], found)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("http://x/Questionnaire/q", True),
        ("http://x/Questionnaire/q|2", True),
        ("http://x/Questionnaire/q\\|2", True),
        ("http://x/Questionnaire/q|3", False),
        ("http://x/Questionnaire/q|", False),
        ("http://x/Questionnaire/other", False),
    ],
)
def test_a_canonical_is_found_with_its_version_and_without(asked: str, found: bool) -> None:
    response = row({"resourceType": "QuestionnaireResponse", "questionnaire": "http://x/Questionnaire/q|2"})
    assert finds("QuestionnaireResponse", [("questionnaire", asked)], response) is found


def test_a_canonical_of_this_server_is_found_by_type_and_id() -> None:
    response = row({"resourceType": "QuestionnaireResponse", "questionnaire": f"{BASE}/Questionnaire/q|2"})
    for asked in ("q", "Questionnaire/q", f"{BASE}/Questionnaire/q", f"{BASE}/Questionnaire/q|2"):
        assert finds("QuestionnaireResponse", [("questionnaire", asked)], response)


def test_the_first_resource_of_a_document_is_its_composition() -> None:
    entries = [{"resource": {"resourceType": "Composition", "id": "c1"}}, {"resource": {"resourceType": "Patient"}}]
    found = row({"resourceType": "Bundle", "type": "document", "entry": entries})
    assert finds("Bundle", [("composition", "c1")], found)
    assert not any(token.startswith("message|") for token in found["t"])


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("http://x/ValueSet/v", True),
        ("HTTP://x/ValueSet/v", False),
        ("http://x/ValueSet", False),
        ("urn:oid:1.2,http://x/ValueSet/v", True),
    ],
)
def test_a_uri_is_found_letter_by_letter(asked: str, found: bool) -> None:
    assert finds("ValueSet", [("url", asked)], row({"resourceType": "ValueSet", "url": "http://x/ValueSet/v"})) is found


def test_a_profile_is_found_with_its_version_and_without() -> None:
    found = row({"resourceType": "Patient", "meta": {"profile": ["http://x/p|1.0"], "source": "urn:agency#1"}})
    assert finds("Patient", [("_profile", "http://x/p"), ("_profile", "http://x/p|1.0")], found)
    assert not finds("Patient", [("_profile", "http://x/p|2.0")], found)
    assert finds("Patient", [("_source", "urn:agency#1")], found)


IDENTIFIED = row(
    {
        "resourceType": "Observation",
        "subject": {"identifier": {"system": "http://ssn", "value": "a|B"}},
        "performer": [{"reference": "Practitioner/1", "identifier": {"value": "x"}}],
    }
)


@pytest.mark.parametrize(
    ("parameter", "asked", "found"),
    [
        ("subject:identifier", "http://ssn|a\\|B", True),
        ("subject:identifier", "a\\|B", True),
        ("subject:identifier", "http://ssn|", True),
        ("subject:identifier", "|a\\|B", False),
        ("subject:identifier", "http://ssn|a\\|b", False),
        ("subject:identifier", "x", False),
        ("performer:identifier", "|x", True),
        ("performer", "Practitioner/1", True),
        ("performer", "x", False),
    ],
)
def test_a_reference_is_found_by_the_identifier_in_it(parameter: str, asked: str, found: bool) -> None:
    assert finds("Observation", [(parameter, asked)], IDENTIFIED) is found


def valued(url: str) -> dict[str, Any]:
    return row({"resourceType": "ValueSet", "url": url})


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("http://x/fhir", True),
        ("http://x/fhir/", True),
        ("http://x/fhir/ValueSet/v", True),
        ("http://x", True),
        ("http://x/fh", False),
        ("http://x/fhir/ValueSet/v/", False),
        ("http://x/fhir/ValueSet/vv", False),
        ("http://x/FHIR", False),
    ],
)
def test_below_a_url_lies_what_continues_it_after_a_slash(asked: str, found: bool) -> None:
    assert finds("ValueSet", [("url:below", asked)], valued("http://x/fhir/ValueSet/v")) is found


@pytest.mark.parametrize(
    ("stored", "found"),
    [
        ("http://x/a/b", True),
        ("http://x/a/b/", True),
        ("http://x/a", True),
        ("http://x/a/", True),
        ("http://x", True),
        ("http://x/", True),
        ("http://x/a/b/c", False),
        ("http://x/b", False),
        ("http:/", False),
        ("http://y", False),
    ],
)
def test_above_a_url_lie_its_ancestors(stored: str, found: bool) -> None:
    assert finds("ValueSet", [("url:above", "http://x/a/b")], valued(stored)) is found


@pytest.mark.parametrize(
    ("modifier", "asked"),
    [
        ("below", "urn:oid:1.2.3"),
        ("above", "urn:oid:1.2.3"),
        ("below", "x"),
        ("below", "http://" + "x" * 1000),
        ("above", "http://x" + "/y" * 60),
    ],
)
def test_a_hierarchy_of_what_is_no_url_or_a_very_long_one_is_refused(modifier: str, asked: str) -> None:
    with pytest.raises(FhirError) as refused:
        finds("ValueSet", [(f"url:{modifier}", asked)], {})
    assert [issue.number for issue in refused.value.issues] == [4003]
