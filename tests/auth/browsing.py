"""The pages in one process, and a browser without scripts: it keeps cookies, follows redirects and sends forms."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import lxml.html
from argon2 import PasswordHasher
from starlette.applications import Starlette

from smart_auth.authorization import Authorization
from smart_auth.directory import EncounterName, PatientName
from smart_auth.documents import Documents
from smart_auth.identity.accounts import LOGINS, login_of
from smart_auth.pages_routes import pages_routes
from smart_auth.portal import Portal
from smart_auth.records import ACCOUNTS, CLIENTS, Account, Client, kept
from smart_auth.settings import SmartSettings
from smart_auth.steps import Gate
from tests.auth.clock import Clock
from tests.auth.memory_documents import MemoryDocuments
from tests.auth.trail import Trail

ORIGIN = "http://fhir.test"
BASE = f"{ORIGIN}/fhir"
REDIRECT_URI = "https://app.test/callback"
LAUNCH_URI = "https://app.test/launch"
VERIFIER = "a-verifier-of-seventy-three-characters-as-the-kits-send-them-0123456789-x"
CHALLENGE = "73CUnN8s-kUWoDHppxBP_APYIpPA9ijJFYNvFFgaOhU"
PASSWORD = "correct horse battery staple"
SCOPE = (
    "openid fhirUser launch launch/patient offline_access online_access patient/*.rs patient/*.read user/*.cruds "
    "user/*.rs"
)


@cache
def password_hash() -> str:
    """The hash of PASSWORD, made once because that is slow."""
    return PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1).hash(PASSWORD)


@dataclass(slots=True)
class People:
    """A directory of patients by id, of whom `related` are in the care of any practitioner."""

    names: dict[str, PatientName] = field(
        default_factory=lambda: {
            id: PatientName(id, name, born)
            for id, name, born in (
                ("p1", "Ann Example", "1980-07-04"),
                ("p2", "Ben Example", "2015-02-03"),
                ("p3", "Cleo <Other>", None),
            )
        }
    )
    related: set[str] = field(default_factory=lambda: {"p1", "p2"})

    async def patients(self, ids: Sequence[str]) -> list[PatientName]:
        return [self.names[id] for id in ids if id in self.names]

    async def related_patients(self, fhir_user: str, words: str) -> list[PatientName]:
        found = [self.names[id] for id in sorted(self.related)]
        return [each for each in found if words.casefold() in f"{each.name} {each.birth_date}".casefold()]

    async def is_related(self, fhir_user: str, patient: str) -> bool:
        return patient in self.related

    async def encounters(self, patient: str) -> list[EncounterName]:
        return [EncounterName(f"e-{patient}", "2026-01-02, Annual visit")]

    async def patient_exists(self, id: str) -> bool:
        return id in self.names


@dataclass(frozen=True, slots=True)
class Seen:
    """What a browser ended up at: a page of ours, or an address elsewhere that it was sent to."""

    response: httpx.Response
    address: str

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def text(self) -> str:
        """The words of the page."""
        return " ".join(self.html.text_content().split())

    @property
    def html(self) -> Any:
        return lxml.html.fromstring(self.response.text)

    @property
    def title(self) -> str:
        return str(self.html.findtext(".//h1"))

    @property
    def path(self) -> str:
        return urlsplit(self.address).path

    @property
    def answer(self) -> dict[str, str]:
        """The parameters of the address, each of which stands there once."""
        found = parse_qs(urlsplit(self.address).query, keep_blank_values=True, strict_parsing=True)
        assert all(len(values) == 1 for values in found.values()), found
        return {name: values[0] for name, values in found.items()}

    def form(self, action: str = "") -> Any:
        """The one form whose `action` field has this value; without one the page's main form, its last."""
        forms = [each for each in self.html.forms if not action or each.fields.get("action") == action]
        return forms[-1] if action else next(each for each in forms if each.fields.get("action") != "search")

    @property
    def boxes(self) -> dict[str, bool]:
        """The scopes offered, and whether they are ticked."""
        return {box.get("value"): box.checked for box in self.html.xpath("//input[@type='checkbox'][@name='scope']")}


