"""The one place where a session begins: what it says of the sign-in, and who gets none."""

from collections.abc import AsyncIterator

import pytest

from smart_auth import cookies
from smart_auth.errors import CREDENTIAL_NOT_RECOGNIZED
from smart_auth.records import GRANTS, SESSIONS, Grant, Session, read
from tests.auth.browsing import BASE, PageServer, asked, page_server


@pytest.fixture
async def server() -> AsyncIterator[PageServer]:
    async with page_server() as server:
        yield server


async def the_session(server: PageServer) -> Session:
    (document,) = await server.parts.documents.find(SESSIONS, {})
    return read(Session, document)


async def test_a_password_gives_the_level_of_its_account(server: PageServer) -> None:
    await server.person("one", level="level1")
    await server.browser.sign_in(await server.browser.go("/auth/login"), "one")
    session = await the_session(server)
    assert (session.acr, session.amr) == ("level1", ("pwd",))


async def test_the_former_session_of_the_browser_ends(server: PageServer) -> None:
    await server.browser.sign_in(await server.browser.go("/auth/login"))
    client = await server.client()
    seen = await server.browser.go("/auth/authorize", **asked(client, prompt="login"))
    await server.browser.sign_in(seen, "sam")
    assert (await the_session(server)).account == "id-sam"


async def test_a_deactivated_logon_is_refused_like_a_wrong_password(server: PageServer) -> None:
    await server.person("gone", is_logon_active=False)
    seen = await server.browser.sign_in(await server.browser.go("/auth/login"), "gone")
    wrong = await server.browser.sign_in(await server.browser.go("/auth/login"), "ann", "wrong")
    assert (seen.status, wrong.status) == (401, 401)
    assert CREDENTIAL_NOT_RECOGNIZED in seen.text
    assert await server.parts.documents.find(SESSIONS, {}) == []
    assert [(event.kind, event.outcome) for event in server.trail.events] == [("login-failed", "failed")] * 2


@pytest.mark.parametrize("by_cac", [True, False])
async def test_of_a_deactivated_logon_only_what_a_cac_opened_goes_on(server: PageServer, by_cac: bool) -> None:
    account = await server.person("gone", is_logon_active=False)
    value, _ = await server.parts.sessions.start(account, "card", ("sc", "mfa"), by_cac)
    server.browser.http.cookies.set(cookies.cookie_name(BASE, cookies.SESSION), value)
    assert (await server.browser.go("/auth/manage")).path == ("/auth/manage" if by_cac else "/auth/login")


async def test_the_grant_remembers_how_somebody_signed_in(server: PageServer) -> None:
    client = await server.client()
    seen = await server.browser.sign_in(await server.browser.go("/auth/authorize", **asked(client)))
    await server.browser.allow(seen)
    (document,) = await server.parts.documents.find(GRANTS, {})
    grant = read(Grant, document)
    assert (grant.acr, grant.amr, grant.auth_time) == ("level2", ("pwd",), server.clock())


async def test_the_audit_row_says_how_sure_it_was(server: PageServer) -> None:
    await server.browser.sign_in(await server.browser.go("/auth/login"))
    assert server.trail.texts() == ["username and password; level2"]


@pytest.mark.parametrize(
    ("next", "path"), [("manage", "/auth/manage"), ("family", "/auth/family"), ("https://evil.test/", "/auth/manage")]
)
async def test_it_leads_on_only_to_pages_of_ours(server: PageServer, next: str, path: str) -> None:
    seen = await server.browser.sign_in(await server.browser.go("/auth/login", next=next))
    assert seen.path == path


async def test_the_form_shows_the_ways_in_that_there_are(server: PageServer) -> None:
    seen = await server.browser.go("/auth/login")
    links = [each.get("href") for each in seen.html.xpath("//main//a")]
    assert links == ["/auth/reset", "/auth/logon/new", "/help"]


async def test_without_cards_and_providers_no_page_speaks_of_them(server: PageServer) -> None:
    assert "CAC" not in (await server.browser.go("/auth/login")).text
