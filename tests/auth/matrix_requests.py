"""What can be asked of one record by every route: the requests of the access matrix. `{type}` and `{id}` are filled in.

https://hl7.org/fhir/R4/http.html
"""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from tests.rest.conftest import FHIR_JSON


@dataclass(frozen=True, slots=True)
class Request:
    """One request on a resource of a type and id; `{type}` and `{id}` are filled in."""

    method: str
    url: str
    json: Any = None
    form: dict[str, str] | None = None
    headers: dict[str, str] = field(default_factory=dict)


def asked(request: Request, type: str, id: str) -> dict[str, Any]:
    def filled(value: Any) -> Any:
        match value:
            case str():
                return value.replace("{type}", type).replace("{id}", id)
            case dict():
                return {name: filled(each) for name, each in value.items()}
            case list():
                return [filled(each) for each in value]
        return value

    headers = dict(request.headers)
    sent: dict[str, Any] = {"method": request.method, "url": filled(request.url), "headers": headers}
    if request.json is not None:
        headers.setdefault("content-type", FHIR_JSON["content-type"])
        sent["content"] = msgspec.json.encode(filled(request.json))
    if request.form is not None:
        sent["data"] = filled(request.form)
    return sent


CONTENT = {"resourceType": "{type}", "id": "{id}", "status": "final", "type": "person", "actual": True}
OBSERVED = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"text": "x"},
    "subject": {"reference": "Patient/anna"},
}
PATCH = {"content-type": "application/json-patch+json"}
CHANGE = [{"op": "add", "path": "/language", "value": "en"}]


def parameters(**given: str) -> dict[str, Any]:
    """Parameters of an operation: references by names that say so, texts by others."""
    found: list[dict[str, Any]] = []
    for name, value in given.items():
        form = {"valueReference": {"reference": value}} if name.endswith("reference") else {"valueString": value}
        found.append({"name": name.replace("_", "-"), **form})
    return {"resourceType": "Parameters", "parameter": found}


