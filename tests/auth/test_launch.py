"""A practitioner opens an app for a patient; an app gets the context of its own launch, once and soon."""

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from smart_auth.records import Client
from tests.auth.browsing import BASE, LAUNCH_URI, PageServer, Seen, asked, page_server

SCOPE = "launch openid fhirUser user/*.rs patient/Patient.rs"


@pytest.fixture
async def server() -> AsyncIterator[PageServer]:
    async with page_server() as running:
        await running.client(initiate_login_uri=LAUNCH_URI)
        yield running


async def app(server: PageServer) -> Client:
    return await server.client(initiate_login_uri=LAUNCH_URI)


async def opened(server: PageServer, username: str = "doctor") -> Seen:
    return await server.browser.sign_in(await server.browser.go("/auth/launch"), username)


async def launched(server: PageServer, patient: str = "p1", **fields: str) -> Seen:
    """Where the browser is sent by the page."""
    page = await server.browser.go("/auth/launch")
    page = await opened(server) if page.title == "Sign in" else page
    chosen = await server.browser.send(page, form=emergency_form(page), patient=patient)
    return await server.browser.send(chosen, "launch", client_id="growth", **fields)


def emergency_form(page: Seen) -> object:
    """The form with the field for a patient's id."""
    return next(form for form in page.html.forms if form.xpath(".//input[@id='patient-id']"))


async def answered(server: PageServer, away: Seen, scope: str = SCOPE) -> Seen:
    """The app's request to authorize, as it follows from its launch."""
    assert away.address.startswith(f"{LAUNCH_URI}?"), away.text
    return await server.browser.go("/auth/authorize", **asked(await app(server), scope, launch=away.answer["launch"]))


async def test_a_practitioner_chooses_patient_encounter_and_app_step_by_step(server: PageServer) -> None:
    page = await opened(server)
    assert page.title == "Open an app for a patient"
    found = await server.browser.send(page, "search", words="Ann")
    chosen = await server.browser.send(found, "choose", form=found.html.forms[1], patient="p1")
    assert "Patient: Ann Example, born 1980-07-04" in chosen.text
    away = await server.browser.send(chosen, "launch", client_id="growth", encounter="e-p1")
    assert (set(away.answer), away.answer["iss"]) == ({"iss", "launch"}, BASE)


async def test_the_app_gets_what_it_was_launched_with(server: PageServer) -> None:
    away = await launched(
        server, encounter="e-p1", intent="reconcile-medications", fhir_context="ImagingStudy/i1\nTask/t1"
    )
    seen = await answered(server, away)
    assert seen.path == "/auth/consent"
    answer = await server.exchanged(await app(server), (await server.browser.allow(seen)).answer["code"])
    assert (answer["patient"], answer["encounter"], answer["intent"]) == ("p1", "e-p1", "reconcile-medications")
    assert answer["fhirContext"] == [{"reference": "ImagingStudy/i1"}, {"reference": "Task/t1"}]
    assert answer["need_patient_banner"] is True
    assert answer["smart_style_url"].endswith("/auth/style")
    assert set(answer["scope"].split()) == set(SCOPE.split())
    assert server.trail.kinds() == ["login", "launch", "grant", "token"]


async def test_the_banner_can_be_the_ehrs_own(server: PageServer) -> None:
    page = await opened(server)
    chosen = await server.browser.send(page, form=emergency_form(page), patient="p1")
    away = await server.browser.send(chosen, "launch", client_id="growth", need_patient_banner=None)
    seen = await server.browser.allow(await answered(server, away))
    assert (await server.exchanged(await app(server), seen.answer["code"]))["need_patient_banner"] is False


async def test_an_app_can_be_opened_without_a_patient(server: PageServer) -> None:
    away = await server.browser.send(await opened(server), "launch", client_id="growth")
    seen = await answered(server, away, "launch openid user/*.rs")
    answer = await server.exchanged(await app(server), (await server.browser.allow(seen)).answer["code"])
    assert "patient" not in answer
    # Where the app needs one all the same, the practitioner chooses.
    away = await server.browser.send(await server.browser.go("/auth/launch"), "launch", client_id="growth")
    assert (await answered(server, away)).path == "/auth/patient"


async def test_a_launch_is_good_for_one_grant(server: PageServer) -> None:
    away = await launched(server)
    await server.browser.allow(await answered(server, away))
    again = await answered(server, away)
    assert again.answer["error"] == "invalid_request"


async def test_a_launch_is_good_for_five_minutes(server: PageServer) -> None:
    away = await launched(server)
    server.clock.pass_seconds(5 * 60)
    assert (await answered(server, away)).answer["error"] == "invalid_request"


async def test_who_takes_time_to_consent_keeps_the_launch(server: PageServer) -> None:
    seen = await answered(server, await launched(server))
    server.clock.pass_seconds(14 * 60)
    assert (await server.browser.allow(seen)).answer["code"]


