"""Hierarchies of codes: https://hl7.org/fhir/R4/codesystem.html#hierarchy"""

from typing import Any

import pytest

from fhir_server.interactions.hierarchy import CodeTree, code_tree


def tree(*concepts: dict[str, Any]) -> CodeTree:
    found = code_tree({"resourceType": "CodeSystem", "content": "complete", "concept": list(concepts)})
    assert found is not None
    return found


def property_of(code: str, value: Any) -> dict[str, Any]:
    return {"code": code, "valueCode" if isinstance(value, str) else "valueBoolean": value}


def test_codes_lie_below_those_they_are_nested_in() -> None:
    nested = tree({"code": "a", "concept": [{"code": "b", "concept": [{"code": "c"}]}, {"code": "d"}]}, {"code": "e"})
    assert list(nested.codes) == ["a", "b", "c", "d", "e"]
    assert set(nested.below("a")) == {"a", "b", "c", "d"}
    assert set(nested.above("c")) == {"c", "b", "a"}
    assert nested.below("e") == ("e",)
    assert nested.below("none") == ("none",)


@pytest.mark.parametrize("name", ["parent", "subsumedBy"])
def test_properties_say_what_lies_above(name: str) -> None:
    flat = tree({"code": "a"}, {"code": "b", "property": [property_of(name, "a")]})
    assert set(flat.below("a")) == {"a", "b"}


def test_a_child_property_says_what_lies_below() -> None:
    flat = tree({"code": "a", "property": [property_of("child", "b")]}, {"code": "b"})
    assert set(flat.below("a")) == {"a", "b"}


def test_a_circle_of_codes_ends() -> None:
    circle = tree(
        {"code": "a", "property": [property_of("parent", "b")]}, {"code": "b", "property": [property_of("parent", "a")]}
    )
    assert set(circle.below("a")) == {"a", "b"}


def test_a_deep_hierarchy_is_no_matter_of_recursion() -> None:
    concept: dict[str, Any] = {"code": "c0"}
    for number in range(1, 5_000):
        concept = {"code": f"c{number}", "concept": [concept]}
    assert len(tree(concept).below("c4999")) == 5_000


@pytest.mark.parametrize(
    ("property", "operator", "value", "expected"),
    [
        ("concept", "is-a", "a", {"a", "b", "c"}),
        ("concept", "descendent-of", "a", {"b", "c"}),
        ("parent", "=", "a", {"b", "c"}),
        ("child", "=", "b", {"a"}),
        ("code", "in", "b, c", {"b", "c"}),
        ("active", "=", "true", {"b"}),
        ("active", "=", "false", set()),
        ("code", "regex", ".*", None),
        ("grade", "is-a", "a", None),
    ],
)
def test_filters_choose_codes(property: str, operator: str, value: str, expected: set[str] | None) -> None:
    codes = tree(
        {"code": "a", "concept": [{"code": "b", "property": [property_of("active", True)]}, {"code": "c"}]},
        {"code": "d"},
    )
    assert codes.filtered(property, operator, value) == expected


@pytest.mark.parametrize("content", ["fragment", "example", "not-present", "supplement", None])
def test_a_part_of_a_code_system_is_no_basis(content: str | None) -> None:
    assert code_tree({"resourceType": "CodeSystem", "content": content}) is None
