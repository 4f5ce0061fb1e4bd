"""Passwords: kept as argon2id hashes, verified beside the event loop and never faster for a name that does not exist.

https://www.rfc-editor.org/rfc/rfc9106, https://pages.nist.gov/800-63-3/sp800-63b.html#memsecretver
"""

import asyncio
import unicodedata
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

LONGEST_PASSWORD = 256
"""Characters. A longer one is never right, and costs what a wrong one costs."""

# 19 MiB and two passes: 25 ms of CPU for each sign-in, so that 1,000 in a minute take less than half of one core.
_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1, type=Type.ID)

# Two at a time: more would take the memory and the cores from requests that have a token already.
_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="password")

# What is verified where there is no account: of the same parameters as every other hash, and of a password nobody has.
_NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$RhHLwNWwGI8MqTaLQyuDwg$ZhEXw3QJCpl04aPYk/5NdZe1eR8ehsRpwIeahqQGHKI"


async def hashed(password: str) -> str:
    """The hash to keep, with its parameters and salt. Raises ValueError for an empty or overlong password."""
    if not 0 < len(password) <= LONGEST_PASSWORD:
        raise ValueError(f"A password has 1 to {LONGEST_PASSWORD} characters.")
    return await asyncio.get_running_loop().run_in_executor(_threads, _hasher.hash, _normal(password))


async def is_right(password: str, password_hash: str | None) -> bool:
    """Whether the password is the one of this hash; without a hash it is wrong, after the same work."""
    typed = _normal(password[: LONGEST_PASSWORD + 1])
    matches = await asyncio.get_running_loop().run_in_executor(_threads, _matches, password_hash or _NOBODY, typed)
    return matches and password_hash is not None and len(password) <= LONGEST_PASSWORD


def _matches(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def _normal(password: str) -> str:
    """One form for what keyboards write differently (NIST SP 800-63B 5.1.1.2 asks for NFKC or NFKD)."""
    return unicodedata.normalize("NFKC", password)
