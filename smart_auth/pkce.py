"""Proof Key for Code Exchange (RFC 7636), by S256 alone and for every client.

https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#considerations-for-pkce-support
"""

import base64
import hashlib
import hmac
import re

from smart_auth.errors import invalid_request

# RFC 7636 section 4.1: 43 to 128 unreserved characters.
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
# The SHA-256 of a verifier in base64url without padding (section 4.2).
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


def check_challenge(challenge: str | None, method: str | None) -> None:
    """Whether an authorize request carries a usable challenge. Raises OAuthError invalid_request (section 4.4.1)."""
    if not challenge:
        raise invalid_request("PKCE is required: send code_challenge and code_challenge_method=S256.")
    if method != "S256":
        # Without a method the RFC means `plain`, which SMART forbids.
        raise invalid_request("Send code_challenge_method=S256; no other method is supported.")
    if _CHALLENGE.fullmatch(challenge) is None:
        raise invalid_request("The code_challenge must be the base64url SHA-256 of the verifier: 43 characters.")


def verify(challenge: str, verifier: str | None) -> bool:
    """Whether this verifier was the one the challenge was made from (section 4.6), in constant time."""
    if verifier is None or _VERIFIER.fullmatch(verifier) is None:
        return False
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    made = base64.urlsafe_b64encode(digest).rstrip(b"=")
    return hmac.compare_digest(made, challenge.encode("utf-8"))
