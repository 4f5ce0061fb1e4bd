"""Which SearchParameter resources bring a parameter into force, and what keeps one from it."""

from typing import Any

import pytest

from fhir_server.definitions import custom_parameters
from fhir_server.definitions.custom_parameters import MAX_TYPES, Custom
from fhir_server.definitions.parameter_set import STANDARD, ParameterSet
from fhir_server.definitions.registry import resource_types


def parameter(**elements: Any) -> dict[str, Any]:
    """An active SearchParameter that may come into force."""
    return {
        "resourceType": "SearchParameter",
        "id": "marital",
        "url": "http://example.org/SearchParameter/marital",
        "name": "marital",
        "status": "active",
        "description": "Marital status",
        "code": "marital",
        "base": ["Patient"],
        "type": "token",
        "expression": "Patient.maritalStatus",
        **elements,
    }


def read(**elements: Any) -> Custom:
    custom = custom_parameters.read(parameter(**elements))
    assert custom is not None
    return custom


def faults(**elements: Any) -> list[tuple[str | None, str]]:
    return [(issue.expression, issue.text) for issue in custom_parameters.findings(read(**elements))]


def test_an_active_definition_applies_to_each_of_its_types_with_its_part_of_the_expression() -> None:
    custom = read(base=["Patient", "Person"], expression="Patient.photo.title | Person.photo.title", type="string")
    assert [(each.base, each.expression) for each in custom.applied()] == [
        ("Patient", "Patient.photo.title"),
        ("Person", "Person.photo.title"),
    ]
    assert custom_parameters.findings(custom) == ()


@pytest.mark.parametrize("status", ["draft", "retired", "unknown"])
def test_what_is_not_active_is_only_stored(status: str) -> None:
    assert custom_parameters.read(parameter(status=status)) is None


def test_a_parameter_r4_publishes_is_only_stored() -> None:
    published = {"url": "http://hl7.org/fhir/SearchParameter/Patient-birthdate", "code": "birthdate", "type": "date"}
    assert custom_parameters.read(parameter(**published, expression="Patient.birthDate")) is None


def test_what_reads_the_same_as_r4s_own_parameter_is_only_stored() -> None:
    assert custom_parameters.read(parameter(code="birthdate", type="date", expression="(Patient.birthDate)")) is None
    derived = {"derivedFrom": "http://hl7.org/fhir/SearchParameter/individual-birthdate"}
    same = parameter(code="birthdate", type="date", expression="Patient.birthDate.extension.value", **derived)
    assert custom_parameters.read(same) is None


def test_a_code_of_r4_with_another_meaning_is_refused_by_name() -> None:
    assert faults(code="gender") == [
        ("SearchParameter.code", "R4 itself defines 'gender' on Patient, with another meaning. Choose another code.")
    ]


@pytest.mark.parametrize("code", ["_mine", "with:colon", "with.dot", "9lives", "a" * 65, "tilde~"])
def test_a_code_that_a_search_could_not_name_is_refused(code: str) -> None:
    assert [element for element, _ in faults(code=code)] == ["SearchParameter.code"]


@pytest.mark.parametrize("type", ["composite", "special"])
def test_types_that_need_more_than_an_expression_are_refused(type: str) -> None:
    ((element, text),) = faults(type=type)
    assert element == "SearchParameter.type"
    assert type in text


def test_abstract_bases_too_many_types_and_foreign_targets_are_refused() -> None:
    assert [element for element, _ in faults(base=["DomainResource"])] == ["SearchParameter.base"]
    many = list(resource_types()[: MAX_TYPES + 1])
    assert "SearchParameter.base" in [element for element, _ in faults(base=many, expression="Resource.language")]
    assert [element for element, _ in faults(type="reference", target=["Foo"])] == ["SearchParameter.target"]


def test_an_expression_must_be_there_and_concern_each_type() -> None:
    without = parameter()
    del without["expression"]
    custom = custom_parameters.read(without)
    assert custom is not None
    assert [issue.expression for issue in custom_parameters.findings(custom)] == ["SearchParameter.expression"]
    assert faults(base=["Patient", "Person"]) == [
        ("SearchParameter.expression", "No part of the expression concerns Person, which base names.")
    ]


def test_two_definitions_of_one_code_clash_where_they_share_a_type() -> None:
    first, other_type = read(), read(id="b", url="urn:b", base=["Person"], expression="Person.gender")
    same_code, same_url = read(id="c", url="urn:c"), read(id="d", code="other")
    assert custom_parameters.clash(first, [first, other_type]) is None
    clashes = [custom_parameters.clash(each, [first]) for each in (same_code, same_url)]
    assert [clash and clash.expression for clash in clashes] == ["SearchParameter.code", "SearchParameter.url"]


def test_definitions_are_the_same_after_they_were_stored() -> None:
    customs = (read(), read(id="b", target=["Patient"], type="reference"))
    assert custom_parameters.restored(custom_parameters.stored(customs)) == customs


def test_a_set_adds_to_the_types_it_names_and_leaves_r4s_own_parameters_as_they_are() -> None:
    added = ParameterSet(1, custom_parameters.applied([read(), read(id="b", code="gender")]))
    assert added.of("Patient")["marital"].expression == "Patient.maritalStatus"
    assert added.of("Patient")["gender"] == STANDARD.of("Patient")["gender"]
    assert added.of("Person") is STANDARD.of("Person")
    with pytest.raises(KeyError):
        added.of("Nothing")
