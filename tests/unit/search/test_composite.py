"""Composite parameters: all components hold for one instance."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from fhir_server.core.outcome import FhirError
from fhir_server.definitions.parameter_set import ParameterSet
from fhir_server.definitions.registry import resource_types
from fhir_server.definitions.search_parameters import Component, SearchParameter, search_parameters
from fhir_server.search.index import index_values
from fhir_server.search.parameter_types.composite import roots
from tests.unit.search.matching import finds, row


def quantity(value: str, unit: str = "mm[Hg]") -> dict[str, Any]:
    return {"value": Decimal(value), "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}


def code(value: str) -> dict[str, Any]:
    return {"coding": [{"system": "http://loinc.org", "code": value}]}


PRESSURE: dict[str, Any] = {
    "resourceType": "Observation",
    "code": code("85354-9"),
    "component": [
        {"code": code("8480-6"), "valueQuantity": quantity("120")},
        {"code": code("8462-4"), "valueQuantity": quantity("80")},
        {"code": code("pose"), "valueCodeableConcept": code("sitting")},
    ],
}
WEIGHT: dict[str, Any] = {"resourceType": "Observation", "code": code("w"), "valueQuantity": quantity("70.5", "kg")}


@pytest.mark.parametrize(
    ("parameter", "value", "found"),
    [
        ("component-code-value-quantity", "8480-6$120", True),
        ("component-code-value-quantity", "http://loinc.org|8480-6$gt100|http://unitsofmeasure.org|mm[Hg]", True),
        ("component-code-value-quantity", "8480-6$80", False),
        ("component-code-value-quantity", "8462-4$lt90", True),
        ("component-code-value-quantity", "8480-6$80,8462-4$80", True),
        ("component-code-value-quantity", "85354-9$120", False),
        ("component-code-value-concept", "pose$sitting", True),
        ("component-code-value-concept", "8480-6$sitting", False),
        ("combo-code-value-quantity", "8480-6$120", True),
        ("combo-code-value-quantity", "85354-9$120", False),
        ("combo-code-value-concept", "pose$sitting", True),
        ("code-value-quantity", "85354-9$120", False),
    ],
)
def test_components_hold_for_one_component_of_an_observation(parameter: str, value: str, found: bool) -> None:
    assert finds("Observation", [(parameter, value)], row(PRESSURE)) is found


@pytest.mark.parametrize(
    ("value", "found"),
    [("w$70.5", True), ("w$gt71", False), ("x$70.5", False), ("w$lt100|http://unitsofmeasure.org|kg", True)],
)
@pytest.mark.parametrize("parameter", ["code-value-quantity", "combo-code-value-quantity"])
def test_the_observation_itself_is_an_instance(parameter: str, value: str, found: bool) -> None:
    assert finds("Observation", [(parameter, value)], row(WEIGHT)) is found


def test_a_composite_of_the_resource_itself_writes_no_sub_document() -> None:
    assert "c" not in row(WEIGHT)


def test_one_sub_document_is_written_for_each_instance_and_no_entry_twice() -> None:
    first, second, third = row(PRESSURE)["c"]
    assert first["e"] == second["e"] == third["e"] == "component"
    assert "component-code|8480-6|http://loinc.org" in first["t"]
    assert len(set(first["t"])) == len(first["t"]) == 3
    assert "s" not in first


@pytest.mark.parametrize(("value", "found"), [("x$2020-01", True), ("x$2021", False), ("y$2020", False)])
def test_a_date_component_whose_type_r4_misspells(value: str, found: bool) -> None:
    resource = {"resourceType": "Observation", "code": code("x"), "valueDateTime": "2020-01-05"}
    assert finds("Observation", [("code-value-date", value)], row(resource)) is found


def test_components_that_r4_has_the_wrong_way_round_are_bound_by_their_type() -> None:
    relations = [
        {"code": "replaces", "target": {"reference": "DocumentReference/a"}},
        {"code": "appends", "target": {"reference": "DocumentReference/b"}},
    ]
    found = row({"resourceType": "DocumentReference", "relatesTo": relations})
    assert finds("DocumentReference", [("relationship", "DocumentReference/a$replaces")], found)
    assert not finds("DocumentReference", [("relationship", "DocumentReference/a$appends")], found)


@pytest.mark.parametrize(("value", "found"), [("1$lt20$5", True), ("2$lt20$5", False), ("1$10$50", False)])
def test_a_component_may_be_read_from_the_resource(value: str, found: bool) -> None:
    resource = {
        "resourceType": "MolecularSequence",
        "referenceSeq": {"chromosome": {"coding": [{"code": "1"}]}},
        "variant": [{"start": 10, "end": 5}, {"start": 40, "end": 50}],
    }
    assert finds("MolecularSequence", [("chromosome-variant-coordinate", value)], row(resource)) is found


@pytest.mark.parametrize(("value", "found"), [("age$5", True), ("age$15", False), ("age$gt9", True)])
def test_ranges_and_plain_values_of_a_use_context(value: str, found: bool) -> None:
    contexts = [
        {"code": {"code": "age"}, "valueRange": {"low": {"value": 8}, "high": {"value": 10}}},
        {"code": {"code": "age"}, "valueQuantity": {"value": 5}},
        {"code": {"code": "other"}, "valueQuantity": {"value": 15}},
    ]
    found_row = row({"resourceType": "ValueSet", "useContext": contexts})
    assert finds("ValueSet", [("context-type-quantity", value)], found_row) is found


@pytest.mark.parametrize("value", ["8480-6", "8480-6$120$3", "8480-6\\$120", "$120", "8480-6$", "8480-6$abc", ""])
def test_malformed_composites_are_refused(value: str) -> None:
    with pytest.raises(FhirError):
        finds("Observation", [("component-code-value-quantity", value)], {})


def test_a_dollar_of_a_value_is_escaped() -> None:
    resource = {"resourceType": "Observation", "code": code("a$b"), "valueQuantity": quantity("1")}
    assert finds("Observation", [("code-value-quantity", "a\\$b$1")], row(resource))


@pytest.mark.parametrize(
    ("parameter", "resource", "missing"),
    [
        ("component-code-value-quantity", PRESSURE, False),
        ("component-code-value-quantity", WEIGHT, True),
        ("code-value-quantity", PRESSURE, True),
        ("code-value-quantity", WEIGHT, False),
        ("combo-code-value-quantity", PRESSURE, False),
    ],
)
def test_a_composite_is_missing_where_no_instance_has_all_components(
    parameter: str, resource: dict[str, Any], missing: bool
) -> None:
    for asked in (True, False):
        sent = [(f"{parameter}:missing", str(asked).lower())]
        assert finds("Observation", sent, row(resource)) is (missing is asked)


def test_every_composite_of_r4_is_bound_and_its_components_are_indexed_in_the_row_too() -> None:
    bound = 0
    for type in resource_types():
        table = search_parameters(type)
        for parameter in table.values():
            if parameter.type == "composite":
                for root in roots(parameter, table):
                    assert (root.element == "") is (parameter.code == "code-value-string")
                    assert len(root.parts) == len(parameter.components)
                    assert all(part.is_implied for part in root.parts)
                    bound += 1
    assert bound > 70


def _added(components: Sequence[tuple[str, str, Any]]) -> ParameterSet:
    parts = tuple(Component(url, expression, type) for url, expression, type in components)
    return ParameterSet(1, (SearchParameter("own", "composite", "Patient", "Patient", (), "http://x/own", parts),))


def test_a_composite_over_the_resource_whose_parameters_read_more_gets_a_sub_document() -> None:
    phone = "http://hl7.org/fhir/SearchParameter/individual-telecom"
    added = _added([(phone, "contact.telecom", "token"), (phone, "telecom", "token")])
    resource = {"resourceType": "Patient", "telecom": [{"value": "1"}], "contact": [{"telecom": [{"value": "2"}]}]}
    (found,) = index_values(resource, "r1", (), None, added).composites
    assert found["e"] == ""
    assert set(found["t"]) == {"telecom|1|", "telecom|2|"}


@pytest.mark.parametrize(
    ("value", "found"),
    [({"valueString": "Positive"}, True), ({"valueCodeableConcept": {"text": "Positive"}}, False), ({}, False)],
)
def test_the_text_of_a_coded_value_is_no_string_beside_a_code(value: dict[str, Any], found: bool) -> None:
    indexed = row({"resourceType": "Observation", "code": code("w"), **value})
    assert ("c" in indexed) is found
    assert finds("Observation", [("code-value-string", "w$pos")], indexed) is found
    assert not finds("Observation", [("code-value-string", "x$pos")], indexed)
    assert finds("Observation", [("code-value-string:missing", "false")], indexed) is found
    assert finds("Observation", [("code-value-string:missing", "true")], indexed) is not found


def test_what_components_write_once_is_in_the_row_with_all_that_belongs_to_it() -> None:
    shown = {"code": {"coding": [{"code": "Z", "display": "Zed"}]}, "valueQuantity": quantity("7")}
    values = index_values({"resourceType": "Observation", "component": [shown, *PRESSURE["component"]]}, "r1", (), None)
    assert {"component-code|z|", "component-code|8480-6|http://loinc.org"} <= set(values.tokens)
    assert values.strings == ("component-code:text|zed",)
    assert "s" not in values.composites[0]
    assert values.sort_keys["component-code"] == {"a": "8462-4", "d": "z"}
    assert values.sort_keys["component-value-quantity"] == {"a": 7.0, "d": 120.0}
