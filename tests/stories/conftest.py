"""People of the demo population who sign in for real, and what they then do over HTTP."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest_asyncio

from tests.auth.visitor import Visitor, bearer
from tests.conftest import RunningServer

Resource = dict[str, Any]


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
class World:
    """The server with the demo population."""

    visitor: Visitor

    async def person(self, username: str, scope: str, **asked: Any) -> Person:
        """A demo user who let a demo app in for this scope."""
        answer = await self.visitor.token_for(username, scope, **asked)
        return Person(self.visitor.http, self.visitor.base, bearer(answer))

    async def system(self, client: str, scope: str = "system/*.cruds") -> Person:
        """An agency's system."""
        return Person(self.visitor.http, self.visitor.base, bearer(await self.visitor.system_token(client, scope)))


@pytest_asyncio.fixture
async def world(smart_server: RunningServer) -> AsyncIterator[World]:
    async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
        yield World(Visitor(http, smart_server.base))
