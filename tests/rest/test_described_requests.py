"""Requests generated from the OpenAPI description: the server never fails at one, and answers as is described."""

import json
from functools import cache
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from fhir_server.definitions.parameter_set import STANDARD
from fhir_server.rest.openapi import document
from seeds.examples import EXAMPLES
from tests.conftest import RunningServer

TYPES = ("Patient", "Observation")
ACCEPT = {"accept": "application/fhir+json"}
GENERATED = hypothesis.settings(
    max_examples=10,
    deadline=None,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
    phases=[hypothesis.Phase.generate],
)

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@cache
def operations() -> dict[str, APIOperation]:
    """The operations of the system and of two types, by method and path: those of the other types are made alike."""
    described: dict[str, Any] = json.loads(document("/fhir", STANDARD, EXAMPLES))
    described["paths"] = {
        path: item
        for path, item in described["paths"].items()
        if path.strip("/").partition("/")[0] in ("", "metadata", "_search", "_history", *TYPES)
    }
    schema = schemathesis.openapi.from_dict(described)
    found: dict[str, APIOperation] = {}
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        found[result.ok().label] = result.ok()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("label", operations())
def test_what_the_description_allows_is_answered_as_it_says(shared_server: RunningServer, label: str) -> None:
    operation = operations()[label]
    cases = st.one_of(operation.as_strategy(), *operation.get_strategies_from_examples())

    @GENERATED
    @hypothesis.given(case=cases)
    def ask(case: Case) -> None:
        answer = case.call(base_url=shared_server.base, headers=ACCEPT, timeout=30)
        case.validate_response(answer, checks=CHECKS)

    ask()


@pytest.mark.slow
@pytest.mark.parametrize("label", operations())
def test_what_the_description_does_not_allow_is_no_failure_of_the_server(
    shared_server: RunningServer, label: str
) -> None:
    @GENERATED
    @hypothesis.given(case=operations()[label].as_strategy(generation_mode=GenerationMode.NEGATIVE))
    def ask(case: Case) -> None:
        answer = case.call(base_url=shared_server.base, headers=ACCEPT, timeout=30)
        case.validate_response(answer, checks=[not_a_server_error, content_type_conformance])

    ask()


def test_what_is_tried_covers_every_interaction() -> None:
    tried = {operation.definition.raw["operationId"].partition("-Patient")[0] for operation in operations().values()}
    assert {"read", "vread", "create", "update", "patch", "delete", "search-type", "history-instance"} <= tried
