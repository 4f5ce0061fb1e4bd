"""The audit log of one worker: what its requests did is durable before they are answered, in one hash chain.

https://profiles.ihe.net/ITI/BALP/, docs/adr/0017

Rows that come while others are being written go together with the next: one insert serves all who wait.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterator, Sequence

import structlog

from fhir_server.core import outcome
from fhir_server.core.audit_entry import AuditEntry
from fhir_server.core.outcome import FhirError
from fhir_server.core.trail import Accessed
from fhir_server.policy import Sight
from fhir_server.store import indexes
from fhir_server.store.audit_bursts import Bursts
from fhir_server.store.audit_chain import Encoded, Head, chained
from fhir_server.store.audit_entries import Asked, SignInEvent, accessed, alert, refused, sign_in
from fhir_server.store.indexes import AUDIT, AUDIT_BURSTS, AUDIT_HEADS
from fhir_server.store.mongo import Database, Document, DriverError, insert

NOTE_HEAD_SECONDS = 0.25
"""How often the head of a chain is kept: rows cut off its end within that time are not missed by it."""
ANCHOR_SECONDS = 60.0
_END_SECONDS = 5.0
_BYTES_AT_ONCE = 4 * 1024 * 1024
"""Of JSON: rows have up to three times as much, and a command holds 16 MB."""
_WRITES = frozenset("CUD")
_BURST_STATUSES = frozenset({401, 403, 404})
"""Refusals that count: 404 too, because a record that is not the caller's looks like none."""

