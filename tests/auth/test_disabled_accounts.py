"""A person whose account an administrator has disabled gets in by no door; whose DS Logon is deactivated makes another.

docs/people/ds-logon.md, domain.md L7.
"""

from collections.abc import AsyncIterator

import pytest

from smart_auth import registration_pages
from smart_auth.errors import CREDENTIAL_NOT_RECOGNIZED
from smart_auth.records import ACCOUNTS, CARDS, SESSIONS
from tests.auth.browsing import Seen
from tests.auth.card_server import DOD_ID, CardServer, card_server
from tests.auth.logons import MARIA, NEW_PASSWORD, LogonServer, logon_server
from tests.auth.registering import RETIREE, Registering, registering
from tests.auth.test_cards import CARD
from tests.auth.test_piv_registration import holder, registered
from tests.auth.test_upgrade import typed

DISABLED = {"is_disabled": True}
DEACTIVATED = {"is_logon_active": False}
ADDRESS = "maria@example.org"


@pytest.fixture
async def server() -> AsyncIterator[LogonServer]:
    async with logon_server() as running:
        yield running


@pytest.fixture
async def desk(mongodb_uri: str, database_name: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Registering]:
    monkeypatch.setattr(registration_pages, "EVEN_SECONDS", 0.0)
    async with registering(mongodb_uri, database_name) as made:
        yield made


async def premium(server: LogonServer, state: dict[str, bool]) -> None:
    """Maria had a DS Logon of level 2, and it is in this state now."""
    await typed(await server.signed_in())
    maria = await server.account("maria")
    assert maria.level == "level2"
    await server.parts.accounts.change(maria.id, **state)


class TestANewLogon:
    async def created(self, server: LogonServer, email: str = ADDRESS) -> Seen | None:
        """What the link shows that the letter has, if it has one that creates a logon."""
        browser = server.pages.another_browser()
        fields = {"username": "maria2", "name": "Maria", "email": email, "password": NEW_PASSWORD}
        await browser.send(await browser.go("/auth/logon/new"), again=NEW_PASSWORD, **fields)
        if server.letters.sent[-1].subject != "Create your DS Logon":
            return None
        return await browser.send(await browser.go(server.letters.link()), password=NEW_PASSWORD)

    async def test_the_address_of_a_disabled_account_makes_none(self, server: LogonServer) -> None:
        await premium(server, DISABLED)
        assert await self.created(server) is None
        assert server.letters.sent[-1].subject == "You have a DS Logon already"
        await server.parts.accounts.change("id-maria", is_disabled=False)
        await server.parts.accounts.change("id-maria", **DEACTIVATED)
        assert (await self.created(server)) is not None

    async def test_an_account_that_was_disabled_after_the_letter_stops_it(self, server: LogonServer) -> None:
        browser = server.pages.another_browser()
        fields = {"username": "maria2", "name": "Maria", "email": ADDRESS, "password": NEW_PASSWORD}
        await browser.send(await browser.go("/auth/logon/new"), again=NEW_PASSWORD, **fields)
        link = server.letters.link()
        await premium(server, DISABLED)
        assert (await browser.send(await browser.go(link), password=NEW_PASSWORD)).status == 400

    async def test_the_address_of_a_registration_that_was_rejected_is_free(self, server: LogonServer) -> None:
        rejected = {"is_disabled": True, "is_logon_active": False, "added_by": "registration", "email": ADDRESS}
        await server.pages.person("rejected", level="level1", email_verified_at=1, **rejected)
        assert (await self.created(server)) is not None

    async def test_with_another_address_it_stays_at_level_1(self, server: LogonServer) -> None:
        await premium(server, DISABLED)
        refused = await typed(await server.signed_in("maria2"))
        assert refused.status == 401 and CREDENTIAL_NOT_RECOGNIZED in refused.text
        assert (await server.account("maria2")).level == "level1"
        last = server.trail.events[-1]
        assert (last.kind, last.outcome, last.account) == ("logon", "failed", "id-maria2")

    async def test_after_a_deactivation_it_is_upgraded_and_has_the_record(self, server: LogonServer) -> None:
        await premium(server, DEACTIVATED)
        await typed(await server.signed_in("maria2"))
        new = await server.account("maria2")
        assert (new.level, new.patients) == ("level2", (f"patient-{MARIA.dod_id}",))


