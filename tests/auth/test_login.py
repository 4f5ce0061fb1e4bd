"""Signing in: who gets a session, what an attacker learns (nothing), and what a browser is given."""

import asyncio
import time

import pytest

from smart_auth.errors import CREDENTIAL_NOT_RECOGNIZED
from smart_auth.identity import passwords
from smart_auth.identity.accounts import Accounts, LoginTaken
from smart_auth.settings import SmartSettings
from tests.auth.browsing import PASSWORD, Browser, PageServer, Seen, asked, page_server
from tests.auth.clock import Clock
from tests.auth.memory_documents import MemoryDocuments

SESSION_COOKIE = "session-80"


async def test_whoever_knows_the_password_is_signed_in(pages: PageServer) -> None:
    seen = await pages.browser.sign_in(await pages.browser.go("/auth/login"))
    assert (seen.path, seen.title) == ("/auth/manage", "What apps may see")
    assert "Signed in as Ann" in seen.text
    assert pages.trail.kinds() == ["login"]


@pytest.mark.parametrize("username", ["Ann", " ANN ", "ａｎｎ"])
async def test_a_name_is_known_however_it_is_typed(pages: PageServer, username: str) -> None:
    assert (await pages.browser.sign_in(await pages.browser.go("/auth/login"), username)).path == "/auth/manage"


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("ann", "wrong"),
        ("ann", ""),
        ("ann", PASSWORD.upper()),
        ("ann", PASSWORD + "x" * 300),
        ("nobody", PASSWORD),
        ("", PASSWORD),
        ("x" * 1000, PASSWORD),
        ("<script>", PASSWORD),
    ],
)
async def test_whatever_is_wrong_the_answer_is_the_same(pages: PageServer, username: str, password: str) -> None:
    seen = await pages.browser.sign_in(await pages.browser.go("/auth/login"), username, password)
    assert (seen.status, seen.path) == (401, "/auth/login")
    assert f"There is a problem. {CREDENTIAL_NOT_RECOGNIZED}" in seen.text
    assert seen.form().fields["username"] == username
    assert not seen.form().fields["password"]
    assert SESSION_COOKIE not in pages.browser.http.cookies


async def test_a_disabled_account_is_refused_like_an_unknown_one(pages: PageServer) -> None:
    await pages.person("gone", is_disabled=True)
    seen = await pages.browser.sign_in(await pages.browser.go("/auth/login"), "gone")
    assert CREDENTIAL_NOT_RECOGNIZED in seen.text


async def test_a_failure_is_written_down_without_what_was_typed(pages: PageServer) -> None:
    await pages.browser.sign_in(await pages.browser.go("/auth/login"), "my password by mistake", "wrong")
    await pages.browser.sign_in(await pages.browser.go("/auth/login"), "ann", "wrong")
    unknown, known = pages.trail.events
    assert (unknown.kind, unknown.account, unknown.outcome) == ("login-failed", None, "failed")
    assert (known.kind, known.account) == ("login-failed", "id-ann")
    assert "mistake" not in str(pages.trail.events) and "wrong" not in str(pages.trail.events)


async def attempts(pages: PageServer, username: str, count: int) -> list[Seen]:
    browser = pages.another_browser()
    return [await browser.sign_in(await browser.go("/auth/login"), username, "wrong") for _ in range(count)]


async def test_throttling_tells_nothing_about_who_exists(pages: PageServer) -> None:
    known, unknown = await attempts(pages, "ann", 7), await attempts(pages, "nobody", 7)
    assert [each.status for each in known] == [401] * 5 + [429] * 2
    assert [each.status for each in unknown] == [each.status for each in known]
    texts = [each.text.replace("ann", "nobody") for each in known]
    assert texts == [each.text for each in unknown]
    assert int(known[-1].response.headers["retry-after"]) > 0
    names = [sorted(each.response.headers.keys()) for each in known]
    assert names == [sorted(each.response.headers.keys()) for each in unknown]


async def test_attempts_without_end_are_one_row_of_the_audit_log_for_each_name(pages: PageServer) -> None:
    await attempts(pages, "ann", 9)
    await attempts(pages, "nobody", 9)
    over = [event for event in pages.trail.events if event.text == "too many attempts"]
    assert [(event.kind, event.account) for event in over] == [("login-failed", "id-ann"), ("login-failed", None)]


