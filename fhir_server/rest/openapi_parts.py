"""What the operations of the OpenAPI description share: parameters, headers, responses and schemas.

https://spec.openapis.org/oas/v3.1.0#components-object
"""

from typing import Any
from urllib.parse import urlsplit

from fhir_server.definitions.capability import CRITERIA, RESULTS
from fhir_server.rest.negotiate import FHIR_JSON, HTML, PLAIN_JSON

Node = dict[str, Any]

_TEXT: Node = {"type": "string"}
_BOOLEAN: Node = {"type": "boolean"}

PARAMETERS: dict[str, tuple[str, str]] = {
    "id": ("path", "The logical id."),
    "version": ("path", "The version id."),
    "type": ("path", "The type to search for; * for all types of the compartment."),
    "If-Match": ("header", 'The version that must be current, as W/"3", or *.'),
    "If-None-Match": ("header", "A read: the version the client has. A write: *, where nothing may be there yet."),
    "If-Modified-Since": ("header", "The moment of the copy the client has."),
    "If-None-Exist": ("header", "Search criteria; nothing is created where they match."),
    "Prefer": ("header", "return=minimal, representation or OperationOutcome; handling=lenient."),
    "_since": ("query", "Versions made at or after this instant."),
    "_format": ("query", "How the answer is written; wins over Accept."),
    "_pretty": ("query", "true indents the answer."),
    "_type": ("query", "The types to search, with commas between them."),
} | {code: ("query", what) for code, what in {**CRITERIA, **RESULTS}.items()}
"""Where each parameter that is no search parameter stands, and what it means."""

VALUES: Node = {"$ref": "#/components/schemas/Values"}

_SCHEMAS: dict[str, Node] = {
    "id": {"type": "string", "pattern": "^[A-Za-z0-9.-]{1,64}$"},
    "version": {"type": "string", "pattern": "^[1-9][0-9]{0,8}$"},
    "_since": {"type": "string", "format": "date-time"},
    "_format": {"enum": ["json", "html", FHIR_JSON, PLAIN_JSON, HTML]},
    "_pretty": _BOOLEAN,
    "_count": {"type": "integer", "minimum": 0},
    "_total": {"enum": ["none", "estimate", "accurate"]},
    "_summary": {"enum": ["true", "text", "data", "count", "false"]},
    "_contained": {"enum": ["false", "true", "both"]},
    "_containedType": {"enum": ["container", "contained"]},
    "__explain": _BOOLEAN,
    **dict.fromkeys((*CRITERIA, "_include", "_revinclude"), VALUES),
}
"""Schemas of the parameters that are not any text."""

_ALWAYS_THERE = {"version": "1", "type": "*"}
"""Values of path parameters that work for whatever id does."""

_HEADERS = {
    "ETag": 'The version, as W/"3".',
    "Last-Modified": "When the version was made.",
    "Location": "The URL of the version written.",
}

_RESPONSES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "Statement": ("What the server offers.", "Resource", ()),
    "Resource": ("The resource.", "Resource", ("ETag", "Last-Modified")),
    "Unchanged": ("The client's copy is current.", "", ("ETag",)),
    "Updated": ("The version written.", "Resource", ("ETag", "Last-Modified", "Location")),
    "Created": ("The resource as it was created.", "Resource", ("ETag", "Last-Modified", "Location")),
    "Deleted": ("It is deleted, or was not there.", "", ()),
    "Found": ("A page of what matches; `link` leads to the next one. With __explain the plan.", "Found", ()),
    "Versions": ("Versions, the newest first.", "Bundle", ()),
    "Done": ("An entry for each entry sent.", "Bundle", ()),
    "Refused": ("What was wrong, all of it.", "OperationOutcome", ()),
}
"""Each response by name: what it says, the schema of its body, and its headers beside X-Request-Id."""


def shared(name: str, kind: str = "parameters") -> Node:
    """A reference to one of `components`; `kind` is its group."""
    return {"$ref": f"#/components/{kind}/{name}"}


_JSON = (FHIR_JSON, PLAIN_JSON)
_PATCHES: dict[str, Node] = {
    "application/json-patch+json": {"type": "array", "items": {"type": "object", "required": ["op", "path"]}},
    "application/merge-patch+json": {"type": "object"},
    FHIR_JSON: shared("Parameters", "schemas"),
    PLAIN_JSON: {"type": ["array", "object"]},
}
"""Media types of a patch: RFC 6902, RFC 7396, FHIRPath Patch, and any of the three."""


