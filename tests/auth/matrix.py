"""The server of the access matrix, with a record of each kind, as its callers and its operator reach it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import uuid4

import httpx

from fhir_server.interactions.context import RequestContext
from fhir_server.rest.routes import TABLE
from tests.auth.matrix_expectations import CALLERS, SIGHT
from tests.auth.matrix_records import stored_people, stored_to_read
from tests.auth.two_worlds import Sent, ready
from tests.rest.access import guarded
from tests.rest.in_process import opened

ROUTES = {(path, method) for path, methods in TABLE for method in methods}


@dataclass(frozen=True, slots=True)
class Matrix:
    """The server as its callers reach it, and as its operator looks behind it."""

    api: httpx.AsyncClient
    operator: RequestContext
    numbers: "count[int]"
    fresh: dict[str, str] = field(default_factory=dict)
    """Records that nobody has changed yet, by their kind."""

    missing: dict[tuple[str, str, int], Any] = field(default_factory=dict)
    """What a caller is told of a type's id that was never used, by the number of the request."""

    async def answer(self, who: str, sent: Sent) -> httpx.Response:
        """What one caller is answered."""
        arguments = sent.arguments(who)
        if CALLERS[who] is None:
            del arguments["headers"]["authorization"]
        return await self.api.request(**arguments)


@asynccontextmanager
async def matrix_server(mongodb_uri: str) -> AsyncIterator[Matrix]:
    """All of it, over a database of its own."""
    name = f"test_{uuid4().hex[:16]}"
    async with opened(mongodb_uri, name) as operator:
        await stored_people(operator)
        for record in SIGHT["nobody"]:
            await stored_to_read(operator, record)
        bearers = {who: access for who, access in CALLERS.items() if access is not None}
        async with guarded(mongodb_uri, name, bearers) as api:
            await ready(api, "admin")
            yield Matrix(api, operator, count(1))
        await operator.server.database.client.drop_database(name)
