"""Pairs of a query to a request: what is taken, what is refused, and how it says so."""

import pytest

from fhir_server.core.outcome import FhirError, Issue
from fhir_server.definitions.parameter_set import ParameterSet
from fhir_server.search.parse import of_type, parse
from fhir_server.search.request import (
    AnyOf,
    Clause,
    Contains,
    Exactly,
    Expanded,
    InList,
    Missing,
    SearchRequest,
    StartsWith,
    Tokens,
    Value,
    Words,
)

UNKNOWN_PARAMETER, UNKNOWN_MODIFIER, BAD_VALUE, BAD_SORT, NOT_SUPPORTED, TOO_COSTLY = 4001, 4002, 4003, 4004, 2014, 4006


def read(type: str, *pairs: tuple[str, str], lenient: bool = False) -> SearchRequest:
    return parse(type, pairs, lenient)


def values(type: str, name: str, text: str) -> tuple[Value, ...]:
    (clause,) = clauses(read(type, (name, text)))
    return clause.values


def clauses(request: SearchRequest) -> list[Clause]:
    return [each for each in request.conditions if isinstance(each, Clause)]


def refused(type: str, *pairs: tuple[str, str]) -> tuple[Issue, ...]:
    with pytest.raises(FhirError) as refusal:
        parse(type, pairs, lenient=False)
    assert refusal.value.status == 400
    return refusal.value.issues


def test_no_pairs_ask_for_everything_fifty_at_a_time() -> None:
    assert read("Patient") == SearchRequest("Patient")
    assert read("Patient").count == 50


def test_an_unknown_parameter_is_named_and_close_ones_are_suggested() -> None:
    (issue,) = refused("Patient", ("famly", "x"))
    assert issue.number == UNKNOWN_PARAMETER
    assert issue.expression == "famly"
    assert "'famly' is not a search parameter of Patient" in issue.text
    assert "family" in issue.text


def test_where_nothing_is_close_all_are_listed() -> None:
    (issue,) = refused("Slot", ("zzzzzz", "x"))
    for code in ("schedule", "start", "status", "_id", "_lastUpdated"):
        assert code in issue.text


@pytest.mark.parametrize("modifier", ["exakt", "not", "below", "text", "Patient", ""])
def test_a_modifier_that_is_not_taken_is_named_with_those_that_are(modifier: str) -> None:
    (issue,) = refused("Patient", (f"family:{modifier}", "x"))
    assert issue.number == UNKNOWN_MODIFIER
    assert issue.expression == "family"
    assert f"':{modifier}'" in issue.text
    assert "It takes :missing, :exact, :contains." in issue.text


@pytest.mark.parametrize(
    ("type", "name", "taken"),
    [
        ("Patient", "gender:text", ":missing, :not, :in, :not-in, :above, :below"),
        ("Patient", "identifier:in", ":missing, :not, :text, :of-type"),
        ("Patient", "active:in", ":missing, :not."),
        ("Patient", "birthdate:not", ":missing."),
        ("Observation", "value-quantity:exact", ":missing."),
        ("Observation", "_text:missing", "none"),
        ("ValueSet", "url:exact", ":missing, :above, :below."),
        ("Observation", "subject:below", ":missing, :identifier, :Group, :Device, :Patient, :Location."),
        ("Provenance", "target:Foo", "the name of any resource type"),
    ],
)
def test_each_type_of_parameter_has_its_own_modifiers(type: str, name: str, taken: str) -> None:
    (issue,) = refused(type, (name, "x"))
    assert issue.number == UNKNOWN_MODIFIER
    assert taken in issue.text


def test_modifiers_make_values_of_their_own() -> None:
    assert values("Patient", "family:exact", "Ab") == (Exactly("Ab"),)
    assert values("Patient", "family:contains", "Ab") == (Contains("ab"),)
    assert values("Patient", "family:missing", "true") == (Missing(True),)
    assert values("Observation", "code:text", "Ab") == (StartsWith("ab", ":text"),)
    assert values("Patient", "identifier:of-type", "s|MR|1") == (Tokens(("identifier:of-type|mr|s|1",)),)
    assert values("Observation", "subject:identifier", "s|1") == (Tokens(("subject:identifier|1|s",)),)
    assert values("Observation", "subject:Patient", "p1") == (Tokens(("subject|Patient/p1",)),)


