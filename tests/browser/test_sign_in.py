"""Sign-in, picker, consent, management and launch in a real browser: with and without scripts, mouse or colour.

https://www.w3.org/TR/WCAG22/
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import uvicorn
from playwright.async_api import Browser, Page
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from smart_auth.records import Client
from tests.auth.browsing import PASSWORD, PageServer, asked, page_server
from tests.browser.conftest import OpenPage, Visit
from tests.conftest import free_port

SCOPE = "openid fhirUser launch/patient offline_access patient/Patient.rs patient/Observation.rs user/*.rs"
LAB = "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory"


@dataclass(frozen=True, slots=True)
class Site:
    """The pages at an address of their own, an app at that of another site, and windows to see them in."""

    server: PageServer
    root: str
    app: str
    visit: OpenPage

    def authorize(self, client: Client, **fields: str) -> str:
        return f"/auth/authorize?{urlencode(asked(client, SCOPE, aud=f'{self.root}/fhir') | fields)}"

    async def signed_in(self, path: str, username: str, **options: object) -> Visit:
        there = await self.visit(path, **options)
        await sign_in(there.page, username)
        return there


async def _app(request: Request) -> Response:
    return Response("<title>The app</title>", media_type="text/html")


async def press(page: Page, button: str) -> None:
    """Press a button and wait for the page that follows."""
    async with page.expect_navigation():
        await page.get_by_role("button", name=button).first.click()


async def sign_in(page: Page, username: str) -> None:
    await page.get_by_label("Username").fill(username)
    await page.get_by_label("Password").fill(PASSWORD)
    await press(page, "Sign in")


@pytest.fixture(scope="module")
async def running() -> AsyncIterator[tuple[PageServer, str, str]]:
    # For a browser, the ports of one host are one site; localhost and 127.0.0.1 are two.
    port, app_port = free_port(), free_port()
    root, app_root = f"http://127.0.0.1:{port}", f"http://localhost:{app_port}"
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(page_server(base=f"{root}/fhir"))
        await server.client(redirect_uris=(f"{app_root}/callback",), initiate_login_uri=f"{app_root}/launch")
        await stack.enter_async_context(served(server.app, port))
        await stack.enter_async_context(served(Starlette(routes=[Route("/{path}", _app)]), app_port))
        yield server, root, app_root


@asynccontextmanager
async def served(app: Starlette, port: int) -> AsyncIterator[None]:
    web = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", port, log_level="warning"))
    serving = asyncio.create_task(web.serve())
    async with asyncio.timeout(20):
        while not web.started:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    yield
    web.should_exit = True
    await serving


@pytest.fixture
async def site(running: tuple[PageServer, str, str], browser: Browser) -> AsyncIterator[Site]:
    server, root, app_root = running
    opened: list[Visit] = []
    yield Site(server, root, app_root, OpenPage(browser, root, opened))
    for each in opened:
        await each.page.context.close()


async def login(site: Site, **options: object) -> Visit:
    return await site.visit(site.authorize(await app(site)), **options)


async def refused_login(site: Site, **options: object) -> Visit:
    there = await login(site, **options)
    await sign_in(there.page, "nobody at all")
    return there


async def picker(site: Site, **options: object) -> Visit:
    return await site.signed_in(site.authorize(await app(site)), "sam", **options)


async def search(site: Site, **options: object) -> Visit:
    there = await site.signed_in(site.authorize(await app(site)), "doctor", **options)
    await there.page.get_by_label("Name or birth date").fill("nobody")
    await press(there.page, "Search")
    return there


async def consent(site: Site, **options: object) -> Visit:
    return await site.signed_in(site.authorize(await app(site)), "ann", **options)


async def opened_consent(site: Site, **options: object) -> Visit:
    there = await consent(site, **options)
    while await (folded := there.page.locator("details:not([open]) > summary")).count():
        await folded.first.click()
    return there


async def manage(site: Site, **options: object) -> Visit:
    there = await consent(site, **options)
    await press(there.page, "Allow")
    await there.go("/auth/manage")
    return there


async def launch(site: Site, **options: object) -> Visit:
    return await site.signed_in("/auth/launch", "doctor", **options)


async def emergency(site: Site, **options: object) -> Visit:
    there = await launch(site, **options)
    await there.page.get_by_label("Patient id").fill("p3")
    await press(there.page, "Go on")
    await there.page.locator("summary").click()
    return there


async def refusal(site: Site, **options: object) -> Visit:
    return await site.visit("/auth/authorize", **options)


async def signed_out(site: Site, **options: object) -> Visit:
    there = await site.signed_in("/auth/login", "ann", **options)
    await press(there.page, "Sign out")
    return there


async def app(site: Site) -> Client:
    found = await site.server.parts.clients.get("growth")
    assert found is not None
    return found


Open = Callable[..., Awaitable[Visit]]
PAGES: tuple[tuple[Open, str], ...] = (
    (login, "Sign in"),
    (refused_login, "Sign in"),
    (picker, "Whose record?"),
    (search, "Whose record?"),
    (consent, "Allow “Growth chart” access?"),
    (opened_consent, "Allow “Growth chart” access?"),
    (manage, "What apps may see"),
    (launch, "Open an app for a patient"),
    (emergency, "Open an app for a patient"),
    (refusal, "This did not work"),
    (signed_out, "You are signed out"),
)
every_page = pytest.mark.parametrize(("open", "title"), PAGES, ids=[each.__name__ for each, _ in PAGES])


@every_page
async def test_a_page_keeps_the_rules_of_wcag_in_light_and_dark(site: Site, axe: str, open: Open, title: str) -> None:
    there = await open(site, color_scheme="light")
    assert await there.page.get_by_role("heading", level=1).inner_text() == title
    assert await there.broken_rules(axe) == []
    await there.page.emulate_media(color_scheme="dark")
    assert await there.broken_rules(axe) == []


@every_page
async def test_a_page_asks_for_nothing_but_its_own_style_and_complains_of_nothing(
    site: Site, open: Open, title: str
) -> None:
    there = await open(site)
    # Chromium itself reports the status of an answer that is a refusal.
    assert [each for each in there.complaints if "the server responded with a status of 4" not in each] == []
    assert [each for each in there.strayed if not each.startswith((site.app, "data:"))] == []
    assert await there.page.evaluate("document.styleSheets.length") == 1
    assert await there.page.title() == there_title(title, there)


def there_title(title: str, there: Visit) -> str:
    """What stands in the browser's bar: the page, before it that something is wrong."""
    known = {
        "Whose record?": "Choose a record",
        "Allow “Growth chart” access?": "Allow access",
        "You are signed out": "Signed out",
    }
    wrong = any("status of 4" in each for each in there.complaints)
    return f"{'Error: ' if wrong else ''}{known.get(title, title)} · Health record"


