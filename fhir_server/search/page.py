"""The place where a page ends, sealed so that a link shows no value and opens only for whom it was made.

https://hl7.org/fhir/R4/http.html#paging, NIST SP 800-38D (AES-GCM)
"""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from struct import Struct
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fhir_server.core import outcome
from fhir_server.definitions.registry import resource_types

CURSOR_PARAMETER = "_cursor"

BAD_CURSOR_TEXT = (
    "This page link was not made by this server for this search and caller, or it has expired. Search anew."
)
"""One text for every reason, so that a link tells nothing to one who tries others."""

Key = datetime | int | float | str | None
Snapshot = tuple[int, int]
"""A moment of the database that pages are read at: its cluster time, in seconds since 1970 and a count within them."""

_NONCE_BYTES = 12
_MOMENT = Struct(">II")
_INSTANT = Struct(">q")
_INSTANT_CODE = 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Position(msgspec.Struct, frozen=True):
    """The last row returned: its value of each field of the query's `sort` (None where absent), its id and, in a search
    of several types, its type.
    """

    keys: tuple[Key, ...]
    id: str
    type: str = ""


class PageState(msgspec.Struct, frozen=True):
    """What the next page needs: the pairs of the first request, its read ceiling, the last row, its leniency, the
    snapshot the first page was read at (None where there was none), and the types that had rows then (None where nobody
    asked): a collection that was made later cannot be read at that snapshot.
    """

    pairs: tuple[tuple[str, str], ...]
    ceiling: datetime
    after: Position | None
    lenient: bool = False
    snapshot: Snapshot | None = None
    types: frozenset[str] | None = None


class _Sealed(msgspec.Struct, array_like=True, frozen=True):
    issued: int
    pairs: tuple[tuple[str, str], ...]
    ceiling: msgspec.msgpack.Ext  # Of one length too: msgpack's own time stamps are shorter at a full second
    lenient: bool
    keys: tuple[Any, ...] | None  # Keys, instants as Ext: msgspec cannot tell a str from a datetime
    id: str | None
    type: str
    snapshot: bytes | None  # Of one length: numbers as such would make links longer where more is written
    types: bytes | None  # One bit for each of R4's types: their names would make a link of kilobytes


_decode = msgspec.msgpack.Decoder(_Sealed).decode


def _packed(instant: datetime) -> msgspec.msgpack.Ext:
    return msgspec.msgpack.Ext(_INSTANT_CODE, _INSTANT.pack((instant - _EPOCH) // _MICROSECOND))


def _instant(packed: msgspec.msgpack.Ext) -> datetime:
    microseconds: int = _INSTANT.unpack(packed.data)[0]
    return _EPOCH + microseconds * _MICROSECOND


@lru_cache(maxsize=4)
def _cipher(key: bytes) -> AESGCM:
    # Made once: 3.5 of the 5.5 µs of an encryption.
    return AESGCM(key)


def seal(key: bytes, state: PageState, type: str, caller: str, now: datetime) -> str:
    """The state as URL-safe text, under AES-256-GCM with a fresh random nonce from the operating system.

    `key` has 32 bytes. `type` and `caller` are bound to it, not contained in it.
    """
    after = state.after
    plain = msgspec.msgpack.encode(
        _Sealed(
            int(now.timestamp()),
            state.pairs,
            _packed(state.ceiling),
            state.lenient,
            tuple([_packed(key) if isinstance(key, datetime) else key for key in after.keys]) if after else None,
            after.id if after else None,
            after.type if after else "",
            None if state.snapshot is None else _MOMENT.pack(*state.snapshot),
            None if state.types is None else _bits(state.types),
        )
    )
    nonce = os.urandom(_NONCE_BYTES)
    sealed = nonce + _cipher(key).encrypt(nonce, plain, _bound_to(type, caller))
    return urlsafe_b64encode(sealed).rstrip(b"=").decode()


def unseal(key: bytes, text: str, type: str, caller: str, now: datetime, max_age: int) -> PageState:
    """The state a text holds. `max_age` is in seconds.

    Raises FhirError 400, always with the same words, where it was tampered with, made for another type, caller or
    key, or is older than `max_age`.
    """
    try:
        sealed = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        plain = _cipher(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound_to(type, caller))
        found = _decode(plain)
    except (ValueError, InvalidTag, msgspec.MsgspecError):
        raise _refusal() from None
    if int(now.timestamp()) - found.issued > max_age:
        raise _refusal()
    after = None if found.keys is None or found.id is None else Position(_keys(found.keys), found.id, found.type)
    types = None if found.types is None else _types(found.types)
    snapshot = None if found.snapshot is None else _moment(found.snapshot)
    return PageState(found.pairs, _instant(found.ceiling), after, found.lenient, snapshot, types)


def _keys(sealed: tuple[Any, ...]) -> tuple[Key, ...]:
    return tuple([_instant(key) if isinstance(key, msgspec.msgpack.Ext) else key for key in sealed])


def _moment(packed: bytes) -> Snapshot:
    seconds, count = _MOMENT.unpack(packed)
    return seconds, count


def _bits(types: frozenset[str]) -> bytes:
    known = resource_types()
    number = sum(1 << position for position, type in enumerate(known) if type in types)
    return number.to_bytes(len(known) // 8 + 1)


def _types(bits: bytes) -> frozenset[str]:
    number = int.from_bytes(bits)
    return frozenset(type for position, type in enumerate(resource_types()) if number >> position & 1)


def _bound_to(type: str, caller: str) -> bytes:
    # With its length in front, no part of a caller's name can pass for a part of the type.
    return f"{len(type)} {type} {caller}".encode()


def _refusal() -> outcome.FhirError:
    return outcome.BAD_CURSOR(BAD_CURSOR_TEXT, CURSOR_PARAMETER)
