"""The stored form of a resource: what a current row and a history row hold, and how a read row looks to callers.

The fields are described in docs/storage.md.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from fhir_server.core import codec, outcome
from fhir_server.core.resource import Resource
from fhir_server.core.write_plan import IndexValues, Method, Put
from fhir_server.search.entries import points, stretches
from fhir_server.store.mongo import MAX_ROW_BYTES, Document, row_bytes

INDEX_VERSION = 7
"""Counts the ways of making search values from a resource."""

_SETS = 1_000_000


def indexed_by(set_version: int) -> int:
    """A row's `px` where it was indexed by the present way with the search parameters of a version of their set.

    The later way, and of one way the later set, has the greater number.
    """
    return INDEX_VERSION * _SETS + set_version


HISTORY_SUFFIX = "_history"

READ_FIELDS = {"version": 1, "updated": 1, "body": 1, "method": 1, "deleted": 1, "owners": 1, "file": 1}
"""Projection of a read: the search values stay in the database."""

KEPT_FIELDS = READ_FIELDS | dict.fromkeys(
    ("source", "labels", "categories", "participants", "about", "files", "withheld"), 1
)
"""Projection of what a row takes with it into history."""

_MEASURED_FROM_BYTES = 1024 * 1024
_MEASURED_FROM_VALUES = 5_000
"""Below both a row cannot reach MAX_ROW_BYTES: 5,000 search values of 1,000 characters are twice 5 MB at most."""


class Row(msgspec.Struct, frozen=True):
    """One version of one resource as stored. `body` is None on a tombstone (`deleted`). `owners` are patients' ids.

    `file` is id and length of the file with a Binary's content.
    """

    type: str
    id: str
    version: int
    updated: datetime
    body: bytes | None
    method: Method
    deleted: bool
    owners: tuple[str, ...] = ()
    file: tuple[str, int] | None = None


def history_collection(type: str) -> str:
    """The name of the collection that keeps a type's replaced versions."""
    return type + HISTORY_SUFFIX


def history_id(logical_id: str, version: int) -> str:
    """The `_id` of a history row; no logical id contains a `|`."""
    return f"{logical_id}|{version}"


def read_row(type: str, row: Document) -> Row:
    """A row of either collection, read with READ_FIELDS (and `rid` from history), as callers see it."""
    return Row(
        type,
        row.get("rid") or row["_id"],
        row["version"],
        row["updated"],
        row.get("body"),
        row["method"],
        "deleted" in row,
        tuple(row["owners"]),
        (row["file"]["id"], row["file"]["length"]) if "file" in row else None,
    )


def current_row(put: Put, version: int, updated: datetime, body: bytes) -> Document:
    """The row of a live resource. Raises FhirError 413 where body and search values exceed MAX_ROW_BYTES."""
    row: Document = {"_id": put.id, "version": version, "updated": updated, "body": body, "method": put.method}
    if put.file is not None:
        row["file"] = {"id": put.file[0], "length": put.file[1]}
    row |= index_fields(put.index)
    large = len(body) > _MEASURED_FROM_BYTES or _values(put.index) > _MEASURED_FROM_VALUES
    if large and row_bytes(row) > MAX_ROW_BYTES:
        place = f"{put.type}/{put.id}"
        raise outcome.TOO_LARGE(
            f"{place} takes more than {MAX_ROW_BYTES} bytes with its search values. Split it, or store parts as Binary."
        ).at(place)
    return row


def _values(index: IndexValues) -> int:
    """How many search values a row has, those of its sub-documents included."""
    found = len(index.tokens) + len(index.owned_tokens) + len(index.strings) + len(index.dates)
    found += len(index.measures) + len(index.words)
    return found + _values_in(index.composites) + _values_in(index.contained)


def _values_in(documents: tuple[Document, ...]) -> int:
    if not documents:
        return 0
    fields = [value for document in documents for value in document.values() if isinstance(value, list | tuple)]
    return sum(map(len, fields)) + sum(_values_in(tuple(document.get("c", ()))) for document in documents)


def tombstone(displaced: Document, version: int, updated: datetime) -> Document:
    """The row a delete leaves: it belongs to whom the deleted version belonged, and no search finds it."""
    row: Document = {
        "_id": displaced["_id"],
        "version": version,
        "updated": updated,
        "method": "DELETE",
        "deleted": True,
        "owners": displaced["owners"],
        "source": displaced["source"],
        "labels": displaced["labels"],
        "px": indexed_by(0),
    }
    for name in ("categories", "participants", "about", "files"):
        if name in displaced:
            row[name] = displaced[name]
    return row


def history_row(displaced: Document) -> Document:
    """What is kept of a current row (read with KEPT_FIELDS) when the next version takes its place: its body as it was
    stored, which stands in `sealed` where it was opened.
    """
    row: Document = {"_id": history_id(displaced["_id"], displaced["version"]), "rid": displaced["_id"]}
    for name in KEPT_FIELDS:
        if name in displaced:
            row[name] = displaced[name]
    if "sealed" in displaced:
        row["body"] = displaced["sealed"]
    return row


def index_fields(index: IndexValues) -> Document:
    """The fields of a current row that are made from its resource's content; those found empty are left out, but for
    `pt` and `t`.
    """
    fields: Document = {
        "owners": index.owners,
        "source": index.source,
        "labels": index.labels,
        "px": indexed_by(index.set_version),
        "pt": index.owned_tokens,
        "t": index.tokens,
    }
    found: Document = {
        "s": index.strings,
        "d": stretches(index.dates),
        "q": stretches(index.measures),
        "c": index.composites,
        "w": index.words,
        "g": points(index.positions),
        "h": index.contained,
        "categories": index.categories,
        "participants": index.participants,
        "about": index.about,
        "files": index.held,
        "withheld": index.withheld,
        "k": index.sort_keys,
    }
    return fields | {name: value for name, value in found.items() if value}


def same_content(body: bytes, resource: Resource) -> bool:
    """Whether a stored body says the same as a resource, whatever their ids, version ids and instants.

    Decimals are the same only digit by digit; the order of an object's members means nothing.
    """
    return _same(_content(codec.decode(body)), _content(resource))


_STAMPED_META = frozenset({"versionId", "_versionId", "lastUpdated", "_lastUpdated"})


def _content(resource: Resource) -> Resource:
    content = {name: value for name, value in resource.items() if name not in ("id", "meta")}
    meta = resource.get("meta")
    kept = {name: value for name, value in meta.items() if name not in _STAMPED_META} if isinstance(meta, dict) else {}
    return content | {"meta": kept} if kept else content


def same_value(one: Any, other: Any) -> bool:
    """Whether two values of decoded JSON say the same, as `same_content` compares."""
    return _same(one, other)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, Decimal) and isinstance(other, Decimal):
        return str(one) == str(other)
    # 1, 1.0 and true are equal to Python.
    return type(one) is type(other) and bool(one == other)
