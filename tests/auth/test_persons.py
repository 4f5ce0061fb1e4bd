"""One account for one real person, whoever comes at the same time."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from smart_auth.documents import Document
from smart_auth.identity.accounts import Accounts
from smart_auth.identity.persons import Persons, PersonTaken
from smart_auth.records import ACCOUNTS, PERSONS, Account, kept
from smart_auth.sealing import Seal
from tests.auth.clock import Clock
from tests.auth.memory_documents import MemoryDocuments

SEAL = Seal(b"k" * 32)
DOD_ID, OTHER_DOD_ID = "1234567890", "9876543210"


@pytest.fixture
def documents() -> MemoryDocuments:
    return MemoryDocuments(Clock())


@pytest.fixture
def persons(documents: MemoryDocuments) -> Persons:
    return Persons(documents, Accounts(documents, Clock()), SEAL, Clock())


async def account(documents: MemoryDocuments, id: str, **fields: object) -> Account:
    made = Account(
        **{"id": id, "username": id, "login": id, "password_hash": "", "kind": "patient", "level": "level1", **fields}  # type: ignore[arg-type]
    )
    await documents.insert(ACCOUNTS, id, kept(made))
    return made


async def now(documents: MemoryDocuments, id: str) -> Account:
    found = await Accounts(documents, Clock()).get(id)
    assert found is not None
    return found


async def test_who_is_proven_gets_the_record_and_the_level(documents: MemoryDocuments, persons: Persons) -> None:
    bound = await persons.bind(await account(documents, "ann"), DOD_ID, "p1", "level2")
    assert (bound.patients, bound.fhir_user, bound.level) == (("p1",), "Patient/p1", "level2")
    assert await persons.account_of(DOD_ID) == bound
    assert await persons.account_of(OTHER_DOD_ID) is None


async def test_the_number_is_kept_as_a_digest_that_needs_our_key(documents: MemoryDocuments, persons: Persons) -> None:
    bound = await persons.bind(await account(documents, "ann"), DOD_ID, "p1", "level2")
    assert DOD_ID not in str(documents._kinds)
    assert bound.person == SEAL.keyed_digest(DOD_ID) != Seal(b"x" * 32).keyed_digest(DOD_ID)


async def test_to_bind_twice_is_to_bind_once(documents: MemoryDocuments, persons: Persons) -> None:
    ann = await account(documents, "ann")
    assert await persons.bind(ann, DOD_ID, "p1", "level2") == await persons.bind(ann, DOD_ID, "p1", "level2")
    assert len(await documents.find(PERSONS, {})) == 1


async def test_what_an_administrator_gave_stays_behind_the_own_record(
    documents: MemoryDocuments, persons: Persons
) -> None:
    ann = await account(documents, "ann", patients=("child", "p1"))
    assert (await persons.bind(ann, DOD_ID, "p1", "level2")).patients == ("p1", "child")


async def test_another_account_of_the_same_person_is_refused_and_left_as_it_was(
    documents: MemoryDocuments, persons: Persons
) -> None:
    await persons.bind(await account(documents, "ann"), DOD_ID, "p1", "level2")
    thief = await account(documents, "thief")
    with pytest.raises(PersonTaken):
        await persons.bind(thief, DOD_ID, "p1", "level2")
    assert await now(documents, "thief") == thief


async def test_an_account_stands_for_one_person(documents: MemoryDocuments, persons: Persons) -> None:
    ann = await persons.bind(await account(documents, "ann"), DOD_ID, "p1", "level2")
    with pytest.raises(PersonTaken):
        await persons.bind(ann, OTHER_DOD_ID, "p2", "level2")
    assert await now(documents, "ann") == ann
    assert await persons.account_of(OTHER_DOD_ID) is None


async def test_of_many_accounts_that_come_at_once_one_wins(documents: MemoryDocuments, persons: Persons) -> None:
    accounts = [await account(documents, f"a{number}") for number in range(8)]
    other_worker = Persons(documents, Accounts(documents, Clock()), SEAL, Clock())

    async def bound(at: Persons, each: Account) -> str | None:
        try:
            return (await at.bind(each, DOD_ID, "p1", "level2")).id
        except PersonTaken:
            return None

    answers = await asyncio.gather(
        *(bound((persons, other_worker)[number % 2], each) for number, each in enumerate(accounts))
    )
    winners = [each for each in answers if each is not None]
    assert len(winners) == 1
    everybody = [await now(documents, each.id) for each in accounts]
    assert [each.id for each in everybody if each.patients] == winners
    assert [each.id for each in everybody if each.person is not None] == winners
    holder = await persons.account_of(DOD_ID)
    assert holder is not None and [holder.id] == winners


async def test_one_account_that_claims_two_persons_at_once_gets_one(
    documents: MemoryDocuments, persons: Persons
) -> None:
    ann = await account(documents, "ann")
    answers = await asyncio.gather(
        persons.bind(ann, DOD_ID, "p1", "level2"),
        persons.bind(ann, OTHER_DOD_ID, "p2", "level2"),
        return_exceptions=True,
    )
    assert sorted(type(each).__name__ for each in answers) == ["Account", "PersonTaken"]
    assert len((await now(documents, "ann")).patients) == 1
    assert len(await documents.find(PERSONS, {})) == 1


async def test_the_claim_of_a_deactivated_logon_moves(documents: MemoryDocuments, persons: Persons) -> None:
    old = await persons.bind(await account(documents, "old"), DOD_ID, "p1", "level2")
    await documents.change(ACCOUNTS, old.id, {"is_logon_active": False})
    new = await persons.bind(await account(documents, "new"), DOD_ID, "p1", "level2")
    assert await persons.account_of(DOD_ID) == new
    left = await now(documents, "old")
    assert (left.patients, left.person, left.level, left.fhir_user) == ((), None, "level1", None)


@pytest.mark.parametrize("is_logon_active", [True, False])
async def test_the_claim_of_a_disabled_account_stays_until_it_is_enabled(
    documents: MemoryDocuments, persons: Persons, is_logon_active: bool
) -> None:
    old = await persons.bind(await account(documents, "old"), DOD_ID, "p1", "level2")
    await documents.change(ACCOUNTS, old.id, {"is_disabled": True, "is_logon_active": is_logon_active})
    new = await account(documents, "new")
    with pytest.raises(PersonTaken):
        await persons.bind(new, DOD_ID, "p1", "level2")
    assert await now(documents, "new") == new
    assert (await now(documents, "old")).patients == ("p1",)
    await documents.change(ACCOUNTS, old.id, {"is_disabled": False, "is_logon_active": False})
    assert (await persons.bind(new, DOD_ID, "p1", "level2")).patients == ("p1",)


async def test_a_record_that_a_disabled_account_was_given_by_word_goes_to_no_other_account(
    documents: MemoryDocuments, persons: Persons
) -> None:
    await account(documents, "old", patients=("p1",), is_disabled=True)
    await account(documents, "mother", patients=("p2", "p3"), is_disabled=True)
    with pytest.raises(PersonTaken):
        await persons.bind(await account(documents, "new"), DOD_ID, "p1", "level2")
    # Whom a disabled account acts for besides is not barred by that.
    assert (await persons.bind(await account(documents, "child"), DOD_ID, "p3", "level2")).patients == ("p3",)


class DisabledMeanwhile(MemoryDocuments):
    """An administrator disables the former account while its claim moves."""

    async def change(
        self, kind: str, id: str, changes: Mapping[str, Any], where: Mapping[str, Any] | None = None
    ) -> Document | None:
        if kind == PERSONS:
            await super().change(ACCOUNTS, "old", {"is_disabled": True})
        return await super().change(kind, id, changes, where)


@pytest.mark.parametrize("given_up", [False, True])
async def test_a_record_that_an_account_in_use_was_given_by_word_goes_to_no_other_account(
    documents: MemoryDocuments, persons: Persons, given_up: bool
) -> None:
    """Four numbers are known to relatives too: they must not take over what somebody uses."""
    await account(documents, "holder", patients=("p1",), is_logon_active=not given_up)
    other = await account(documents, "other")
    if given_up:
        assert (await persons.bind(other, DOD_ID, "p1", "level2")).patients == ("p1",)
        return
    with pytest.raises(PersonTaken):
        await persons.bind(other, DOD_ID, "p1", "level2")
    assert await now(documents, "other") == other
    assert await persons.account_of(DOD_ID) is None


async def test_who_acts_for_a_record_does_not_keep_it_from_its_owner(
    documents: MemoryDocuments, persons: Persons
) -> None:
    await account(documents, "parent", patients=("p0", "p1"))
    assert (await persons.bind(await account(documents, "ann"), DOD_ID, "p1", "level2")).patients == ("p1",)


async def test_an_account_that_is_disabled_while_its_claim_moves_keeps_it() -> None:
    documents = DisabledMeanwhile(Clock())
    persons = Persons(documents, Accounts(documents, Clock()), SEAL, Clock())
    old = await persons.bind(await account(documents, "old"), DOD_ID, "p1", "level2")
    await documents.change(ACCOUNTS, old.id, {"is_logon_active": False})
    new = await account(documents, "new")
    with pytest.raises(PersonTaken):
        await persons.bind(new, DOD_ID, "p1", "level2")
    assert await now(documents, "new") == new
    holder = await persons.account_of(DOD_ID)
    assert holder is not None and (holder.id, holder.patients) == ("old", ("p1",))


async def test_a_disabled_account_is_bound_to_nobody(documents: MemoryDocuments, persons: Persons) -> None:
    with pytest.raises(PersonTaken):
        await persons.bind(await account(documents, "ann", is_disabled=True), DOD_ID, "p1", "level2")
    assert (await now(documents, "ann")).patients == ()


async def test_who_stands_for_nobody_leaves_the_person_to_another(documents: MemoryDocuments, persons: Persons) -> None:
    old = await persons.bind(await account(documents, "old"), DOD_ID, "p1", "level2")
    await persons.unbind(old)
    assert await persons.account_of(DOD_ID) is None
    assert (await now(documents, "old")).patients == ()
    assert (await persons.bind(await account(documents, "new"), DOD_ID, "p1", "level2")).id == "new"


async def test_those_who_care_for_people_are_no_beneficiaries(documents: MemoryDocuments, persons: Persons) -> None:
    doctor = await account(documents, "doctor", kind="practitioner", fhir_user="Practitioner/d1")
    with pytest.raises(ValueError):
        await persons.bind(doctor, DOD_ID, "p1", "level2")
    assert await now(documents, "doctor") == doctor
