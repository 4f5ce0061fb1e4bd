"""Pairs of a query to a request: what is taken, what is refused, and how it says so."""

import pytest

from fhir_server.core.outcome import FhirError, Issue
from fhir_server.search.parse import parse
from fhir_server.search.request import SearchRequest, SortKey

UNKNOWN_PARAMETER, UNKNOWN_MODIFIER, BAD_VALUE, BAD_SORT, NOT_SUPPORTED = 4001, 4002, 4003, 4004, 2014


def read(type: str, *pairs: tuple[str, str], lenient: bool = False) -> SearchRequest:
    return parse(type, pairs, lenient)


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


@pytest.mark.parametrize("name", ["family:exakt", "family:exact", "family:missing", "birthdate:missing", "family:"])
def test_a_modifier_that_is_not_taken_is_named(name: str) -> None:
    (issue,) = refused("Patient", (name, "x"))
    assert issue.number == UNKNOWN_MODIFIER
    assert issue.expression == name.partition(":")[0]
    assert f"':{name.partition(':')[2]}'" in issue.text
    assert "It takes none." in issue.text


def test_a_reference_takes_the_types_it_may_name() -> None:
    (issue,) = refused("Observation", ("subject:Practitioner", "x"))
    assert issue.number == UNKNOWN_MODIFIER
    assert ":Patient" in issue.text
    assert ":Device" in issue.text
    assert read("Observation", ("subject:Device", "x")).parameters == (
        read("Observation", ("subject", "Device/x")).parameters
    )


@pytest.mark.parametrize(
    ("type", "name"),
    [
        ("Observation", "value-quantity"),
        ("Observation", "code-value-quantity"),
        ("RiskAssessment", "probability"),
        ("Location", "near"),
        ("Patient", "_text"),
        ("Patient", "_content"),
        ("Patient", "_query"),
        ("Patient", "_has:Observation:patient:code"),
        ("Patient", "_include"),
        ("Patient", "_revinclude:iterate"),
        ("Patient", "_elements"),
        ("Patient", "_list"),
        ("Patient", "_filter"),
        ("Patient", "_contained"),
        ("Observation", "patient.name"),
        ("Observation", "subject:Patient.name"),
        ("Observation", "subject:Patient.organization.name"),
    ],
)
def test_what_r4_has_and_this_server_has_not_yet_is_said_to_be_so(type: str, name: str) -> None:
    (issue,) = refused(type, (name, "1"))
    assert issue.number == NOT_SUPPORTED
    assert issue.expression == name
    assert "yet" in issue.text


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


def test_the_lenient_are_warned_and_get_the_rest() -> None:
    request = read("Patient", ("nope", "1"), ("family:exact", "x"), ("_include", "a"), ("family", "x"), lenient=True)
    assert request.parameters == read("Patient", ("family", "x")).parameters
    assert request.applied == (("family", "x"),)
    assert [(issue.severity, issue.number) for issue in request.warnings] == [
        ("warning", UNKNOWN_PARAMETER),
        ("warning", UNKNOWN_MODIFIER),
        ("warning", NOT_SUPPORTED),
    ]
    assert "was ignored" in request.warnings[0].text


@pytest.mark.parametrize("pair", [("birthdate", "x"), ("_count", "x"), ("_sort", "x"), ("family", "")])
def test_leniency_does_not_reach_bad_values(pair: tuple[str, str]) -> None:
    with pytest.raises(FhirError):
        read("Patient", pair, lenient=True)


@pytest.mark.parametrize("value", ["", ",", "a,", ",a", "a,,b"])
def test_an_empty_value_never_means_everything(value: str) -> None:
    issues = refused("Patient", ("family", value))
    assert {issue.number for issue in issues} == {BAD_VALUE}
    assert "empty" in issues[0].text


def test_equal_names_are_anded_and_commas_ored() -> None:
    request = read("Patient", ("given", "a,b"), ("given", "c"))
    assert [len(clause.values) for clause in request.parameters] == [2, 1]


