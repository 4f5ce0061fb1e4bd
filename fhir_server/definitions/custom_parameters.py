"""SearchParameter resources as search parameters: what one says, and what it may not say beside R4's and the others.

https://hl7.org/fhir/R4/searchparameter.html
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import msgspec

from fhir_server.core import outcome
from fhir_server.core.outcome import Issue
from fhir_server.core.resource import Resource
from fhir_server.definitions.registry import is_resource_type
from fhir_server.definitions.search_parameters import (
    ParameterType,
    SearchParameter,
    added_by_guides,
    expression_for,
    published,
    search_parameters,
)

TYPES = ("token", "string", "date", "number", "quantity", "reference", "uri")
MAX_CUSTOM = 200
"""Custom parameters of one server. Each is read out of every resource of its types that is written."""
MAX_TYPES = 25
"""Types one parameter may apply to: the collections of each are made whole before it comes into force."""

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


class Custom(msgspec.Struct, frozen=True):
    """One active SearchParameter resource: its logical id and what it defines."""

    id: str
    url: str
    code: str
    type: ParameterType
    types: tuple[str, ...]
    expression: str
    target: tuple[str, ...] = ()

    def applied(self) -> Iterator[SearchParameter]:
        """The parameter as it applies to each of its types."""
        for each in self.types:
            expression = expression_for(each, self.expression)
            yield SearchParameter(self.code, self.type, expression, each, self.target, self.url, ())


def read(resource: Resource) -> Custom | None:
    """What a valid SearchParameter resource adds to R4's parameters; None where it is only stored.

    Only stored are those that are not active, and those that say what R4 says already: the published ones themselves,
    and what is derived from R4's parameter of the same code and types. The result may break the rules of `findings`.
    """
    if resource.get("status") != "active" or resource.get("url") in _published() or _restates(resource):
        return None
    return Custom(
        id=str(resource.get("id", "")),
        url=resource["url"],
        code=resource["code"],
        type=resource["type"],
        types=tuple(dict.fromkeys(resource["base"])),
        expression=resource.get("expression", ""),
        target=tuple(resource.get("target", ())),
    )


def findings(custom: Custom) -> tuple[Issue, ...]:
    """Why a custom parameter cannot come into force, apart from its expression and from other custom ones."""
    return tuple(outcome.BUSINESS_RULE.issue(text, f"SearchParameter.{element}") for element, text in _faults(custom))


def clash(custom: Custom, others: Iterable[Custom]) -> Issue | None:
    """What keeps a custom parameter from standing beside the others; one of the same id is the one it replaces."""
    for other in others:
        if other.id == custom.id:
            continue
        shared = [type for type in custom.types if type in other.types]
        if other.code == custom.code and shared:
            text = f"SearchParameter/{other.id} already defines '{custom.code}' on {', '.join(shared)}."
            return outcome.BUSINESS_RULE.issue(f"{text} Retire it, or choose another code.", "SearchParameter.code")
        if other.url == custom.url:
            text = f"SearchParameter/{other.id} has this url already. Update that one, or choose another url."
            return outcome.BUSINESS_RULE.issue(text, "SearchParameter.url")
    return None


def applied(customs: Iterable[Custom]) -> tuple[SearchParameter, ...]:
    """All parameters that custom definitions add, one for each code and type."""
    return tuple(parameter for custom in customs for parameter in custom.applied())


def stored(customs: Iterable[Custom]) -> list[dict[str, Any]]:
    """The definitions as plain values, for a document of the database."""
    found: list[dict[str, Any]] = msgspec.to_builtins(tuple(customs))
    return found


def restored(documents: Iterable[Mapping[str, Any]]) -> tuple[Custom, ...]:
    """The definitions that `stored` gave."""
    return msgspec.convert(list(documents), tuple[Custom, ...])


def _faults(custom: Custom) -> Iterator[tuple[str, str]]:
    if custom.type not in TYPES:
        yield "type", f"The server takes no custom parameters of type {custom.type}; it takes {', '.join(TYPES)}."
    if not _CODE.fullmatch(custom.code):
        yield (
            "code",
            f"'{custom.code[:64]}' cannot be the code of a custom parameter: it begins with a letter and goes on with "
            "letters, digits, '-' and '_', 64 at most.",
        )
    if not custom.expression:
        yield "expression", "Without an expression nothing can be found: give the FHIRPath of the element."
    if len(custom.types) > MAX_TYPES:
        yield "base", f"It names {len(custom.types)} types; a custom parameter takes {MAX_TYPES} at most."
    for type in custom.types:
        if not is_resource_type(type):
            yield "base", f"'{type}' is no concrete resource type: name the types that are to be searched."
        elif custom.code in search_parameters(type):
            text = f"R4 itself defines '{custom.code}' on {type}, with another meaning. Choose another code."
            yield "code", text
        elif custom.expression and expression_for(type, custom.expression) is None:
            yield "expression", f"No part of the expression concerns {type}, which base names."
    for type in custom.target:
        if not is_resource_type(type):
            yield "target", f"'{type}' is no resource type of R4."


def _restates(resource: Resource) -> bool:
    """Whether R4 has it already: on every type of its base a parameter of this code that it is derived from, or that
    reads the same.
    """
    return all(_is_restated(resource, type) for type in resource["base"])


def _is_restated(resource: Resource, type: str) -> bool:
    own = search_parameters(type).get(resource["code"]) if is_resource_type(type) else None
    if own is None or own.type != resource["type"]:
        return False
    if resource.get("derivedFrom") == own.url:
        return True
    said = expression_for(type, resource.get("expression", ""))
    return said is not None and own.expression is not None and _bare(said) == _bare(own.expression)


def _bare(expression: str) -> str:
    return re.sub(r"\s|[()]", "", expression)


@cache
def _published() -> frozenset[str]:
    return frozenset((*published(), *added_by_guides()))
