"""What a row of a list says of a resource: in its author's own words."""

from decimal import Decimal
from typing import Any

import pytest

from fhir_server.rest.pages_words import MAX_WORDS_CHARS, when_of, words_for

CODE = {"coding": [{"system": "http://loinc.org", "code": "8302-2", "display": "Body height"}]}


@pytest.mark.parametrize(
    ("resource", "words"),
    [
        ({"name": [{"use": "official", "family": "Rivera", "given": ["Ana", "Maria"]}]}, "Ana Maria Rivera"),
        ({"name": [{"text": "Ana Rivera", "family": "Rivera"}]}, "Ana Rivera"),
        ({"name": [{"given": ["Ana"]}], "gender": "female"}, ""),
        ({"name": "Harborview Clinic"}, "Harborview Clinic"),
        ({"code": CODE}, "Body height"),
        ({"code": CODE | {"text": "Height"}}, "Height"),
        ({"code": {"coding": [{"code": "8302-2"}]}}, "8302-2"),
        ({"code": CODE, "valueQuantity": {"value": Decimal("178.50"), "unit": "cm"}}, "Body height: 178.50 cm"),
        ({"code": CODE, "valueQuantity": {"comparator": "<", "value": 5, "code": "cm"}}, "Body height: <5 cm"),
        ({"code": CODE, "valueCodeableConcept": {"text": "tall"}}, "Body height: tall"),
        ({"code": CODE, "valueBoolean": False}, "Body height: no"),
        ({"medicationReference": {"reference": "Medication/m1"}}, "Medication/m1"),
        ({"code": {}, "type": [{"text": "Progress note"}]}, "Progress note"),
        ({"status": "free"}, ""),
        ({}, ""),
    ],
)
def test_a_resource_is_called_by_its_name_or_its_code(resource: dict[str, Any], words: str) -> None:
    assert words_for(resource) == words


def test_long_words_are_cut() -> None:
    assert words_for({"description": "x" * 500}) == "x" * MAX_WORDS_CHARS + "…"


@pytest.mark.parametrize(
    ("resource", "when"),
    [
        ({"effectiveDateTime": "2024-03", "issued": "2024-04-01T00:00:00Z"}, "2024-03"),
        ({"period": {"start": "2024-03-01T08:00:00-05:00"}, "recorded": "2025-01-01"}, "2024-03-01T08:00:00-05:00"),
        ({"period": {"end": "2024"}, "created": "2023"}, "2023"),
        ({"birthDate": "1980-07-04"}, "1980-07-04"),
        ({}, ""),
    ],
)
def test_a_moment_is_that_of_the_event_first(resource: dict[str, Any], when: str) -> None:
    assert when_of(resource) == when