log = structlog.get_logger()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class Auditor:
    """Writes the audit rows of one worker. `worker` says in the first row of a chain who wrote it."""

    def __init__(
        self,
        database: Database,
        worker: str,
        now_ms: Callable[[], int] = _now_ms,
        *,
        burst_count: int = 20,
        burst_seconds: int = 60,
    ) -> None:
        self._database = database
        self._worker = worker
        self._now_ms = now_ms
        self._bursts = Bursts(database, burst_count, burst_seconds)
        self._head: Head | None = None
        self._left: Head | None = None
        self._noted: Head | None = None
        self._anchored: Head | None = None
        self._waiting: list[tuple[list[Encoded], asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    @property
    def head(self) -> Head | None:
        """The last durable row of the chain; None before the first, and where the next begins a new chain."""
        return self._head

    async def begin(self) -> None:
        """Make the indexes and the first row of a chain. Raises FhirError 503 where the database is away."""
        for collection in (AUDIT, AUDIT_BURSTS):
            await indexes.ensure_collection(self._database, collection)
        await self._keep()

    async def note_request(
        self, sight: Sight, asked: Asked, accesses: Sequence[Accessed], status: int, number: int = 0
    ) -> None:
        """Keep what a request did: a row for each access, and one for a refusal of the whole.

        It is durable when this returns. Raises FhirError 503 where it cannot be kept: then nothing may be answered.
        """
        at = self._now_ms()
        entries = [accessed(sight, asked, at, each) for each in accesses]
        if status >= 400:
            entries.append(refused(sight, asked, at, status, number))
        if not entries:
            return
        try:
            await self._keep(*entries)
        except FhirError as error:
            if any(each.action in _WRITES and each.status < 400 for each in accesses):
                raise _kept_unaudited() from error
            raise
        for entry in entries:
            if entry.status in _BURST_STATUSES:
                await self._count_refusal(entry)

    async def record(self, event: SignInEvent) -> None:
        """Keep an event of the authorization server; it is durable when this returns. Raises FhirError 503."""
        entry = sign_in(event)
        await self._keep(entry)
        if entry.status >= 400:
            await self._count_refusal(entry)

    async def run(self) -> None:
        """Keep the chain's head, and say it in the log once a minute, until cancelled."""
        anchor_at = time.monotonic()
        while True:
            await self._note_head_or_wait()
            if time.monotonic() >= anchor_at:
                self._say_anchor()
                anchor_at = time.monotonic() + ANCHOR_SECONDS
            await asyncio.sleep(NOTE_HEAD_SECONDS)

    async def end(self, *, says_anchor: bool = True) -> None:
        """Wait for what is being written, and keep and say the last head."""
        if self._writing is not None:
            await asyncio.wait([self._writing], timeout=_END_SECONDS)
        await self._note_head_or_wait()
        if says_anchor:
            self._say_anchor()

    async def _keep(self, *entries: AuditEntry) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(([Encoded(entry) for entry in entries], waiter))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        await waiter

    async def _write(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting, []
            failure: Exception | None = None
            try:
                await self._append([each for encoded, _ in group for each in encoded])
            except Exception as error:
                # What came of the rows is unknown: they may be there still, so that no other may follow the same one.
                self._left, self._head = self._head or self._left, None
                failure = error
                kind = str(error) if isinstance(error, FhirError) else type(error).__name__
                log.error("audit could not be written", why=kind, rows=sum(len(encoded) for encoded, _ in group))
            for _, waiter in group:
                if not waiter.done():
                    _settle(waiter, failure)

    async def _append(self, encoded: Sequence[Encoded]) -> None:
        if self._head is None:
            self._head = await self._first_row()
        for portion in _portions(encoded):
            rows, head = chained(self._head, portion)
            await self._insert(rows)
            self._head = head

    async def _first_row(self) -> Head:
        """The head of a new chain. Its row cites all heads that no other first row has, so that no chain can vanish."""
        heads = self._database.collections[AUDIT_HEADS]
        if self._left is not None:
            await self._note_head(self._left)
        uncited = [row async for row in heads.find({"$expr": {"$ne": ["$seq", "$cited"]}})]
        cited = tuple((row["_id"], row["seq"], row["hash"]) for row in uncited)
        entry = AuditEntry(
            at=self._now_ms(),
            kind="chain",
            interaction="chain-started",
            action="E",
            text=self._worker,
            cited=cited,
        )
        rows, head = chained(Head(secrets.token_hex(6)), [Encoded(entry)])
        await self._insert(rows)
        for chain, seq, _ in cited:
            await heads.update_one({"_id": chain}, {"$set": {"cited": seq}})
        await self._note_head(head)
        self._left = None
        return head

    async def _insert(self, rows: list[Document]) -> None:
        await insert(self._database, AUDIT, rows)

    async def _note_head_or_wait(self) -> None:
        try:
            if self._head is not None:
                await self._note_head(self._head)
        except DriverError as error:
            log.warning("the head of the audit chain could not be kept", kind=type(error).__name__)

    async def _note_head(self, head: Head) -> None:
        if head == self._noted:
            return
        fields = {"seq": head.seq, "hash": head.hash, "at": self._now_ms()}
        await self._database.collections[AUDIT_HEADS].update_one({"_id": head.chain}, {"$set": fields}, upsert=True)
        self._noted = head

    def _say_anchor(self) -> None:
        head = self._head
        if head is not None and head != self._anchored:
            log.info("audit anchor", chain=head.chain, seq=head.seq, hash=head.hash.hex())
            self._anchored = head

    async def _count_refusal(self, entry: AuditEntry) -> None:
        callers = [
            f"{what} {name}"
            for what, name in (("client", entry.client), ("subject", entry.subject), ("address", entry.address))
            if name
        ]
        # An address counts where nothing else is known: behind a proxy it is everybody's.
        known = callers[:-1] if len(callers) > 1 and entry.address else callers
        if not await self._bursts.add(known, entry.at):
            return
        count, seconds = self._bursts.count, self._bursts.seconds
        text = f"{count} refusals within {seconds} s"
        await self._keep(alert(entry, count, text))
        log.warning("a burst of refusals", count=count, seconds=seconds)


def _portions(encoded: Sequence[Encoded]) -> Iterator[list[Encoded]]:
    """The entries cut into what one command takes."""
    portion: list[Encoded] = []
    size = 0
    for each in encoded:
        if portion and size + len(each.text) > _BYTES_AT_ONCE:
            yield portion
            portion, size = [], 0
        portion.append(each)
        size += len(each.text)
    if portion:
        yield portion


def _settle(waiter: "asyncio.Future[None]", failure: Exception | None) -> None:
    if failure is None:
        waiter.set_result(None)
    else:
        # One for each: an exception that several raise gathers the traces of all.
        error = outcome.AUDIT_UNAVAILABLE("The audit log cannot be written, so nothing is answered. Try again shortly.")
        error.__cause__ = failure
        waiter.set_exception(error)


def _kept_unaudited() -> FhirError:
    return outcome.AUDIT_UNAVAILABLE(
        "The change was kept, but the audit log cannot be written, so nothing is answered. Read before trying again."
    )
