"""Parameters that are unions of two others: nothing is written for them, and every search of them finds the same."""

from decimal import Decimal
from typing import Any

import pytest

from fhir_server.core.outcome import FhirError
from fhir_server.definitions.parameter_set import ParameterSet
from fhir_server.definitions.registry import resource_types
from fhir_server.definitions.search_parameters import SearchParameter
from fhir_server.search.index import index_values
from fhir_server.search.parse import parse
from fhir_server.search.plan import plan
from fhir_server.search.request import Clause, Missing, SearchRequest, Tokens
from fhir_server.search.unions import in_parts, unions
from tests.unit.search.matching import NOON, finds, row


def concept(code: str, text: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {"coding": [{"system": "http://x", "code": code}]}
    return found | {"text": text} if text else found


def quantity(value: str) -> dict[str, Any]:
    return {"value": Decimal(value), "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}


EMPTY: dict[str, Any] = {"resourceType": "Observation"}
WHOLE = EMPTY | {"code": concept("a", "Alpha"), "valueQuantity": quantity("5")}
PARTS = EMPTY | {"component": [{"code": concept("b", "Beta")}, {"code": concept("c"), "valueQuantity": quantity("7")}]}
BOTH = WHOLE | PARTS


def test_the_unions_of_r4_are_those_of_observation() -> None:
    found = {type: dict(unions(type)) for type in resource_types() if unions(type)}
    assert found == {
        "Observation": {
            "combo-code": ("code", "component-code"),
            "combo-data-absent-reason": ("component-data-absent-reason", "data-absent-reason"),
            "combo-value-concept": ("component-value-concept", "value-concept"),
            "combo-value-quantity": ("component-value-quantity", "value-quantity"),
        }
    }


def test_nothing_is_written_for_a_union() -> None:
    found = row(BOTH)
    assert not [each for field in ("t", "pt", "s") for each in found[field] if "combo-" in each]
    assert not [each for each in found["q"] if each["p"].startswith("combo-")]
    assert not found["k"].keys() & unions("Observation").keys()


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("combo-code", "a", (WHOLE, BOTH)),
        ("combo-code", "http://x|B", (PARTS, BOTH)),
        ("combo-code", "http://y|b", ()),
        ("combo-code", "http://x|", (WHOLE, PARTS, BOTH)),
        ("combo-code", "a,b", (WHOLE, PARTS, BOTH)),
        ("combo-code:not", "a", (EMPTY, PARTS)),
        ("combo-code:not", "b", (EMPTY, WHOLE)),
        ("combo-code:not", "a,b", (EMPTY,)),
        ("combo-code:text", "al", (WHOLE, BOTH)),
        ("combo-code:text", "al,be", (WHOLE, PARTS, BOTH)),
        ("combo-code:missing", "true", (EMPTY,)),
        ("combo-code:missing", "false", (WHOLE, PARTS, BOTH)),
        ("combo-code:missing", "true,false", (EMPTY, WHOLE, PARTS, BOTH)),
        ("combo-value-concept:missing", "true", (EMPTY, WHOLE, PARTS, BOTH)),
        ("combo-value-quantity:missing", "true", (EMPTY,)),
        ("combo-value-quantity", "5", (WHOLE, BOTH)),
        ("combo-value-quantity", "0.007|http://unitsofmeasure.org|g", (PARTS, BOTH)),
        ("combo-value-quantity", "gt6||mg", (PARTS, BOTH)),
        ("combo-value-quantity", "ne5", (PARTS, BOTH)),
        ("combo-value-quantity", "5,7", (WHOLE, PARTS, BOTH)),
        ("combo-code-value-quantity", "a$5", (WHOLE, BOTH)),
        ("combo-code-value-quantity", "c$7", (PARTS, BOTH)),
        ("combo-code-value-quantity", "b$7", ()),
        ("_filter", "combo-code eq b", (PARTS, BOTH)),
        ("_filter", "combo-code ne b", (WHOLE,)),
        ("_filter", "combo-code pr false", (EMPTY,)),
        ("_filter", "not (combo-code pr true) or combo-value-quantity lt 6", (EMPTY, WHOLE, BOTH)),
    ],
)
def test_a_union_is_found_by_either_part(name: str, value: str, found: tuple[dict[str, Any], ...]) -> None:
    for resource in (EMPTY, WHOLE, PARTS, BOTH):
        assert finds("Observation", [(name, value)], row(resource)) is (resource in found), resource


