"""The page of a family: who sees it, what it ends, and what it tells nobody."""

from collections.abc import AsyncIterator

import pytest

from smart_auth.identity.proxies import Relative
from smart_auth.portal import Portal
from tests.auth.browsing import PageServer, Seen, page_server
from tests.auth.relatives import Family


@pytest.fixture
def family() -> Family:
    return Family()


@pytest.fixture
async def server(family: Family) -> AsyncIterator[PageServer]:
    async with page_server(portal=Portal(proxies=family)) as running:
        await running.person("cleo", fhir_user="Patient/p3", patients=("p3",))
        yield running


async def at_family(server: PageServer, username: str = "cleo") -> Seen:
    seen = await server.browser.go("/auth/family")
    return await server.browser.sign_in(seen, username)


def buttons(seen: Seen) -> list[tuple[str, str, str]]:
    """Action, patient and RelatedPerson of each form."""
    forms = [form for form in seen.html.forms if form.get("action") == "/auth/family"]
    return [tuple(form.fields[name] for name in ("action", "patient", "related")) for form in forms]


async def pressed(server: PageServer, seen: Seen, action: str, patient: str) -> Seen:
    form = next(
        each
        for each in seen.html.forms
        if "patient" in each.fields and (each.fields["action"], each.fields["patient"]) == (action, patient)
    )
    return await server.browser.send(seen, form=form)


async def test_whoever_is_not_signed_in_does_so_and_comes_back(server: PageServer) -> None:
    seen = await at_family(server)
    assert (seen.path, seen.title, seen.status) == ("/auth/family", "Your family", 200)


async def test_it_says_for_whom_one_acts_and_who_acts_for_oneself(server: PageServer) -> None:
    seen = await at_family(server)
    assert "Ben Example, your child" in seen.text
    assert "Part of this record is theirs alone" in seen.text
    assert "Ann <b>, mother" in seen.text and "Acts for you and sees your record." in seen.text
    assert buttons(seen) == [
        ("revoke", "p2", "cleo-of-ben"),
        ("contest", "p2", "cleo-of-ben"),
        ("revoke", "p3", "ann-of-cleo"),
        ("contest", "p3", "ann-of-cleo"),
    ]


async def test_only_what_can_be_ended_has_a_button(server: PageServer, family: Family) -> None:
    family.beside["p3"] = [
        Relative("r1", "Ann", "agent by power of attorney", True, False, acts=True),
        Relative("r2", "Dan", "spouse", False, False),
    ]
    seen = await at_family(server)
    assert buttons(seen)[2:] == [("contest", "p3", "r1")]
    assert "Not in force: does not see your record." in seen.text


@pytest.mark.parametrize(
    ("action", "patient", "related", "said"),
    [
        ("revoke", "p2", "cleo-of-ben", "The access has ended."),
        ("contest", "p2", "cleo-of-ben", "Staff will look at it."),
        ("revoke", "p3", "ann-of-cleo", "The access has ended."),
        ("contest", "p3", "ann-of-cleo", "Staff will look at it."),
    ],
)
async def test_a_button_ends_it_and_it_is_written_down(
    server: PageServer, family: Family, action: str, patient: str, related: str, said: str
) -> None:
    seen = await pressed(server, await at_family(server), action, patient)
    assert said in seen.text
    assert family.ended == [(action, "cleo", patient, related)]
    event = server.trail.events[-1]
    assert (event.kind, event.patient, event.outcome) == ("proxy", patient, "ok")


async def test_a_grown_up_lets_a_relative_see_their_record(server: PageServer, family: Family) -> None:
    family.beside["p3"] = [Relative("dan-of-cleo", "Dan", "spouse", True, False, can_be_let=True)]
    seen = await at_family(server)
    assert ("let", "p3", "dan-of-cleo") in buttons(seen)
    assert "Let Dan see my record" in seen.text
    seen = await pressed(server, seen, "let", "p3")
    assert "They see your record now." in seen.text
    assert family.let_in == [("cleo", "p3", "dan-of-cleo")]
    event = server.trail.events[-1]
    assert (event.kind, event.patient, event.outcome) == ("proxy", "p3", "ok")


@pytest.mark.parametrize(("csrf", "status"), [("forged", 403), ("", 403)])
async def test_nobody_is_let_in_by_a_form_of_another_page(
    server: PageServer, family: Family, csrf: str, status: int
) -> None:
    family.beside["p3"] = [Relative("dan-of-cleo", "Dan", "spouse", True, False, can_be_let=True)]
    seen = await at_family(server)
    form = next(each for each in seen.html.forms if each.fields.get("action") == "let")
    assert (await server.browser.send(seen, form=form, csrf=csrf)).status == status
    assert family.let_in == []


@pytest.mark.parametrize("fields", [{"patient": "p1"}, {"related": "other"}, {"patient": "", "related": ""}])
async def test_what_is_not_theirs_to_end_is_refused_and_written_down(
    server: PageServer, family: Family, fields: dict[str, str]
) -> None:
    seen = await at_family(server)
    form = next(each for each in seen.html.forms if "related" in each.fields)
    values = {**dict(form.form_values()), **fields}
    refused = await server.browser.http.post("/auth/family", data=values)
    assert refused.status_code == 400 and "There is a problem." in refused.text
    assert family.ended == []
    assert (server.trail.events[-1].kind, server.trail.events[-1].outcome) == ("proxy", "failed")


async def test_an_action_that_there_is_not_is_refused(server: PageServer, family: Family) -> None:
    seen = await at_family(server)
    form = next(each for each in seen.html.forms if "related" in each.fields)
    answer = await server.browser.http.post("/auth/family", data={**dict(form.form_values()), "action": "give"})
    assert answer.status_code == 400 and family.ended == []


async def posted(server: PageServer, seen: Seen, csrf: str | None) -> Seen:
    form = next(each for each in seen.html.forms if "related" in each.fields)
    return await server.browser.send(seen, form=form, csrf=csrf)


@pytest.mark.parametrize("csrf", ["", "forged", None])
async def test_a_form_that_another_page_sent_ends_nothing(server: PageServer, family: Family, csrf: str | None) -> None:
    assert (await posted(server, await at_family(server), csrf)).status == 403
    assert family.ended == []


async def test_level_one_is_told_how_to_upgrade_and_no_name(server: PageServer) -> None:
    await server.person("new", fhir_user="Patient/p3", patients=("p3",), level="level1")
    seen = await at_family(server, "new")
    assert seen.status == 403
    assert "/auth/logon/upgrade" in seen.text and "insufficient-assurance" in seen.text
    assert "Ben" not in seen.text and "Ann" not in seen.text


@pytest.mark.parametrize("username", ["doctor", "officer", "admin"])
async def test_who_has_no_record_has_no_family_here(server: PageServer, username: str) -> None:
    assert (await at_family(server, username)).status == 403


async def test_without_records_of_families_there_is_no_page() -> None:
    async with page_server() as server:
        assert (await server.browser.go("/auth/family")).status == 404
