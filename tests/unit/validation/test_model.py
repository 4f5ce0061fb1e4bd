"""The second check of the six core types. https://hl7.org/fhir/R4B/"""

import subprocess
import sys
from random import Random
from typing import Any

import pytest

from fhir_server.core import codec, outcome
from fhir_server.core.codec import DecimalLiteral
from fhir_server.validation.model import MODELLED_TYPES, model_findings
from fhir_server.validation.validate import validate
from tests.require import ROOT
from tests.unit.validation.generated import generated

ABSENT = {"extension": [{"url": "u", "_valueCode": {"extension": [{"url": "u", "valueMeta": {"versionId": "1"}}]}}]}


def observation(**elements: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, **elements}


R4_ONLY: dict[str, dict[str, Any]] = {
    "extensions of extension values": observation(_issued=ABSENT),
    "a choice given by its twin": {
        "resourceType": "Communication",
        "status": "completed",
        "payload": [{"_contentString": ABSENT}],
    },
    "a contained type that R4B dropped": observation(contained=[{"resourceType": "MedicinalProduct", "id": "x"}]),
    "a UUID that is not of version 4": observation(
        extension=[{"url": "u", "valueUuid": "urn:uuid:c757873d-ec9a-1326-0141-556f43239520"}]
    ),
    "a decimal with an exponent": observation(valueQuantity={"value": DecimalLiteral("1e3")}),
    "a leap second": observation(effectiveDateTime="2016-12-31T23:59:60Z"),
    "a year": observation(effectiveDateTime="0001"),
}
Case = tuple[dict[str, Any], str]
REFUSED: dict[str, Case] = {
    "an unknown element": (observation(colour="x"), "Observation.colour"),
    "an unknown element inside": (observation(component=[{"code": {"x": 1}}]), "Observation.component[0].code.x"),
    "a missing element": ({"resourceType": "Observation", "status": "final"}, "Observation.code"),
    "a missing code": ({"resourceType": "Observation", "code": {"text": "x"}}, "Observation.status"),
    "a choice made twice": (observation(valueString="x", valueBoolean=True), "Observation"),
    "a string for an array": (observation(note="x"), "Observation.note"),
    "a number for a string": (observation(valueQuantity={"unit": 5}), "Observation.value.unit"),
    "a number behind a twin": (
        observation(_issued={"extension": [{"url": "u", "valueString": 5}]}),
        "Observation.issued.extension[0].value",
    ),
    "a fault in a contained resource": (
        observation(contained=[{"resourceType": "Patient", "id": "p", "name": "x"}]),
        "Observation.contained[0].name",
    ),
}


@pytest.mark.parametrize("name", sorted(MODELLED_TYPES))
def test_nothing_is_refused_that_the_first_check_accepts(name: str) -> None:
    for seed in range(60):
        resource = codec.decode(codec.encode(generated(name, Random(f"model {name} {seed}"))))
        assert validate(resource) == ()
        assert model_findings(resource) == ()


@pytest.mark.parametrize("resource", R4_ONLY.values(), ids=R4_ONLY)
def test_what_r4_allows_and_r4b_or_its_models_do_not_is_passed_over(resource: dict[str, Any]) -> None:
    assert model_findings(resource) == ()


@pytest.mark.parametrize(("resource", "expression"), REFUSED.values(), ids=REFUSED)
def test_a_refusal_has_the_expression_of_the_first_check(resource: dict[str, Any], expression: str) -> None:
    (issue,) = model_findings(resource)
    assert (issue.number, issue.expression) == (outcome.MODEL_REFUSED.number, expression)


def test_types_without_a_model_are_not_checked() -> None:
    assert model_findings({"resourceType": "Condition", "colour": "x"}) == ()
    assert model_findings([]) == ()


def test_the_models_are_not_imported_before_they_are_used() -> None:
    program = (
        "import sys, fhir_server.validation.model; sys.exit(any(name.startswith('fhir.') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0
