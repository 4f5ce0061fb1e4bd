"""The way from an Authorization header to who asks (RFC 6750), and what is looked at each time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass

import pytest

from smart_auth import guard as guards
from smart_auth.access import Guard, NotAdmitted
from smart_auth.floods import Floods
from smart_auth.guard import TokenGuard
from smart_auth.keys import Keys
from smart_auth.limits import Limits
from smart_auth.revocations import Revocations
from smart_auth.settings import SmartSettings
from smart_auth.tokens import AccessTokens
from tests.auth.clock import Clock, Monotonic
from tests.auth.granted import BASE, account, client, grant, is_own_base
from tests.auth.memory_documents import MemoryDocuments
from tests.auth.trail import Trail

SETTINGS = SmartSettings(fhir_requests_per_minute=20)


@dataclass(slots=True)
class Worker:
    """One guard with what it stands on, and a good token."""

    documents: MemoryDocuments
    clock: Clock
    monotonic: Monotonic
    tokens: AccessTokens
    revocations: Revocations
    guard: Guard
    trail: Trail
    token: str = ""

    async def refusal(self, authorization: str | None) -> NotAdmitted:
        with pytest.raises(NotAdmitted) as refused:
            await self.guard.admitted(authorization)
        return refused.value


@pytest.fixture(scope="module")
def keys_documents() -> MemoryDocuments:
    return MemoryDocuments(Clock())


@pytest.fixture
async def worker(keys_documents: MemoryDocuments) -> AsyncIterator[Worker]:
    clock, monotonic = Clock(), Monotonic()
    documents = MemoryDocuments(clock)
    tokens = AccessTokens(Keys(keys_documents, clock), SETTINGS, clock, is_own_base)
    revocations = Revocations(documents, clock, monotonic)
    trail = Trail()
    guard = TokenGuard(tokens, revocations, Limits(documents, SETTINGS, clock), Floods(trail, clock))
    worker = Worker(documents, clock, monotonic, tokens, revocations, guard, trail)
    worker.token, _ = await tokens.mint(grant(), client(), account(), BASE)
    running = asyncio.create_task(revocations.run())
    assert await revocations.is_fresh_within(5)
    yield worker
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_a_good_token_is_admitted_however_the_scheme_is_written(worker: Worker, scheme: str) -> None:
    access = await worker.guard.admitted(f"{scheme} {worker.token}")
    assert (access.subject, access.client_id) == ("ada", "app")


@pytest.mark.parametrize("authorization", [None, "", "Basic YXBwOnNlY3JldA==", "Digest username=ada", "Token x"])
async def test_without_a_bearer_token_the_challenge_has_no_error(worker: Worker, authorization: str | None) -> None:
    refused = await worker.refusal(authorization)
    assert (refused.status, refused.error) == (401, None)


@pytest.mark.parametrize(
    "credentials",
    ["", " ", "abc", "a b", "a,b", "é", "a.b.c", "=", '"x"', "x" * 100_000, "null", "undefined", "../..", "a\nb"],
)
async def test_a_malformed_token_is_an_invalid_one(worker: Worker, credentials: str) -> None:
    refused = await worker.refusal(f"Bearer {credentials}")
    assert (refused.status, refused.error) == (401, "invalid_token")


async def test_two_tokens_in_one_header_are_none(worker: Worker) -> None:
    assert (await worker.refusal(f"Bearer {worker.token}, Bearer {worker.token}")).status == 401
    assert (await worker.refusal(f"Bearer {worker.token} {worker.token}")).status == 401


async def test_a_token_seen_before_is_not_read_again(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await worker.guard.admitted(f"Bearer {worker.token}")

    async def never(token: str) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(worker.tokens, "read", never)
    assert await worker.guard.admitted(f"Bearer {worker.token}") is first


async def test_a_token_seen_before_expires_all_the_same(worker: Worker) -> None:
    await worker.guard.admitted(f"Bearer {worker.token}")
    worker.clock.pass_seconds(SETTINGS.access_token_seconds)
    for _ in range(2):
        refused = await worker.refusal(f"Bearer {worker.token}")
        assert (refused.status, refused.error) == (401, "invalid_token")


async def test_a_token_seen_before_is_refused_once_it_is_revoked(worker: Worker) -> None:
    await worker.guard.admitted(f"Bearer {worker.token}")
    await worker.revocations.revoke("grant", "grant-1", worker.clock() + 3600)
    refused = await worker.refusal(f"Bearer {worker.token}")
    assert (refused.status, refused.error) == (401, "invalid_token")


async def test_a_changed_end_of_a_token_seen_before_does_not_pass_for_it(worker: Worker) -> None:
    await worker.guard.admitted(f"Bearer {worker.token}")
    other_end = "A" if worker.token[-5] != "A" else "B"
    changed = worker.token[:-5] + other_end + worker.token[-4:]
    assert (await worker.refusal(f"Bearer {changed}")).error == "invalid_token"


async def test_while_revocations_are_not_known_nobody_is_admitted(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guards, "CATCH_UP_SECONDS", 0.05)
    await worker.guard.admitted(f"Bearer {worker.token}")
    worker.documents.is_away = True
    worker.monotonic.pass_seconds(1.5)
    refused = await worker.refusal(f"Bearer {worker.token}")
    assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
    [event] = worker.trail.events
    assert (event.kind, event.client_id, event.outcome) == ("unavailable", "app", "failed")
    worker.documents.is_away = False
    await asyncio.sleep(0.4)
    await worker.guard.admitted(f"Bearer {worker.token}")


async def test_a_worker_that_was_just_busy_catches_up_before_it_refuses(worker: Worker) -> None:
    worker.monotonic.pass_seconds(60)
    await worker.guard.admitted(f"Bearer {worker.token}")


async def test_a_client_over_its_limit_is_told_when_to_come_again(worker: Worker) -> None:
    for _ in range(SETTINGS.fhir_requests_per_minute):
        await worker.guard.admitted(f"Bearer {worker.token}")
    refused = await worker.refusal(f"Bearer {worker.token}")
    assert (refused.status, refused.headers["Retry-After"]) == (429, "60")
    [event] = worker.trail.events
    assert (event.kind, event.client_id, event.outcome) == ("throttled", "app", "failed")
    worker.clock.pass_seconds(60)
    await worker.guard.admitted(f"Bearer {worker.token}")


async def test_refused_tokens_do_not_use_up_a_clients_share(worker: Worker) -> None:
    for _ in range(SETTINGS.fhir_requests_per_minute * 2):
        await worker.refusal(f"Bearer {worker.token}x")
    await worker.guard.admitted(f"Bearer {worker.token}")


async def test_only_so_many_tokens_are_remembered(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "MAX_KNOWN_TOKENS", 2)
    minted = [(await worker.tokens.mint(grant(), client(), account(), BASE))[0] for _ in range(3)]
    for token in (*minted, minted[0]):
        await worker.guard.admitted(f"Bearer {token}")
    reads: list[str] = []
    read = worker.tokens.read

    async def counted(token: str) -> object:
        reads.append(token)
        return await read(token)

    monkeypatch.setattr(worker.tokens, "read", counted)
    for token in (minted[2], minted[0], minted[1]):
        await worker.guard.admitted(f"Bearer {token}")
    assert reads == [minted[1]]
