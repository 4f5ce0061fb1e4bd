"""What was searched for is in no refusal and no warning: it is often health data, and messages end up in logs.

Names of parameters are said, as they must be. The self link of an answer repeats the search, as R4 has it.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from fhir_server.core.outcome import FhirError
from fhir_server.definitions.capability import RESULTS, TEXTS, offered_parameters
from fhir_server.search.parse import parse
from tests.rest.test_transaction import bundle, entry

MARK = "secretmark"
TYPES = ("Patient", "Observation", "Condition", "Location", "ValueSet", "RiskAssessment", "MedicationRequest", "Bundle")
FORMS = (
    "{}", "{}|{}", "|{}", "{}|", "{}|{}|{}", "{}|{}|{}|{}", "Patient/{}", "Patient/{}/_history/{}", "{}/1",
    "{}/{}", "#{}", "ValueSet/{}", "http://{}/x", "http://{}/x|{}", "http://{} x", "urn:{}", "{}$1", "1${}",
    "{}${}${}", "5|{}|{}", "5||{}", "5|{}", "ge{}", "2020-{}", "2020-01-01T{}", "1|2|3|{}", "1|2|{}|km",
    "91.{}|1", "{} AND (", '"{}', "({} OR", "NOT {}", "{} eq 1", "name {} 1", "name eq {} {}", "name eq ({})",
    'name eq "{}', "name.{} eq 1", "gender gt {}", "gender pr {}", "birthdate eq {}", "{}[name eq x].name eq y",
    "organization[{} eq x].name eq y", "name[{}]", "-{}", "{},-{}", "{}:{}", "Patient:{}",
    "Patient:organization:{}", "{}:organization", "*:{}", "{},{}", ",{}", "{}, ", "\\{}", "{}\\", "{}\x00",
    "\ud800{}", "${}",
)  # fmt: skip


def values() -> Iterator[str]:
    for form in FORMS:
        yield form.replace("{}", MARK)
    yield MARK * 600
    yield ",".join([MARK] * 201)


def names(type: str) -> Iterator[str]:
    """Every parameter of a type with every modifier, chains and whatever shapes a result."""
    for parameter in offered_parameters(type):
        yield parameter.code
        yield from (f"{parameter.code}:{modifier}" for modifier in (*parameter.modifiers, "wrong"))
        if parameter.targets and len(parameter.targets) < 10:
            yield f"{parameter.code}:{parameter.targets[0]}"
            yield from (f"{parameter.code}.{code}" for code in ("_id", "name", "birthdate", "identifier", "_list"))
    yield from (
        "_list",
        "_list:not",
        "_filter",
        "_query",
        "_type",
        "_has:Observation:patient:date",
        "nothing",
        *RESULTS,
    )


def said(type: str, name: str, value: str, lenient: bool) -> str:
    try:
        warnings = parse(type, [(name, value)], lenient).warnings
    except FhirError as refusal:
        warnings = refusal.issues
    return " ".join(f"{issue.text} {issue.expression}" for issue in warnings).lower()


@pytest.mark.parametrize("type", TYPES)
def test_no_refusal_of_a_parameter_repeats_its_value(type: str) -> None:
    for name in names(type):
        for value in values():
            assert MARK not in said(type, name, value, lenient=False), (name, value)
        assert MARK not in said(type, name, MARK, lenient=True), name
    assert [code for code in TEXTS if MARK in said(type, code, f"({MARK}", lenient=False)] == []


def test_no_refusal_of_a_search_of_several_types_repeats_its_value() -> None:
    for name in ("_type", "_sort", "_elements", "_include", "_filter", "_id", "code", "subject", "date", "_text"):
        for value in values():
            kinds = () if name == "_type" else (("_type", "Observation,Condition"),)
            try:
                parse("", [*kinds, (name, value)], lenient=False)
            except FhirError as refusal:
                assert [issue.text for issue in refusal.issues if MARK in issue.text.lower()] == [], (name, value)


SEARCHES = (
    "Condition?code:in=http://{}/x",
    "Condition?code:in=ValueSet/{}",
    "Condition?code:in=http://example.org/nothing,http://{}/x",
    "Condition?code:not-in=http://{}/x",
    "Condition?code:below=http://{}/x|{}",
    "Condition?code:above=http://{}/x|{}",
    "Condition?code:below={}",
    "Condition?_filter=code in http://{}/x",
    "Condition?_filter=code ss http://{}/x|{}",
    "Condition?_filter=not (code in http://{}/x or subject.name eq {})",
    "Condition?patient._list={}",
    "Location?partof:below={}",
    "Location?near={}|{}",
    "Patient?_list={}",
    "Patient?_list={},{}-2",
    "Patient?name:fuzzy={}",
    "Patient?nam={}",
    "Patient?_sort={}",
    "Patient?_elements={}",
    "Patient?_include={}",
    "Patient?_include=Patient:{}",
    "Patient?_filter={} eq 1",
    "Patient?_count={}",
    "Patient?_total={}",
    "Patient?_summary={}",
    "Patient?_contained={}",
    "Patient?_cursor={}",
    "Patient?_format={}",
    "Patient?_pretty={}",
    "Patient?name={}&birthdate={}&__explain={}",
    "?_type={}",
    "?_type=Patient,{}",
    "?name={}",
    "Patient/p1/*?_type={}",
    "Patient/p1/Condition?code:in=http://{}/x",
    "Patient/p1/_history?_since={}",
    "Patient/_history?_count={}",
    "_history?_at={}",
    "Patient/p1?_elements={}",
    "Patient/p1?_summary={}",
    "metadata?mode={}",
)


def outcomes(found: Any) -> list[Any]:
    """Every OperationOutcome in an answer, however deep."""
    if isinstance(found, list):
        return [each for part in found for each in outcomes(part)]
    if not isinstance(found, dict):
        return []
    own = [found] if found.get("resourceType") == "OperationOutcome" else []
    return own + [each for part in found.values() for each in outcomes(part)]


def silent(answer: httpx.Response) -> None:
    assert answer.status_code < 500, answer.text
    assert MARK not in str(outcomes(answer.json())).lower(), answer.text
    if answer.status_code >= 400:
        assert MARK not in answer.text.lower()


@pytest.mark.parametrize("search", SEARCHES)
def test_no_answer_to_a_search_repeats_a_value(api: httpx.Client, search: str) -> None:
    path, _, query = search.replace("{}", MARK).partition("?")
    encoded = quote(query, "=&?:|/,$*()")
    for headers in ({}, {"prefer": "handling=lenient"}):
        silent(api.get(f"{path}?{encoded}", headers=headers))
    if not path.startswith(("_history", "metadata")):
        silent(api.post("", json=bundle(entry("GET", f"{path}?{encoded}"), type="batch")))


@pytest.mark.parametrize(
    "criteria",
    ["code:in=http://{}/x", "patient.name={}", "_list={}", "onset-date={}", "nam={}", "_sort={}", "_filter={} eq 1",
     "cod:x={}"],
)  # fmt: skip
def test_no_answer_to_a_conditional_write_repeats_a_value(api: httpx.Client, criteria: str) -> None:
    criteria = quote(criteria.replace("{}", MARK), "=&?:|/,")
    condition = {"resourceType": "Condition", "subject": {"reference": "Patient/p1"}}
    silent(api.post("Condition", json=condition, headers={"if-none-exist": criteria}))
    silent(api.put(f"Condition?{criteria}", json=condition))
    silent(api.delete(f"Condition?{criteria}"))
    linked = condition | {"subject": {"reference": f"Condition?{criteria}"}}
    silent(api.post("", json=bundle(entry("POST", "Condition", linked))))
