"""The formats of the primitive types. https://hl7.org/fhir/R4/datatypes.html#primitive"""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.core.codec import DecimalLiteral
from fhir_server.core.outcome import BAD_FORMAT, EMPTY_VALUE, WRONG_TYPE, Failure
from fhir_server.definitions.elements import PRIMITIVES, primitive_pattern
from fhir_server.validation.primitives import MAX_STRING, fault_of
from tests.unit.validation.generated import VALUES

BAD_TEXTS = {
    "base64Binary": ("QUI", "QU=I", "====", "QUJD=", "QUJD====", "QUJDQ===", "QUI=QUI=", "Q*JD", "QUJDÜ", "=QUJ"),
    "code": (" a", "a ", "a  b", "\ta", "a\x00"),
    "canonical": ("http://a b", "a\nb"),
    "date": (
        "2023-02-30",
        "2023-02-29",
        "1900-02-29",
        "2023-04-31",
        "2023-13",
        "2023-1-1",
        "0000",
        "23",
        "20230101",
        "2023-W01-1",
        "2023-01-01T00:00:00Z",
        "2023-01-01\n",
        "२०२३",
    ),
    "dateTime": (
        "2023-02-30",
        "2023-02-30T10:00:00Z",
        "2023-01-01T10:00:00",
        "2023-01-01T10:00Z",
        "2023-01-01T24:00:00Z",
        "2023-01-01T10:00:00+15:00",
        "2023-01-01T10:00:00+14:30",
        "2023-01-01 10:00:00Z",
        "2023-01-01T10:00:00z",
        "2023-01-01T10:00:61Z",
        "2023-01T10:00:00Z",
    ),
    "id": ("a_b", "a/b", "x" * 65, "é", "a\n"),
    "instant": ("2023-01-01", "2023-01-01T10:00:00", "2023-02-30T10:00:00Z"),
    "markdown": ("a\x0bb",),
    "oid": ("1.2.3", "urn:oid:3.1", "urn:oid:1", "urn:oid:1.02"),
    "string": ("a\x00b", "\x1b[31m", "\x08"),
    "time": ("24:00:00", "10:00", "10:00:00Z"),
    "uri": (" ", "a b", "a\tb", "a\x01"),
    "url": ("http://a b",),
    "uuid": ("urn:uuid:C757873D-EC9A-4326-A141-556F43239520", "c757873d-ec9a-4326-a141-556f43239520"),
    "xhtml": ("plain", "<p>x</p>"),
}
OUT_OF_RANGE: dict[str, tuple[Any, ...]] = {
    "integer": (2_147_483_648, -2_147_483_649, Decimal("1.0"), DecimalLiteral("1e3"), Decimal(10**18)),
    "positiveInt": (0, -1, 2_147_483_648, Decimal("-0")),
    "unsignedInt": (-1, 2_147_483_648, Decimal("-0")),
}
NO_TEXTS: tuple[Any, ...] = (1, Decimal("1.5"), True, None, [], ["a"], {}, {"a": 1})
NO_NUMBERS: tuple[Any, ...] = ("1", "", True, False, None, [], [1], {})
NO_BOOLEANS: tuple[Any, ...] = ("true", "", 0, 1, Decimal(1), None, [], [True], {})
NUMBERS = frozenset(("decimal", "integer", "positiveInt", "unsignedInt"))


def failure(code: str, value: Any) -> Failure | None:
    fault = fault_of(code)(value)
    return fault.failure if fault else None


@pytest.mark.parametrize(("code", "value"), [(code, value) for code, values in VALUES.items() for value in values])
def test_a_good_value_has_no_fault(code: str, value: Any) -> None:
    assert failure(code, value) is None


@pytest.mark.parametrize(("code", "text"), [(code, text) for code, texts in BAD_TEXTS.items() for text in texts])
def test_a_text_that_breaks_its_format_is_refused(code: str, text: str) -> None:
    assert failure(code, text) is BAD_FORMAT


@pytest.mark.parametrize(("code", "value"), [(code, value) for code, some in OUT_OF_RANGE.items() for value in some])
def test_a_whole_number_has_32_bits_and_neither_point_nor_exponent(code: str, value: Any) -> None:
    assert failure(code, value) is BAD_FORMAT


@pytest.mark.parametrize("code", sorted(PRIMITIVES - NUMBERS - {"boolean"}))
def test_a_text_is_a_json_string_and_not_empty(code: str) -> None:
    assert failure(code, "") is EMPTY_VALUE
    for value in NO_TEXTS:
        assert failure(code, value) is WRONG_TYPE


@pytest.mark.parametrize("code", sorted(NUMBERS))
def test_a_number_is_a_json_number(code: str) -> None:
    for value in NO_NUMBERS:
        assert failure(code, value) is WRONG_TYPE


def test_a_boolean_is_true_or_false_without_quotes() -> None:
    for value in NO_BOOLEANS:
        assert failure("boolean", value) is WRONG_TYPE


def test_a_day_that_does_not_exist_is_told_from_a_text_that_is_no_date() -> None:
    for code, text in (("date", "2023-02-30"), ("dateTime", "2023-04-31T10:00:00Z")):
        fault = fault_of(code)(text)
        assert fault is not None and "calendar" in fault.text
    no_zone = fault_of("dateTime")("2023-04-30T10:00:00")
    assert no_zone is not None and "zone" in no_zone.text


def test_a_string_may_have_1_048_576_characters_and_base64_more() -> None:
    assert failure("string", "a" * MAX_STRING) is None
    assert failure("string", "a" * (MAX_STRING + 1)) is BAD_FORMAT
    assert failure("base64Binary", "QUJD" * MAX_STRING) is None


@pytest.mark.parametrize("code", ["date", "dateTime", "instant", "time", "id", "oid", "uuid"])
@given(made=st.data())
def test_what_the_specification_s_pattern_takes_is_good_unless_the_day_does_not_exist(
    code: str, made: st.DataObject
) -> None:
    pattern = primitive_pattern(code)
    assert pattern is not None
    text = made.draw(st.from_regex(pattern, fullmatch=True))
    fault = fault_of(code)(text)
    if fault is not None:
        assert "calendar" in fault.text
        year, month, day = int(text[:4]), int(text[5:7]), int(text[8:10])
        is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        assert day > {2: 29 if is_leap else 28, 4: 30, 6: 30, 9: 30, 11: 30}.get(month, 31)


@pytest.mark.parametrize("code", sorted(VALUES.keys() - NUMBERS - {"boolean", "xhtml"}))
@given(made=st.data())
def test_no_edited_text_is_good_that_the_specification_s_pattern_refuses(code: str, made: st.DataObject) -> None:
    pattern = primitive_pattern(code)
    assert pattern is not None
    text = made.draw(st.sampled_from(VALUES[code]))
    cut = made.draw(st.integers(0, len(text)))
    edit = made.draw(st.text(alphabet="0129-+:.TZab/= \t\n\x01éurn", max_size=3))
    edited = text[:cut] + edit + text[cut + made.draw(st.integers(0, 2)) :]
    assert failure(code, edited) is not None or pattern.fullmatch(edited)
