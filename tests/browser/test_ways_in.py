"""Cards, DS Logons and the second factor in a real browser: with and without scripts, mouse or colour.

https://www.w3.org/TR/WCAG22/
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Browser

from smart_auth.identity.cards import Card
from tests.auth.browsing import PASSWORD
from tests.browser.conftest import OpenPage, Visit
from tests.browser.portal_site import ANNS_DOD_ID, UNREGISTERED_DOD_ID, Behind, Site, behind, fill
from tests.browser.test_sign_in import press, sign_in
from tests.conftest import free_port

NEW_PASSWORD = "purple trains sing at noon"
NEW = {"name": "Robin Example", "password": NEW_PASSWORD, "again": NEW_PASSWORD}


@pytest.fixture(scope="module")
async def standing() -> AsyncIterator[Behind]:
    async with behind(free_port(), free_port()) as made:
        yield made


@pytest.fixture
async def site(standing: Behind, browser: Browser) -> AsyncIterator[Site]:
    opened: list[Visit] = []
    yield Site(standing, OpenPage(browser, standing.root, opened))
    for each in opened:
        await each.page.context.close()


async def login(site: Site, **options: Any) -> Visit:
    return await site.visit(await site.authorize(), **options)


async def code(site: Site, **options: Any) -> Visit:
    username = await site.somebody()
    codes = site.server.parts.one_time_codes
    await codes.enroll(f"id-{username}", codes.new_secret())
    there = await login(site, **options)
    await sign_in(there.page, username)
    return there


async def wrong_code(site: Site, **options: Any) -> Visit:
    there = await code(site, **options)
    await fill(there.page, code="000000")
    await press(there.page, "Sign in")
    return there


async def step_up(site: Site, **options: Any) -> Visit:
    there = await site.visit(await site.authorize(acr_values="card"), **options)
    await sign_in(there.page, await site.somebody(patients=("p2",), fhir_user="Patient/p2"))
    return there


async def card(site: Site, **options: Any) -> Visit:
    certificate = site.behind.issuer.card(common=f"EXAMPLE.ANN.{ANNS_DOD_ID}")
    return await site.with_card("/auth/card", certificate, options)


async def card_of_two(site: Site, **options: Any) -> Visit:
    from smart_auth.identity.certificates import card as card_of
    from tests.auth.card_authority import pem

    certificate = site.behind.issuer.card(common=f"EXAMPLE.ANN.{ANNS_DOD_ID}")
    parts = site.server.parts
    doctor = await parts.accounts.by_login("doctor")
    assert doctor is not None and parts.portal.cards is not None
    await parts.card_bindings.bind(await card_of(parts.portal.cards, pem(certificate), parts.now()), doctor)
    return await site.with_card(f"/auth/card{(await login(site)).page.url.partition('login')[2]}", certificate, options)


async def no_card(site: Site, **options: Any) -> Visit:
    return await site.visit("/auth/card", **options)


async def card_of_nobody(site: Site, **options: Any) -> Visit:
    certificate = site.behind.issuer.card(common=f"EXAMPLE.JO.{UNREGISTERED_DOD_ID}")
    return await site.with_card("/auth/card", certificate, options)


async def piv(site: Site, **options: Any) -> Visit:
    return await site.with_card("/auth/card/register", site.behind.issuer.piv(), options)


async def wrong_piv(site: Site, **options: Any) -> Visit:
    there = await piv(site, **options)
    username = await site.somebody()
    numbers = {"dod_id": "1", "birth_date": "1980-07-04"}
    await fill(there.page, name="Not This One", username=username, password="wrong", **numbers)
    await press(there.page, "Register")
    return there


async def new_logon(site: Site, **options: Any) -> Visit:
    return await site.visit("/auth/logon/new", **options)


async def wrong_logon(site: Site, **options: Any) -> Visit:
    there = await new_logon(site, **options)
    await fill(there.page, username="robin", email="nowhere", **NEW | {"again": "another"})
    await press(there.page, "Create")
    return there


async def letter_sent(site: Site, **options: Any) -> Visit:
    there = await new_logon(site, **options)
    number = next(site.behind.numbers)
    await fill(there.page, username=f"robin{number}", email=f"robin{number}@example.org", **NEW)
    await press(there.page, "Create")
    return there


async def creation(site: Site, **options: Any) -> Visit:
    there = await letter_sent(site, **options)
    await there.go(site.letter())
    return there


async def wrong_creation(site: Site, **options: Any) -> Visit:
    there = await creation(site, **options)
    await fill(there.page, password="another password")
    await press(there.page, "Create")
    return there


async def created(site: Site, **options: Any) -> Visit:
    there = await creation(site, **options)
    await fill(there.page, password=NEW_PASSWORD)
    await press(there.page, "Create")
    return there


async def upgrade(site: Site, **options: Any) -> Visit:
    return await site.signed_in("/auth/logon/upgrade", options, level="level1")


async def wrong_upgrade(site: Site, **options: Any) -> Visit:
    there = await upgrade(site, **options)
    await fill(there.page, name="Jo Other", birth_date="1985-05-06", dod_id="9900000074", ssn="911111111")
    await press(there.page, "Upgrade")
    return there


async def nothing_to_upgrade(site: Site, **options: Any) -> Visit:
    return await site.signed_in("/auth/logon/upgrade", options)


async def new_password(site: Site, **options: Any) -> Visit:
    return await site.signed_in("/auth/logon/password", options)


async def wrong_password(site: Site, **options: Any) -> Visit:
    there = await new_password(site, **options)
    await fill(there.page, password="wrong", new="short", again="shorter")
    await press(there.page, "Save the password")
    return there


async def deactivate(site: Site, **options: Any) -> Visit:
    return await site.signed_in("/auth/logon/deactivate", options)


async def deactivated(site: Site, **options: Any) -> Visit:
    there = await deactivate(site, **options)
    await fill(there.page, password=PASSWORD)
    await press(there.page, "Deactivate")
    return there


async def reset(site: Site, **options: Any) -> Visit:
    return await site.visit("/auth/reset", **options)


async def reset_sent(site: Site, **options: Any) -> Visit:
    username = await site.somebody(email="lee@example.org", email_verified_at=1)
    there = await reset(site, **options)
    await fill(there.page, name=username)
    await press(there.page, "Send")
    return there


async def reset_link(site: Site, **options: Any) -> Visit:
    there = await reset_sent(site, **options)
    await there.go(site.letter())
    return there


async def reset_faults(site: Site, **options: Any) -> Visit:
    there = await reset_link(site, **options)
    await fill(there.page, password="short", again="shorter")
    await press(there.page, "Save the password")
    return there


async def reset_done(site: Site, **options: Any) -> Visit:
    there = await reset_link(site, **options)
    await fill(there.page, password=NEW_PASSWORD, again=NEW_PASSWORD)
    async with there.page.expect_navigation():
        await press(there.page, "Save the password")
    return there


async def dead_link(site: Site, **options: Any) -> Visit:
    return await site.visit(f"/auth/confirm?token={'x' * 43}", **options)


async def confirm(site: Site, **options: Any) -> Visit:
    username = await site.somebody()
    token = await site.server.parts.mail_links.issue("email", f"id-{username}", 3600, "lee@example.org")
    return await site.visit(f"/auth/confirm?token={token}", **options)


async def confirmed(site: Site, **options: Any) -> Visit:
    there = await confirm(site, **options)
    await press(there.page, "Confirm")
    return there


async def codes(site: Site, **options: Any) -> Visit:
    return await site.signed_in("/auth/one-time-codes", options)


async def wrong_codes(site: Site, **options: Any) -> Visit:
    there = await codes(site, **options)
    await fill(there.page, password=PASSWORD, code="000000")
    await press(there.page, "Ask for codes")
    return there


async def enrolled_codes(site: Site, **options: Any) -> Visit:
    there = await codes(site, **options)
    secret = (await there.page.locator("main code").first.inner_text()).replace(" ", "")
    code = site.server.parts.one_time_codes.code_at(secret, site.server.clock())
    await fill(there.page, password=PASSWORD, code=code)
    await press(there.page, "Ask for codes")
    return there


async def cards(site: Site, **options: Any) -> Visit:
    username = await site.somebody()
    account = await site.server.parts.accounts.by_login(username)
    assert account is not None
    ends = site.server.clock() + 1
    for each in (Card("cac", f"CAC {username}", None, "LEE", ends), Card("piv", f"PIV {username}", None, "LEE", ends)):
        await site.server.parts.card_bindings.bind(each, account)
    there = await site.visit("/auth/login?next=cards", **options)
    await sign_in(there.page, username)
    return there


async def wrong_cards(site: Site, **options: Any) -> Visit:
    there = await cards(site, **options)
    await there.page.locator("input[name=password]").first.fill("wrong")
    await press(there.page, "Remove this card")
    return there


async def removed_cards(site: Site, **options: Any) -> Visit:
    there = await cards(site, **options)
    await there.page.locator("input[name=password]").last.fill(PASSWORD)
    await there.page.locator("button", has_text="Remove this card").last.click()
    return there


Open = Callable[..., Awaitable[Visit]]
PAGES: tuple[tuple[Open, str], ...] = (
    (login, "Sign in"),
    (code, "One-time code"),
    (wrong_code, "One-time code"),
    (step_up, "Sign in by a stronger way"),
    (card, "Sign in by CAC or PIV"),
    (card_of_two, "Sign in by CAC or PIV"),
    (no_card, "Sign in by CAC or PIV"),
    (card_of_nobody, "Sign in by CAC or PIV"),
    (piv, "Register a PIV card"),
    (wrong_piv, "Register a PIV card"),
    (new_logon, "Create a DS Logon"),
    (wrong_logon, "Create a DS Logon"),
    (letter_sent, "Check your mail"),
    (creation, "Create your DS Logon"),
    (wrong_creation, "Create your DS Logon"),
    (created, "Done"),
    (upgrade, "Upgrade to Premium"),
    (wrong_upgrade, "Upgrade to Premium"),
    (nothing_to_upgrade, "Upgrade to Premium"),
    (new_password, "Change your password"),
    (wrong_password, "Change your password"),
    (deactivate, "Deactivate your DS Logon"),
    (deactivated, "Your DS Logon is deactivated"),
    (reset, "Get a new password"),
    (reset_sent, "Check your mail"),
    (reset_link, "Choose a new password"),
    (reset_faults, "Choose a new password"),
    (reset_done, "Your password is new"),
    (dead_link, "This did not work"),
    (confirm, "Confirm your e-mail address"),
    (confirmed, "Done"),
    (codes, "One-time codes"),
    (wrong_codes, "One-time codes"),
    (enrolled_codes, "One-time codes"),
    (cards, "Your cards"),
    (wrong_cards, "Your cards"),
    (removed_cards, "Your cards"),
)


@pytest.mark.parametrize(("open", "title"), PAGES, ids=[each.__name__ for each, _ in PAGES])
async def test_a_page_keeps_the_rules_of_wcag_and_fits_a_small_window(
    site: Site, axe: str, open: Open, title: str
) -> None:
    there = await open(site, color_scheme="light", viewport={"width": 320, "height": 640})
    await keeps_the_rules(site, there, axe, title)


async def keeps_the_rules(site: Site, there: Visit, axe: str, title: str) -> None:
    """In light and dark, without a line too long, with nothing from elsewhere."""
    assert await there.page.get_by_role("heading", level=1).inner_text() == title
    assert await there.page.evaluate("document.documentElement.scrollWidth") <= 320
    assert await there.broken_rules(axe) == []
    await there.page.emulate_media(color_scheme="dark")
    assert await there.broken_rules(axe) == []
    assert await there.page.evaluate("document.styleSheets.length") == 1
    assert [each for each in there.strayed if not each.startswith((site.behind.app, "data:"))] == []
    assert [each for each in there.complaints if "the server responded with a status of 4" not in each] == []


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
async def test_a_logon_is_made_proofed_and_seen_by_its_new_level(site: Site, scripts: bool) -> None:
    there = await created(site, java_script_enabled=scripts)
    page, username = there.page, f"robin{next(site.behind.numbers) - 1}"
    await there.go("/auth/login?next=upgrade")
    await fill(page, username=username, password=NEW_PASSWORD)
    await press(page, "Sign in")
    # Each run is of somebody else: a person has one account.
    who = [
        {"name": "Robin Example", "birth_date": "1955-02-03", "dod_id": "9900000017", "ssn": "912-34-5678"},
        {"name": "Jo Example", "birth_date": "1985-05-05", "dod_id": UNREGISTERED_DOD_ID, "ssn": "934567890"},
    ][scripts]
    await fill(page, **who)
    await press(page, "Upgrade")
    assert "Premium (level 2)" in await page.get_by_role("status").inner_text()
    account = await site.server.parts.accounts.by_login(username)
    assert account is not None
    assert (account.level, account.patients) == ("level2", (f"patient-{who['dod_id']}",))


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
async def test_somebody_comes_in_by_password_and_code(site: Site, scripts: bool) -> None:
    username = await site.somebody(patients=("p2",), fhir_user="Patient/p2")
    parts = site.server.parts
    secret = parts.one_time_codes.new_secret()
    await parts.one_time_codes.enroll(f"id-{username}", secret)
    there = await site.visit("/auth/login?next=family", java_script_enabled=scripts)
    await sign_in(there.page, username)
    await fill(there.page, code=parts.one_time_codes.code_at(secret, site.server.clock()))
    await press(there.page, "Sign in")
    assert await there.page.get_by_role("heading", level=1).inner_text() == "Your family"


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
async def test_a_card_alone_leads_to_an_app_that_asks_for_one(site: Site, scripts: bool) -> None:
    for gate in ({"contact_verified_at": site.server.clock()}, {"conditions_version": "3"}):
        await site.server.parts.accounts.change("id-ann", **gate)
    certificate = site.behind.issuer.card(common=f"EXAMPLE.ANN.{ANNS_DOD_ID}")
    options = {"java_script_enabled": scripts}
    there = await site.with_card(await site.authorize(acr_values="card"), certificate, options)
    page = there.page
    async with page.expect_navigation():
        await page.get_by_role("link", name="CAC or PIV card").click()
    assert "EXAMPLE" in await page.locator("main").inner_text()
    await press(page, "Sign in")
    assert await page.get_by_role("heading", level=1).inner_text() == "Allow “Growth chart” access?"
