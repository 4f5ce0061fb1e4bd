"""Conditions as filters: `:missing` of every type, negations, combinations, contained resources."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from fhir_server.definitions.search_parameters import search_parameters
from fhir_server.search.predicate import NOTHING, all_of, predicate
from fhir_server.search.request import (
    AllOf,
    AnyOf,
    Chained,
    Clause,
    Composed,
    Condition,
    Dated,
    Ids,
    LogicalId,
    Missing,
    NotThis,
    StartsWith,
    Tokens,
)
from tests.unit.search.matching import finds, row, takes

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def filtered(condition: Condition, type: str = "Observation", contained: bool = False) -> dict[str, Any]:
    return predicate(condition, NOW, search_parameters(type), contained)


FULL: dict[str, dict[str, Any]] = {
    "Observation": {
        "code": {"coding": [{"code": "x"}]},
        "status": "final",
        "subject": {"reference": "Patient/1"},
        "effectiveDateTime": "2020",
        "valueQuantity": {"value": Decimal("1.5"), "unit": "mg"},
        "component": [{"code": {"text": "only text"}, "valueString": "y"}],
    },
    "Patient": {"name": [{"family": "A", "given": ["B"]}], "birthDate": "1970", "active": False},
    "RiskAssessment": {"prediction": [{"probabilityDecimal": Decimal("0.5")}]},
    "Location": {"position": {"longitude": 1, "latitude": 2}},
    "ValueSet": {"url": "http://x", "useContext": [{"code": {"code": "age"}, "valueRange": {"low": {"value": 1}}}]},
}
PRESENT = {
    "Observation": ("code", "status", "subject", "patient", "date", "value-quantity", "component-code"),
    "Patient": ("name", "family", "given", "birthdate", "active", "deceased"),
    "RiskAssessment": ("probability",),
    "Location": ("near",),
    "ValueSet": ("url", "context-type", "context-quantity", "context-type-quantity"),
}
ABSENT = {
    "Observation": (
        "category",
        "encounter",
        "value-string",
        "value-date",
        "component-value-quantity",
        "code-value-date",
    ),
    "Patient": ("address", "death-date", "gender", "organization"),
    "RiskAssessment": ("date",),
    "Location": ("name",),
    "ValueSet": ("version", "context", "context-type-value", "expansion"),
}


@pytest.mark.parametrize("type", sorted(FULL))
def test_missing_is_exact_for_every_type_of_parameter(type: str) -> None:
    found = row({"resourceType": type, **FULL[type]})
    for codes, is_missing in ((PRESENT[type], False), (ABSENT[type], True)):
        for code in codes:
            assert takes(filtered(Clause(code, (Missing(is_missing),)), type), found), code
            assert not takes(filtered(Clause(code, (Missing(not is_missing),)), type), found), code


@pytest.mark.parametrize("type", sorted(FULL))
def test_everything_is_missing_from_an_empty_resource(type: str) -> None:
    found = row({"resourceType": type})
    for code, parameter in search_parameters(type).items():
        if parameter.expression is not None:
            is_missing = code not in ("_id", "_lastUpdated", "deceased")
            assert takes(filtered(Clause(code, (Missing(is_missing),)), type), found), code
            assert not takes(filtered(Clause(code, (Missing(not is_missing),)), type), found), code


def test_modified_entries_do_not_stand_for_a_value() -> None:
    found = row({"resourceType": "Observation", "category": [{"text": "x"}], "code": {"coding": [{"code": "c"}]}})
    assert finds("Observation", [("category:missing", "false"), ("category:text", "x")], found)
    only = {"t": ["code:of-type|a|b|c", "code:identifier|x|", "codec|x|"], "s": ["code:text|x"], "d": [], "k": {}}
    assert takes(filtered(Clause("code", (Missing(True),))), only)


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        (Clause("code", (Tokens(("code|x|",)),), negated=True), False),
        (Clause("code", (Tokens(("code|y|",)), Tokens(("code|z|",))), negated=True), True),
        (Clause("code", (StartsWith("only", ":text"),), negated=True), True),
        (Clause("date", (Dated("ge", 0, 0),), negated=True), False),
        (NotThis(Clause("code", (Tokens(("code|x|",)),))), False),
        (NotThis(NotThis(Clause("code", (Tokens(("code|x|",)),)))), True),
        (AnyOf((Ids(()), Clause("code", (Tokens(("code|x|",)),)))), True),
        (AnyOf(()), False),
        (AllOf(()), True),
        (AllOf((Ids(("r1", "r2")), Clause("_id", (LogicalId("r1"),)))), True),
        (AllOf((Ids(("r1",)), Ids(("r2",)))), False),
        (Clause("code", (Tokens(("code|y|",)), Missing(False))), True),
        (Composed(None, (Clause("code", (Tokens(("code|x|",)),)), Clause("date", (Dated("ge", 0, 0),)))), True),
    ],
)
def test_conditions_combine(condition: Condition, found: bool) -> None:
    assert takes(filtered(condition), row({"resourceType": "Observation", **FULL["Observation"]})) is found


def test_a_composite_is_joined_with_the_clauses_it_implies() -> None:
    parts = (Clause("component-code", (Tokens(("component-code|x|",)),)), Clause("date", (Dated("eq", 0, 0),)))
    made = filtered(Composed("component", parts, parts[:1]))
    assert made["t"] == "component-code|x|"
    assert made["c"]["$elemMatch"].keys() == {"e", "t", "d"}


def test_filters_on_one_field_are_not_merged_into_one_condition() -> None:
    three = all_of([{"t": "a"}, {"t": "b"}, {"s": "c"}, {"$and": [{"t": "d"}]}, {"$or": [{"t": "e"}]}])
    assert takes(three, {"t": ["a", "b", "d", "e"], "s": ["c"]})
    for left_out in "abde":
        assert not takes(three, {"t": [each for each in "abde" if each != left_out], "s": ["c"]})


def test_a_condition_for_the_store_is_no_filter() -> None:
    with pytest.raises(TypeError):
        filtered(Chained("subject.name", "subject", ()))


def test_a_contained_resource_has_its_id_in_i_and_no_instant() -> None:
    contained = {"resourceType": "Patient", "id": "c", "name": [{"family": "Inside"}]}
    (inside,) = row({"resourceType": "Observation", "contained": [contained]})["h"]
    assert takes(filtered(Clause("_id", (LogicalId("c"),)), "Patient", contained=True), inside)
    assert takes(filtered(Ids(("c", "d")), "Patient", contained=True), inside)
    assert takes(filtered(Clause("family", (StartsWith("ins"),)), "Patient", contained=True), inside)
    assert not takes(filtered(Clause("_id", (LogicalId("d"),), negated=False), "Patient", contained=True), inside)
    for prefix in ("ge", "ne", "lt"):
        clause = Clause("_lastUpdated", (Dated(prefix, 0, 0),))
        assert not takes(filtered(clause, "Patient", contained=True), inside)


def test_what_is_never_missing_is_nothing_or_everything() -> None:
    assert filtered(Clause("_id", (Missing(True),))) == NOTHING
    assert filtered(Clause("_lastUpdated", (Missing(False),))) == {}
