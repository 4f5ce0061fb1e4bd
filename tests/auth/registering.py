"""The pages of registration over a record of its own, with a registry of invented people and a letter box."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import httpx

from fhir_server.record_writer import RecordWriter
from fhir_server.registrar import RecordRegistrar, RegistrySponsoring
from fhir_server.store.documents import DatabaseDocuments
from smart_auth import invitation_pages
from smart_auth.authorization import Authorization
from smart_auth.documents import Change
from smart_auth.identity.eligibility_embedded import EmbeddedRegistry
from smart_auth.mail import Message
from smart_auth.portal import Portal
from smart_auth.records import Account
from smart_auth.registrations import Registrations
from smart_auth.sealing import Seal
from tests.auth.browsing import Browser, PageServer, Seen, page_server
from tests.auth.memory_documents import MemoryDocuments
from tests.rest.in_process import opened
from tests.rest.writers import Writers, person

DOD = "urn:oid:2.16.840.1.113883.3.42.10001.100001.12"
STAFF = "Practitioner/d1"
PASSWORD = "seven otters juggle quietly"
PDF = b"%PDF-1.7 an invented document"

RETIREE: dict[str, str] = {
    "name": "Robin Example",
    "birth_date": "1955-02-03",
    "dod_id": "9900000017",
    "ssn": "912-34-5678",
    "email": "robin@example.org",
    "username": "robin",
    "password": PASSWORD,
    "again": PASSWORD,
}
VETERAN = {**RETIREE, "name": "José Núñez Jr.", "ssn": "923-45-6789", "birth_date": "1990-06-30"}
"""What two people type who are who they say."""

_SECOND = {"practitioner": {"reference": "Practitioner/d2"}}
_SINCE = [{"beneficiary_class": "retiree", "start": "2015-01-01"}]
ENTRIES: tuple[dict[str, Any], ...] = (
    {
        "dod_id": "9900000017",
        "ssn": "912345678",
        "family": "Example",
        "given": ["Robin"],
        "birth_date": "1955-02-03",
        "statuses": _SINCE,
    },
    {
        "dod_id": "9900000025",
        "ssn": "923456789",
        "family": "Núñez",
        "given": ["José"],
        "suffix": "Jr.",
        "birth_date": "1990-06-30",
        "statuses": [{"beneficiary_class": "veteran", "start": "2020-01-01"}],
    },
    {
        "dod_id": "9900000033",
        "family": "Example",
        "given": ["Kim"],
        "birth_date": "2020-05-05",
        "statuses": [{"beneficiary_class": "dependent-child", "start": "2020-05-05"}],
        "sponsor_dod_id": "9900000041",
        "relationship": "child",
    },
    {
        "dod_id": "9900000058",
        "family": "Example",
        "given": ["Pat"],
        "birth_date": "1981-01-01",
        "statuses": [{"beneficiary_class": "dependent-spouse", "start": "2010-01-01"}],
        "sponsor_dod_id": "9900000041",
        "relationship": "spouse",
    },
    {
        "dod_id": "9900000041",
        "family": "Example",
        "given": ["Ann"],
        "birth_date": "1980-07-04",
        "statuses": [{"beneficiary_class": "active-duty", "start": "2005-01-01"}],
    },
)


@dataclass(slots=True)
class Letters:
    """Mail that is read at once. While it is not `is_available` nothing is."""

    sent: list[Message] = field(default_factory=list)
    is_available: bool = True

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    async def run(self) -> None:
        """There is nothing to deliver."""

    def link(self) -> str:
        """The address in the newest letter that has one."""
        found = [re.search(r"http://\S+", each.text) for each in reversed(self.sent)]
        return next(each.group() for each in found if each is not None)


@dataclass(frozen=True, slots=True)
class Registering:
    """The pages, the record behind them, and the letters that went out."""

    pages: PageServer
    record: Writers
    registrar: RecordRegistrar
    registry: EmbeddedRegistry
    letters: Letters

    @property
    def parts(self) -> Authorization:
        return self.pages.parts

    @property
    def registrations(self) -> Registrations:
        return Registrations(self.parts, self.registrar)

    async def register(self, kind: str, browser: Browser | None = None, **fields: str | None) -> Seen:
        """Fill in the form of a kind and send it, a veteran's with a DD-214."""
        browser = browser or self.pages.another_browser()
        seen = await browser.go(f"/auth/registration/{kind}")
        given = {**(RETIREE if kind == "retiree" else VETERAN), **fields}
        if kind == "retiree":
            return await browser.send(seen, "", **given)
        return await sent_with_file(browser, seen, PDF, proof="dd-214", **given)

    async def confirm(self, link: str = "", password: str = PASSWORD, **fields: str) -> Seen:
        """Open a letter's link and send the form there."""
        browser = self.pages.another_browser()
        return await browser.send(await browser.go(link or self.letters.link()), password=password, **fields)

    async def signs_in(self, username: str = "robin", password: str = PASSWORD) -> bool:
        """Whether this name and password open a session."""
        browser = self.pages.another_browser()
        return (await browser.sign_in(await browser.go("/auth/login"), username, password)).path == "/auth/manage"

    async def with_record(self, username: str = "robin") -> Account:
        """The account once it has the record: what overtakes the last step leaves it to the sweep, 5 seconds later."""
        for _ in range(300):
            found = await self.parts.accounts.by_login(username)
            if found is not None and found.patients:
                return found
            await asyncio.sleep(0.1)
        raise AssertionError(f"{username} was given no record")

    async def staff(self) -> Browser:
        """The browser of somebody who decides."""
        browser = self.pages.another_browser()
        await browser.sign_in(await browser.go("/auth/login"), "doctor", "correct horse battery staple")
        return browser

    async def other_staff(self) -> Browser:
        """The browser of a second one, who works at the same places."""
        if await self.parts.accounts.by_login("second") is None:
            await self.pages.person("second", kind="practitioner", fhir_user="Practitioner/d2")
        browser = self.pages.another_browser()
        await browser.sign_in(await browser.go("/auth/login"), "second")
        return browser


