"""JSON in and out without losing a digit: decimals stay as written, duplicate keys and bottomless nesting are refused.

https://hl7.org/fhir/R4/json.html, https://hl7.org/fhir/R4/datatypes.html#decimal
"""

import json
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

import msgspec

from fhir_server.core import outcome

MAX_DEPTH = 64
"""Objects and arrays within each other. The deepest example of the specification has 19."""


class DecimalLiteral(Decimal):
    """A decimal whose own text differs from what Python would write for it (`1e3`, `-0`): it keeps the text."""

    __slots__ = ("literal",)
    literal: str

    def __new__(cls, literal: str) -> "DecimalLiteral":
        value = super().__new__(cls, literal)
        value.literal = literal
        return value

    def __str__(self) -> str:
        return self.literal


def decode(body: bytes) -> Any:
    """The JSON value of a body: numbers with a point or exponent as Decimal, digits kept.

    Raises FhirError 400 for what is not UTF-8, not JSON, repeats a key in one object, or nests too deep.
    """
    try:
        text = body.decode("utf-8-sig" if body.startswith(b"\xef\xbb\xbf") else "utf-8")
    except UnicodeDecodeError as error:
        raise outcome.not_utf8(error.start) from None
    try:
        value = _decoder.decode(text)
    except RecursionError:
        raise outcome.nested_too_deep(MAX_DEPTH) from None
    except json.JSONDecodeError as error:
        raise outcome.malformed_json(error.msg, error.lineno, error.colno) from None
    if "\\u" in text:
        _refuse_lone_surrogates(value)
    return value


def encode(value: Any) -> bytes:
    """Compact UTF-8 JSON; decimals as the digits they came with."""
    return _encoder.encode(value)


def canonical(value: Any) -> bytes:
    """JSON with each object's members by name: equal for what says the same, digit by digit."""
    return _canonical_encoder.encode(value)


def indented(body: bytes) -> bytes:
    """The same JSON with two spaces of indent, for a person to read; nothing is decoded."""
    return msgspec.json.format(body, indent=2)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise outcome.duplicate_key(name)
            seen.add(name)
    return members


def _decimal(literal: str) -> Decimal:
    try:
        value = Decimal(literal)
        return value if str(value) == literal else DecimalLiteral(literal)
    except InvalidOperation:
        raise outcome.malformed_json("a number has an exponent past all use", 1, 1) from None


def _integer(literal: str) -> int | Decimal:
    # Past 18 digits msgspec could not write an int back, and int() refuses 4,301 digits; "-0" would lose its sign.
    if len(literal) > 18 or literal == "-0":
        return _decimal(literal)
    return int(literal)


def _literal(value: Any) -> msgspec.Raw:
    if isinstance(value, DecimalLiteral):
        return msgspec.Raw(value.literal.encode())
    raise TypeError(f"{type(value).__name__} is not a JSON value")


def _constant(name: str) -> NoReturn:
    raise outcome.malformed_json(f"{name} is not a JSON value", 1, 1)


def _refuse_lone_surrogates(value: Any) -> None:
    try:
        encode(value)
    except (UnicodeEncodeError, RecursionError):
        raise outcome.malformed_json("a \\u escape names half of a surrogate pair", 1, 1) from None


_decoder = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_decimal, parse_int=_integer, parse_constant=_constant
)
_encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=_literal)
_canonical_encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=_literal, order="deterministic")
