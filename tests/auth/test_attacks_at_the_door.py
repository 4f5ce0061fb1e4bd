"""What a stranger, a relative and a thief would try at the pages of sign-in, and what becomes of it."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

from smart_auth import cookies, provider_pages, registration_pages
from smart_auth.gate_pages import CONFIRM
from smart_auth.identity.logons import Logons
from smart_auth.identity.provider_peer import Peer
from smart_auth.portal import Portal
from smart_auth.provider_pages import external_id
from smart_auth.records import EXTERNAL_LOGINS, GRANTS, SESSIONS, Account, ExternalLogin, Session, kept
from tests.auth.browsing import BASE, PASSWORD, page_server
from tests.auth.granted import grant
from tests.auth.logons import EMAIL, NEW_PASSWORD, LogonServer, logon_server
from tests.auth.other_provider import PROVIDER, OtherProvider
from tests.auth.registering import Registering, registering
from tests.auth.test_registration_pages import accepted, enrolled


@pytest.fixture
async def server() -> AsyncIterator[LogonServer]:
    async with logon_server() as made:
        yield made


@pytest.fixture
async def desk(mongodb_uri: str, database_name: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Registering]:
    monkeypatch.setattr(registration_pages, "EVEN_SECONDS", 0.0)
    async with registering(mongodb_uri, database_name) as made:
        yield made


@pytest.fixture
async def other(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OtherProvider]:
    played: list[OtherProvider] = []

    async def fetch(url: str) -> Any:
        return await played[0].fetch(url)

    async def post(url: str, form: dict[str, str], headers: dict[str, str]) -> bytes:
        return await played[0].post(url, form, headers)

    monkeypatch.setattr(provider_pages, "Peer", partial(Peer, fetch=fetch, post=post))
    async with page_server(portal=Portal(providers=(PROVIDER,))) as made:
        played.append(OtherProvider(made))
        yield played[0]


async def granted_in(server: LogonServer, account: Account, session: Session) -> str:
    """The id of a grant that this session gives."""
    given = grant(account=account.id, acr=session.acr, session=session.id, expires_at=server.clock() + 1000)
    await server.parts.documents.insert(GRANTS, given.id, kept(given))
    return given.id


class TestAStranger:
    async def test_cannot_keep_somebody_from_a_new_password_by_asking_for_more_links(self, server: LogonServer) -> None:
        """A link that no letter carries must not end the one in the letter before."""
        most = server.parts.settings.mails_per_hour
        for _ in range(most + 3):
            browser = server.pages.another_browser()
            seen = await browser.send(await browser.go("/auth/reset"), name="ann")
            assert seen.title == "Check your mail"
        assert len(server.letters.sent) == most
        browser = server.pages.another_browser()
        seen = await browser.go(server.letters.link())
        done = await browser.send(seen, password=NEW_PASSWORD, again=NEW_PASSWORD)
        assert done.title == "Your password is new"

    async def test_cannot_keep_somebody_from_a_logon_by_asking_for_more_links(self, server: LogonServer) -> None:
        most = server.parts.settings.mails_per_hour
        logon = {"username": "maria", "name": "Maria", "email": EMAIL, "password": NEW_PASSWORD, "again": NEW_PASSWORD}
        for _ in range(most + 3):
            browser = server.pages.another_browser()
            await browser.send(await browser.go("/auth/logon/new"), **logon)
        assert len(server.letters.sent) == most
        browser = server.pages.another_browser()
        done = await browser.send(await browser.go(server.letters.link()), password=NEW_PASSWORD)
        assert done.title == "Done"

    async def test_does_not_find_out_usernames_by_one_letter(self, server: LogonServer) -> None:
        browser = server.pages.another_browser()
        logon = {"username": "ann", "name": "Maria", "email": EMAIL, "password": NEW_PASSWORD, "again": NEW_PASSWORD}
        await browser.send(await browser.go("/auth/logon/new"), **logon)
        seen = await browser.go(server.letters.link())
        for _ in range(server.parts.settings.failed_logins):
            seen = await browser.send(seen, username="ann", password=NEW_PASSWORD)
            assert seen.status == 400 and "This username is taken" in seen.text
        assert (await browser.send(seen, username="ann", password=NEW_PASSWORD)).status == 429

    async def test_learns_nothing_of_a_number_by_being_locked_out_or_not(self, desk: Registering) -> None:
        """One thing right of a person and nothing right of them: both are refused after as many attempts."""
        nobodys = {"name": "Somebody Else", "dod_id": "9900000025", "ssn": "923-45-6789"}
        attempts: tuple[dict[str, str], ...] = ({}, nobodys)
        most = desk.parts.settings.failed_logins
        for fields in attempts:
            seen = [await desk.register("retiree", None, birth_date="1950-01-01", **fields) for _ in range(most + 1)]
            assert [each.status for each in seen].index(429) == most, fields


class TestATakenSession:
    async def test_a_weak_sign_in_ties_no_stronger_one(self, other: OtherProvider) -> None:
        """Who got in at level 1 does not come back at level 2 by a provider of their own."""
        weak = ExternalLogin(id=external_id(PROVIDER, other.subject), provider="other", account="id-ann", linked_at=1)
        await other.server.parts.documents.insert(EXTERNAL_LOGINS, weak.id, kept(weak))
        browser, other.claims = other.server.browser, {"acr": None}
        assert (await other.visited(browser)).path == "/auth/manage"
        (session,) = await other.server.parts.documents.find(SESSIONS, {})
        assert session["acr"] == "level1"
        other.subject, other.claims = "the thief", {"acr": "ial2"}
        seen = await other.visited(browser)
        assert seen.title == "Which account is yours?"
        refused = await browser.send(seen, username="ann", password="not this one, surely")
        assert refused.status == 401
        assert [each["id"] for each in await other.server.parts.documents.find(EXTERNAL_LOGINS, {})] == [weak.id]
        done = await browser.send(refused, username="ann", password=PASSWORD)
        assert done.path == "/auth/manage"

    async def test_the_former_address_hears_of_a_new_one(self, server: LogonServer) -> None:
        """Where letters go decides who gets a new password."""
        token = await server.parts.mail_links.issue("email", "id-ann", 600, content="thief@example.org")
        browser = server.pages.another_browser()
        await browser.send(await browser.go(f"{CONFIRM}?token={token}"))
        assert (await server.account("ann")).email == "thief@example.org"
        (letter,) = server.letters.sent
        assert letter.to == "ann@example.org"
        assert "thief" not in letter.text and "e-mail address" in letter.text

    async def test_nothing_begun_beside_a_deactivation_outlives_it(self, server: LogonServer) -> None:
        """Another worker has just found the password right."""
        ann = await server.account("ann")
        await Logons(server.parts).deactivate(ann, "by its owner")
        value, session = await server.parts.sessions.start(ann, "level2", ("pwd",))
        assert await server.parts.standing(await granted_in(server, ann, session)) is None
        browser = server.pages.another_browser()
        browser.http.cookies.set(cookies.cookie_name(BASE, cookies.SESSION), value)
        assert (await browser.go("/auth/manage")).path == "/auth/login"

    async def test_the_card_opens_it_all_the_same(self, server: LogonServer) -> None:
        ann = await server.account("ann")
        await Logons(server.parts).deactivate(ann, "by its owner")
        _, session = await server.parts.sessions.start(ann, "card", ("sc", "mfa"))
        assert await server.parts.standing(await granted_in(server, ann, session)) is not None


class TestAFamily:
    async def test_a_sponsor_does_not_take_up_the_logon_of_a_grown_up(self, desk: Registering) -> None:
        """The sponsor typed the birth date and chose the address: what is on the other's own card is asked for."""
        fields = {"birth_date": "1981-01-01", "relationship": "spouse", "email": "sponsor@example.org"}
        await enrolled(desk, name="Pat Example", proof="marriage-certificate", **fields)
        await accepted(desk)
        browser = desk.pages.another_browser()
        logon = {"username": "pat", "password": NEW_PASSWORD, "again": NEW_PASSWORD, "birth_date": "1981-01-01"}
        seen = await browser.go(desk.letters.link())
        for dod_id in ("", "9900000041"):
            seen = await browser.send(seen, dod_id=dod_id, **logon)
            assert seen.status == 401
        assert not await desk.signs_in("pat", NEW_PASSWORD)


class TestStaff:
    async def test_an_address_that_was_exchanged_meanwhile_is_not_confirmed(self, desk: Registering) -> None:
        """They asked the person about the address that the page showed."""
        await desk.register("retiree", birth_date="1955-02-04")
        await desk.confirm()
        staff = await desk.staff()
        seen = await staff.go("/auth/registrations")
        desk.pages.clock.seconds += 5
        await desk.register("retiree", birth_date="1955-02-05", email="thief@example.org", username="thief")
        await desk.confirm()
        assert "robin@example.org" in (await staff.go("/auth/registrations")).text
        # Whoever is proven takes the place of both.
        await desk.register("retiree", email="right@example.org", username="right")
        told = await staff.send(seen, decision="confirm-person")
        assert told.status == 409
        (task,) = await desk.record.rows("Task")
        assert (await desk.registrar.progress(task["_id"])).status == "on-hold"
        await desk.confirm()
        assert await desk.signs_in("right")