@every_page
async def test_a_page_fits_a_window_of_320_pixels(site: Site, open: Open, title: str) -> None:
    there = await open(site, viewport={"width": 320, "height": 640})
    assert await there.page.evaluate("document.documentElement.scrollWidth") <= 320


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
async def test_a_person_connects_an_app_and_ends_it(site: Site, scripts: bool) -> None:
    there = await picker(site, java_script_enabled=scripts)
    page = there.page
    await page.get_by_label("Ben Example, born 2015-02-03").check()
    await press(page, "Continue")
    assert "Ben Example" in await page.locator("main").inner_text()
    await page.locator("input[name=scope][value='patient/Observation.rs']").uncheck()
    await page.locator(f"input[name=scope][value='{LAB}']").check()
    await page.locator("input[name=scope][value='user/*.rs']").uncheck()
    await press(page, "Allow")
    await page.wait_for_url(f"{site.app}/callback*")
    answer = {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}
    assert (answer["state"], answer["iss"]) == ("state & more", f"{site.root}/fhir")
    grant = (await site.server.parts.grants.of_account("id-sam"))[0]
    assert set(grant.scopes) == {"openid", "fhirUser", "launch/patient", "offline_access", "patient/Patient.rs", LAB}
    assert grant.patient == "p2"
    await there.go("/auth/manage")
    await press(page, "End this access")
    assert "The access has ended." in await page.get_by_role("status").inner_text()
    assert grant.id not in [each.id for each in await site.server.parts.grants.of_account("id-sam")]


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
async def test_a_practitioner_opens_an_app_that_asks_back(site: Site, scripts: bool) -> None:
    there = await launch(site, java_script_enabled=scripts)
    page = there.page
    await page.get_by_label("Name or birth date").fill("Ann")
    await press(page, "Search")
    await page.get_by_label("Ann Example").check()
    await press(page, "Choose")
    await page.get_by_label("Encounter").select_option("2026-01-02, Annual visit")
    await press(page, "Open the app")
    await page.wait_for_url(f"{site.app}/launch*")
    launched = parse_qs(urlsplit(page.url).query)["launch"][0]
    # The app's own site sends the browser back here: the session comes along.
    ask = site.root + site.authorize(await app(site), scope=f"launch {SCOPE}", launch=launched)
    await page.set_content(f"<a href='{ask.replace('&', '&amp;')}'>Connect</a>")
    async with page.expect_navigation():
        await page.get_by_role("link", name="Connect").click()
    assert await page.get_by_role("heading", level=1).inner_text() == "Allow “Growth chart” access?"
    await press(page, "Allow")
    await page.wait_for_url(f"{site.app}/callback*")
    grant = (await site.server.parts.grants.of_account("id-doctor"))[0]
    assert (grant.patient, grant.encounter) == ("p1", "e-p1")


