"""Over HTTP too, what is answered to a write of a hidden resource is, header by header, what a free id is answered.

https://hl7.org/fhir/R4/http.html, https://www.rfc-editor.org/rfc/rfc9110#section-13
"""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.rest.access import as_bearer, guarded
from tests.rest.writers import ANNA, goal, patches, person, system

BEARERS = {"anna": ANNA.access, "feed": system().access}
_OF_EACH_REQUEST = {"x-request-id", "date"}


@pytest.fixture
async def api(mongodb_uri: str, database_name: str) -> AsyncIterator[httpx.AsyncClient]:
    bearers = {name: access for name, access in BEARERS.items() if access is not None}
    async with guarded(mongodb_uri, database_name, bearers) as client:
        for resource in (person("anna"), person("ben"), goal("ben", "hidden")):
            url = f"{resource['resourceType']}/{resource['id']}"
            assert (await client.put(url, json=resource, headers=as_bearer("feed"))).status_code == 201
        yield client


def shape(response: httpx.Response, id: str) -> tuple[int, dict[str, str], Any]:
    """Status, headers and issues, with the id made the same and what each request has of its own left out."""
    headers = {name: value for name, value in response.headers.items() if name not in _OF_EACH_REQUEST}
    issues = response.json()["issue"]
    for issue in issues:
        # It names the request.
        assert issue.pop("diagnostics")
        issue["details"]["text"] = issue["details"]["text"].replace(id, "free".ljust(len(id)))
    return response.status_code, headers, issues


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"if-match": 'W/"1"'},
        {"if-match": 'W/"2"'},
        {"if-match": "*"},
        {"if-none-match": "*"},
        {"prefer": "return=representation"},
        {"prefer": "return=OperationOutcome"},
        {"prefer": "only-changes"},
    ],
)
async def test_a_hidden_id_is_answered_as_a_free_one(api: httpx.AsyncClient, headers: dict[str, str]) -> None:
    tries: list[tuple[str, str, Any]] = [("PUT", "application/fhir+json", None)]
    tries += [("PATCH", *patch) for patch in patches("description/text", "mine")]
    for method, media_type, content in tries:
        told = []
        for id in ("hidden", "unused"):
            sent = {**headers, **as_bearer("anna"), "content-type": media_type}
            body = content or goal("anna", id)
            answer = await api.request(method, f"Goal/{id}", headers=sent, json=body)
            told.append(shape(answer, id))
        assert told[0] == told[1], (method, media_type)
        assert told[0][0] == 404, (method, media_type)
    stored = await api.get("Goal/hidden", headers=as_bearer("feed"))
    assert stored.json()["meta"]["versionId"] == "1"


async def test_a_write_without_a_token_is_refused_before_anything_is_looked_at(api: httpx.AsyncClient) -> None:
    for method, url in (("PUT", "Goal/hidden"), ("DELETE", "Goal/hidden"), ("POST", "Goal"), ("POST", "")):
        answer = await api.request(method, url, json=goal("ben", "hidden"))
        assert (answer.status_code, answer.headers["www-authenticate"].split(" ")[0]) == (401, "Bearer")


async def test_a_resource_of_her_own_is_written_and_answered_as_ever(api: httpx.AsyncClient) -> None:
    made = await api.post("Goal", json=goal("anna"), headers=as_bearer("anna"))
    assert (made.status_code, made.headers["etag"]) == (201, 'W/"1"')
    url = f"Goal/{made.json()['id']}"
    headers = {**as_bearer("anna"), "if-match": 'W/"9"'}
    assert (await api.put(url, json=made.json(), headers=headers)).status_code == 412
    assert (await api.put(url, json=made.json(), headers=as_bearer("anna"))).status_code == 200
