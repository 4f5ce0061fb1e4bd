"""Example requests in the OpenAPI description: each at its operation, whole and as values of parameters and body.

https://spec.openapis.org/oas/v3.1.0#example-object, https://spec.openapis.org/oas/v3.1.0#specification-extensions
"""

import re
from collections.abc import Mapping
from itertools import chain, count
from typing import Protocol
from urllib.parse import parse_qsl

from fhir_server.core.codec import decode
from fhir_server.rest.negotiate import FHIR_JSON
from fhir_server.rest.openapi_parts import VALUES, Node, named_by, shared

WHOLE = "x-examples"
"""Key of an operation's whole requests: by name, each with title, path, headers and status.

Its body stands under the same name in the examples of the request's body.
"""

FORM = "application/x-www-form-urlencoded"

_NOT_IN_A_NAME = re.compile(r"[^a-z0-9]+")


class Example(Protocol):
    """A request that works on the server's data. `path` is relative to the FHIR base, `body` the text sent.

    `headers` are pairs of name and value; a body without Content-Type is FHIR JSON.
    """

    @property
    def title(self) -> str: ...
    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def body(self) -> str: ...
    @property
    def headers(self) -> tuple[tuple[str, str], ...]: ...
    @property
    def status(self) -> int: ...


def operation_of(path: str) -> tuple[str, Mapping[str, str]]:
    """The path of the description that a request goes to, and the values of its path parameters.

    Raises ValueError for a path that no operation has.
    """
    match path.partition("?")[0].strip("/").split("/"):
        case [""]:
            return "/", {}
        case ["metadata" | "_history" | "_search" as place]:
            return f"/{place}", {}
        case [type]:
            return f"/{type}", {}
        case [type, "_history" | "_search" as place]:
            return f"/{type}/{place}", {}
        case [type, id]:
            return f"/{type}/{{id}}", {"id": id}
        case [type, id, "_history"]:
            return f"/{type}/{{id}}/_history", {"id": id}
        case [type, id, "_history", version]:
            return f"/{type}/{{id}}/_history/{{version}}", {"id": id, "version": version}
        case [type, id, inner]:
            return f"/{type}/{{id}}/{{type}}", {"id": id, "type": inner}
    raise ValueError(f"{path} is no path of the RESTful API.")


def add_examples(paths: dict[str, Node], parts: Node, examples: tuple[Example, ...]) -> None:
    """Write the examples into the operations of `paths`; `parts` are the components, which grow by ids.

    What is not offered is left out.
    """
    parameters: dict[str, Node] = parts["parameters"]
    for example in examples:
        path, values = operation_of(example.path)
        operation = paths.get(path, {}).get(example.method.lower())
        if operation is not None:
            _add_whole(operation, parts["requestBodies"], example)
            _add_values(operation, paths[path], parameters, example, values)
            if example.method == "GET" and "/{" not in path:
                _add_form(paths.get(f"{path.rstrip('/')}/_search", {}), example)
    for path, item in paths.items():
        type, _, rest = path.strip("/").partition("/")
        known = f"{type}.id"
        if rest.startswith("{id}") and known in parameters:
            item["parameters"] = [shared(known) if each == shared("id") else each for each in item["parameters"]]


def _add_whole(operation: Node, bodies: dict[str, Node], example: Example) -> None:
    whole = operation.setdefault(WHOLE, {})
    name = unused_name(example.title, whole)
    whole[name] = {"summary": example.title, "path": example.path, "status": example.status}
    if example.headers:
        whole[name]["headers"] = dict(example.headers)
    if example.body:
        body = operation["requestBody"]
        if "$ref" in body:
            shared_body = bodies[named_by(body)]
            body = shared_body | {"content": {name: dict(each) for name, each in shared_body["content"].items()}}
            operation["requestBody"] = body
        sent = _media_type(example)
        value = _form(example.body) if sent == FORM else decode(example.body.encode())
        body["content"][sent].setdefault("examples", {})[name] = {"summary": example.title, "value": value}


def _add_values(
    operation: Node, item: Node, parameters: dict[str, Node], example: Example, values: Mapping[str, str]
) -> None:
    """The request's parameters as examples of the operation's, and its id as an example for all paths of its type."""
    type = example.path.partition("/")[0]
    if "id" in values and example.method == "GET":
        parameters.setdefault(f"{type}.id", parameters["id"] | {"example": values["id"]})
    pairs = parse_qsl(example.path.partition("?")[2], keep_blank_values=True)
    sent = {name: [value for other, value in pairs if other == name] for name, _ in pairs} | {
        name: [value] for name, value in {**values, **dict(example.headers)}.items() if name != "id"
    }
    for holder in (operation, item):
        listed = holder.get("parameters", [])
        for index, each in enumerate(listed):
            node = parameters[named_by(each)] if "$ref" in each else each
            if node["name"] in sent:
                listed[index] = _with_value(node, example.title, sent[node["name"]])


def _add_form(search: Node, example: Example) -> None:
    """A search by GET as an example of the form that asks the same."""
    query = example.path.partition("?")[2]
    if query and "post" in search:
        listed = search["post"]["requestBody"]["content"][FORM].setdefault("examples", {})
        listed[unused_name(example.title, listed)] = {"summary": example.title, "value": _form(query)}


def _with_value(parameter: Node, title: str, values: list[str]) -> Node:
    several = parameter["schema"] == VALUES
    examples: Node = dict(parameter.get("examples", {}))
    value = values if several else _typed(parameter["schema"], values[0])
    if all(each["value"] != value for each in examples.values()):
        examples[unused_name(title, examples)] = {"summary": title, "value": value}
    return {name: each for name, each in parameter.items() if name != "example"} | {"examples": examples}


def _typed(schema: Node, text: str) -> str | int | bool:
    match schema.get("type"):
        case "integer":
            return int(text)
        case "boolean":
            return text == "true"
    return text


def _media_type(example: Example) -> str:
    for name, value in example.headers:
        if name.lower() == "content-type":
            return value.partition(";")[0].strip()
    return FHIR_JSON


def _form(body: str) -> dict[str, list[str]]:
    pairs = parse_qsl(body, keep_blank_values=True)
    return {name: [value for other, value in pairs if other == name] for name, _ in pairs}


def unused_name(title: str, names: Mapping[str, Node]) -> str:
    """A name made of the title's words that none of `names` has."""
    name = _NOT_IN_A_NAME.sub("-", title.lower()).strip("-")
    return next(each for each in chain([name], (f"{name}-{number}" for number in count(2))) if each not in names)
