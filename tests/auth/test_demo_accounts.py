"""The demo accounts as they are added: of their level, with nothing due, and as the persons whose records they have."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date

import pytest
import pytest_asyncio

from fhir_server.demo_accounts import add_demo_accounts
from seeds.accounts import dod_id, users
from smart_auth.authorization import Authorization
from smart_auth.identity.eligibility_embedded import EmbeddedRegistry
from smart_auth.portal import Portal
from smart_auth.records import Account
from smart_auth.sealing import Seal
from tests.auth.browsing import page_server
from tests.auth.memory_documents import MemoryDocuments
from tests.rest.in_process import opened

TODAY = date(2026, 11, 22)


@dataclass(frozen=True, slots=True)
class Demo:
    parts: Authorization
    registry: EmbeddedRegistry

    async def account(self, username: str) -> Account:
        found = await self.parts.accounts.by_login(username)
        assert found is not None
        return found


@pytest_asyncio.fixture
async def demo(mongodb_uri: str, database_name: str) -> AsyncIterator[Demo]:
    documents, seal = MemoryDocuments(), Seal.of_this_process()
    registry = EmbeddedRegistry(documents, seal)
    async with (
        opened(mongodb_uri, database_name) as context,
        page_server(documents, portal=Portal(seal=seal, registry=registry)) as pages,
    ):
        assert await add_demo_accounts(context.server.database, pages.parts, TODAY)
        assert not await add_demo_accounts(context.server.database, pages.parts, TODAY)
        yield Demo(pages.parts, registry)


async def test_nothing_is_due_of_anybody(demo: Demo) -> None:
    for user in users():
        account = await demo.account(user.username)
        assert (account.level, account.added_by, account.email) == (user.level, "seed", f"{user.username}@example.org")
        assert account.contact_verified_at and account.email_verified_at
        assert account.conditions_version == demo.parts.settings.conditions_version


async def test_whoever_was_proved_stands_for_the_person_of_that_dod_id(demo: Demo) -> None:
    number = dod_id("rivera-ana")
    assert number is not None
    found = await demo.parts.persons.account_of(number)
    assert found is not None and (found.username, found.patients) == ("ana.rivera", ("rivera-ana",))
    unproved = dod_id("oconnor-siobhan")
    assert unproved is not None and await demo.parts.persons.account_of(unproved) is None
    assert (await demo.account("siobhan.oconnor")).person is None


async def test_the_second_factor_takes_codes_of_the_secret_that_is_told(demo: Demo) -> None:
    (user,) = [each for each in users() if each.totp_secret]
    code = demo.parts.one_time_codes.code_at(str(user.totp_secret), demo.parts.now())
    assert await demo.parts.one_time_codes.is_right(await demo.account(user.username), code)
    assert not await demo.parts.one_time_codes.is_right(await demo.account("ana.rivera"), code)


async def test_the_embedded_registry_knows_the_population(demo: Demo) -> None:
    number = dod_id("rivera-ana")
    assert number is not None
    found = await demo.registry.by_dod_id(number)
    assert found is not None and found.family == "Rivera"
    assert {each.given[0] for each in await demo.registry.dependents_of(number)} >= {"Mateo", "Sofia"}


@pytest.mark.parametrize("username", ["administrator", "security.officer", "monica.salazar"])
async def test_whoever_is_no_beneficiary_stands_for_no_person(demo: Demo, username: str) -> None:
    assert (await demo.account(username)).person is None
