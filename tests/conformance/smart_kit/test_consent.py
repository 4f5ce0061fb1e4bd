"""1.15 What people are shown before they decide, and what the two certification criteria ask of it."""

from urllib.parse import urlencode

import pytest

from tests.conformance.smart_kit.app import App
from tests.conformance.smart_kit.kit import Kit
from tests.conformance.smart_kit.person import Page, Person
from tests.conformance.smart_kit.scopes import FIXED, resources

pytestmark = pytest.mark.slow


async def _consent(kit: Kit, app: App, person: Person, scope: str) -> Page:
    """The page of consent, for somebody who is signed in."""
    asked = kit.request(app, scope)
    page = await person.page(f"{kit.smart['authorization_endpoint']}?{urlencode(asked.sent)}")
    assert page.has("decision"), page.text
    return page


async def test_each_scope_is_a_box_that_is_ticked(kit: Kit, apps: dict[str, App], patient: Person) -> None:
    scopes = (*FIXED, *resources("patient"))
    page = await _consent(kit, apps["symmetric"], patient, " ".join(scopes))
    ticked = page.html.xpath("//input[@type='checkbox'][@name='scope'][@checked]/@value")
    assert sorted(ticked) == sorted(scopes)
    assert page.html.xpath("//button[@name='decision']/@value") == ["allow", "deny"]


async def test_staying_connected_is_explained(kit: Kit, apps: dict[str, App], patient: Person) -> None:
    page = await _consent(kit, apps["public"], patient, " ".join((*FIXED, "patient/Patient.rs")))
    assert "three months" in page.text
    without = await _consent(kit, apps["public"], patient, "launch/patient patient/Patient.rs")
    assert "three months" not in without.text


async def test_whoever_denies_sends_the_app_away(kit: Kit, apps: dict[str, App], patient: Person) -> None:
    page = await _consent(kit, apps["public"], patient, "launch/patient patient/Patient.rs")
    sent = await patient.send(page, page.form("decision"), decision="deny")
    assert "error=access_denied" in sent.headers["location"] and "code=" not in sent.headers["location"]


async def test_the_pages_work_without_scripts_and_are_kept_nowhere(
    kit: Kit, apps: dict[str, App], patient: Person
) -> None:
    page = await _consent(kit, apps["public"], patient, "launch/patient patient/Patient.rs")
    assert not page.html.xpath("//script")
    headers = page.response.headers
    assert "no-store" in headers["cache-control"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
