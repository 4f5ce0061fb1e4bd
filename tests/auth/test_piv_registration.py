"""A PIV card is registered once by five things, and signs in alone from then on (domain.md L5 to L7, story 3)."""

from typing import Any

import pytest

from smart_auth.identity.one_time_codes import OneTimeCodes
from smart_auth.records import CARDS
from tests.auth.browsing import PASSWORD, Browser, Seen
from tests.auth.card_authority import PIV_NAME
from tests.auth.card_server import DOD_ID, OTHER_DOD_ID, CardServer, card_server
from tests.auth.test_cards import CARD, session_of

REGISTER = "/auth/card/register"
RIGHT = {
    "name": "Ann Example",
    "birth_date": "1980-07-04",
    "dod_id": DOD_ID,
    "username": "ann",
    "password": PASSWORD,
}


def holder(server: CardServer, **card: Any) -> Browser:
    return server.browser(server.issuer.piv(**card))


async def registered(browser: Browser, **fields: str | None) -> Seen:
    page = await browser.go(REGISTER)
    return await browser.send(page, "", None, None, **{**RIGHT, **fields})


async def is_let_in(server: CardServer, **card: Any) -> bool:
    """Whether the card alone signs in."""
    browser = holder(server, **card)
    seen = await browser.go(CARD)
    if seen.status != 200:
        assert seen.status == 403
        return False
    await browser.send(seen)
    return (await session_of(server, browser.http)).acr == "card"


class TestRegistration:
    async def test_all_five_register_the_card_and_sign_in(self) -> None:
        async with card_server() as server:
            browser = holder(server)
            page = await browser.go(REGISTER)
            assert PIV_NAME in page.text
            seen = await browser.send(page, **RIGHT)
            assert seen.path == "/auth/manage"
            session = await session_of(server, browser.http)
            assert (session.account, session.acr) == ("id-ann", "card")
            assert server.said("card") == ["PIV card registered"]

    async def test_afterwards_the_card_alone_suffices(self) -> None:
        async with card_server() as server:
            await registered(holder(server))
            assert await is_let_in(server)

    async def test_before_it_does_not_and_the_way_is_shown(self) -> None:
        async with card_server() as server:
            seen = await holder(server).go(CARD)
            assert seen.status == 403
            assert REGISTER in seen.response.text
            assert server.said("card") == ["a valid PIV card that signs in to no account in use"]

    async def test_a_card_issued_anew_needs_no_registration(self) -> None:
        async with card_server() as server:
            await registered(holder(server, serial=1))
            assert await is_let_in(server, serial=2)

    async def test_another_card_is_not_registered_with_it(self) -> None:
        async with card_server() as server:
            await registered(holder(server))
            assert not await is_let_in(server, common="SOMEBODY ELSE")

    async def test_case_accents_and_dashes_do_not_matter(self) -> None:
        async with card_server() as server:
            seen = await registered(
                holder(server),
                name="  éxample, ANN ",
                dod_id=" 12345-67890 ",
                username=" ANN ",
                birth_date="1980-07-04",
            )
            assert seen.path == "/auth/manage"


