"""Resources of every type made at random: the good ones pass, each kind of damage is found where it is."""

from collections.abc import Iterator
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_server.core import codec, outcome
from fhir_server.core.outcome import Issue
from fhir_server.definitions.elements import Structure, structure
from fhir_server.definitions.registry import resource_types
from fhir_server.validation.model import model_findings
from fhir_server.validation.validate import validate
from tests.unit.validation.generated import generated

RESOURCES_OF_A_TYPE = 3

Place = tuple[dict[str, Any], Structure, str]
"""An object inside a resource, its structure and its expression."""


def copies(name: str) -> Iterator[dict[str, Any]]:
    """Resources as a request brings them: each object its own, numbers as the codec gives them."""
    for seed in range(RESOURCES_OF_A_TYPE):
        yield codec.decode(codec.encode(generated(name, Random(f"{name} {seed}"))))


def places(node: dict[str, Any], described: Structure, expression: str) -> Iterator[Place]:
    """Every object of a resource but those of resources inside it."""
    yield node, described, expression
    for name, value in node.items():
        element = described.elements.get(name)
        if element is None or element.primitive or element.type == "Resource":
            continue
        child = f"{expression}.{element.choice or name}"
        for index, item in enumerate(value) if element.repeats else ((None, value),):
            at = child if index is None else f"{child}[{index}]"
            yield from places(item, structure(element.type), at)


def places_of(resource: dict[str, Any]) -> list[Place]:
    name = resource["resourceType"]
    return list(places(resource, structure(name), name))


def is_found(found: tuple[Issue, ...], failure: outcome.Failure, expression: str) -> bool:
    return any((issue.number, issue.expression) == (failure.number, expression) for issue in found)


@pytest.mark.parametrize("name", resource_types())
def test_a_resource_that_follows_the_tables_has_no_findings(name: str) -> None:
    for resource in copies(name):
        assert validate(resource) == ()


@pytest.mark.parametrize("name", resource_types())
def test_a_missing_required_element_is_found(name: str) -> None:
    for resource in copies(name):
        for node, described, expression in places_of(resource):
            for element in described.required:
                kept = {key: node.pop(key) for key in (element.name, f"_{element.name}") if key in node}
                # Of an object with nothing left in it, that is said.
                said = (outcome.EMPTY_VALUE, expression)
                if not node.keys() <= {"id"}:
                    said = (outcome.REQUIRED_ELEMENT, f"{expression}.{element.name}")
                assert is_found(validate(resource), *said)
                node.update(kept)


@pytest.mark.parametrize("name", resource_types())
def test_an_unknown_element_is_found_in_every_object(name: str) -> None:
    for resource in copies(name):
        for node, _, expression in places_of(resource):
            node["unknownElement"] = "x"
            (issue,) = validate(resource)
            assert is_found((issue,), outcome.UNKNOWN_ELEMENT, f"{expression}.unknownElement")
            del node["unknownElement"]


@pytest.mark.parametrize("damage", [[], {}, "", None, [[]], [None], 5.0], ids=repr)
@pytest.mark.parametrize("name", ("Patient", "Observation", "Bundle", "Questionnaire", "Claim", "ServiceRequest"))
def test_an_empty_or_wrong_value_is_found_in_every_element(name: str, damage: Any) -> None:
    for resource in copies(name):
        for node, described, expression in places_of(resource):
            for key in [key for key in node if key in described.elements]:
                element, kept = described.elements[key], dict(node)
                node.pop(f"_{key}", None)
                node[key] = damage
                at = f"{expression}.{element.choice or key}"
                assert any((issue.expression or "").startswith(at) for issue in validate(resource)), (key, at)
                node.update(kept)


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(("Patient", "Bundle", "final", "2020-02-30", "a\x00", "\ud800", "<div", "urn:x"))
)
NAMES = st.text(max_size=5) | st.sampled_from(
    (
        "resourceType",
        "_resourceType",
        "id",
        "_id",
        "meta",
        "text",
        "div",
        "status",
        "contained",
        "extension",
        "url",
        "valueString",
        "_valueString",
        "valueCoding",
        "name",
        "given",
        "_given",
        "entry",
        "resource",
        "parameter",
        "part",
        "value",
        "identifier",
        "system",
        "code",
        "coding",
        "birthDate",
        "_birthDate",
        "item",
        "$where",
    )
)
GARBAGE = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=6), max_leaves=15
)


@settings(max_examples=100)
@given(GARBAGE, st.none() | st.text(max_size=5) | st.just("Patient"))
def test_nothing_makes_it_raise(garbage: Any, expected: str | None) -> None:
    assert isinstance(validate(garbage, expected), tuple)
    assert isinstance(model_findings(garbage), tuple)


@settings(max_examples=100)
@given(
    st.sampled_from(("Patient", "Observation", "Bundle", "Parameters", "QuestionnaireResponse")),
    st.dictionaries(NAMES, GARBAGE, max_size=6),
)
def test_nothing_in_a_resource_makes_it_raise(name: str, garbage: dict[str, Any]) -> None:
    resource = {**garbage, "resourceType": name}
    assert isinstance(validate(resource), tuple)
    assert isinstance(model_findings(resource), tuple)


def test_what_is_given_is_not_changed() -> None:
    for name in ("Patient", "Observation"):
        for resource in copies(name):
            before = codec.encode(resource)
            validate(resource)
            model_findings(resource)
            assert codec.encode(resource) == before


def test_a_decimal_of_any_size_is_a_number() -> None:
    quantity = {"value": Decimal("1E+999999")}
    observation = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "valueQuantity": quantity}
    assert validate(observation) == () and model_findings(observation) == ()
