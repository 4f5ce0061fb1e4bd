"""What a call of an operation may hold: by query, by Parameters, by a resource itself."""

from typing import Any

import pytest

from fhir_server.core.outcome import FhirError
from fhir_server.definitions.own_operations import OwnOperation, Takes
from fhir_server.interactions.operation import call_by_body, call_by_query

FIND = OwnOperation(
    "find",
    "Appointment",
    ("type",),
    "http://example.org/find",
    "Find",
    (
        Takes("start", "dateTime", 1),
        Takes("patient", "Reference"),
        Takes("kind", "CodeableConcept"),
        Takes("_count", "positiveInt"),
        Takes("live", "boolean"),
        Takes("specialty", "token", most=None),
    ),
    changes=True,
)
BOOK = OwnOperation(
    "book", "Appointment", ("type",), "http://example.org/book", "Book", (Takes("appt-resource", "Resource", 1),)
)


def parameters(*each: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Parameters", "parameter": list(each)}


def test_a_query_gives_each_parameter_in_the_form_of_its_type() -> None:
    pairs = [("start", "2026-01-01"), ("patient", "Patient/p1"), ("kind", "http://s|c"), ("_count", "5")]
    call = call_by_query(FIND, "Appointment", "", [*pairs, ("specialty", "a"), ("specialty", "b"), ("_format", "json")])
    assert call.one("start") == "2026-01-01"
    assert call.one("patient") == {"reference": "Patient/p1"}
    assert call.one("kind") == {"coding": [{"system": "http://s", "code": "c"}]}
    assert (call.one("_count"), call.all("specialty"), call.one("live")) == ("5", ("a", "b"), None)


def test_a_body_says_the_same() -> None:
    sent = parameters(
        {"name": "start", "valueDate": "2026-01-01"},
        {"name": "patient", "valueReference": {"reference": "Patient/p1"}},
        {"name": "_count", "valueInteger": 5},
        {"name": "live", "valueBoolean": False},
        {"name": "specialty", "valueString": "a"},
    )
    call = call_by_body(FIND, "Appointment", "", [], sent)
    assert call.one("patient") == {"reference": "Patient/p1"}
    assert (call.one("_count"), call.one("live"), call.all("specialty")) == ("5", "false", ("a",))


def test_an_operation_of_one_resource_is_sent_that_itself() -> None:
    visit = {"resourceType": "Appointment", "status": "booked"}
    assert call_by_body(BOOK, "Appointment", "", [], visit).one("appt-resource") == visit
    wrapped = parameters({"name": "appt-resource", "resource": {"resourceType": "Basic", "code": {"text": "x"}}})
    assert call_by_body(BOOK, "Appointment", "", [], wrapped).one("appt-resource")["resourceType"] == "Basic"


BAD_QUERIES = [
    ([], "start"),
    ([("start", "soon")], "start"),
    ([("start", "2026-02-30")], "start"),
    ([("start", "2026-01-01"), ("start", "2026-01-02")], "start"),
    ([("start", "2026-01-01"), ("_count", "0")], "_count"),
    ([("start", "2026-01-01"), ("_count", "many")], "_count"),
    ([("start", "2026-01-01"), ("live", "yes")], "live"),
    ([("start", "2026-01-01"), ("colour", "red")], "colour"),
]


@pytest.mark.parametrize(("pairs", "named"), BAD_QUERIES)
def test_a_bad_query_is_a_400_that_names_the_parameter(pairs: list[tuple[str, str]], named: str) -> None:
    with pytest.raises(FhirError) as refused:
        call_by_query(FIND, "Appointment", "", pairs)
    assert refused.value.status == 400
    assert named in refused.value.issues[0].text


BAD_BODIES: list[Any] = [
    [],
    "start",
    {"resourceType": "Patient"},
    {"resourceType": "Parameters", "colour": "red"},
    parameters({"name": "start"}),
    parameters({"name": "start", "valueInteger": 5}),
    parameters({"name": "start", "valueReference": {"reference": "Patient/p1"}}),
    parameters({"name": "start", "valueDateTime": "2026-01-01"}, {"name": "patient", "valueString": "Patient/p1"}),
    parameters({"name": "start", "valueDateTime": "2026-01-01"}, {"name": "live", "valueString": "true"}),
    parameters({"name": "start", "valueDateTime": "2026-01-01"}, {"name": "_count", "valueDecimal": 1.5}),
    parameters({"_name": {"extension": [{"url": "http://x", "valueCode": "y"}]}, "valueDateTime": "2026-01-01"}),
    parameters({"name": "start", "resource": {"resourceType": "Basic", "code": {"text": "x"}}}),
]


@pytest.mark.parametrize("body", BAD_BODIES)
def test_a_bad_body_is_a_400(body: Any) -> None:
    with pytest.raises(FhirError) as refused:
        call_by_body(FIND, "Appointment", "", [], body)
    assert refused.value.status == 400


def test_a_resource_parameter_must_be_a_resource() -> None:
    with pytest.raises(FhirError) as refused:
        call_by_body(BOOK, "Appointment", "", [], parameters({"name": "appt-resource", "valueString": "x"}))
    assert refused.value.status == 400
