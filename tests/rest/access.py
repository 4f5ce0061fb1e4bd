"""Callers of every kind without a sign-in: a guard that knows a few bearers by name, and a server that has it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import cast

import httpx

from fhir_server.app import create_app
from fhir_server.settings import Settings
from smart_auth.access import AccessContext, Level, NotAdmitted, ResourceScope

BASE = "http://localhost:8080/fhir"


class FixedGuard:
    """Admits `Authorization: Bearer <name>` for each name it was given, as smart_auth's guard does for tokens."""

    def __init__(self, bearers: Mapping[str, AccessContext]) -> None:
        self.bearers = dict(bearers)

    async def admitted(self, authorization: str | None) -> AccessContext:
        """The bearer of that name. Raises NotAdmitted for any other."""
        if authorization is None:
            raise NotAdmitted(None, "Sign in first: the request has no access token.")
        access = self.bearers.get(authorization.removeprefix("Bearer "))
        if access is None:
            raise NotAdmitted("invalid_token", "The access token is not known here.")
        return access

    async def visited(self, address: str) -> None:
        """Nobody asks too often."""


def scopes(text: str) -> tuple[ResourceScope, ...]:
    """Scopes of v2 without filters, such as `patient/*.rs user/Observation.cruds`."""
    return tuple(map(_scope, text.split()))


def _scope(text: str) -> ResourceScope:
    level, _, rest = text.partition("/")
    type, _, letters = rest.partition(".")
    return ResourceScope(cast(Level, level), type, frozenset(letters))


@asynccontextmanager
async def guarded(uri: str, name: str, bearers: Mapping[str, AccessContext]) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server over the database of this name, which admits these bearers; paths are relative to the base.

    Send `headers={"authorization": "Bearer <name>"}`, or use `as_bearer`.
    """
    settings = Settings(auth="smart", mongodb_uri=uri, mongodb_database=name)
    app = create_app(settings, FixedGuard(bearers))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=f"{BASE}/", timeout=30) as client:
            yield client


def as_bearer(name: str) -> dict[str, str]:
    """The header of a request by this bearer."""
    return {"authorization": f"Bearer {name}"}