def test_not_keeps_its_values_and_turns_the_clause() -> None:
    (clause,) = read("Patient", ("gender:not", "male,female")).conditions
    assert clause == Clause("gender", (Tokens(("gender|male|",)), Tokens(("gender|female|",))), negated=True)


@pytest.mark.parametrize(
    ("type", "name", "text"),
    [
        ("Patient", "gender:in", "http://example.org/vs"),
        ("Observation", "code:not-in", "ValueSet/v1"),
        ("Observation", "code:below", "http://loinc.org|x"),
        ("Location", "partof:above", "Location/l1"),
    ],
)
def test_what_the_store_expands_is_kept_as_sent(type: str, name: str, text: str) -> None:
    code, _, modifier = name.partition(":")
    assert read(type, (name, text)).conditions == (Expanded(name, code, modifier, (text,)),)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("type", "name", "text"),
    [
        ("Patient", "gender:in", "male"),
        ("Location", "partof:below", "Patient/p1"),
        ("Patient", "family:missing", "yes"),
        ("Observation", "subject:Patient", "Device/d1"),
        ("Observation", "value-quantity", "much"),
        ("Observation", "code-value-quantity", "8480-6"),
        ("RiskAssessment", "probability", "half"),
        ("Location", "near", "91|0"),
        ("Patient", "_list", "a b"),
    ],
)
def test_a_value_its_parameter_cannot_take_is_refused_and_not_repeated(type: str, name: str, text: str) -> None:
    (issue,) = refused(type, (name, text))
    assert issue.number == BAD_VALUE
    assert issue.expression == name
    assert f"'{text}'" not in issue.text


def test_which_of_several_values_is_wrong_is_said_by_its_number() -> None:
    issues = refused("Observation", ("value-quantity", "1,x,2,y"))
    assert ["(number 2)" in issues[0].text, "(number 4)" in issues[1].text] == [True, True]


def test_a_reference_takes_the_types_it_may_name() -> None:
    (issue,) = refused("Observation", ("subject:Practitioner", "x"))
    assert issue.number == UNKNOWN_MODIFIER
    assert ":Patient" in issue.text
    assert ":Device" in issue.text
    assert read("Observation", ("subject:Device", "x")).conditions == (
        read("Observation", ("subject", "Device/x")).conditions
    )


def test_every_parameter_but_named_queries_is_searched_by() -> None:
    (issue,) = refused("Patient", ("_query", "1"))
    assert issue.number == NOT_SUPPORTED
    assert read("Observation", ("value-quantity", "5")).conditions
    assert read("Observation", ("code-value-quantity", "8480-6$5")).conditions
    assert read("RiskAssessment", ("probability", "0.5")).conditions
    assert read("Location", ("near", "1|2")).conditions


def test_words_are_a_condition() -> None:
    assert read("Patient", ("_content", "fever")).conditions == (Clause("_content", (Words("fever"),)),)


def test_a_list_is_named_by_its_id() -> None:
    assert read("Patient", ("_list", "42")).conditions == (InList("42"),)
    assert read("Patient", ("_list", "List/42,43")).conditions == (AnyOf((InList("42"), InList("43"))),)
    (issue,) = refused("Patient", ("_list", "$current-allergies"))
    assert issue.number == NOT_SUPPORTED


def test_all_findings_are_told_at_once() -> None:
    pairs = [
        ("x", "1"),
        ("birthdate", "2023-02-30"),
        ("family:x", "1"),
        ("_count", "-1"),
        ("_sort", "zz"),
        ("name", "a"),
    ]
    numbers = [issue.number for issue in refused("Patient", *pairs)]
    assert sorted(numbers) == [UNKNOWN_PARAMETER, UNKNOWN_MODIFIER, BAD_VALUE, BAD_VALUE, BAD_SORT]


def test_the_lenient_are_warned_of_unknown_names_and_get_the_rest() -> None:
    request = read("Patient", ("nope", "1"), ("nope:exact", "2"), ("family", "x"), lenient=True)
    assert request.conditions == read("Patient", ("family", "x")).conditions
    assert request.applied == (("family", "x"),)
    assert [(issue.severity, issue.number) for issue in request.warnings] == [("warning", UNKNOWN_PARAMETER)] * 2
    assert "was ignored" in request.warnings[0].text


