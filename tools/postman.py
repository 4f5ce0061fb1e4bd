"""A Postman collection of the example requests: a folder for each topic, and a test of the status in each request.

https://schema.getpostman.com/json/collection/v2.1.0/docs/index.html
"""

import json
from typing import Any

from tools.example_requests import BASE, HOW_TO_SIGN_IN, SYSTEM, TOKEN, ExampleRequest

SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"

_ABOUT = (
    "FHIR R4 requests that work on the demo data. Made by tools/write_docs.py from the examples of the OpenAPI "
    f"description: change seeds/examples.py. {HOW_TO_SIGN_IN}"
)

Node = dict[str, Any]


def collection(requests: tuple[ExampleRequest, ...]) -> str:
    """The collection as JSON; its variable `base` is the FHIR base, `token` the access token that all requests bear."""
    topics = dict.fromkeys(request.topic for request in requests)
    return (
        json.dumps(
            {
                "info": {"name": "fhir-server", "description": _ABOUT, "schema": SCHEMA},
                "item": [
                    {"name": _folder(topic), "item": [_item(each) for each in requests if each.topic == topic]}
                    for topic in topics
                ],
                "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{token}}", "type": "string"}]},
                "variable": [
                    {"key": "base", "value": BASE, "type": "string"},
                    {"key": "token", "value": TOKEN, "type": "string"},
                ],
            },
            indent=1,
            ensure_ascii=False,
        )
        + "\n"
    )


def _folder(topic: str) -> str:
    return "The whole system" if topic == SYSTEM else topic


def _item(request: ExampleRequest) -> Node:
    path, _, query = request.path.partition("?")
    url: Node = {"raw": f"{{{{base}}}}/{request.path}", "host": ["{{base}}"], "path": path.split("/")}
    if query:
        pairs = (pair.partition("=") for pair in query.split("&"))
        url["query"] = [{"key": name, "value": value} for name, _, value in pairs]
    sent: Node = {
        "method": request.method,
        "header": [{"key": name, "value": value} for name, value in request.headers],
        "url": url,
    }
    if request.body:
        sent["body"] = {"mode": "raw", "raw": request.body}
    says = f'pm.test("answers {request.status}", () => pm.response.to.have.status({request.status}));'
    test = {"listen": "test", "script": {"type": "text/javascript", "exec": [says]}}
    return {"name": request.title, "event": [test], "request": sent}
