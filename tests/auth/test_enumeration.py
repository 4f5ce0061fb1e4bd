"""What a stranger learns about who exists: nothing, from no page, by no word and by no clock."""

import re
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.auth.browsing import Seen
from tests.auth.logons import NEW_PASSWORD, LogonServer, logon_server

KNOWN, UNKNOWN = "ann", "zoe"
TIMES = 5

# A database is not asked here, so whatever differs is our own.
MOST_SECONDS_APART = 0.05


@pytest.fixture
async def server() -> AsyncIterator[LogonServer]:
    async with logon_server() as running:
        yield running


async def reset(server: LogonServer, name: str) -> Seen:
    browser = server.pages.another_browser()
    return await browser.send(await browser.go("/auth/reset"), name=name)


async def created(server: LogonServer, name: str) -> Seen:
    browser = server.pages.another_browser()
    typed = {"username": name, "name": "Somebody", "email": f"{name}@example.org"}
    form = await browser.go("/auth/logon/new")
    return await browser.send(form, **typed, password=NEW_PASSWORD, again=NEW_PASSWORD)


async def signed_in(server: LogonServer, name: str) -> Seen:
    browser = server.pages.another_browser()
    return await browser.sign_in(await browser.go("/auth/login"), name, "wrong")


DOORS = [reset, created, signed_in]


def bare(seen: Seen, name: str) -> str:
    """A page without what is random or was typed."""
    return re.sub(r'value="[0-9a-f]{64}"', "", seen.response.text).replace(name, "")


@pytest.mark.parametrize("door", DOORS)
async def test_the_bytes_are_the_same(server: LogonServer, door: object) -> None:
    assert callable(door)
    known, unknown = await door(server, KNOWN), await door(server, UNKNOWN)
    assert known.status == unknown.status
    assert bare(known, KNOWN) == bare(unknown, UNKNOWN)
    names = [{name.lower() for name in each.response.headers} for each in (known, unknown)]
    assert names[0] == names[1]


@pytest.mark.parametrize("door", DOORS)
async def test_the_time_is_the_same(server: LogonServer, door: Callable[[LogonServer, str], Awaitable[object]]) -> None:
    # What differs by itself does so each time; a machine that others use, now and then.
    apart = [await _seconds_apart(server, door)]
    while min(apart) >= MOST_SECONDS_APART and len(apart) < 5:
        apart.append(await _seconds_apart(server, door))
    assert min(apart) < MOST_SECONDS_APART, apart


async def _seconds_apart(server: LogonServer, door: Callable[[LogonServer, str], Awaitable[object]]) -> float:
    seconds: dict[str, list[float]] = {KNOWN: [], UNKNOWN: []}
    for _ in range(TIMES):
        for name, taken in seconds.items():
            begun = time.perf_counter()
            await door(server, name)
            taken.append(time.perf_counter() - begun)
            # A name that is locked is another matter (tests/auth/test_login.py).
            await server.parts.limits.forget_logins(name)
    one, other = (statistics.median(taken) for taken in seconds.values())
    return abs(one - other)


async def test_a_lock_can_be_lifted_and_counts_anew(server: LogonServer) -> None:
    for name in (KNOWN, UNKNOWN):
        statuses = [(await signed_in(server, name)).status for _ in range(6)]
        assert statuses[-1] == 429
        await server.parts.limits.forget_logins(name)
        assert (await signed_in(server, name)).status == statuses[0] != 429
