"""ID tokens of other providers: whose they are, once everything about them was found right.

https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation, RFC 8725 (what goes wrong with JWTs)
"""

import base64
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from smart_auth.identity.providers import Provider

ALGORITHMS: Mapping[str, tuple[str, str | None]] = {
    "RS256": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
}
"""What a token may be signed by: the algorithm, and the kind and curve of its key."""

MAX_LENGTH = 16_384
MIN_RSA_BITS = 2048
# Base64url of a modulus of 8,192 bits and an exponent of 48: longer ones cost time to verify.
LONGEST_MODULUS = 1368
LONGEST_EXPONENT = 8
MOST_KEYS_OF_KID = 4
CLOCK_SECONDS = 60
"""How far the provider's clock may be off."""

OLDEST_SECONDS = 600
"""How old a token may be that was fetched just now."""

_LONGEST_SUBJECT = 255  # "It MUST NOT exceed 255 ASCII characters in length."


class Refused(Exception):
    """The provider's answer cannot be used; the text is for the audit log, and holds nothing of the answer."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who signed in at a provider: its word for the person, and how sure it is (`acr`) where it says so."""

    subject: str
    acr: str | None


class _Header(msgspec.Struct, frozen=True):
    alg: str
    kid: str = ""
    typ: str = "JWT"
    crit: Any = None
    b64: Any = None


def key_id(token: str) -> str:
    """The id of the key that a token says to be signed by. Raises Refused."""
    return _header(token).kid


def identity(token: str, keys: Sequence[Mapping[str, Any]], provider: Provider, nonce: str, now: int) -> Identity:
    """Who the token is about, if one of these keys of the provider signed it, for us, now, for this sign-in.

    Raises Refused.
    """
    algorithm = _header(token).alg
    claims = next(
        (found for key in keys[:MOST_KEYS_OF_KID] if (found := _signed(token, algorithm, key)) is not None), None
    )
    if claims is None:
        raise Refused("the ID token is not signed by a key of the provider")
    if claims.get("iss") != provider.issuer:
        raise Refused("the ID token is of another issuer")
    _check_audience(claims, provider.client_id)
    _check_time(claims, now)
    sent = claims.get("nonce")
    if not isinstance(sent, str) or not hmac.compare_digest(sent.encode(), nonce.encode()):
        raise Refused("the ID token is of another sign-in")
    subject, acr = claims.get("sub"), claims.get("acr")
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT:
        raise Refused("the ID token names nobody")
    return Identity(subject, acr if isinstance(acr, str) else None)


def _check_audience(claims: Mapping[str, Any], client_id: str) -> None:
    aud = claims.get("aud")
    audiences = aud if isinstance(aud, list) else [aud]
    if client_id not in audiences:
        raise Refused("the ID token is for another client")
    if claims.get("azp", client_id if len(audiences) == 1 else None) != client_id:
        raise Refused("the ID token was made for another client")


def _check_time(claims: Mapping[str, Any], now: int) -> None:
    expires, issued = _instant(claims, "exp"), _instant(claims, "iat")
    if expires is None or expires + CLOCK_SECONDS <= now:
        raise Refused("the ID token has expired")
    if issued is None or not now - OLDEST_SECONDS <= issued <= now + CLOCK_SECONDS:
        raise Refused("the ID token was not made now")


def _header(token: str) -> _Header:
    parts = token.split(".")
    if len(token) > MAX_LENGTH or len(parts) != 3:
        raise Refused("the ID token is no signed JWT")
    try:
        encoded = base64.b64decode(parts[0] + "=" * (-len(parts[0]) % 4), altchars=b"-_", validate=True)
        header = msgspec.json.decode(encoded, type=_Header)
    except (ValueError, RecursionError):
        raise Refused("the ID token is no signed JWT") from None
    # Before any key is looked at: neither `none`, nor a MAC under a public key (RFC 8725 section 3.1).
    if header.alg not in ALGORITHMS:
        raise Refused("the ID token is signed by an algorithm that is not taken")
    # RFC 8725 section 3.11: an access token is no ID token.
    if header.typ.upper() != "JWT" or header.crit is not None or header.b64 is not None:
        raise Refused("the header of the ID token has something in it that is not known here")
    if not header.kid:
        raise Refused("the ID token does not name its key")
    return header


def _signed(token: str, algorithm: str, key: Mapping[str, Any]) -> dict[str, Any] | None:
    public = _public(algorithm, key)
    if public is None:
        return None
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    registry.max_header_length = MAX_LENGTH
    registry.max_payload_length = MAX_LENGTH
    try:
        payload = jws.deserialize_compact(token, public, registry=registry).payload
        claims: dict[str, Any] = msgspec.json.decode(payload, type=dict[str, Any])
    except (JoseError, ValueError, RecursionError):
        return None
    return claims


def _public(algorithm: str, key: Mapping[str, Any]) -> RSAKey | ECKey | None:
    kind, curve = ALGORITHMS[algorithm]
    if key.get("use", "sig") != "sig" or key.get("alg", algorithm) != algorithm or key.get("kty") != kind:
        return None
    try:
        if kind == "RSA":
            if len(key["n"]) > LONGEST_MODULUS or len(key["e"]) > LONGEST_EXPONENT:
                return None
            rsa = RSAKey.import_key({name: key[name] for name in ("kty", "n", "e")})
            return rsa if rsa.raw_value.key_size >= MIN_RSA_BITS else None
        if key.get("crv") == curve:
            return ECKey.import_key({name: key[name] for name in ("kty", "crv", "x", "y")})
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return None


def _instant(claims: Mapping[str, Any], name: str) -> int | None:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:
        return None
    return int(value)
