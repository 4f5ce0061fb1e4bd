"""`_filter`: its grammar, what its operators ask of each type, and its bounds."""

import re

import pytest

from fhir_server.core.instant import now
from fhir_server.core.outcome import FhirError, Issue
from fhir_server.definitions.parameter_set import STANDARD
from fhir_server.search.filter_expression import MAX_FILTER, Comparison, Logic, Not, NotAFilter, Step, read_expression
from fhir_server.search.parse import parse
from fhir_server.search.predicate import predicate
from fhir_server.search.request import (
    AllOf,
    AnyOf,
    Chained,
    Clause,
    Condition,
    Contains,
    Covering,
    Dated,
    EndsWith,
    Expanded,
    Linked,
    LogicalId,
    Missing,
    NotThis,
    StartsWith,
    Tokens,
    Whole,
)

UNKNOWN_PARAMETER, BAD_VALUE, TOO_COSTLY = 4001, 4003, 4006
MALE = Clause("gender", (Tokens(("gender|male|",)),))
HAS_GENDER = Clause("gender", (Missing(False),))


def read(text: str, type: str = "Patient") -> Condition:
    (condition,) = parse(type, [("_filter", text)], lenient=False).conditions
    return condition


def refused(text: str, type: str = "Patient") -> Issue:
    with pytest.raises(FhirError) as refusal:
        parse(type, [("_filter", text)], lenient=False)
    assert refusal.value.status == 400
    (issue,) = refusal.value.issues
    assert issue.expression in ("_filter", None)
    return issue


def test_a_test_is_a_path_an_operator_and_a_value() -> None:
    assert read_expression('name co "pet"') == Comparison((Step("name"),), "co", "pet", is_quoted=True)
    assert read_expression("code eq http://loinc.org|1234-5") == Comparison(
        (Step("code"),), "eq", "http://loinc.org|1234-5"
    )


def test_a_path_may_choose_by_a_filter_in_brackets() -> None:
    inner = Comparison((Step("type"),), "eq", "has-component", is_quoted=True)
    assert read_expression('related[type eq "has-component"].target pr true') == Comparison(
        (Step("related", inner), Step("target")), "pr", "true"
    )


def test_and_and_or_bind_alike_from_left_to_right() -> None:
    a, b, c = (Comparison((Step(name),), "eq", "1") for name in "abc")
    assert read_expression("a eq 1 and b eq 1 or c eq 1") == Logic("or", (Logic("and", (a, b)), c))
    assert read_expression("a eq 1 or (b eq 1 and c eq 1)") == Logic("or", (a, Logic("and", (b, c))))
    assert read_expression("a eq 1 and b eq 1 and c eq 1") == Logic("and", (a, b, c))
    assert read_expression("not (a eq 1) AND b EQ 1") == Logic("and", (Not(a), b))


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "name",
        "name eq",
        "name eq ",
        'name eq "x',
        'name eq "\\x"',
        'name eq "\\u0000"',
        "name eq x y",
        "name eq x and",
        "(name eq x",
        "name eq x)",
        "not name eq x",
        "not (name eq x",
        "subject[gender eq male] eq x",
        "subject[gender eq male.name eq x",
        "subject.[gender eq male].name eq x",
        "subject..name eq x",
        "1name eq x",
        "$where eq x",
        "name eq (x)",
    ],
)
def test_what_the_grammar_does_not_know_is_refused(text: str) -> None:
    assert refused(text).number in (BAD_VALUE, UNKNOWN_PARAMETER)
    with pytest.raises(NotAFilter):
        read_expression(text)


def test_a_refusal_says_where() -> None:
    assert "at character 11" in refused("name eq x y z").text
    assert "at its end" in refused("(name eq x").text


def test_length_and_depth_are_bounded() -> None:
    assert str(MAX_FILTER) in refused("gender eq male and " * 300 + "gender eq male").text
    assert read("(" * 19 + "gender eq male" + ")" * 19) == MALE
    for deep in (
        "(" * 21 + "gender eq male" + ")" * 21,
        "not (" * 21 + "gender eq male" + ")" * 21,
        " or ".join(["gender eq male and gender eq male"] * 30),
        "link[" * 30 + "gender eq male" + "].gender eq male" * 30,
    ):
        assert "deeper than 20" in refused(deep).text
    long = read(" and ".join(["gender eq male"] * 200))
    assert isinstance(long, AllOf)
    assert len(long.conditions) == 200


