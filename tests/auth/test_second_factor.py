"""The second factor: a code after the password, good once, five attempts, and the same lock as the password has."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from smart_auth.errors import CREDENTIAL_NOT_RECOGNIZED
from smart_auth.records import PENDING_LOGINS, SESSIONS, Session, read
from tests.auth.browsing import Browser, PageServer, Seen, asked, page_server

PENDING_COOKIE = "pending-80"


@pytest.fixture
async def server() -> AsyncIterator[PageServer]:
    async with page_server() as server:
        yield server


@pytest.fixture
async def secret(server: PageServer) -> str:
    """The secret of Ann's codes."""
    secret = server.parts.one_time_codes.new_secret()
    await server.parts.one_time_codes.enroll("id-ann", secret)
    return secret


def code_of(server: PageServer, secret: str, steps: int = 0) -> str:
    return server.parts.one_time_codes.code_at(secret, server.clock() + 30 * steps)


async def past_the_password(server: PageServer, browser: Browser | None = None, **fields: str) -> Seen:
    browser = browser or server.browser
    return await browser.sign_in(await browser.go("/auth/login", **fields))


async def sessions(server: PageServer) -> list[Session]:
    return [read(Session, each) for each in await server.parts.documents.find(SESSIONS, {})]


async def test_a_password_alone_opens_nothing(server: PageServer, secret: str) -> None:
    seen = await past_the_password(server)
    assert (seen.path, seen.title) == ("/auth/code", "One-time code")
    assert await sessions(server) == []
    assert (await server.browser.go("/auth/manage")).path == "/auth/login"


async def test_with_the_code_it_is_a_sign_in_by_two_factors(server: PageServer, secret: str) -> None:
    seen = await server.browser.send(await past_the_password(server), code=code_of(server, secret))
    assert seen.path == "/auth/manage"
    (session,) = await sessions(server)
    assert (session.acr, session.amr) == ("level2", ("pwd", "otp", "mfa"))
    assert server.trail.texts() == ["username, password and one-time code; level2"]
    assert await server.parts.documents.find(PENDING_LOGINS, {}) == []
    assert PENDING_COOKIE not in server.browser.http.cookies


async def test_it_goes_on_to_the_app_and_to_the_page_that_was_asked_for(server: PageServer, secret: str) -> None:
    client = await server.client()
    seen = await server.browser.sign_in(await server.browser.go("/auth/authorize", **asked(client)))
    assert seen.path == "/auth/code" and client.name in seen.text
    assert (await server.browser.send(seen, code=code_of(server, secret))).path == "/auth/consent"
    other = server.another_browser()
    seen = await other.send(await past_the_password(server, other, next="family"), code=code_of(server, secret, 1))
    assert seen.path == "/auth/family"


async def test_a_wrong_code_is_a_failed_login_of_that_name(server: PageServer, secret: str) -> None:
    seen = await server.browser.send(await past_the_password(server), code="000000")
    assert (seen.status, seen.path) == (401, "/auth/code")
    assert CREDENTIAL_NOT_RECOGNIZED in seen.text
    assert [(each.kind, each.account) for each in server.trail.events] == [("login-failed", "id-ann")]
    for _ in range(4):
        seen = await server.browser.send(seen, code="000000")
    assert (await past_the_password(server, server.another_browser())).status == 429


async def test_five_codes_are_all_that_one_password_buys(server: PageServer, secret: str) -> None:
    seen = await past_the_password(server)
    for _ in range(5):
        seen = await server.browser.send(seen, code="000000")
    server.clock.pass_seconds(240)
    assert (await server.browser.send(seen, code=code_of(server, secret))).status == 429
    assert await sessions(server) == []


async def test_a_code_is_good_once(server: PageServer, secret: str) -> None:
    code = code_of(server, secret)
    await server.browser.send(await past_the_password(server), code=code)
    other = server.another_browser()
    seen = await other.send(await past_the_password(server, other), code=code)
    assert (seen.status, seen.path) == (401, "/auth/code")


async def test_of_the_same_code_sent_twice_at_once_one_wins(server: PageServer, secret: str) -> None:
    browsers = [server.browser, server.another_browser()]
    forms = [await past_the_password(server, each) for each in browsers]
    code = code_of(server, secret)
    seen = await asyncio.gather(*(b.send(f, code=code) for b, f in zip(browsers, forms, strict=True)))
    assert sorted(each.path for each in seen) == ["/auth/code", "/auth/manage"]
    assert len(await sessions(server)) == 1


async def test_the_code_may_be_typed_with_a_space(server: PageServer, secret: str) -> None:
    code = code_of(server, secret)
    assert (
        await server.browser.send(await past_the_password(server), code=f"{code[:3]} {code[3:]}")
    ).path != "/auth/code"


async def test_who_waits_too_long_types_the_password_again(server: PageServer, secret: str) -> None:
    seen = await past_the_password(server)
    server.clock.pass_seconds(5 * 60)
    assert (await server.browser.send(seen, code=code_of(server, secret))).path == "/auth/login"
    assert await sessions(server) == []


async def test_without_a_password_before_it_the_page_leads_to_sign_in(server: PageServer) -> None:
    assert (await server.browser.go("/auth/code")).path == "/auth/login"


async def test_another_browser_cannot_send_the_code(server: PageServer, secret: str) -> None:
    seen = await past_the_password(server)
    other = server.another_browser()
    await other.go("/auth/login")
    answered = await other.send(seen, code=code_of(server, secret))
    assert answered.status == 403
    assert await sessions(server) == []


async def test_the_code_is_for_the_app_that_the_password_was_typed_for(server: PageServer, secret: str) -> None:
    client = await server.client()
    at_app = await server.browser.sign_in(await server.browser.go("/auth/authorize", **asked(client)))
    seen = await server.browser.send(at_app, code=code_of(server, secret), request=None)
    assert seen.status == 400
    assert await sessions(server) == []


async def test_a_logon_that_is_deactivated_meanwhile_gets_no_session(server: PageServer, secret: str) -> None:
    seen = await past_the_password(server)
    await server.parts.accounts.change("id-ann", is_logon_active=False)
    seen = await server.browser.send(seen, code=code_of(server, secret))
    assert seen.status == 401
    assert await sessions(server) == []


async def test_the_cookie_alone_is_kept_as_a_hash(server: PageServer, secret: str) -> None:
    await past_the_password(server)
    cookie = server.browser.http.cookies[PENDING_COOKIE]
    assert cookie not in str(await server.parts.documents.find(PENDING_LOGINS, {}))
