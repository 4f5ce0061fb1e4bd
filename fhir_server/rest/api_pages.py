"""`GET /docs/api`: what each resource type offers, as pages made from the tables that the OpenAPI document is made of.

https://hl7.org/fhir/R4/http.html, https://hl7.org/fhir/R4/search.html
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fhir_server.definitions.capability import (
    CRITERIA,
    RESULTS,
    SYSTEM_INTERACTIONS,
    TYPE_INTERACTIONS,
    includes,
    offered_parameters,
    revincludes,
)
from fhir_server.definitions.compartments import COMPARTMENTS, compartment_parameters
from fhir_server.definitions.parameter_set import ParameterSet
from fhir_server.definitions.registry import is_resource_type, resource_types
from fhir_server.interactions.context import RequestContext
from fhir_server.rest.html import Page, page, path_of
from fhir_server.rest.openapi import SYSTEM_ROWS, TYPE_ROWS
from fhir_server.rest.openapi_examples import Example
from fhir_server.rest.routes import unknown_type

PATH = "/docs/api"

_HEADERS = {"cache-control": "no-cache"}

_EVERYWHERE = {**CRITERIA, **RESULTS}

_VALUES: Mapping[str, str] = {
    "token": "system|code, code, |code (without a system) or system|; codes without regard to case.",
    "string": "The beginning, without regard to case, accents and runs of spaces.",
    "date": "2024, 2024-03, 2024-03-01 or 2024-03-01T12:00:00Z; the stored one must lie within. Takes prefixes.",
    "number": "0.8, which stands for 0.75 up to 0.85. Takes prefixes.",
    "quantity": "5.4|http://unitsofmeasure.org|mg, 5.4||mg or 5.4; UCUM units are converted. Takes prefixes.",
    "reference": "Type/id, a URL, or an id alone. A chain goes on in what is referred to: subject:Patient.name=ada.",
    "uri": "The whole of it, letter by letter.",
    "composite": "The values of its parts with $ between them.",
    "special": "As its own description in the specification says.",
    "prefixes": "eq, ne, gt, lt, ge, le, sa (starts after), eb (ends before), ap (roughly); eq where there is none.",
}

_MODIFIERS: Mapping[str, str] = {
    "missing": "true: resources without the element; false: those with it.",
    "exact": "String: the whole, with case and accents.",
    "contains": "String: anywhere in it.",
    "not": "Token: none of the values; resources without the element too.",
    "text": "Token: the text or a display begins with it.",
    "of-type": "Token: identifiers by type and value, as system|code|value.",
    "in": "Token: the codes of a ValueSet.",
    "not-in": "Token: codes outside of a ValueSet.",
    "above": "Token, uri, reference: what is above it in its hierarchy, and itself.",
    "below": "Token, uri, reference: what is below it in its hierarchy, and itself.",
    "identifier": "Reference: by the identifier in it.",
    "Type": "Reference: to that type only, as in subject:Patient=p1.",
}


class TypedExample(Example, Protocol):
    """A request that works on the demo population, shown at its resource type; at the index where `type` is empty."""

    @property
    def type(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Interaction:
    """A row of the table of interactions."""

    interaction: str
    method: str
    path: str
    summary: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """A row of the table of search parameters. `is_any` says that a reference may name any type."""

    code: str
    type: str
    expression: str
    modifiers: tuple[str, ...]
    prefixes: tuple[str, ...]
    targets: tuple[str, ...]
    is_any: bool


class ApiPages:
    """The pages, with the examples they show."""

    def __init__(self, examples: Iterable[TypedExample]) -> None:
        self.examples: dict[str, list[TypedExample]] = {}
        for example in examples:
            self.examples.setdefault(example.type, []).append(example)

    def routes(self) -> list[Route]:
        """The index, and a page for each type."""
        of_type = Page(self._type)
        return [Route(PATH, Page(self._index), methods=None), Route(PATH + "/{type}", of_type, methods=None)]

    async def _index(self, request: Request, context: RequestContext) -> Response:
        values = {
            "base": context.base,
            "types": resource_types(),
            "interactions": list(_interactions("", path_of(context.base))),
            "examples": self.examples.get("", []),
            "value_types": _VALUES.items(),
            "modifiers": [(f":{name}", what) for name, what in _MODIFIERS.items()],
            "everywhere": _EVERYWHERE.items(),
        }
        return page("api_index.html", context.base, values, headers=_HEADERS)

    async def _type(self, request: Request, context: RequestContext) -> Response:
        """Raises FhirError 404 for what is no resource type."""
        type = request.path_params["type"]
        if not is_resource_type(type):
            raise unknown_type(type)
        parameter_set = context.server.parameters.searched
        values = {
            "type": type,
            "interactions": list(_interactions(type, path_of(context.base))),
            "examples": self.examples.get(type, []),
            "parameters": list(_parameters(type, parameter_set)),
            "everywhere": list(_EVERYWHERE),
            "compartments": [each for each in COMPARTMENTS if compartment_parameters(each, type)],
            "includes": includes(type, parameter_set),
            "revincludes": revincludes(type, parameter_set),
        }
        return page("api_type.html", context.base, values, headers=_HEADERS)


def _interactions(type: str, fhir: str) -> Iterator[Interaction]:
    """The interactions of a type, or those of the whole system where it is empty."""
    offered = (*TYPE_INTERACTIONS,) if type else (*SYSTEM_INTERACTIONS, "capabilities")
    for row in TYPE_ROWS if type else SYSTEM_ROWS:
        if row.interaction in offered:
            place = f"/{type}{row.path}" if type else row.path
            yield Interaction(row.interaction, row.method.upper(), fhir + place, row.summary)


def _parameters(type: str, parameter_set: ParameterSet) -> Iterator[Parameter]:
    table = parameter_set.of(type)
    for each in offered_parameters(type, parameter_set):
        is_any = len(each.targets) == len(resource_types())
        expression = table[each.code].expression or ""
        yield Parameter(each.code, each.type, expression, each.modifiers, each.prefixes, each.targets, is_any)