@pytest.mark.parametrize(
    "pair",
    [
        ("birthdate", "x"),
        ("_count", "x"),
        ("_sort", "x"),
        ("family", ""),
        ("family:x", "x"),
        ("_sort:x", "_id"),
        ("_include:x", "*"),
        ("_list:not", "1"),
        ("_list", "$current-allergies"),
        ("_query", "a"),
        ("_filter", "nope eq x"),
        ("_filter", "family eq x or nope eq x"),
        ("organization.nope", "x"),
        ("nope.name", "x"),
        ("_has:Observation:patient:nope", "x"),
        ("_has:Nope:patient:code", "x"),
        ("_type", "Patient"),
        ("_type:not", "Patient"),
        ("fam\x00ily", "x"),
    ],
)
def test_leniency_ends_where_the_name_is_known(pair: tuple[str, str]) -> None:
    with pytest.raises(FhirError):
        read("Patient", pair, lenient=True)


def test_what_one_of_several_types_has_is_not_left_out_for_the_lenient() -> None:
    types = ("_type", "Observation,Patient")
    with pytest.raises(FhirError):
        read("", types, ("code", "x"), lenient=True)
    assert len(read("", types, ("nope", "x"), lenient=True).warnings) == 1


def test_what_is_not_ready_yet_is_not_left_out_for_the_lenient() -> None:
    pending = ParameterSet(1, (), {("Patient", "shoe-size"): "is being indexed"})
    with pytest.raises(FhirError):
        parse("Patient", [("shoe-size", "44")], True, parameter_set=pending)


@pytest.mark.parametrize("name", ["_list:not", "_list:not:x", "_filter:x", "_filter:"])
def test_criteria_of_every_search_take_no_modifier_and_say_so(name: str) -> None:
    (issue,) = refused("Patient", (name, "1"))
    assert (issue.number, issue.expression) == (UNKNOWN_MODIFIER, name.partition(":")[0])
    assert f"':{name.partition(':')[2]}'" in issue.text
    assert "It takes none." in issue.text


@pytest.mark.parametrize("type", ["", "Patient"])
def test_type_takes_no_modifier(type: str) -> None:
    (issue,) = refused(type, ("_type:not", "Patient"))
    assert (issue.number, issue.expression) == (UNKNOWN_MODIFIER, "_type")


@pytest.mark.parametrize(
    ("name", "suggested", "never"),
    [
        ("code:in", "", "_score"),
        ("count", "_count", "zz"),
        ("famly:exact", "family", "_"),
        ("_include2", "_include", "zz"),
    ],
)
def test_a_guess_is_near_what_was_sent(name: str, suggested: str, never: str) -> None:
    (issue,) = refused("Patient", (name, "x"))
    assert suggested in issue.text
    assert never not in issue.text


@pytest.mark.parametrize("value", ["", ",", "a,", ",a", "a,,b"])
def test_an_empty_value_never_means_everything(value: str) -> None:
    issues = refused("Patient", ("family", value))
    assert {issue.number for issue in issues} == {BAD_VALUE}
    assert "empty" in issues[0].text


def test_equal_names_are_anded_and_commas_ored() -> None:
    request = read("Patient", ("given", "a,b"), ("given", "c"))
    assert [len(clause.values) for clause in clauses(request)] == [2, 1]


def test_a_hundred_alternatives_are_taken_and_201_are_not() -> None:
    (clause,) = clauses(read("Patient", ("_id", ",".join(f"p{n}" for n in range(200)))))
    assert len(clause.values) == 200
    (issue,) = refused("Patient", ("_id", ",".join(f"p{n}" for n in range(201))))
    assert issue.number == BAD_VALUE
    assert "201 values" in issue.text
    assert "several searches" in issue.text


def test_a_hundred_parameters_are_taken_and_101_are_not() -> None:
    assert len(read("Patient", *[("family", "a")] * 100).conditions) == 100
    (issue,) = refused("Patient", *[("family", "a")] * 101)
    assert issue.number == BAD_VALUE


