"""The OpenAPI description of the RESTful API, made from the table of what is offered.

https://spec.openapis.org/oas/v3.1.0, https://hl7.org/fhir/R4/http.html
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache

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
from fhir_server.definitions.own_operations import OwnOperation
from fhir_server.definitions.own_operations import paths as own_operation_paths
from fhir_server.definitions.parameter_set import ParameterSet
from fhir_server.definitions.registry import resource_types
from fhir_server.interactions.context import Server
from fhir_server.rest.context import BASE_PATH, open_context
from fhir_server.rest.negotiate import FHIR_JSON
from fhir_server.rest.openapi_examples import FORM, WHOLE, Example, add_examples
from fhir_server.rest.openapi_parts import VALUES, Node, components, security_schemes, shared

COMPARTMENTS = ("Patient", "Encounter", "RelatedPerson", "Practitioner", "Device")

PATH_PARAMETERS = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class _Operation:
    """A row: what stands behind one method of one path.

    `answers` are statuses with names of responses, `parameters` names of parameters, `sends` the name of a body.
    `searches` is how it takes search parameters: not at all, as criteria of a condition, in a query or in a form.
    """

    interaction: str
    path: str
    method: str
    summary: str
    answers: tuple[tuple[str, str], ...]
    parameters: tuple[str, ...] = ()
    sends: str = ""
    searches: str = ""


_FOUND = (("200", "Found"),)
_VERSIONS = (("200", "Versions"),)
_READ = (("200", "Resource"), ("304", "Unchanged"))
_UPDATED = (("200", "Updated"), ("201", "Created"))
_CREATED = (("201", "Created"), ("200", "Resource"))
_PATCHED = (("200", "Updated"),)
_DELETED = (("204", "Deleted"),)

_COPY = ("If-None-Match", "If-Modified-Since")
_UPDATE = ("If-Match", "If-None-Match", "Prefer")

TYPE_ROWS = (
    _Operation("search-type", "", "get", "Search", _FOUND, searches="query"),
    _Operation("search-type", "/_search", "post", "Search by a form", _FOUND, searches="form"),
    _Operation("create", "", "post", "Create", _CREATED, ("If-None-Exist", "Prefer"), "Resource"),
    _Operation(
        "update", "", "put", "Update the one that matches, or create", _UPDATED, _UPDATE, "Resource", "criteria"
    ),
    _Operation(
        "patch", "", "patch", "Patch the one that matches", _PATCHED, ("If-Match", "Prefer"), "Patch", "criteria"
    ),
    _Operation("delete", "", "delete", "Delete the one that matches", _DELETED, searches="criteria"),
    _Operation("history-type", "/_history", "get", "All versions of this type", _VERSIONS, ("_count", "_since")),
    _Operation("read", "/{id}", "get", "Read", _READ, _COPY),
    _Operation("update", "/{id}", "put", "Update, or create", _UPDATED, _UPDATE, "Resource"),
    _Operation("patch", "/{id}", "patch", "Patch", _PATCHED, ("If-Match", "Prefer"), "Patch"),
    _Operation("delete", "/{id}", "delete", "Delete", _DELETED, ("If-Match",)),
    _Operation("history-instance", "/{id}/_history", "get", "All versions", _VERSIONS, ("_count", "_since")),
    _Operation("vread", "/{id}/_history/{version}", "get", "Read a version", _READ, _COPY),
)

SYSTEM_ROWS = (
    _Operation("capabilities", "/metadata", "get", "What the server offers", (("200", "Statement"),)),
    _Operation("transaction", "/", "post", "A transaction or a batch", (("200", "Done"),), ("Prefer",), "Bundle"),
    _Operation("search-system", "/", "get", "Search several types", _FOUND, searches="query"),
    _Operation("search-system", "/_search", "post", "Search several types by a form", _FOUND, searches="form"),
    _Operation("history-system", "/_history", "get", "All versions of everything", _VERSIONS, ("_count", "_since")),
)


_ABOUT = (
    f"Examples work on the demo population. The `{WHOLE}` of an operation are whole requests by name: title, path "
    "below the server's URL, headers, and the status that a fresh copy of that population answers. The body of one "
    "stands under the same name in the examples of the request body."
)


def openapi_route(examples: tuple[Example, ...] = ()) -> Route:
    """The route of the document. It stands before that of a type's search, which takes its path otherwise.

    `examples` are requests that work on the demo population.
    """
    return Route(f"{BASE_PATH}/openapi.json", _answer(examples), methods=["GET"])


def _answer(examples: tuple[Example, ...]) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        """Raises FhirError 400 for a Host that this server is not known by."""
        server: Server = open_context(request).server
        url, parameter_set = server.base_url or BASE_PATH, server.parameters.searched
        # Made once, in some 0.3 s that other requests do not wait for.
        body = await asyncio.to_thread(document, url, parameter_set, examples, server.oauth_endpoints)
        return Response(body, media_type="application/json")

    return answer


@lru_cache(maxsize=2)
def document(
    url: str,
    parameter_set: ParameterSet,
    examples: tuple[Example, ...] = (),
    oauth_endpoints: tuple[tuple[str, str], ...] = (),
) -> bytes:
    """The description for the FHIR base at `url`, as JSON; with the paths of `oauth_endpoints` where apps sign in."""
    named = _NamedParameters(parameter_set)
    paths: dict[str, Node] = {}
    for row in SYSTEM_ROWS:
        if row.interaction == "capabilities" or row.interaction in SYSTEM_INTERACTIONS:
            _add(paths, row, "", named)
    for type in resource_types():
        for row in TYPE_ROWS:
            if row.interaction in TYPE_INTERACTIONS:
                _add(paths, row, type, named)
    for path, each in own_operation_paths():
        _add_own(paths, path, each)
    for compartment in COMPARTMENTS:
        paths[f"/{compartment}/{{id}}/{{type}}"] = _compartment_search(compartment)
    parts = components(named.nodes, [*CRITERIA, *RESULTS])
    add_examples(paths, parts, examples)
    signed_in: Node = {}
    if oauth_endpoints:
        parts["securitySchemes"] = security_schemes(url, dict(oauth_endpoints))
        signed_in["security"] = [{name: []} for name in parts["securitySchemes"]]
        paths["/metadata"]["get"]["security"] = []
    return encode(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "fhir-server",
                "summary": "FHIR R4 interoperability server",
                "description": _ABOUT,
                "version": fhir_server.__version__,
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "servers": [{"url": url}],
            "tags": [{"name": "system", "description": "What concerns all types."}, *map(_tag, resource_types())],
            **signed_in,
            "paths": paths,
            "components": parts,
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
        return shared(name)


_COMPONENT_NAME = re.compile(r"[\w.-]+", re.ASCII).fullmatch


def _add(paths: dict[str, Node], row: _Operation, type: str, named: _NamedParameters) -> None:
    """Write an operation under its path, which holds what all its operations take."""
    path = f"/{type}{row.path}" if type else row.path
    every = [*map(shared, PATH_PARAMETERS.findall(path)), shared("_format"), shared("_pretty")]
    paths.setdefault(path, {"parameters": every})[row.method] = _operation(row, type, named)


def _operation(row: _Operation, type: str, named: _NamedParameters) -> Node:
    """One operation; `type` is empty for those of the whole system."""
    place = row.path.replace("{", "").replace("}", "").replace("/", "-").rstrip("-")
    node: Node = {
        "operationId": "-".join(part for part in (row.interaction, type, row.method + place) if part),
        "summary": row.summary,
        "tags": [type or "system"],
        "parameters": [shared(name) for name in row.parameters],
        "responses": _responses(row.answers),
    }
    if row.sends:
        node["requestBody"] = shared(row.sends, "requestBodies")
    match row.searches:
        case "query":
            names = (*CRITERIA, *RESULTS) if type else ("_type", *CRITERIA, *RESULTS)
            node["parameters"] += [named.reference(type, each) for each in named.of(type)]
            node["parameters"] += map(shared, names)
        case "form":
            node["requestBody"] = _form(type, named)
        case "criteria":
            node["description"] = f"The query says which one, in the parameters of GET /{type}."
    return node


def _add_own(paths: dict[str, Node], path: str, operation: OwnOperation) -> None:
    """One of the server's $operations, with what it takes."""
    every = [*map(shared, PATH_PARAMETERS.findall(path)), shared("_format"), shared("_pretty")]
    node = paths.setdefault(path, {"parameters": every})
    taken = "; ".join(
        f"{each.name} ({each.type}{', required' if each.least else ''}){': ' + each.text if each.text else ''}"
        for each in operation.takes
    )
    for method in operation.methods:
        described: Node = {
            "operationId": f"operation-{method.lower()}{path.replace('{id}', 'id').replace('/', '-').replace('$', '')}",
            "summary": operation.summary,
            "description": f"{operation.definition}. Parameters: {taken or 'none'}.",
            "tags": [operation.type or "system"],
            "parameters": [
                {"name": each.name, "in": "query", "description": each.text or each.type, "schema": VALUES}
                for each in operation.takes
                if each.type != "Resource"
            ]
            if method == "GET"
            else [],
            "responses": _responses(_FOUND),
        }
        if operation.writes:
            file = {"schema": {"type": "string", "format": "binary"}}
            kinds = {FHIR_JSON: {"schema": {"type": "object"}}} | dict.fromkeys(operation.writes, file)
            described["responses"]["200"] = {"description": "The document, or a Binary resource", "content": kinds}
        if method == "POST":
            described["requestBody"] = shared("Parameters", "requestBodies")
        node[method.lower()] = described


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
    return {"name": parameter.code, "in": "query", "description": " ".join(said), "schema": VALUES}


