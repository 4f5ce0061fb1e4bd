"""A server that holds generated resources of many types, and the same resources at hand."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pymongo import MongoClient

from tests.conftest import start_server
from tests.property.generated_records import corpus
from tests.property.generated_values import BASE
from tests.property.served import COUNT, Served, put_and_read


@pytest.fixture(scope="session")
def served(
    mongodb: MongoClient[dict[str, Any]], mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """COUNT generated resources of every type."""
    name = f"test_{uuid4().hex[:16]}"
    settings = {"FHIR_MONGODB_URI": mongodb_uri, "FHIR_MONGODB_DATABASE": name}
    running = start_server(tmp_path_factory.mktemp("property") / "server.log", 1, settings)
    try:
        resources = json.loads(json.dumps(corpus(20260101, COUNT)).replace(BASE, running.base))
        with httpx.Client(base_url=f"{running.base}/", timeout=60, trust_env=False) as client:
            yield Served(client, put_and_read(client, running.base, resources))
    finally:
        running.stop()
        mongodb.drop_database(name)
