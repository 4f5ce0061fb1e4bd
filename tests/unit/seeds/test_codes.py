"""Codes of the tables are ones that can exist: their check digits are right.

A mistyped code is told by its check digit. SNOMED CT: Verhoeff's (https://confluence.ihtsdotools.org/display/DOCRELFMT,
appendix on check-digits); LOINC: Luhn's modulus 10 (LOINC Users' Guide, appendix C).
"""

import json

import pytest

from seeds import codes_care, codes_clinical, codes_people
from seeds.codes import coding
from tests.require import ROOT

TABLES = (codes_people.DISPLAYS, codes_clinical.DISPLAYS, codes_care.DISPLAYS)

MULTIPLY = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    (1, 2, 3, 4, 0, 6, 7, 8, 9, 5),
    (2, 3, 4, 0, 1, 7, 8, 9, 5, 6),
    (3, 4, 0, 1, 2, 8, 9, 5, 6, 7),
    (4, 0, 1, 2, 3, 9, 5, 6, 7, 8),
    (5, 9, 8, 7, 6, 0, 4, 3, 2, 1),
    (6, 5, 9, 8, 7, 1, 0, 4, 3, 2),
    (7, 6, 5, 9, 8, 2, 1, 0, 4, 3),
    (8, 7, 6, 5, 9, 3, 2, 1, 0, 4),
    (9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
)
FIRST_PERMUTATION = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)

LETTERS_ADD = {("", 0): 0, ("", 1): 0, ("LA", 0): 5, ("LA", 1): 2, ("LP", 0): 2, ("LP", 1): 7}
"""What the letters of answers (LA) and parts (LP) add to the check digit of a number of even or odd length."""


def verhoeff(number: str) -> int:
    """0 for a number whose last digit is its Verhoeff check digit."""
    check = 0
    for place, digit in enumerate(map(int, reversed(number))):
        for _ in range(place % 8):
            digit = FIRST_PERMUTATION[digit]
        check = MULTIPLY[check][digit]
    return check


def luhn(number: str) -> int:
    """The Luhn check digit of a number without it."""
    digits = [int(each) for each in reversed(number)]
    doubled = [sum(map(int, str(2 * digit))) for digit in digits[0::2]]
    return -(sum(doubled) + sum(digits[1::2])) % 10


def codes(system: str) -> list[str]:
    """All codes of a system in the tables."""
    return [code for table in TABLES for code in table.get(system, {})]


@pytest.mark.parametrize("code", codes("snomed"))
def test_a_snomed_ct_code_has_the_check_digit_of_a_concept(code: str) -> None:
    assert verhoeff(code) == 0
    assert code[-3:-1] in ("00", "10"), "the partition of concepts"


@pytest.mark.parametrize("code", codes("loinc"))
def test_a_loinc_code_has_its_check_digit(code: str) -> None:
    stem, _, digit = code.partition("-")
    number = stem.lstrip("LAP")
    added = LETTERS_ADD[stem[: len(stem) - len(number)], len(number) % 2]
    assert (luhn(number) + added) % 10 == int(digit)


@pytest.mark.parametrize("number", ["22298006", "34043003"])
def test_a_mistyped_code_would_be_told(number: str) -> None:
    assert verhoeff(number) == 0
    assert verhoeff(number[1] + number[0] + number[2:]) != 0 or number[0] == number[1]
    assert verhoeff(str(int(number) + 1)) != 0


def test_every_row_has_a_display() -> None:
    empty = [
        (system, code)
        for table in TABLES
        for system, rows in table.items()
        for code, shown in rows.items()
        if not shown
    ]
    assert empty == []


def test_a_code_without_a_row_is_refused() -> None:
    with pytest.raises(KeyError, match="loinc 1-8"):
        coding("loinc", "1-8")


@pytest.mark.parametrize("name", ["readiness-element", "readiness-status", "dental-class"])
def test_our_own_code_systems_define_the_codes_of_the_tables(name: str) -> None:
    file = ROOT / "profiles" / "federal" / f"CodeSystem-{name}.json"
    defined = {each["code"]: each["display"] for each in json.loads(file.read_text("utf-8"))["concept"]}
    assert defined == codes_clinical.DISPLAYS[name]
    assert json.loads(file.read_text("utf-8"))["url"] == codes_clinical.SYSTEMS[name]
