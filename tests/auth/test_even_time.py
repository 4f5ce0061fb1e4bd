"""Work that takes the same time whatever it finds: never less, and its failures at once."""

import asyncio

import pytest

from smart_auth.even_time import in_even_time


async def test_what_is_done_early_is_answered_late() -> None:
    clock = asyncio.get_running_loop().time
    began = clock()
    assert await in_even_time(asyncio.sleep(0, "done"), 0.2) == "done"
    assert clock() - began >= 0.2


async def test_what_is_done_late_waits_no_longer() -> None:
    assert await in_even_time(asyncio.sleep(0.01, "done"), 0.0) == "done"


async def test_a_failure_comes_at_once() -> None:
    async def failing() -> None:
        raise ValueError

    with pytest.raises(ValueError):
        await asyncio.wait_for(in_even_time(failing(), 3600), 60)
