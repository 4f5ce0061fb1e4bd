"""A registry of eligibility that is asked over HTTPS: one address, one person or one family for each question.

`POST {url}/enrolled` with `{"dod_id": ...}` or `{"ssn": ...}` is answered by 200 and the person, or 404;
with `{"sponsor_dod_id": ...}` by 200 and `{"enrolled": [...]}`. Numbers stand in bodies only: addresses are logged.
"""

import asyncio
from collections.abc import Mapping
from typing import TypeVar

import httpx
import msgspec

from smart_auth.identity import numbers
from smart_auth.identity.eligibility import Enrolled, RegistryUnavailable

TIMEOUT_SECONDS = 3.0
MAX_BYTES = 262_144
MOST_DEPENDENTS = 100


Answer = TypeVar("Answer", bound="Enrolled | _Family")


class _Family(msgspec.Struct, frozen=True):
    enrolled: tuple[Enrolled, ...]


class HttpRegistry:
    """Asks the registry at `url` with a bearer token. `transport` is for tests."""

    def __init__(self, url: str, token: str | None, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._url = f"{url.rstrip('/')}/enrolled"
        self._headers = {"authorization": f"Bearer {token}"} if token else {}
        self._transport = transport

    async def by_dod_id(self, dod_id: str) -> Enrolled | None:
        """Who has this DoD ID. Raises RegistryUnavailable, also where it answers with somebody else."""
        found = self._read(await self._asked({"dod_id": dod_id}), Enrolled)
        if found is not None and found.dod_id != dod_id:
            raise RegistryUnavailable("The registry answered with somebody else.")
        return found

    async def by_ssn(self, ssn: str) -> Enrolled | None:
        """Who has this Social Security number. Raises RegistryUnavailable."""
        return self._read(await self._asked({"ssn": ssn}), Enrolled)

    async def dependents_of(self, dod_id: str) -> tuple[Enrolled, ...]:
        """Whose sponsor this person is. Raises RegistryUnavailable, also where it answers with another's family."""
        family = self._read(await self._asked({"sponsor_dod_id": dod_id}), _Family)
        found = () if family is None else family.enrolled
        if len(found) > MOST_DEPENDENTS or any(each.sponsor_dod_id != dod_id for each in found):
            raise RegistryUnavailable("The registry answered with somebody else's family.")
        return tuple(sorted(found, key=lambda each: each.dod_id))

    async def _asked(self, question: Mapping[str, str]) -> bytes | None:
        """The body of a 200, None for a 404."""
        try:
            async with (
                # Also of an answer that comes byte by byte.
                asyncio.timeout(TIMEOUT_SECONDS),
                httpx.AsyncClient(
                    transport=self._transport, trust_env=False, follow_redirects=False, timeout=TIMEOUT_SECONDS
                ) as client,
                client.stream("POST", self._url, json=dict(question), headers=self._headers) as response,
            ):
                body = await _bounded(response)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            # Without the error's own words: they may hold the address, and that a token.
            raise RegistryUnavailable(f"The registry did not answer: {type(error).__name__}.") from None
        if response.status_code == 404:
            return None
        if response.status_code != 200:
            raise RegistryUnavailable(f"The registry answered with status {response.status_code}.")
        return body

    def _read(self, body: bytes | None, kind: type[Answer]) -> Answer | None:
        if body is None:
            return None
        try:
            read = msgspec.json.decode(body, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError):
            # What it says may hold what the answer held.
            raise RegistryUnavailable("The registry answered with something else than a person.") from None
        people = read.enrolled if isinstance(read, _Family) else (read,)
        if any(numbers.dod_id(each.dod_id) != each.dod_id or not each.family for each in people):
            raise RegistryUnavailable("The registry answered with a person without number or name.")
        return read


async def _bounded(response: httpx.Response) -> bytes:
    body = b""
    async for portion in response.aiter_bytes():
        body += portion
        if len(body) > MAX_BYTES:
            raise RegistryUnavailable("The registry's answer is too long.")
    return body
