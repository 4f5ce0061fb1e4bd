"""String parameters: starts-with, whatever the case and the accents."""

from typing import Any

import pytest

from fhir_server.core.outcome import FhirError
from fhir_server.search.parameter_types.string import fold
from tests.unit.search.matching import finds, row

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "name": [
        {"family": "García-Núñez", "given": ["María", "de  los Ángeles"], "prefix": ["Dr."], "suffix": ["III"]},
        {"text": "Strauß, O'Brien (Łukasz)"},
    ],
    "address": [{"line": ["1 Main St", "Apt. 5"], "city": "Norwell", "state": "MA", "postalCode": "02061"}],
}


@pytest.mark.parametrize(
    ("parameter", "value", "found"),
    [
        ("family", "Garc", True),
        ("family", "garcia-nunez", True),
        ("family", "GARCÍA", True),
        ("family", "arcia", False),
        ("family", "García-Núñezx", False),
        ("given", "mar", True),
        ("given", "de los an", True),
        ("given", "de   los", True),
        ("name", "dr.", True),
        ("name", "dr", True),
        ("name", "drx", False),
        ("name", "iii", True),
        ("name", "STRAUSS\\, o'brien (", True),
        ("name", "nunez", False),
        ("address", "apt. 5", True),
        ("address", "aptx 5", False),
        ("address", "ma", True),
        ("address-city", "nor", True),
        ("address-city", "nor,bos", True),
        ("address-city", "bos,old", False),
        ("address-postalcode", "0206", True),
        ("name", ".*", False),
        ("name", "^", False),
        ("name", "mar|a", False),
    ],
)
def test_a_text_is_found_by_how_it_starts(parameter: str, value: str, found: bool) -> None:
    assert finds("Patient", [(parameter, value)], row(PATIENT)) is found


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("  A\tB\n C ", "a b c"),
        ("ÅNGSTRÖM", "angstrom"),
        ("ﬁn", "fin"),
        ("İstanbul", "istanbul"),
        ("ΣΊΣΥΦΟΣ", "σισυφοσ"),
        ("e\u0301", "e"),
        ("a\u00a0b", "a b"),
        ("김", "\u1100\u1175\u11b7"),
    ],
)
def test_folding(text: str, folded: str) -> None:
    assert fold(text) == folded
    assert fold(folded) == folded


def test_a_long_text_is_found_by_its_first_1000_characters() -> None:
    found = row({"resourceType": "Patient", "name": [{"family": "x" * 3000}]})
    assert max(map(len, found["s"])) <= 1010
    assert finds("Patient", [("family", "x" * 1000)], found)
    with pytest.raises(FhirError):
        finds("Patient", [("family", "x" * 1001)], found)


@pytest.mark.parametrize("value", [" ", "\u0301", "\u00a0"])
def test_a_text_of_which_nothing_is_left_finds_nobody_but_a_refusal(value: str) -> None:
    with pytest.raises(FhirError) as refused:
        finds("Patient", [("family", value)], {})
    assert [issue.number for issue in refused.value.issues] == [4003]
