"""Sessions of browsers: a cookie with 256 random bits, of which only the hash is kept, so that nobody reads it back.

https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html
"""

from collections.abc import Callable

import msgspec

from smart_auth.access import Acr
from smart_auth.documents import Documents
from smart_auth.identity.assurance import as_of
from smart_auth.random_secrets import digest, new_secret
from smart_auth.records import SESSIONS, Account, Session, kept, read
from smart_auth.settings import SmartSettings

# A session's last use is written at most this often, so that a person who clicks does not write at each click.
_SEEN_EVERY_SECONDS = 60


class Sessions:
    """The sessions that all workers share; they outlive a restart."""

    def __init__(self, documents: Documents, settings: SmartSettings, now: Callable[[], int]) -> None:
        self._documents = documents
        self._settings = settings
        self._now = now

    async def start(
        self, account: Account, acr: Acr = "level1", amr: tuple[str, ...] = (), by_cac: bool = False
    ) -> tuple[str, Session]:
        """A new session with the value of its cookie, which is told this once."""
        value = new_secret()
        now = self._now()
        session = Session(
            id=digest(value),
            account=account.id,
            csrf=new_secret(),
            signed_in_at=now,
            last_seen_at=now,
            acr=acr,
            amr=amr,
            by_cac=by_cac,
        )
        await self._documents.insert(SESSIONS, session.id, kept(session), self._ends(session))
        return value, session

    async def find(self, value: str | None) -> Session | None:
        """The session of a cookie's value, if it is neither too old nor was left unused for too long.

        Its `acr` is what it is good for by now.
        """
        document = await self._documents.get(SESSIONS, digest(value)) if value else None
        if document is None:
            return None
        session = read(Session, document)
        acr = as_of(self._now(), session.acr, session.signed_in_at, self._settings.card_hours)
        return await self._seen(msgspec.structs.replace(session, acr=acr)) if self.is_live(session) else None

    def is_live(self, session: Session) -> bool:
        """Whether a session may still be used."""
        now = self._now()
        return now < self._ends(session) and now < session.last_seen_at + self._settings.session_idle_minutes * 60

    async def end(self, id: str) -> None:
        """End a session, and with it what was granted for as long as it lasts (`online_access`)."""
        await self._documents.remove(SESSIONS, id)

    async def _seen(self, session: Session) -> Session:
        if self._now() - session.last_seen_at >= _SEEN_EVERY_SECONDS:
            await self._documents.change(SESSIONS, session.id, {"last_seen_at": self._now()})
        return session

    def _ends(self, session: Session) -> int:
        return session.signed_in_at + self._settings.session_hours * 3600
