"""Revocations: told to every worker within a second, or nobody is admitted."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from smart_auth.access import AccessContext
from smart_auth.documents import Document
from smart_auth.revocations import Revocable, Revocations
from tests.auth.clock import Clock, Monotonic
from tests.auth.memory_documents import MemoryDocuments

LATER = Clock().seconds + 3600

ADAS = AccessContext("ada", "app", "patient", (), token_id="token-1", grant="grant-1")
BOBS = AccessContext("bob", "another app", "patient", (), token_id="token-2", grant="grant-2")


@pytest.fixture
def documents() -> MemoryDocuments:
    return MemoryDocuments(Clock())


@pytest.fixture
def clock() -> Monotonic:
    return Monotonic()


@pytest.fixture
def revocations(documents: MemoryDocuments, clock: Monotonic) -> Revocations:
    return Revocations(documents, Clock(), clock)


@asynccontextmanager
async def running(*workers: Revocations) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(worker.run()) for worker in workers]
    try:
        for worker in workers:
            await until(lambda worker=worker: not worker.is_stale)  # type: ignore[misc]
        yield
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def until(holds: Callable[[], bool], seconds: float = 3) -> None:
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 (what is waited for has no event)
            await asyncio.sleep(0.005)


@pytest.mark.parametrize(
    ("kind", "id"), [("token", "token-1"), ("grant", "grant-1"), ("client", "app"), ("account", "ada")]
)
async def test_what_bears_a_revoked_id_is_revoked_and_nothing_else(
    revocations: Revocations, kind: Revocable, id: str
) -> None:
    assert not revocations.is_revoked(ADAS)
    await revocations.revoke(kind, id, LATER)
    assert revocations.is_revoked(ADAS)
    assert not revocations.is_revoked(BOBS)


async def test_an_id_of_one_kind_does_not_revoke_another(revocations: Revocations) -> None:
    await revocations.revoke("token", "grant-1", LATER)
    await revocations.revoke("account", "app", LATER)
    assert not revocations.is_revoked(ADAS)


async def test_a_system_clients_token_without_a_grant_is_revoked_with_its_client(revocations: Revocations) -> None:
    access = AccessContext("backend", "backend", "system", (), token_id="token-3")
    await revocations.revoke("grant", "", LATER)
    assert not revocations.is_revoked(BOBS)
    await revocations.revoke("client", "backend", LATER)
    assert revocations.is_revoked(access)


async def test_until_it_runs_it_is_stale(revocations: Revocations) -> None:
    assert revocations.is_stale
    async with running(revocations):
        assert not revocations.is_stale


async def test_another_worker_hears_of_it(
    revocations: Revocations, documents: MemoryDocuments, clock: Monotonic
) -> None:
    other = Revocations(documents, Clock(), clock)
    async with running(revocations, other):
        await revocations.revoke("grant", "grant-1", LATER)
        await until(lambda: other.is_revoked(ADAS))


async def test_a_worker_that_starts_later_knows_it(
    revocations: Revocations, documents: MemoryDocuments, clock: Monotonic
) -> None:
    await revocations.revoke("grant", "grant-1", LATER)
    late = Revocations(documents, Clock(), clock)
    async with running(late):
        assert late.is_revoked(ADAS)


async def test_a_second_without_proof_makes_it_stale(
    revocations: Revocations, documents: MemoryDocuments, clock: Monotonic
) -> None:
    async with running(revocations):
        documents.is_away = True
        clock.pass_seconds(0.9)
        assert not revocations.is_stale
        clock.pass_seconds(0.2)
        assert revocations.is_stale


async def test_silence_is_proof(revocations: Revocations, clock: Monotonic) -> None:
    async with running(revocations):
        for _ in range(5):
            clock.pass_seconds(1.5)
            await until(lambda: not revocations.is_stale)


async def test_what_was_revoked_while_it_could_not_listen_is_known_when_it_is_fresh_again(
    revocations: Revocations, documents: MemoryDocuments, clock: Monotonic
) -> None:
    other = Revocations(documents, Clock(), clock)
    async with running(revocations):
        documents.is_away = True
        await asyncio.sleep(0.05)
        clock.pass_seconds(2)
        documents.is_away = False
        # No follower is connected at this moment, so that no change can tell of it.
        await other.revoke("grant", "grant-1", LATER)
        await until(lambda: not revocations.is_stale)
        assert revocations.is_revoked(ADAS)


class RevokedMeanwhile(MemoryDocuments):
    """Documents where another worker revokes a grant just after they were read."""

    async def find(self, kind: str, equal: Mapping[str, Any], limit: int = 1000) -> list[Document]:
        found = await super().find(kind, equal, limit)
        await Revocations(self, Clock()).revoke("grant", "grant-1", LATER)
        return found


async def test_what_is_revoked_while_a_worker_reads_the_rest_is_not_missed(clock: Monotonic) -> None:
    revocations = Revocations(RevokedMeanwhile(Clock()), Clock(), clock)
    async with running(revocations):
        await until(lambda: revocations.is_revoked(ADAS))


async def test_what_has_vanished_from_the_database_is_forgotten(
    revocations: Revocations, documents: MemoryDocuments
) -> None:
    async with running(revocations):
        await revocations.revoke("grant", "grant-1", LATER)
        await documents.remove_all("revocations", {})
        await until(lambda: not revocations.is_revoked(ADAS))


async def test_a_request_waits_for_a_worker_that_catches_up(revocations: Revocations, clock: Monotonic) -> None:
    async with running(revocations):
        clock.pass_seconds(5)
        assert await revocations.is_fresh_within(2)


async def test_a_request_does_not_wait_for_ever(
    revocations: Revocations, documents: MemoryDocuments, clock: Monotonic
) -> None:
    async with running(revocations):
        documents.is_away = True
        clock.pass_seconds(5)
        assert not await in_time(revocations.is_fresh_within(0.05))


async def in_time(answer: Awaitable[bool]) -> bool:
    async with asyncio.timeout(2):
        return await answer
