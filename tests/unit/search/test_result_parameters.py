"""The parameters that shape a result: order, pages, how much of each resource, and what stands beside it."""

import pytest

from fhir_server.core.outcome import FhirError, Issue
from fhir_server.search.parse import parse
from fhir_server.search.request import SearchRequest, SortKey

UNKNOWN_MODIFIER, BAD_VALUE, BAD_SORT = 4002, 4003, 4004


def read(type: str, *pairs: tuple[str, str]) -> SearchRequest:
    return parse(type, pairs, lenient=False)


def refused(type: str, *pairs: tuple[str, str]) -> tuple[Issue, ...]:
    with pytest.raises(FhirError) as refusal:
        parse(type, pairs, lenient=False)
    assert refusal.value.status == 400
    return refusal.value.issues


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


def test_the_five_summaries() -> None:
    assert [read("Patient", ("_summary", each)).summary for each in ("true", "text", "data", "false")] == [
        "true",
        "text",
        "data",
        "false",
    ]
    assert read("Patient", ("_summary", "count")).count_only
    assert [issue.number for issue in refused("Patient", ("_summary", "x"))] == [BAD_VALUE]


def test_elements_are_top_level_and_a_choice_is_all_its_forms() -> None:
    assert read("Patient", ("_elements", "name,deceased")).elements == ("name", "deceasedBoolean", "deceasedDateTime")
    assert read("Patient", ("_elements", "deceased[x]")).elements == ("deceasedBoolean", "deceasedDateTime")
    assert read("", ("_type", "Patient,Observation"), ("_elements", "status,name")).elements == ("status", "name")


def test_resource_type_may_be_named_among_the_elements() -> None:
    assert read("Patient", ("_elements", "name,resourceType,id")).elements == ("name", "id")


@pytest.mark.parametrize("value", ["nam", "", "name,", "name.family", "Patient.name", "contact.name"])
def test_an_element_that_is_none_is_refused(value: str) -> None:
    (issue,) = refused("Patient", ("_elements", value))
    assert (issue.number, issue.expression) == (BAD_VALUE, "_elements")


def test_a_misspelt_element_is_guessed() -> None:
    (issue,) = refused("Patient", ("_elements", "birthdate"))
    assert "Did you mean birthDate?" in issue.text


@pytest.mark.parametrize("summary", ["true", "text", "data", "count"])
def test_elements_and_a_summary_exclude_each_other(summary: str) -> None:
    (issue,) = refused("Patient", ("_elements", "name"), ("_summary", summary))
    assert (issue.number, issue.expression) == (BAD_VALUE, "_elements")


def test_elements_go_with_no_summary() -> None:
    assert read("Patient", ("_elements", "name"), ("_summary", "false")).elements == ("name",)


def test_a_summary_of_texts_takes_no_includes() -> None:
    (issue,) = refused("Patient", ("_summary", "text"), ("_include", "Patient:organization"))
    assert (issue.number, issue.expression) == (BAD_VALUE, "_summary")


def test_contained() -> None:
    assert (read("Patient").contained, read("Patient").container) == ("false", True)
    request = read("Medication", ("_contained", "both"), ("_containedType", "contained"))
    assert (request.contained, request.container) == ("both", False)
    for pairs in ((("_contained", "yes"),), (("_contained", "true"), ("_containedType", "x"))):
        assert [issue.number for issue in refused("Patient", *pairs)] == [BAD_VALUE]


def test_how_contained_resources_are_shown_is_asked_only_where_they_are_searched() -> None:
    for value in ("container", "contained"):
        (issue,) = refused("Patient", ("_containedType", value))
        assert (issue.number, issue.expression) == (BAD_VALUE, "_containedType")
        assert "_contained=true" in issue.text
        assert refused("Patient", ("_contained", "false"), ("_containedType", value))


@pytest.mark.parametrize("pair", [("_count", "0"), ("_summary", "count")])
def test_a_number_alone_and_no_number_exclude_each_other(pair: tuple[str, str]) -> None:
    (issue,) = refused("Patient", pair, ("_total", "none"))
    assert (issue.number, issue.expression) == (BAD_VALUE, "_total")
    assert read("Patient", pair, ("_total", "accurate")).count_only


def test_explain_is_true_or_false() -> None:
    assert read("Patient", ("__explain", "true")).explain
    assert not read("Patient", ("__explain", "false")).explain
    assert [issue.number for issue in refused("Patient", ("__explain", "1"))] == [BAD_VALUE]


def test_a_score_needs_words() -> None:
    assert read("Patient", ("_content", "fever"), ("_score", "true")).conditions
    (issue,) = refused("Patient", ("family", "x"), ("_score", "true"))
    assert (issue.number, issue.expression) == (BAD_VALUE, "_score")
    assert "_text or _content" in issue.text


def test_several_types_are_sorted_by_what_each_of_them_sorts_by() -> None:
    types = ("_type", "Observation,Condition")
    assert read("", types, ("_sort", "code")).sort == (SortKey("code"),)
    (issue,) = refused("", types, ("_sort", "status"))
    assert issue.number == BAD_SORT


@pytest.mark.parametrize("name", ["_sort:asc", "_count:x", "_summary:", "_elements:not"])
def test_result_parameters_take_no_modifiers(name: str) -> None:
    (issue,) = refused("Patient", (name, "1"))
    assert (issue.number, issue.expression) == (UNKNOWN_MODIFIER, name.partition(":")[0])