async def test_a_name_that_is_throttled_cannot_be_used_even_with_its_password_until_later(pages: PageServer) -> None:
    await attempts(pages, "ann", 5)
    browser = pages.browser
    assert (await browser.sign_in(await browser.go("/auth/login"))).status == 429
    assert (await browser.sign_in(await browser.go("/auth/login"), "ANN ")).status == 429
    assert (await browser.sign_in(await browser.go("/auth/login"), "sam")).path == "/auth/manage"
    pages.clock.pass_seconds(15 * 60)
    assert (await browser.sign_in(await pages.another_browser().go("/auth/login"))).status == 403
    other = pages.another_browser()
    assert (await other.sign_in(await other.go("/auth/login"))).path == "/auth/manage"


async def test_parallel_guesses_are_counted_before_one_of_them_can_win(pages: PageServer) -> None:
    browsers = [pages.another_browser() for _ in range(12)]

    async def guess(browser: Browser, password: str) -> int:
        return (await browser.sign_in(await browser.go("/auth/login"), "ann", password)).status

    guesses = [*(f"guess {number}" for number in range(11)), PASSWORD]
    statuses = await asyncio.gather(*(guess(browser, each) for browser, each in zip(browsers, guesses, strict=True)))
    assert set(statuses[:11]) <= {401, 429}
    assert (await attempts(pages, "ann", 1))[0].status == 429


async def test_an_address_can_try_only_so_often_in_a_minute() -> None:
    async with page_server(settings=SmartSettings(logins_per_minute=2)) as pages:
        statuses = [(await attempts(pages, f"name-{number}", 1))[0].status for number in range(3)]
        assert statuses == [401, 401, 429]
        assert pages.trail.texts() == ["username and password"] * 2 + ["too many attempts"]


async def test_an_unknown_name_costs_what_a_known_one_costs() -> None:
    hash = await passwords.hashed(PASSWORD)

    async def seconds(password_hash: str | None) -> float:
        began = time.perf_counter()
        await passwords.is_right("wrong", password_hash)
        return time.perf_counter() - began

    assert not await passwords.is_right(PASSWORD, None)
    known = min([await seconds(hash) for _ in range(5)])
    unknown = min([await seconds(None) for _ in range(5)])
    # Both verify one hash of the same parameters; without one it would be a thousand times faster.
    assert unknown > known / 3


async def test_passwords_are_kept_as_argon2id_and_typed_in_any_form() -> None:
    hash = await passwords.hashed("Käse")
    assert hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await passwords.is_right("Ka\u0308se", hash)
    assert not await passwords.is_right("Kase", hash)
    assert not await passwords.is_right("Käse", "not a hash")
    for password in ("", "x" * 257):
        with pytest.raises(ValueError, match="1 to 256"):
            await passwords.hashed(password)


async def test_two_accounts_never_have_one_name() -> None:
    accounts = Accounts(MemoryDocuments(), Clock())
    made = await asyncio.gather(
        *(accounts.add(name, PASSWORD, "patient") for name in ("ann", "Ann", "ANN ")), return_exceptions=True
    )
    assert sum(isinstance(each, LoginTaken) for each in made) == 2
    assert [each.login for each in await accounts.all()] == ["ann"]
    found = await accounts.signed_in("aNN", PASSWORD)
    assert found is not None and found.login == "ann"


def set_cookies(seen: Seen) -> dict[str, str]:
    return {each.partition("=")[0]: each for each in seen.response.headers.get_list("set-cookie")}


async def signing_in(pages: PageServer) -> tuple[Seen, dict[str, str]]:
    """The first answer to a right password, before its redirect is followed, with its cookies."""
    seen = await pages.browser.go("/auth/login")
    fields = dict(seen.form().form_values()) | {"username": "ann", "password": PASSWORD}
    response = await pages.browser.http.post("/auth/login", data=fields)
    first = Seen(response, str(response.url))
    return first, set_cookies(first)


async def test_the_cookie_of_a_session_is_out_of_reach_of_scripts_and_other_sites(pages: PageServer) -> None:
    _, cookies = await signing_in(pages)
    assert cookies[SESSION_COOKIE].endswith("; Path=/; HttpOnly; SameSite=Lax")
    assert len(cookies[SESSION_COOKIE].partition("=")[2].partition(";")[0]) == 43


async def test_over_https_the_cookie_is_secure_and_bound_to_the_host() -> None:
    async with page_server(base="https://fhir.test/fhir") as pages:
        _, cookies = await signing_in(pages)
        assert cookies["__Host-session"].endswith("; Path=/; HttpOnly; SameSite=Lax; Secure")
        assert "Domain" not in cookies["__Host-session"]


