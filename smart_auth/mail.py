"""Mail to people: an outbox that all workers share, so that nobody waits for a mail server and no letter is sent twice.

RFC 5321, RFC 5322 section 2.2 (header fields), docs/adr/0029
"""

import asyncio
import hashlib
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import msgspec

from smart_auth.documents import Documents
from smart_auth.random_secrets import new_id
from smart_auth.records import COUNTERS, OUTBOX, Mailed, kept, read
from smart_auth.sealing import Seal

RETRY_SECONDS = (60, 300, 1800)
"""How long after each failure the next try is; the last one counts for all that follow."""

GIVEN_UP_AFTER_SECONDS = 86_400

# Longer than any delivery takes, so that only a worker that died loses its claim.
_CLAIM_SECONDS = 120
_POLL_SECONDS = 5.0
_AT_A_TIME = 100
_HOUR = 3600

_LOCAL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"{_LOCAL}@{_LABEL}(?:\.{_LABEL})*")
_LONGEST_ADDRESS = 254
_LONGEST_LOCAL = 64
_LONGEST_SUBJECT = 200
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

_log = logging.getLogger("smart_auth")


def is_address(text: str) -> bool:
    """Whether mail can be sent there: one bare address in ASCII, without name, comment or quoted part."""
    local = text.partition("@")[0]
    return len(text) <= _LONGEST_ADDRESS and len(local) <= _LONGEST_LOCAL and _ADDRESS.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Message:
    """A letter in plain text. Raises ValueError for an address or a subject that would not stay in its own line.

    It holds no health data, no name of a clinician or a facility and no id of a patient. `id` becomes its Message-ID
    (RFC 5322 section 3.6.4), the same each time it is sent; empty: a new one.
    """

    to: str
    subject: str
    text: str
    id: str = ""

    def __post_init__(self) -> None:
        if not is_address(self.to):
            raise ValueError("Mail is sent to one plain address.")
        if not 0 < len(self.subject) <= _LONGEST_SUBJECT or _CONTROL.search(self.subject):
            raise ValueError(f"A subject is one line of 1 to {_LONGEST_SUBJECT} characters.")


class CannotDeliver(Exception):
    """A letter was not taken; `is_final` where no later try could help, as for an address that there is not."""

    def __init__(self, text: str, is_final: bool = False) -> None:
        super().__init__(text)
        self.is_final = is_final


Deliver = Callable[[Message], Awaitable[None]]
"""Hands one letter over; raises CannotDeliver, and whatever else counts as a failure for now."""


@dataclass(frozen=True, slots=True)
class KeptLetter:
    """A letter as the outbox keeps it: the id and the fields of its document."""

    id: str
    document: dict[str, object]


class Mail(Protocol):
    """How pages send mail."""

    @property
    def is_available(self) -> bool:
        """Whether letters can be sent at all; where not, a page says that the help desk does what a letter would."""
        ...

    async def send(self, message: Message) -> None:
        """Take a letter; it is durable when this returns, and the caller never waits for a mail server."""
        ...

    async def run(self) -> None:
        """Deliver what was taken, until cancelled."""
        ...


class NoMail:
    """Where no mail is set up: letters are dropped, which the log says without telling whose."""

    is_available = False

    async def send(self, message: Message) -> None:
        """Drop it."""
        _log.warning("a letter was dropped, as no mail is set up: %s", message.subject)

    async def run(self) -> None:
        """There is nothing to deliver."""


NO_MAIL: Mail = NoMail()


