"""A real OpenID provider: a second server process of ours, at which people sign in to get into the first."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import httpx
import lxml.html
import pytest
import pytest_asyncio

from smart_auth.guard import TokenGuard
from smart_auth.identity.providers import Provider
from smart_auth.portal import Portal
from smart_auth.records import EXTERNAL_LOGINS
from tests.auth.browsing import PASSWORD, VERIFIER, PageServer, asked, page_server
from tests.auth.visitor import Visitor
from tests.conftest import RunningServer

pytestmark = pytest.mark.slow

ORIGIN = "http://127.0.0.1:4711"


@dataclass(frozen=True, slots=True)
class Pair:
    """Ours, in the test's own process, and somebody with a browser at the other, a process of its own."""

    ours: PageServer
    there: Visitor

    @property
    def http(self) -> httpx.AsyncClient:
        return self.ours.browser.http

    async def sent(self, response: httpx.Response, **fields: str) -> httpx.Response:
        """Send the first form of a page with these fields."""
        assert response.status_code in (200, 401), response.text
        form = lxml.html.fromstring(response.text).forms[0]
        values = dict(form.form_values()) | fields
        return await self.http.post(urljoin(str(response.url), form.get("action")), data=values)

    async def through_the_other(self, query: str, username: str) -> httpx.Response:
        """The button of ours, everything there, and what ours says to the answer."""
        response = await self.sent(await self.http.get(f"/auth/provider/home{query}"))
        assert response.status_code == 303, response.text
        back = await self.there.walked(response.headers["location"], username)
        assert back.startswith(f"{ORIGIN}/auth/provider/home/callback?"), back
        return await self.http.get(back)


@pytest_asyncio.fixture
async def pair(smart_server: RunningServer) -> AsyncIterator[Pair]:
    async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
        metadata = {
            "client_name": "The first server",
            "redirect_uris": [f"{ORIGIN}/auth/provider/home/callback"],
            "token_endpoint_auth_method": "client_secret_basic",
            "scope": "openid fhirUser",
        }
        answer = await http.post(f"{smart_server.base.removesuffix('/fhir')}/auth/register", json=metadata)
        assert answer.status_code == 201, answer.text
        client: dict[str, Any] = answer.json()
        provider = Provider(
            "home",
            "The other server",
            smart_server.base,
            client["client_id"],
            client["client_secret"],
            scope="openid fhirUser",
            levels={"level2": "level2"},
            parameters={"aud": smart_server.base},
        )
        async with page_server(base=f"{ORIGIN}/fhir", portal=Portal(providers=(provider,))) as ours:
            ours.clock.seconds = int(time.time())
            yield Pair(ours, Visitor(http, smart_server.base))


async def test_a_person_signs_in_at_the_other_server_and_gets_a_token_of_the_mapped_level(pair: Pair) -> None:
    # The first time: whose account it is.
    response = await pair.through_the_other("", "harold.washington")
    assert "Which account is yours?" in response.text
    response = await pair.sent(response, username="ann", password=PASSWORD)
    assert response.headers["location"] == "/auth/manage"
    assert len(await pair.ours.parts.documents.find(EXTERNAL_LOGINS, {})) == 1
    # From then on an app gets its token by it alone.
    pair.http.cookies.clear()
    app = await pair.ours.client()
    parameters = asked(app, "openid launch/patient patient/Patient.rs", aud=f"{ORIGIN}/fhir")
    response = await pair.http.get("/auth/authorize", params=parameters)
    while response.is_redirect:
        response = await pair.http.get(response.headers["location"])
    (link,) = lxml.html.fromstring(response.text).xpath("//a[starts-with(@href, '/auth/provider/home?')]/@href")
    response = await pair.through_the_other(link.removeprefix("/auth/provider/home"), "harold.washington")
    while response.is_redirect:
        response = await pair.http.get(response.headers["location"])
    assert "/auth/consent" in str(response.url), response.text
    form = next(each for each in lxml.html.fromstring(response.text).forms)
    values = [*form.form_values(), ("decision", "allow")]
    fields: dict[str, list[str]] = {}
    for name, value in values:
        fields.setdefault(name, []).append(value)
    response = await pair.http.post("/auth/consent", data=fields)
    code = httpx.URL(response.headers["location"]).params["code"]
    token = await pair.http.post(
        "/auth/token",
        data={
            "grant_type": "authorization_code",
            "client_id": app.id,
            "code": code,
            "redirect_uri": app.redirect_uris[0],
            "code_verifier": VERIFIER,
        },
    )
    assert token.status_code == 200, token.text
    guard: TokenGuard = pair.ours.parts.guard
    access = await guard.admitted(f"Bearer {token.json()['access_token']}")
    assert (access.subject, access.patient, access.acr) == ("id-ann", "p1", "level2")


async def test_another_person_of_the_other_server_is_nobody_here(pair: Pair) -> None:
    response = await pair.through_the_other("", "harold.washington")
    await pair.sent(response, username="ann", password=PASSWORD)
    pair.http.cookies.clear()
    response = await pair.through_the_other("", "ana.rivera")
    assert "Which account is yours?" in response.text


async def test_a_person_who_says_no_there_does_not_get_in_here(pair: Pair) -> None:
    response = await pair.sent(await pair.http.get("/auth/provider/home"))
    state = httpx.URL(response.headers["location"]).params["state"]
    answer = {"error": "access_denied", "state": state, "iss": pair.there.base}
    response = await pair.http.get("/auth/provider/home/callback", params=answer)
    assert response.status_code == 401
    assert "did not work" in response.text