class TestRefusals:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"name": "Anna Example"},
            {"birth_date": "1980-07-05"},
            {"birth_date": "no day"},
            {"dod_id": OTHER_DOD_ID},
            {"dod_id": "1234567891"},
            {"dod_id": "x"},
            {"username": "nobody"},
            {"username": "sam"},
            {"password": "wrong"},
            *({name: None} for name in RIGHT),
            *({name: ""} for name in RIGHT),
        ],
    )
    async def test_whatever_is_wrong_or_missing_is_answered_alike(self, wrong: dict[str, str | None]) -> None:
        async with card_server() as server:
            await server.person("sam", OTHER_DOD_ID, patients=("p3",), fhir_user="Patient/p3")
            server.registry.enroll(OTHER_DOD_ID, "Sam", "Other")
            browser = holder(server)
            seen = await registered(browser, **wrong)
            assert seen.status == 401
            assert "This was not recognized." in seen.text and "credential-not-recognized" in seen.text
            assert await server.parts.documents.find(CARDS, {}) == []
            assert await session_of(server, browser.http) is None
            assert server.said("card") == ["a PIV card was not registered"]

    async def test_somebody_elses_logon_does_not_go_with_ones_own_number(self) -> None:
        async with card_server() as server:
            await server.person("sam", OTHER_DOD_ID, patients=("p3",), fhir_user="Patient/p3")
            assert (await registered(holder(server), username="sam")).status == 401

    async def test_it_counts_as_a_failed_login_of_that_name(self) -> None:
        async with card_server() as server:
            for _ in range(server.parts.settings.failed_logins):
                assert (await registered(holder(server, common="ANOTHER"), password="wrong")).status == 401
            assert (await registered(holder(server))).status == 429
            browser = server.browser()
            assert (await browser.sign_in(await browser.go("/auth/login"), "ann", PASSWORD)).status == 429

    async def test_one_card_may_not_try_one_name_after_another(self) -> None:
        async with card_server() as server:
            for number in range(server.parts.settings.failed_logins):
                assert (await registered(holder(server), username=f"guess-{number}")).status == 401
            assert (await registered(holder(server))).status == 429

    async def test_a_one_time_code_is_asked_of_whoever_has_set_them_up(self) -> None:
        async with card_server() as server:
            codes: OneTimeCodes = server.parts.one_time_codes
            secret = codes.new_secret()
            await codes.enroll("id-ann", secret)
            assert (await registered(holder(server))).status == 401
            assert (await registered(holder(server), code="000000")).status == 401
            code = codes.code_at(secret, server.pages.clock())
            assert (await registered(holder(server), code=code)).path == "/auth/manage"

    async def test_what_was_typed_is_neither_kept_nor_shown_again_where_it_is_secret(self) -> None:
        async with card_server() as server:
            seen = await registered(holder(server), name="Wrong")
            assert PASSWORD not in seen.response.text
            assert DOD_ID not in str(server.pages.trail.events)
            assert "Example" not in str(server.pages.trail.events)

    async def test_without_a_card_nothing_can_be_registered(self) -> None:
        async with card_server() as server:
            seen = await server.browser().go(REGISTER)
            assert seen.status == 401 and "certificate-missing" in seen.text
            assert not seen.html.xpath("//input[@name='password']")

    async def test_a_cac_needs_no_registration_and_gets_none(self) -> None:
        async with card_server() as server:
            browser = server.browser(server.issuer.card())
            assert "signs in by itself" in (await browser.go(REGISTER)).text
            page = await holder(server).go(REGISTER)
            browser.http.cookies = dict(page.response.cookies)
            await browser.send(page, **RIGHT)
            assert await server.parts.documents.find(CARDS, {}) == []

    async def test_without_the_registry_nothing_is_registered(self) -> None:
        async with card_server() as server:
            server.registry.is_away = True
            assert (await registered(holder(server))).status == 503
            assert await server.parts.documents.find(CARDS, {}) == []

    async def test_where_there_is_no_registry_there_is_no_such_page(self) -> None:
        async with card_server(has_registry=False) as server:
            assert (await holder(server).http.get(REGISTER)).status_code == 404

    async def test_a_form_of_another_site_registers_nothing(self) -> None:
        async with card_server() as server:
            page = await holder(server).go(REGISTER)
            assert (await holder(server).send(page, **RIGHT)).status == 403
            assert await server.parts.documents.find(CARDS, {}) == []


class TestADeactivatedLogon:
    async def test_the_card_is_dead_until_it_is_registered_with_a_new_one(self) -> None:
        async with card_server() as server:
            await registered(holder(server))
            await server.parts.accounts.change("id-ann", is_logon_active=False)
            assert not await is_let_in(server), "the old logon is deactivated"
            assert (await registered(holder(server))).status == 401, "nor does it register anything"

            await server.person("ann2", DOD_ID, patients=("p1",), fhir_user="Patient/p1")
            assert not await is_let_in(server), "a new logon alone does not bring the card back"

            assert (await registered(holder(server), username="ann2")).path == "/auth/manage"
            browser = holder(server)
            await browser.send(await browser.go(CARD))
            assert (await session_of(server, browser.http)).account == "id-ann2"

    async def test_a_disabled_account_has_no_card(self) -> None:
        async with card_server() as server:
            await registered(holder(server))
            await server.parts.accounts.change("id-ann", is_disabled=True)
            assert not await is_let_in(server)
