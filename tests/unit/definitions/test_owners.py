"""The owner table: complete, made of references that exist, and in step with the search parameters it names."""

import re

import pytest

from fhir_server.definitions.elements import structure
from fhir_server.definitions.owners import REFERENCED, owner_rule
from fhir_server.definitions.registry import resource_types
from fhir_server.definitions.search_parameters import search_parameters, union_members


def _read_paths(resource_type: str, code: str) -> set[str]:
    """The element paths a reference parameter reads, whatever type they are narrowed to."""
    expression = search_parameters(resource_type)[code].expression
    assert expression is not None
    members = [
        re.sub(r"\.where\(resolve\(\) is \w+\)", "", member).strip(" ()") for member in union_members(expression)
    ]
    return {member.partition(".")[2] for member in members}


def test_every_resource_type_has_exactly_one_row() -> None:
    assert all(owner_rule(name) for name in resource_types())
    for name in ("Resource", "HumanName"):
        with pytest.raises(KeyError):
            owner_rule(name)


def test_a_patient_owns_itself_and_nothing_else_does() -> None:
    assert [name for name in resource_types() if owner_rule(name).kind == "self"] == ["Patient"]


def test_paths_lead_to_references_that_may_name_a_patient() -> None:
    for name in resource_types():
        rule = owner_rule(name)
        assert bool(rule.paths) == (rule.kind in ("paths", "rule"))
        for path in rule.paths:
            *parents, last = path.split(".")
            place = structure(name)
            for parent in parents:
                place = structure(place.elements[parent].type)
            element = place.elements[last]
            assert element.type == "Reference", (name, path)
            if rule.kind == "paths":
                assert not element.targets or "Patient" in element.targets, (name, path)


def test_rules_are_named_where_the_kind_says_so() -> None:
    for name in resource_types():
        rule = owner_rule(name)
        assert rule.rule == (REFERENCED if rule.kind == "rule" else None)


def test_parameters_read_nothing_but_what_decides_ownership() -> None:
    for name in resource_types():
        rule = owner_rule(name)
        for code in rule.parameters:
            assert search_parameters(name)[code].type == "reference"
            assert _read_paths(name, code) <= set(rule.paths[:1]), (name, code)


def test_no_parameter_that_reads_an_owning_path_is_forgotten() -> None:
    for name in resource_types():
        rule = owner_rule(name)
        expected = {
            code
            for code, found in search_parameters(name).items()
            if found.type == "reference"
            and (not found.target or "Patient" in found.target)
            and _read_paths(name, code) <= set(rule.paths[:1])
        }
        if rule.kind in ("paths", "rule"):
            assert set(rule.parameters) == expected, name


def test_no_type_with_a_patient_parameter_is_shared() -> None:
    shared = {
        name for name in resource_types() if owner_rule(name).kind == "shared" and "patient" in search_parameters(name)
    }
    assert shared == set()


@pytest.mark.parametrize(
    ("resource_type", "kind", "paths"),
    [
        ("Observation", "paths", ("subject",)),
        ("Appointment", "paths", ("participant.actor",)),
        ("Coverage", "paths", ("beneficiary",)),
        ("Communication", "paths", ("subject",)),
        ("Provenance", "rule", ("target",)),
        ("Binary", "rule", ("securityContext",)),
        ("Task", "rule", ("for", "focus")),
        ("VerificationResult", "rule", ("target",)),
        ("Organization", "shared", ()),
        ("Slot", "shared", ()),
        ("Group", "deny", ()),
        ("Person", "deny", ()),
        ("AuditEvent", "deny", ()),
        ("Bundle", "deny", ()),
    ],
)
def test_rows_that_decide_much(resource_type: str, kind: str, paths: tuple[str, ...]) -> None:
    rule = owner_rule(resource_type)
    assert (rule.kind, rule.paths) == (kind, paths)
