"""Workers that share nothing but a real database: keys, revocations and counts are one."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass

import pytest
import pytest_asyncio

from fhir_server.store import mongo
from fhir_server.store.documents import DatabaseDocuments
from smart_auth.access import NotAdmitted
from smart_auth.documents import Change
from smart_auth.errors import OAuthError
from smart_auth.guard import TokenGuard
from smart_auth.keys import Keys
from smart_auth.limits import Limits
from smart_auth.records import SIGNING_KEYS
from smart_auth.revocations import Revocations
from smart_auth.settings import SmartSettings
from smart_auth.tokens import AccessTokens
from tests.auth.granted import BASE, account, client, grant, is_own_base


def now() -> int:
    return int(time.time())


@dataclass(slots=True)
class Worker:
    """What one worker process has."""

    documents: DatabaseDocuments[Change]
    keys: Keys
    tokens: AccessTokens
    revocations: Revocations
    limits: Limits
    guard: TokenGuard


def worker_over(database: mongo.Database) -> Worker:
    documents, settings = DatabaseDocuments(database, Change), SmartSettings()
    keys = Keys(documents, now)
    tokens = AccessTokens(keys, settings, now, is_own_base)
    revocations, limits = Revocations(documents, now), Limits(documents, settings, now)
    return Worker(documents, keys, tokens, revocations, limits, TokenGuard(tokens, revocations, limits))


@pytest_asyncio.fixture
async def workers(mongodb_uri: str, database_name: str) -> AsyncIterator[tuple[Worker, Worker]]:
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


async def test_both_begin_with_one_key(workers: tuple[Worker, Worker]) -> None:
    one, other = workers
    keys = await asyncio.gather(one.keys.signing(), other.keys.signing())
    assert keys[0].kid == keys[1].kid
    assert len(await one.documents.find(SIGNING_KEYS, {})) == 1


async def test_what_one_signs_by_a_new_key_the_other_admits(workers: tuple[Worker, Worker]) -> None:
    one, other = workers
    await other.keys.signing()
    await one.keys.rotate()
    token, _ = await one.tokens.mint(grant(), client(), account(), BASE)
    assert (await other.guard.admitted(f"Bearer {token}")).subject == "ada"


async def test_what_one_revokes_the_other_refuses_within_a_second(workers: tuple[Worker, Worker]) -> None:
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


async def test_a_silent_stream_does_not_make_anybody_wait(workers: tuple[Worker, Worker]) -> None:
    stale = 0
    for _ in range(30):
        await asyncio.sleep(0.05)
        stale += workers[0].revocations.is_stale
    # A machine that stands still for a second is late by itself.
    assert stale < 10


async def test_failed_logins_count_at_both(workers: tuple[Worker, Worker]) -> None:
    one, other = workers
    await asyncio.gather(*(worker.limits.failed_login("ada") for worker in (one, other, one, other, one)))
    for worker in workers:
        with pytest.raises(OAuthError) as refused:
            await worker.limits.check_logins("ada")
        assert refused.value.status == 429