def components(named: dict[str, Node], forms: list[str]) -> Node:
    """The components object. `named` are the search parameters, `forms` the names that every search form takes."""
    values = "Each value is a condition of its own; commas inside one separate alternatives."
    return {
        "headers": {name: {"description": what, "schema": _TEXT} for name, what in _HEADERS.items()}
        | {"X-Request-Id": {"description": "The id of the request.", "schema": _TEXT}},
        "responses": {name: _response(*row) for name, row in _RESPONSES.items()},
        "requestBodies": {
            "Resource": {"content": _content("Resource"), "required": True},
            "Bundle": {"content": _content("Bundle"), "required": True},
            "Parameters": {"content": _content("Parameters")},
            "Patch": {"content": {name: {"schema": schema} for name, schema in _PATCHES.items()}, "required": True},
        },
        "schemas": {
            "Values": {"type": "array", "items": _TEXT, "description": values},
            "SearchForm": {"type": "object", "properties": {name: _SCHEMAS.get(name, _TEXT) for name in forms}},
            "Resource": _resource(None),
            "Bundle": _resource("Bundle"),
            "OperationOutcome": _resource("OperationOutcome"),
            "Parameters": _resource("Parameters"),
            "Found": {"anyOf": [shared("Bundle", "schemas"), shared("Parameters", "schemas")]},
        },
        "parameters": {name: _parameter(name, *row) for name, row in PARAMETERS.items()} | named,
    }


_SCOPES = {
    "openid": "Who signed in.",
    "fhirUser": "The Patient or Practitioner of who signed in.",
    "launch": "What an EHR passes on when it launches an app.",
    "launch/patient": "A patient, chosen at sign-in.",
    "offline_access": "Refresh tokens that outlive the session.",
    "online_access": "Refresh tokens for as long as the session lasts.",
    "patient/*.rs": "Read and search the records of the patient in context; `*` may be a type, `rs` any of cruds.",
    "user/*.rs": "The same for all that who signed in may see.",
}
_SYSTEM_SCOPES = {
    "system/*.rs": "Read and search what the client's agency may see; `*` may be a type, `rs` any of cruds."
}


def security_schemes(url: str, endpoints: dict[str, str]) -> Node:
    """How apps sign in (https://spec.openapis.org/oas/v3.1.0#oauth-flows-object).

    `endpoints` are paths at the origin of the base `url`, by the names of SMART's extension `oauth-uris`.
    """
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
    token = origin + endpoints["token"]
    code = {
        "authorizationUrl": origin + endpoints["authorize"],
        "tokenUrl": token,
        "refreshUrl": token,
        "scopes": _SCOPES,
    }
    flows = {"authorizationCode": code, "clientCredentials": {"tokenUrl": token, "scopes": _SYSTEM_SCOPES}}
    about = f"SMART App Launch 2.2, with PKCE (S256); {url}/.well-known/smart-configuration says all of it."
    return {"smart": {"type": "oauth2", "description": about, "flows": flows}}


def named_by(reference: Node) -> str:
    """The name of the component that a reference leads to."""
    name: str = reference["$ref"].rpartition("/")[2]
    return name


def _content(schema: str) -> Node:
    return {name: {"schema": shared(schema, "schemas")} for name in _JSON}


def _parameter(name: str, place: str, what: str) -> Node:
    schema = _SCHEMAS.get(name, _TEXT)
    node = {"name": name, "in": place, "description": what, "required": place == "path", "schema": schema}
    return node | ({"example": _ALWAYS_THERE[name]} if name in _ALWAYS_THERE else {})


def _response(what: str, schema: str, headers: tuple[str, ...]) -> Node:
    listed = {name: shared(name, "headers") for name in (*headers, "X-Request-Id")}
    content = _content(schema) | {HTML: {"schema": _TEXT}} if schema else {}
    return {"description": what, "headers": listed} | ({"content": content} if content else {})


def _resource(type: str | None) -> Node:
    named: Node = _TEXT if type is None else {"const": type}
    return {"type": "object", "required": ["resourceType"], "properties": {"resourceType": named}}
