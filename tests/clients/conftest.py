"""What the tests of the clients share: one server with the demo population, as `make serve` starts it."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from pymongo import MongoClient

from tests.conftest import RunningServer, start_server


@pytest.fixture(scope="session")
def populated(
    mongodb: MongoClient[dict[str, Any]], mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    """For all clients together, so their scenarios count only what they made themselves or what nobody changes."""
    name = f"test_{uuid4().hex[:16]}"
    environment = {"FHIR_MONGODB_URI": mongodb_uri, "FHIR_MONGODB_DATABASE": name, "FHIR_DEMO": "true"}
    started = start_server(tmp_path_factory.mktemp("populated") / "server.log", 1, environment)
    yield started
    started.stop()
    mongodb.drop_database(name)


@pytest.fixture
def unique() -> str:
    """A value that no other test uses."""
    return uuid4().hex