def test_a_hundred_alternatives_are_taken_and_201_are_not() -> None:
    (clause,) = read("Patient", ("_id", ",".join(f"p{n}" for n in range(200)))).parameters
    assert len(clause.values) == 200
    (issue,) = refused("Patient", ("_id", ",".join(f"p{n}" for n in range(201))))
    assert issue.number == BAD_VALUE
    assert "201 values" in issue.text
    assert "several searches" in issue.text


def test_a_hundred_parameters_are_taken_and_101_are_not() -> None:
    assert len(read("Patient", *[("family", "a")] * 100).parameters) == 100
    (issue,) = refused("Patient", *[("family", "a")] * 101)
    assert issue.number == BAD_VALUE


ODD = ['{"$gt":""}', "$where", "[$ne]", "'; return true; //", "\u2028", "💉", "%00", "../..", "a" * 5000]


@pytest.mark.parametrize("value", ODD)
def test_odd_values_are_only_ever_text(value: str) -> None:
    (clause,) = read("Patient", ("gender", value)).parameters
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


@pytest.mark.parametrize(
    ("value", "count", "only", "applied"),
    [("10", 10, False, "10"), ("1000", 1000, False, "1000"), ("5000", 1000, False, "1000"), ("0", 50, True, "0")],
)
def test_count_is_bounded_and_nought_asks_for_the_number_alone(
    value: str, count: int, only: bool, applied: str
) -> None:
    request = read("Patient", ("_count", value))
    assert (request.count, request.count_only, request.applied) == (count, only, (("_count", applied),))


@pytest.mark.parametrize("value", ["-1", "ten", "", "1.5", "+1", "٣", "9" * 10])
def test_other_counts_are_refused(value: str) -> None:
    assert [issue.number for issue in refused("Patient", ("_count", value))] == [BAD_VALUE]


def test_result_parameters_may_come_only_once() -> None:
    for pair in (("_count", "1"), ("_sort", "_id"), ("_summary", "count"), ("_total", "none")):
        (issue,) = refused("Patient", pair, pair)
        assert (issue.number, issue.expression) == (BAD_VALUE, pair[0])


def test_summary_count_and_false_are_taken_the_rest_not_yet() -> None:
    assert read("Patient", ("_summary", "count")).count_only
    assert not read("Patient", ("_summary", "false")).count_only
    for value in ("true", "text", "data"):
        assert [issue.number for issue in refused("Patient", ("_summary", value))] == [NOT_SUPPORTED]
    assert [issue.number for issue in refused("Patient", ("_summary", "x"))] == [BAD_VALUE]


def test_total() -> None:
    assert read("Patient").total is None
    assert [read("Patient", ("_total", value)).total for value in ("none", "estimate", "accurate")] == [
        "none",
        "estimate",
        "accurate",
    ]
    assert [issue.number for issue in refused("Patient", ("_total", "all"))] == [BAD_VALUE]


def test_sort_keys_keep_their_order_and_direction() -> None:
    request = read("Patient", ("_sort", "family,-birthdate,_id"))
    assert request.sort == (SortKey("family"), SortKey("birthdate", descending=True), SortKey("_id"))


@pytest.mark.parametrize(
    "value", ["", "nope", "-", "family,", "family,-family", "--family", "patient", "_tag", "$x", "a,b,c,d,e,f"]
)
def test_what_cannot_be_sorted_by_is_refused(value: str) -> None:
    assert {issue.number for issue in refused("Observation", ("_sort", value))} == {BAD_SORT}


def test_a_refused_sort_names_what_is_close() -> None:
    (issue,) = refused("Patient", ("_sort", "birthday"))
    assert "birthdate" in issue.text


def test_format_and_pretty_are_not_of_the_search() -> None:
    assert read("Patient", ("_format", "json"), ("_pretty", "true")) == SearchRequest("Patient")


def test_the_pairs_are_shown_as_they_were_understood() -> None:
    pairs = (("name", "a,b"), ("birthdate", "ge2020"), ("_sort", "-birthdate"))
    assert read("Patient", *pairs).applied == pairs
