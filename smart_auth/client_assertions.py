"""Assertions by which clients authenticate (private_key_jwt): signed by a registered key, for us, soon over, used once.

https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html#authenticating-to-the-token-endpoint
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from smart_auth.clients import Clients
from smart_auth.documents import Documents
from smart_auth.errors import invalid_client
from smart_auth.jwks_of_clients import JwksOfClients, JwksUnavailable, inline_keys
from smart_auth.random_secrets import digest
from smart_auth.records import SEEN_ASSERTIONS, Client
from smart_auth.settings import SmartSettings

ALGORITHMS = ("RS384", "ES384")
MAX_LENGTH = 16_384
MIN_RSA_BITS = 2048
# Base64url of a modulus of 8,192 bits and an exponent of 48: by longer ones a signature takes up to 90 ms to verify.
LONGEST_MODULUS = 1368
LONGEST_EXPONENT = 8
# Keys of one kid that are tried; an honest set has one of each kind.
MOST_KEYS_OF_KID = 4
LONGEST_JTI = 256
# A client's clock may be this far ahead of ours for what must not lie in the future.
CLOCK_SECONDS = 60


class _Header(msgspec.Struct, frozen=True):
    alg: str
    kid: str = ""
    jku: str | None = None
    crit: Any = None
    b64: Any = None


class ClientAssertions:
    """Checks assertions; those seen are remembered by all workers until they have expired."""

    def __init__(
        self,
        documents: Documents,
        clients: Clients,
        jwks: JwksOfClients,
        settings: SmartSettings,
        now: Callable[[], int],
    ) -> None:
        self._documents = documents
        self._clients = clients
        self._jwks = jwks
        self._settings = settings
        self._now = now

    async def client(self, assertion: str, audiences: Sequence[str]) -> Client:
        """The client that made the assertion. Raises OAuthError invalid_client."""
        header, claims = _unverified(assertion)
        client = await self._clients.get(_text(claims, "sub") or "")
        # RFC 7523 section 3: iss and sub are both the client's id.
        if client is None or claims.get("iss") != client.id or client.auth_method != "private_key_jwt":
            raise invalid_client("The assertion's iss and sub must be the id of a client with registered keys.")
        keys = await self._keys(client, header)
        if not any(_is_signed_by(assertion, header.alg, key) for key in keys[:MOST_KEYS_OF_KID]):
            raise invalid_client("The assertion is not signed by a registered key of the kid in its header.")
        self._check_claims(claims, audiences)
        await self._check_first_use(client, claims)
        return client

    async def _keys(self, client: Client, header: _Header) -> Sequence[Mapping[str, Any]]:
        if not header.kid:
            raise invalid_client("The assertion's header must name its key by kid.")
        # "When present, this SHALL match a value that the client supplied to the server at registration."
        if header.jku is not None and header.jku != client.jwks_uri:
            raise invalid_client("The assertion's jku is not the registered jwks_uri.")
        if client.jwks_uri is None:
            return inline_keys(client.jwks or {}, header.kid)
        try:
            return await self._jwks.keys(client.jwks_uri, header.kid)
        except JwksUnavailable as reason:
            raise invalid_client(str(reason)) from None

    def _check_claims(self, claims: Mapping[str, Any], audiences: Sequence[str]) -> None:
        now, skew = self._now(), self._settings.assertion_skew_seconds
        aud = claims.get("aud")
        if not any(each in audiences for each in (aud if isinstance(aud, list) else [aud]) if isinstance(each, str)):
            raise invalid_client(f"The assertion's aud must be {audiences[0]}.")
        expires = _instant(claims, "exp")
        if expires is None or expires + skew <= now:
            raise invalid_client("The assertion has expired, or its exp is missing.")
        # "a time no more than five minutes in the future"
        if expires > now + self._settings.assertion_seconds + skew:
            raise invalid_client(f"The assertion's exp is more than {self._settings.assertion_seconds} seconds ahead.")
        for name in ("nbf", "iat"):
            if name in claims and ((at := _instant(claims, name)) is None or at > now + CLOCK_SECONDS):
                raise invalid_client(f"The assertion's {name} lies in the future.")

    async def _check_first_use(self, client: Client, claims: Mapping[str, Any]) -> None:
        jti = _text(claims, "jti")
        if jti is None or len(jti) > LONGEST_JTI:
            raise invalid_client(f"The assertion needs a jti of at most {LONGEST_JTI} characters.")
        expires = int(claims["exp"]) + self._settings.assertion_skew_seconds + 1
        seen = digest(f"{client.id} {jti}")
        if not await self._documents.insert(SEEN_ASSERTIONS, seen, {"client_id": client.id}, expires):
            raise invalid_client("An assertion with this jti was used before; make a new one for each request.")


def _unverified(assertion: str) -> tuple[_Header, dict[str, Any]]:
    """Header and claims as they stand, only to find out whose keys must verify them."""
    parts = assertion.split(".")
    if len(assertion) > MAX_LENGTH or len(parts) != 3:
        raise invalid_client(f"The assertion is not a signed JWT of at most {MAX_LENGTH} characters.")
    try:
        header = msgspec.json.decode(_decoded(parts[0]), type=_Header)
        claims = msgspec.json.decode(_decoded(parts[1]), type=dict[str, Any])
    except (ValueError, RecursionError):
        raise invalid_client("The assertion is not a signed JWT.") from None
    # Before any key is looked at: neither `none` nor a MAC under a public key (RFC 8725 section 3.1).
    if header.alg not in ALGORITHMS:
        raise invalid_client(f"The assertion must be signed by {' or '.join(ALGORITHMS)}.")
    # RFC 7515 section 4.1.11: refused if not understood; RFC 7797's b64 is not.
    if header.crit is not None or header.b64 is not None:
        raise invalid_client("The assertion's header has extensions that are not known here.")
    return header, claims


def _decoded(part: str) -> bytes:
    return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)


def _is_signed_by(assertion: str, algorithm: str, key: Mapping[str, Any]) -> bool:
    public = public_key(key)
    if public is None or public.key_type != {"RS384": "RSA", "ES384": "EC"}[algorithm]:
        return False
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    registry.max_header_length = MAX_LENGTH
    try:
        jws.deserialize_compact(assertion, public, registry=registry)
    except (JoseError, ValueError):
        return False
    return True


def public_key(key: Mapping[str, Any]) -> RSAKey | ECKey | None:
    """A key that assertions may be signed by: RSA of 2,048 to 8,192 bits, or EC on P-384; None for any other."""
    if key.get("use", "sig") != "sig" or key.get("alg", ALGORITHMS[0]) not in ALGORITHMS:
        return None
    try:
        if key.get("kty") == "RSA":
            if len(key["n"]) > LONGEST_MODULUS or len(key["e"]) > LONGEST_EXPONENT:
                return None
            rsa = RSAKey.import_key({name: key[name] for name in ("kty", "n", "e")})
            return rsa if rsa.raw_value.key_size >= MIN_RSA_BITS else None
        if key.get("kty") == "EC" and key.get("crv") == "P-384":
            return ECKey.import_key({name: key[name] for name in ("kty", "crv", "x", "y")})
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return None


def _text(claims: Mapping[str, Any], name: str) -> str | None:
    value = claims.get(name)
    return value if isinstance(value, str) and value else None


def _instant(claims: Mapping[str, Any], name: str) -> int | None:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e12:
        return None
    return int(value)