def test_logic_becomes_conditions() -> None:
    assert read("gender eq male or not (gender eq male)") == AnyOf((MALE, NotThis(MALE)))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('family eq "De Jong"', Whole("de jong")),
        ("family sw Jo", StartsWith("jo")),
        ("family co on", Contains("on")),
        ("family ew Ng", EndsWith("ng")),
        ('family sw "a,b|c$d"', StartsWith("a,b|c$d")),
        ("family pr true", Missing(False)),
        ("family pr false", Missing(True)),
        ("gender eq male", Tokens(("gender|male|",))),
        ("identifier eq a\\,b", Tokens(("identifier|a,b|",))),
        ("identifier eq a,b", Tokens(("identifier|a,b|",))),
        ("general-practitioner re Practitioner/1", Tokens(("general-practitioner|Practitioner/1",))),
        ("_id eq p1", LogicalId("p1")),
        ("birthdate ge 1970-01-01", Dated("ge", 0, 86_399_999)),
        ("birthdate eq 1970-01-01", Dated("eq", 0, 86_399_999)),
        ("birthdate po 1970-01-01", Covering(86_399_999, 0)),
        ("birthdate co 1970-01-01", Covering(0, 86_399_999)),
    ],
)
def test_operators_make_values(text: str, value: object) -> None:
    condition = read(text)
    assert isinstance(condition, Clause)
    assert condition.values == (value,)


def test_names_of_code_systems_may_be_short() -> None:
    assert read("code eq loinc|1234-5", "Observation") == Clause("code", (Tokens(("code|1234-5|http://loinc.org",)),))


@pytest.mark.parametrize(("operator", "modifier"), [("in", "in"), ("ni", "not-in"), ("ss", "below"), ("sb", "above")])
def test_terminology_is_left_to_the_store(operator: str, modifier: str) -> None:
    condition = read(f"code {operator} http://example.org/x", "Observation")
    assert condition == Expanded("_filter", "code", modifier, ("http://example.org/x",))  # type: ignore[arg-type]


def test_unequal_is_a_value_and_none_that_is_equal() -> None:
    assert read("gender ne male") == AllOf((HAS_GENDER, NotThis(MALE)))


@pytest.mark.parametrize(
    ("text", "type", "said"),
    [
        ("gender gt male", "Patient", "eq, ne, ss, sb, in, ni, pr"),
        ("family gt a", "Patient", "eq, ne, co, sw, ew, pr"),
        ("birthdate sw 2020", "Patient", "ap, co, po, pr"),
        ("subject eq Patient/1", "Observation", "re, pr"),
        ("value-quantity co 5", "Observation", "ap, pr"),
        ("code-value-quantity gt 5", "Observation", "eq, ne"),
        ("url co x", "ValueSet", "eq, ne, pr"),
        ("near eq 1", "Location", "it takes none"),
        ("_text co x", "Patient", "it takes none"),
        ("family xx a", "Patient", "an operator"),
        ("identifier in http://x", "Patient", "eq, ne, pr"),
        ("identifier ss http://x|a", "Patient", "eq, ne, pr"),
        ("family pr maybe", "Patient", "true or false"),
        ("birthdate eq ge2020", "Patient", "is not a date"),
        ("birthdate po ge2020", "Patient", "without a prefix"),
    ],
)
def test_an_operator_a_type_does_not_take_is_refused_with_those_it_takes(text: str, type: str, said: str) -> None:
    issue = refused(text, type)
    assert issue.number == BAD_VALUE
    assert said in issue.text


def test_paths_are_chains_and_brackets_choose_on_the_way() -> None:
    chosen = Linked("Patient", (MALE, Clause("name", (Contains("pet"),))))
    assert read('subject[gender eq male].name co "pet"', "Observation") == Chained("_filter", "subject", (chosen,))


def test_a_path_without_value_is_one_that_leads_to_none() -> None:
    condition = read("organization.name pr false")
    has_name = Chained("_filter", "organization", (Linked("Organization", (Clause("name", (Missing(False),)),)),))
    assert condition == NotThis(has_name)


def test_unknown_names_and_long_paths_are_refused() -> None:
    assert "Did you mean family?" in refused("famly eq x").text
    assert refused("organization." + "partof." * 5 + "name eq x").number == BAD_VALUE
    assert refused("gender.name eq x").number == UNKNOWN_PARAMETER
    assert refused("subject.subject.subject.subject.status eq x", "Basic").number == TOO_COSTLY


def expression(text: str) -> list[re.Pattern[str]]:
    found = predicate(read(text), now(), STANDARD.of("Patient"))
    return [re.compile(each["s"]["$regex"]) for each in found["$or"]]


def test_the_end_of_a_text_is_found_in_whole_entries_and_last_pieces() -> None:
    whole, piece = expression("family ew ng.")
    assert whole.search("family|jong.")
    assert whole.search("family|ng.")
    assert not whole.search("family|jonga")
    assert not whole.search("family|jong. x")
    assert not whole.search("family|" + "a" * 997 + "ng."), "an entry this long may have been cut"
    assert whole.search("family|" + "a" * 996 + "ng.")
    assert piece.search("family+|long.")


def test_a_whole_text_is_one_entry() -> None:
    assert predicate(read("family eq Jong"), now(), STANDARD.of("Patient")) == {"s": "family|jong"}