async def test_an_app_can_post_its_request_from_its_own_site(site: Site) -> None:
    """The form arrives without the session's cookie, which a browser keeps back; the next page has it."""
    there = await site.signed_in("/auth/login", "ann")
    await there.page.goto(f"{site.app}/page")
    fields = asked(await app(site), SCOPE, aud=f"{site.root}/fhir")
    boxes = "".join(f'<input name="{name}" value="{value.replace("&", "&amp;")}">' for name, value in fields.items())
    await there.page.set_content(f"<form method=post action='{site.root}/auth/authorize'>{boxes}<button>Go</button>")
    await press(there.page, "Go")
    assert await there.page.get_by_role("heading", level=1).inner_text() == "Allow “Growth chart” access?"


async def test_everything_works_by_keyboard_alone(site: Site) -> None:
    page = (await login(site)).page
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.textContent") == "Skip to the content"
    await _tab_to(page, "document.activeElement.name === 'username'")
    await page.keyboard.type("sam")
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/auth/patient*")
    await _tab_to(page, "document.activeElement.type === 'radio'")
    await page.keyboard.press("Space")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/auth/consent*")
    await _tab_to(page, "document.activeElement.value === 'patient/Observation.rs'")
    await page.keyboard.press("Space")
    await _tab_to(page, "document.activeElement.value === 'allow'")
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{site.app}/callback*")
    grant = (await site.server.parts.grants.of_account("id-sam"))[0]
    assert grant.patient == "p2"
    assert "patient/Observation.rs" not in grant.scopes and "patient/Patient.rs" in grant.scopes


async def _tab_to(page: Page, is_there: str) -> None:
    for _ in range(60):
        await page.keyboard.press("Tab")
        assert await page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        if await page.evaluate(is_there):
            return
    raise AssertionError(f"no way by Tab to where {is_there}")


async def test_what_is_wrong_is_said_where_it_is_noticed(site: Site) -> None:
    page = (await refused_login(site)).page
    assert "This was not recognized." in await page.get_by_role("alert").inner_text()
    name = page.get_by_label("Username")
    assert await name.get_attribute("aria-invalid") == "true"
    assert await name.get_attribute("aria-describedby") == "fault"
    assert await name.input_value() == "nobody at all"


async def test_a_password_is_for_the_keepers_of_passwords_to_fill_in(site: Site) -> None:
    page = (await login(site)).page
    assert await page.get_by_label("Username").get_attribute("autocomplete") == "username"
    assert await page.get_by_label("Password").get_attribute("autocomplete") == "current-password"


async def test_no_page_can_be_put_into_a_frame(site: Site) -> None:
    there = await site.visit("/auth/login")
    await there.page.goto(f"{site.app}/page")
    await there.page.set_content(f"<iframe src='{site.root}/auth/login'></iframe>")
    await there.page.wait_for_timeout(500)
    assert await there.page.frames[1].get_by_label("Username").count() == 0
    assert any("fram" in each.lower() for each in there.complaints)
