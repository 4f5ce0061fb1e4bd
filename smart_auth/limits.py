"""How often something may be done, counted over all workers (RFC 6585 section 4: 429 and Retry-After).

Windows are whole minutes, so that every worker counts into the same one.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import Callable

from smart_auth.documents import Documents
from smart_auth.errors import OAuthError, slow_down
from smart_auth.records import COUNTERS
from smart_auth.settings import SmartSettings

_PUSH_SECONDS = 1.0
_HOUR = 3600


class Limits:
    """Counters in windows of time. What they are about stands in their names as a hash only."""

    def __init__(self, documents: Documents, settings: SmartSettings, now: Callable[[], int]) -> None:
        self._documents = documents
        self._settings = settings
        self._now = now
        self._minute = -1
        # FHIR requests of this minute, by client: counted here and not told yet, and by everybody as far as told.
        self._untold: dict[str, int] = {}
        self._told: dict[str, int] = {}

    async def take(self, name: str, key: str, per_minute: int) -> None:
        """Count one more of `name` by `key` (a client, an address). Raises OAuthError slow_down over the limit."""
        if await self._count(name, key, 60, by=1) > per_minute:
            raise self._refusal("Too many requests: try again later.", 60)

    async def visit(self, address: str) -> None:
        """Count a request of somebody who did not sign in, as sign-ins are counted. Raises OAuthError slow_down."""
        await self.take("visit", address, self._settings.logins_per_minute)

    async def check_logins(self, login: str) -> None:
        """Whether this login name may be tried. Raises OAuthError slow_down after too many failures.

        It looks the same and does the same for names that exist and names that do not. To be asked before the password
        is looked at and again after it was found right: what was guessed in parallel counts too.
        """
        if await self._count("failed login", login, self._login_seconds, by=0) >= self._settings.failed_logins:
            raise self._refusal("Too many failed attempts for this name: try again later.", self._login_seconds)

    async def failed_login(self, login: str) -> None:
        """Count a login name, known or not, whose password was wrong."""
        await self._count("failed login", login, self._login_seconds, by=1)

    async def is_left(self, name: str, key: str, per_hour: int) -> bool:
        """Count one more of `name` by `key`; whether it is within what an hour has room for."""
        return await self._count(name, key, _HOUR, by=1) <= per_hour

    async def forget_logins(self, login: str) -> None:
        """Let a login name be tried again at once, as for somebody who showed otherwise who they are."""
        window = self._now() // self._login_seconds
        await self._documents.remove(COUNTERS, _counter("failed login", login, window))

    def fhir_request(self, client_id: str) -> int | None:
        """Count a FHIR request of a client; where it has had its share of this minute, the seconds to wait instead.

        Workers learn of each other's counts once a second, so that a request costs no look into the database.
        """
        now = self._now()
        if now // 60 != self._minute:
            self._minute, self._untold, self._told = now // 60, {}, {}
        untold = self._untold.get(client_id, 0)
        if untold + self._told.get(client_id, 0) >= self._settings.fhir_requests_per_minute:
            return 60 - now % 60
        self._untold[client_id] = untold + 1
        return None

    async def push(self) -> None:
        """Tell the other workers what was counted here, and learn what they counted."""
        minute, untold = self._minute, self._untold
        for client_id, count in list(untold.items()):
            told = await self._count("fhir", client_id, 60, by=count, window=minute)
            untold[client_id] -= count
            if untold is self._untold:
                self._told[client_id] = told
            if not untold[client_id]:
                del untold[client_id]

    async def run(self) -> None:
        """Push each second until cancelled."""
        while True:
            # Where the database is away the requests that need it say so; counting goes on here.
            with contextlib.suppress(Exception):
                await self.push()
            await asyncio.sleep(_PUSH_SECONDS)

    @property
    def _login_seconds(self) -> int:
        return self._settings.failed_login_minutes * 60

    async def _count(self, name: str, key: str, seconds: int, by: int, window: int | None = None) -> int:
        window = self._now() // seconds if window is None else window
        return await self._documents.count_up(COUNTERS, _counter(name, key, window), (window + 2) * seconds, by)

    def _refusal(self, text: str, seconds: int) -> OAuthError:
        return slow_down(text, seconds - self._now() % seconds)


def _counter(name: str, key: str, window: int) -> str:
    return f"{name} {window} {hashlib.sha256(key.encode('utf-8')).hexdigest()}"
