"""People of the demo population who sign in for real, and what they then do over HTTP."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin

import httpx
import lxml.html
import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import KeySet

from seeds.accounts import clients, dod_id
from seeds.registry import Entry, enrolled
from tests.auth.browsing import Browser, Seen
from tests.auth.inbox import Inbox, mail_server
from tests.auth.visitor import Json, LaunchRequest, Visitor, bearer
from tests.conftest import RunningServer

Resource = dict[str, Any]

PASSWORD = "seven otters juggle quietly"
"""What somebody chooses who has no account of the demo."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an app that has a token of theirs."""

    http: httpx.AsyncClient
    base: str
    headers: dict[str, str]

    async def ask(self, method: str, url: str, content: Any = None, **headers: str) -> httpx.Response:
        """What the server answers; `content` goes as JSON."""
        sent = self.headers | headers
        if content is not None:
            sent.setdefault("content-type", "application/fhir+json")
        return await self.http.request(method, f"{self.base}/{url}", json=content, headers=sent)

    async def get(self, url: str) -> Resource:
        """What is read or found, which must be there."""
        answer = await self.ask("GET", url)
        assert answer.status_code == 200, (url, answer.text)
        found: Resource = answer.json()
        return found

    async def found(self, url: str) -> list[Resource]:
        """The resources that a search finds, on its first page."""
        bundle = await self.get(url)
        return [each["resource"] for each in bundle.get("entry", ()) if each["search"]["mode"] == "match"]

    async def made(self, content: Resource, status: int = 201) -> Resource:
        """What a create makes."""
        answer = await self.ask("POST", content["resourceType"], content)
        assert answer.status_code == status, answer.text
        made: Resource = answer.json()
        return made

    async def refused(self, content: Resource, status: int, slug: str = "") -> Resource:
        """The first issue of the refusal of a create."""
        answer = await self.ask("POST", content["resourceType"], content)
        assert answer.status_code == status, answer.text
        issue: Resource = answer.json()["issue"][0]
        if slug:
            assert slug in [each["code"] for each in issue["details"]["coding"]], issue
        return issue


@dataclass(frozen=True, slots=True)
class Guest(Visitor):
    """Somebody who is asked, after sign-in, for contact data and the conditions of use: leaves the data as they are,
    and answers the conditions so. `password` is that of an account that is not the demo's.
    """

    decision: str = "accept"
    password: str = ""

    @property
    def browser(self) -> Browser:
        """The same browser, for pages that no app asked for."""
        return Browser(self.http)

    def password_of(self, username: str) -> str:
        return self.password or Visitor.password_of(self, username)

    async def _answered(
        self, response: httpx.Response, username: str, patient: str | None, allow: Sequence[str] | None
    ) -> httpx.Response:
        if response.url.path == "/auth/conditions":
            return await pressed(self.http, response, decision=self.decision)
        if response.url.path == "/auth/contact":
            return await pressed(self.http, response)
        return await Visitor._answered(self, response, username, patient, allow)


@dataclass(frozen=True, slots=True)
class CardHolder(Guest):
    """Somebody who chooses, on the page of sign-in, to sign in by the card in the reader of `http`."""

    async def token_by_card(self, scope: str, patient: str | None = None) -> Json:
        """The token response of a demo app that this person let in."""
        return await self.token_for("", scope, patient=patient)

    async def at_the_card(self, request: LaunchRequest) -> Seen:
        """What a new browser is shown that an app sent to sign in, and that chose the card."""
        self.http.cookies.clear()
        seen = await self.browser.go("/auth/authorize", **request.parameters)
        return await self.browser.go(link_to(seen.html, "/auth/card"))

    async def _answered(
        self, response: httpx.Response, username: str, patient: str | None, allow: Sequence[str] | None
    ) -> httpx.Response:
        if response.url.path == "/auth/login":
            there = link_to(lxml.html.fromstring(response.text), "/auth/card")
            return await self.http.get(urljoin(str(response.url), there))
        if response.url.path == "/auth/card":
            return await pressed(self.http, response)
        return await Guest._answered(self, response, username, patient, allow)


@dataclass(frozen=True, slots=True)
class World:
    """The server with the demo population."""

    visitor: Visitor

    async def person(self, username: str, scope: str, **asked: Any) -> Person:
        """A demo user who let a demo app in for this scope."""
        return person_of(self.visitor, await self.visitor.token_for(username, scope, **asked))

    async def system(self, client: str, scope: str = "system/*.cruds") -> Person:
        """An agency's system."""
        return person_of(self.visitor, await self.visitor.system_token(client, scope))


@dataclass(frozen=True, slots=True)
class Post:
    """A mail server that keeps the letters it is handed; `url` is where a server is told that it is."""

    inbox: Inbox
    url: str

    async def letter(self, to: str, subject: str) -> str:
        """The text of the newest such letter, once there is one."""
        async with asyncio.timeout(30):
            while True:
                for each in reversed(self.inbox.letters):
                    if (each["To"], each["Subject"]) == (to, subject):
                        return str(each.get_content())
                await asyncio.sleep(0.1)

    async def link(self, to: str, subject: str) -> str:
        """The address in it."""
        found = re.search(r"https?://\S+\?token=\S+", await self.letter(to, subject))
        assert found is not None
        return found.group()


def person_of(visitor: Visitor, answer: Json) -> Person:
    """Whoever let an app in that got this token response."""
    return Person(visitor.http, visitor.base, bearer(answer))


def request_of(visitor: Visitor, scope: str) -> LaunchRequest:
    """What a demo app begins with that asks for this scope."""
    app = next(each for each in clients() if each.client_id == "demo-public")
    return LaunchRequest(app, scope, visitor.base)


async def claims_of(visitor: Visitor, answer: Json) -> dict[str, Any]:
    """What the ID token of a token response says, signed by a key that the server publishes."""
    keys = KeySet.import_key_set((await visitor.http.get(f"{visitor.origin}/auth/jwks")).json())
    return jwt.decode(answer["id_token"], keys, algorithms=["RS256"]).claims


def known(patient: str) -> Entry:
    """What the registry of eligibility knows of a designed person of the demo, by the id of their Patient."""
    return next(each for each in enrolled(datetime.now(UTC).date()) if each["dod_id"] == dod_id(patient))


def said_of(entry: Entry, *numbers: str) -> dict[str, str]:
    """What a person types of themselves: name, birth date and these numbers."""
    name = " ".join([*entry["given"], entry["family"]])
    return {"name": name, "birth_date": entry["birth_date"], **{each: entry[each] for each in numbers}}


def link_to(page: Any, path: str) -> str:
    """The one address on a page that begins so."""
    (found,) = page.xpath("//main//a[starts-with(@href, $path)]/@href", path=path)
    return str(found)


async def pressed(http: httpx.AsyncClient, response: httpx.Response, **fields: str) -> httpx.Response:
    """What comes of the form of a page, sent as it stands but for these fields."""
    (form,) = lxml.html.fromstring(response.text).forms
    sent = dict(form.form_values()) | fields
    return await http.post(urljoin(str(response.url), form.get("action")), data=sent)


@pytest_asyncio.fixture
async def world(smart_server: RunningServer) -> AsyncIterator[World]:
    async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
        yield World(Visitor(http, smart_server.base))


@pytest.fixture(scope="module")
def post() -> Iterator[Post]:
    inbox = Inbox()
    with mail_server(inbox) as port:
        yield Post(inbox, f"smtp://127.0.0.1:{port}?starttls=off")
