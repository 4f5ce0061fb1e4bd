"""Every route, by every kind of caller, on a record that is not theirs: as if there were none, and it is as it was
afterwards. A route that joins `routes.TABLE` fails here until it has its requests.

https://hl7.org/fhir/R4/security.html#authorization
"""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio

from fhir_server.interactions import delete, history, read
from fhir_server.interactions.context import RequestContext
from fhir_server.rest.routes import TABLE
from smart_auth.access import AccessContext, Kind
from tests.rest.access import as_bearer, guarded, scopes
from tests.rest.conftest import FHIR_JSON, observation, patient
from tests.rest.in_process import opened, put

SECRET = "only-b-may-know"
MISSING = "never-there"


def caller(kind: Kind, level: str, **more: Any) -> AccessContext:
    return AccessContext(f"{kind}-{level}", "app", kind, scopes(f"{level}/*.cruds"), **more)


CALLERS = {
    "patient": caller("patient", "patient", patient="a", patients=("a",), fhir_user="Patient/a"),
    "account": caller("patient", "user", patients=("a",), fhir_user="Patient/a"),
    "lost": caller("patient", "patient"),
    "practitioner": caller("practitioner", "user", fhir_user="Practitioner/dr"),
    "launched": caller("practitioner", "patient", patient="a", fhir_user="Practitioner/dr"),
    "stray launch": caller("practitioner", "patient", patient="patient-b", fhir_user="Practitioner/dr"),
    "agency for one": caller("system", "system", patient="a", agency="urn:agency:va"),
    "officer": caller("officer", "user"),
    "forged": caller("patient", "system", patient="a", patients=("a",)),
}
SEES_OWN = {"patient", "account", "practitioner", "launched", "agency for one"}

FOREIGN = ("Observation/b-1", "Patient/patient-b", "Observation/nobody", "Group/everyone", "Observation/gone")
"""What is b's, what is nobody's, and what was b's."""


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
    "subject": {"reference": "Patient/a"},
}
PATCH = {"content-type": "application/json-patch+json"}
CHANGE = [{"op": "add", "path": "/language", "value": "en"}]


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
    ("/{type:type}/${operation}", "GET"): [],
    ("/{type:type}/${operation}", "POST"): [],
    ("/{type:type}/{id:name}/${operation}", "GET"): [Request("GET", "{type}/{id}/$everything")],
    ("/{type:type}/{id:name}/${operation}", "POST"): [Request("POST", "{type}/{id}/$everything", {})],
}
"""By path and method, what is asked of one record; empty where a route names none."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """The server as its callers reach it, and as its operator looks behind it."""

    api: httpx.AsyncClient
    operator: RequestContext
    missing: dict[tuple[str, str, int], tuple[int, str, dict[str, str]]] = field(default_factory=dict)
    """What a caller is told of a type's id that was never used, by the number of the case."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def matrix(mongodb_uri: str) -> AsyncIterator[Matrix]:
    name = "test_access_matrix"
    async with opened(mongodb_uri, name) as operator:
        told = {"valueString": SECRET, "note": [{"text": SECRET}]}
        for resource in (
            {"resourceType": "Practitioner", "id": "dr"},
            patient(id="a"),
            patient(id="patient-b", name=[{"family": SECRET}]),
            observation("a", id="a-1"),
            observation("patient-b", id="b-1", **told),
            observation("patient-b", id="nobody", **told | {"subject": {"reference": "Group/everyone"}}),
            observation("patient-b", id="gone", **told),
            {"resourceType": "Group", "id": "everyone", "type": "person", "actual": True, "name": SECRET},
            {
                "resourceType": "CareTeam",
                "id": "team",
                "status": "active",
                "subject": {"reference": "Patient/a"},
                "participant": [{"member": {"reference": "Practitioner/dr"}}],
            },
        ):
            await put(operator, resource)
        await delete.delete(operator, "Observation", "gone")
        async with guarded(mongodb_uri, name, CALLERS) as api:
            yield Matrix(api, operator)
        await operator.server.database.client.drop_database(name)


