"""How the private halves of signing keys lie in the database where there is a key outside it: sealed.

AES-256-GCM (NIST SP 800-38D) under a key derived by HKDF (RFC 5869), bound to the id of the key that is sealed.
"""

import base64
import secrets
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

FEWEST_BYTES = 32

_NONCE_BYTES = 12
_PURPOSE = b"fhir-server signing keys"


class CannotOpen(ValueError):
    """A sealed key is not to be opened: another key encryption key sealed it, or there is none here."""


class KeySeal:
    """Seals JWKs under a secret of at least FEWEST_BYTES bytes. Raises ValueError for a shorter one."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) < FEWEST_BYTES:
            raise ValueError(f"A key encryption key has at least {FEWEST_BYTES} bytes.")
        self._cipher = AESGCM(HKDF(SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret))

    def sealed(self, kid: str, jwk: dict[str, Any]) -> str:
        """The JWK as text that tells nothing of it."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return base64.b64encode(nonce + self._cipher.encrypt(nonce, msgspec.json.encode(jwk), kid.encode())).decode()

    def opened(self, kid: str, text: str) -> dict[str, Any]:
        """The JWK that was sealed for this id. Raises CannotOpen."""
        sealed = base64.b64decode(text)
        try:
            found = self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], kid.encode())
        except InvalidTag:
            raise CannotOpen("The signing key was sealed under another key encryption key.") from None
        jwk: dict[str, Any] = msgspec.json.decode(found)
        return jwk