async def test_a_launch_of_one_app_is_worth_nothing_to_another(server: PageServer) -> None:
    away = await launched(server)
    other = await server.client("other")
    back = await server.browser.go("/auth/authorize", **asked(other, SCOPE, launch=away.answer["launch"]))
    assert back.answer["error"] == "invalid_request"


async def test_a_launch_of_one_person_is_worth_nothing_to_another(server: PageServer) -> None:
    away = await launched(server)
    ann = server.another_browser()
    request = asked(await app(server), SCOPE, launch=away.answer["launch"])
    back = await ann.sign_in(await ann.go("/auth/authorize", **request), "ann")
    assert back.answer["error"] == "access_denied"


async def test_with_a_launch_goes_the_scope_launch(server: PageServer) -> None:
    back = await answered(server, await launched(server), "openid user/*.rs")
    assert back.answer["error"] == "invalid_scope"


async def test_a_patient_out_of_care_is_opened_in_an_emergency_only(server: PageServer) -> None:
    page = await opened(server)
    chosen = await server.browser.send(page, form=emergency_form(page), patient="p3")
    # Nothing of the patient is told before the reason is.
    assert "Patient: Patient p3." in chosen.text and "Cleo" not in chosen.text
    refused = await server.browser.send(chosen, "launch", client_id="growth", emergency_reason="because")
    assert refused.status == 400 and "say why you need the record" in refused.text
    away = await server.browser.send(refused, "launch", client_id="growth", emergency_reason="Unconscious in room 4")
    assert (server.trail.events[-1].kind, server.trail.events[-1].patient) == ("emergency", "p3")
    assert "Unconscious in room 4" in server.trail.events[-1].text
    seen = await answered(server, away)
    assert "Emergency access." in seen.text
    await server.browser.allow(seen)
    grant = (await server.parts.grants.of_account("id-doctor"))[0]
    assert (grant.patient, grant.emergency) == ("p3", True)
    assert server.trail.events[-1].kind == "emergency"


async def test_a_patient_in_care_needs_no_reason_and_is_no_emergency(server: PageServer) -> None:
    away = await launched(server, emergency_reason="Just because I can do it")
    await server.browser.allow(await answered(server, away))
    assert not (await server.parts.grants.of_account("id-doctor"))[0].emergency


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"client_id": "nobody"}, "Choose the app to open."),
        ({"client_id": "plain"}, "Choose the app to open."),
        ({"patient": "p9"}, "say why you need the record"),
        ({"patient": "p1/../p2"}, "There is no patient with this id."),
        ({"encounter": "e-p2"}, "Choose one of the patient's encounters"),
        ({"intent": "two words"}, "An intent is one word"),
        ({"fhir_context": "https://evil.test/"}, "Further resources"),
        ({"fhir_context": "Patient/p2"}, "Further resources"),
        ({"fhir_context": "Task/t " * 11}, "Further resources"),
    ],
)
async def test_what_cannot_be_passed_on_is_said(server: PageServer, fields: dict[str, str], fault: str) -> None:
    await server.client("plain")
    page = await opened(server)
    form = {"action": "launch", "client_id": "growth", "patient": "p1", "csrf": page.form().fields["csrf"]}
    response = await server.browser.http.post("/auth/launch", data=form | fields)
    assert response.status_code == 400
    assert fault in Seen(response, "").text
    assert await server.parts.documents.find("launches", {}) == []


@pytest.mark.parametrize("username", ["ann", "officer", "admin"])
async def test_only_practitioners_open_apps(server: PageServer, username: str) -> None:
    seen = await opened(server, username)
    assert (seen.status, seen.title) == (403, "This did not work")


async def test_only_apps_with_a_launch_address_are_offered(server: PageServer) -> None:
    await server.client("plain")
    await server.client("gone", initiate_login_uri=LAUNCH_URI, is_disabled=True)
    assert (await opened(server)).html.xpath("//select[@name='client_id']/option/@value") == ["growth"]


async def test_a_launch_that_another_page_sent_is_refused(server: PageServer) -> None:
    page = await opened(server)
    assert (await server.browser.send(page, "launch", csrf="forged")).status == 403
    assert await server.parts.documents.find("launches", {}) == []


async def test_what_is_looked_for_stands_in_no_address(server: PageServer) -> None:
    found = await server.browser.send(await opened(server), "search", words="Example")
    assert "Example" not in found.address


async def test_the_style_is_open_to_every_app(server: PageServer) -> None:
    response = await server.browser.http.get("/auth/style", headers={"Origin": "https://app.test"})
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.json()["color_text"].startswith("#")
    assert urlsplit(LAUNCH_URI).hostname == "app.test"
