"""Help is on every page and before any sign-in; each refusal says by what the help desk finds it."""

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from smart_auth import who_helps
from smart_auth.mail import Deliver, Message, Outbox
from smart_auth.mailbox import Mailbox
from smart_auth.portal import Portal
from smart_auth.sealing import Seal
from tests.auth.browsing import ORIGIN, Browser, PageServer, page_server
from tests.auth.clock import Clock
from tests.auth.memory_documents import MemoryDocuments
from tests.auth.relatives import Family

DESK = "Global Service Center, 1-800-600-9332"


class Numbered:
    """Gives each request an id, as the FHIR server does around these pages."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["request_id"] = "request-17"
        await self.app(scope, receive, send)


@pytest.fixture
async def server() -> AsyncIterator[PageServer]:
    async with page_server(portal=Portal(proxies=Family())) as server:
        transport = httpx.ASGITransport(Numbered(server.app))
        async with httpx.AsyncClient(transport=transport, base_url="http://fhir.test") as http:
            yield replace(server, browser=Browser(http))


async def test_the_answers_are_read_without_signing_in(server: PageServer) -> None:
    seen = await server.browser.go("/help")
    assert seen.status == 200 and seen.title == "Answers to common questions"
    for words in ("level 2", "retirees", "DD-214", "CAC", "spam", "cache", "800-368-3665", "800-538-9552", "Champion"):
        assert words.casefold() in seen.text.casefold()
    assert DESK in seen.text
    assert (await server.browser.http.head("/help")).status_code == 200
    assert (await server.browser.http.post("/help")).status_code == 405


async def test_every_link_within_the_answers_leads_somewhere(server: PageServer) -> None:
    seen = await server.browser.go("/help")
    ids = set(seen.html.xpath("//@id"))
    for there in seen.html.xpath("//main//a/@href"):
        if there.startswith("#"):
            assert there[1:] in ids
        else:
            assert (await server.browser.http.get(there)).status_code in (200, 303), there


@pytest.mark.parametrize("path", ["/auth/login", "/auth/logout", "/auth/authorize", "/help"])
async def test_each_page_names_the_help_desk_and_the_answers(server: PageServer, path: str) -> None:
    seen = await server.browser.go(path)
    footer = seen.html.xpath("//footer")[0]
    assert DESK in footer.text_content()
    assert footer.xpath(".//a/@href") == ["/help"]


async def test_a_refusal_says_its_code_and_the_id_by_which_the_audit_log_has_it(server: PageServer) -> None:
    seen = await server.browser.go("/auth/authorize")
    assert seen.status == 400
    assert DESK in seen.text
    assert seen.html.xpath("//dd/code/text()")[1:] == ["request-17"]
    assert seen.html.xpath("//dd/code/text()")[0] in ("invalid_request", "invalid_client", "unauthorized_client")


async def test_a_refused_sign_in_is_in_the_audit_log_by_the_same_id(server: PageServer) -> None:
    await server.browser.sign_in(await server.browser.go("/auth/login"), "ann", "wrong")
    failed = [event for event in server.trail.events if event.kind == "login-failed"]
    assert [event.request_id for event in failed] == ["request-17"]


async def test_a_refusal_in_json_names_the_page_that_helps(server: PageServer) -> None:
    answer = await server.browser.http.post("/auth/token", data={"grant_type": "password"})
    assert answer.status_code == 400
    assert answer.json()["error_uri"] == f"{ORIGIN}/help"
    answer = await server.browser.http.get("/auth/userinfo")
    assert answer.status_code == 401
    assert answer.json()["error_uri"] == f"{ORIGIN}/help"


async def test_the_help_desk_is_that_of_the_settings() -> None:
    try:
        async with page_server(portal=Portal(help_desk="Our desk, 1-800-555-0100")) as server:
            assert "Our desk, 1-800-555-0100" in (await server.browser.go("/auth/login")).text
    finally:
        who_helps.settle(DESK)


async def nowhere(message: Message) -> None:
    raise AssertionError


def portal_with(deliver: Deliver, documents: MemoryDocuments, clock: Clock) -> Portal:
    seal = Seal(b"k" * 32)
    return Portal(seal=seal, mail=Outbox(documents, seal, deliver, clock))


async def test_the_mailbox_of_the_demo_shows_letters_and_links_to_ourselves_alone() -> None:
    clock = Clock()
    documents = MemoryDocuments(now=clock)
    mailbox = Mailbox(documents, clock)
    async with page_server(documents, portal=portal_with(mailbox, documents, clock)) as server:
        assert "No letter was written yet." in (await server.browser.go("/auth/mailbox")).text
        text = "Hello <b>Ann</b>,\n\nhttp://fhir.test/auth/confirm?token=x&y=z\nhttp://fhir.test.elsewhere.test/x\n"
        await mailbox(Message("ann@example.org", "Confirm <your> address", text))
        clock.pass_seconds(60)
        await mailbox(Message("ben@example.org", "Second", "x"))
        seen = await server.browser.go("/auth/mailbox")
        assert seen.html.xpath("//article/h2/text()") == ["Second", "Confirm <your> address"]
        assert "ann@example.org" in seen.text and "Hello <b>Ann</b>," in seen.text
        assert seen.html.xpath("//article//a/@href") == ["http://fhir.test/auth/confirm?token=x&y=z"]


async def test_where_mail_is_really_sent_or_none_is_there_is_no_mailbox() -> None:
    clock = Clock()
    documents = MemoryDocuments(now=clock)
    async with page_server() as server:
        assert (await server.browser.go("/auth/mailbox")).status == 404
    async with page_server(documents, portal=portal_with(nowhere, documents, clock)) as server:
        assert (await server.browser.go("/auth/mailbox")).status == 404
