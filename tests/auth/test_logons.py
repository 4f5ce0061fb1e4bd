"""A DS Logon comes into being past a letter, and its owner changes it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from smart_auth.identity.logons import email_of
from smart_auth.records import ACCOUNTS, SESSIONS
from smart_auth.settings import SmartSettings
from tests.auth.browsing import PASSWORD, Browser, Seen
from tests.auth.logons import EMAIL, NEW_PASSWORD, LogonServer, logon_server


@pytest.fixture
async def server() -> AsyncIterator[LogonServer]:
    async with logon_server() as running:
        yield running


async def asked(server: LogonServer, browser: Browser | None = None, **fields: str) -> Seen:
    browser = browser or server.browser
    typed = {"username": "Maria", "name": "Maria Nunez", "email": EMAIL, "password": NEW_PASSWORD}
    typed = {**typed, "again": fields.get("password", NEW_PASSWORD), **fields}
    return await browser.send(await browser.go("/auth/logon/new"), **typed)


async def opened(server: LogonServer, password: str = NEW_PASSWORD, **fields: str) -> Seen:
    """What comes of the link in the last letter, in another browser than the one where it was asked for."""
    browser = server.pages.another_browser()
    return await browser.send(await browser.go(server.letters.link()), password=password, **fields)


async def test_an_account_is_made_by_the_link_and_not_before(server: LogonServer) -> None:
    seen = await asked(server)
    assert (seen.status, seen.title, seen.path) == (200, "Check your mail", "/auth/logon/new")
    assert await server.parts.accounts.by_login("maria") is None
    done = await opened(server)
    assert (done.status, done.title) == (200, "Done")
    maria = await server.account("MARIA")
    assert (maria.level, maria.kind, maria.patients, maria.fhir_user) == ("level1", "patient", (), None)
    assert (maria.email, maria.email_verified_at, maria.added_by) == (EMAIL, server.clock(), "self")
    signed = await server.browser.sign_in(await server.browser.go("/auth/login"), "maria", NEW_PASSWORD)
    assert signed.path == "/auth/manage"


async def test_a_mail_scanner_that_opens_the_link_makes_nothing(server: LogonServer) -> None:
    await asked(server)
    link = server.letters.link()
    for _ in range(3):
        assert (await server.pages.another_browser().go(link)).title == "Create your DS Logon"
    assert await server.parts.accounts.by_login("maria") is None
    assert (await opened(server)).title == "Done"


async def test_a_link_is_good_once(server: LogonServer) -> None:
    await asked(server)
    link = server.letters.link()
    browsers = [server.pages.another_browser() for _ in range(4)]
    pages = [await each.go(link) for each in browsers]
    done = await asyncio.gather(
        *(each.send(seen, password=NEW_PASSWORD) for each, seen in zip(browsers, pages, strict=True))
    )
    assert sorted(each.status for each in done) == [200, 400, 400, 400]
    assert len(await server.parts.documents.find(ACCOUNTS, {"login": "maria"})) == 1
    assert "has ended" in (await server.browser.go(link)).text


async def test_a_letter_that_was_lost_is_sent_again_and_the_old_link_is_dead(server: LogonServer) -> None:
    await asked(server)
    old = server.letters.link()
    await asked(server)
    assert (await server.browser.go(old)).status == 400
    assert (await opened(server)).title == "Done"


async def test_a_link_ends_after_a_day(server: LogonServer) -> None:
    await asked(server)
    server.clock.pass_seconds(24 * 3600)
    assert (await server.browser.go(server.letters.link())).status == 400


async def test_nobody_makes_an_account_with_anothers_address(server: LogonServer) -> None:
    """Who gets the letter did not ask, and does not know the password that somebody else chose."""
    await asked(server)
    refused = await opened(server, "a guess that is long enough")
    assert refused.status == 401 and "not recognized" in refused.text
    assert await server.parts.accounts.by_login("maria") is None
    assert [event.outcome for event in server.trail.events] == ["failed"]
    for _ in range(4):
        await opened(server, "a guess that is long enough")
    assert (await opened(server)).status == 429


async def test_the_answer_is_the_same_whether_or_not_the_name_or_address_is_in_use(server: LogonServer) -> None:
    new = await asked(server)
    name_taken = await asked(server, username="ANN", email="other@example.org")
    address_taken = await asked(server, username="someone", email="Ann@Example.org")
    assert new.text == name_taken.text == address_taken.text
    assert [each.address for each in (new, name_taken, address_taken)] == [new.address] * 3


async def test_an_address_that_has_an_account_is_told_so_by_mail_alone(server: LogonServer) -> None:
    await asked(server, email="Ann@Example.org")
    (letter,) = server.letters.sent
    assert letter.to == "ann@example.org" and "one already" in letter.text
    assert "?token=" not in letter.text


async def test_who_reads_the_mail_hears_that_the_name_is_taken_and_chooses_another(server: LogonServer) -> None:
    await asked(server, username="ANN")
    browser = server.pages.another_browser()
    seen = await browser.send(await browser.go(server.letters.link()), password=NEW_PASSWORD)
    assert seen.status == 400 and "This username is taken" in seen.text
    done = await browser.send(seen, username="maria", password=NEW_PASSWORD)
    assert done.title == "Done"
    assert (await server.account("maria")).email == EMAIL


async def test_everything_that_is_wrong_is_said_at_once(server: LogonServer) -> None:
    seen = await asked(server, username=" ", name="", email="nowhere", password="short", again="other")
    assert seen.status == 400
    for words in ("A username has", "A name has", "An e-mail address", "at least 15", "not the same"):
        assert words in seen.text
    assert server.letters.sent == [] and seen.html.xpath("//*[@id='fault']")
    assert seen.html.findtext(".//title").startswith("Error:")
    assert seen.form().fields["email"] == "nowhere" and not seen.form().fields["password"]


async def test_composition_rules_are_a_setting() -> None:
    async with logon_server(SmartSettings(password_policy="composition")) as server:
        seen = await asked(server, password="zqxkvwjb")
        for words in ("an upper-case letter", "a digit", "a special character"):
            assert f"A password has {words}" in seen.text
        assert (await asked(server, password="Tr0ub4dor&3")).title == "Check your mail"


@pytest.mark.parametrize("email", ["a@b.c\nBcc: x@y.z", "a b@c.d", "", "x", "<a@b.c>"])
def test_what_is_no_address_gets_no_mail(email: str) -> None:
    assert email_of(email) is None


async def test_neither_password_nor_address_is_kept_in_clear_until_then(server: LogonServer) -> None:
    await asked(server, name="Somebody Unusual")
    kept_there = str(server.parts.documents._kinds)  # type: ignore[attr-defined]
    assert NEW_PASSWORD not in kept_there and "Unusual" not in kept_there


async def test_without_mail_the_help_desk_is_named(server: LogonServer) -> None:
    server.letters.is_available = False
    for address in ("/auth/logon/new", "/auth/reset"):
        seen = await server.browser.go(address)
        assert seen.status == 503 and "1-800-600-9332" in seen.text


async def test_forms_of_other_sites_are_refused(server: LogonServer) -> None:
    assert (await asked(server, csrf="forged")).status == 403
    await asked(server)
    assert (await opened(server, csrf="forged")).status == 403
    post = await server.pages.another_browser().http.post("/auth/logon/new", data={"username": "maria"})
    assert post.status_code == 403


async def test_one_address_makes_no_accounts_without_end() -> None:
    async with logon_server(SmartSettings(beneficiary_registrations_per_minute=2)) as server:
        statuses = [(await asked(server)).status for _ in range(3)]
        assert statuses == [200, 200, 429]


async def test_a_new_address_of_an_account_is_confirmed_by_its_link(server: LogonServer) -> None:
    token = await server.parts.mail_links.issue("email", "id-ann", 3600, "new@example.org")
    reset = await server.parts.mail_links.issue("reset", "id-ann", 3600)
    seen = await server.browser.go("/auth/confirm", token=token)
    assert (await server.account("ann")).email == "ann@example.org"
    assert (await server.browser.send(seen)).title == "Done"
    ann = await server.account("ann")
    assert (ann.email, ann.email_verified_at) == ("new@example.org", server.clock())
    # What went to the old address changes no password any more.
    assert await server.parts.mail_links.find("reset", reset) is None
    assert (await server.browser.go("/auth/confirm", token=token)).status == 400


async def test_an_invitation_leads_to_its_page(server: LogonServer) -> None:
    token = await server.parts.mail_links.issue("invitation", "r1", 3600)
    response = await server.browser.http.get("/auth/confirm", params={"token": token})
    assert response.headers["location"] == f"/auth/registration/dependent?token={token}"


@pytest.mark.parametrize("token", ["", "x", "x" * 5000])
async def test_a_link_that_never_was_is_over(server: LogonServer, token: str) -> None:
    for path in ("/auth/confirm", "/auth/reset/new"):
        assert (await server.browser.go(path, token=token)).status == 400


async def test_the_owner_changes_the_password_and_other_browsers_are_signed_out(server: LogonServer) -> None:
    browser, other = await server.signed_in(), server.pages.another_browser()
    await other.sign_in(await other.go("/auth/login"), "maria")
    form = await browser.go("/auth/logon/password")
    done = await browser.send(form, password=PASSWORD, new=NEW_PASSWORD, again=NEW_PASSWORD)
    assert "Your password is new" in done.text
    assert (await other.go("/auth/manage")).title == "Sign in"
    assert (await browser.go("/auth/manage")).title == "What apps may see"
    assert (await other.sign_in(await other.go("/auth/login"), "maria", PASSWORD)).title == "Sign in"
    assert (await other.sign_in(await other.go("/auth/login"), "maria", NEW_PASSWORD)).path == "/auth/manage"
    assert server.letters.sent[-1].to == EMAIL and "was changed" in server.letters.sent[-1].text


async def test_the_old_password_is_asked_for_and_guesses_lock_every_door(server: LogonServer) -> None:
    browser = await server.signed_in()
    form = await browser.go("/auth/logon/password")
    for _ in range(5):
        wrong = await browser.send(form, password="wrong", new=NEW_PASSWORD, again=NEW_PASSWORD)
        assert wrong.status == 401
    right = await browser.send(form, password=PASSWORD, new=NEW_PASSWORD, again=NEW_PASSWORD)
    assert right.status == 429
    other = server.pages.another_browser()
    assert (await other.sign_in(await other.go("/auth/login"), "maria")).status == 429
    removal = await browser.send(await browser.go("/auth/logon/deactivate"), password=PASSWORD)
    assert removal.status == 429
    assert len(await server.parts.documents.find(SESSIONS, {"account": "id-maria"})) == 1


async def test_a_new_password_keeps_the_rules(server: LogonServer) -> None:
    browser = await server.signed_in()
    form = await browser.go("/auth/logon/password")
    seen = await browser.send(form, password=PASSWORD, new="maria maria maria", again="x")
    assert seen.status == 400 and "tried first" in seen.text and "not the same" in seen.text


async def test_who_signs_in_by_card_alone_has_no_password_to_change(server: LogonServer) -> None:
    browser = await server.signed_in()
    await server.parts.documents.change(ACCOUNTS, "id-maria", {"password_hash": ""})
    for path in ("/auth/logon/password", "/auth/logon/deactivate", "/auth/one-time-codes"):
        assert "has no password" in (await browser.go(path)).text


@pytest.mark.parametrize(
    "path", ["/auth/logon/password", "/auth/logon/deactivate", "/auth/one-time-codes", "/auth/logon/upgrade"]
)
async def test_pages_of_an_account_ask_to_sign_in_and_come_back(server: LogonServer, path: str) -> None:
    seen = await server.browser.go(path)
    assert seen.title == "Sign in"
    assert (await server.browser.sign_in(seen)).path == path
    post = await server.pages.another_browser().http.post(path, data={"password": PASSWORD})
    assert post.status_code == 303 and post.headers["location"].startswith("/auth/login?next=")


@pytest.mark.parametrize("path", ["/auth/logon/password", "/auth/logon/deactivate", "/auth/one-time-codes"])
async def test_a_form_that_another_site_sent_changes_nothing(server: LogonServer, path: str) -> None:
    browser = await server.signed_in()
    before = await server.account("maria")
    seen = await browser.go(path)
    assert (await browser.send(seen, csrf="forged", password=PASSWORD)).status == 403
    assert await server.account("maria") == before


async def test_one_time_codes_are_enrolled_and_removed_by_their_owner(server: LogonServer) -> None:
    browser = await server.signed_in()
    codes = server.parts.one_time_codes
    seen = await browser.go("/auth/one-time-codes")
    secret = str(seen.html.findtext(".//main//code")).replace(" ", "")
    assert "otpauth://totp/Health%20record%3Amaria" in seen.text
    wrong = await browser.send(seen, code="000000", password=PASSWORD)
    assert wrong.status == 400 and (await server.account("maria")).totp is None
    for password in ("", "wrong"):
        wrong = await browser.send(seen, code=codes.code_at(secret, server.clock()), password=password)
        assert wrong.status == 401 and (await server.account("maria")).totp is None
    assert server.trail.events[-1].text == "one-time codes not set up: the password was wrong"
    done = await browser.send(seen, code=codes.code_at(secret, server.clock()), password=PASSWORD)
    assert "From now on you are asked" in done.text and secret not in done.text.replace(" ", "")
    other = server.pages.another_browser()
    assert (await other.sign_in(await other.go("/auth/login"), "maria")).path == "/auth/code"
    server.clock.pass_seconds(30)
    code = codes.code_at(secret, server.clock())
    assert (await browser.send(done, password="wrong", code=code)).status == 401
    assert (await browser.send(done, password=PASSWORD, code="000000")).status == 401
    assert (await server.account("maria")).totp is not None
    gone = await browser.send(done, password=PASSWORD, code=code)
    assert "no longer asked" in gone.text and (await server.account("maria")).totp is None
    assert ["asks for one-time codes" in each.text for each in server.letters.sent] == [True, False]
