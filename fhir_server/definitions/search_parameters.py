"""The search parameters that R4 publishes, and those that US Core adds, by the resource type they apply to.

https://hl7.org/fhir/R4/searchparameter-registry.html, https://hl7.org/fhir/R4/searchparameter.html,
https://hl7.org/fhir/us/core/STU7/artifacts.html#search-parameters
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Literal

import msgspec

from fhir_server.definitions.load import table
from fhir_server.definitions.registry import is_resource_type

ParameterType = Literal["token", "string", "date", "number", "quantity", "reference", "uri", "composite", "special"]


@dataclass(frozen=True, slots=True)
class Component:
    """A part of a composite: the parameter that defines it, that one's type, and FHIRPath from where the composite's
    expression leads.
    """

    definition_url: str
    expression: str
    type: ParameterType


@dataclass(frozen=True, slots=True)
class SearchParameter:
    """A parameter as it applies to one resource type.

    `expression` is FHIRPath as published, cut to the members of the union that concern `base`; None for `_text`,
    `_content` and `_query`, which have none. `target` lists the types a reference may name as published, for all bases.
    """

    code: str
    type: ParameterType
    expression: str | None
    base: str
    target: tuple[str, ...]
    url: str
    components: tuple[Component, ...]


class _Row(msgspec.Struct):
    url: str
    code: str
    type: ParameterType
    base: tuple[str, ...]
    expression: str | None = None
    target: tuple[str, ...] = ()
    component: tuple[tuple[str, str], ...] = ()


_INHERITED = ("Resource", "DomainResource")
# Resources that are not DomainResources have no narrative, so `_text` does not apply to them.
_WITHOUT_NARRATIVE = frozenset(("Binary", "Bundle", "Parameters"))
_FIRST_NAME = re.compile(r"[\s(]*([A-Za-z_][A-Za-z0-9_]*)")


@cache
def search_parameters(resource_type: str) -> Mapping[str, SearchParameter]:
    """Parameters of a resource type by code, those of Resource and DomainResource first, US Core's last.

    Raises KeyError where `resource_type` is none of R4's.
    """
    if not is_resource_type(resource_type):
        raise KeyError(resource_type)
    by_url, by_base = _tables()
    inherited = _INHERITED[:1] if resource_type in _WITHOUT_NARRATIVE else _INHERITED
    rows = [row for base in (*inherited, resource_type) for row in by_base.get(base, ())]
    return MappingProxyType({row.code: _applied(row, resource_type, by_url) for row in rows})


def published() -> tuple[str, ...]:
    """The URLs of all parameters of R4, in the registry's order."""
    return tuple(_rows("r4"))


def added_by_guides() -> tuple[str, ...]:
    """The URLs of those that US Core has and R4 lacks."""
    return tuple(_rows("us_core"))


def expression_for(base: str, expression: str) -> str | None:
    """The members of a FHIRPath union that concern `base`: those that start at it, at Resource or DomainResource, or
    at no type at all. None where no member does.
    """
    members = [member.strip() for member in union_members(expression)]
    return " | ".join(member for member in members if _concerns(member, base)) or None


def union_members(expression: str) -> Iterator[str]:
    """The expression cut at each `|` outside parentheses and quotes."""
    depth, start, quoted = 0, 0, False
    for position, character in enumerate(expression):
        if character == "'":
            quoted = not quoted
        elif quoted:
            continue
        elif character in "([":
            depth += 1
        elif character in ")]":
            depth -= 1
        elif character == "|" and not depth:
            yield expression[start:position]
            start = position + 1
    yield expression[start:]


def _concerns(member: str, base: str) -> bool:
    match = _FIRST_NAME.match(member)
    first = match[1] if match else base
    return first == base or first in _INHERITED or not is_resource_type(first)


@cache
def _tables() -> tuple[Mapping[str, _Row], Mapping[str, list[_Row]]]:
    by_url = {**_rows("r4"), **_rows("us_core")}
    by_base: dict[str, list[_Row]] = {}
    for row in by_url.values():
        for base in row.base:
            by_base.setdefault(base, []).append(row)
    return by_url, by_base


@cache
def _rows(origin: str) -> Mapping[str, _Row]:
    decode = msgspec.json.Decoder(_Row).decode
    return {row.url: row for row in map(decode, table("search_parameters", origin))}


def _applied(row: _Row, base: str, by_url: Mapping[str, _Row]) -> SearchParameter:
    return SearchParameter(
        code=row.code,
        type=row.type,
        expression=expression_for(base, row.expression) if row.expression else None,
        base=base,
        target=row.target,
        url=row.url,
        components=tuple(Component(url, expression, by_url[url].type) for url, expression in row.component),
    )
