"""Search parameter expressions: each of the shapes R4 uses, and all of its 1,375 parameters."""

from typing import Any

import pytest

from fhir_server.definitions.registry import resource_types
from fhir_server.definitions.search_parameters import published, search_parameters
from fhir_server.search.expressions import NotReadable, read_expression
from fhir_server.search.paths import extractor, leaves

CASES: list[tuple[str, str, dict[str, Any], list[tuple[Any, str]]]] = [
    # plain paths, through arrays and groups of elements
    ("Patient", "Patient.birthDate", {"birthDate": "1970-01-01"}, [("1970-01-01", "date")]),
    (
        "Patient",
        "Patient.name.given",
        {"name": [{"given": ["A", "B"]}, {"given": ["C"]}]},
        [("A", "string"), ("B", "string"), ("C", "string")],
    ),
    ("Patient", "Patient.name.family", {"name": [{"text": "x"}]}, []),
    ("Patient", "Patient.contact.gender", {"contact": [{"gender": "male"}, {}]}, [("male", "code")]),
    (
        "Patient",
        "Patient.name.given",
        {"name": [{"given": [None, "B"], "_given": [{"id": "1"}, None]}]},
        [("B", "string")],
    ),
    ("Observation", "Resource.meta.tag", {"meta": {"tag": [{"code": "t"}]}}, [({"code": "t"}, "Coding")]),
    # a choice without a type gives every form, each with its own type
    ("Observation", "Observation.effective", {"effectivePeriod": {"start": "2020"}}, [({"start": "2020"}, "Period")]),
    (
        "Observation",
        "Observation.effective",
        {"effectiveInstant": "2020-01-01T00:00:00Z"},
        [("2020-01-01T00:00:00Z", "instant")],
    ),
    # as, .as() and .ofType()
    ("Observation", "(Observation.value as Quantity)", {"valueQuantity": {"value": 1}}, [({"value": 1}, "Quantity")]),
    ("Observation", "(Observation.value as Quantity)", {"valueString": "x"}, []),
    ("Observation", "Observation.value.as(string)", {"valueString": "x"}, [("x", "string")]),
    ("Observation", "Observation.value.ofType(string)", {"valueString": "x"}, [("x", "string")]),
    (
        "Observation",
        "(Observation.value as CodeableConcept).text",
        {"valueCodeableConcept": {"text": "x"}},
        [("x", "string")],
    ),
    # unions
    (
        "Observation",
        "Observation.code | Observation.component.code",
        {"code": {"text": "a"}, "component": [{"code": {"text": "b"}}]},
        [({"text": "a"}, "CodeableConcept"), ({"text": "b"}, "CodeableConcept")],
    ),
    (
        "Observation",
        "(Observation.value as string) | (Observation.value as Quantity)",
        {"valueQuantity": {}},
        [({}, "Quantity")],
    ),
    # where
    (
        "Patient",
        "Patient.telecom.where(system='phone')",
        {"telecom": [{"system": "email", "value": "e"}, {"system": "phone", "value": "p"}]},
        [({"system": "phone", "value": "p"}, "ContactPoint")],
    ),
    (
        "Library",
        "Library.relatedArtifact.where(type='composed-of').resource",
        {"relatedArtifact": [{"type": "composed-of", "resource": "u"}, {"type": "successor", "resource": "v"}]},
        [("u", "canonical")],
    ),
    (
        "Observation",
        "Observation.subject.where(resolve() is Patient)",
        {"subject": {"reference": "Patient/1"}},
        [({"reference": "Patient/1"}, "Reference")],
    ),
    (
        "Observation",
        "Observation.subject.where(resolve() is Patient)",
        {"subject": {"reference": "http://h/fhir/Patient/1/_history/2"}},
        [({"reference": "http://h/fhir/Patient/1/_history/2"}, "Reference")],
    ),
    ("Observation", "Observation.subject.where(resolve() is Patient)", {"subject": {"reference": "Group/1"}}, []),
    (
        "Observation",
        "Observation.subject.where(resolve() is Patient)",
        {"subject": {"reference": "Group/1", "type": "Patient"}},
        [],
    ),
    (
        "Observation",
        "Observation.subject.where(resolve() is Patient)",
        {"subject": {"reference": "urn:uuid:1", "type": "Patient"}},
        [({"reference": "urn:uuid:1", "type": "Patient"}, "Reference")],
    ),
    ("Observation", "Observation.subject.where(resolve() is Patient)", {"subject": {"display": "someone"}}, []),
    # an index
    (
        "Bundle",
        "Bundle.entry[0].resource",
        {"entry": [{"resource": {"id": "1"}}, {"resource": {"id": "2"}}]},
        [({"id": "1"}, "Resource")],
    ),
    ("Bundle", "Bundle.entry[0].resource", {"entry": [{}, {"resource": {"id": "2"}}]}, []),
    # presence: true or false for everyone
    ("Patient", "Patient.deceased.exists() and Patient.deceased != false", {}, [(False, "boolean")]),
    (
        "Patient",
        "Patient.deceased.exists() and Patient.deceased != false",
        {"deceasedBoolean": False},
        [(False, "boolean")],
    ),
    (
        "Patient",
        "Patient.deceased.exists() and Patient.deceased != false",
        {"deceasedBoolean": True},
        [(True, "boolean")],
    ),
    (
        "Patient",
        "Patient.deceased.exists() and Patient.deceased != false",
        {"deceasedDateTime": "2020"},
        [(True, "boolean")],
    ),
    # extensions
    (
        "Patient",
        "Patient.extension('http://x/race').value.as(Coding)",
        {
            "extension": [
                {"url": "http://x/race", "valueCoding": {"code": "r"}},
                {"url": "http://x/other", "valueCoding": {"code": "o"}},
            ]
        },
        [({"code": "r"}, "Coding")],
    ),
    (
        "Patient",
        "Patient.extension.where(url = 'http://x/race').extension.where(url = 'ombCategory').value.code",
        {"extension": [{"url": "http://x/race", "extension": [{"url": "ombCategory", "valueCoding": {"code": "r"}}]}]},
        [("r", "code")],
    ),
]