def bundle(type: str, *requests: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": type, "entry": list(requests)}


def entry(method: str, url: str, resource: Any = None, **more: str) -> dict[str, Any]:
    made: dict[str, Any] = {"request": {"method": method, "url": url, **more}}
    return made if resource is None else made | {"resource": resource}


PATCHING = {
    "resourceType": "Parameters",
    "parameter": [
        {
            "name": "operation",
            "part": [
                {"name": "type", "valueCode": "add"},
                {"name": "path", "valueString": "{type}"},
                {"name": "name", "valueString": "language"},
                {"name": "value", "valueCode": "en"},
            ],
        }
    ],
}
BUNDLES = [
    bundle("batch", entry("GET", "{type}/{id}"), entry("GET", "{type}/{id}/_history"), entry("GET", "{type}?_id={id}")),
    bundle("batch", entry("GET", "{type}/{id}/_history/1"), entry("GET", "Observation?subject={type}/{id}")),
    bundle("batch", entry("PUT", "{type}/{id}", CONTENT)),
    bundle("batch", entry("PATCH", "{type}/{id}", PATCHING), entry("DELETE", "{type}/{id}")),
    bundle("transaction", entry("GET", "{type}/{id}")),
    bundle("transaction", entry("PUT", "{type}/{id}", CONTENT)),
    bundle("transaction", entry("PATCH", "{type}/{id}", PATCHING)),
    bundle("transaction", entry("DELETE", "{type}/{id}")),
    bundle("transaction", entry("DELETE", "{type}?_id={id}")),
    bundle("transaction", entry("POST", "Observation", OBSERVED, ifNoneExist="_id={id}&subject={type}/{id}")),
]
BY_REFERENCE = [
    "Observation?subject={type}/{id}",
    "Observation?_has:Provenance:target:_id={id}",
    "Provenance?target={type}/{id}",
    "Observation?subject:Patient._id={id}",
    "Patient?_has:Observation:patient:_id={id}",
    "List?_list={id}",
    "Appointment?actor={type}/{id}&_include=*&_revinclude=*",
]

REQUESTS: dict[tuple[str, str], list[Request]] = {
    ("/{type:type}/{id:name}", "GET"): [
        Request("GET", "{type}/{id}"),
        Request("GET", "{type}/{id}", headers={"if-none-match": '*, W/"1"'}),
        Request("GET", "{type}/{id}?_summary=true"),
        Request("HEAD", "{type}/{id}"),
    ],
    ("/{type:type}/{id:name}", "PUT"): [
        Request("PUT", "{type}/{id}", CONTENT),
        Request("PUT", "{type}/{id}", CONTENT, headers={"if-match": 'W/"1"'}),
        Request("PUT", "{type}/{id}", CONTENT, headers={"if-match": 'W/"7"'}),
        Request("PUT", "{type}/{id}", CONTENT, headers={"if-none-match": "*"}),
        Request("PUT", "Observation/{id}", OBSERVED | {"id": "{id}"}),
        Request("PUT", "Observation/{id}", OBSERVED | {"id": "{id}"}, headers={"if-match": 'W/"1"'}),
    ],
    ("/{type:type}/{id:name}", "PATCH"): [
        Request("PATCH", "{type}/{id}", CHANGE, headers=PATCH),
        Request("PATCH", "{type}/{id}", CHANGE, headers=PATCH | {"if-match": 'W/"1"'}),
        Request("PATCH", "{type}/{id}", [{"op": "test", "path": "/status", "value": "final"}], headers=PATCH),
    ],
    ("/{type:type}/{id:name}", "DELETE"): [
        Request("DELETE", "{type}/{id}"),
        Request("DELETE", "{type}/{id}", headers={"if-match": 'W/"1"'}),
    ],
    ("/metadata", "GET"): [],
    ("/{type:type}", "GET"): [
        Request("GET", "{type}?_id={id}"),
        Request("GET", "{type}?_id={id}&_summary=count"),
        Request("GET", "{type}?_id={id}&_total=estimate"),
        Request("GET", "{type}?_id={id}&_include=*&_revinclude=*"),
        Request("GET", "{type}?_filter=_id eq {id}"),
        Request("GET", "{type}?_id={id}&__explain=true"),
        *(Request("GET", url) for url in BY_REFERENCE),
    ],
    ("/{type:type}", "POST"): [
        Request("POST", "Observation", OBSERVED | {"subject": {"reference": "{type}/{id}"}}),
        Request("POST", "Observation", OBSERVED, headers={"if-none-exist": "_id={id}&status=final"}),
    ],
    ("/{type:type}", "PUT"): [Request("PUT", "{type}?_id={id}", {**CONTENT, "id": "{id}"})],
    ("/{type:type}", "PATCH"): [Request("PATCH", "{type}?_id={id}", CHANGE, headers=PATCH)],
    ("/{type:type}", "DELETE"): [Request("DELETE", "{type}?_id={id}")],
    ("", "GET"): [
        Request("GET", "?_type={type}&_id={id}"),
        Request("GET", "?_id={id}"),
        Request("GET", "?_type=Observation,Patient&_id={id}&_summary=count"),
    ],
    ("", "POST"): [Request("POST", "", each) for each in BUNDLES],
    ("/", "GET"): [Request("GET", "./?_id={id}")],
    ("/", "POST"): [Request("POST", "./", BUNDLES[0])],
    ("/{type:type}/_search", "POST"): [Request("POST", "{type}/_search", form={"_id": "{id}"})],
    ("/{type:type}/{id:name}/{inner:name}", "GET"): [
        Request("GET", "{type}/{id}/Observation"),
        Request("GET", "{type}/{id}/*"),
        Request("GET", "{type}/{id}/Observation?_summary=count"),
    ],
    ("/{type:type}/{id:name}/_history", "GET"): [
        Request("GET", "{type}/{id}/_history"),
        Request("GET", "{type}/{id}/_history?_count=0"),
        Request("GET", "{type}/{id}/_history?_since=2100-01-01T00:00:00Z"),
    ],
    ("/{type:type}/{id:name}/_history/{version:name}", "GET"): [
        Request("GET", "{type}/{id}/_history/1"),
        Request("GET", "{type}/{id}/_history/2"),
    ],
    ("/{type:type}/_history", "GET"): [],
    ("/_history", "GET"): [],
    ("/_search", "POST"): [Request("POST", "_search", form={"_type": "{type}", "_id": "{id}"})],
    ("/{type:type}/{id:name}/{inner:name}/_search", "POST"): [
        Request("POST", "{type}/{id}/Observation/_search", form={"status": "final"})
    ],
    ("/{type:type}/{id:name}/_search", "POST"): [Request("POST", "{type}/{id}/_search", form={"_count": "5"})],
    ("/${operation}", "GET"): [],
    ("/${operation}", "POST"): [],
    ("/{type:type}/${operation}", "GET"): [Request("GET", "Appointment/$find?patient={type}/{id}")],
    ("/{type:type}/${operation}", "POST"): [
        Request("POST", f"Appointment/${code}", parameters(**given))
        for code in ("hold", "book")
        for given in ({"appt_id": "{id}"}, {"appt_id": "slot.{id}"}, {"appointment_reference": "{type}/{id}"})
    ],
    ("/{type:type}/{id:name}/${operation}", "GET"): [Request("GET", "{type}/{id}/$everything")],
    ("/{type:type}/{id:name}/${operation}", "POST"): [Request("POST", "{type}/{id}/$everything", {})],
}
"""By path and method, what is asked of one record; empty where a route names none."""
