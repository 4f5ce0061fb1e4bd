"""A server with sign-in, as people and apps meet it: a real process with the demo population, or an app in the test."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import httpx
import pytest
import pytest_asyncio

from fhir_server.app import create_app
from fhir_server.demo_accounts import add_demo_accounts
from fhir_server.settings import Settings
from smart_auth.authorization import Authorization
from tests.auth.browsing import PageServer, page_server
from tests.auth.clock import Clock
from tests.auth.matrix import Matrix, matrix_server
from tests.auth.memory_documents import MemoryDocuments
from tests.auth.oauth import OAuth, oauth_server
from tests.auth.trail import Trail
from tests.auth.visitor import Visitor
from tests.conftest import RunningServer

IN_PROCESS_BASE = "http://localhost:8080/fhir"


@pytest.fixture
async def server() -> AsyncIterator[OAuth]:
    """The OAuth endpoints in one process."""
    async with oauth_server() as running:
        yield running


@pytest.fixture
async def pages() -> AsyncIterator[PageServer]:
    """The pages in one process, and a browser."""
    async with page_server() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still until it is moved."""
    return Clock()


@pytest.fixture
def documents(clock: Clock) -> MemoryDocuments:
    """What sign-in keeps, in memory."""
    return MemoryDocuments(clock)


@pytest.fixture
def trail() -> Trail:
    """An audit log in memory."""
    return Trail()


@pytest_asyncio.fixture
async def visitor(smart_server: RunningServer) -> AsyncIterator[Visitor]:
    """Somebody with a browser, at the server process."""
    async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
        yield Visitor(http, smart_server.base)


@dataclass(frozen=True, slots=True)
class SmartApp:
    """An application in the test's own process: its client, the parts of its sign-in, and somebody with a browser."""

    http: httpx.AsyncClient
    authorization: Authorization
    visitor: Visitor
    state: Any


@pytest_asyncio.fixture
async def smart_app(mongodb_uri: str, database_name: str) -> AsyncIterator[SmartApp]:
    """An application with sign-in and the demo accounts over a fresh database without records."""
    app = create_app(Settings(auth="smart", mongodb_uri=mongodb_uri, mongodb_database=database_name))
    async with app.router.lifespan_context(app):
        parts: Authorization = app.state.authorization
        await add_demo_accounts(app.state.server.database, parts, date(2026, 11, 22))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=IN_PROCESS_BASE) as http:
            yield SmartApp(http, parts, Visitor(http, IN_PROCESS_BASE), app.state)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def matrix(mongodb_uri: str) -> AsyncIterator[Matrix]:
    """The server of the access matrix, shared by the tests of one file."""
    async with matrix_server(mongodb_uri) as running:
        yield running
