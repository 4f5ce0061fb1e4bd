"""Accounts: what one is made with, what can be changed of it, and who is let in by its password."""

import pytest

from smart_auth.identity.accounts import Accounts
from smart_auth.records import ACCOUNTS
from tests.auth.clock import Clock
from tests.auth.memory_documents import MemoryDocuments

PASSWORD = "correct horse battery staple"


@pytest.fixture
def documents() -> MemoryDocuments:
    return MemoryDocuments()


@pytest.fixture
def accounts(documents: MemoryDocuments) -> Accounts:
    return Accounts(documents, Clock())


async def test_who_is_added_by_an_administrator_is_of_level_two(accounts: Accounts) -> None:
    made = await accounts.add("ann", PASSWORD, "patient")
    assert (made.level, made.added_by, made.is_logon_active) == ("level2", "command", True)
    assert (made.email, made.totp, made.conditions_version, made.contact_verified_at) == (None, None, None, None)


async def test_what_is_known_from_the_beginning_is_kept(accounts: Accounts) -> None:
    given = {"level": "level1", "email": "ann@example.org", "added_by": "self", "conditions_version": "3"}
    made = await accounts.add("ann", PASSWORD, "patient", contact_verified_at=5, **given)  # type: ignore[arg-type]
    kept = await accounts.get(made.id)
    assert kept == made and kept is not None
    assert (kept.level, kept.email, kept.added_by, kept.conditions_version) == tuple(given.values())


async def test_an_account_without_a_password_is_entered_by_none(accounts: Accounts) -> None:
    await accounts.add("ann", "", "patient", added_by="card")
    assert await accounts.signed_in("ann", "") is None
    assert await accounts.signed_in("ann", PASSWORD) is None


async def test_a_password_that_was_hashed_before_is_as_good(accounts: Accounts) -> None:
    hash = (await accounts.add("ann", PASSWORD, "patient")).password_hash
    await accounts.add("ben", "", "patient", password_hash=hash)
    assert await accounts.signed_in("ben", PASSWORD) is not None


@pytest.mark.parametrize("field", [{"is_disabled": True}, {"is_logon_active": False}])
async def test_the_right_password_of_an_account_out_of_use_is_refused(
    accounts: Accounts, field: dict[str, bool]
) -> None:
    made = await accounts.add("ann", PASSWORD, "patient")
    assert await accounts.signed_in("ann", PASSWORD) is not None
    await accounts.change(made.id, **field)
    assert await accounts.signed_in("ann", PASSWORD) is None


async def test_a_change_is_answered_by_the_account_as_it_is_now(accounts: Accounts) -> None:
    made = await accounts.add("ann", PASSWORD, "patient")
    changed = await accounts.change(made.id, level="level1", patients=("p1",))
    assert changed is not None and (changed.level, changed.patients) == ("level1", ("p1",))
    assert await accounts.get(made.id) == changed
    assert await accounts.change("nobody", level="level1") is None


@pytest.mark.parametrize("field", ["login", "id", "username", "levels"])
async def test_neither_a_login_name_nor_what_is_no_field_can_be_changed(
    accounts: Accounts, documents: MemoryDocuments, field: str
) -> None:
    made = await accounts.add("ann", PASSWORD, "patient")
    before = await documents.get(ACCOUNTS, made.id)
    with pytest.raises(TypeError, match=field):
        await accounts.change(made.id, **{field: "x", "level": "level1"})
    assert await documents.get(ACCOUNTS, made.id) == before


async def test_a_document_from_before_there_were_levels_reads_as_before(
    accounts: Accounts, documents: MemoryDocuments
) -> None:
    old = {"username": "ann", "login": "ann", "password_hash": "", "kind": "patient", "patients": ["p1", "p2"]}
    await documents.insert(ACCOUNTS, "a1", old)
    kept = await accounts.get("a1")
    assert kept is not None and (kept.level, kept.patients, kept.is_logon_active) == ("level2", ("p1", "p2"), True)