ODD = ['{"$gt":""}', "$where", "[$ne]", "'; return true; //", "\u2028", "💉", "%00", "../..", "a" * 5000]


@pytest.mark.parametrize("value", ODD)
def test_odd_values_are_only_ever_text(value: str) -> None:
    (clause,) = clauses(read("Patient", ("gender", value)))
    assert clause.parameter == "gender"
    assert len(clause.values) == 1


@pytest.mark.parametrize(
    "name", ["$where", "patient[$ne]", "{$gt:1}", "__proto__", "k.date.d", "_id[$gt]", "", ":", "."]
)
def test_odd_names_are_unknown_parameters(name: str) -> None:
    (issue,) = refused("Patient", (name, "x"))
    assert issue.number == UNKNOWN_PARAMETER


@pytest.mark.parametrize("bad", ["\x00", "\x01", "\x1b", "\ud800"])
def test_control_characters_and_half_surrogates_are_refused_in_names_and_values(bad: str) -> None:
    for pair in (("family", f"a{bad}"), (f"family{bad}", "a"), ("_sort", bad), ("_id", bad)):
        (issue,) = refused("Patient", pair)
        assert issue.number == BAD_VALUE
        assert bad not in issue.text
        issue.text.encode()


@pytest.mark.parametrize("value", ["a b", "a/b", "x" * 65, '{"$gt":""}', "|a"])
def test_an_id_that_is_none_is_refused(value: str) -> None:
    (issue,) = refused("Patient", ("_id", value))
    assert issue.number == BAD_VALUE


def test_format_and_pretty_are_not_of_the_search() -> None:
    assert read("Patient", ("_format", "json"), ("_pretty", "true")) == SearchRequest("Patient")


def test_the_pairs_are_shown_as_they_were_understood() -> None:
    pairs = (("name", "a,b"), ("birthdate", "ge2020"), ("_sort", "-birthdate"))
    assert read("Patient", *pairs).applied == pairs


def test_a_search_of_several_types_takes_what_all_of_them_have() -> None:
    request = read("", ("_type", "Observation,Condition"), ("code", "s|x"), ("_lastUpdated", "ge2020"))
    assert request.types == ("Condition", "Observation")
    assert [clause.parameter for clause in clauses(request)] == ["code", "_lastUpdated"]
    (issue,) = refused("", ("_type", "Observation,Patient"), ("code", "x"))
    assert issue.number == UNKNOWN_PARAMETER
    assert "'code' is not a search parameter of Patient" in issue.text


def test_a_search_without_type_takes_the_parameters_of_every_resource() -> None:
    assert len(read("", ("_tag", "x")).types) == 146
    (issue,) = refused("", ("_text", "x"))
    assert "Binary, Bundle, Parameters" in issue.text


def test_each_type_reads_a_shared_parameter_its_own_way() -> None:
    request = read("", ("_type", "Observation,Task"), ("status", "http://hl7.org/fhir/observation-status|final"))
    observation, task = (of_type(request, type) for type in ("Observation", "Task"))
    assert (observation.type, observation.types) == ("Observation", ())
    assert observation.conditions == (Clause("status", (Tokens(("status|final|",)),)),)
    assert task.conditions != observation.conditions


@pytest.mark.parametrize("value", ["", "Patien", "Patient,", "patient", "DomainResource"])
def test_a_type_that_is_none_is_refused(value: str) -> None:
    (issue, *_) = refused("", ("_type", value))
    assert (issue.number, issue.expression) == (BAD_VALUE, "_type")


def test_type_is_for_searches_of_the_system_alone() -> None:
    (issue,) = refused("Patient", ("_type", "Patient"))
    assert issue.number == BAD_VALUE


def test_too_many_strings_in_all_are_refused_at_once() -> None:
    ids = ",".join(f"p{n}" for n in range(200))
    (issue,) = refused("Provenance", ("target", ids))
    assert issue.number == TOO_COSTLY
    assert "Patient/p1" in issue.text


def test_a_parameter_sent_often_is_refused_once() -> None:
    with pytest.raises(FhirError) as refused:
        read("Patient", *[("bogus", "x")] * 50)
    assert len(refused.value.issues) == 1
