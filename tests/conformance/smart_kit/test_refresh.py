"""1.6 Refresh: once without a scope, once with the granted one, one after the other with the same token."""

from uuid import uuid4

import pytest

from tests.conformance.smart_kit.app import App
from tests.conformance.smart_kit.conftest import People
from tests.conformance.smart_kit.kit import Kit, Launched
from tests.conformance.smart_kit.person import Person
from tests.conformance.smart_kit.scopes import FIXED

pytestmark = pytest.mark.slow

DAY = 86_400


async def test_a_token_refreshes_twice_in_a_row(kit: Kit, each_launch: Launched) -> None:
    token = each_launch.answer["refresh_token"]
    for scope in (None, each_launch.answer["scope"]):
        response = await kit.refresh(each_launch.app, token, scope)
        assert response.status_code == 200, response.text
        refreshed = Launched(each_launch.app, each_launch.asked, response)
        assert {"access_token", "token_type", "expires_in", "scope"} <= refreshed.answer.keys()
        assert set(refreshed.scopes) <= set(each_launch.scopes)
        assert "no-store" in response.headers["cache-control"] and "no-cache" in response.headers["pragma"]
        assert (await kit.get(f"Patient/{each_launch.patient}", refreshed)).status_code == 200


async def test_the_newest_token_refreshes_on(kit: Kit, apps: dict[str, App], patient: Person) -> None:
    launched = await kit.launch(apps["public"], patient, " ".join((*FIXED, "patient/Patient.rs")))
    token = launched.answer["refresh_token"]
    for _ in range(3):
        response = await kit.refresh(launched.app, token)
        assert response.status_code == 200, response.text
        token = response.json().get("refresh_token", token)


async def test_a_narrower_scope_may_be_asked_for_and_no_wider_one(kit: Kit, standalone: Launched) -> None:
    token = standalone.answer["refresh_token"]
    narrowed = await kit.refresh(standalone.app, token, "patient/Patient.rs")
    assert narrowed.status_code == 200 and narrowed.json()["scope"] == "patient/Patient.rs"
    wider = await kit.refresh(standalone.app, token, f"{standalone.answer['scope']} patient/Patient.cud")
    assert wider.status_code == 400 and wider.json()["error"] == "invalid_scope"


@pytest.mark.parametrize("kind", ["public", "symmetric", "asymmetric"])
async def test_an_unknown_token_is_refused(kit: Kit, apps: dict[str, App], kind: str) -> None:
    refused = await kit.refresh(apps[kind], str(uuid4()))
    assert refused.status_code == 400 and refused.json()["error"] == "invalid_grant"


async def test_another_apps_token_is_refused(kit: Kit, apps: dict[str, App], standalone: Launched) -> None:
    assert (await kit.refresh(apps["public"], standalone.answer["refresh_token"])).status_code == 400


async def test_a_refresh_token_lasts_three_months_from_each_use(kit: Kit, standalone: Launched) -> None:
    refreshed = (await kit.refresh(standalone.app, standalone.answer["refresh_token"])).json()
    proof, basic = standalone.app.proof(kit.smart["introspection_endpoint"])
    assert basic is not None and not proof
    told = await kit.http.post(
        kit.smart["introspection_endpoint"], data={"token": refreshed["refresh_token"]}, auth=basic
    )
    assert told.json()["exp"] - told.json()["iat"] >= 92 * DAY


async def test_online_access_ends_when_the_person_signs_out(kit: Kit, apps: dict[str, App], people: People) -> None:
    someone = await people("nora.fairchild")
    launched = await kit.launch(apps["public"], someone, "launch/patient patient/Patient.rs online_access")
    assert "online_access" in launched.scopes
    response = await kit.refresh(launched.app, launched.answer["refresh_token"])
    assert response.status_code == 200, response.text
    page = await someone.page(kit.smart["management_endpoint"])
    out = next(each for each in page.html.forms if each.get("action") == "/auth/logout")
    await someone.send(page, out)
    assert (await kit.refresh(launched.app, response.json()["refresh_token"])).status_code == 400
