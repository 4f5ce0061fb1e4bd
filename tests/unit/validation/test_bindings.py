"""Bindings of strength required. https://hl7.org/fhir/R4/terminologies.html#required"""

from typing import Any

import pytest

from fhir_server.core import outcome
from fhir_server.validation.validate import validate

CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"


def condition(**elements: Any) -> dict[str, Any]:
    return {"resourceType": "Condition", "subject": {"reference": "Patient/p"}, **elements}


GOOD: tuple[dict[str, Any], ...] = (
    {"resourceType": "Patient", "gender": "other"},
    {"resourceType": "Patient", "_gender": {"extension": [{"url": "u", "valueCode": "x"}]}},
    {"resourceType": "Binary", "contentType": "application/anything"},
    condition(clinicalStatus={"coding": [{"system": CLINICAL, "code": "active"}]}),
    condition(clinicalStatus={"coding": [{"system": "urn:own", "code": "a"}, {"system": CLINICAL, "code": "active"}]}),
    condition(clinicalStatus={"extension": [{"url": "u", "valueCode": "unknown"}]}),
    condition(
        clinicalStatus={"coding": [{"system": CLINICAL, "_code": {"extension": [{"url": "u", "valueCode": "x"}]}}]}
    ),
    condition(severity={"coding": [{"system": "urn:own", "code": "preferred only"}]}),
)
BAD: tuple[tuple[dict[str, Any], str], ...] = (
    ({"resourceType": "Patient", "gender": "Male"}, "Patient.gender"),
    ({"resourceType": "Patient", "contact": [{"gender": "m"}]}, "Patient.contact[0].gender"),
    (condition(clinicalStatus={"text": "active"}), "Condition.clinicalStatus"),
    (condition(clinicalStatus={"coding": [{"code": "active"}]}), "Condition.clinicalStatus"),
    (condition(clinicalStatus={"coding": [{"system": CLINICAL, "code": "x"}]}), "Condition.clinicalStatus"),
    (condition(clinicalStatus={"coding": [{"system": CLINICAL}]}), "Condition.clinicalStatus"),
    (
        condition(clinicalStatus={"coding": [{"system": "http://hl7.org/fhir/condition-clinical", "code": "active"}]}),
        "Condition.clinicalStatus",
    ),
)


@pytest.mark.parametrize("resource", GOOD, ids=repr)
def test_a_code_of_the_required_value_set_is_good(resource: dict[str, Any]) -> None:
    assert validate(resource) == ()


@pytest.mark.parametrize(("resource", "expression"), BAD, ids=repr)
def test_another_code_is_refused_where_it_stands(resource: dict[str, Any], expression: str) -> None:
    (issue,) = validate(resource)
    assert (issue.number, issue.expression) == (outcome.CODE_NOT_ALLOWED.number, expression)


def test_the_codes_to_choose_from_are_told() -> None:
    (issue,) = validate({"resourceType": "Patient", "gender": "m"})
    assert "female, male, other, unknown" in issue.text


def test_of_a_long_value_set_a_few_codes_and_its_name_are_told() -> None:
    (issue,) = validate(
        {"resourceType": "Bundle", "type": "collection", "entry": [{"request": {"method": "X", "url": "a"}}]}
    )
    assert "DELETE" in issue.text
    (issue,) = validate(
        {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": "2020",
            "kind": "instance",
            "fhirVersion": "4.0.1",
            "format": ["json"],
            "rest": [{"mode": "server", "resource": [{"type": "X"}]}],
        }
    )
    assert "more of http://hl7.org/fhir/ValueSet/resource-types" in issue.text and len(issue.text) < 600


def test_a_code_that_is_no_string_is_told_so_and_not_looked_up() -> None:
    for value in (1, ["male"], {"a": "male"}, None):
        (issue,) = validate({"resourceType": "Patient", "gender": value})
        assert issue.number == outcome.WRONG_TYPE.number
