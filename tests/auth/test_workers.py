"""Workers that share nothing but a real database: keys, revocations and counts are one."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress

import pytest
import pytest_asyncio

from fhir_server.store import mongo
from fhir_server.store.documents import DatabaseDocuments
from smart_auth.access import NotAdmitted
from smart_auth.authorization import Authorization
from smart_auth.documents import Change
from smart_auth.errors import OAuthError
from smart_auth.records import SIGNING_KEYS
from smart_auth.settings import SmartSettings
from tests.auth.granted import BASE, account, client, grant, is_own_base
from tests.auth.oauth import OnePatient
from tests.auth.trail import Trail


def now() -> int:
    return int(time.time())


def worker_over(database: mongo.Database) -> Authorization:
    """What one worker process has."""
    documents = DatabaseDocuments(database, Change)
    return Authorization.compose(
        documents, OnePatient(), Trail(), SmartSettings(), now, is_own_base, base_of=lambda request: BASE
    )


@pytest_asyncio.fixture
async def workers(mongodb_uri: str, database_name: str) -> AsyncIterator[tuple[Authorization, Authorization]]:
    async with AsyncExitStack() as opened:
        made = []
        for _ in range(2):
            database = mongo.connect(mongodb_uri, database_name)
            opened.push_async_callback(mongo.close, database)
            made.append(worker_over(database))
        running = [asyncio.create_task(worker.revocations.run()) for worker in made]
        for worker in made:
            assert await worker.revocations.is_fresh_within(10)
        yield made[0], made[1]
        for task in running:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def test_both_begin_with_one_key(workers: tuple[Authorization, Authorization]) -> None:
    one, other = workers
    keys = await asyncio.gather(one.keys.signing(), other.keys.signing())
    assert keys[0].kid == keys[1].kid
    assert len(await one.documents.find(SIGNING_KEYS, {})) == 1


async def test_what_one_signs_by_a_new_key_the_other_admits(workers: tuple[Authorization, Authorization]) -> None:
    one, other = workers
    await other.keys.signing()
    await one.keys.rotate()
    token, _ = await one.tokens.mint(grant(), client(), account(), BASE)
    assert (await other.guard.admitted(f"Bearer {token}")).subject == "ada"


async def test_what_one_revokes_the_other_refuses_within_a_second(workers: tuple[Authorization, Authorization]) -> None:
    one, other = workers
    token, _ = await one.tokens.mint(grant(), client(), account(), BASE)
    await other.guard.admitted(f"Bearer {token}")
    await one.revocations.revoke("grant", "grant-1", now() + 3600)
    with pytest.raises(NotAdmitted) as refused:
        await one.guard.admitted(f"Bearer {token}")
    assert refused.value.error == "invalid_token"
    await asyncio.sleep(1)
    with pytest.raises(NotAdmitted) as refused:
        await other.guard.admitted(f"Bearer {token}")
    assert refused.value.error == "invalid_token"


async def test_keys_replaced_at_once_end_what_they_signed_at_all_workers_within_a_second(
    workers: tuple[Authorization, Authorization],
) -> None:
    one, other = workers
    signed_by_old = [(await worker.tokens.mint(grant(), client(), account(), BASE))[0] for worker in workers]
    for token in signed_by_old:
        await other.guard.admitted(f"Bearer {token}")
    await one.replace_keys()
    await asyncio.sleep(1)
    for worker in workers:
        for token in signed_by_old:
            with pytest.raises(NotAdmitted) as refused:
                await worker.guard.admitted(f"Bearer {token}")
            assert refused.value.error == "invalid_token"
            with pytest.raises(NotAdmitted):
                await worker.tokens.claims(token)
        signed_by_new, _ = await worker.tokens.mint(grant(), client(), account(), BASE)
        assert (await one.guard.admitted(f"Bearer {signed_by_new}")).subject == "ada"
        assert (await other.guard.admitted(f"Bearer {signed_by_new}")).subject == "ada"
        assert len((await worker.keys.jwks())["keys"]) == 1


async def test_a_worker_that_begins_after_a_theft_knows_nothing_of_the_stolen_key(
    workers: tuple[Authorization, Authorization], mongodb_uri: str, database_name: str
) -> None:
    one, _ = workers
    stolen, _ = await one.tokens.mint(grant(), client(), account(), BASE)
    await one.replace_keys()
    database = mongo.connect(mongodb_uri, database_name)
    begun = worker_over(database)
    with pytest.raises(NotAdmitted):
        await begun.tokens.read(stolen)
    await mongo.close(database)


async def test_a_silent_stream_does_not_make_anybody_wait(workers: tuple[Authorization, Authorization]) -> None:
    stale = 0
    for _ in range(30):
        await asyncio.sleep(0.05)
        stale += workers[0].revocations.is_stale
    # A machine that stands still for a second is late by itself.
    assert stale < 25


async def test_failed_logins_count_at_both(workers: tuple[Authorization, Authorization]) -> None:
    one, other = workers
    await asyncio.gather(*(worker.limits.failed_login("ada") for worker in (one, other, one, other, one)))
    for worker in workers:
        with pytest.raises(OAuthError) as refused:
            await worker.limits.check_logins("ada")
        assert refused.value.status == 429
