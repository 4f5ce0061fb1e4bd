"""Answers that take the same time whether or not there is somebody behind a name, so that no clock tells who exists.

https://cheatsheetseries.owasp.org/cheatsheets/Authentication_Cheat_Sheet.html
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

Done = TypeVar("Done")

EVEN_SECONDS = 0.4
"""Several times what the slowest way through takes: hashing a password and four durable writes, together 60 ms."""


async def in_even_time(work: Awaitable[Done], seconds: float = EVEN_SECONDS) -> Done:
    """What the work gives, and never before this time has passed. Its exceptions come at once."""
    clock = asyncio.get_running_loop().time
    earliest = clock() + seconds
    done = await work
    await asyncio.sleep(max(0.0, earliest - clock()))
    return done
