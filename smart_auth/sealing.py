"""What must be read back later, sealed; and numbers that are looked up by, as digests that nobody can try out.

AES-256-GCM (NIST SP 800-38D) and HMAC-SHA256 (RFC 2104) under two keys derived by HKDF (RFC 5869) from one secret.
"""

import base64
import binascii
import hashlib
import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

FEWEST_BYTES = 32

_NONCE_BYTES = 12
_SEALING = b"fhir-server sealed texts"
_DIGESTS = b"fhir-server keyed digests"


class Seal:
    """Seals texts and digests numbers under one secret of at least FEWEST_BYTES bytes, the same for all workers."""

    def __init__(self, key: bytes) -> None:
        """Raises ValueError for a secret that is too short."""
        if len(key) < FEWEST_BYTES:
            raise ValueError(f"A secret to seal by has at least {FEWEST_BYTES} bytes.")
        self._cipher = AESGCM(_derived(key, _SEALING))
        self._digest_key = _derived(key, _DIGESTS)

    @classmethod
    def of_this_process(cls) -> "Seal":
        """One that nobody else has: what it seals cannot be opened by another process, or after a restart."""
        return cls(secrets.token_bytes(FEWEST_BYTES))

    def sealed(self, text: str, about: str) -> str:
        """The text as base64 that tells nothing but its length; to be opened only with the same `about`."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return base64.b64encode(nonce + self._cipher.encrypt(nonce, text.encode(), about.encode())).decode()

    def opened(self, sealed: str, about: str) -> str:
        """The text that was sealed about this. Raises ValueError where it was not, or by another secret."""
        try:
            content = base64.b64decode(sealed, validate=True)
            return self._cipher.decrypt(content[:_NONCE_BYTES], content[_NONCE_BYTES:], about.encode()).decode()
        except (InvalidTag, binascii.Error, ValueError):
            raise ValueError("This was not sealed here, or not about this.") from None

    def keyed_digest(self, text: str) -> str:
        """A digest in 64 hexadecimal digits. Whoever reads it in the database cannot find the text by trying all."""
        return hmac.new(self._digest_key, text.encode(), hashlib.sha256).hexdigest()


def _derived(key: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), length=32, salt=None, info=purpose).derive(key)
