"""Structure, cardinality, twins, extensions and nesting. https://hl7.org/fhir/R4/json.html"""

from decimal import Decimal
from typing import Any

import pytest

from fhir_server.core import outcome
from fhir_server.core.codec import MAX_DEPTH
from fhir_server.core.outcome import Failure
from fhir_server.validation.findings import GIVE_UP_AFTER, MAX_FINDINGS
from fhir_server.validation.validate import validate

EXTENSION = {"url": "http://example.org/e", "valueString": "x"}
ABSENT = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]}


def patient(**elements: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", **elements}


def observation(**elements: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, **elements}


GOOD = {
    "a resource with its type alone": patient(),
    "a twin beside its value": patient(birthDate="1974", _birthDate={"extension": [EXTENSION]}),
    "a twin with an id beside its value": patient(birthDate="1974", _birthDate={"id": "b"}),
    "a twin in place of a value": patient(_birthDate=ABSENT),
    "a twin in place of a required value": {"resourceType": "Observation", "_status": ABSENT, "code": {"text": "x"}},
    "a twin in place of a choice": observation(_valueString=ABSENT),
    "a choice and its own twin": observation(valueString="x", _valueString={"id": "a"}),
    "twins of an array": patient(name=[{"given": ["a", None], "_given": [None, ABSENT]}]),
    "twins of an array without values": patient(name=[{"_given": [ABSENT]}]),
    "a twin of an extension's value": patient(extension=[{"url": "u", "_valueCode": ABSENT}]),
    "an object with an extension alone": patient(maritalStatus={"extension": [EXTENSION]}),
    "nested extensions": patient(extension=[{"url": "u", "extension": [EXTENSION, EXTENSION]}]),
    "decimals of any length": observation(valueQuantity={"value": Decimal("0." + "1" * 60)}),
    "a contained resource": patient(contained=[{"resourceType": "Organization", "id": "o"}]),
    "a resource in Parameters": {
        "resourceType": "Parameters",
        "parameter": [{"name": "p", "resource": patient(), "part": [{"name": "q", "valueBoolean": False}]}],
    },
    "an element described elsewhere": {
        "resourceType": "Questionnaire",
        "status": "draft",
        "item": [{"linkId": "1", "type": "group", "item": [{"linkId": "2", "type": "display"}]}],
    },
    "a leap second": observation(effectiveInstant="2016-12-31T23:59:60Z"),
}

BUNDLE = {"resourceType": "Bundle", "type": "collection"}
Case = tuple[Any, Failure, str]
BAD: dict[str, Case] = {
    # kinds of JSON
    "not an object": ([], outcome.NOT_A_RESOURCE, "Resource"),
    "null": (None, outcome.NOT_A_RESOURCE, "Resource"),
    "no type": ({"id": "a"}, outcome.NOT_A_RESOURCE, "Resource"),
    "a type that is no string": ({"resourceType": ["Patient"]}, outcome.NOT_A_RESOURCE, "Resource"),
    "an unknown type": ({"resourceType": "patient"}, outcome.NOT_A_RESOURCE, "Resource"),
    "an abstract type": ({"resourceType": "DomainResource"}, outcome.NOT_A_RESOURCE, "Resource"),
    "a data type": ({"resourceType": "HumanName"}, outcome.NOT_A_RESOURCE, "Resource"),
    "a string for an object": (patient(maritalStatus="M"), outcome.WRONG_TYPE, "Patient.maritalStatus"),
    "an object for an array": (patient(name={"family": "A"}), outcome.WRONG_TYPE, "Patient.name"),
    "an object for a string": (patient(name=[{"family": {}}]), outcome.WRONG_TYPE, "Patient.name[0].family"),
    "a string for an array": (patient(name=[{"given": "A"}]), outcome.WRONG_TYPE, "Patient.name[0].given"),
    "an array for a string": (patient(birthDate=["1974"]), outcome.WRONG_TYPE, "Patient.birthDate"),
    "an array for an object": (patient(maritalStatus=[{"text": "M"}]), outcome.WRONG_TYPE, "Patient.maritalStatus"),
    "a string in an array of objects": (patient(name=["A"]), outcome.WRONG_TYPE, "Patient.name[0]"),
    "an array in an array": (patient(name=[[{"family": "A"}]]), outcome.WRONG_TYPE, "Patient.name[0]"),
    "a text for a boolean": (patient(active="true"), outcome.WRONG_TYPE, "Patient.active"),
    "null for a primitive": (patient(birthDate=None), outcome.WRONG_TYPE, "Patient.birthDate"),
    "null for an object": (patient(maritalStatus=None), outcome.WRONG_TYPE, "Patient.maritalStatus"),
    "null for an array": (patient(name=None), outcome.WRONG_TYPE, "Patient.name"),
    "null in an array of objects": (patient(name=[None]), outcome.WRONG_TYPE, "Patient.name[0]"),
    # names
    "an unknown element": (patient(colour="x"), outcome.UNKNOWN_ELEMENT, "Patient.colour"),
    "an unknown element inside": (patient(name=[{"x": 1}]), outcome.UNKNOWN_ELEMENT, "Patient.name[0].x"),
    "an element of another type": (patient(status="x"), outcome.UNKNOWN_ELEMENT, "Patient.status"),
    "a choice of a type it has not": (observation(valueMoney={}), outcome.UNKNOWN_ELEMENT, "Observation.valueMoney"),
    "the stem of a choice": (observation(value="x"), outcome.UNKNOWN_ELEMENT, "Observation.value"),
    "a type inside a data type": (
        patient(name=[{"resourceType": "HumanName", "family": "A"}]),
        outcome.UNKNOWN_ELEMENT,
        "Patient.name[0].resourceType",
    ),
    "an operator of a database": (patient(**{"$where": "x"}), outcome.UNKNOWN_ELEMENT, "Patient.`$where`"),
    "comments of an older release": (patient(fhir_comments=["x"]), outcome.UNKNOWN_ELEMENT, "Patient.fhir_comments"),
    "a twin of an object": (patient(_maritalStatus=ABSENT), outcome.UNKNOWN_ELEMENT, "Patient._maritalStatus"),
    "a twin of an element's id": (
        patient(name=[{"family": "A", "_id": ABSENT}]),
        outcome.UNKNOWN_ELEMENT,
        "Patient.name[0]._id",
    ),
    # how often
    "a missing element": (
        {"resourceType": "Observation", "code": {"text": "x"}},
        outcome.REQUIRED_ELEMENT,
        "Observation.status",
    ),
    "a missing element inside": (patient(link=[{"type": "refer"}]), outcome.REQUIRED_ELEMENT, "Patient.link[0].other"),
    "a missing choice": (
        {"resourceType": "MedicationRequest", "status": "active", "intent": "order", "subject": {"display": "x"}},
        outcome.REQUIRED_ELEMENT,
        "MedicationRequest.medication",
    ),
    "a choice made twice": (
        patient(deceasedBoolean=True, deceasedDateTime="2020"),
        outcome.CHOICE_TWICE,
        "Patient.deceased",
    ),
    "a choice made twice by a twin": (
        observation(valueString="x", _valueInteger=ABSENT),
        outcome.CHOICE_TWICE,
        "Observation.value",
    ),
    "two where one may be": (
        patient(maritalStatus=[{"text": "a"}, {"text": "b"}]),
        outcome.TOO_MANY,
        "Patient.maritalStatus",
    ),
    # emptiness
    "an empty string": (patient(language=""), outcome.EMPTY_VALUE, "Patient.language"),
    "an empty array": (patient(name=[]), outcome.EMPTY_VALUE, "Patient.name"),
    "an empty array of strings": (patient(name=[{"given": []}]), outcome.EMPTY_VALUE, "Patient.name[0].given"),
    "an empty object": (patient(name=[{}]), outcome.EMPTY_VALUE, "Patient.name[0]"),
    "an object with an id alone": (patient(maritalStatus={"id": "a"}), outcome.EMPTY_VALUE, "Patient.maritalStatus"),
    # twins
    "a twin that is no object": (patient(_birthDate="x"), outcome.WRONG_TYPE, "Patient.birthDate"),
    "an empty twin": (patient(birthDate="1974", _birthDate={}), outcome.EMPTY_VALUE, "Patient.birthDate"),
    "a twin with an id and no value": (patient(_birthDate={"id": "a"}), outcome.EMPTY_VALUE, "Patient.birthDate"),
    "a twin with something else": (
        patient(birthDate="1974", _birthDate={"value": "x", "id": "a"}),
        outcome.UNKNOWN_ELEMENT,
        "Patient.birthDate.value",
    ),
    "a fault in a twin": (
        patient(birthDate="1974", _birthDate={"extension": [{"url": "u", "valueDate": "x"}]}),
        outcome.BAD_FORMAT,
        "Patient.birthDate.extension[0].value",
    ),
    "a twin that is no array": (patient(name=[{"_given": ABSENT}]), outcome.WRONG_TYPE, "Patient.name[0].given"),
    "fewer twins than values": (
        patient(name=[{"given": ["a", "b"], "_given": [ABSENT]}]),
        outcome.WRONG_TYPE,
        "Patient.name[0].given",
    ),
    "more twins than values": (
        patient(name=[{"given": ["a"], "_given": [None, ABSENT]}]),
        outcome.WRONG_TYPE,
        "Patient.name[0].given",
    ),
    "a null without twins": (patient(name=[{"given": ["a", None]}]), outcome.WRONG_TYPE, "Patient.name[0].given[1]"),
    "a null on both sides": (
        patient(name=[{"given": ["a", None], "_given": [ABSENT, None]}]),
        outcome.WRONG_TYPE,
        "Patient.name[0].given[1]",
    ),
    "a null among twins without values": (
        patient(name=[{"_given": [ABSENT, None]}]),
        outcome.WRONG_TYPE,
        "Patient.name[0].given[1]",
    ),
    "a twin in an array that says nothing": (
        patient(name=[{"given": [None], "_given": [{"id": "a"}]}]),
        outcome.EMPTY_VALUE,
        "Patient.name[0].given[0]",
    ),
    # extensions
    "an extension without url": (
        patient(extension=[{"valueString": "x"}]),
        outcome.REQUIRED_ELEMENT,
        "Patient.extension[0].url",
    ),
    "an extension without value": (patient(extension=[{"url": "u"}]), outcome.REQUIRED_ELEMENT, "Patient.extension[0]"),
    "an extension with value and extensions": (
        patient(extension=[{**EXTENSION, "extension": [EXTENSION]}]),
        outcome.CHOICE_TWICE,
        "Patient.extension[0]",
    ),
    "an extension with two values": (
        patient(extension=[{**EXTENSION, "valueCode": "x"}]),
        outcome.CHOICE_TWICE,
        "Patient.extension[0].value",
    ),
    # resources in resources
    "an id that breaks the pattern": (patient(id="a b"), outcome.BAD_FORMAT, "Patient.id"),
    "a contained resource without id": (
        patient(contained=[{"resourceType": "Organization"}]),
        outcome.REQUIRED_ELEMENT,
        "Patient.contained[0].id",
    ),
    "a contained resource that contains": (
        patient(contained=[patient(id="a", contained=[patient(id="b")])]),
        outcome.UNKNOWN_ELEMENT,
        "Patient.contained[0].contained",
    ),
    "a contained thing without type": (
        patient(contained=[{"id": "a"}]),
        outcome.NOT_A_RESOURCE,
        "Patient.contained[0]",
    ),
    "an entry without type": (
        {**BUNDLE, "entry": [{"resource": {"id": "a"}}]},
        outcome.NOT_A_RESOURCE,
        "Bundle.entry[0].resource",
    ),
    "a fault in an entry": (
        {**BUNDLE, "entry": [{"fullUrl": "urn:a"}, {"resource": patient(name=[{"use": "x"}])}]},
        outcome.CODE_NOT_ALLOWED,
        "Bundle.entry[1].resource.name[0].use",
    ),
    "a fault in a parameter": (
        {"resourceType": "Parameters", "parameter": [{"name": "p", "resource": patient(active=1)}]},
        outcome.WRONG_TYPE,
        "Parameters.parameter[0].resource.active",
    ),
    "a fault under a choice": (
        observation(component=[{"code": {"coding": [{"system": "a"}, {"system": 5}]}}]),
        outcome.WRONG_TYPE,
        "Observation.component[0].code.coding[1].system",
    ),
    "a fault in a narrative": (
        patient(text={"status": "generated", "div": "<p/>"}),
        outcome.BAD_FORMAT,
        "Patient.text.div",
    ),
}


@pytest.mark.parametrize("resource", GOOD.values(), ids=GOOD)
def test_what_r4_allows_has_no_findings(resource: Any) -> None:
    assert validate(resource) == ()


@pytest.mark.parametrize(("resource", "failure", "expression"), BAD.values(), ids=BAD)
def test_a_fault_is_one_finding_with_its_expression(resource: Any, failure: Failure, expression: str) -> None:
    (issue,) = validate(resource)
    assert (issue.number, issue.code, issue.expression) == (failure.number, failure.code, expression)


def test_all_findings_come_at_once() -> None:
    found = validate(patient(birthDate="x", name=[{"family": 5, "given": []}], colour="red", contact=[{"gender": "x"}]))
    assert [(issue.number, issue.expression) for issue in found] == [
        (outcome.BAD_FORMAT.number, "Patient.birthDate"),
        (outcome.WRONG_TYPE.number, "Patient.name[0].family"),
        (outcome.EMPTY_VALUE.number, "Patient.name[0].given"),
        (outcome.UNKNOWN_ELEMENT.number, "Patient.colour"),
        (outcome.CODE_NOT_ALLOWED.number, "Patient.contact[0].gender"),
    ]


def test_a_misspelt_element_is_answered_with_the_right_spelling() -> None:
    (issue,) = validate(patient(birthdate="1974"))
    assert "'birthDate'" in issue.text


def test_another_type_than_expected_is_a_finding_beside_the_others() -> None:
    assert validate(patient(), "Patient") == ()
    found = validate(patient(active=1), "Observation")
    assert [issue.number for issue in found] == [outcome.TYPE_MISMATCH.number, outcome.WRONG_TYPE.number]


def test_no_finding_repeats_what_an_element_says() -> None:
    secret = "5f3c-secret"
    found = validate(
        patient(
            id=f"{secret}!",
            active=secret,
            birthDate=secret,
            gender=secret,
            maritalStatus=secret,
            language=f" {secret}",
            photo=[{"data": secret, "url": f"{secret} "}],
            multipleBirthInteger=Decimal("5.3"),
            text={"status": "generated", "div": f"<div>{secret}</div>"},
            name=[{"family": f"{secret}\x00"}, secret],
        )
    )
    assert len(found) == 12
    assert not any(secret in issue.text or "5.3" in issue.text for issue in found)


def test_after_100_findings_the_others_are_counted() -> None:
    found = validate(patient(name=[{"family": 1}] * 250))
    assert len(found) == MAX_FINDINGS + 1
    assert "150 more" in found[-1].text and found[-1].number == outcome.WRONG_TYPE.number


def test_after_1000_findings_the_rest_is_left_unread() -> None:
    found = validate(patient(name=[{"family": 1}] * 500_000))
    assert len(found) == MAX_FINDINGS + 1
    assert f"at least {GIVE_UP_AFTER - MAX_FINDINGS} more" in found[-1].text


def nested(levels: int) -> dict[str, Any]:
    """A Patient whose objects and arrays nest to exactly so many levels, an odd number."""
    extension: dict[str, Any] = dict(EXTENSION)
    for _ in range((levels - 1) // 2 - 1):
        extension = {"url": "u", "extension": [extension]}
    return patient(extension=[extension])


def test_nesting_ends_at_the_same_depth_as_in_json() -> None:
    assert validate(nested(MAX_DEPTH - 1)) == ()
    (issue,) = validate(nested(MAX_DEPTH + 1))
    assert issue.number == outcome.TOO_DEEP.number
    (issue,) = validate(nested(MAX_DEPTH + 2001))
    assert issue.number == outcome.TOO_DEEP.number


def test_bundles_in_bundles_end_at_the_same_depth() -> None:
    bundle: dict[str, Any] = dict(BUNDLE)
    for _ in range(1000):
        bundle = {**BUNDLE, "entry": [{"resource": bundle}]}
    (issue,) = validate(bundle)
    assert issue.number == outcome.TOO_DEEP.number


def test_names_of_any_kind_make_short_and_harmless_expressions() -> None:
    (issue,) = validate(patient(**{"a.b`c\n\x00" + "x" * 1_000_000: 1}))
    assert issue.expression is not None and len(issue.expression) < 100 and len(issue.text) < 250
    assert issue.expression.isprintable() and issue.text.isprintable()
