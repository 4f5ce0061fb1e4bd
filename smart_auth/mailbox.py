"""The mailbox of the demo: letters that nobody sends, kept to be shown on a page.

https://www.rfc-editor.org/rfc/rfc5322#section-3.6
"""

import time
from collections.abc import Callable

from smart_auth.documents import Documents
from smart_auth.mail import Message
from smart_auth.random_secrets import new_id
from smart_auth.records import MAILBOX, MailboxEntry, kept, read

NEWEST = 200
"""How many letters are kept, of all addresses together."""


class Mailbox:
    """A Deliver that keeps the newest letters of all workers."""

    def __init__(self, documents: Documents, now: Callable[[], int]) -> None:
        self._documents = documents
        self._now = now

    async def __call__(self, message: Message) -> None:
        """Keep a letter; the oldest goes where there are too many."""
        now = self._now()
        # Of letters of one second the later is the newer one too.
        id = f"{now:012x}{time.time_ns():016x}{new_id()}"
        entry = MailboxEntry(id=id, to=message.to, subject=message.subject, text=message.text, sent_at=now)
        await self._documents.insert(MAILBOX, entry.id, kept(entry))
        for old in (await self._documents.find(MAILBOX, {}))[:-NEWEST]:
            await self._documents.remove(MAILBOX, old["id"])

    async def entries(self) -> list[MailboxEntry]:
        """The letters, newest first."""
        found = await self._documents.find(MAILBOX, {})
        return [read(MailboxEntry, each) for each in reversed(found)][:NEWEST]
