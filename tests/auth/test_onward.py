"""Whatever somebody signs in by, they come to where they were going: an app, or a page of ours."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

from smart_auth import provider_pages
from smart_auth.identity.provider_peer import Peer
from smart_auth.portal import Portal
from smart_auth.provider_pages import external_id
from smart_auth.records import EXTERNAL_LOGINS, ExternalLogin, kept
from tests.auth.browsing import PASSWORD, Browser, Seen, asked, page_server
from tests.auth.card_server import CardServer, card_server
from tests.auth.other_provider import PROVIDER, OtherProvider
from tests.auth.test_piv_registration import holder, registered

PAGES = {"launch": "/auth/launch", "manage": "/auth/manage", "password": "/auth/logon/password", "cards": "/auth/cards"}


@pytest.fixture
async def other(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OtherProvider]:
    played: list[OtherProvider] = []

    async def fetch(url: str) -> Any:
        return await played[0].fetch(url)

    async def post(url: str, form: dict[str, str], headers: dict[str, str]) -> bytes:
        return await played[0].post(url, form, headers)

    monkeypatch.setattr(provider_pages, "Peer", partial(Peer, fetch=fetch, post=post))
    async with page_server(portal=Portal(providers=(PROVIDER,))) as server:
        played.append(OtherProvider(server))
        yield played[0]


async def tied(other: OtherProvider, account: str) -> None:
    login = ExternalLogin(id=external_id(PROVIDER, other.subject), provider="other", account=account, linked_at=1)
    await other.server.parts.documents.insert(EXTERNAL_LOGINS, login.id, kept(login))


def way(seen: Seen, beginning: str) -> str:
    """The link to another way to sign in."""
    assert seen.title == "Sign in", seen.text
    (link,) = seen.html.xpath(f"//main//a[starts-with(@href, '{beginning}')]/@href")
    return str(link)


async def by_card(server: CardServer, browser: Browser, start: str, **fields: str) -> Seen:
    link = way(await browser.go(start, **fields), "/auth/card")
    return await browser.send(await browser.go(link))


@pytest.mark.parametrize("page", [each for each in PAGES if each != "launch"])
async def test_by_card_one_comes_to_the_page_that_one_asked_for(page: str) -> None:
    async with card_server() as server:
        await registered(holder(server))
        browser = holder(server)
        assert (await by_card(server, browser, PAGES[page])).path == PAGES[page]


async def test_a_practitioner_comes_by_card_to_the_launch_page() -> None:
    async with card_server() as server:
        await server.person("doctor", kind="practitioner", fhir_user="Practitioner/d1")
        await registered(holder(server))
        (card,) = await server.parts.documents.find("cards", {})
        await server.parts.documents.change("cards", card["id"], {"account": "id-doctor"})
        assert (await by_card(server, holder(server), "/auth/launch")).path == "/auth/launch"


async def test_a_card_that_is_registered_on_the_way_leads_to_the_app() -> None:
    async with card_server() as server:
        client, browser = await server.pages.client(), holder(server)
        seen = await browser.go(way(await browser.go("/auth/authorize", **asked(client)), "/auth/card"))
        assert seen.status == 403
        (there,) = seen.html.xpath("//a[text()='Register this card']/@href")
        fields = {"name": "Ann Example", "birth_date": "1980-07-04", "dod_id": "1234567890", "username": "ann"}
        seen = await browser.send(await browser.go(there), password=PASSWORD, **fields)
        assert seen.path == "/auth/consent"


@pytest.mark.parametrize("page", ["launch", "manage"])
async def test_by_another_provider_one_comes_to_the_page_that_one_asked_for(other: OtherProvider, page: str) -> None:
    await tied(other, "id-doctor" if page == "launch" else "id-ann")
    browser = other.server.browser
    link = way(await browser.go(PAGES[page]), "/auth/provider/other")
    seen = await other.visited(browser, link.removeprefix("/auth/provider/other"))
    assert seen.path == PAGES[page]


async def test_who_ties_a_provider_on_the_way_to_an_app_comes_to_the_app(other: OtherProvider) -> None:
    client, browser = await other.server.client(), other.server.browser
    link = way(await browser.go("/auth/authorize", **asked(client)), "/auth/provider/other")
    seen = await other.visited(browser, link.removeprefix("/auth/provider/other"))
    assert seen.title == "Which account is yours?"
    seen = await browser.send(seen, username="ann", password=PASSWORD)
    assert seen.path == "/auth/consent"
    assert (await browser.allow(seen)).answer["code"]


async def test_so_does_who_is_signed_in_already(other: OtherProvider) -> None:
    client, browser = await other.server.client(), other.server.browser
    await browser.sign_in(await browser.go("/auth/login"))
    # An app that asks for another sign-in shows the ways there are.
    link = way(await browser.go("/auth/authorize", **asked(client, prompt="login")), "/auth/provider/other")
    seen = await other.visited(browser, link.removeprefix("/auth/provider/other"))
    assert seen.title == "Connect Other.gov?"
    seen = await browser.send(seen, password=PASSWORD)
    assert seen.answer["request"] and seen.path == "/auth/login"
    link = way(seen, "/auth/provider/other")
    assert (await other.visited(browser, link.removeprefix("/auth/provider/other"))).path == "/auth/consent"


@pytest.mark.parametrize(("next", "path"), [("password", "/auth/logon/password"), ("manage", "/auth/provider/other")])
async def test_who_ties_one_from_a_page_of_ours_comes_back(other: OtherProvider, next: str, path: str) -> None:
    browser = other.server.browser
    await browser.sign_in(await browser.go("/auth/login"))
    seen = await browser.send(await other.visited(browser, f"?next={next}"), password=PASSWORD)
    assert seen.path == path


async def test_who_ties_one_by_card_signs_in_and_comes_back_to_its_page(other: OtherProvider) -> None:
    seen = await other.visited(other.server.browser)
    (link,) = seen.html.xpath("//main//a[text()='sign in']/@href")
    seen = await other.server.browser.sign_in(await other.server.browser.go(link))
    assert (seen.path, seen.title) == ("/auth/provider/other", "Your login at Other.gov")


@pytest.mark.parametrize("next", ["provider-nobody", "https://evil.test", "/auth/launch", "//evil.test"])
async def test_nobody_is_led_elsewhere(other: OtherProvider, next: str) -> None:
    seen = await other.server.browser.go("/auth/login", next=next)
    assert (await other.server.browser.sign_in(seen)).path == "/auth/manage"


async def test_who_waited_too_long_with_the_code_is_still_on_the_way(other: OtherProvider) -> None:
    server, secret = other.server, other.server.parts.one_time_codes.new_secret()
    await server.parts.one_time_codes.enroll("id-ann", secret)
    seen = await server.browser.sign_in(await server.browser.go("/auth/launch"))
    assert seen.path == "/auth/code"
    server.clock.pass_seconds(5 * 60)
    seen = await server.browser.send(seen, code="123456")
    assert seen.title == "Sign in" and seen.form().fields["next"] == "launch"
