"""An order asks for a card that was used not long ago: over HTTP, from the sign-in to the write and on by refreshing.

https://www.rfc-editor.org/rfc/rfc9470
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest

from fhir_server.app import create_app
from fhir_server.settings import Settings
from smart_auth.identity.certificates import card
from smart_auth.records import Client
from tests.auth.browsing import ORIGIN, Seen, asked
from tests.auth.card_authority import pem
from tests.auth.card_server import CardServer, card_server
from tests.rest.access import BASE as API
from tests.rest.conftest import numbers, patient
from tests.rest.in_process import opened, put

pytestmark = pytest.mark.asyncio

HOUR = 3600
CARED_FOR = {
    "resourceType": "Encounter",
    "id": "visit",
    "status": "in-progress",
    "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
    "subject": {"reference": "Patient/anna"},
    "participant": [{"individual": {"reference": "Practitioner/d1"}}],
    "period": {"start": "2026-01-01"},
}
ORDER = {
    "resourceType": "ServiceRequest",
    "status": "active",
    "intent": "order",
    "subject": {"reference": "Patient/anna"},
    "code": {"text": "x-ray"},
}


@dataclass(frozen=True, slots=True)
class Ward:
    """The FHIR API, the pages that sign in to it, and a doctor with a card."""

    api: httpx.AsyncClient
    door: CardServer
    app: Client
    doctor: Any

    async def signed_in(self, seen: Seen) -> dict[str, Any]:
        """The tokens of who comes from the app to the sign-in page, and has the card in the reader."""
        (link,) = seen.html.xpath("//main//a[starts-with(@href, '/auth/card')]/@href")
        seen = await self.doctor.send(await self.doctor.go(link))
        answer = (await self.doctor.allow(seen)).answer
        return await self.door.pages.exchanged(self.app, answer["code"])

    async def authorized(self, **fields: str) -> Seen:
        scope = "openid offline_access user/*.cruds"
        seen: Seen = await self.doctor.go("/auth/authorize", **asked(self.app, scope, **fields))
        return seen

    async def refreshed(self, tokens: dict[str, Any]) -> dict[str, Any]:
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "client_id": self.app.id}
        found: dict[str, Any] = (await self.doctor.http.post("/auth/token", data=form)).json()
        return found

    async def ordered(self, tokens: dict[str, Any]) -> httpx.Response:
        headers = {"authorization": f"Bearer {tokens['access_token']}"}
        return await self.api.post("ServiceRequest", json=ORDER, headers=headers)


@asynccontextmanager
async def _api(uri: str, name: str, door: CardServer) -> AsyncIterator[httpx.AsyncClient]:
    async with opened(uri, name) as context:
        await put(context, patient(id="anna"))
        await put(context, {"resourceType": "Practitioner", "id": "d1"})
        await put(context, CARED_FOR)
    settings = Settings(auth="smart", mongodb_uri=uri, mongodb_database=name)
    app = create_app(settings, door.parts.guard)
    async with app.router.lifespan_context(app):
        app.state.server = replace(app.state.server, card_for=frozenset({"orders"}))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"{API}/", timeout=30) as client:
            yield client


@pytest.fixture
async def ward(mongodb_uri: str, database_name: str) -> AsyncIterator[Ward]:
    async with card_server() as door, _api(mongodb_uri, database_name, door) as api:
        doctor = await door.person("doctor", kind="practitioner", fhir_user="Practitioner/d1")
        certificate, trust = door.issuer.piv(), door.parts.portal.cards
        assert trust is not None
        await door.parts.card_bindings.bind(await card(trust, pem(certificate), door.pages.clock()), doctor)
        yield Ward(api, door, await door.pages.client(), door.browser(certificate))


async def test_the_card_is_asked_for_anew_once_its_hours_are_over(ward: Ward) -> None:
    tokens = await ward.signed_in(await ward.authorized())
    assert (await ward.ordered(tokens)).status_code == 201
    ward.door.pages.clock.pass_seconds(12 * HOUR - 60)
    tokens = await ward.refreshed(tokens)
    assert (await ward.ordered(tokens)).status_code == 201
    ward.door.pages.clock.pass_seconds(60)
    tokens = await ward.refreshed(tokens)
    refused = await ward.ordered(tokens)
    assert (refused.status_code, numbers(refused)) == (401, ["6044"])
    challenge = refused.headers["www-authenticate"]
    assert 'error="insufficient_user_authentication", acr_values="card"' in challenge
    # What is no order is read and written as before.
    read = await ward.api.get("Patient/anna", headers={"authorization": f"Bearer {tokens['access_token']}"})
    assert read.status_code == 200
    seen = await ward.authorized(acr_values="card")
    assert seen.title == "Sign in"
    assert (await ward.ordered(await ward.signed_in(seen))).status_code == 201


async def test_who_is_still_signed_in_is_asked_for_the_card_too(ward: Ward) -> None:
    # Longer than a card counts, as where sessions are set to last for days.
    object.__setattr__(ward.door.parts.settings, "session_hours", 48)
    object.__setattr__(ward.door.parts.settings, "session_idle_minutes", 1440)
    tokens = await ward.signed_in(await ward.authorized())
    ward.door.pages.clock.pass_seconds(12 * HOUR)
    assert (await ward.ordered(await ward.refreshed(tokens))).status_code == 401
    seen = await ward.authorized(acr_values="card")
    assert seen.title == "Sign in by a stronger way" and seen.address.startswith(ORIGIN)
    assert (await ward.ordered(await ward.signed_in(seen))).status_code == 201
