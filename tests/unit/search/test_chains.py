"""Chains and `_has`: where they lead, how far, and what is refused on the way."""

import pytest

from fhir_server.core.outcome import FhirError, Issue
from fhir_server.search.chains import needs_store
from fhir_server.search.parse import parse
from fhir_server.search.request import (
    Chained,
    Clause,
    Condition,
    Contains,
    Having,
    InList,
    Linked,
    LogicalId,
    NotThis,
    StartsWith,
    Tokens,
)

UNKNOWN_PARAMETER, UNKNOWN_MODIFIER, BAD_VALUE, TOO_COSTLY = 4001, 4002, 4003, 4006
PETER = Clause("name", (StartsWith("peter"),))


def read(type: str, name: str, value: str = "peter") -> Condition:
    (condition,) = parse(type, [(name, value)], lenient=False).conditions
    return condition


def refused(type: str, name: str, value: str = "x") -> Issue:
    with pytest.raises(FhirError) as refusal:
        parse(type, [(name, value)], lenient=False)
    assert refusal.value.status == 400
    (issue,) = refusal.value.issues
    return issue


def test_a_typed_chain_leads_to_that_type() -> None:
    name = "subject:Patient.name"
    assert read("Observation", name) == Chained(name, "subject", (Linked("Patient", (PETER,)),))


def test_a_chain_without_type_leads_to_every_target_that_has_the_parameter() -> None:
    chained = read("Observation", "subject.name")
    assert isinstance(chained, Chained)
    assert {link.type for link in chained.links} == {"Patient", "Location"}


def test_a_chain_may_end_in_a_modifier_or_an_id() -> None:
    chained = read("Observation", "subject:Patient.name:contains")
    assert isinstance(chained, Chained)
    assert chained.links[0].conditions == (Clause("name", (Contains("peter"),)),)
    chained = read("Observation", "patient._id", "p1")
    assert isinstance(chained, Chained)
    assert chained.links[0].conditions == (Clause("_id", (LogicalId("p1"),)),)


def test_chains_go_several_levels() -> None:
    name = "patient.organization.partof.name"
    inner = Chained(name, "partof", (Linked("Organization", (PETER,)),))
    middle = Chained(name, "organization", (Linked("Organization", (inner,)),))
    assert read("Observation", name) == Chained(name, "patient", (Linked("Patient", (middle,)),))


@pytest.mark.parametrize("links", [5, 6, 40])
def test_five_links_are_followed_and_more_are_not(links: int) -> None:
    name = "partof." * links + "name"
    if links == 5:
        assert isinstance(read("Organization", name), Chained)
    else:
        issue = refused("Organization", name)
        assert issue.number == BAD_VALUE
        assert "more than 5 references" in issue.text


def test_links_of_has_count_too() -> None:
    having = "_has:Organization:partof:" * 3
    assert isinstance(read("Organization", having + "partof.partof.name"), Having)
    assert refused("Organization", having + "partof.partof.partof.name").number == BAD_VALUE


def test_has_asks_what_refers_to_the_resource() -> None:
    name = "_has:Observation:patient:code"
    code = Clause("code", (Tokens(("code|8302-2|http://loinc.org",)),))
    assert read("Patient", name, "http://loinc.org|8302-2") == Having(name, "patient", Linked("Observation", (code,)))


def test_has_nests_and_stands_in_chains() -> None:
    nested = read("Patient", "_has:Observation:patient:_has:AuditEvent:entity:_id", "a1")
    assert isinstance(nested, Having)
    (inner,) = nested.link.conditions
    assert isinstance(inner, Having)
    assert (inner.parameter, inner.link.type) == ("entity", "AuditEvent")
    chained = read("Encounter", "patient._has:Group:member:_id", "g1")
    assert isinstance(chained, Chained)
    assert isinstance(chained.links[0].conditions[0], Having)


def test_has_takes_modifiers_and_chains_at_its_end() -> None:
    name = "_has:Observation:patient:code:not"
    assert read("Patient", name, "x") == Having(
        name, "patient", Linked("Observation", (Clause("code", (Tokens(("code|x|",)),), negated=True),))
    )
    chained = read("Patient", "_has:Observation:patient:performer:Practitioner.name")
    assert isinstance(chained, Having)
    assert isinstance(chained.link.conditions[0], Chained)


def test_a_list_may_end_a_chain() -> None:
    chained = read("Observation", "patient._list", "42")
    assert isinstance(chained, Chained)
    assert chained.links == (Linked("Patient", (InList("42"),)),)


@pytest.mark.parametrize(
    ("name", "number", "said"),
    [
        ("code.name", UNKNOWN_PARAMETER, "which is a token and no reference"),
        ("subject.famly", UNKNOWN_PARAMETER, "none of the types has that 'subject' may name: Group, Device, Patient"),
        ("subject:Patient.famly", UNKNOWN_PARAMETER, "Did you mean family?"),
        ("subjct.name", UNKNOWN_PARAMETER, "Did you mean subject?"),
        ("subject:Practitioner.name", UNKNOWN_MODIFIER, ":Patient"),
        ("subject:Patent.name", UNKNOWN_MODIFIER, "only a type can stand"),
        ("subject:identifier.name", UNKNOWN_MODIFIER, "only a type can stand"),
        ("subject:Patient.name:not", UNKNOWN_MODIFIER, "':not'"),
        ("subject:Patient.name.family", UNKNOWN_PARAMETER, "which is a string and no reference"),
        ("subject.", UNKNOWN_PARAMETER, "asks for ''"),
        (".name", UNKNOWN_PARAMETER, "is not a search parameter"),
        ("patient._filter", UNKNOWN_PARAMETER, "'_filter'"),
    ],
)
def test_a_chain_that_leads_nowhere_says_where_it_ends(name: str, number: int, said: str) -> None:
    issue = refused("Observation", name)
    assert issue.number == number
    assert said in issue.text


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("_has", "_has:Type:reference:parameter"),
        ("_has:Observation:patient", "_has:Type:reference:parameter"),
        ("_has:Observation:patient:", "_has:Type:reference:parameter"),
        ("_has:Observaton:patient:code", "Did you mean Observation or"),
        ("_has:Observation:code:code", "which is a token and no reference"),
        ("_has:Observation:patent:code", "Did you mean patient?"),
        ("_has:Observation:device:code", "never names Patient"),
        ("_has:Observation:patient:cod", "Did you mean code"),
    ],
)
def test_a_has_that_cannot_hold_says_why(name: str, said: str) -> None:
    assert said in refused("Patient", name).text


def test_a_bad_value_at_the_end_of_a_chain_is_refused_without_repeating_it() -> None:
    issue = refused("Observation", "subject:Patient.birthdate", "1985-secret")
    assert issue.number == BAD_VALUE
    assert "1985-secret" not in issue.text


def test_a_value_that_only_one_target_can_take_finds_that_one() -> None:
    chained = read("Observation", "subject.identifier:of-type", "s|MR|1")
    assert isinstance(chained, Chained)
    assert "Patient" in {link.type for link in chained.links}


def test_chains_that_spread_over_too_many_types_are_refused() -> None:
    issue = refused("Basic", "subject.subject.subject.subject.status")
    assert issue.number == TOO_COSTLY
    assert "subject:Patient.name" in issue.text


def test_what_needs_the_store_is_found_wherever_it_stands() -> None:
    assert needs_store(NotThis(read("Observation", "subject:Patient.name")))
    assert needs_store(read("Patient", "_filter", "organization.name eq x or gender eq male"))
    assert not needs_store(read("Patient", "_filter", "name eq x or not (gender eq male)"))
