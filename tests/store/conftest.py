"""Opened databases: each store test runs once per driver."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import cast

import pytest
import pytest_asyncio

from fhir_server.store import mongo
from fhir_server.store.mongo import Database, Driver
from tests.vaults import vault

OpenDatabase = Callable[[], Database]


@pytest.fixture(params=["pymongo", "motor"])
def driver(request: pytest.FixtureRequest) -> Driver:
    return cast(Driver, request.param)


@pytest_asyncio.fixture
async def open_database(driver: Driver, mongodb_uri: str, database_name: str) -> AsyncIterator[OpenDatabase]:
    """Opens the test's database anew: each handle is what one worker has."""
    async with AsyncExitStack() as opened:

        def another() -> Database:
            database = mongo.connect(mongodb_uri, database_name, driver, vault=vault())
            opened.push_async_callback(mongo.close, database)
            return database

        yield another


@pytest.fixture
def database(open_database: OpenDatabase) -> Database:
    return open_database()
