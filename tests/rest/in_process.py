"""Searches run in the test's own process, over a database of its own, so that a test can reach what they stand on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from fhir_server.interactions import joins, resolution, search, update
from fhir_server.interactions.context import RequestContext, Server
from fhir_server.store import mongo, parameter_sets
from tests.rest.bundles import next_link, places
from tests.vaults import vault

BASE = "http://localhost:8080/fhir"


@asynccontextmanager
async def opened(uri: str, name: str, search_seconds: float = 10.0) -> AsyncIterator[RequestContext]:
    """What an interaction is given, over the database of this name, which a worker then takes as it is."""
    database = mongo.connect(uri, name, search_seconds=search_seconds, vault=vault())
    await parameter_sets.prepare(database)
    server = Server(database, b"k" * 32, 3600, BASE, (BASE,), None, False)
    yield RequestContext(server, "test", BASE)
    await mongo.close(database)


async def put(context: RequestContext, resource: dict[str, Any]) -> None:
    await update.update(context, resource["resourceType"], resource["id"], resource)


async def page(context: RequestContext, url: str) -> dict[str, Any]:
    """The answer to a GET of a search or page link, with values as they are written."""
    type, _, query = url.removeprefix(BASE).lstrip("/").partition("?")
    pairs = [(name, value) for name, _, value in (each.partition("=") for each in query.split("&"))]
    answer = await search.search(context, type, pairs)
    assert answer.body is not None
    found: dict[str, Any] = msgspec.json.decode(answer.body)
    return found


async def rest(context: RequestContext, bundle: dict[str, Any]) -> list[str]:
    """The places of the matches on all pages after this one."""
    together: list[str] = []
    following = next_link(bundle)
    while following:
        bundle = await page(context, following)
        together += places(bundle)
        following = next_link(bundle)
    return together


def joined(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every link with more than two resources at its other end be joined."""
    monkeypatch.setattr(resolution, "MAX_VALUES", 2)
    monkeypatch.setattr(resolution, "MAX_NAMED", 2)
    monkeypatch.setattr(joins, "_BATCH", 4)
    monkeypatch.setattr(joins, "_BATCH_REVERSE", 4)


def recorded(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The reading commands sent from now on."""
    commands: list[dict[str, Any]] = []
    send = mongo._sent

    async def sent(database: mongo.Database, command: dict[str, Any]) -> dict[str, Any]:
        commands.append(command)
        return await send(database, command)

    monkeypatch.setattr(mongo, "_sent", sent)
    return commands
