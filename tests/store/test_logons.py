"""What may happen once only, over the database that two workers share."""

import asyncio

import pytest

from fhir_server.store.documents import DatabaseDocuments
from fhir_server.store.mongo import Database
from smart_auth.documents import Change, Documents
from smart_auth.identity.accounts import Accounts
from smart_auth.identity.one_time_codes import OneTimeCodes
from smart_auth.identity.persons import Persons, PersonTaken
from smart_auth.records import ACCOUNTS, PERSONS, Account, kept
from smart_auth.sealing import Seal
from tests.auth.clock import Clock

SEAL = Seal(b"k" * 32)
DOD_ID = "1234567890"
WORKERS = 2


@pytest.fixture
def documents(database: Database) -> Documents:
    return DatabaseDocuments(database, Change)


async def account(documents: Documents, id: str) -> Account:
    made = Account(id=id, username=id, login=id, password_hash="", kind="patient", level="level1")
    await documents.insert(ACCOUNTS, id, kept(made))
    return made


async def test_of_many_accounts_of_one_person_one_wins(documents: Documents) -> None:
    workers = [Persons(documents, Accounts(documents, Clock()), SEAL, Clock()) for _ in range(WORKERS)]
    accounts = [await account(documents, f"a{number}") for number in range(8)]
    answers = await asyncio.gather(
        *(workers[at % WORKERS].bind(each, DOD_ID, "p1", "level2") for at, each in enumerate(accounts)),
        return_exceptions=True,
    )
    winners = [each for each in answers if isinstance(each, Account)]
    assert len(winners) == 1 and sum(isinstance(each, PersonTaken) for each in answers) == 7
    assert [each["id"] for each in await documents.find(ACCOUNTS, {"patients": "p1"})] == [winners[0].id]
    assert len(await documents.find(PERSONS, {})) == 1
    assert [each["id"] for each in await documents.find(ACCOUNTS, {"level": "level2"})] == [winners[0].id]


async def test_a_claim_moves_once_from_an_account_that_has_ended(documents: Documents) -> None:
    persons = Persons(documents, Accounts(documents, Clock()), SEAL, Clock())
    await persons.bind(await account(documents, "old"), DOD_ID, "p1", "level2")
    await documents.change(ACCOUNTS, "old", {"is_logon_active": False})
    accounts = [await account(documents, f"a{number}") for number in range(6)]
    answers = await asyncio.gather(
        *(persons.bind(each, DOD_ID, "p1", "level2") for each in accounts), return_exceptions=True
    )
    winners = [each.id for each in answers if isinstance(each, Account)]
    assert len(winners) == 1
    assert [each["id"] for each in await documents.find(ACCOUNTS, {"patients": "p1"})] == winners


async def test_a_code_is_good_once(documents: Documents) -> None:
    workers = [OneTimeCodes(documents, SEAL, Clock()) for _ in range(WORKERS)]
    ann, secret = await account(documents, "ann"), workers[0].new_secret()
    await workers[0].enroll(ann.id, secret)
    code = workers[0].code_at(secret, Clock()())
    answers = await asyncio.gather(*(workers[at % WORKERS].is_right(ann, code) for at in range(10)))
    assert answers.count(True) == 1


async def test_a_secret_that_was_shown_is_enrolled_once(documents: Documents) -> None:
    workers = [OneTimeCodes(documents, SEAL, Clock()) for _ in range(WORKERS)]
    ann = await account(documents, "ann")
    secrets = {await each.proposed("s1") for each in workers}
    assert len(secrets) == 1
    code = workers[0].code_at(secrets.pop(), Clock()())
    answers = await asyncio.gather(*(workers[at % WORKERS].confirm(ann, "s1", code) for at in range(6)))
    assert answers.count(True) == 1