def test_every_route_is_in_the_matrix() -> None:
    assert set(REQUESTS) == {(path, method) for path, methods in TABLE for method in methods if method != "HEAD"}


_CHANGING: tuple[tuple[str, str], ...] = (
    # What differs between any two answers to the same request.
    (r'"(?:id|lastUpdated|lastModified)":"[^"]*"', '"…"'),
    (r"Request id: [0-9a-f]+\.", "Request id."),
    (r"_cursor=[\w-]+", "_cursor"),
    (r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", "<new>"),
)


def told(response: httpx.Response, type: str, id: str) -> tuple[int, str, dict[str, str]]:
    """Status, body and headers without what names the resource asked for."""
    text = response.text
    for pattern, mark in _CHANGING:
        text = re.sub(pattern, mark, text)
    told_headers = ("etag", "last-modified", "location", "content-location", "allow")
    headers = {name: response.headers[name] for name in told_headers if name in response.headers}
    if response.status_code == 201:
        headers = {}
    return response.status_code, text.replace(id, "<id>"), headers


CASES = [(route, method, request) for (route, method), some in REQUESTS.items() for request in some]


async def answer(matrix: Matrix, bearer: str, request: Request, type: str, id: str) -> tuple[int, str, dict[str, str]]:
    """What a caller is told of one resource."""
    sent = asked(request, type, id)
    sent["headers"] |= as_bearer(bearer)
    return told(await matrix.api.request(**sent), type, id)


ASKED = [
    (bearer, place)
    for bearer in CALLERS
    # Those who see nothing at all are asked for less.
    for place in (FOREIGN if bearer in SEES_OWN else FOREIGN[:2])
]


@pytest.mark.parametrize(("bearer", "place"), ASKED)
async def test_a_record_that_is_not_the_callers_is_as_one_that_never_was(
    matrix: Matrix, bearer: str, place: str
) -> None:
    type, _, id = place.partition("/")
    for number, (route, method, request) in enumerate(CASES):
        theirs = await answer(matrix, bearer, request, type, id)
        key = (bearer, type, number)
        if key not in matrix.missing:
            matrix.missing[key] = await answer(matrix, bearer, request, type, MISSING)
        never = matrix.missing[key]
        where = f"{method} {route} by {bearer}: {request}"
        assert SECRET not in theirs[1], where
        assert theirs[0] < 500, (where, theirs[1])
        assert theirs == never, where


@pytest.mark.parametrize("bearer", CALLERS)
@pytest.mark.parametrize("url", ["Observation/_history", "_history", "Patient/_history", "?_count=1", "Observation"])
async def test_no_listing_tells_of_others(matrix: Matrix, bearer: str, url: str) -> None:
    following: str | None = url
    seen: set[str] = set()
    while following:
        answer = await matrix.api.get(following, headers=as_bearer(bearer))
        assert SECRET not in answer.text
        body = answer.json()
        if answer.status_code != 200:
            assert answer.status_code == 403
            return
        seen |= {entry["fullUrl"].rpartition("/fhir/")[2] for entry in body.get("entry", ())}
        following = next((link["url"] for link in body["link"] if link["relation"] == "next"), None)
    assert seen.isdisjoint(FOREIGN)


@pytest.mark.parametrize("bearer", CALLERS)
async def test_one_who_may_sees_the_same_record_of_another_patient(matrix: Matrix, bearer: str) -> None:
    statuses = {
        (await matrix.api.get(url, headers=as_bearer(bearer))).status_code
        for url in ("Patient/a", "Observation/a-1", "Observation/a-1/_history", "Observation/a-1/_history/1")
    }
    assert statuses == ({200} if bearer in SEES_OWN else {403} if bearer == "forged" else {404})


async def test_what_others_asked_of_it_has_changed_nothing(matrix: Matrix) -> None:
    for place in FOREIGN:
        type, _, id = place.partition("/")
        versions = await history.of_instance(matrix.operator, type, id, ())
        assert versions.body is not None
        assert msgspec.json.decode(versions.body)["total"] == (2 if id == "gone" else 1), place
    assert (await read.read(matrix.operator, "Patient", "patient-b")).version == 1
