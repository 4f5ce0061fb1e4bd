"""A server with sign-in, as people and apps meet it: a real process with the demo population, or an app in the test."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import httpx
import pytest_asyncio

from fhir_server.app import create_app
from fhir_server.demo_accounts import add_demo_accounts
from fhir_server.settings import Settings
from smart_auth.authorization import Authorization
from tests.auth.visitor import Visitor
from tests.conftest import RunningServer

IN_PROCESS_BASE = "http://localhost:8080/fhir"


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
