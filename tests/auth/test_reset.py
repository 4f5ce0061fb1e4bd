"""A forgotten password: one letter, one link, one use."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from smart_auth.access import NotAdmitted
from smart_auth.records import ACCOUNTS, EXTERNAL_LOGINS, SESSIONS, ExternalLogin, kept
from tests.auth.browsing import PASSWORD, Seen
from tests.auth.browsing import asked as authorize
from tests.auth.logons import NEW_PASSWORD, LogonServer, logon_server


@pytest.fixture
async def server() -> AsyncIterator[LogonServer]:
    async with logon_server() as running:
        yield running


async def asked(server: LogonServer, name: str = "ann") -> Seen:
    browser = server.pages.another_browser()
    return await browser.send(await browser.go("/auth/reset"), name=name)


async def chosen(server: LogonServer, link: str, password: str = NEW_PASSWORD, again: str | None = None) -> Seen:
    browser = server.pages.another_browser()
    seen = await browser.go(link)
    if seen.status != 200:
        return seen
    return await browser.send(seen, password=password, again=password if again is None else again)


async def signs_in(server: LogonServer, password: str) -> Seen:
    browser = server.pages.another_browser()
    return await browser.sign_in(await browser.go("/auth/login"), "ann", password)


@pytest.mark.parametrize("name", ["ann", " ANN ", "ann@example.org", "Ann@Example.ORG"])
async def test_a_link_goes_to_the_confirmed_address_and_sets_the_password(server: LogonServer, name: str) -> None:
    assert (await asked(server, name)).title == "Check your mail"
    (letter,) = server.letters.sent
    assert letter.to == "ann@example.org" and "the DS Logon ann." in letter.text
    assert (await chosen(server, server.letters.link())).title == "Your password is new"
    assert (await signs_in(server, NEW_PASSWORD)).path == "/auth/manage"
    assert (await signs_in(server, PASSWORD)).title == "Sign in"
    assert "changed by a mailed link" in server.letters.sent[-1].text


async def test_the_link_is_good_once_and_for_half_an_hour(server: LogonServer) -> None:
    await asked(server)
    link = server.letters.link()
    answers = await asyncio.gather(*(chosen(server, link, f"{NEW_PASSWORD} {number}") for number in range(4)))
    assert sorted(each.status for each in answers) == [200, 400, 400, 400]
    assert (await chosen(server, link)).status == 400
    await asked(server)
    server.clock.pass_seconds(30 * 60)
    assert (await chosen(server, server.letters.link())).status == 400


async def test_a_newer_link_ends_the_one_before(server: LogonServer) -> None:
    await asked(server)
    old = server.letters.link()
    await asked(server)
    assert "has ended" in (await chosen(server, old)).text
    assert (await chosen(server, server.letters.link())).title == "Your password is new"


async def test_who_only_opens_the_link_changes_nothing(server: LogonServer) -> None:
    await asked(server)
    for _ in range(3):
        assert (await server.browser.go(server.letters.link())).title == "Choose a new password"
    assert (await signs_in(server, PASSWORD)).path == "/auth/manage"


async def test_a_bad_password_leaves_the_link_as_it_is(server: LogonServer) -> None:
    await asked(server)
    link = server.letters.link()
    seen = await chosen(server, link, "short", "other")
    assert seen.status == 400 and "at least 15" in seen.text and "not the same" in seen.text
    assert "tried first" in (await chosen(server, link, "ann example ann example")).text
    assert (await chosen(server, link)).title == "Your password is new"


async def test_it_signs_out_everywhere_and_lifts_the_lock(server: LogonServer) -> None:
    await server.browser.sign_in(await server.browser.go("/auth/login"))
    for _ in range(6):
        await signs_in(server, "wrong")
    assert (await signs_in(server, PASSWORD)).status == 429
    await asked(server)
    await chosen(server, server.letters.link())
    assert (await server.browser.go("/auth/manage")).title == "Sign in"
    assert (await signs_in(server, NEW_PASSWORD)).path == "/auth/manage"


async def opened_by_the_old_one(server: LogonServer) -> tuple[dict[str, Any], str]:
    """The token response of an app that may stay connected, and the link to another address that is on its way."""
    client, browser = await server.pages.client(), server.pages.another_browser()
    scope = "launch/patient offline_access patient/Patient.rs"
    seen = await browser.sign_in(await browser.go("/auth/authorize", **authorize(client, scope)))
    code = (await browser.allow(seen)).answer["code"]
    login = ExternalLogin(id="at the other", provider="other", account="id-ann", linked_at=1)
    await server.parts.documents.insert(EXTERNAL_LOGINS, login.id, kept(login))
    waiting = server.pages.another_browser()
    await waiting.sign_in(await waiting.go("/auth/login"))
    token = await server.parts.mail_links.issue("email", "id-ann", 3600, "thief@example.org")
    return await server.pages.exchanged(client, code), token


async def changed_by_mail(server: LogonServer) -> Seen:
    await asked(server)
    return await chosen(server, server.letters.link())


async def changed_by_its_owner(server: LogonServer) -> Seen:
    await server.browser.sign_in(await server.browser.go("/auth/login"))
    form = await server.browser.go("/auth/logon/password")
    done = await server.browser.send(form, password=PASSWORD, new=NEW_PASSWORD, again=NEW_PASSWORD)
    assert (await server.browser.go("/auth/manage")).title == "What apps may see"
    return done


@pytest.mark.parametrize("changed", [changed_by_mail, changed_by_its_owner])
async def test_a_new_password_ends_all_that_the_old_one_opened(
    server: LogonServer, changed: Callable[[LogonServer], Awaitable[Seen]]
) -> None:
    tokens, link = await opened_by_the_old_one(server)
    sessions = {each["id"] for each in await server.parts.documents.find(SESSIONS, {"account": "id-ann"})}
    seen = await changed(server)
    assert "no app has access any more" in seen.text.lower() and "no other provider" in seen.text
    assert "no app has access any more" in server.letters.sent[-1].text
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "client_id": "growth"}
    refused = await server.browser.http.post("/auth/token", data=form)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    with pytest.raises(NotAdmitted):
        await server.parts.guard.admitted(f"Bearer {tokens['access_token']}")
    assert await server.parts.documents.find(EXTERNAL_LOGINS, {}) == []
    left = {each["id"] for each in await server.parts.documents.find(SESSIONS, {"account": "id-ann"})}
    assert not left & sessions
    # The address that letters go to is not changed by a link from before.
    assert (await server.browser.go("/auth/confirm", token=link)).status == 400


async def test_one_time_codes_are_still_asked_for(server: LogonServer) -> None:
    await server.parts.one_time_codes.enroll("id-ann", server.parts.one_time_codes.new_secret())
    waiting = server.pages.another_browser()
    await waiting.sign_in(await waiting.go("/auth/login"))
    await asked(server)
    await chosen(server, server.letters.link())
    assert (await signs_in(server, NEW_PASSWORD)).path == "/auth/code"
    # Who had come so far by the old password has to begin anew.
    assert (await waiting.go("/auth/code")).path == "/auth/login"


@pytest.mark.parametrize(
    "fields",
    [
        {"is_disabled": True},
        {"is_logon_active": False},
        {"email_verified_at": None},
        {"email": None},
        {"password_hash": ""},
    ],
)
async def test_no_link_goes_out_where_there_is_nothing_to_reset_and_the_answer_is_the_same(
    server: LogonServer, fields: dict[str, object]
) -> None:
    usual = await asked(server)
    server.letters.sent.clear()
    await server.parts.documents.change(ACCOUNTS, "id-ann", fields)
    assert (await asked(server)).text == usual.text
    assert server.letters.sent == []


async def test_a_link_is_dead_once_the_logon_was_deactivated(server: LogonServer) -> None:
    await asked(server)
    await server.parts.documents.change(ACCOUNTS, "id-ann", {"is_logon_active": False})
    assert (await chosen(server, server.letters.link())).status == 400


async def test_what_was_typed_is_not_written_down(server: LogonServer) -> None:
    await asked(server, "my password by mistake")
    await asked(server)
    link = server.letters.link()
    await chosen(server, link)
    unknown, sent, changed, *_ = server.trail.events
    assert (unknown.kind, unknown.account, unknown.outcome) == ("logon", None, "failed")
    assert (sent.account, changed.account) == ("id-ann", "id-ann")
    written = str(server.trail.events)
    assert "mistake" not in written and NEW_PASSWORD not in written and "?token=" not in written
    assert link.partition("=")[2] not in written


async def test_several_accounts_of_one_address_get_a_link_each(server: LogonServer) -> None:
    await server.pages.person("ben", email="ann@example.org", email_verified_at=1)
    await asked(server, "ann@example.org")
    assert {each.to for each in server.letters.sent} == {"ann@example.org"}
    assert ["ann." in each.text for each in server.letters.sent] == [True, False]
