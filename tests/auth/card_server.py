"""The pages behind a proxy that reads cards, in one process: browsers with a card, without one, and past the proxy."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any
from urllib.parse import quote

import httpx
from cryptography import x509
from starlette.applications import Starlette
from starlette.middleware import Middleware

from fhir_server.rest.proxies import Proxies
from smart_auth.authorization import Authorization
from smart_auth.identity.certificates import CardTrust
from smart_auth.identity.eligibility import Enrolled, RegistryUnavailable, ServiceStatus
from smart_auth.identity.revocation import Revocation
from smart_auth.portal import Portal
from smart_auth.records import Account
from smart_auth.sealing import Seal
from smart_auth.settings import SmartSettings
from tests.auth.browsing import BASE, ORIGIN, Browser, PageServer, People
from tests.auth.card_authority import SECRET, Authority, pem, trust
from tests.auth.clock import Clock
from tests.auth.memory_documents import MemoryDocuments
from tests.auth.trail import Trail

PROXY = "192.0.2.1"
STRANGER = "203.0.113.9"
DOD_ID = "1234567890"
OTHER_DOD_ID = "2222222222"
NO_ACCOUNT_DOD_ID = "3333333333"


@dataclass(slots=True)
class Registry:
    """Enrolled people in a dictionary; away when told."""

    people: dict[str, Enrolled] = field(default_factory=dict)
    is_away: bool = False
    dependents: dict[str, tuple[Enrolled, ...]] = field(default_factory=dict)

    def enroll(self, dod_id: str, given: str, family: str, beneficiary_class: str = "active-duty") -> None:
        status = ServiceStatus(beneficiary_class, date(2000, 1, 1))
        self.people[dod_id] = Enrolled(dod_id, family, (given,), date(1980, 7, 4), statuses=(status,))

    async def by_dod_id(self, dod_id: str) -> Enrolled | None:
        if self.is_away:
            raise RegistryUnavailable
        return self.people.get(dod_id)

    async def by_ssn(self, ssn: str) -> Enrolled | None:
        return None

    async def dependents_of(self, dod_id: str) -> tuple[Enrolled, ...]:
        return self.dependents.get(dod_id, ())


@dataclass(frozen=True, slots=True)
class CardServer:
    """The pages, the agency whose cards they trust, and who is enrolled."""

    pages: PageServer
    issuer: Authority
    registry: Registry
    seal: Seal

    @property
    def parts(self) -> Authorization:
        return self.pages.parts

    def browser(
        self,
        certificate: x509.Certificate | None = None,
        *,
        secret: str = SECRET,
        peer: str = PROXY,
        headers: Sequence[tuple[str, str]] | None = None,
    ) -> Browser:
        """A browser whose proxy saw this certificate; with `headers` it sends those instead."""
        sent: list[tuple[str, str]] = [("x-forwarded-for", "198.51.100.5"), ("x-forwarded-proto", "http")]
        if certificate is not None:
            sent += [("x-client-cert", quote(pem(certificate), safe="")), ("x-client-cert-secret", secret)]
        sent = sent if headers is None else list(headers)
        transport = httpx.ASGITransport(self.pages.app, client=(peer, 40_000))
        http = httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers=sent)
        self.pages.others.append(http)
        return Browser(http)

    async def person(self, username: str, dod_id: str | None = None, **fields: Any) -> Account:
        """Somebody with a logon, who stands for the person of this DoD ID."""
        account = await self.pages.person(username, **fields)
        if dod_id is None:
            return account
        return await self.parts.persons.bind(account, dod_id, account.patients[0], "level2")

    def said(self, kind: str) -> list[str]:
        """What the audit log says of this kind."""
        return [event.text for event in self.pages.trail.events if event.kind == kind]


@asynccontextmanager
async def card_server(
    revocation: Revocation | None = None,
    *,
    has_registry: bool = True,
    portal: Mapping[str, Any] | None = None,
    base: str = BASE,
    proxy: str = PROXY,
    now: int | None = None,
) -> AsyncIterator[CardServer]:
    """Ann, who has DoD ID 1234567890 and one record, behind a proxy; nobody else is known."""
    clock, trail, people = Clock() if now is None else Clock(now), Trail(), People()
    documents = MemoryDocuments(now=clock)
    root = Authority.root(clock())
    issuer, registry, seal = root.below(), Registry(), Seal(bytes(range(32)))
    registry.enroll(DOD_ID, "Ann", "Example")
    trusted: CardTrust = trust(root, issuer, revocation=revocation)
    stands = Portal(seal=seal, cards=trusted, registry=registry if has_registry else None)
    parts = Authorization.compose(
        documents,
        people,
        trail,
        SmartSettings(),
        clock,
        lambda each: each == base,
        lambda request: base,
        portal=replace(stands, **(portal or {})),
    )
    app = Starlette(routes=parts.routes(), middleware=[Middleware(Proxies, trusted=frozenset({proxy}))])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN) as http:
        server = CardServer(PageServer(parts, app, clock, trail, people, Browser(http)), issuer, registry, seal)
        await server.person("ann", DOD_ID, patients=("p1",), fhir_user="Patient/p1")
        running = asyncio.create_task(parts.run())
        try:
            yield server
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            for each in server.pages.others:
                await each.aclose()
