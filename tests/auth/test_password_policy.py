"""What may be a password, and everything that is wrong with one at once."""

from pathlib import Path

import pytest

from smart_auth.identity.password_policy import PasswordPolicy
from smart_auth.settings import SmartSettings

NIST = PasswordPolicy.of(SmartSettings())
COMPOSED = PasswordPolicy.of(SmartSettings(password_policy="composition"))


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "purple trains sing at noon",
        "zwölf Boxkämpfer jagen Viktor",
        "8392746501928374650",
        "kq8Zr!vB2mWx7Lp",
        "пятнадцать-окон-во-двор",
    ],
)
def test_long_ones_that_nobody_expects_are_let_through(password: str) -> None:
    assert NIST.faults(password, username="ann", name="Ann Example", email="ann@example.org") == ()


@pytest.mark.parametrize(
    "password",
    [
        "passwordpassword",
        "P@ssw0rdP@ssw0rd!!",
        "aaaaaaaaaaaaaaaaaaaa",
        "123456789012345",
        "qwertyuiopasdfghjkl",
        "Summer2026Summer2026",
        "SemperFidelis1775!",
        "dslogon-dslogon-dslogon",
        "tricare army navy 2026",
        "Sergeant.Sergeant.123",
    ],
)
def test_what_is_tried_first_is_refused_however_it_is_dressed(password: str) -> None:
    (fault,) = NIST.faults(password)
    assert "tried first" in fault


@pytest.mark.parametrize(
    "password", ["ann.example.1980-07-04", "Ann Example Ann Example", "ann.e@mail.test 2026", "EXAMPLE12345EXAMPLE"]
)
def test_names_of_the_person_are_no_secret(password: str) -> None:
    assert NIST.faults(password, username="ann", name="Ann Example", email="ann.e@mail.test")
    assert NIST.faults("purple-example-trains-sing", username="ann", name="Ann Example", email="") == ()


def test_one_that_is_too_short_or_too_long_is_told_so() -> None:
    assert NIST.faults("zx kq wv pm tr") == ("A password has at least 15 characters.",)
    assert NIST.faults("zx kq wv pm tr b") == ()
    assert NIST.faults("kq8Zr!vB2mWx7Lp" * 20) == ("A password has at most 256 characters.",)
    assert NIST.faults("") == ("A password has at least 15 characters.",)


def test_composition_asks_four_kinds_and_says_all_that_is_missing_at_once() -> None:
    assert COMPOSED.faults("Tr0ub4dor&3") == ()
    faults = COMPOSED.faults("zqxkv")
    assert faults == (
        "A password has at least 8 characters.",
        "A password has an upper-case letter.",
        "A password has a digit.",
        "A password has a special character.",
    )
    assert COMPOSED.faults("ZQXKVWJ9!") == ("A password has a lower-case letter.",)


def test_composition_has_a_blocklist_too() -> None:
    assert COMPOSED.faults("Password1!") == ("This password is one of those that are tried first: choose other words.",)
    assert len(COMPOSED.faults("password")) == 4


def test_length_counts_characters_as_they_are_compared() -> None:
    # Each of these fifteen is written as two code points.
    assert NIST.faults("e\u0301o\u0308u\u0308a\u0308i\u0301" + "kqvwzmprtx") == ()
    assert "at least 15" in NIST.faults("e\u0301" * 8)[0]


def test_a_list_of_leaked_passwords_is_a_file_of_lines(tmp_path: Path) -> None:
    file = tmp_path / "leaked"
    file.write_text("\nCorrect Horse Battery Staple\n", "utf-8")
    policy = PasswordPolicy.of(SmartSettings(), file)
    assert "tried first" in policy.faults("correct horse battery staple")[0]
    assert policy.faults("correct horse battery stapler") == ()
    with pytest.raises(OSError):
        PasswordPolicy.of(SmartSettings(), tmp_path / "nowhere")


def test_the_rules_are_told_in_words() -> None:
    assert "15 characters" in NIST.in_words()
    assert "special" in COMPOSED.in_words()


def test_a_long_one_is_looked_at_quickly() -> None:
    assert NIST.faults("a1!" * 85)
