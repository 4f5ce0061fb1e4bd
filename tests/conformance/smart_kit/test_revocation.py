"""1.8 Revocation: the patient ends an app's access on the page of what apps may see."""

import asyncio
import time

import pytest

from tests.conformance.smart_kit.app import App
from tests.conformance.smart_kit.conftest import People
from tests.conformance.smart_kit.kit import Kit, Launched
from tests.conformance.smart_kit.person import Person
from tests.conformance.smart_kit.scopes import FIXED

pytestmark = pytest.mark.slow

SCOPE = " ".join((*FIXED, "patient/Patient.rs", "patient/Observation.rs"))


async def _ended(kit: Kit, person: Person, app: App) -> None:
    """The newest access that this person gave to the app is ended, by the button beside it."""
    page = await person.page(kit.smart["management_endpoint"])
    section = next(each for each in page.html.xpath("//section") if each.findtext("h2") == app.name)
    response = await person.send(page, section.xpath(".//form[.//input[@name='grant']]")[0])
    assert response.is_redirect, response.text


@pytest.mark.parametrize("kind", ["public", "symmetric", "asymmetric"])
async def test_what_the_patient_ends_is_over(kit: Kit, apps: dict[str, App], people: People, kind: str) -> None:
    patient = await people("erik.lindqvist")
    launched = await kit.launch(apps[kind], patient, SCOPE)
    assert (await kit.get(f"Patient/{launched.patient}", launched)).status_code == 200
    await _ended(kit, patient, launched.app)
    assert await _is_over_within_a_second(kit, launched)
    refused = await kit.refresh(launched.app, launched.answer["refresh_token"])
    assert refused.status_code == 400 and refused.json()["error"] == "invalid_grant"


async def test_other_access_of_the_patient_goes_on(kit: Kit, apps: dict[str, App], people: People) -> None:
    patient = await people("harold.washington")
    first = await kit.launch(apps["public"], patient, SCOPE)
    second = await kit.launch(apps["symmetric"], patient, SCOPE)
    await _ended(kit, patient, first.app)
    assert await _is_over_within_a_second(kit, first)
    assert (await kit.get(f"Patient/{second.patient}", second)).status_code == 200


async def test_an_app_gives_back_what_it_was_granted(kit: Kit, apps: dict[str, App], people: People) -> None:
    launched = await kit.launch(apps["public"], await people("erik.lindqvist"), SCOPE)
    form = {"token": launched.answer["refresh_token"], "client_id": launched.app.client_id}
    assert (await kit.http.post(kit.smart["revocation_endpoint"], data=form)).status_code == 200
    assert await _is_over_within_a_second(kit, launched)
    assert (await kit.refresh(launched.app, launched.answer["refresh_token"])).status_code == 400


async def _is_over_within_a_second(kit: Kit, launched: Launched) -> bool:
    """Whether the token is refused (401): at once or soon, and whatever is sent a second from now on is not answered.

    A worker that cannot tell yet says so (503), which a starved machine may bring about.
    """
    ended = time.monotonic()
    while (sent := time.monotonic()) < ended + 10:
        status = (await kit.get(f"Patient/{launched.patient}", launched)).status_code
        if status == 401:
            return True
        assert status == 503 or (status == 200 and sent < ended + 1), status
        await asyncio.sleep(0.02)
    return False
