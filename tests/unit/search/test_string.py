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


@pytest.mark.parametrize(
    ("parameter", "value", "found"),
    [
        ("family:exact", "García-Núñez", True),
        ("family:exact", "garcía-núñez", False),
        ("family:exact", "García", False),
        ("given:exact", "de  los Ángeles", True),
        ("given:exact", "de los Ángeles", False),
        ("name:exact", "Strauß\\, O'Brien (Łukasz)", True),
        ("name:exact", "III,x", True),
        ("family:contains", "NUN", True),
        ("family:contains", "garcia-nunez", True),
        ("family:contains", "garcia nunez", False),
        ("name:contains", "brien (", True),
        ("name:contains", ".*", False),
        ("family:contains", "maria", False),
        ("given:contains", "s ang", True),
    ],
)
def test_modifiers_take_the_whole_text_or_any_part(parameter: str, value: str, found: bool) -> None:
    assert finds("Patient", [(parameter, value)], row(PATIENT)) is found


@pytest.mark.parametrize("length", [999, 1000, 1001, 1200, 1799, 1800, 1801, 2600, 5000])
def test_any_part_of_a_long_text_is_found(length: int) -> None:
    text = "".join(chr(0x4E00 + place) for place in range(length))
    found = row({"resourceType": "Patient", "name": [{"family": text}]})
    for start in (0, 1, 799, 800, 801, 950, 999, 1000, 1599, length - 200, length - 1):
        part = text[max(start, 0) : start + 200]
        if part:
            assert finds("Patient", [("family:contains", part)], found)
    assert finds("Patient", [("family:exact", text)], found)
    assert not finds("Patient", [("family:exact", text[:-1])], found)
    assert finds("Patient", [("family", text[800:1000])], found) is False
    assert max(map(len, found["s"])) <= 1010


def test_a_part_longer_than_the_pieces_of_a_text_overlap_is_refused() -> None:
    assert not finds("Patient", [("family:contains", "x" * 200)], {})
    with pytest.raises(FhirError):
        finds("Patient", [("family:contains", "x" * 201)], {})
