"""Sealed bytes: AES-256-GCM under a content key that they name, bound to the place where they belong.

NIST SP 800-38D; the keys are those of store/vault.py.
"""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_MARK = b"\x01"
"""No JSON begins with it, so that what was stored before it was sealed is known as such."""

_ID_BYTES = 4
_NONCE_BYTES = 12
_HEAD_BYTES = len(_MARK) + _ID_BYTES + _NONCE_BYTES


class Broken(Exception):
    """Sealed bytes were changed, cut, or moved to another place."""


def is_sealed(stored: bytes) -> bool:
    """Whether the bytes are sealed, as far as their beginning tells."""
    return stored[:1] == _MARK


def key_of(sealed: bytes) -> int:
    """The number of the content key they are sealed under."""
    return int.from_bytes(sealed[1 : 1 + _ID_BYTES], "big")


def sealed(key: int, cipher: AESGCM, plain: bytes, place: str) -> bytes:
    """`plain` sealed for a place (`Communication/c1/3`). A nonce is random: 2^32 of one key are safe."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return _MARK + key.to_bytes(_ID_BYTES, "big") + nonce + cipher.encrypt(nonce, plain, place.encode())


def opened(cipher: AESGCM, stored: bytes, place: str) -> bytes:
    """What was sealed for the place. Raises Broken."""
    try:
        return cipher.decrypt(stored[1 + _ID_BYTES : _HEAD_BYTES], stored[_HEAD_BYTES:], place.encode())
    except (InvalidTag, ValueError):
        raise Broken from None
