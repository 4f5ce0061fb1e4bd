"""Identifiers made from numbers: right in shape, never anybody's."""

import pytest

from seeds import ids
from seeds.clinicians import CLINICIANS
from seeds.families import MEMBERS


def passes_luhn(digits: str) -> bool:
    """The Luhn test, written the other way round than in the code: over all digits with the check digit."""
    doubled = [int(each) * (2 if place % 2 else 1) for place, each in enumerate(reversed(digits))]
    return sum(sum(map(int, str(each))) for each in doubled) % 10 == 0


@pytest.mark.parametrize(("digits", "check"), [("7992739871", 3), ("80840123456789", 3)])
def test_the_check_digit_is_that_of_published_examples(digits: str, check: int) -> None:
    assert ids.luhn_digit(digits) == check


def test_every_clinician_has_an_npi_of_their_own_that_passes_the_check() -> None:
    numbers = [each.npi for each in CLINICIANS]
    assert len(set(numbers)) == len(numbers)
    assert all(len(each) == 10 and passes_luhn(ids.NPI_PREFIX + each) for each in numbers)


@pytest.mark.parametrize("number", [1, 78, 10_000, 909_999])
def test_numbers_of_persons_have_the_shapes_of_the_agencies(number: int) -> None:
    dod = ids.dod_id(number)
    assert len(dod) == 10 and dod.startswith("99") and passes_luhn(dod)
    first, _, checksum = ids.icn(number).partition("V")
    assert (len(first), len(checksum)) == (10, 6) and (first + checksum).isdigit()
    assert len(ids.ssn(number)) == 9 and ids.ssn(number).startswith("9")


def test_no_two_persons_share_a_number() -> None:
    numbers = [each.person.number for each in MEMBERS]
    for make in (ids.dod_id, ids.icn, ids.ssn, ids.mrn, ids.sponsor_number):
        assert len({make(each) for each in numbers}) == len(numbers)
