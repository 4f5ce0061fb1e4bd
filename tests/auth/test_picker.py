"""Whose record an app sees: nobody is asked where there is one, and nobody can choose another's."""

from collections.abc import AsyncIterator

import pytest

from smart_auth.portal import Portal
from smart_auth.records import Client
from tests.auth.browsing import VERIFIER, PageServer, Seen, asked, page_server
from tests.auth.relatives import Family


async def arriving(pages: PageServer, username: str, scope: str = "launch/patient patient/Patient.rs") -> Seen:
    seen = await pages.browser.go("/auth/authorize", **asked(await pages.client(), scope))
    return await pages.browser.sign_in(seen, username)


async def patient_of(pages: PageServer, client: Client, back: Seen) -> str:
    patient: str = (await pages.exchanged(client, back.answer["code"]))["patient"]
    return patient


def listed(seen: Seen) -> list[str]:
    return [radio.get("value") for radio in seen.html.xpath("//input[@type='radio'][@name='patient']")]


async def test_who_has_one_record_is_not_asked(pages: PageServer) -> None:
    seen = await arriving(pages, "ann")
    assert seen.path == "/auth/consent"
    assert "your own record Ann Example" in seen.text


async def test_who_acts_for_several_chooses_one(pages: PageServer) -> None:
    seen = await arriving(pages, "sam")
    assert (seen.path, seen.title) == ("/auth/patient", "Whose record?")
    assert listed(seen) == ["p3", "p2", "p1"]
    assert "Cleo <Other>" in seen.text
    chosen = await pages.browser.send(seen, patient="p2")
    assert "the record of Ben Example, born 2015-02-03" in chosen.text
    back = await pages.browser.allow(chosen)
    assert await patient_of(pages, await pages.client(), back) == "p2"


@pytest.mark.parametrize("scope", ["patient/Patient.rs", "launch/patient", "openid user/*.rs patient/*.read"])
async def test_a_patient_is_in_context_whenever_a_scope_needs_one(pages: PageServer, scope: str) -> None:
    assert (await arriving(pages, "sam", scope)).path == "/auth/patient"


async def test_without_such_a_scope_nobody_is_asked(pages: PageServer) -> None:
    assert (await arriving(pages, "sam", "openid user/*.rs")).path == "/auth/consent"


async def test_the_choice_can_be_changed_before_the_answer(pages: PageServer) -> None:
    seen = await pages.browser.send(await arriving(pages, "sam"), patient="p2")
    again = await pages.browser.go("/auth/patient", request=seen.answer["request"])
    assert again.html.xpath("//input[@checked]/@value") == ["p2"]
    back = await pages.browser.allow(await pages.browser.send(again, patient="p1"))
    assert await patient_of(pages, await pages.client(), back) == "p1"


@pytest.mark.parametrize("patient", ["p4", "", "p1/../p3", "P1"])
async def test_nobody_chooses_a_record_they_do_not_act_for(pages: PageServer, patient: str) -> None:
    seen = await pages.browser.send(await arriving(pages, "sam"), patient=patient)
    assert (seen.status, seen.path) == (400, "/auth/patient")
    assert "Choose one of the records listed." in seen.text


async def test_who_has_one_record_cannot_choose_another_behind_the_pages_back(pages: PageServer) -> None:
    seen = await arriving(pages, "ann")
    form = {"request": seen.answer["request"], "csrf": seen.form().fields["csrf"], "patient": "p2"}
    await pages.browser.http.post("/auth/patient", data=form)
    back = await pages.browser.allow(await pages.browser.go("/auth/consent", request=form["request"]))
    assert await patient_of(pages, await pages.client(), back) == "p1"


async def test_a_choice_is_forgotten_when_somebody_else_signs_in(pages: PageServer) -> None:
    seen = await pages.browser.send(await arriving(pages, "sam"), patient="p2")
    ann = pages.another_browser()
    await ann.sign_in(await ann.go("/auth/login"), "ann")
    asked_again = await ann.go("/auth/consent", request=seen.answer["request"])
    assert asked_again.title == "Sign in"
    assert "Ann Example" in (await ann.sign_in(asked_again, "ann")).text


async def test_an_account_without_a_record_goes_back_with_the_reason(pages: PageServer) -> None:
    await pages.person("new")
    back = await arriving(pages, "new")
    assert (back.answer["error"], back.answer["state"]) == ("access_denied", "state & more")
    assert pages.trail.kinds() == ["login", "grant-refused"]


