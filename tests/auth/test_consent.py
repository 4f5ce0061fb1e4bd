"""What an app gets is what the person left ticked, no more, and only by the person's own answer."""

import asyncio
from typing import Any

import pytest

from smart_auth.consent_choices import granted, sections
from smart_auth.records import Client
from tests.auth.browsing import BASE, PageServer, Seen, asked

LAB = "http://terminology.hl7.org/CodeSystem/observation-category|laboratory"
PROBLEM = "http://terminology.hl7.org/CodeSystem/condition-category|problem-list-item"
USUAL = "openid fhirUser launch/patient offline_access patient/Patient.rs patient/Condition.rs patient/Observation.rs"


async def consent(pages: PageServer, scope: str = USUAL, username: str = "ann", **fields: str) -> tuple[Client, Seen]:
    client = await pages.client()
    seen = await pages.browser.go("/auth/authorize", **asked(client, scope, **fields))
    return client, await pages.browser.sign_in(seen, username) if seen.title == "Sign in" else seen


async def tokens(pages: PageServer, client: Client, back: Seen) -> dict[str, Any]:
    assert (back.answer["state"], back.answer["iss"]) == ("state & more", BASE), back.text
    return await pages.exchanged(client, back.answer["code"])


async def test_everything_asked_for_is_a_ticked_box_with_the_scope_as_its_value(pages: PageServer) -> None:
    _, seen = await consent(pages)
    assert {scope for scope, is_ticked in seen.boxes.items() if is_ticked} == set(USUAL.split())
    assert "Ann Example, born 1980-07-04" in seen.text
    assert "app.test" in seen.text
    assert "until you remove it" in seen.text


async def test_allowing_what_is_ticked_grants_it_to_the_letter(pages: PageServer) -> None:
    client, seen = await consent(pages)
    answer = await tokens(pages, client, await pages.browser.allow(seen))
    assert set(answer["scope"].split()) == set(USUAL.split())
    assert answer["patient"] == "p1"
    assert {"id_token", "refresh_token"} <= answer.keys()
    assert pages.trail.kinds() == ["login", "grant", "token"]
    assert "patient/Observation.rs" in pages.trail.events[1].text


async def test_a_dropped_type_is_not_granted(pages: PageServer) -> None:
    client, seen = await consent(pages)
    kept = [scope for scope in USUAL.split() if "Observation" not in scope]
    answer = await tokens(pages, client, await pages.browser.allow(seen, kept))
    assert set(answer["scope"].split()) == set(kept)


async def test_categories_stand_in_for_the_wide_scope_that_was_unticked(pages: PageServer) -> None:
    client, seen = await consent(pages)
    chosen = [
        "patient/Patient.rs",
        f"patient/Observation.rs?category={LAB}",
        f"patient/Condition.rs?category={PROBLEM}",
    ]
    assert [seen.boxes[each] for each in chosen[1:]] == [False, False]
    answer = await tokens(pages, client, await pages.browser.allow(seen, chosen))
    assert set(answer["scope"].split()) == {*chosen, "launch/patient"}


async def test_a_category_adds_nothing_to_the_wide_scope_left_ticked(pages: PageServer) -> None:
    client, seen = await consent(pages)
    chosen = ["patient/Observation.rs", f"patient/Observation.rs?category={LAB}"]
    answer = await tokens(pages, client, await pages.browser.allow(seen, chosen))
    assert set(answer["scope"].split()) == {"patient/Observation.rs", "launch/patient"}


async def test_whose_record_it_is_stays_told_as_long_as_the_record_is_seen(pages: PageServer) -> None:
    client, seen = await consent(pages)
    answer = await tokens(pages, client, await pages.browser.allow(seen, ["patient/Patient.rs"]))
    assert (answer["scope"].split(), answer["patient"]) == (["launch/patient", "patient/Patient.rs"], "p1")
    client, seen = await consent(pages)
    answer = await tokens(pages, client, await pages.browser.allow(seen, ["openid"]))
    assert answer["scope"] == "openid"
    assert "patient" not in answer


@pytest.mark.parametrize("scope", ["user/*.rs", "patient/Patient.cruds", "patient/Encounter.rs", "system/*.rs", "x"])
async def test_nothing_is_granted_that_was_not_offered(pages: PageServer, scope: str) -> None:
    client, seen = await consent(pages)
    answer = await tokens(pages, client, await pages.browser.allow(seen, ["patient/Patient.rs", scope]))
    assert set(answer["scope"].split()) == {"launch/patient", "patient/Patient.rs"}


