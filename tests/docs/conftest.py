"""What the tests of the pages share: a server with the demo population, as `make serve` starts it."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from pymongo import MongoClient

from tests.conftest import RunningServer, start_server

LOADED_SECONDS = 300.0
"""Loading takes a few seconds on a machine that does nothing else."""


@pytest.fixture(scope="session")
def demo(
    mongodb: MongoClient[dict[str, Any]], mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    """One server for all pages: the demo population, and what pages before have written."""
    name = f"test_{uuid4().hex[:16]}"
    environment = {"FHIR_MONGODB_URI": mongodb_uri, "FHIR_MONGODB_DATABASE": name, "FHIR_DEMO": "true"}
    started = start_server(tmp_path_factory.mktemp("demo") / "server.log", 1, environment, ready_seconds=LOADED_SECONDS)
    yield started
    started.stop()
    mongodb.drop_database(name)
