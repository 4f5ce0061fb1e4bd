"""Help, the demo's mailbox and sign-in by another provider in a real browser.

https://www.w3.org/TR/WCAG22/
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from urllib.parse import quote

import pytest
from playwright.async_api import Browser
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from smart_auth import provider_pages
from smart_auth.identity.provider_peer import Peer
from smart_auth.mail import Message, Outbox
from smart_auth.mailbox import Mailbox
from smart_auth.portal import Portal
from smart_auth.sealing import Seal
from tests.auth.browsing import PASSWORD, PageServer, page_server
from tests.auth.clock import Clock
from tests.auth.memory_documents import MemoryDocuments
from tests.auth.other_provider import PROVIDER, OtherProvider
from tests.browser.conftest import OpenPage, Visit
from tests.browser.test_sign_in import press, served, sign_in
from tests.conftest import free_port


@dataclass(frozen=True, slots=True)
class Site:
    """The pages at an address of their own, and the provider that the test plays."""

    server: PageServer
    root: str
    other: OtherProvider
    visit: OpenPage

    async def at_provider(self, there: Visit) -> None:
        """Press the button: the provider sends the browser back at once, with a code."""
        await there.go("/auth/provider/other")
        await press(there.page, "Go to Other.gov")


def sending_back(played: list[OtherProvider]) -> Starlette:
    """The provider's page, at which nobody is asked anything."""

    async def authorize(request: Request) -> Response:
        played[0].asked = dict(request.query_params)
        there = request.query_params["redirect_uri"]
        return RedirectResponse(f"{there}?code=the-code&state={quote(request.query_params['state'])}", 303)

    return Starlette(routes=[Route("/authorize", authorize)])


@pytest.fixture
async def site(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    played: list[OtherProvider] = []

    async def fetch(url: str) -> Any:
        return await played[0].fetch(url)

    async def post(url: str, form: dict[str, str], headers: dict[str, str]) -> bytes:
        return await played[0].post(url, form, headers)

    monkeypatch.setattr(provider_pages, "Peer", partial(Peer, fetch=fetch, post=post))
    port, other_port, clock = free_port(), free_port(), Clock()
    root, issuer = f"http://127.0.0.1:{port}", f"http://localhost:{other_port}"
    documents, seal = MemoryDocuments(now=clock), Seal(b"k" * 32)
    mailbox = Mailbox(documents, clock)
    link = f"{root}/auth/confirm?token={'x' * 43}"
    await mailbox(Message("ann@example.org", "Confirm your e-mail address", f"Hello,\n\nopen this page:\n{link}\n"))
    portal = Portal(
        seal=seal, mail=Outbox(documents, seal, mailbox, clock), providers=(replace(PROVIDER, issuer=issuer),)
    )
    opened: list[Visit] = []
    async with (
        page_server(documents, base=f"{root}/fhir", portal=portal) as server,
        served(server.app, port),
        served(sending_back(played), other_port),
    ):
        played.append(OtherProvider(server, issuer=issuer))
        yield Site(server, root, played[0], OpenPage(browser, root, opened))
        for each in opened:
            await each.page.context.close()


async def answers(site: Site, **options: object) -> Visit:
    return await site.visit("/help", **options)


async def letters(site: Site, **options: object) -> Visit:
    return await site.visit("/auth/mailbox", **options)


async def refusal(site: Site, **options: object) -> Visit:
    return await site.visit("/auth/provider/other/callback?state=made-up", **options)


async def button(site: Site, **options: object) -> Visit:
    return await site.visit("/auth/provider/other", **options)


async def whose(site: Site, **options: object) -> Visit:
    there = await site.visit("/help", **options)
    await site.at_provider(there)
    return there


async def wrong(site: Site, **options: object) -> Visit:
    there = await whose(site, **options)
    await there.page.get_by_label("Username").fill("ann")
    await there.page.get_by_label("Password").fill("wrong")
    await press(there.page, "Sign in and connect")
    return there


async def confirm(site: Site, **options: object) -> Visit:
    there = await site.visit("/auth/login", **options)
    await sign_in(there.page, "ann")
    await site.at_provider(there)
    return there


async def connected(site: Site, **options: object) -> Visit:
    there = await confirm(site, **options)
    await there.page.fill("input[name=password]", PASSWORD)
    await press(there.page, "Connect")
    return there


Open = Callable[..., Awaitable[Visit]]
PAGES: tuple[tuple[Open, str], ...] = (
    (answers, "Answers to common questions"),
    (letters, "Mailbox of the demo"),
    (refusal, "This did not work"),
    (button, "Sign in by Other.gov"),
    (whose, "Which account is yours?"),
    (wrong, "Which account is yours?"),
    (confirm, "Connect Other.gov?"),
    (connected, "Your login at Other.gov"),
)


@pytest.mark.parametrize(("open", "title"), PAGES, ids=[each.__name__ for each, _ in PAGES])
async def test_a_page_keeps_the_rules_of_wcag_and_fits_a_small_window(
    site: Site, axe: str, open: Open, title: str
) -> None:
    there = await open(site, color_scheme="light", viewport={"width": 320, "height": 640})
    assert await there.page.get_by_role("heading", level=1).inner_text() == title
    assert await there.page.evaluate("document.documentElement.scrollWidth") <= 320
    assert await there.broken_rules(axe) == []
    await there.page.emulate_media(color_scheme="dark")
    assert await there.broken_rules(axe) == []
    assert [each for each in there.strayed if not each.startswith((site.other.issuer, "data:"))] == []
    assert [each for each in there.complaints if "the server responded with a status of 4" not in each] == []


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
async def test_a_person_ties_a_login_and_comes_in_by_it_from_then_on(site: Site, scripts: bool) -> None:
    there = await connected(site, java_script_enabled=scripts)
    assert "signs you in here" in await there.page.locator("main").inner_text()
    another = await site.visit("/help", java_script_enabled=scripts)
    await site.at_provider(another)
    assert await another.page.get_by_role("heading", level=1).inner_text() == "What apps may see"