class TestRegisteringAgain:
    async def test_a_disabled_account_is_not_replaced_and_the_page_says_what_it_always_says(
        self, desk: Registering
    ) -> None:
        usual = await desk.register("retiree")
        await desk.confirm()
        assert await desk.signs_in()
        robin = await desk.parts.accounts.by_login("robin")
        assert robin is not None
        await desk.parts.accounts.change(robin.id, is_disabled=True)
        desk.letters.sent.clear()
        again = await desk.register("retiree", username="robin2", email="robin2@example.org")
        assert again.text == usual.text
        (letter,) = desk.letters.sent
        # Everybody gets that letter; this one's link leads to no registration.
        assert letter.subject == "Confirm your registration"
        failed = [each for each in desk.pages.trail.events if each.outcome == "failed"]
        assert [(each.kind, each.account) for each in failed] == [("registration", robin.id)]
        assert not await desk.signs_in()
        assert await desk.parts.accounts.by_login("robin2") is None

    async def test_an_account_that_is_disabled_while_it_goes_on_ends_it(self, desk: Registering) -> None:
        await desk.register("retiree")
        link = desk.letters.link()
        person = await desk.parts.accounts.add("old", "", "patient")
        await desk.parts.persons.bind(person, RETIREE["dod_id"], "p9", "level2")
        await desk.parts.accounts.change(person.id, is_disabled=True)
        await desk.confirm(link)
        await desk.registrations.sweep()
        assert not await desk.signs_in()
        assert await desk.parts.persons.account_of(RETIREE["dod_id"]) == await desk.parts.accounts.get(person.id)

    async def test_a_deactivated_logon_is_replaced(self, desk: Registering) -> None:
        await desk.register("retiree")
        await desk.confirm()
        robin = await desk.parts.accounts.by_login("robin")
        assert robin is not None
        await desk.parts.accounts.change(robin.id, is_logon_active=False)
        await desk.register("retiree", username="robin2", email="robin2@example.org")
        await desk.confirm()
        assert await desk.signs_in("robin2")


class TestCards:
    @pytest.mark.parametrize("kind", ["cac", "piv"])
    async def test_no_card_of_a_disabled_account_signs_in(self, kind: str) -> None:
        async with card_server() as server:
            await registered(holder(server))
            await server.parts.documents.remove_all(SESSIONS, {})
            await server.parts.accounts.change("id-ann", is_disabled=True)
            card = server.issuer.card() if kind == "cac" else server.issuer.piv()
            seen = await server.browser(card).go(CARD)
            assert seen.status == 403 and "nobody is registered with it" in seen.text
            assert server.pages.trail.events[-1].account == "id-ann"
            await server.parts.accounts.change("id-ann", is_disabled=False)
            assert (await server.browser(card).go(CARD)).status == 200

    async def test_a_card_of_a_disabled_account_is_not_registered_with_another_one(self) -> None:
        async with card_server() as server:
            await server.person("doctor", kind="practitioner", fhir_user="Practitioner/d1")
            await registered(holder(server))
            await server.parts.documents.change(CARDS, await self.key(server), {"account": "id-doctor"})
            await server.parts.accounts.change("id-doctor", is_disabled=True)
            seen = await registered(holder(server))
            assert seen.status == 401 and CREDENTIAL_NOT_RECOGNIZED in seen.text
            assert server.said("card")[-1] == "a PIV card was not registered"
            await server.parts.accounts.change("id-doctor", is_disabled=False)
            assert (await registered(holder(server))).path == "/auth/manage"

    async def test_a_disabled_account_registers_none(self) -> None:
        async with card_server() as server:
            await server.parts.accounts.change("id-ann", is_disabled=True)
            assert (await registered(holder(server))).status == 401
            assert await server.parts.documents.find(CARDS, {}) == []

    async def test_after_a_deactivation_the_card_is_registered_with_the_new_logon(self) -> None:
        async with card_server() as server:
            await registered(holder(server))
            await server.parts.accounts.change("id-ann", is_logon_active=False)
            assert (await holder(server).go(CARD)).status == 403
            await server.person("ann2", DOD_ID, patients=("p1",))
            assert (await registered(holder(server), username="ann2")).path == "/auth/manage"
            assert (await server.parts.documents.find(CARDS, {}))[0]["account"] == "id-ann2"

    async def key(self, server: CardServer) -> str:
        (card,) = await server.parts.documents.find(CARDS, {})
        return str(card["id"])


async def test_a_disabled_accounts_claim_is_on_nobody_elses_way(server: LogonServer) -> None:
    await server.parts.documents.change(ACCOUNTS, "id-ann", DISABLED)
    assert (await typed(await server.signed_in())).status == 200
