"""The OpenAPI description of the RESTful API, made from the table of what is offered.

https://spec.openapis.org/oas/v3.1.0, https://hl7.org/fhir/R4/http.html
"""

import asyncio
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import fhir_server
from fhir_server.core.codec import encode
from fhir_server.definitions.capability import (
    CRITERIA,
    RESULTS,
    SYSTEM_INTERACTIONS,
    TYPE_INTERACTIONS,
    OfferedParameter,
    offered_parameters,
    shared_parameters,
)
from fhir_server.definitions.compartments import compartment_parameters
from fhir_server.definitions.parameter_set import ParameterSet
from fhir_server.definitions.registry import resource_types
from fhir_server.interactions.context import Server
from fhir_server.rest.context import BASE_PATH, request_context
from fhir_server.rest.negotiate import FHIR_JSON

COMPARTMENTS = ("Patient", "Encounter", "RelatedPerson", "Practitioner", "Device")

Node = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Operation:
    """A row: what stands behind one method of one path. `parameters` are names of `_PARAMETERS`.

    `searches` is how it takes search parameters: not at all, as criteria of a condition, in a query or in a form.
    """

    interaction: str
    path: str
    method: str
    summary: str
    parameters: tuple[str, ...] = ()
    sends: bool = False
    searches: str = ""
    status: str = "200"
    gives: str = "Bundle"


_TYPE_ROWS = (
    _Operation("search-type", "", "get", "Search", searches="query"),
    _Operation("search-type", "/_search", "post", "Search by a form", searches="form"),
    _Operation("create", "", "post", "Create", ("If-None-Exist", "Prefer"), True, status="201", gives="Resource"),
    _Operation(
        "update", "", "put", "Update the one that matches, or create", ("Prefer",), True, "criteria", "200", "Resource"
    ),
    _Operation("delete", "", "delete", "Delete the one that matches", searches="criteria", status="204", gives=""),
    _Operation("history-type", "/_history", "get", "All versions of this type", ("_count", "_since")),
    _Operation("read", "/{id}", "get", "Read", ("id", "If-None-Match", "If-Modified-Since"), gives="Resource"),
    _Operation(
        "update",
        "/{id}",
        "put",
        "Update, or create",
        ("id", "If-Match", "If-None-Match", "Prefer"),
        True,
        gives="Resource",
    ),
    _Operation("delete", "/{id}", "delete", "Delete", ("id", "If-Match"), status="204", gives=""),
    _Operation("history-instance", "/{id}/_history", "get", "All versions", ("id", "_count", "_since")),
    _Operation("vread", "/{id}/_history/{version}", "get", "Read a version", ("id", "version"), gives="Resource"),
)

_SYSTEM_ROWS = (
    _Operation("capabilities", "/metadata", "get", "What the server offers", gives="Resource"),
    _Operation("transaction", "/", "post", "A transaction or a batch", ("Prefer",), True),
    _Operation("search-system", "/", "get", "Search several types", searches="query"),
    _Operation("search-system", "/_search", "post", "Search several types by a form", searches="form"),
    _Operation("history-system", "/_history", "get", "All versions of everything", ("_count", "_since")),
)

_PARAMETERS: dict[str, tuple[str, str]] = {
    "id": ("path", "The logical id."),
    "version": ("path", "The version id."),
    "type": ("path", "The type to search for; * for all types of the compartment."),
    "If-Match": ("header", 'The version that must be current, as W/"3", or *.'),
    "If-None-Match": ("header", "A read: the version the client has. A write: *, where nothing may be there yet."),
    "If-Modified-Since": ("header", "The moment of the copy the client has."),
    "If-None-Exist": ("header", "Search criteria; nothing is created where they match."),
    "Prefer": ("header", "return=minimal, representation or OperationOutcome; handling=lenient."),
    "_since": ("query", "Versions made at or after this instant."),
    "_format": ("query", "The media type of the answer; wins over Accept."),
    "_pretty": ("query", "true indents the answer."),
    "_type": ("query", "The types to search, with commas between them."),
} | {code: ("query", what) for code, what in {**CRITERIA, **RESULTS}.items()}


def openapi_route() -> Route:
    """The route of the document. It stands before that of a type's search, which takes its path otherwise."""
    return Route(f"{BASE_PATH}/openapi.json", _answer, methods=["GET"])


async def _answer(request: Request) -> Response:
    """Raises FhirError 400 for a Host that this server is not known by."""
    server: Server = request_context(request).server
    url, parameter_set = server.base_url or BASE_PATH, server.parameters.searched
    # Made once, in some 0.3 s that other requests do not wait for.
    body = await asyncio.to_thread(document, url, parameter_set)
    return Response(body, media_type="application/json")


@lru_cache(maxsize=2)
def document(url: str, parameter_set: ParameterSet) -> bytes:
    """The description for the FHIR base at `url`, as JSON."""
    named = _NamedParameters(parameter_set)
    paths: dict[str, Node] = {}
    for row in _SYSTEM_ROWS:
        if row.interaction == "capabilities" or row.interaction in SYSTEM_INTERACTIONS:
            paths.setdefault(row.path, {})[row.method] = _operation(row, "", named)
    for type in resource_types():
        for row in _TYPE_ROWS:
            if row.interaction in TYPE_INTERACTIONS:
                paths.setdefault(f"/{type}{row.path}", {})[row.method] = _operation(row, type, named)
    for compartment in COMPARTMENTS:
        paths[f"/{compartment}/{{id}}/{{type}}"] = {"get": _compartment_search(compartment)}
    return encode(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "fhir-server",
                "summary": "FHIR R4 interoperability server",
                "version": fhir_server.__version__,
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "servers": [{"url": url}],
            "tags": [{"name": type} for type in resource_types()],
            "paths": paths,
            "components": _components() | {"parameters": _shared_parameters() | named.nodes},
        }
    )


