"""The pages in a real browser: readable for everyone, usable without a mouse and without scripts, deaf to records.

https://www.w3.org/TR/WCAG22/
"""

import httpx
import pytest

from tests.browser.conftest import OpenPage, Record
from tests.conftest import RunningServer
from tests.rest.conftest import created, patient

PATHS = (
    "/",
    "/docs/api",
    "/docs/api/Slot",
    "/fhir/Patient?family={family}&_count=1&_total=accurate",
    "/fhir/Observation?patient={patient}&_count=2",
    "/fhir/Patient/{patient}",
    "/fhir/Patient/{patient}/_history",
    "/fhir/Observation/{observation}",
    "/fhir/Patient?nothing=1",
    "/fhir/Patient/never-was",
    "/nothing",
)


def filled(path: str, record: Record) -> str:
    return path.format(patient=record.patient, observation=record.observation, family=record.family)


@pytest.mark.parametrize("path", PATHS)
async def test_a_page_keeps_the_rules_of_wcag_in_light_and_dark(
    visit: OpenPage, record: Record, axe: str, path: str
) -> None:
    there = await visit(filled(path, record), color_scheme="light")
    assert await there.broken_rules(axe) == []
    await there.page.emulate_media(color_scheme="dark")
    assert await there.broken_rules(axe) == []


@pytest.mark.parametrize("path", PATHS)
async def test_a_page_asks_for_nothing_but_its_own_style_and_complains_of_nothing(
    visit: OpenPage, record: Record, path: str
) -> None:
    there = await visit(filled(path, record))
    # Chromium itself reports the status of an answer that is a refusal.
    assert [each for each in there.complaints if "the server responded with a status of 4" not in each] == []
    assert there.strayed == []
    style = await there.page.evaluate("getComputedStyle(document.querySelector('main')).display")
    assert style == "block"
    assert await there.page.evaluate("document.styleSheets.length") == 1


@pytest.mark.parametrize("path", PATHS)
async def test_a_page_fits_a_window_of_320_pixels(visit: OpenPage, record: Record, path: str) -> None:
    there = await visit(filled(path, record), viewport={"width": 320, "height": 640})
    assert await there.page.evaluate("document.documentElement.scrollWidth") <= 320


async def test_a_stranger_gets_from_the_root_to_a_version_of_a_record_without_scripts(
    visit: OpenPage, record: Record
) -> None:
    there = await visit("/", java_script_enabled=False)
    page = there.page
    await page.get_by_role("link", name="API documentation").first.click()
    await page.get_by_role("link", name="Observation", exact=True).click()
    assert await page.get_by_role("heading", level=1).inner_text() == "Observation"
    await page.get_by_role("link", name="Those stored here").click()
    await there.go(f"/fhir/Observation?patient={record.patient}&_count=2")
    await page.get_by_role("link", name="Next page").first.click()
    await page.get_by_role("link", name="Observation/").first.click()
    await page.get_by_role("link", name=f'"Patient/{record.patient}"').click()
    assert await page.get_by_role("heading", level=1).inner_text() == f"Patient/{record.patient}"
    await page.get_by_role("link", name="All its versions").click()
    await page.get_by_role("link", name=f"Patient/{record.patient}", exact=True).last.click()
    assert page.url.endswith(f"/fhir/Patient/{record.patient}/_history/1")
    assert '"active": true' in await page.locator("pre").inner_text()
    await page.get_by_role("link", name="JSON", exact=True).click()
    assert (await page.content()).count("resourceType") == 1


async def test_the_content_is_two_keys_away(visit: OpenPage) -> None:
    page = (await visit("/docs/api/Observation")).page
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert await page.locator(".skip").bounding_box() is not None
    assert await page.evaluate("document.activeElement.getBoundingClientRect().top") >= 0
    await page.keyboard.press("Enter")
    assert await page.evaluate("document.activeElement.id") == "main"


async def test_what_has_the_focus_can_be_seen(visit: OpenPage, record: Record) -> None:
    page = (await visit(f"/fhir/Patient/{record.patient}")).page
    for _ in range(8):
        await page.keyboard.press("Tab")
        outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"


async def test_dark_mode_is_dark(visit: OpenPage) -> None:
    shade = "getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/g).map(Number)"
    light = await (await visit("/", color_scheme="light")).page.evaluate(shade)
    dark = await (await visit("/", color_scheme="dark")).page.evaluate(shade)
    assert min(light[:3]) > 200 and max(dark[:3]) < 60


async def test_what_a_record_holds_does_not_run(visit: OpenPage, shared_server: RunningServer) -> None:
    hostile = "<script>alert(1)</script><img src=x onerror=alert(1)><svg onload=alert(1)>\"'></code></pre>"
    with httpx.Client(base_url=f"{shared_server.base}/", timeout=30, trust_env=False) as api:
        who = created(api, patient(name=[{"family": hostile, "text": hostile}], photo=[{"url": "javascript:alert(1)"}]))
    for path in (f"/fhir/Patient/{who['id']}", f"/fhir/Patient?_id={who['id']}", "/fhir/Patient?name=" + hostile):
        there = await visit(path)
        assert [each for each in there.complaints if "responded with a status of 4" not in each] == []
        assert await there.page.locator("main script, main img, main svg").count() == 0
        assert there.strayed == []


async def test_a_script_that_got_into_a_page_would_not_run(visit: OpenPage) -> None:
    there = await visit("/")
    await there.page.evaluate(
        "const s = document.createElement('script'); s.textContent = 'window.ran = true'; document.body.append(s)"
    )
    assert await there.page.evaluate("window.ran") is None
    assert any("Content Security Policy" in each for each in there.complaints)


async def test_a_page_of_a_very_large_answer_shows_its_beginning(visit: OpenPage, shared_server: RunningServer) -> None:
    given = [f"Name{number}" + "x" * 40 for number in range(8)]
    with httpx.Client(base_url=f"{shared_server.base}/", timeout=60, trust_env=False) as api:
        entries = [{"resource": patient(name=[{"given": given}])} for _ in range(6_000)]
        made = created(api, {"resourceType": "Bundle", "type": "collection", "entry": entries})
    page = (await visit(f"/fhir/Bundle/{made['id']}")).page
    text = await page.locator("main").inner_text()
    assert "too large for a page" in text
    assert "6,000 on this page. The first 1,000 are listed." in text
    async with page.expect_navigation():
        await page.get_by_role("link", name="The JSON").click()
    assert (await page.content()).count('"Patient"') == 6_000
