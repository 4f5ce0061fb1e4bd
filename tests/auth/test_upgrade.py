"""From level 1 to level 2: only who is proven, only by a new sign-in, and nobody learns what was wrong."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from smart_auth.errors import CREDENTIAL_NOT_RECOGNIZED
from smart_auth.records import SESSIONS
from tests.auth.browsing import Browser, Seen, asked
from tests.auth.logons import CHILD, CHILDS_SSN, MARIA, MARIAS_SSN, LogonServer, logon_server
from tests.auth.oauth import asked_for

PATIENT = f"patient-{MARIA.dod_id}"
TYPED = {"name": "Maria Nunez", "birth_date": "1980-07-04", "dod_id": MARIA.dod_id, "ssn": MARIAS_SSN}


@pytest.fixture
async def server() -> AsyncIterator[LogonServer]:
    async with logon_server() as running:
        yield running


async def typed(browser: Browser, **fields: str) -> Seen:
    return await browser.send(await browser.go("/auth/logon/upgrade"), **{**TYPED, **fields})


async def test_who_is_proven_gets_level_2_and_the_record_by_a_new_sign_in(server: LogonServer) -> None:
    browser = await server.signed_in()
    done = await typed(browser)
    assert done.status == 200 and "Sign out and in again" in done.text
    maria = await server.account("maria")
    assert (maria.level, maria.patients, maria.fhir_user) == ("level2", (PATIENT,), f"Patient/{PATIENT}")
    (old,) = await server.parts.documents.find(SESSIONS, {"account": maria.id})
    assert old["acr"] == "level1"
    await browser.send(done, form=done.html.forms[-1])
    await browser.sign_in(await browser.go("/auth/login"), "maria")
    (new,) = await server.parts.documents.find(SESSIONS, {"account": maria.id})
    assert new["acr"] == "level2"
    assert "nothing to upgrade" in (await browser.go("/auth/logon/upgrade")).text
    assert "upgraded to Premium" in server.letters.sent[-1].text


async def test_the_page_of_apps_leads_there_while_it_is_of_use(server: LogonServer) -> None:
    browser = await server.signed_in()
    way = "//a[@href='/auth/logon/upgrade']"
    assert (await browser.go("/auth/manage")).html.xpath(way)
    await typed(browser)
    assert not (await browser.go("/auth/manage")).html.xpath(way)


@pytest.mark.parametrize(
    "fields",
    [
        {"ssn": "900-12-3456"},
        {"ssn": " 900 12 3456 ", "dod_id": "1234-567-890"},
        {"name": " MARÍA   ELENA NÚÑEZ "},
        {"name": "Núñez, María"},
    ],
)
async def test_numbers_and_names_are_taken_as_people_type_them(server: LogonServer, fields: dict[str, str]) -> None:
    await typed(await server.signed_in(), **fields)
    assert (await server.account("maria")).level == "level2"


WRONG = [
    {"ssn": "900123450"},
    {"dod_id": "1234567899"},
    {"ssn": CHILDS_SSN},
    {"name": "Maria Nuno"},
    {"birth_date": "1980-07-05"},
    {"birth_date": "04.07.1980"},
    {"ssn": "12"},
    {"dod_id": ""},
    {"name": ""},
    {"name": "Leo Nunez", "birth_date": CHILD.birth_date.isoformat(), "dod_id": CHILD.dod_id, "ssn": CHILDS_SSN},
]


@pytest.mark.parametrize("fields", WRONG)
async def test_whatever_is_wrong_the_answer_is_one(server: LogonServer, fields: dict[str, str]) -> None:
    browser = await server.signed_in()
    seen = await typed(browser, **fields)
    assert seen.status == 401 and CREDENTIAL_NOT_RECOGNIZED in seen.text
    assert (await server.account("maria")).level == "level1" and (await server.account("maria")).patients == ()
    assert server.trail.events[-1].outcome == "failed" and server.trail.events[-1].account == "id-maria"
    assert not seen.form().fields["ssn"] and not seen.form().fields["dod_id"]
    written = str(server.trail.events)
    assert not any(number in written for number in (MARIAS_SSN, CHILDS_SSN, MARIA.dod_id, CHILD.dod_id, "900-12"))


async def test_a_person_who_has_an_account_gets_no_second_one(server: LogonServer) -> None:
    await typed(await server.signed_in("first"))
    seen = await typed(await server.signed_in("second"))
    assert CREDENTIAL_NOT_RECOGNIZED in seen.text
    assert (await server.account("second")).level == "level1"
    assert (await server.account("first")).level == "level2"


async def test_two_accounts_at_once_become_one_premium_one(server: LogonServer) -> None:
    browsers = [await server.signed_in(name) for name in ("first", "second")]
    statuses = [each.status for each in await asyncio.gather(*(typed(each) for each in browsers))]
    assert sorted(statuses) == [200, 401]
    levels = [(await server.account(name)).level for name in ("first", "second")]
    assert sorted(levels) == ["level1", "level2"]


async def test_what_was_granted_at_level_1_ends(server: LogonServer) -> None:
    browser = await server.signed_in()
    client = await server.pages.client()
    grant = await server.parts.grants.create(
        client=client,
        account=await server.account("maria"),
        scopes=("openid",),
        base=asked_for(client).base,
        auth_time=server.clock(),
        acr="level1",
        amr=("pwd",),
    )
    await typed(browser)
    assert await server.parts.grants.find(grant.id) is None


async def test_the_whole_way_from_a_token_that_sees_nothing_to_one_that_sees_the_record(server: LogonServer) -> None:
    browser = await server.signed_in()
    client = await server.pages.client()
    scope = "openid launch/patient patient/Patient.rs user/Organization.rs"

    async def launched() -> dict[str, Any]:
        seen = await browser.go("/auth/authorize", **asked(client, scope))
        seen = await browser.sign_in(seen, "maria") if seen.title == "Sign in" else seen
        return await server.pages.exchanged(client, (await browser.allow(seen)).answer["code"])

    async def status(token: dict[str, Any]) -> int:
        header = {"authorization": f"Bearer {token['access_token']}"}
        return (await browser.http.get("/auth/userinfo", headers=header)).status_code

    before = await launched()
    assert set(before["scope"].split()) == {"openid", "user/Organization.rs"} and "patient" not in before
    assert await status(before) == 200
    done = await typed(browser)
    async with asyncio.timeout(1):
        while await status(before) == 200:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    # The browser that was signed in at level 1 stays so.
    again = await launched()
    assert "patient/Patient.rs" not in again["scope"].split()
    await browser.send(done, form=done.html.forms[-1])
    after = await launched()
    assert set(after["scope"].split()) == set(scope.split()) and after["patient"] == PATIENT
    assert await status(before) == 401


async def test_guesses_lock_the_account_and_the_number_they_are_about(server: LogonServer) -> None:
    first, second = await server.signed_in("first"), await server.signed_in("second")
    for day in range(1, 6):
        await typed(first, birth_date=f"1980-08-0{day}")
    assert (await typed(first)).status == 429
    # Another account does not go on where this one had to stop.
    assert (await typed(second)).status == 429
    assert (await typed(second, dod_id="1111111111", ssn="900999999")).status == 401
    other = server.pages.another_browser()
    assert (await other.sign_in(await other.go("/auth/login"), "first")).status == 429
    assert (await server.account("second")).level == "level1"


async def test_a_registry_that_does_not_answer_upgrades_nobody_and_counts_as_no_guess(server: LogonServer) -> None:
    browser = await server.signed_in()
    server.registry.is_away = True
    statuses = [(await typed(browser)).status for _ in range(6)]
    assert statuses == [503] * 6
    server.registry.is_away = False
    assert (await typed(browser)).status == 200
    assert (await server.account("maria")).level == "level2"


async def test_two_records_with_one_number_are_for_the_help_desk(server: LogonServer) -> None:
    server.registrar.has_two = True
    assert CREDENTIAL_NOT_RECOGNIZED in (await typed(await server.signed_in())).text


async def test_without_registry_and_records_there_is_no_such_page(server: LogonServer) -> None:
    from dataclasses import replace

    from smart_auth.logon_pages import pages
    from smart_auth.portal import Portal

    parts = replace(server.parts, portal=Portal(mail=server.letters))
    assert "/auth/logon/upgrade" not in pages(parts, ())
    assert "/auth/logon/new" in pages(parts, ())


async def test_those_who_care_for_people_have_nothing_to_upgrade(server: LogonServer) -> None:
    browser = await server.signed_in("doctor", kind="practitioner", fhir_user="Practitioner/d1")
    seen = await browser.go("/auth/logon/upgrade")
    assert "nothing to upgrade" in seen.text
    csrf = (await browser.go("/auth/logout")).form().fields["csrf"]
    post = await browser.http.post("/auth/logon/upgrade", data={**TYPED, "csrf": csrf})
    assert post.status_code == 303
    assert (await server.account("doctor")).level == "level1"
