"""The formats of the primitive types, each as a function from a JSON value to its fault.

https://hl7.org/fhir/R4/datatypes.html#primitive, https://hl7.org/fhir/R4/json.html#primitive

The patterns accept what the specification's regular expressions accept, with two differences: a day must be in the
calendar, and base64 must decode. A test holds them against the specification's.
"""

import binascii
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from fhir_server.core.outcome import BAD_FORMAT, EMPTY_VALUE, WRONG_TYPE
from fhir_server.validation.findings import Fault, kind
from fhir_server.validation.narrative import div_fault

FaultOf = Callable[[Any], Fault | None]
"""None where the value is good."""

MAX_STRING = 1_048_576
"""Characters a string may have (https://hl7.org/fhir/R4/datatypes.html#string)."""


def fault_of(code: str) -> FaultOf:
    """The check of a primitive type; of a type without a format of its own, that of a string."""
    return _CHECKS.get(code, _string)


def is_control_free(text: str) -> bool:
    """Whether there is no control character below U+0020 but tab, line feed and carriage return."""
    # isprintable costs 70 ns and settles nearly every text; the search settles the others.
    return text.isprintable() or not _CONTROL.search(text)


def not_text(value: Any) -> Fault:
    """The fault of what stands where a JSON string must, an empty string included."""
    if isinstance(value, str):
        return _EMPTY
    if value is None:
        return _NULL
    if isinstance(value, list):
        return _ARRAY
    return Fault(WRONG_TYPE, f"must be a JSON string, not {kind(value)}.")


def _boolean(value: Any) -> Fault | None:
    if value is True or value is False:
        return None
    return _null_or_array(value) or Fault(WRONG_TYPE, f"must be true or false without quotes, not {kind(value)}.")


def _decimal(value: Any) -> Fault | None:
    if type(value) is int or isinstance(value, Decimal):
        return None
    return _null_or_array(value) or Fault(WRONG_TYPE, f"must be a JSON number without quotes, not {kind(value)}.")


def _whole(code: str, lowest: int) -> FaultOf:
    highest = 2_147_483_647
    bad_format = Fault(BAD_FORMAT, f"must be a whole number from {lowest} to {highest}, without point or exponent.")

    def check(value: Any) -> Fault | None:
        if type(value) is int:
            return None if lowest <= value <= highest else bad_format
        if isinstance(value, Decimal):
            # The codec keeps "-0" as a decimal, and the specification's pattern lets an integer be written so.
            return None if code == "integer" and str(value) == "-0" else bad_format
        return _null_or_array(value) or Fault(WRONG_TYPE, f"must be a JSON number without quotes, not {kind(value)}.")

    return check


def _string(value: Any) -> Fault | None:
    if type(value) is not str or not value:
        return not_text(value)
    if not is_control_free(value):
        return _CONTROLS
    return _LONG if len(value) > MAX_STRING else None


def _code(value: Any) -> Fault | None:
    if type(value) is not str or not value:
        return not_text(value)
    if (value.isprintable() and " " not in value) or (_CODE.fullmatch(value) and is_control_free(value)):
        return None
    return _BAD_CODE


def _uri(value: Any) -> Fault | None:
    if type(value) is not str or not value:
        return not_text(value)
    if " " not in value and (value.isprintable() or not (_SPACE.search(value) or _CONTROL.search(value))):
        return None
    return _BAD_URI


def _base64(value: Any) -> Fault | None:
    if type(value) is not str or not value:
        return not_text(value)
    # Decoding in C takes 3 ns a character, the pattern 9; it also lets white space stand between groups of four.
    # Python 3.11 decodes "QUJD=" and "QUJD====" too, hence the two tests before it.
    if len(value) % 4 == 0 and not value.endswith("===") and _decodes(value):
        return None
    return None if _BASE64.fullmatch(value) else _BAD_BASE64


def _decodes(text: str) -> bool:
    try:
        binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        return False
    return True


def _xhtml(value: Any) -> Fault | None:
    if type(value) is not str or not value:
        return not_text(value)
    return div_fault(value)


def _matching(pattern: str, text: str) -> FaultOf:
    fullmatch = re.compile(pattern).fullmatch
    bad_format = Fault(BAD_FORMAT, text)

    def check(value: Any) -> Fault | None:
        if type(value) is not str or not value:
            return not_text(value)
        return None if fullmatch(value) else bad_format

    return check