class _NamedParameters:
    """Search parameters as components, each written once: most types share the eight of every resource and others."""

    def __init__(self, parameter_set: ParameterSet) -> None:
        self.nodes: dict[str, Node] = {}
        self._set = parameter_set

    def of(self, type: str) -> tuple[OfferedParameter, ...]:
        """The parameters of a type; without one, those that all types have."""
        if type:
            return offered_parameters(type, self._set)
        shared = shared_parameters(resource_types(), self._set)
        return tuple(each for each in offered_parameters("Basic", self._set) if each.code in shared)

    def reference(self, type: str, parameter: OfferedParameter) -> Node:
        """Where the parameter is described. Types that share one may take other modifiers of it."""
        node = _query_parameter(parameter)
        name = parameter.url.rpartition("/")[2]
        if not _COMPONENT_NAME(name) or self.nodes.setdefault(name, node) != node:
            name = f"{type}.{parameter.code}"
            self.nodes[name] = node
        return _shared(name)


_COMPONENT_NAME = re.compile(r"[\w.-]+", re.ASCII).fullmatch


def _operation(row: _Operation, type: str, named: _NamedParameters) -> Node:
    """One operation; `type` is empty for those of the whole system."""
    place = row.path.replace("{", "").replace("}", "").replace("/", "-").rstrip("-")
    node: Node = {
        "operationId": "-".join(part for part in (row.interaction, type, row.method + place) if part),
        "summary": row.summary,
        "tags": [type or "system"],
        "parameters": [_shared(name) for name in (*row.parameters, "_format", "_pretty")],
        "responses": _responses(row),
    }
    if row.sends:
        node["requestBody"] = _content("Resource") | {"required": True}
    match row.searches:
        case "query":
            names = (*CRITERIA, *RESULTS) if type else ("_type", *CRITERIA, *RESULTS)
            node["parameters"] += [named.reference(type, each) for each in named.of(type)]
            node["parameters"] += map(_shared, names)
        case "form":
            node["requestBody"] = _form(type, named)
        case "criteria":
            node["description"] = f"The query says which one, in the parameters of GET /{type}."
    return node


def _query_parameter(parameter: OfferedParameter) -> Node:
    said = [f"{parameter.type.capitalize()}, {parameter.url}."]
    if parameter.modifiers:
        said.append("Modifiers: " + " ".join(f":{name}" for name in parameter.modifiers) + ".")
    if parameter.prefixes:
        said.append("Prefixes: " + " ".join(parameter.prefixes) + ".")
    if len(parameter.targets) == len(resource_types()):
        said.append("Targets: any type.")
    elif parameter.targets:
        said.append("Targets: " + " ".join(parameter.targets) + ".")
    return {"name": parameter.code, "in": "query", "description": " ".join(said), "schema": _VALUES}


def _form(type: str, named: _NamedParameters) -> Node:
    codes = [parameter.code for parameter in named.of(type)]
    names = [*codes, *CRITERIA, *RESULTS] if type else ["_type", *codes, *CRITERIA, *RESULTS]
    schema = {"type": "object", "properties": dict.fromkeys(names, _VALUES)}
    return {
        "description": "The parameters of the search by GET, with the same modifiers and chains.",
        "content": {"application/x-www-form-urlencoded": {"schema": schema}},
    }


def _compartment_search(compartment: str) -> Node:
    types = [type for type in resource_types() if compartment_parameters(compartment, type)]
    names = ("id", "type", *CRITERIA, *RESULTS, "_format", "_pretty")
    return {
        "operationId": f"search-compartment-{compartment}",
        "summary": f"Search what belongs to the {compartment}",
        "description": f"By the search parameters of the type. Types: {' '.join(types)}.",
        "tags": [compartment],
        "parameters": [_shared(name) for name in names],
        "responses": _responses(_Operation("search-type", "", "get", "")),
    }


def _responses(row: _Operation) -> Node:
    done: Node = {"description": "Done."} | (_content(row.gives) if row.gives else {})
    return {row.status: done, "default": {"$ref": "#/components/responses/Refused"}}


def _content(schema: str) -> Node:
    return {"content": {FHIR_JSON: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}}


def _shared(name: str) -> Node:
    return {"$ref": f"#/components/parameters/{name}"}


_VALUES: Node = {"$ref": "#/components/schemas/Values"}


def _shared_parameters() -> dict[str, Node]:
    nodes: dict[str, Node] = {}
    for name, (place, what) in _PARAMETERS.items():
        repeats = name in CRITERIA or name in ("_include", "_revinclude")
        nodes[name] = {
            "name": name,
            "in": place,
            "description": what,
            "required": place == "path",
            "schema": _VALUES if repeats else {"type": "string"},
        }
    return nodes


def _components() -> Node:
    values = "Each value is a condition of its own; commas inside one separate alternatives."
    return {
        "responses": {"Refused": {"description": "What was wrong, all of it."} | _content("OperationOutcome")},
        "schemas": {
            "Values": {"type": "array", "items": {"type": "string"}, "description": values},
            "Resource": _resource(None),
            "Bundle": _resource("Bundle"),
            "OperationOutcome": _resource("OperationOutcome"),
        },
    }


def _resource(type: str | None) -> Node:
    named: Node = {"type": "string"} if type is None else {"const": type}
    return {"type": "object", "required": ["resourceType"], "properties": {"resourceType": named}}
