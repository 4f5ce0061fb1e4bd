"""Gates, registration and families in a real browser: with and without scripts, mouse or colour.

https://www.w3.org/TR/WCAG22/
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, Page

from tests.auth.registering import PASSWORD as CHOSEN
from tests.auth.registering import PDF, RETIREE, VETERAN
from tests.browser.conftest import OpenPage, Visit
from tests.browser.portal_site import UNREGISTERED_DOD_ID, Behind, Site, behind, fill
from tests.browser.test_sign_in import press, sign_in
from tests.browser.test_ways_in import Open, keeps_the_rules
from tests.conftest import free_port

PAT = {"name": "Pat Example", "birth_date": "1981-01-01", "email": "pat@example.org"}
"""Ann's spouse in the registry."""


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


async def contact(site: Site, **options: Any) -> Visit:
    there = await site.visit(await site.authorize(), **options)
    await sign_in(there.page, await site.somebody(patients=("p1",), contact_verified_at=None))
    return there


async def wrong_contact(site: Site, **options: Any) -> Visit:
    there = await contact(site, **options)
    await fill(there.page, phone="", email="")
    await press(there.page, "This is right")
    return there


async def conditions(site: Site, **options: Any) -> Visit:
    there = await site.visit(await site.authorize(), **options)
    await sign_in(there.page, await site.somebody(patients=("p2",), conditions_version=None))
    return there


async def conditions_for_all(site: Site, **options: Any) -> Visit:
    return await site.visit("/auth/conditions", **options)


async def registration(site: Site, **options: Any) -> Visit:
    return await site.visit("/auth/registration", **options)


async def retiree(site: Site, **options: Any) -> Visit:
    return await site.visit("/auth/registration/retiree", **options)


async def wrong_retiree(site: Site, **options: Any) -> Visit:
    there = await retiree(site, **options)
    await fill(there.page, **RETIREE | {"ssn": "12", "email": "nowhere", "password": "short"})
    await press(there.page, "Register")
    return there


async def sent(site: Site, **options: Any) -> Visit:
    site.server.clock.seconds += 5
    there = await retiree(site, **options)
    await fill(there.page, **RETIREE)
    await press(there.page, "Register")
    return there


async def confirmation(site: Site, **options: Any) -> Visit:
    there = await sent(site, **options)
    await there.go(site.letter())
    return there


async def wrong_confirmation(site: Site, **options: Any) -> Visit:
    there = await confirmation(site, **options)
    await fill(there.page, password="another password")
    await press(there.page, "Confirm")
    return there


async def thanks(site: Site, **options: Any) -> Visit:
    return await site.visit("/auth/registration/status", **options)


async def veteran(site: Site, **options: Any) -> Visit:
    return await site.visit("/auth/registration/veteran", **options)


async def wrong_veteran(site: Site, **options: Any) -> Visit:
    there = await veteran(site, **options)
    await fill(there.page, **without_dod_id(VETERAN))
    await attach(there.page, b"no picture at all")
    await press(there.page, "Register")
    return there


async def active_duty(site: Site, **options: Any) -> Visit:
    certificate = site.behind.issuer.card(common=f"EXAMPLE.JO.{UNREGISTERED_DOD_ID}")
    return await site.with_card("/auth/registration/active-duty", certificate, options)


async def without_card(site: Site, **options: Any) -> Visit:
    return await site.visit("/auth/registration/active-duty", **options)


async def enroll(site: Site, **options: Any) -> Visit:
    return await site.signed_in("/auth/family/enroll", options, patients=("p1",))


async def wrong_enrollment(site: Site, **options: Any) -> Visit:
    there = await enroll(site, **options)
    await fill(there.page, name="", **{name: value for name, value in PAT.items() if name != "name"})
    await there.page.locator("input[name=name]").evaluate("box => box.removeAttribute('required')")
    await attach(there.page, PDF)
    await press(there.page, "Enroll")
    return there


async def begun(site: Site, **options: Any) -> Visit:
    site.server.clock.seconds += 5
    there = await enroll(site, **options)
    await fill(there.page, **PAT)
    await there.page.get_by_label("They are").select_option("My spouse")
    await there.page.get_by_label("Proof of the relationship").select_option("Marriage certificate")
    await attach(there.page, PDF)
    await press(there.page, "Enroll")
    return there


async def invited(site: Site, **options: Any) -> Visit:
    there = await begun(site, **options)
    await there.go(site.letter())
    return there


async def wrong_invited(site: Site, **options: Any) -> Visit:
    there = await invited(site, **options)
    own = {"birth_date": "1981-01-02", "dod_id": "9900000058"}
    await fill(there.page, **own, username="pat", password=CHOSEN, again=CHOSEN)
    await press(there.page, "Go on")
    return there


async def registrations(site: Site, **options: Any) -> Visit:
    await wrong_confirmation(site)
    await begun(site)
    there = await site.visit("/auth/login", **options)
    await sign_in(there.page, "doctor")
    await there.go("/auth/registrations")
    assert await there.page.get_by_role("button", name="Decide").count() >= 2
    return there


async def in_person(site: Site, **options: Any) -> Visit:
    there = await site.visit("/auth/login", **options)
    await sign_in(there.page, "doctor")
    await there.go("/auth/registrations/begin")
    return there