@dataclass(frozen=True, slots=True)
class Browser:
    """One browser without scripts."""

    http: httpx.AsyncClient

    async def go(self, address: str, **fields: str) -> Seen:
        return await self._follow(await self.http.get(address, params=fields or None))

    async def send(
        self, seen: Seen, action: str = "", form: Any = None, headers: Any = None, **fields: str | list[str] | None
    ) -> Seen:
        """Send a form of a page as it stands, with these fields instead of what is in them; None takes one away."""
        form = seen.form(action) if form is None else form
        values: dict[str, list[str]] = {}
        for name, value in form.form_values():
            values.setdefault(name, []).append(value)
        for name, given in fields.items():
            values[name] = [] if given is None else [given] if isinstance(given, str) else given
        where = urljoin(str(seen.response.url), form.get("action"))
        return await self._follow(await self.http.post(where, data=values, headers=headers))

    async def sign_in(self, seen: Seen, username: str = "ann", password: str = PASSWORD) -> Seen:
        assert seen.title == "Sign in", seen.text
        return await self.send(seen, username=username, password=password)

    async def allow(self, seen: Seen, scopes: Sequence[str] | None = None) -> Seen:
        """Answer the consent page, with what is ticked or these scopes."""
        assert seen.path == "/auth/consent", seen.text
        if scopes is None:
            return await self.send(seen, decision="allow")
        return await self.send(seen, decision="allow", scope=list(scopes))

    async def _follow(self, response: httpx.Response) -> Seen:
        for _ in range(10):
            if not response.is_redirect:
                return Seen(response, str(response.url))
            assert response.status_code == 303
            there = urljoin(str(response.url), response.headers["location"])
            if not there.startswith(urljoin(str(response.url), "/")):
                return Seen(response, there)
            response = await self.http.get(there)
        raise AssertionError(f"no end of redirects at {response.url}")


@dataclass(frozen=True, slots=True)
class PageServer:
    """The pages with everything behind them; `browser` is one of as many as there may be."""

    parts: Authorization
    app: Starlette
    clock: Clock
    trail: Trail
    people: People
    browser: Browser
    others: list[httpx.AsyncClient] = field(default_factory=list)

    def another_browser(self) -> Browser:
        http = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=ORIGIN)
        self.others.append(http)
        return Browser(http)

    async def client(self, id: str = "growth", **fields: Any) -> Client:
        """A registered app."""
        given = {"name": "Growth chart", "scope": SCOPE, "redirect_uris": (REDIRECT_URI,), **fields}
        client = Client(id=id, **given)
        await self.parts.documents.replace(CLIENTS, client.id, kept(client))
        return client

    async def person(self, username: str, **fields: Any) -> Account:
        """Somebody who signs in by PASSWORD."""
        given = {"kind": "patient", "name": username.title(), **fields}
        account = Account(
            id=f"id-{username}", username=username, login=login_of(username), password_hash=password_hash(), **given
        )
        await self.parts.documents.replace(ACCOUNTS, account.id, kept(account))
        await self.parts.documents.replace(LOGINS, account.login, {"account": account.id})
        return account

    async def exchanged(self, client: Client, code: str) -> dict[str, Any]:
        """The token response for a code of a public app."""
        form = {
            "grant_type": "authorization_code",
            "client_id": client.id,
            "code": code,
            "redirect_uri": client.redirect_uris[0],
            "code_verifier": VERIFIER,
        }
        response = await self.browser.http.post("/auth/token", data=form)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer


def asked(
    client: Client, scope: str | None = "launch/patient patient/Patient.rs", **fields: str | None
) -> dict[str, str]:
    """The parameters of a request to authorize; fields that are None are left out."""
    parameters: dict[str, str | None] = {
        "response_type": "code",
        "client_id": client.id,
        "redirect_uri": client.redirect_uris[0],
        "scope": scope,
        "state": "state & more",
        "aud": BASE,
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        **fields,
    }
    return {name: value for name, value in parameters.items() if value is not None}


@asynccontextmanager
async def page_server(
    documents: Documents | None = None,
    settings: SmartSettings | None = None,
    base: str = BASE,
    gates: tuple[Gate, ...] = (),
    portal: Portal | None = None,
) -> AsyncIterator[PageServer]:
    """A worker with Ann, who has one record, Sam, who acts for three, and a practitioner, an officer and an admin."""
    clock, trail, people = Clock(), Trail(), People()
    parts = Authorization.compose(
        documents or MemoryDocuments(now=clock),
        people,
        trail,
        settings or SmartSettings(),
        clock,
        lambda each: each == base,
        lambda request: base,
        portal=portal,
    )
    others = [route for route in parts.routes() if route.path not in {each.path for each in pages_routes(parts)}]
    app = Starlette(routes=[*others, *pages_routes(parts, gates)])
    origin = base.removesuffix("/fhir")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=origin) as http:
        server = PageServer(parts, app, clock, trail, people, Browser(http))
        await server.person("ann", fhir_user="Patient/p1", patients=("p1",))
        await server.person("sam", fhir_user="Patient/p3", patients=("p3", "p2", "p1"))
        await server.person("doctor", kind="practitioner", fhir_user="Practitioner/d1")
        await server.person("officer", kind="officer")
        await server.person("admin", kind="admin")
        running = asyncio.create_task(parts.run())
        try:
            yield server
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            for each in server.others:
                await each.aclose()