class Outbox:
    """Letters of all workers, sealed until they are delivered. One worker at a time has a letter in its hands.

    A letter whose delivery was cut off by the death of a worker is delivered again: at least once, not exactly once.
    Of one subject, `mails_per_hour` go to one address within an hour; those above are dropped.
    """

    def __init__(
        self,
        documents: Documents,
        seal: Seal,
        deliver: Deliver,
        now: Callable[[], int],
        is_available: bool = True,
        mails_per_hour: int = 5,
    ) -> None:
        self._documents = documents
        self._seal = seal
        self._now = now
        self._mails_per_hour = mails_per_hour
        self._waiting = asyncio.Event()
        self.deliver = deliver
        self.is_available = is_available

    async def send(self, message: Message) -> None:
        """Keep a letter for delivery. Raises the store's error where it cannot be kept."""
        if await self._is_too_much(message):
            _log.warning("a letter was dropped, as its address got too many of the kind: %s", message.subject)
            return
        letter = self._kept(message, new_id())
        await self._documents.insert(OUTBOX, letter.id, letter.document)
        self._waiting.set()

    def letter(self, message: Message, about: str) -> KeptLetter:
        """A letter to be put into the outbox by whoever calls, in one transaction with what it comes from. `about`
        names it: the same letter, kept twice within a second, is one.
        """
        return self._kept(message, hashlib.sha256(about.encode()).hexdigest()[:32])

    def _kept(self, message: Message, name: str) -> KeptLetter:
        now = self._now()
        # Ids that sort by time: the oldest come first out of what is found.
        id = f"{now:012x}{name}"
        content = msgspec.json.encode([message.subject, message.text]).decode()
        letter = Mailed(id=id, to=message.to, sealed=self._seal.sealed(content, id), created_at=now, claimed_until=None)
        return KeptLetter(id, dict(kept(letter)))

    async def run(self) -> None:
        """Deliver what there is, at once what this worker took itself, until cancelled."""
        while True:
            self._waiting.clear()
            try:
                await self.deliver_due()
            except Exception:
                # The database is away: what is kept there waits for it.
                _log.warning("the outbox cannot be read at the moment")
            try:
                async with asyncio.timeout(_POLL_SECONDS):
                    await self._waiting.wait()
            except TimeoutError:
                continue

    async def deliver_due(self) -> None:
        """Try once each letter whose time has come and that no other worker has."""
        for document in await self._documents.find(OUTBOX, {}, _AT_A_TIME * 10):
            letter = read(Mailed, document)
            if (letter.claimed_until or 0) <= self._now() and await self._is_claimed(letter):
                await self._tried(letter)

    async def _is_claimed(self, letter: Mailed) -> bool:
        """Whether this worker has it now: one change of what was read wins."""
        was = {"claimed_until": letter.claimed_until, "attempts": letter.attempts}
        until = self._now() + _CLAIM_SECONDS
        changed = await self._documents.change(OUTBOX, letter.id, {"claimed_until": until}, was)
        return changed is not None

    async def _tried(self, letter: Mailed) -> None:
        try:
            await self.deliver(self._opened(letter))
        except CannotDeliver as failure:
            await self._failed(letter, failure.is_final)
        except ValueError:
            # Sealed under a key that is no longer there: nobody will ever read it.
            await self._failed(letter, is_final=True)
        except Exception:
            await self._failed(letter, is_final=False)
        else:
            await self._documents.remove(OUTBOX, letter.id)

    async def _failed(self, letter: Mailed, is_final: bool) -> None:
        now, attempts = self._now(), letter.attempts + 1
        if is_final or letter.created_at + GIVEN_UP_AFTER_SECONDS <= now:
            await self._documents.remove(OUTBOX, letter.id)
            _log.warning("a letter was given up after %d attempts", attempts)
            return
        pause = RETRY_SECONDS[min(attempts, len(RETRY_SECONDS)) - 1]
        await self._documents.change(OUTBOX, letter.id, {"claimed_until": now + pause, "attempts": attempts})

    def _opened(self, letter: Mailed) -> Message:
        subject, text = msgspec.json.decode(self._seal.opened(letter.sealed, letter.id), type=tuple[str, str])
        return Message(letter.to, subject, text, letter.id)

    async def _is_too_much(self, message: Message) -> bool:
        """Counted by a digest, so that no counter tells whose address it is."""
        window = self._now() // _HOUR
        who = self._seal.keyed_digest(f"mail {message.to.casefold()} {message.subject}")
        count = await self._documents.count_up(COUNTERS, f"mail {window} {who}", (window + 2) * _HOUR)
        return count > self._mails_per_hour