@pytest.mark.parametrize(("type", "expression", "resource", "found"), CASES)
def test_an_expression_finds_values_and_knows_their_types(
    type: str, expression: str, resource: dict[str, Any], found: list[tuple[Any, str]]
) -> None:
    assert extractor(type, expression)({"resourceType": type, **resource}) == found


def test_a_code_knows_the_value_set_that_binds_it() -> None:
    (leaf,) = leaves("Patient", "Patient.gender")
    assert (leaf.type, leaf.required_values) == ("code", "http://hl7.org/fhir/ValueSet/administrative-gender")


@pytest.mark.parametrize(
    ("type", "expression"),
    [
        ("Patient", "Patient.nothing"),
        ("Patient", "Patient.name.nothing"),
        ("Patient", "Patient.birthDate.year"),
        ("Patient", "Patient"),
        ("Patient", "Patient.name.first()"),
        ("Patient", "Patient.name.where(use = official)"),
        ("Patient", "Patient.name["),
        ("Patient", "Patient.name given"),
        ("Patient", "Patient.multipleBirth > 1"),
        ("Observation", "Observation.value as Patient"),
    ],
)
def test_what_cannot_be_read_is_refused_when_it_is_compiled(type: str, expression: str) -> None:
    with pytest.raises(NotReadable):
        extractor(type, expression)


def test_quotes_and_bars_inside_a_literal_belong_to_it() -> None:
    paths = read_expression(r"Patient.name.where(text='a | b\'c')")
    assert len(paths) == 1


def test_every_parameter_compiles_but_composites_of_whole_resources_and_those_without_expression() -> None:
    unread: set[tuple[str, str]] = set()
    compiled: set[str] = set()
    for type in resource_types():
        for code, parameter in search_parameters(type).items():
            try:
                assert leaves(type, parameter.expression or "()")
                compiled.add(parameter.url)
            except NotReadable:
                unread.add((code, parameter.type))
    assert unread == {
        ("_text", "string"),
        ("_content", "string"),
        ("_query", "token"),
        ("code-value-concept", "composite"),
        ("code-value-date", "composite"),
        ("code-value-quantity", "composite"),
        ("code-value-string", "composite"),
        ("combo-code-value-concept", "composite"),
        ("combo-code-value-quantity", "composite"),
    }
    assert len(published()) == 1375
    assert len(set(published()) - compiled) == 9
