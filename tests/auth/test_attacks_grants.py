"""Attacks on what was granted: kept for longer, taken over by another program, or stretched beyond what it was for."""

from typing import Any

import pytest

from smart_auth.records import ACCOUNTS
from smart_auth.settings import SmartSettings
from tests.auth.browsing import LAUNCH_URI, PageServer, Seen, asked
from tests.auth.oauth import OAuth, oauth_server

LOOPBACK = "http://127.0.0.1/callback"


async def launched_in_emergency(pages: PageServer, scope: str) -> Seen:
    """The consent page of an app that a practitioner opened for a patient out of care."""
    client = await pages.client(initiate_login_uri=LAUNCH_URI)
    page = await pages.browser.sign_in(await pages.browser.go("/auth/launch"), "doctor")
    form = next(form for form in page.html.forms if form.xpath(".//input[@id='patient-id']"))
    chosen = await pages.browser.send(page, form=form, patient="p3")
    away = await pages.browser.send(chosen, "launch", client_id=client.id, emergency_reason="Unconscious in room 4")
    return await pages.browser.go("/auth/authorize", **asked(client, scope, launch=away.answer["launch"]))


async def test_a_broken_glass_does_not_stay_broken(pages: PageServer) -> None:
    consent = await launched_in_emergency(pages, "launch openid offline_access patient/*.rs")
    assert "offline_access" not in consent.boxes
    back = await pages.browser.send(consent, decision="allow", scope=[*consent.boxes, "offline_access"])
    tokens = await pages.exchanged(await pages.client(), back.answer["code"])
    assert "offline_access" not in tokens["scope"].split()
    assert "refresh_token" not in tokens


async def test_whether_a_patient_exists_is_not_told_before_the_reason_is(pages: PageServer) -> None:
    client = await pages.client(initiate_login_uri=LAUNCH_URI)
    page = await pages.browser.sign_in(await pages.browser.go("/auth/launch"), "doctor")
    form = next(form for form in page.html.forms if form.xpath(".//input[@id='patient-id']"))
    foreign = await pages.browser.send(page, form=form, patient="p3")
    missing = await pages.browser.send(page, form=form, patient="p9")
    assert missing.status == foreign.status == 200
    assert missing.text == foreign.text.replace("p3", "p9")
    fields: dict[str, Any] = {"client_id": client.id, "emergency_reason": "Unconscious in room 4"}
    refused = await pages.browser.send(missing, "launch", **fields)
    assert refused.status == 400 and "no patient with this id" in refused.text
    # Whoever looks for patients so is seen doing it.
    event = pages.trail.events[-1]
    assert (event.kind, event.outcome, event.patient) == ("emergency", "failed", "p9")


@pytest.mark.parametrize("patient", ["x" * 65, "a/b", "a b", "../p1", "<p1>"])
async def test_what_cannot_be_an_id_is_no_patient(pages: PageServer, patient: str) -> None:
    page = await pages.browser.sign_in(await pages.browser.go("/auth/launch"), "doctor")
    form = next(form for form in page.html.forms if form.xpath(".//input[@id='patient-id']"))
    assert (await pages.browser.send(page, form=form, patient=patient)).status == 400


async def test_who_no_longer_acts_for_a_patient_refreshes_no_more(server: OAuth) -> None:
    client = await server.public()
    tokens = await server.tokens(client)
    code = await server.code(client)
    await server.parts.documents.change(ACCOUNTS, server.account.id, {"patients": ["p2"]})
    assert (await server.refresh(client, tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await server.exchange(client, code)).json()["error"] == "invalid_grant"


async def test_another_program_on_the_machine_gets_no_code_in_silence(pages: PageServer) -> None:
    # RFC 8252 section 8.6: a port of loopback is anybody's who takes it, and a public app proves nothing of itself.
    client = await pages.client(redirect_uris=(LOOPBACK, "https://app.test/callback"))
    browser = pages.browser
    mine = asked(client, redirect_uri="http://127.0.0.1:51004/callback")
    await browser.allow(await browser.sign_in(await browser.go("/auth/authorize", **mine)))
    theirs = asked(client, redirect_uri="http://127.0.0.1:51005/callback", prompt="none")
    assert (await browser.go("/auth/authorize", **theirs)).answer["error"] == "consent_required"
    web = asked(client, redirect_uri="https://app.test/callback", prompt="none")
    assert (await browser.go("/auth/authorize", **web)).answer["code"]


async def test_an_app_that_proves_who_it_is_may_ask_in_silence_from_any_port(pages: PageServer) -> None:
    client = await pages.client(redirect_uris=(LOOPBACK,), auth_method="client_secret_basic")
    mine = asked(client, redirect_uri="http://127.0.0.1:51004/callback")
    await pages.browser.allow(await pages.browser.sign_in(await pages.browser.go("/auth/authorize", **mine)))
    assert (await pages.browser.go("/auth/authorize", **mine, prompt="none")).answer["code"]


async def test_what_a_private_scheme_leads_to_is_asked_for_again(pages: PageServer) -> None:
    client = await pages.client(redirect_uris=("com.example.app:/callback",))
    mine = asked(client)
    await pages.browser.allow(await pages.browser.sign_in(await pages.browser.go("/auth/authorize", **mine)))
    seen = await pages.browser.go("/auth/authorize", **mine, prompt="none")
    assert seen.answer["error"] == "consent_required"


async def test_a_removed_client_stays_out_for_as_long_as_its_tokens_would_live() -> None:
    settings = SmartSettings(access_token_seconds=86_400)
    async with oauth_server(settings=settings) as server:
        client = await server.public()
        token = (await server.tokens(client, scope="openid offline_access patient/*.rs"))["access_token"]
        assert await server.status_of(token) == 200
        await server.parts.clients.remove(client.id)
        server.clock.at += 86_000
        assert await server.parts.documents.get("revocations", f"client {client.id}") is not None
        assert await server.status_of(token) == 401


async def test_people_are_told_that_nobody_has_looked_at_an_app_that_registered_itself(pages: PageServer) -> None:
    client = await pages.client(registered_by="dynamic")
    seen = await pages.browser.sign_in(await pages.browser.go("/auth/authorize", **asked(client)))
    assert "registered itself" in seen.text
    known = await pages.client("known", registered_by="command")
    assert "registered itself" not in (await pages.browser.go("/auth/authorize", **asked(known))).text
