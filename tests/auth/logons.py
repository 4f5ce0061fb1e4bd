"""The pages of DS Logons in one process, with a registry of a few people, and letters that go nowhere."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any, cast

import httpx
from starlette.applications import Starlette

from smart_auth.authorization import Authorization
from smart_auth.documents import Documents
from smart_auth.identity.eligibility import Enrolled, RegistryUnavailable, ServiceStatus
from smart_auth.identity.registration import Registrar, RegistrarConflict
from smart_auth.mail import Message
from smart_auth.portal import Portal
from smart_auth.records import Account
from smart_auth.sealing import Seal
from smart_auth.settings import SmartSettings
from tests.auth.browsing import BASE, ORIGIN, Browser, PageServer, People
from tests.auth.clock import Clock
from tests.auth.memory_documents import MemoryDocuments
from tests.auth.trail import Trail

SEAL = Seal(b"k" * 32)
NEW_PASSWORD = "purple trains sing at noon"
EMAIL = "maria@example.org"

MARIA = Enrolled(
    dod_id="1234567890",
    family="Núñez",
    given=("María", "Elena"),
    birth_date=date(1980, 7, 4),
    statuses=(ServiceStatus("retiree", date(2020, 1, 1)),),
)
MARIAS_SSN = "900123456"
CHILD = Enrolled(
    dod_id="1234567891",
    family="Núñez",
    given=("Leo",),
    birth_date=date(2015, 7, 4),
    statuses=(ServiceStatus("dependent", date(2015, 7, 4)),),
)
CHILDS_SSN = "900123457"


@dataclass(slots=True)
class Letters:
    """Mail that is kept here."""

    sent: list[Message] = field(default_factory=list)
    is_available: bool = True

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    async def run(self) -> None:
        return

    def link(self, number: int = -1) -> str:
        """The path and query of the link in a letter."""
        found = re.search(rf"{ORIGIN}(/\S+\?token=\S+)", self.sent[number].text)
        assert found is not None, self.sent[number].text
        return found[1]


@dataclass(slots=True)
class FewPeople:
    """A registry that knows Maria and her child."""

    is_away: bool = False

    async def by_dod_id(self, dod_id: str) -> Enrolled | None:
        return self._found({MARIA.dod_id: MARIA, CHILD.dod_id: CHILD}.get(dod_id))

    async def by_ssn(self, ssn: str) -> Enrolled | None:
        return self._found({MARIAS_SSN: MARIA, CHILDS_SSN: CHILD}.get(ssn))

    async def dependents_of(self, dod_id: str) -> tuple[Enrolled, ...]:
        return ()

    def _found(self, person: Enrolled | None) -> Enrolled | None:
        if self.is_away:
            raise RegistryUnavailable
        return person


@dataclass(slots=True)
class OneRecord:
    """A registrar of whom only the Patient of somebody is asked."""

    has_two: bool = False

    async def patient_for(self, enrolled: Enrolled) -> str:
        if self.has_two:
            raise RegistrarConflict
        return f"patient-{enrolled.dod_id}"

    async def run(self) -> None:
        return


@dataclass(frozen=True, slots=True)
class LogonServer:
    """The pages, and what stands behind them."""

    pages: PageServer
    letters: Letters
    registry: FewPeople
    registrar: OneRecord

    @property
    def browser(self) -> Browser:
        return self.pages.browser

    @property
    def parts(self) -> Authorization:
        return self.pages.parts

    @property
    def clock(self) -> Clock:
        return self.pages.clock

    @property
    def trail(self) -> Trail:
        return self.pages.trail

    async def account(self, username: str) -> Account:
        """The account of this name as it is now."""
        found = await self.parts.accounts.by_login(username)
        assert found is not None
        return found

    async def signed_in(self, username: str = "maria", **fields: Any) -> Browser:
        """A browser in which this new person, of level 1 and with a confirmed address, has signed in."""
        given = {"level": "level1", "email": f"{username}@example.org", "email_verified_at": 1, **fields}
        await self.pages.person(username, **given)
        browser = self.pages.another_browser()
        seen = await browser.sign_in(await browser.go("/auth/login"), username)
        assert seen.path == "/auth/manage", seen.text
        return browser


@asynccontextmanager
async def logon_server(
    settings: SmartSettings | None = None, documents: Documents | None = None
) -> AsyncIterator[LogonServer]:
    """A worker with Ann, who has one record and an address that is confirmed, and nobody else."""
    clock, trail, letters, registry, registrar = Clock(), Trail(), Letters(), FewPeople(), OneRecord()
    portal = Portal(seal=SEAL, mail=letters, registry=registry, registrar=cast("Registrar", registrar))
    parts = Authorization.compose(
        documents or MemoryDocuments(now=clock),
        People(),
        trail,
        settings or SmartSettings(),
        clock,
        lambda each: each == BASE,
        lambda request: BASE,
        portal=portal,
    )
    app = Starlette(routes=parts.routes())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN) as http:
        pages = PageServer(parts, app, clock, trail, People(), Browser(http))
        await pages.person(
            "ann", fhir_user="Patient/p1", patients=("p1",), email="ann@example.org", email_verified_at=1
        )
        running = asyncio.create_task(parts.run())
        try:
            yield LogonServer(pages, letters, registry, registrar)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            for each in pages.others:
                await each.aclose()