async def test_a_practitioner_finds_patients_in_care_by_name_or_birth_date(pages: PageServer) -> None:
    seen = await arriving(pages, "doctor")
    assert listed(seen) == ["p1", "p2"]
    assert listed(await pages.browser.send(seen, "search", words="ben")) == ["p2"]
    found = await pages.browser.send(seen, "search", words="1980-07-04")
    assert listed(found) == ["p1"]
    nobody = await pages.browser.send(found, "search", words="<script>")
    assert listed(nobody) == [] and "Nobody was found." in nobody.text
    back = await pages.browser.allow(await pages.browser.send(found, patient="p1"))
    assert await patient_of(pages, await pages.client(), back) == "p1"


async def test_a_practitioner_cannot_choose_a_patient_out_of_care(pages: PageServer) -> None:
    seen = await arriving(pages, "doctor")
    assert (await pages.browser.send(seen, patient="p3")).status == 400
    pages.people.related.discard("p1")
    assert (await pages.browser.send(seen, patient="p1")).status == 400


async def test_what_is_looked_for_stands_in_no_address(pages: PageServer) -> None:
    found = await pages.browser.send(await arriving(pages, "doctor"), "search", words="Example")
    assert "Example" not in found.address


@pytest.mark.parametrize("csrf", ["", "forged", None])
async def test_a_choice_that_another_page_sent_is_refused(pages: PageServer, csrf: str | None) -> None:
    seen = await pages.browser.send(await arriving(pages, "sam"), patient="p2", csrf=csrf)
    assert seen.status == 403


@pytest.fixture
async def family() -> AsyncIterator[PageServer]:
    """Cleo has her own record (p3), and acts for Ben (p2) as his mother."""
    async with page_server(portal=Portal(proxies=Family())) as running:
        await running.person("cleo", fhir_user="Patient/p3", patients=("p3",))
        yield running


def labels(seen: Seen) -> list[str]:
    return [" ".join(each.text_content().split()) for each in seen.html.xpath("//label")]


async def test_ones_own_record_stands_first_and_relatives_by_what_they_are(family: PageServer) -> None:
    seen = await arriving(family, "cleo")
    assert listed(seen) == ["p3", "p2"]
    assert labels(seen) == ["Cleo <Other>, your own record", "Ben Example, born 2015-02-03, your child"]


async def test_a_relatives_record_is_granted_for_as_long_as_the_relation_holds(family: PageServer) -> None:
    chosen = await family.browser.send(await arriving(family, "cleo"), patient="p2")
    client = await family.client()
    answer = await family.exchanged(client, (await family.browser.allow(chosen)).answer["code"])
    assert answer["patient"] == "p2"


@pytest.mark.parametrize("patient", ["p1", "p4"])
async def test_whoever_is_no_relative_is_neither_listed_nor_granted(family: PageServer, patient: str) -> None:
    seen = await arriving(family, "cleo")
    assert patient not in listed(seen)
    assert (await family.browser.send(seen, patient=patient)).status == 400


async def test_a_relation_that_ends_before_the_answer_is_not_granted(family: PageServer) -> None:
    chosen = await family.browser.send(await arriving(family, "cleo"), patient="p2")
    proxies = family.parts.portal.proxies
    assert isinstance(proxies, Family)
    proxies.represented_by.clear()
    after = await family.browser.allow(chosen)
    if "code" in after.answer:
        # Only their own record is left, so that there is nothing to choose any more.
        assert await patient_of(family, await family.client(), after) == "p3"
    else:
        assert after.path in ("/auth/patient", "/auth/consent")


async def test_a_code_for_a_relative_is_worth_nothing_once_the_relation_ended(family: PageServer) -> None:
    chosen = await family.browser.send(await arriving(family, "cleo"), patient="p2")
    code = (await family.browser.allow(chosen)).answer["code"]
    proxies = family.parts.portal.proxies
    assert isinstance(proxies, Family)
    proxies.represented_by.clear()
    client = await family.client()
    form = {
        "grant_type": "authorization_code",
        "client_id": client.id,
        "code": code,
        "redirect_uri": client.redirect_uris[0],
        "code_verifier": VERIFIER,
    }
    answer = await family.browser.http.post("/auth/token", data=form)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