def _dated(pattern: str, text: str) -> FaultOf:
    """Like `_matching`, but tells a day that is not in the calendar from a text that is no date at all."""
    fullmatch = re.compile(pattern).fullmatch
    bad_format = Fault(BAD_FORMAT, text)
    no_such_day = Fault(BAD_FORMAT, "names a day that is not in the calendar.")

    def check(value: Any) -> Fault | None:
        if type(value) is not str or not value:
            return not_text(value)
        if fullmatch(value):
            return None
        day = _DAY_SHAPE.match(value)
        return no_such_day if day and not _DAY_EXISTS.fullmatch(day[0]) else bad_format

    return check


def _null_or_array(value: Any) -> Fault | None:
    if value is None:
        return _NULL
    return _ARRAY if isinstance(value, list) else None


_EMPTY = Fault(EMPTY_VALUE, "must not be an empty string. Leave the element out.")
_NULL = Fault(WRONG_TYPE, "must not be null. Leave the element out.")
_ARRAY = Fault(WRONG_TYPE, "must not be an array: it occurs once.")
_CONTROLS = Fault(BAD_FORMAT, "contains a control character; only tab, line feed and carriage return may stand in it.")
_LONG = Fault(BAD_FORMAT, f"is longer than {MAX_STRING} characters.")
_BAD_CODE = Fault(BAD_FORMAT, "must be a code: no space at its ends, single spaces inside.")
_BAD_URI = Fault(BAD_FORMAT, "must be a URI: no spaces or control characters. Write a space as %20.")
_BAD_BASE64 = Fault(BAD_FORMAT, "must be base64 (RFC 4648, section 4), padded with '='.")

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_SPACE = re.compile(r"[ \t\n\r\f\v]")
_BASE64 = re.compile(
    r"(?=\s*[A-Za-z0-9+/])\s*+(?:[A-Za-z0-9+/]{4}\s*+)*+(?:(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)\s*+)?", re.ASCII
)
_CODE = re.compile(r"[^\s]++(?:\s[^\s]++)*+", re.ASCII)

_YEAR = r"(?!0000)[0-9]{4}"
_LEAP_YEAR = r"(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][48]|[13579][26]|[2468]0)00)"
# Days 1 to 28 come first: they settle nine dates of ten.
_DAY = (
    rf"(?:{_YEAR}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    r"|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
    rf"|{_LEAP_YEAR}-02-29)"
)
_MONTH = rf"{_YEAR}(?:-(?:0[1-9]|1[0-2]))?"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
_ZONE = r"(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_DAY_SHAPE = re.compile(rf"{_YEAR}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])(?=T|$)")
_DAY_EXISTS = re.compile(_DAY)

_CHECKS: dict[str, FaultOf] = {
    "base64Binary": _base64,
    "boolean": _boolean,
    "canonical": _uri,
    "code": _code,
    "date": _dated(f"{_DAY}|{_MONTH}", "must be a date: YYYY, YYYY-MM or YYYY-MM-DD."),
    "dateTime": _dated(
        f"{_DAY}(?:T{_TIME}{_ZONE})?|{_MONTH}",
        "must be a dateTime: YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with a zone (Z or +hh:mm).",
    ),
    "decimal": _decimal,
    "id": _matching(r"[A-Za-z0-9\-.]{1,64}", "must be an id: 1 to 64 of A-Z, a-z, 0-9, '-' and '.'."),
    "instant": _dated(f"{_DAY}T{_TIME}{_ZONE}", "must be an instant: YYYY-MM-DDThh:mm:ss with a zone (Z or +hh:mm)."),
    "integer": _whole("integer", -2_147_483_648),
    "markdown": _string,
    "oid": _matching(r"urn:oid:[0-2](\.(0|[1-9][0-9]*))+", "must be an OID such as urn:oid:1.2.3."),
    "positiveInt": _whole("positiveInt", 1),
    "string": _string,
    "time": _matching(_TIME, "must be a time: hh:mm:ss, without a zone."),
    "unsignedInt": _whole("unsignedInt", 0),
    "uri": _uri,
    "url": _uri,
    "uuid": _matching(
        r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        "must be a UUID in small letters with the prefix urn:uuid:.",
    ),
    "xhtml": _xhtml,
}
