"""What was revoked: known to every worker within a second, or else nothing is admitted (RFC 7009 section 2).

Tokens are checked without the database, so each worker keeps the whole set and follows its changes.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import Literal

from smart_auth.access import AccessContext
from smart_auth.documents import Change, Documents
from smart_auth.records import REVOCATIONS

Revocable = Literal["token", "grant", "client", "account", "key"]

# Over this the set is not known well enough to admit anybody.
MAX_AGE_SECONDS = 1.0

# Each is about 100 bytes, and goes when the last token it could concern has expired.
MAX_REVOCATIONS = 1_000_000

_PAUSE_SECONDS = 0.2

_log = logging.getLogger("smart_auth")


class Revocations:
    """The set of what is revoked. `run` keeps it; until that has read it, and whenever it fell behind, it is stale."""

    def __init__(
        self, documents: Documents, now: Callable[[], int], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._documents = documents
        self._now = now
        self._monotonic = monotonic
        self._revoked: set[str] = set()
        self._proven_at: float | None = None
        self._proof = asyncio.Event()

    async def revoke(self, kind: Revocable, id: str, until: int | None) -> None:
        """End what bears this id. After `until`, when the last of it has expired anyway, nobody needs to remember;
        None: for good.
        """
        name = _name(kind, id)
        await self._documents.replace(REVOCATIONS, name, {"at": self._now(), "until": until}, until)
        self._revoked.add(name)

    def is_revoked(self, access: AccessContext) -> bool:
        """Whether the token, its grant, its client, its account or the key that signed it was revoked."""
        revoked = self._revoked
        if not revoked:
            return False
        return (
            _name("token", access.token_id) in revoked
            or _name("grant", access.grant or "") in revoked
            or _name("client", access.client_id) in revoked
            or _name("account", access.subject) in revoked
            or _name("key", access.signed_by) in revoked
        )

    def is_key_revoked(self, kid: str) -> bool:
        """Whether nothing that this key signed counts any more."""
        return _name("key", kid) in self._revoked

    async def forgive(self, kind: Revocable, id: str) -> None:
        """Forget a revocation: what bears the id from now on counts again."""
        name = _name(kind, id)
        await self._documents.remove(REVOCATIONS, name)
        self._revoked.discard(name)

    @property
    def is_stale(self) -> bool:
        """Whether a revocation of more than a second ago may be missing here."""
        return self._proven_at is None or self._monotonic() - self._proven_at > MAX_AGE_SECONDS

    async def is_fresh_within(self, seconds: float) -> bool:
        """Whether it is not stale, or stops being so within this time: a busy worker catches up by itself."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.is_stale:
                    self._proof.clear()
                    await self._proof.wait()
        return not self.is_stale

    async def run(self) -> None:
        """Follow the changes until cancelled; where the connection ends, begin anew and read everything again."""
        while True:
            changes = self._documents.changes(REVOCATIONS)
            try:
                await self._follow(changes)
            except Exception as error:
                # Whatever it is: nothing is admitted until this works again.
                _log.warning("revocations are not followed: %s", type(error).__name__)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _follow(self, changes: AsyncIterator[Change | None]) -> None:
        # Its first answer shows that it listens; only then is what it does not tell read, so that nothing is between.
        first = await anext(changes)
        begun = self._monotonic()
        known = await self._documents.find(REVOCATIONS, {}, limit=MAX_REVOCATIONS)
        self._revoked = {document["id"] for document in known}
        self._heed(first, begun)
        async for change in changes:
            self._heed(change, self._monotonic())

    def _heed(self, change: Change | None, proven_at: float) -> None:
        if change is not None and change.document is not None:
            self._revoked.add(change.id)
        elif change is not None:
            self._revoked.discard(change.id)
        self._proven_at = proven_at
        self._proof.set()


def _name(kind: Revocable, id: str) -> str:
    return f"{kind} {id}"