def test_a_value_that_cannot_be_searched_by_is_not_missing_from_the_union() -> None:
    only_text = row(EMPTY | {"component": [{"code": {"text": "x"}}]})
    assert finds("Observation", [("combo-code:missing", "false")], only_text)
    assert not finds("Observation", [("combo-code:missing", "true")], only_text)


def test_a_union_is_found_in_contained_resources() -> None:
    holder = {"resourceType": "DiagnosticReport", "contained": [PARTS | {"id": "o"}]}
    for value, is_found in (("b", True), ("a", False)):
        request = parse("Observation", [("_contained", "true"), ("combo-code", value)], lenient=False)
        filter = plan(request, None, None, NOON, container="DiagnosticReport").filter
        tokens = filter["h"]["$elemMatch"]["t"]["$in"]
        assert tokens == [f"code|{value}|", f"component-code|{value}|"]
        held = row(holder)["h"][0]["t"]
        assert any(token in held for token in tokens) is is_found


def test_a_union_may_lead_a_patients_search_and_stand_alone() -> None:
    asked = parse("Observation", [("patient", "p1"), ("combo-code", "a")], lenient=False)
    assert plan(asked, None, None, NOON).filter["pt"] == {"$in": ["p1|code|a|", "p1|component-code|a|"]}
    alone = parse("Observation", [("combo-code", "a")], lenient=False)
    assert plan(alone, None, None, NOON).filter == {"t": {"$in": ["code|a|", "component-code|a|"]}}


def test_codes_that_were_looked_up_stand_for_both_parts() -> None:
    found = in_parts("Observation", Clause("combo-code", (Tokens(("combo-code|a|s", "combo-code|b|s")),), negated=True))
    whole, parts = ("code|a|s", "code|b|s"), ("component-code|a|s", "component-code|b|s")
    assert found == Clause("combo-code", (Tokens(whole), Tokens(parts)), negated=True)


def test_other_conditions_and_other_types_stay_as_they_are() -> None:
    clause = Clause("code", (Missing(True),))
    assert in_parts("Observation", clause) is clause
    named_alike = Clause("combo-code", (Missing(True),))
    assert in_parts("Condition", named_alike) is named_alike


def test_rows_are_not_sorted_by_a_union() -> None:
    with pytest.raises(FhirError) as refusal:
        parse("Observation", [("_sort", "combo-code")], lenient=False)
    assert refusal.value.status == 400


def test_an_added_parameter_is_written_itself_though_it_is_a_union() -> None:
    expression = "Condition.code | Condition.category"
    added = SearchParameter("any-code", "token", expression, "Condition", (), "http://x/any", ())
    condition = {"resourceType": "Condition", "code": concept("a")}
    tokens = index_values(condition, "c", (), None, ParameterSet(1, (added,))).tokens
    assert {"code|a|", "any-code|a|"} <= set(tokens)
    request = parse("Condition", [("any-code", "a")], lenient=False, parameter_set=ParameterSet(1, (added,)))
    assert isinstance(request, SearchRequest)
    assert plan(request, None, None, NOON).filter == {"t": "any-code|a|"}


def test_what_is_added_does_not_rename_the_entries_of_components() -> None:
    added = SearchParameter("mine", "token", "Observation.component.code", "Observation", (), "http://x/mine", ())
    plain = index_values(BOTH, "o", (), None)
    assert index_values(BOTH, "o", (), None, ParameterSet(1, (added,))).composites == plain.composites
