"""Floods of refusals: each is in the audit log, few are rows of it."""

import asyncio

import pytest

from smart_auth import floods as limits
from smart_auth.floods import WINDOW_SECONDS, Floods
from tests.auth.clock import Clock
from tests.auth.trail import Lost, Trail


@pytest.fixture
def floods(trail: Trail, clock: Clock) -> Floods:
    return Floods(trail, clock)


async def refuse(floods: Floods, caller: str, times: int = 1) -> None:
    for _ in range(times):
        await floods.note(caller, "throttled", "429: too many", client_id=caller)


async def a_second_later(floods: Floods) -> None:
    """Let the work in the background go round once."""
    running = asyncio.create_task(floods.run())
    await asyncio.sleep(0.01)
    running.cancel()


async def test_the_first_refusal_is_kept_at_once_and_the_others_are_counted(
    floods: Floods, trail: Trail, clock: Clock
) -> None:
    await refuse(floods, "app", 500)
    assert trail.texts() == ["429: too many"]
    clock.pass_seconds(WINDOW_SECONDS)
    await a_second_later(floods)
    assert trail.texts() == ["429: too many", "429: too many: 499 more within 60 s"]
    assert {event.client_id for event in trail.events} == {"app"}
    assert trail.events[-1].at == clock()


async def test_nothing_is_told_before_its_minute_is_over_and_nothing_where_nothing_followed(
    floods: Floods, trail: Trail, clock: Clock
) -> None:
    await refuse(floods, "app", 2)
    await refuse(floods, "another app")
    await a_second_later(floods)
    assert len(trail.events) == 2
    clock.pass_seconds(WINDOW_SECONDS)
    await a_second_later(floods)
    assert len(trail.events) == 3


async def test_the_next_minute_begins_with_a_row_of_its_own(floods: Floods, trail: Trail, clock: Clock) -> None:
    await refuse(floods, "app")
    clock.pass_seconds(WINDOW_SECONDS)
    await a_second_later(floods)
    await refuse(floods, "app")
    assert trail.texts() == ["429: too many"] * 2


async def test_callers_are_told_apart_up_to_a_number_and_all_others_are_one(
    floods: Floods, trail: Trail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_CALLERS", 10)
    for number in range(1000):
        await refuse(floods, f"app-{number}", 2)
    assert len(trail.events) == 11
    assert trail.events[-1].client_id is None
    await floods.end()
    assert len(trail.events) == 22
    assert trail.texts()[-1].endswith("1979 more within 60 s")


async def test_what_could_not_be_kept_is_refused_and_told_later(floods: Floods, trail: Trail, clock: Clock) -> None:
    trail.is_away = True
    with pytest.raises(Lost):
        await refuse(floods, "app")
    await refuse(floods, "app")
    clock.pass_seconds(WINDOW_SECONDS)
    await a_second_later(floods)
    assert trail.events == []
    trail.is_away = False
    await a_second_later(floods)
    assert trail.texts() == ["429: too many: 2 more within 60 s"]


async def test_the_end_of_a_worker_tells_what_was_counted(floods: Floods, trail: Trail) -> None:
    await refuse(floods, "app", 3)
    await floods.end()
    await floods.end()
    assert trail.texts() == ["429: too many", "429: too many: 2 more within 60 s"]
