"""Refusals that come in floods, in the audit log as few rows: the first of a minute at once, and how many followed it.

RFC 6585 section 4 (429), docs/adr/0019
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from smart_auth.audit import AuditTrail, AuthEvent, AuthEventKind
from smart_auth.random_secrets import digest
from smart_auth.records import Account

WINDOW_SECONDS = 60

MAX_CALLERS = 1_000
"""Callers told apart at a time: with these, a worker writes 2,002 rows in a minute at most, whatever comes."""

_PAUSE_SECONDS = 1.0
_OTHERS = ""


@dataclass(slots=True)
class _Window:
    """The first refusal, and how many of the same caller came after it until `ends`."""

    first: AuthEvent
    ends: int
    more: int = 0


class Floods:
    """Counts refusals by caller. A caller is whatever names one: a client, an address, both."""

    def __init__(self, audit: AuditTrail, now: Callable[[], int]) -> None:
        self._audit = audit
        self._now = now
        self._windows: dict[str, _Window] = {}

    async def note(
        self,
        caller: str,
        kind: AuthEventKind,
        text: str,
        *,
        client_id: str | None = None,
        account: Account | None = None,
    ) -> None:
        """Keep a refusal. The first of a caller within a minute is durable when this returns; others are counted.

        Raises the store's error where the first cannot be kept; it is counted then.
        """
        now, key = self._now(), digest(f"{kind} {caller}")
        event = AuthEvent(
            kind=kind,
            at=now,
            outcome="failed",
            account=None if account is None else account.id,
            client_id=client_id,
            fhir_user=None if account is None else account.fhir_user,
            text=text,
        )
        if key not in self._windows and len(self._windows) >= MAX_CALLERS:
            key, event = _OTHERS, AuthEvent(kind="throttled", at=now, outcome="failed", text="refusals of many callers")
        window = self._windows.get(key)
        if window is not None:
            # Also where its minute is over and it was not told yet: it is told with what came by then.
            window.more += 1
            return
        window = self._windows[key] = _Window(event, now + WINDOW_SECONDS)
        try:
            await self._audit.record(event)
        except BaseException:
            window.more += 1
            raise

    async def run(self) -> None:
        """Tell what was counted as each minute ends, until cancelled."""
        while True:
            await self._tell(self._now())
            await asyncio.sleep(_PAUSE_SECONDS)

    async def end(self) -> None:
        """Tell everything that was counted."""
        await self._tell(None)

    async def _tell(self, until: int | None) -> None:
        """Tell of the windows that have ended by then; of all without one."""
        over = [key for key, window in self._windows.items() if until is None or window.ends <= until]
        for key in over:
            window = self._windows.get(key)
            if window is not None and await self._is_told(window):
                del self._windows[key]

    async def _is_told(self, window: _Window) -> bool:
        """Whether everything that was counted is kept; where not, the window goes on."""
        told, window.more = window.more, 0
        try:
            if told:
                await self._audit.record(self._following(window.first, told))
        except Exception:
            # The database is away: it is told later, with what came by then.
            window.more += told
            return False
        window.ends = self._now() + WINDOW_SECONDS
        return not window.more

    def _following(self, first: AuthEvent, count: int) -> AuthEvent:
        return replace(first, at=self._now(), text=f"{first.text}: {count} more within {WINDOW_SECONDS} s")
