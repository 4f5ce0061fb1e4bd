"""JSON in and out without losing a digit: https://hl7.org/fhir/R4/json.html"""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.core.codec import decode, encode
from fhir_server.core.outcome import FhirError


@pytest.mark.parametrize(
    "literal",
    [
        "1.50",
        "0.0",
        "-0",
        "-0.00",
        "1e3",
        "1E-3",
        "1.0e+10",
        "12345678901234567890123",
        "0.1234567890123456789012",
        "7",
    ],
)
def test_a_number_is_written_as_it_was_read(literal: str) -> None:
    assert encode(decode(f'{{"v":{literal}}}'.encode())) == f'{{"v":{literal}}}'.encode()


def test_a_number_with_a_point_is_a_decimal_and_one_without_an_integer() -> None:
    value = decode(b'{"a":1.50,"b":7,"c":1e2}')
    assert (value["a"], type(value["b"]), value["c"]) == (Decimal("1.50"), int, Decimal(100))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
)


@given(json_values)
def test_any_json_value_comes_back_equal(value: Any) -> None:
    assert json.loads(encode(decode(json.dumps(value).encode()))) == value


@given(st.binary())
def test_any_bytes_are_either_json_or_a_400(body: bytes) -> None:
    try:
        decode(body)
    except FhirError as error:
        assert error.status == 400


@pytest.mark.parametrize(
    ("body", "number"),
    [
        (b"", 1001),
        (b"{'a':1}", 1001),
        (b'{"a":1,}', 1001),
        (b"NaN", 1001),
        (b"[-Infinity]", 1001),
        (b"1e99999999999999999999", 1001),
        (b'"\\ud800"', 1001),
        (b'{"\\udfff":1}', 1001),
        (b'"\xc3"', 1002),
        (b'{"a":{"b":1,"b":1}}', 1003),
        (b"[" * 100_000, 1004),
        (b'{"a":' * 100_000, 1004),
    ],
)
def test_what_is_not_one_clear_json_value_is_refused_by_number(body: bytes, number: int) -> None:
    with pytest.raises(FhirError) as refused:
        decode(body)
    assert [issue.number for issue in refused.value.issues] == [number]


def test_a_byte_order_mark_is_no_hindrance() -> None:
    assert decode(b'\xef\xbb\xbf{"a":1}') == {"a": 1}
