"""Everything that leads to a sign-in, at an address of its own: cards, DS Logons, gates, registration and families.

What stands behind the pages is in memory; the certificate that a proxy would send is a header of the browser's own.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from itertools import count
from typing import Any, cast
from urllib.parse import quote, urlencode

from cryptography import x509
from playwright.async_api import Page
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from fhir_server.rest.proxies import Proxies
from smart_auth.identity.eligibility import Enrolled
from smart_auth.identity.eligibility_embedded import EmbeddedRegistry
from smart_auth.identity.proofing import Proven
from smart_auth.identity.registration import (
    Application,
    OpenRelation,
    OpenTask,
    Progress,
    Proof,
    Registrar,
    StaffDecision,
    Status,
)
from smart_auth.portal import Portal
from smart_auth.registrations import full_name
from smart_auth.sealing import Seal
from smart_auth.settings import SmartSettings
from tests.auth.browsing import PageServer, asked, page_server
from tests.auth.card_authority import SECRET, Authority, pem, trust
from tests.auth.clock import Clock
from tests.auth.memory_documents import MemoryDocuments
from tests.auth.registering import ENTRIES, Letters
from tests.auth.relatives import Family
from tests.auth.test_gates import CONTACT, Records
from tests.browser.conftest import OpenPage, Visit
from tests.browser.test_sign_in import _app, served, sign_in

SCOPE = "openid fhirUser launch/patient offline_access patient/Patient.rs patient/Observation.rs"
ANNS_DOD_ID = "9900000041"
UNREGISTERED_DOD_ID = "9900000066"
JO: dict[str, Any] = {
    "dod_id": UNREGISTERED_DOD_ID,
    "ssn": "934567890",
    "family": "Example",
    "given": ["Jo"],
    "birth_date": "1985-05-05",
    "statuses": [{"beneficiary_class": "active-duty", "start": "2010-01-01"}],
}


@dataclass(slots=True)
class Desk:
    """Keeps registrations in memory: what is proven goes on, everything else waits for staff."""

    tasks: dict[str, tuple[Application, Status]] = field(default_factory=dict)
    proofs: dict[str, list[Proof]] = field(default_factory=dict)

    async def patient_for(self, enrolled: Enrolled) -> str:
        return f"patient-{enrolled.dod_id}"

    async def dod_id_of(self, patient: str) -> str | None:
        return ANNS_DOD_ID if patient == "p1" else None

    async def begin(self, application: Application) -> Progress:
        task = f"t{len(self.tasks) + 1}"
        status: Status = "on-hold"
        if isinstance(application.result, Proven):
            status = "completed" if application.beneficiary == "active-duty" else "accepted"
        self.tasks[task] = (application, status)
        return await self.progress(task)

    async def hand_in(self, task: str, proof: Proof) -> Progress:
        self.proofs.setdefault(task, []).append(proof)
        return await self.progress(task)

    async def decide(self, task: str, decision: StaffDecision, by: str) -> Progress:
        application, _ = self.tasks[task]
        self.tasks[task] = (application, "rejected" if decision in ("reject", "refuse-proof") else "completed")
        return await self.progress(task)

    async def complete(self, task: str) -> Progress:
        application, _ = self.tasks[task]
        if task not in self.proofs:
            self.tasks[task] = (application, "completed")
        return await self.progress(task)

    async def progress(self, task: str) -> Progress:
        application, status = self.tasks[task]
        reason = "deers-discrepancy" if status == "on-hold" else None
        return Progress(task, status, reason, f"patient-{application.result.enrolled.dod_id}")

    async def open_tasks(self, fhir_user: str) -> list[OpenTask]:
        found = []
        for task, (application, status) in self.tasks.items():
            if status in ("accepted", "on-hold"):
                who = application.result.enrolled
                proofs = tuple((each.kind, f"DocumentReference/{task}") for each in self.proofs.get(task, ()))
                name, born = full_name(who), str(who.birth_date)
                reason = (await self.progress(task)).reason
                found.append(OpenTask(task, name, born, application.beneficiary, status, reason, proofs))
        return found

    async def cancel(self, task: str) -> Progress:
        raise AssertionError("nothing is on hold for so long")

    async def identify(self, patient: str, identification: str) -> None:
        raise AssertionError("no card is typed")

    async def decides(self, fhir_user: str) -> bool:
        return True

    async def open_relations(self, fhir_user: str) -> list[OpenRelation]:
        return [OpenRelation("contested", "Ann Example", "mother", "Kim Example")]

    async def decide_relation(self, task: str, is_accepted: bool, by: str) -> None:
        raise AssertionError("nobody decides it")

    async def proof(self, fhir_user: str, reference: str) -> tuple[str, bytes] | None:
        return None

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def change_status(self, patient: str, beneficiary_class: str, start: date) -> None:
        raise AssertionError("no page changes a class")


@dataclass(frozen=True, slots=True)
class Behind:
    """What the pages of one module stand on."""

    server: PageServer
    root: str
    app: str
    letters: Letters
    issuer: Authority
    numbers: Iterator[int] = field(default_factory=lambda: count(1))


@dataclass(frozen=True, slots=True)
class Site:
    """The pages, and windows to see them in."""

    behind: Behind
    visit: OpenPage

    @property
    def server(self) -> PageServer:
        return self.behind.server

    async def authorize(self, **fields: str) -> str:
        client = await self.server.parts.clients.get("growth")
        assert client is not None
        given = asked(client, SCOPE, aud=f"{self.behind.root}/fhir") | fields
        return f"/auth/authorize?{urlencode(given)}"

    async def somebody(self, **fields: Any) -> str:
        """A new person whom no gate stops; the username."""
        self.server.clock.seconds += 2
        username = f"person{next(self.behind.numbers)}"
        given = {"contact_verified_at": self.server.clock(), "conditions_version": "3", "name": "Lee Example", **fields}
        await self.server.person(username, **given)
        return username

    async def signed_in(self, path: str, options: dict[str, Any], **fields: Any) -> Visit:
        """A new person at a page that asks for a sign-in first."""
        username = await self.somebody(**fields)
        there = await self.visit("/auth/login", **options)
        await sign_in(there.page, username)
        await there.go(path)
        return there

    async def with_card(self, path: str, certificate: x509.Certificate, options: dict[str, Any]) -> Visit:
        """A window whose proxy saw this certificate."""
        headers = {"x-client-cert": quote(pem(certificate), safe=""), "x-client-cert-secret": SECRET}
        return await self.visit(path, **options, extra_http_headers=headers)

    def letter(self) -> str:
        """The path and query of the link in the newest letter."""
        return self.behind.letters.link().removeprefix(self.behind.root)


@asynccontextmanager
async def behind(port: int, app_port: int) -> AsyncIterator[Behind]:
    """Ann stands for the person of ANNS_DOD_ID; Cleo (p3) acts for Ben (p2)."""
    root, app = f"http://127.0.0.1:{port}", f"http://localhost:{app_port}"
    clock, seal, letters = Clock(), Seal(b"k" * 32), Letters()
    documents = MemoryDocuments(now=clock)
    registry = EmbeddedRegistry(documents, seal)
    await registry.seed([*ENTRIES, JO])
    anchor = Authority.root(clock())
    issuer, records = anchor.below(), Records()
    records.contacts["p1"] = CONTACT
    portal = Portal(
        seal=seal,
        mail=letters,
        cards=trust(anchor, issuer),
        contacts=records,
        conditions=records,
        proxies=Family(),
        registry=registry,
        registrar=cast("Registrar", Desk()),
    )
    settings = SmartSettings(beneficiary_registrations_per_minute=10_000)
    async with page_server(documents, settings, f"{root}/fhir", portal=portal) as server:
        documents.now = server.clock
        await server.client(redirect_uris=(f"{app}/callback",), initiate_login_uri=f"{app}/launch")
        ann = await server.parts.accounts.by_login("ann")
        assert ann is not None
        await server.parts.persons.bind(ann, ANNS_DOD_ID, "p1", "level2")
        # What is before the pages in earnest, and the gates that page_server leaves out.
        proxies = Middleware(Proxies, trusted=frozenset({"127.0.0.1"}))
        web = Starlette(routes=server.parts.routes(), middleware=[proxies])
        async with served(web, port), served(Starlette(routes=[Route("/{path}", _app)]), app_port):
            yield Behind(server, root, app, letters, issuer)


async def fill(page: Page, **labels: str) -> None:
    """Type into the fields that have these names."""
    for name, text in labels.items():
        await page.locator(f"input[name={name}]").fill(text)