async def family(site: Site, **options: Any) -> Visit:
    return await site.signed_in("/auth/family", options, patients=("p3",), fhir_user="Patient/p3")


async def family_to_let_in(site: Site, **options: Any) -> Visit:
    return await site.signed_in("/auth/family", options, patients=("p4",), fhir_user="Patient/p4")


async def nobodys_family(site: Site, **options: Any) -> Visit:
    return await site.signed_in("/auth/family", options, patients=("p2",), fhir_user="Patient/p2")


async def picker(site: Site, **options: Any) -> Visit:
    there = await site.visit(await site.authorize(), **options)
    await sign_in(there.page, await site.somebody(patients=("p3",), fhir_user="Patient/p3"))
    assert "your child" in await there.page.locator("main").inner_text()
    return there


PAGES: tuple[tuple[Open, str], ...] = (
    (contact, "Is this how we reach you?"),
    (wrong_contact, "Is this how we reach you?"),
    (conditions, "Conditions of use"),
    (conditions_for_all, "Conditions of use"),
    (registration, "Register"),
    (retiree, "Register as a retiree"),
    (wrong_retiree, "Register as a retiree"),
    (sent, "Check your mail"),
    (confirmation, "Confirm your registration"),
    (wrong_confirmation, "Confirm your registration"),
    (thanks, "Thank you"),
    (veteran, "Register as a veteran"),
    (wrong_veteran, "Register as a veteran"),
    (active_duty, "Register by CAC"),
    (without_card, "Register by CAC"),
    (enroll, "Enroll a dependent"),
    (wrong_enrollment, "Enroll a dependent"),
    (begun, "Enroll a dependent"),
    (invited, "Take up your own sign-in"),
    (wrong_invited, "Take up your own sign-in"),
    (registrations, "Registrations"),
    (in_person, "Enroll a dependent in person"),
    (family, "Your family"),
    (family_to_let_in, "Your family"),
    (nobodys_family, "Your family"),
    (picker, "Whose record?"),
)


@pytest.mark.parametrize(("open", "title"), PAGES, ids=[each.__name__ for each, _ in PAGES])
async def test_a_page_keeps_the_rules_of_wcag_and_fits_a_small_window(
    site: Site, axe: str, open: Open, title: str
) -> None:
    there = await open(site, color_scheme="light", viewport={"width": 320, "height": 640})
    await keeps_the_rules(site, there, axe, title)


def without_dod_id(person: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in person.items() if name != "dod_id"}


async def attach(page: Page, content: bytes) -> None:
    """Choose a file of this content."""
    file = {"name": "proof.pdf", "mimeType": "application/pdf", "buffer": content}
    await page.locator("input[type=file]").set_input_files(file)  # type: ignore[arg-type]


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
async def test_both_gates_are_passed_on_the_way_to_an_app(site: Site, scripts: bool) -> None:
    there = await site.visit(await site.authorize(), java_script_enabled=scripts)
    page = there.page
    username = await site.somebody(patients=("p1",), contact_verified_at=None, conditions_version=None)
    await sign_in(page, username)
    await page.get_by_label("City").fill("Suffolk")
    await press(page, "This is right")
    assert await page.get_by_role("heading", level=1).inner_text() == "Conditions of use"
    await press(page, "I accept")
    assert await page.get_by_role("heading", level=1).inner_text() == "Allow “Growth chart” access?"
    account = await site.server.parts.accounts.by_login(username)
    assert account is not None
    assert (account.contact_verified_at, account.conditions_version) == (site.server.clock(), "3")


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
async def test_a_veteran_hands_in_a_document_that_staff_decide(site: Site, scripts: bool) -> None:
    site.server.clock.seconds += 5
    there = await veteran(site, java_script_enabled=scripts)
    page = there.page
    # Each run is of the same person: the later registration takes the place of the one that was rejected.
    own = {"username": f"veteran-{scripts}", "email": f"veteran-{scripts}@example.org"}
    await fill(page, **without_dod_id(VETERAN) | own)
    await page.get_by_label("Proof of service").select_option("DD Form 214")
    await attach(page, PDF)
    await press(page, "Register")
    assert await page.get_by_role("heading", level=1).inner_text() == "Check your mail"
    await there.go(site.letter())
    await fill(page, password=VETERAN["password"])
    await press(page, "Confirm")
    assert await page.get_by_role("heading", level=1).inner_text() == "Thank you"
    staff = await site.visit("/auth/login?next=registrations", java_script_enabled=scripts)
    await sign_in(staff.page, "doctor")
    waiting = staff.page.locator("section", has_text="veteran").last
    assert "dd-214" in await waiting.inner_text()
    await waiting.get_by_label("Decision").select_option("Refuse the document")
    async with staff.page.expect_navigation():
        await waiting.get_by_role("button").click()
    assert "Your decision was recorded." in await staff.page.get_by_role("status").inner_text()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
async def test_a_record_of_the_family_is_chosen_and_granted(site: Site, scripts: bool) -> None:
    there = await picker(site, java_script_enabled=scripts)
    await there.page.get_by_label("Ben Example").check()
    await press(there.page, "Continue")
    assert "Ben Example" in await there.page.locator("main").inner_text()
    await press(there.page, "Allow")
    await there.page.wait_for_url(f"{site.behind.app}/callback*")
