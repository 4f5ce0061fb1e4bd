"""The end of a DS Logon: nobody comes in by it, nothing that it granted lasts, and its person may begin anew."""

from collections.abc import AsyncIterator

import pytest

from smart_auth.identity.persons import PersonTaken
from smart_auth.records import SESSIONS, Account
from tests.auth.browsing import PASSWORD, Browser, Seen
from tests.auth.logons import EMAIL, MARIA, NEW_PASSWORD, LogonServer, logon_server
from tests.auth.oauth import asked_for

RECORD = "maria-s"


@pytest.fixture
async def server() -> AsyncIterator[LogonServer]:
    async with logon_server() as running:
        yield running


async def premium(server: LogonServer, username: str = "maria") -> tuple[Browser, Account]:
    """Somebody who is signed in at level 2."""
    browser = await server.signed_in(username)
    account = await server.parts.persons.bind(await server.account(username), MARIA.dod_id, RECORD, "level2")
    return browser, account


async def deactivated(browser: Browser, password: str = PASSWORD) -> Seen:
    return await browser.send(await browser.go("/auth/logon/deactivate"), password=password)


async def test_it_takes_the_password(server: LogonServer) -> None:
    browser, _ = await premium(server)
    assert (await deactivated(browser, "wrong")).status == 401
    assert (await server.account("maria")).is_logon_active
    done = await deactivated(browser)
    assert (done.status, done.title) == (200, "Your DS Logon is deactivated")
    assert not (await server.account("maria")).is_logon_active
    assert "was deactivated" in server.letters.sent[-1].text


async def test_nobody_signs_in_by_it_and_hears_no_other_words_than_for_a_wrong_password(server: LogonServer) -> None:
    browser, _ = await premium(server)
    other = server.pages.another_browser()
    await other.sign_in(await other.go("/auth/login"), "maria")
    await deactivated(browser)
    assert (await other.go("/auth/manage")).title == "Sign in"
    assert await server.parts.documents.find(SESSIONS, {"account": "id-maria"}) == []
    again = await other.sign_in(await other.go("/auth/login"), "maria")
    wrong = await other.sign_in(await other.go("/auth/login"), "maria", "wrong")
    assert (again.status, again.path) == (wrong.status, wrong.path) == (401, "/auth/login")
    assert "not recognized" in again.text and "not recognized" in wrong.text


async def test_everything_that_was_granted_ends(server: LogonServer) -> None:
    browser, account = await premium(server)
    client = await server.pages.client()
    grants = [
        await server.parts.grants.create(
            client=client,
            account=account,
            scopes=("openid", "offline_access"),
            base=asked_for(client).base,
            auth_time=server.clock(),
            acr="level2",
            amr=("pwd",),
        )
        for _ in range(3)
    ]
    await deactivated(browser)
    assert [await server.parts.grants.find(each.id) for each in grants] == [None] * 3
    assert await server.parts.grants.of_account(account.id) == []


async def test_a_new_one_of_the_same_person_takes_over_the_record(server: LogonServer) -> None:
    browser, _ = await premium(server)
    await server.signed_in("second")
    with pytest.raises(PersonTaken):
        await server.parts.persons.bind(await server.account("second"), MARIA.dod_id, RECORD, "level2")
    await deactivated(browser)
    new = await server.parts.persons.bind(await server.account("second"), MARIA.dod_id, RECORD, "level2")
    assert new.patients == (RECORD,)
    assert (await server.account("maria")).patients == ()


async def test_its_address_makes_a_new_account(server: LogonServer) -> None:
    browser, _ = await premium(server)
    await deactivated(browser)
    typed = {"username": "maria2", "name": "Maria", "email": EMAIL, "password": NEW_PASSWORD, "again": NEW_PASSWORD}
    await browser.send(await browser.go("/auth/logon/new"), **typed)
    done = await browser.send(await browser.go(server.letters.link()), password=NEW_PASSWORD)
    assert done.title == "Done"
    assert (await server.account("maria2")).level == "level1"


async def test_what_was_done_is_written_down(server: LogonServer) -> None:
    browser, account = await premium(server)
    await deactivated(browser)
    event = server.trail.events[-1]
    assert (event.kind, event.account, event.text) == ("logon", account.id, "DS Logon deactivated, by its owner")
