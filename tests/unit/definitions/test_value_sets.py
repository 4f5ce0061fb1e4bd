"""The codes of required bindings, complete or not at all."""

import pytest

from fhir_server.definitions.elements import structure, structure_names
from fhir_server.definitions.registry import resource_types
from fhir_server.definitions.value_sets import ValueSet, bound_value_sets, required_value_set


def _codes(name: str) -> frozenset[str]:
    found = required_value_set(f"http://hl7.org/fhir/ValueSet/{name}")
    assert isinstance(found, ValueSet)
    return found.codes


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("administrative-gender", "male female other unknown"),
        (
            "observation-status",
            "registered preliminary final amended corrected cancelled entered-in-error unknown",
        ),
        (
            "encounter-status",
            "planned arrived triaged in-progress onleave finished cancelled entered-in-error unknown",
        ),
        ("days-of-week", "mon tue wed thu fri sat sun"),
        ("request-status", "draft active on-hold revoked completed entered-in-error unknown"),
        ("units-of-time", "s min h d wk mo a"),
        ("quantity-comparator", "< <= >= >"),
        ("condition-clinical", "active recurrence relapse inactive remission resolved"),
    ],
)
def test_value_sets_have_the_codes_of_r4(name: str, codes: str) -> None:
    assert _codes(name) == set(codes.split())


def test_resource_types_are_the_concrete_ones_and_the_two_abstract() -> None:
    assert _codes("resource-types") == {*resource_types(), "Resource", "DomainResource"}
    assert {"Any", "Type", "Patient", "HumanName", "xhtml"} <= _codes("all-types")


def test_codes_are_kept_by_system() -> None:
    found = required_value_set("http://hl7.org/fhir/ValueSet/condition-ver-status")
    assert found is not None
    assert set(found.systems) == {"http://terminology.hl7.org/CodeSystem/condition-ver-status"}
    assert found.systems["http://terminology.hl7.org/CodeSystem/condition-ver-status"] == found.codes


def test_a_version_on_the_canonical_is_ignored() -> None:
    plain = "http://hl7.org/fhir/ValueSet/task-status"
    assert required_value_set(f"{plain}|4.0.1") is required_value_set(plain) is not None


def test_only_what_cannot_be_enumerated_has_no_codes() -> None:
    without = {canonical for canonical, reason in bound_value_sets().items() if reason}
    assert without == {
        "http://hl7.org/fhir/ValueSet/currencies",
        "http://hl7.org/fhir/ValueSet/mimetypes",
        "http://hl7.org/fhir/ValueSet/ucum-units",
        "http://loinc.org/vs/LL379-9",
    }
    assert all(required_value_set(canonical) is None for canonical in without)


def test_every_required_binding_has_a_row() -> None:
    bound = {
        element.required_values
        for name in structure_names()
        for element in structure(name).elements.values()
        if element.required_values
    }
    assert bound == set(bound_value_sets())
