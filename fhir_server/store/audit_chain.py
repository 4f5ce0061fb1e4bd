"""A chain of audit rows: each carries a hash of itself and of the row before it, so that no change goes unseen.

FIPS 180-4 (SHA-256); docs/adr/0017 has the argument.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256

import msgspec

from fhir_server.core.audit_entry import AuditEntry, search_keys
from fhir_server.store.mongo import Document

NOTHING = bytes(32)
"""What the first row of a chain follows."""

_SEQ_DIGITS = 12
_encode = msgspec.json.Encoder().encode
_FIELDS = frozenset(AuditEntry.__struct_fields__)


@dataclass(frozen=True, slots=True)
class Head:
    """The last row of a chain: how many rows it has, and that row's hash."""

    chain: str
    seq: int = 0
    hash: bytes = NOTHING


@dataclass(slots=True)
class Encoded:
    """An entry on its way into a chain, encoded before it takes its place, so that one which cannot be fails alone."""

    entry: AuditEntry
    text: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.text = _encode(self.entry)


def row_id(chain: str, seq: int) -> str:
    """The `_id` of a row; those of a chain sort in its order."""
    return f"{chain}-{seq:0{_SEQ_DIGITS}}"


def row_hash(previous: bytes, id: str, text: bytes) -> bytes:
    """The hash of a row: of the hash before it, of its place, and of the JSON of its entry."""
    return sha256(previous + id.encode() + b"\n" + text).digest()


def chained(head: Head, encoded: Iterable[Encoded]) -> tuple[list[Document], Head]:
    """The rows that carry a chain on, and its new head."""
    rows: list[Document] = []
    seq, previous = head.seq, head.hash
    for each in encoded:
        seq += 1
        id = row_id(head.chain, seq)
        hash = row_hash(previous, id, each.text)
        row: Document = {"_id": id, **msgspec.to_builtins(each.entry, builtin_types=(bytes,))}
        row["keys"] = search_keys(each.entry)
        row["hash"] = previous = hash
        rows.append(row)
    return rows, Head(head.chain, seq, previous)


def entry_of(row: Document) -> AuditEntry:
    """The entry a row holds. Raises msgspec.ValidationError where it holds another kind of values."""
    return msgspec.convert({name: row[name] for name in row if name in _FIELDS}, AuditEntry)


def follows(row: Document, seq: int, previous: bytes, chain: str) -> bool:
    """Whether a row is, unchanged, the one of this number after the one with the hash `previous`."""
    id = row_id(chain, seq)
    try:
        entry = entry_of(row)
    except msgspec.ValidationError:
        return False
    if set(row) - _FIELDS != {"_id", "keys", "hash"}:
        return False
    is_whole = row["_id"] == id and row["hash"] == row_hash(previous, id, _encode(entry))
    return is_whole and list(row["keys"]) == list(search_keys(entry))
