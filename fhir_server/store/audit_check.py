"""Goes through the audit log and tells what was changed, removed, put in or cut off after it was written.

docs/audit.md, docs/adr/0017
"""

import re
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field

from fhir_server.store.audit_chain import NOTHING, Head, follows, row_id
from fhir_server.store.indexes import AUDIT, AUDIT_HEADS
from fhir_server.store.mongo import Database, Document, DriverError, refusal

_BATCH = 1_000
_ANCHOR = re.compile(r"audit anchor.*?chain\W+([0-9a-f]{12})\b.*?seq\W+(\d{1,12})\b.*?hash\W+([0-9a-f]{64})\b")
"""An anchor in a line of the log, of JSON or of the form for people."""


@dataclass(slots=True)
class Verdict:
    """What is known of one chain: how many rows of it are as they were written, and from when to when (ms since 1970).

    `broken` says what is wrong, None where nothing is.
    """

    chain: str
    rows: int = 0
    first_at: int | None = None
    last_at: int | None = None
    broken: str | None = None


@dataclass(slots=True)
class _Claims:
    """Rows that must be there, by chain and number: heads as kept, heads in the log, heads that other chains cite."""

    hashes: dict[str, dict[int, set[bytes]]] = field(default_factory=dict)

    def add(self, head: Head) -> None:
        self.hashes.setdefault(head.chain, {}).setdefault(head.seq, set()).add(head.hash)


def anchors(lines: Iterable[str]) -> Iterator[Head]:
    """The heads that a log tells of; other lines are passed over."""
    for line in lines:
        match = _ANCHOR.search(line)
        if match is not None:
            yield Head(match[1], int(match[2]), bytes.fromhex(match[3]))


async def verdicts(database: Database, anchored: Iterable[Head] = ()) -> list[Verdict]:
    """What became of each chain, the oldest first. Raises FhirError 503 where the database is away.

    It may run beside a server: heads are read before rows, so that rows written meanwhile are not missed.
    """
    claims = _Claims()
    for head in anchored:
        claims.add(head)
    try:
        return await _verdicts(database, claims)
    except DriverError as error:
        raise refusal(error) from error


async def _verdicts(database: Database, claims: _Claims) -> list[Verdict]:
    async for row in database.collections[AUDIT_HEADS].find({}):
        claims.add(Head(row["_id"], row["seq"], row["hash"]))
    found = [await _walked(database, chain, claims) async for chain in _chains(database)]
    foreign = await database.collections[AUDIT].count_documents({"_id": {"$not": {"$type": "string"}}})
    if foreign:
        found.append(Verdict("?", broken=f"{foreign} rows that no chain has were put in"))
    known = {verdict.chain for verdict in found}
    found += [await _looked_for(database, chain, claims) for chain in sorted(claims.hashes.keys() - known)]
    for verdict in found:
        if verdict.broken is None:
            verdict.broken = await _unkept(database, verdict, claims.hashes.get(verdict.chain, {}))
    return sorted(found, key=lambda verdict: (verdict.first_at or 0, verdict.chain))


async def _looked_for(database: Database, chain: str, claims: _Claims) -> Verdict:
    """A chain that is noted elsewhere and was not met: gone, unless it was begun after its turn had come."""
    verdict = await _walked(database, chain, claims)
    if not (verdict.rows or verdict.broken):
        verdict.broken = "all its rows are missing"
    return verdict


async def _chains(database: Database) -> AsyncIterator[str]:
    """The chains that have rows, by their names; one read each."""
    after = ""
    while True:
        row = await database.collections[AUDIT].find_one({"_id": {"$gt": after}}, {"_id": 1}, sort=[("_id", 1)])
        if row is None:
            return
        chain = row["_id"].partition("-")[0]
        yield chain
        # No `_id` of the chain sorts behind this: "." comes after "-".
        after = f"{chain}."


async def _walked(database: Database, chain: str, claims: _Claims) -> Verdict:
    """A chain as far as each row follows the one before it. The heads it cites are added to what must be there."""
    verdict, previous = Verdict(chain), NOTHING
    async for row in _rows(database, chain):
        seq = verdict.rows + 1
        if not follows(row, seq, previous, chain):
            verdict.broken = _misfit(row, row_id(chain, seq), seq)
            return verdict
        for cited in row.get("cited", ()):
            claims.add(Head(*cited))
        verdict.rows, previous = seq, row["hash"]
        verdict.first_at = row["at"] if verdict.first_at is None else verdict.first_at
        verdict.last_at = row["at"]
    return verdict


def _misfit(row: Document, expected: str, seq: int) -> str:
    if row["_id"] == expected:
        return f"row {seq} is not as it was written"
    if row["_id"] > expected:
        return f"row {seq} is missing"
    return f"a row was put in before row {seq}"


async def _rows(database: Database, chain: str) -> AsyncIterator[Document]:
    after = chain
    while True:
        within = {"_id": {"$gt": after, "$lt": f"{chain}."}}
        batch = [row async for row in database.collections[AUDIT].find(within, sort=[("_id", 1)], limit=_BATCH)]
        for row in batch:
            yield row
        if len(batch) < _BATCH:
            return
        after = batch[-1]["_id"]


async def _unkept(database: Database, verdict: Verdict, claimed: dict[int, set[bytes]]) -> str | None:
    """What is wrong by what was noted elsewhere: rows cut off the end, or a chain that was written anew."""
    for seq, hashes in sorted(claimed.items()):
        row = await database.collections[AUDIT].find_one({"_id": row_id(verdict.chain, seq)}, {"hash": 1})
        if row is None:
            return f"cut off after row {verdict.rows}: row {seq} had been written"
        if hashes != {row.get("hash")}:
            return f"written anew: row {seq} is not the one noted elsewhere"
    return None