async def test_with_nothing_ticked_the_page_asks_again(pages: PageServer) -> None:
    _, seen = await consent(pages)
    again = await pages.browser.allow(seen, [])
    assert (again.status, again.path) == (400, "/auth/consent")
    assert "There is a problem. Nothing is ticked." in again.text
    assert (await pages.browser.allow(again, ["openid"])).answer["code"]


async def test_everything_can_be_taken_apart_by_type(pages: PageServer) -> None:
    client, seen = await consent(pages, "launch/patient patient/*.rs")
    assert seen.boxes["patient/*.rs"] and not seen.boxes["patient/Immunization.rs"]
    chosen = ["patient/Immunization.rs", f"patient/Observation.rs?category={LAB}"]
    answer = await tokens(pages, client, await pages.browser.allow(seen, chosen))
    assert set(answer["scope"].split()) == {*chosen, "launch/patient"}


def test_version_1_is_taken_apart_in_its_own_words() -> None:
    offered = sections(["patient/*.read", "user/Condition.write"])
    assert granted(offered, ["patient/Patient.read"]) == ("patient/Patient.read",)
    category = f"user/Condition.cud?category={PROBLEM}"
    assert granted(offered, [category]) == (category,)


def test_a_category_that_was_asked_for_itself_is_one_box() -> None:
    lab = f"patient/Observation.rs?category={LAB}"
    offered = sections(["patient/Observation.rs", lab])
    boxes = [each.scope for section in offered for choice in section.choices for each in (choice, *choice.narrower)]
    assert boxes.count(lab) == 1
    assert granted(offered, [lab]) == (lab,)


async def test_who_denies_is_brought_back_with_nothing(pages: PageServer) -> None:
    _, seen = await consent(pages)
    back = await pages.browser.send(seen, decision="deny")
    assert back.answer["error"] == "access_denied"
    assert back.answer.keys() == {"error", "error_description", "state", "iss"}
    assert pages.trail.kinds() == ["login", "grant-refused"]
    assert await pages.parts.grants.of_account("id-ann") == []


@pytest.mark.parametrize("csrf", ["", "forged", None])
async def test_an_answer_that_another_page_sent_is_refused(pages: PageServer, csrf: str | None) -> None:
    _, seen = await consent(pages)
    refused = await pages.browser.send(seen, decision="allow", csrf=csrf)
    assert (refused.status, refused.title) == (403, "This did not work")
    assert await pages.parts.grants.of_account("id-ann") == []


async def test_an_answer_from_another_persons_session_is_refused(pages: PageServer) -> None:
    _, seen = await consent(pages)
    sam = pages.another_browser()
    await sam.sign_in(await sam.go("/auth/login"), "sam")
    assert (await sam.send(seen, decision="allow")).status == 403
    # Whoever finds the address of another's page is asked to sign in for it.
    assert (await sam.go("/auth/consent", request=seen.answer["request"])).path in ("/auth/login", "/auth/patient")


async def test_an_answer_counts_once(pages: PageServer) -> None:
    _, seen = await consent(pages)
    answers = await asyncio.gather(*(pages.browser.send(seen, decision="allow") for _ in range(10)))
    assert sorted(each.status for each in answers) == [303] + [400] * 9
    assert len(await pages.parts.grants.of_account("id-ann")) == 1
    assert (await pages.browser.send(seen, decision="deny")).status == 400


@pytest.mark.parametrize("decision", ["", "yes", "ALLOW"])
async def test_only_allowing_allows(pages: PageServer, decision: str) -> None:
    _, seen = await consent(pages)
    assert (await pages.browser.send(seen, decision=decision)).status == 400
    assert await pages.parts.grants.of_account("id-ann") == []


async def test_an_account_without_patients_grants_no_patients_record(pages: PageServer) -> None:
    _, seen = await consent(pages, "openid launch/patient patient/*.rs user/AuditEvent.rs", "officer")
    assert {scope for scope, is_ticked in seen.boxes.items() if is_ticked} == {"openid", "user/AuditEvent.rs"}
    back = await pages.browser.go("/auth/authorize", **asked(await pages.client(), "patient/*.rs"))
    assert back.answer["error"] == "access_denied"


async def test_names_of_apps_and_people_are_shown_as_text(pages: PageServer) -> None:
    hostile = "<script>alert(1)</script>\"'><img src=x>"
    client = await pages.client(name=hostile)
    seen = await pages.browser.sign_in(await pages.browser.go("/auth/authorize", **asked(client)), "ann")
    assert hostile in seen.text
    assert not seen.html.xpath("//script | //img")
