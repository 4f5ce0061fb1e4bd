"""Whoever has a CAC registers by it: the number is in its certificate, and nowhere else (domain.md I1 to I3)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from fhir_server.record_writer import RecordWriter
from fhir_server.registrar import RecordRegistrar
from smart_auth.records import ACCOUNTS, CARDS
from tests.auth.card_server import NO_ACCOUNT_DOD_ID, OTHER_DOD_ID, CardServer, card_server
from tests.auth.test_cards import session_of
from tests.rest.in_process import opened
from tests.rest.writers import Writers

REGISTER = "/auth/registration/active-duty"


@asynccontextmanager
async def registering(uri: str, database: str) -> AsyncIterator[tuple[CardServer, Writers]]:
    async with opened(uri, database) as context:
        registrar = RecordRegistrar(RecordWriter(context.server, None, context.base))
        async with card_server(portal={"registrar": registrar}) as server:
            server.registry.enroll(NO_ACCOUNT_DOD_ID, "Jo", "Example")
            yield server, Writers(context)


@pytest.fixture
async def desk(mongodb_uri: str, database_name: str) -> AsyncIterator[tuple[CardServer, Writers]]:
    async with registering(mongodb_uri, database_name) as made:
        yield made


Desk = tuple[CardServer, Writers]


def holder(server: CardServer, dod_id: str = NO_ACCOUNT_DOD_ID) -> Any:
    return server.browser(server.issuer.card(common=f"EXAMPLE.JO.{dod_id}"))


async def test_the_card_registers_and_signs_in_and_does_so_again(desk: Desk) -> None:
    server, record = desk
    browser = holder(server)
    seen = await browser.go("/auth/card")
    assert seen.status == 403
    assert REGISTER in seen.response.text
    seen = await browser.send(await browser.go(REGISTER))
    assert seen.path == "/auth/manage"
    session = await session_of(server, browser.http)
    assert (session.acr, session.amr) == ("card", ("sc", "mfa"))
    account = await server.parts.persons.account_of(NO_ACCOUNT_DOD_ID)
    assert account is not None
    assert (account.added_by, account.password_hash, account.name) == ("card", "", "Jo Example")
    # The number finds the account. A card bound to it would go on doing so after the number had become another's.
    assert await server.parts.documents.find(CARDS, {}) == []
    patient = await record.now(f"Patient/{account.patients[0]}")
    assert [each["value"] for each in patient["identifier"]] == [NO_ACCOUNT_DOD_ID]
    (task,) = await record.rows("Task")
    assert b'"status":"completed"' in task["body"]
    again = holder(server)
    await again.send(await again.go("/auth/card"))
    assert (await session_of(server, again.http)).account == account.id


async def test_a_typed_number_is_ignored(desk: Desk) -> None:
    server, _ = desk
    browser = holder(server)
    await browser.send(await browser.go(REGISTER), dod_id=OTHER_DOD_ID)
    assert await server.parts.persons.account_of(OTHER_DOD_ID) is None
    assert await server.parts.persons.account_of(NO_ACCOUNT_DOD_ID) is not None


async def test_without_a_card_it_is_said_what_is_needed(desk: Desk) -> None:
    server, _ = desk
    seen = await server.browser().go(REGISTER)
    assert seen.status == 401
    assert "certificate-missing" in seen.text


@pytest.mark.parametrize("who", ["unknown", "not eligible", "registered already"])
async def test_a_card_that_may_not_register_is_refused_and_in_the_audit_log(desk: Desk, who: str) -> None:
    server, _ = desk
    number = {"unknown": "4444444444", "not eligible": "5555555555", "registered already": "1234567890"}[who]
    if who == "not eligible":
        server.registry.enroll(number, "Lee", "Example", "veteran")
    before = len(await server.parts.documents.find(ACCOUNTS, {}))
    browser = holder(server, number)
    seen = await browser.send(await browser.go(REGISTER))
    assert seen.status == 403
    assert "credential-not-recognized" in seen.text
    assert len(await server.parts.documents.find(ACCOUNTS, {})) == before
    assert await server.parts.documents.find(CARDS, {}) == []
    assert "a valid CAC that registers nobody" in server.said("registration")


async def test_while_the_registry_is_away_it_is_a_503(desk: Desk) -> None:
    server, _ = desk
    browser = holder(server)
    form = await browser.go(REGISTER)
    server.registry.is_away = True
    assert (await browser.send(form)).status == 503


async def test_a_form_of_another_site_registers_nobody(desk: Desk) -> None:
    server, _ = desk
    browser = holder(server)
    form = await browser.go(REGISTER)
    assert (await browser.send(form, csrf="x")).status == 403
    assert await server.parts.persons.account_of(NO_ACCOUNT_DOD_ID) is None


async def test_sent_many_times_at_once_it_is_one_account_that_may_sign_in(desk: Desk) -> None:
    server, record = desk
    browsers = [holder(server) for _ in range(4)]
    forms = [await each.go(REGISTER) for each in browsers]
    await asyncio.gather(*(browser.send(form) for browser, form in zip(browsers, forms, strict=True)))
    found = await server.parts.documents.find(ACCOUNTS, {"added_by": "card"})
    assert len([each for each in found if not each["is_disabled"]]) == 1
    assert len(await record.rows("Task")) == 1
    assert len(await record.rows("Patient")) == 1