def _form(type: str, named: _NamedParameters) -> Node:
    codes = [parameter.code for parameter in named.of(type)]
    own = {"properties": dict.fromkeys(codes if type else ["_type", *codes], VALUES)}
    return {
        "description": "The parameters of the search by GET, with the same modifiers and chains.",
        "content": {FORM: {"schema": {"allOf": [{"$ref": "#/components/schemas/SearchForm"}, own]}}},
    }


def _compartment_search(compartment: str) -> Node:
    types = [type for type in resource_types() if compartment_parameters(compartment, type)]
    search: Node = {
        "operationId": f"search-compartment-{compartment}",
        "summary": f"Search what belongs to the {compartment}",
        "description": f"By the search parameters of the type. Types: {' '.join(types)}.",
        "tags": [compartment],
        "parameters": [shared(name) for name in (*CRITERIA, *RESULTS)],
        "responses": _responses(_FOUND),
    }
    return {"parameters": [shared(name) for name in ("id", "type", "_format", "_pretty")], "get": search}


def _responses(answers: tuple[tuple[str, str], ...]) -> Node:
    return {status: shared(name, "responses") for status, name in (*answers, ("default", "Refused"))}


def _tag(type: str) -> Node:
    return {"name": type, "externalDocs": {"url": f"https://hl7.org/fhir/R4/{type.lower()}.html"}}
