"""Limits: shared by all workers, and silent about who exists."""

import asyncio

import pytest

from smart_auth.errors import OAuthError
from smart_auth.limits import Limits
from smart_auth.settings import SmartSettings
from tests.auth.clock import Clock
from tests.auth.memory_documents import MemoryDocuments

SETTINGS = SmartSettings(fhir_requests_per_minute=10)


@pytest.fixture
def limits(documents: MemoryDocuments, clock: Clock) -> Limits:
    return Limits(documents, SETTINGS, clock)


@pytest.fixture
def another_workers(documents: MemoryDocuments, clock: Clock) -> Limits:
    return Limits(documents, SETTINGS, clock)


async def taken(limits: Limits, key: str, times: int) -> list[int | None]:
    """The status of each refusal, None for what was let through."""

    async def once() -> int | None:
        try:
            await limits.take("register", key, 5)
        except OAuthError as refused:
            return refused.status
        return None

    return list(await asyncio.gather(*(once() for _ in range(times))))


async def test_what_goes_beyond_the_limit_is_refused(limits: Limits) -> None:
    assert sorted(await taken(limits, "10.0.0.1", 7), key=str) == [429, 429, None, None, None, None, None]


async def test_workers_count_together(limits: Limits, another_workers: Limits) -> None:
    await taken(limits, "10.0.0.1", 3)
    assert (await taken(another_workers, "10.0.0.1", 3)).count(429) == 1


async def test_one_address_does_not_use_up_anothers_share(limits: Limits) -> None:
    await taken(limits, "10.0.0.1", 9)
    assert await taken(limits, "10.0.0.2", 1) == [None]


async def test_the_refusal_says_how_long_to_wait_and_then_it_works(limits: Limits, clock: Clock) -> None:
    clock.pass_seconds(20)
    await taken(limits, "10.0.0.1", 5)
    with pytest.raises(OAuthError) as refused:
        await limits.take("register", "10.0.0.1", 5)
    assert refused.value.headers["Retry-After"] == "40"
    clock.pass_seconds(40)
    assert await taken(limits, "10.0.0.1", 1) == [None]


async def test_what_is_counted_is_not_kept_in_clear(limits: Limits, documents: MemoryDocuments) -> None:
    await limits.take("login", "10.0.0.1", 5)
    await limits.failed_login("ada")
    kept = str(await documents.find("counters", {}))
    assert "10.0.0.1" not in kept
    assert "ada" not in kept


class TestFailedLogins:
    async def test_a_name_is_refused_after_five_failures_until_the_time_is_over(
        self, limits: Limits, another_workers: Limits, clock: Clock
    ) -> None:
        for _ in range(SETTINGS.failed_logins):
            await limits.check_logins("ada")
            await limits.failed_login("ada")
        with pytest.raises(OAuthError) as refused:
            await another_workers.check_logins("ada")
        assert refused.value.status == 429
        clock.pass_seconds(int(refused.value.headers["Retry-After"]))
        await limits.check_logins("ada")

    async def test_other_names_are_not_refused(self, limits: Limits) -> None:
        for _ in range(50):
            await limits.failed_login("ada")
        await limits.check_logins("bob")

    async def test_logins_that_succeed_are_not_counted(self, limits: Limits) -> None:
        for _ in range(1000):
            await limits.check_logins("ada")

    async def test_a_check_does_the_same_for_a_name_seldom_or_often_tried(
        self, limits: Limits, documents: MemoryDocuments
    ) -> None:
        await limits.failed_login("ada")
        before = dict(documents.calls)
        await limits.check_logins("ada")
        once = {name: count - before.get(name, 0) for name, count in documents.calls.items()}
        before = dict(documents.calls)
        await limits.check_logins("nobody")
        assert once == {name: count - before.get(name, 0) for name, count in documents.calls.items()}


class TestFhirRequests:
    def test_a_client_has_its_share_of_a_minute(self, limits: Limits, clock: Clock) -> None:
        clock.pass_seconds(45)
        assert [limits.fhir_request("app") for _ in range(12)] == [None] * 10 + [15, 15]
        assert limits.fhir_request("another app") is None
        clock.pass_seconds(15)
        assert limits.fhir_request("app") is None

    def test_counting_asks_the_database_nothing(self, limits: Limits, documents: MemoryDocuments) -> None:
        limits.fhir_request("app")
        assert documents.calls == {}

    async def test_workers_learn_of_each_others_counts(self, limits: Limits, another_workers: Limits) -> None:
        for _ in range(6):
            limits.fhir_request("app")
            another_workers.fhir_request("app")
        await limits.push()
        await another_workers.push()
        assert another_workers.fhir_request("app") is not None
        # This one has told its six before the other did: it learns with what it tells next.
        assert limits.fhir_request("app") is None
        await limits.push()
        assert limits.fhir_request("app") is not None

    async def test_what_was_told_is_not_told_again(self, limits: Limits, another_workers: Limits) -> None:
        for _ in range(3):
            limits.fhir_request("app")
            await limits.push()
        await limits.push()
        another_workers.fhir_request("app")
        await another_workers.push()
        assert [another_workers.fhir_request("app") is None for _ in range(7)] == [True] * 6 + [False]

    async def test_what_is_counted_while_it_is_told_is_told_later(
        self, limits: Limits, another_workers: Limits
    ) -> None:
        limits.fhir_request("app")
        telling = asyncio.create_task(limits.push())
        await asyncio.sleep(0)
        for _ in range(4):
            limits.fhir_request("app")
        await telling
        await limits.push()
        another_workers.fhir_request("app")
        await another_workers.push()
        assert [another_workers.fhir_request("app") is None for _ in range(5)] == [True] * 4 + [False]

    async def test_what_is_told_after_the_minute_does_not_count_for_the_next(
        self, limits: Limits, clock: Clock
    ) -> None:
        for _ in range(10):
            limits.fhir_request("app")
        telling = asyncio.create_task(limits.push())
        clock.pass_seconds(60)
        assert limits.fhir_request("app") is None
        await telling
        assert [limits.fhir_request("app") is None for _ in range(10)] == [True] * 9 + [False]

    async def test_it_goes_on_counting_while_the_database_is_away(
        self, limits: Limits, documents: MemoryDocuments
    ) -> None:
        documents.is_away = True
        running = asyncio.create_task(limits.run())
        await asyncio.sleep(0.01)
        assert [limits.fhir_request("app") is None for _ in range(11)] == [True] * 10 + [False]
        assert not running.done()
        running.cancel()
