"""The escapes of search values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.search.escaping import split_unescaped, unescape


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", [""]),
        ("a", ["a"]),
        ("a,b", ["a", "b"]),
        ("a,", ["a", ""]),
        (",", ["", ""]),
        (r"a\,b,c", [r"a\,b", "c"]),
        (r"a\\,b", [r"a\\", "b"]),
        (r"a\\\,b", [r"a\\\,b"]),
        ("a,b\\", ["a", "b\\"]),
        ("a\n,b\n", ["a\n", "b\n"]),
    ],
)
def test_a_value_is_cut_at_commas_no_backslash_precedes(text: str, parts: list[str]) -> None:
    assert split_unescaped(text, ",") == parts


@pytest.mark.parametrize(
    ("text", "meant"),
    [(r"\,\|\$\\", ",|$\\"), (r"\n", r"\n"), (r"\\,", "\\,"), ("a\\", "a\\"), (r"\\\\", r"\\")],
)
def test_four_escapes_are_known_and_other_backslashes_stand_for_themselves(text: str, meant: str) -> None:
    assert unescape(text) == meant


@given(st.lists(st.text(alphabet="ab,|$\\ \n"), min_size=1))
def test_escaped_values_come_back_whole(values: list[str]) -> None:
    def escape(text: str) -> str:
        for mark in "\\,|$":
            text = text.replace(mark, "\\" + mark)
        return text

    joined = ",".join(map(escape, values))
    assert [unescape(part) for part in split_unescaped(joined, ",")] == values
