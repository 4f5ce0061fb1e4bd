"""The elements of every R4 type: JSON names, types, cardinality, required bindings; and the formats of primitives.

https://hl7.org/fhir/R4/json.html, https://hl7.org/fhir/R4/datatypes.html#primitive,
https://hl7.org/fhir/R4/elementdefinition.html
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Literal

import msgspec

from fhir_server.definitions.load import table

Kind = Literal["resource", "complex", "backbone"]

INTEGER_RANGE = (-(2**31), 2**31 - 1)
UNSIGNED_INT_RANGE = (0, 2**31 - 1)
POSITIVE_INT_RANGE = (1, 2**31 - 1)
STRING_LIMIT = 1024 * 1024
"""Bytes of UTF-8 a string SHOULD not exceed."""


@dataclass(frozen=True, slots=True)
class Element:
    """One JSON property of a type; a `value[x]` is one Element for each type it may have.

    `type` is a type's name, or for a group of elements the path of the structure that describes it
    (`Patient.contact`, also where a contentReference leads there). `Resource` means any resource.
    `targets` are the resource types a Reference or canonical may name, empty for any.
    `max` is None where there is no bound. `min` is 0 for a member of a choice: see `Structure.choices`.
    `required_values` is the canonical, without version, of the value set of a required binding.
    `attribute` marks the few that XML writes as attributes and JSON without a `_name` twin (Element.id, Extension.url).
    `summary` marks what `_summary=true` keeps.
    """

    name: str
    type: str
    targets: tuple[str, ...]
    min: int
    max: int | None
    repeats: bool
    choice: str | None
    required_values: str | None
    primitive: bool
    path: str
    attribute: bool = False
    summary: bool = False


@dataclass(frozen=True, slots=True)
class Structure:
    """A type, or a group of elements inside one, with its elements by JSON name in the specification's order.

    `required` are the elements with `min` above 0 outside choices. `choices` gives for each choice (`value`) its
    `min` and its JSON names.
    """

    name: str
    kind: Kind
    elements: Mapping[str, Element]
    required: tuple[Element, ...]
    choices: Mapping[str, tuple[int, tuple[str, ...]]]


class _ElementRow(msgspec.Struct):
    name: str
    types: list[tuple[str, ...]]
    min: int
    max: int | None = None
    values: str | None = None
    attribute: bool = False
    summary: bool = False


class _StructureRow(msgspec.Struct):
    name: str
    kind: Kind
    elements: list[_ElementRow]


_NAME = re.compile(rb'\{"name":"([^"]+)"')
_BINDABLE = frozenset(("code", "Coding", "CodeableConcept", "Quantity", "string", "uri"))
_decode_row = msgspec.json.Decoder(_StructureRow).decode


@cache
def structure(name: str) -> Structure:
    """The structure of a type (`Patient`, `HumanName`) or of a group of elements (`Patient.contact`).

    Raises KeyError for anything else, primitives among it. The abstract `Resource`, `DomainResource`, `Element` and
    `BackboneElement` are there too.
    """
    row = _decode_row(_rows()[name])
    elements: dict[str, Element] = {}
    choices: dict[str, tuple[int, tuple[str, ...]]] = {}
    for listed in row.elements:
        members = _expanded(row.name, listed)
        elements.update((member.name, member) for member in members)
        stem = members[0].choice
        if stem is not None:
            choices[stem] = (listed.min, tuple(member.name for member in members))
    required = tuple(element for element in elements.values() if element.min)
    return Structure(row.name, row.kind, MappingProxyType(elements), required, MappingProxyType(choices))


def structure_names() -> tuple[str, ...]:
    """Every name `structure` knows, types and paths, in the table's order."""
    return tuple(_rows())


@cache
def _rows() -> dict[str, bytes]:
    # Kept undecoded: 0.5 MB and 20 ms, where all 662 structures at once take 3.3 MB and 90 ms more.
    rows = {}
    for line in table("elements"):
        match = _NAME.match(line)
        assert match is not None
        rows[match[1].decode()] = line
    return rows


def _expanded(parent: str, row: _ElementRow) -> list[Element]:
    stem, is_choice = row.name.removesuffix("[x]"), row.name.endswith("[x]")
    return [
        Element(
            name=stem + listed[0][0].upper() + listed[0][1:] if is_choice else stem,
            type=listed[0],
            targets=listed[1:],
            min=0 if is_choice else row.min,
            max=row.max,
            repeats=row.max != 1,
            choice=stem if is_choice else None,
            required_values=row.values if listed[0] in _BINDABLE else None,
            primitive=listed[0] in PRIMITIVES,
            path=f"{parent}.{row.name}",
            attribute=row.attribute,
            summary=row.summary,
        )
        for listed in row.types
    ]


_YEAR = r"(?:[0-9](?:[0-9](?:[0-9][1-9]|[1-9]0)|[1-9]00)|[1-9]000)"
_MONTH = r"(?:0[1-9]|1[0-2])"
_DAY = r"(?:0[1-9]|[12][0-9]|3[01])"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
_ZONE = r"(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
# The published `[ \r\n\t\S]+` lets control characters through, which XML cannot carry and MongoDB's tools stumble over.
_TEXT = r"[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]+"
_WORD = r"[^\x00-\x20\x7f]+"
# Possessive throughout, so that it is one pass (14 ms a megabyte) where the published form backtracks exponentially.
_BASE64 = r"[ \t\r\n]*+(?:[A-Za-z0-9+/]{4}[ \t\r\n]*+)*+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?[ \t\r\n]*+"

_PATTERNS: dict[str, re.Pattern[str]] = {
    code: re.compile(pattern)
    for code, pattern in {
        "base64Binary": rf"(?=[ \t\r\n]*+[A-Za-z0-9+/]){_BASE64}",
        "boolean": "true|false",
        "canonical": _WORD,
        "code": rf"{_WORD}(?:[ \t\r\n]{_WORD})*",
        "date": rf"{_YEAR}(?:-{_MONTH}(?:-{_DAY})?)?",
        "dateTime": rf"{_YEAR}(?:-{_MONTH}(?:-{_DAY}(?:T{_TIME}{_ZONE})?)?)?",
        "decimal": r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?",
        "id": r"[A-Za-z0-9\-.]{1,64}",
        "instant": rf"{_YEAR}-{_MONTH}-{_DAY}T{_TIME}{_ZONE}",
        "integer": r"-?(?:0|[1-9][0-9]*)",
        "markdown": _TEXT,
        "oid": r"urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+",
        "positiveInt": "[1-9][0-9]*",
        "string": _TEXT,
        "time": _TIME,
        "unsignedInt": "0|[1-9][0-9]*",
        "uri": _WORD,
        "url": _WORD,
        "uuid": "urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        "xhtml": _TEXT,
    }.items()
}

PRIMITIVES = frozenset(_PATTERNS)
"""The 20 primitive types of R4: JSON scalars."""


def primitive_pattern(code: str) -> re.Pattern[str] | None:
    """The format of a primitive's text, to be used with `fullmatch`; None where `code` is not a primitive.

    Numbers and booleans have one for their text too. Each takes time linear in the text. Days a month has not
    (`2026-02-30`) and the ranges above are not seen by it.
    """
    return _PATTERNS.get(code)
