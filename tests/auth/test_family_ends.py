"""What a relative holds for a child ends with the relation: the refresh token at its next use, the access token within
a second, by whatever interaction.

docs/people/families.md
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio

from fhir_server.interactions.context import RequestContext
from tests.auth.conftest import SmartApp
from tests.auth.visitor import Json, bearer
from tests.rest.conftest import FHIR_JSON, patient
from tests.rest.families import born, consent, relative, stored_family
from tests.rest.in_process import opened, put
from tests.rest.writers import entry

pytestmark = pytest.mark.asyncio

LAUNCH = "launch/patient patient/*.rs offline_access"
NAME = [{"family": "Rivera", "given": ["Kid"]}]

ENDS: dict[str, Any] = {
    "revoked": consent("kid", status="inactive"),
    "contested": relative("kid", active=False),
    "grown up": patient(id="kid", birthDate=born(18), name=NAME),
}

READINGS = (
    "Observation/kid-plain",
    "Observation/kid-plain/_history/1",
    "Observation/kid-plain/_history",
    "Patient/kid",
    "Patient/kid/_history",
    "Observation",
    "Observation?subject=Patient/kid",
    "Observation?_id=kid-plain&_include=Observation:subject",
    "Patient?_id=kid&_revinclude=Observation:subject",
    "Observation?subject:Patient.given=Kid",
    "Patient?_has:Observation:subject:_id=kid-plain",
    "Observation?_id=kid-plain&_total=accurate",
    "Observation?_id=kid-plain&_summary=count",
    "Observation/_history",
    "_history",
    "?_type=Observation",
    "Patient/kid/Observation",
    "Patient/kid/$everything",
    "Patient/kid/$summary",
)
"""Every way to read by GET that the server has."""


@dataclass(frozen=True, slots=True)
class Home:
    """The server with ana's family in its records, and ana with a browser."""

    app: SmartApp
    operator: RequestContext

    async def token(self, scope: str = LAUNCH) -> Json:
        return await self.app.visitor.token_for("ana.rivera", scope, patient="kid")

    async def refreshed(self, answer: Json) -> httpx.Response:
        form = {"grant_type": "refresh_token", "refresh_token": answer["refresh_token"], "client_id": "demo-public"}
        return await self.app.http.post(f"{self.app.visitor.origin}/auth/token", data=form)

    async def told(self, answer: Json, method: str, url: str, **sent: Any) -> tuple[set[str], int]:
        """Which resources of the kid an answer holds, and the total that it tells."""
        headers = bearer(answer) | sent.pop("headers", {})
        response = await self.app.http.request(method, f"{self.app.visitor.base}/{url}", headers=headers, **sent)
        assert response.status_code in (200, 404), (url, response.text)
        body = response.json()
        return {place for place in _resources(body) if place.partition("/")[2].startswith("kid")}, body.get("total", 0)

    async def all_told(self, answer: Json) -> dict[str, tuple[set[str], int]]:
        found = {url: await self.told(answer, "GET", url) for url in READINGS}
        found["_search"] = await self.told(answer, "POST", "Observation/_search", data={"subject": "Patient/kid"})
        for kind in ("batch", "transaction"):
            bundle = {
                "resourceType": "Bundle",
                "type": kind,
                "entry": [entry("GET", "Observation?subject=Patient/kid")],
            }
            content = msgspec.json.encode(bundle)
            found[kind] = await self.told(answer, "POST", "", content=content, headers=FHIR_JSON)
        return found

    async def ends(self, how: str) -> None:
        await put(self.operator, ENDS[how])
        await asyncio.sleep(1.0)


def _resources(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if "resourceType" in node and "id" in node:
            yield f"{node['resourceType']}/{node['id']}"
        for each in node.values():
            yield from _resources(each)
    elif isinstance(node, list):
        for each in node:
            yield from _resources(each)


@pytest_asyncio.fixture
async def home(smart_app: SmartApp, mongodb_uri: str, database_name: str) -> AsyncIterator[Home]:
    async with opened(mongodb_uri, database_name) as operator:
        await stored_family(operator)
        account = await smart_app.authorization.accounts.by_login("ana.rivera")
        assert account is not None
        await smart_app.authorization.accounts.change(account.id, patients=("ana",), fhir_user="Patient/ana")
        yield Home(smart_app, operator)


@pytest.mark.parametrize("how", ENDS)
async def test_the_next_refresh_is_an_invalid_grant(home: Home, how: str) -> None:
    answer = await home.token()
    assert answer["patient"] == "kid"
    renewed = await home.refreshed(answer)
    assert renewed.status_code == 200
    await home.ends(how)
    for held in (answer, renewed.json()):
        refused = await home.refreshed(held)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize("how", ENDS)
async def test_a_token_for_the_childs_record_opens_nothing_any_more(home: Home, how: str) -> None:
    answer = await home.token()
    before = await home.all_told(answer)
    assert [url for url, (seen, total) in before.items() if not seen and not total] == []
    await home.ends(how)
    after = await home.all_told(answer)
    assert {url: told for url, told in after.items() if told != (set(), 0)} == {}


@pytest.mark.parametrize("how", ENDS)
async def test_a_token_for_all_that_is_hers_opens_the_rest_alone(home: Home, how: str) -> None:
    answer = await home.token("user/*.rs offline_access")
    before = await home.all_told(answer)
    assert [url for url, (seen, total) in before.items() if not seen and not total] == []
    await home.ends(how)
    assert {url: seen for url, (seen, _) in (await home.all_told(answer)).items() if seen} == {}
    assert (await home.told(answer, "GET", "Observation?subject=Patient/kid&_total=accurate"))[1] == 0
    renewed = (await home.refreshed(answer)).json()
    assert {url: seen for url, (seen, _) in (await home.all_told(renewed)).items() if seen} == {}
    own = await home.app.http.get(f"{home.app.visitor.base}/Patient/ana", headers=bearer(renewed))
    assert own.status_code == 200


@pytest.mark.parametrize("how", ENDS)
async def test_the_childs_record_is_not_offered_any_more(home: Home, how: str) -> None:
    parts = home.app.authorization
    account = await parts.accounts.by_login("ana.rivera")
    assert account is not None
    assert "kid" in await parts.patients_of(account)
    await home.ends(how)
    assert "kid" not in await parts.patients_of(account)
