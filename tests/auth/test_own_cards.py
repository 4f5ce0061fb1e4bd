"""A person sees the cards of their account and takes one away, by the password or by the card itself."""

from typing import Any

import pytest

from smart_auth.records import CARDS, SESSIONS
from tests.auth.browsing import PASSWORD, Browser, asked
from tests.auth.card_server import CardServer, card_server
from tests.auth.test_piv_registration import holder, is_let_in, registered

HERE = "/auth/cards"


async def with_card(server: CardServer) -> Browser:
    """Ann's browser, signed in by password; her PIV card was registered."""
    await registered(holder(server))
    browser = server.browser()
    await browser.sign_in(await browser.go("/auth/login"), "ann")
    return browser


async def binding(server: CardServer) -> dict[str, Any]:
    (found,) = await server.parts.documents.find(CARDS, {})
    return found


async def test_the_page_says_kind_and_days_and_nothing_that_tells_cards_apart() -> None:
    async with card_server() as server:
        browser = await with_card(server)
        (link,) = (await browser.go("/auth/manage")).html.xpath(f"//a[@href='{HERE}']")
        seen = await browser.go(link.get("href"))
        assert seen.title == "Your cards"
        assert "PIV card, registered 2027-01-15" in seen.text and "Last used 2027-01-15" in seen.text
        assert (await binding(server))["id"] not in seen.response.text


async def test_it_takes_the_password() -> None:
    async with card_server() as server:
        browser = await with_card(server)
        seen = await browser.go(HERE)
        for password in ("", "wrong"):
            refused = await browser.send(seen, password=password)
            assert refused.status == 401 and "not recognized" in refused.text
        assert server.said("logon")[-1] == "a card not removed: neither password nor card"
        assert await is_let_in(server)
        done = await browser.send(seen, password=PASSWORD)
        assert "The card no longer signs in." in done.text and "No card is registered." in done.text
        assert not await is_let_in(server)
        assert "a PIV card removed, by its owner" in server.said("card")


async def test_what_it_opened_elsewhere_ends() -> None:
    async with card_server() as server:
        browser, thief = await with_card(server), holder(server)
        client = await server.pages.client()
        seen = await thief.go("/auth/authorize", **asked(client, "launch/patient offline_access patient/Patient.rs"))
        (link,) = seen.html.xpath("//main//a[starts-with(@href, '/auth/card')]/@href")
        seen = await thief.allow(await thief.send(await thief.go(link)))
        assert await server.parts.grants.of_account("id-ann")
        await browser.send(await browser.go(HERE), password=PASSWORD)
        assert await server.parts.grants.of_account("id-ann") == []
        assert (await thief.go("/auth/manage")).title == "Sign in"
        assert (await browser.go("/auth/manage")).title == "What apps may see"
        assert len(await server.parts.documents.find(SESSIONS, {"account": "id-ann"})) == 1


async def test_who_has_no_password_does_it_by_the_card_of_this_session() -> None:
    async with card_server() as server:
        browser, by_card = await with_card(server), holder(server)
        await by_card.send(await by_card.go("/auth/card"))
        await server.parts.accounts.change("id-ann", password_hash="")
        seen = await browser.go(HERE)
        assert not seen.html.xpath("//form[@action='/auth/cards']")
        (link,) = seen.html.xpath("//a[text()='sign in by card']/@href")
        there = await by_card.go(link)
        assert there.path == HERE
        csrf = next(form for form in (await browser.go("/auth/manage")).html.forms).fields["csrf"]
        fields = {"csrf": csrf, "card": there.form().fields["card"]}
        assert (await browser.http.post(HERE, data=fields)).status_code == 401
        assert "no longer signs in" in (await by_card.send(there)).text


@pytest.mark.parametrize("who", ["sam", "nobody"])
async def test_nobody_removes_a_card_of_another(who: str) -> None:
    async with card_server() as server:
        await server.person("sam", patients=("p3",))
        form = (await (await with_card(server)).go(HERE)).form()
        thief = server.browser()
        fields = {"card": form.fields["card"], "csrf": form.fields["csrf"], "password": PASSWORD}
        if who == "sam":
            seen = await thief.sign_in(await thief.go("/auth/login"), "sam")
            fields["csrf"] = seen.html.forms[0].fields["csrf"]
        answer = await thief.http.post(HERE, data=fields)
        assert answer.status_code == (400 if who == "sam" else 303)
        assert (await binding(server))["account"] == "id-ann"


async def test_a_form_of_another_site_removes_none() -> None:
    async with card_server() as server:
        browser = await with_card(server)
        assert (await browser.send(await browser.go(HERE), csrf="forged", password=PASSWORD)).status == 403
        assert await is_let_in(server)


async def test_a_card_that_moved_meanwhile_is_left_where_it_is() -> None:
    async with card_server() as server:
        browser = await with_card(server)
        card = await binding(server)
        await server.parts.documents.change(CARDS, card["id"], {"account": "id-sam"})
        assert not await server.parts.card_bindings.give_up(card["id"], "id-ann")
        assert (await binding(server))["account"] == "id-sam"
        assert "No card is registered." in (await browser.go(HERE)).text
