"""`_include` and `_revinclude`: what they name, and what is refused."""

import pytest

from fhir_server.core.outcome import FhirError, Issue
from fhir_server.search.includes import MAX_INCLUDES
from fhir_server.search.parse import parse
from fhir_server.search.request import Include

UNKNOWN_MODIFIER, BAD_VALUE = 4002, 4003


def read(type: str, *pairs: tuple[str, str]) -> tuple[Include, ...]:
    return parse(type, pairs, lenient=False).includes


def refused(type: str, *pairs: tuple[str, str]) -> tuple[Issue, ...]:
    with pytest.raises(FhirError) as refusal:
        parse(type, pairs, lenient=False)
    return refusal.value.issues


def test_the_forms_of_an_include() -> None:
    assert read("Observation", ("_include", "Observation:subject")) == (Include("Observation", "subject"),)
    assert read("Observation", ("_include", "Observation:subject:Patient")) == (
        Include("Observation", "subject", "Patient"),
    )
    assert read("Observation", ("_include", "Observation:*")) == (Include("Observation", "*"),)
    assert read("Observation", ("_include", "*")) == (Include("*", "*"),)


def test_the_forms_of_a_reverse_include() -> None:
    assert read("Patient", ("_revinclude", "Observation:subject")) == (Include("Observation", "subject", reverse=True),)
    assert read("Patient", ("_revinclude", "Observation:*")) == (Include("Observation", "*", reverse=True),)
    assert read("Patient", ("_revinclude", "Provenance:target")) == (Include("Provenance", "target", reverse=True),)


@pytest.mark.parametrize("modifier", ["iterate", "recurse"])
def test_an_include_that_iterates_starts_from_any_type(modifier: str) -> None:
    assert read("Observation", (f"_include:{modifier}", "Patient:organization")) == (
        Include("Patient", "organization", iterate=True),
    )
    assert read("Patient", (f"_revinclude:{modifier}", "Provenance:target")) == (
        Include("Provenance", "target", reverse=True, iterate=True),
    )


def test_includes_may_come_several_times_and_are_shown() -> None:
    pairs = [("_include", "Observation:subject"), ("_include", "Observation:encounter")]
    request = parse("Observation", pairs, lenient=False)
    assert len(request.includes) == 2
    assert request.applied == tuple(pairs)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("_include", "", "not of the form"),
        ("_include", "Observation", "not of the form"),
        ("_include", "Observation:", "not of the form"),
        ("_include", "Observation:subject:Patient:x", "not of the form"),
        ("_include", "Observaton:subject", "Did you mean Observation or"),
        ("_include", "Observation:subjct", "Did you mean subject?"),
        ("_include", "Observation:code", "which is a token and no reference"),
        ("_include", "Observation:subject:Patent", "not a resource type"),
        ("_include", "Observation:subject:Practitioner", "never names"),
        ("_include", "*:subject", "without its type"),
        ("_include", "Patient:organization", "_include:iterate"),
        ("_include", "Patient:*", "_include:iterate"),
        ("_revinclude", "Encounter:patient", "but the search finds Observation"),
        ("_revinclude", "Provenance:target:Patient", "but the search finds Observation"),
    ],
)
def test_an_include_that_would_follow_nothing_is_refused(name: str, value: str, said: str) -> None:
    (issue,) = refused("Observation", (name, value))
    assert (issue.number, issue.expression) == (BAD_VALUE, name)
    assert said in issue.text


def test_other_modifiers_are_refused() -> None:
    (issue,) = refused("Observation", ("_include:all", "*"))
    assert (issue.number, issue.expression) == (UNKNOWN_MODIFIER, "_include")
    assert ":iterate" in issue.text


def test_includes_are_bounded() -> None:
    pair = ("_include", "Observation:subject")
    assert len(read("Observation", *[pair] * MAX_INCLUDES)) == MAX_INCLUDES
    assert [issue.number for issue in refused("Observation", *[pair] * (MAX_INCLUDES + 1))] == [BAD_VALUE]


def test_a_search_of_several_types_includes_from_each() -> None:
    types = ("_type", "Observation,Condition")
    assert len(read("", types, ("_include", "Condition:subject"), ("_include", "Observation:subject"))) == 2
    assert refused("", types, ("_include", "Encounter:subject"))
