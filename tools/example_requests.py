"""The example requests of the OpenAPI description, as the .http files and the Postman collection hold them.

https://spec.openapis.org/oas/v3.1.0#example-object
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from fhir_server.core.codec import decode, encode, indented
from fhir_server.definitions.parameter_set import STANDARD
from fhir_server.rest.negotiate import FHIR_JSON
from fhir_server.rest.openapi import document
from fhir_server.rest.openapi_examples import FORM, WHOLE
from seeds.examples import EXAMPLES

BASE = "http://127.0.0.1:8080/fhir"
TOKEN = "paste-an-access-token-here"
"""What stands for the access token; a server without sign-in does not look at it."""

HOW_TO_SIGN_IN = (
    "On a server with sign-in put an access token into `token`: .venv/bin/fhir-server token issue "
    "--client demo-public --user administrator --scope 'user/*.cruds'"
)

SYSTEM = "system"
"""The topic of what concerns all types."""


@dataclass(frozen=True, slots=True)
class ExampleRequest:
    """One request on the demo population. `topic` is a resource type or SYSTEM, `path` relative to the FHIR base and
    percent-encoded, `status` what it answers there."""

    topic: str
    title: str
    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: str
    status: int


def example_requests() -> tuple[ExampleRequest, ...]:
    """All of them: by topic, the whole system first, and in a topic in the order in which they are declared."""
    described = decode(document(BASE, STANDARD, EXAMPLES))
    found = [
        _request(operation, method.upper(), name)
        for item in described["paths"].values()
        for method, operation in item.items()
        if method != "parameters"
        for name in operation.get(WHOLE, ())
    ]
    order: dict[tuple[str, str, str], int] = {
        (each.method, _encoded(each.path), each.title): number for number, each in enumerate(EXAMPLES)
    }
    found.sort(key=lambda each: (each.topic != SYSTEM, each.topic, order[each.method, each.path, each.title]))
    return tuple(found)


def _request(operation: dict[str, Any], method: str, name: str) -> ExampleRequest:
    whole = operation[WHOLE][name]
    headers = {"Accept": FHIR_JSON, **whole.get("headers", {})}
    body = ""
    for media_type, each in operation.get("requestBody", {}).get("content", {}).items():
        if name in each.get("examples", ()):
            value = each["examples"][name]["value"]
            headers.setdefault("Content-Type", media_type)
            body = urlencode(value, doseq=True) if media_type == FORM else indented(encode(value)).decode()
    title, path = whole["summary"], _encoded(whole["path"])
    return ExampleRequest(operation["tags"][0], title, method, path, tuple(headers.items()), body, whole["status"])


def _encoded(path: str) -> str:
    """The path with what may not stand in a URL percent-encoded; what is encoded already stays."""
    return quote(path, safe="/?&=:,._~-%$*+")
