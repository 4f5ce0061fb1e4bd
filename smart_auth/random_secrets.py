"""Secrets of our own making: 256 random bits, of which only the hash is ever kept.

https://www.rfc-editor.org/rfc/rfc6749#section-10.10
"""

import secrets
from hashlib import sha256


def new_secret() -> str:
    """256 random bits as 43 characters that need no escaping in a URL or a cookie."""
    return secrets.token_urlsafe(32)


def new_id() -> str:
    """128 random bits as an id that is also a FHIR id."""
    return secrets.token_hex(16)


def digest(secret: str) -> str:
    """What is kept of a secret: its SHA-256 in hexadecimal. Random as it is, it needs neither salt nor slowness."""
    return sha256(secret.encode()).hexdigest()