async def sent_with_file(browser: Browser, seen: Seen, content: bytes, **fields: str | None) -> Seen:
    """A form sent as multipart, with a file of this content."""
    form = seen.form()
    values = dict(form.form_values()) | {name: value for name, value in fields.items() if value is not None}
    values.pop("file", None)
    files = {"file": ("proof.pdf", content, "application/pdf")}
    response: httpx.Response = await browser.http.post(form.get("action"), data=values, files=files)
    return await browser._follow(response)


@asynccontextmanager
async def registering(
    uri: str, database: str, *, is_kept: bool = False, letters: Letters | None = None
) -> AsyncIterator[Registering]:
    """A clinic with one practitioner, a sponsor with a record, and the people of ENTRIES in the registry.

    With `is_kept` what sign-in keeps stands in the database too, so that several may run over it, as workers do.
    """
    async with opened(uri, database) as context:
        record = Writers(context)
        role = {"resourceType": "PractitionerRole", "active": True, "practitioner": {"reference": STAFF}}
        await record.stored(
            {"resourceType": "Organization", "id": "agency-dod", "name": "Department of Defense"},
            {"resourceType": "Organization", "id": "agency-va", "name": "Department of Veterans Affairs"},
            {"resourceType": "Practitioner", "id": "d1"},
            {"resourceType": "Practitioner", "id": "d2"},
            role | {"id": "r1", "organization": {"reference": "Organization/agency-dod"}},
            role | {"id": "r2", "organization": {"reference": "Organization/agency-va"}},
            role | _SECOND | {"id": "r3", "organization": {"reference": "Organization/agency-dod"}},
            role | _SECOND | {"id": "r4", "organization": {"reference": "Organization/agency-va"}},
            person("p1", identifier=[{"system": DOD, "value": "9900000041"}]),
        )
        memory, seal, letters = MemoryDocuments(), Seal(b"s" * 32), letters or Letters()
        documents: Any = DatabaseDocuments(context.server.database, Change) if is_kept else memory
        registry = EmbeddedRegistry(documents, seal)
        await registry.seed(ENTRIES)
        writer = RecordWriter(context.server, None, context.base)
        registrar = RecordRegistrar(writer, sponsoring=RegistrySponsoring(registry))
        portal = Portal(seal=seal, mail=letters, registry=registry, registrar=registrar)
        # Tests of time say so themselves.
        even = patch.object(invitation_pages, "EVEN_SECONDS", 0.0)
        async with page_server(documents, portal=portal) as pages:
            memory.now = pages.clock
            with even:
                yield Registering(pages, record, registrar, registry, letters)
