"""The table of what is offered agrees with what is compiled, and the statement drawn from it with both."""

from fhir_server.definitions.capability import (
    OPERATORS,
    PREFIXES,
    includes,
    is_offered,
    offered_parameters,
    revincludes,
    shared_parameters,
)
from fhir_server.definitions.parameter_set import STANDARD
from fhir_server.definitions.registry import resource_types
from fhir_server.definitions.search_parameters import SearchParameter, published
from fhir_server.definitions.value_types import value_types
from fhir_server.search.index import parameter_leaves
from fhir_server.search.parse import parse

SAMPLES = {"uri": "http://example.org/x", "token": "a", "string": "a", "reference": "a"}


def everywhere() -> list[tuple[str, SearchParameter]]:
    return [(type, parameter) for type in resource_types() for parameter in STANDARD.of(type).values()]


def test_every_published_parameter_but_named_queries_is_offered() -> None:
    offered = {each.url for type in resource_types() for each in offered_parameters(type)}
    assert set(published()) - offered == {"http://hl7.org/fhir/SearchParameter/Resource-query"}
    assert [parameter.code for _, parameter in everywhere() if not is_offered(parameter)] == ["_query"] * 146


def test_the_types_a_parameter_reads_are_those_its_expression_compiles_to() -> None:
    differing = [
        (type, parameter.code)
        for type, parameter in everywhere()
        if parameter.type in ("token", "reference") and parameter.expression
        if value_types(parameter) != {leaf.type for leaf in parameter_leaves(type, parameter.code)}
    ]
    assert differing == []


def test_every_modifier_that_is_offered_is_read() -> None:
    values = {"missing": "true", "of-type": "s|MR|1", "in": "http://example.org/vs", "not-in": "http://example.org/vs"}
    for type in resource_types():
        for parameter in offered_parameters(type):
            for modifier in parameter.modifiers:
                sample = values.get(modifier) or SAMPLES[parameter.type]
                request = parse(type, [(f"{parameter.code}:{modifier}", sample)], lenient=False)
                assert len(request.conditions) == 1, (type, parameter.code, modifier)


def test_prefixes_are_offered_where_values_are_ordered() -> None:
    kinds = {each.type: each.prefixes for type in resource_types() for each in offered_parameters(type)}
    assert {kind for kind, prefixes in kinds.items() if prefixes == PREFIXES} == {"date", "number", "quantity"}
    assert {kind for kind, prefixes in kinds.items() if prefixes} <= set(OPERATORS)


def test_hierarchies_are_offered_where_a_type_refers_to_itself() -> None:
    offered = {each.code: each.modifiers for each in offered_parameters("Location")}
    assert "below" in offered["partof"]
    assert "below" not in offered["organization"]


def test_includes_and_their_reverse_are_the_same_references() -> None:
    assert "Observation:subject" in includes("Observation")
    assert "Observation:subject" in revincludes("Patient")
    assert "Observation:subject" not in revincludes("Practitioner")
    assert "Provenance:target" in revincludes("Practitioner")


def test_what_all_types_share_is_few() -> None:
    assert shared_parameters(resource_types()) == (
        "_content",
        "_id",
        "_lastUpdated",
        "_profile",
        "_security",
        "_source",
        "_tag",
    )


def test_every_include_that_is_listed_is_taken() -> None:
    for type in ("Observation", "Patient", "Bundle", "PlanDefinition"):
        pairs = [("_include", each) for each in includes(type)] + [("_revinclude", each) for each in revincludes(type)]
        for pair in pairs:
            assert len(parse(type, [pair], lenient=False).includes) == 1, pair