async def test_a_session_planted_before_sign_in_is_worth_nothing(pages: PageServer) -> None:
    attacker = pages.another_browser()
    await attacker.sign_in(await attacker.go("/auth/login"), "sam")
    planted = attacker.http.cookies[SESSION_COOKIE]
    pages.browser.http.cookies.set(SESSION_COOKIE, planted, domain="fhir.test", path="/")
    client = await pages.client()
    seen = await pages.browser.go("/auth/authorize", **asked(client, prompt="login"))
    await pages.browser.sign_in(seen, "ann")
    kept = {each.value for each in pages.browser.http.cookies.jar if each.name == SESSION_COOKIE}
    assert planted not in kept
    # Nor does the planted one last.
    assert (await attacker.go("/auth/manage")).title == "Sign in"


async def test_each_sign_in_has_a_session_of_its_own(pages: PageServer) -> None:
    one, other = pages.another_browser(), pages.another_browser()
    for browser in (one, other):
        await browser.sign_in(await browser.go("/auth/login"))
    assert one.http.cookies[SESSION_COOKIE] != other.http.cookies[SESSION_COOKIE]


@pytest.mark.parametrize("csrf", ["", "forged", None])
async def test_a_sign_in_form_of_another_site_is_refused(pages: PageServer, csrf: str | None) -> None:
    seen = await pages.browser.go("/auth/login")
    refused = await pages.browser.send(seen, username="ann", password=PASSWORD, csrf=csrf)
    assert (refused.status, refused.title) == (403, "This did not work")
    assert SESSION_COOKIE not in pages.browser.http.cookies


async def test_a_sign_in_form_of_another_browser_is_refused(pages: PageServer) -> None:
    attackers = await pages.another_browser().go("/auth/login")
    await pages.browser.go("/auth/login")
    assert (await pages.browser.sign_in(attackers)).status == 403
    assert (await pages.another_browser().sign_in(attackers)).status == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_what_a_browser_says_comes_from_elsewhere_is_refused(pages: PageServer, site: str) -> None:
    seen = await pages.browser.go("/auth/login")
    headers = {"Sec-Fetch-Site": site}
    assert (await pages.browser.send(seen, headers=headers, username="ann", password=PASSWORD)).status == 403


async def test_a_session_ends_by_itself_when_unused_or_old(pages: PageServer) -> None:
    await pages.browser.sign_in(await pages.browser.go("/auth/login"))
    for _ in range(12):
        pages.clock.pass_seconds(59 * 60)
        assert (await pages.browser.go("/auth/manage")).title == "What apps may see"
    pages.clock.pass_seconds(59 * 60)
    assert (await pages.browser.go("/auth/manage")).title == "Sign in"
    other = pages.another_browser()
    await other.sign_in(await other.go("/auth/login"))
    pages.clock.pass_seconds(60 * 60)
    assert (await other.go("/auth/manage")).title == "Sign in"


async def test_a_disabled_account_is_signed_out_everywhere(pages: PageServer) -> None:
    await pages.browser.sign_in(await pages.browser.go("/auth/login"))
    await pages.parts.documents.change("accounts", "id-ann", {"is_disabled": True})
    assert (await pages.browser.go("/auth/manage")).title == "Sign in"


async def test_signing_out_ends_the_session_itself(pages: PageServer) -> None:
    await pages.browser.sign_in(await pages.browser.go("/auth/login"))
    value = pages.browser.http.cookies[SESSION_COOKIE]
    asked_first = await pages.browser.go("/auth/logout")
    assert asked_first.title == "Sign out?"
    assert (await pages.browser.send(asked_first, csrf="forged")).status == 403
    assert (await pages.browser.send(asked_first)).title == "You are signed out"
    assert SESSION_COOKIE not in pages.browser.http.cookies
    pages.browser.http.cookies.set(SESSION_COOKIE, value, domain="fhir.test", path="/")
    assert (await pages.browser.go("/auth/manage")).title == "Sign in"
    assert pages.trail.kinds() == ["login", "page-refused", "logout"]


@pytest.mark.parametrize("where", ["https://evil.test/", "//evil.test", "/auth/consent", "javascript:alert(1)"])
async def test_sign_in_leads_to_no_address_of_somebody_elses_choice(pages: PageServer, where: str) -> None:
    seen = await pages.browser.sign_in(await pages.browser.go("/auth/login", next=where))
    assert seen.path == "/auth/manage"


async def test_sessions_are_kept_by_their_hash_alone(pages: PageServer) -> None:
    await pages.browser.sign_in(await pages.browser.go("/auth/login"))
    kept = await pages.parts.documents.find("sessions", {})
    assert len(kept) == 1
    assert pages.browser.http.cookies[SESSION_COOKIE] not in str(kept)
