"""Social Security numbers and DoD IDs as people type them."""

import pytest

from smart_auth.identity.numbers import dod_id, ssn


@pytest.mark.parametrize(
    "typed",
    ["900123456", "900-12-3456", " 900 12 3456 ", "900\u201312\u20133456", "900\u221212\u22123456", "９００123456"],
)
def test_an_ssn_is_the_same_with_dashes_and_without(typed: str) -> None:
    assert ssn(typed) == "900123456"


@pytest.mark.parametrize(
    "typed", ["", "90012345", "9001234567", "900.12.3456", "90012345a", "*****3456", "900123456 0", "-"]
)
def test_what_has_no_nine_digits_is_none(typed: str) -> None:
    assert ssn(typed) is None


def test_a_dod_id_has_ten_digits() -> None:
    assert dod_id(" 9900000017 ") == "9900000017"
    assert dod_id("990-000-0017") == "9900000017"
    assert dod_id("990000001") is None
    assert dod_id("99000000170") is None
    assert dod_id("990000001x") is None


def test_digits_of_other_scripts_are_not_taken_for_ours_unless_they_are_the_same_signs() -> None:
    # Arabic-Indic digits: what was meant is clear, but no document has them.
    assert ssn("٩٠٠١٢٣٤٥٦") is None
