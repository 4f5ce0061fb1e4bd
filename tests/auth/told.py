"""A server that tells a patient and a doctor by mail what waits for them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI
from pydantic import SecretStr

from fhir_server.app import create_app
from fhir_server.settings import Settings
from smart_auth.access import AccessContext
from tests.auth.inbox import Inbox, mail_server
from tests.rest.access import BASE, FixedGuard, as_bearer, scopes

ANNA = AccessContext(
    "anna", "app", "patient", scopes("patient/*.cruds"), fhir_user="Patient/anna", patients=("anna",), patient="anna"
)
DR = AccessContext("dr", "chart", "practitioner", scopes("user/*.cruds"), fhir_user="Practitioner/dr")
SYSTEM = AccessContext("system", "exchange", "system", scopes("system/*.cruds"))

WORLD: list[dict[str, Any]] = [
    {
        "resourceType": "Patient",
        "id": "anna",
        "telecom": [{"system": "email", "value": "anna@example.org"}],
        "generalPractitioner": [{"reference": "Practitioner/dr"}],
    },
    {"resourceType": "Practitioner", "id": "dr", "telecom": [{"system": "email", "value": "dr@example.org"}]},
    {"resourceType": "Practitioner", "id": "none"},
]


@asynccontextmanager
async def server(uri: str, name: str, port: int) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    settings = Settings(
        auth="smart",
        mongodb_uri=SecretStr(uri),
        mongodb_database=name,
        mail_url=SecretStr(f"smtp://127.0.0.1:{port}?starttls=off"),
    )
    app = create_app(settings, FixedGuard({"anna": ANNA, "dr": DR, "system": SYSTEM}))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=f"{BASE}/", timeout=30) as client:
            yield app, client


@asynccontextmanager
async def two_workers(uri: str, name: str, inbox: Inbox) -> AsyncIterator[httpx.AsyncClient]:
    """One of two workers that both look for what is due, with the people."""
    with mail_server(inbox) as port:
        async with server(uri, name, port) as (app, api), server(uri, name, port):
            await people(app, api)
            yield api


async def people(app: FastAPI, api: httpx.AsyncClient) -> None:
    for resource in WORLD:
        place = f"{resource['resourceType']}/{resource['id']}"
        assert (await api.put(place, json=resource, headers=as_bearer("system"))).status_code == 201
    accounts = app.state.authorization.accounts
    await accounts.add("anna", "", "patient", fhir_user="Patient/anna", patients=("anna",))
    await accounts.add("dr", "", "practitioner", fhir_user="Practitioner/dr")


async def until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
