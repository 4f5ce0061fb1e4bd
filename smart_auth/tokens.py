"""Access tokens and id tokens: signed JWTs that every worker checks without a look into the database.

RFC 9068 (JWT access tokens), RFC 8725 (what goes wrong with JWTs),
https://openid.net/specs/openid-connect-core-1_0.html#IDToken
"""

import base64
import binascii
import hashlib
import secrets
from collections.abc import Callable
from typing import Any

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError

from smart_auth.access import AccessContext, Acr, Kind, NotAdmitted
from smart_auth.keys import ALGORITHM, Keys
from smart_auth.records import Account, Client, Grant
from smart_auth.scopes import FHIR_USER, PROFILE, resource_scopes
from smart_auth.settings import SmartSettings

ACCESS_TOKEN_TYPE = "at+jwt"
ID_TOKEN_TYPE = "JWT"

# A token with every type of R4 in its scope has about 8,000 characters.
MAX_TOKEN_CHARACTERS = 32_768

# A break-glass access; https://terminology.hl7.org/CodeSystem-v3-ActReason.html
BREAK_THE_GLASS = "BTG"

# Who may be shown SSNs at all, if the client may.
_MAY_SEE_SSN: frozenset[Kind] = frozenset({"system", "practitioner", "admin"})


class TokenClaims(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The claims of an access token: those of RFC 9068 section 2.2, and our own.

    `gid` is the grant's id. `fhirUser` is relative here, so that it holds under any of the server's addresses. `acr`,
    `amr` and `auth_time` are of the sign-in (RFC 9470 section 6); a system's token has none.
    """

    iss: str
    aud: str
    sub: str
    client_id: str
    exp: int
    iat: int
    jti: str
    scope: str
    gid: str
    kind: Kind
    fhirUser: str | None = None  # noqa: N815 (the claim's name)
    patients: tuple[str, ...] = ()
    patient: str | None = None
    encounter: str | None = None
    agency: str | None = None
    purposes: tuple[str, ...] = ()
    ssn: bool = False
    emergency: bool = False
    acr: Acr | None = None
    amr: tuple[str, ...] = ()
    auth_time: int = 0


class _Header(msgspec.Struct, frozen=True):
    alg: str
    kid: str
    typ: str


class AccessTokens:
    """Makes tokens of grants, and reads them back. `is_own_base` tells whether a URL is one of the server's bases."""

    def __init__(
        self, keys: Keys, settings: SmartSettings, now: Callable[[], int], is_own_base: Callable[[str], bool]
    ) -> None:
        self._keys = keys
        self._settings = settings
        self._now = now
        self._is_own_base = is_own_base

    async def mint(self, grant: Grant, client: Client, account: Account | None, base: str) -> tuple[str, int]:
        """An access token for the scopes of the grant, and for how many seconds it is good.

        Without an account it is a system client's own.
        """
        now, seconds = self._now(), self._seconds(grant, account)
        kind: Kind = "system" if account is None else account.kind
        claims = TokenClaims(
            iss=base,
            aud=base,
            sub=client.id if account is None else account.id,
            client_id=client.id,
            exp=now + seconds,
            iat=now,
            jti=secrets.token_urlsafe(16),
            scope=" ".join(grant.scopes),
            gid=grant.id,
            kind=kind,
            fhirUser=None if account is None else account.fhir_user,
            patients=() if account is None else account.patients,
            patient=grant.patient,
            encounter=grant.encounter,
            agency=client.agency,
            purposes=_purposes(grant, client, account),
            ssn=client.may_see_ssn and kind in _MAY_SEE_SSN,
            emergency=grant.emergency,
            acr=None if account is None else grant.acr,
            amr=grant.amr,
            auth_time=grant.auth_time,
        )
        return await self._signed(ACCESS_TOKEN_TYPE, msgspec.to_builtins(claims)), seconds

    async def read(self, token: str) -> AccessContext:
        """The bearer of an access token. Raises NotAdmitted invalid_token."""
        kid, claims = await self._checked(token)
        return AccessContext(
            subject=claims.sub,
            client_id=claims.client_id,
            kind=claims.kind,
            scopes=resource_scopes(claims.scope.split()),
            fhir_user=claims.fhirUser,
            patients=claims.patients,
            patient=claims.patient,
            encounter=claims.encounter,
            agency=claims.agency,
            purposes=claims.purposes,
            may_see_ssn=claims.ssn,
            emergency=claims.emergency,
            token_id=claims.jti,
            grant=claims.gid,
            expires=claims.exp,
            signed_by=kid,
            # What was signed before there were levels is as good as the least sure sign-in.
            acr=claims.acr or "level1",
        )

    async def claims(self, token: str) -> TokenClaims:
        """What an access token of ours says, if it is one and in force. Raises NotAdmitted invalid_token."""
        _, claims = await self._checked(token)
        return claims

    async def _checked(self, token: str) -> tuple[str, TokenClaims]:
        """The id of the key that signed a token, and what it says. Raises NotAdmitted invalid_token."""
        header = _header(token)
        # RFC 8725 section 3.1: the algorithm is ours to say. Section 3.11: so is the kind of token.
        if header is None or header.alg != ALGORITHM or header.typ.lower() != ACCESS_TOKEN_TYPE:
            raise _invalid("This is not an access token of this server.")
        signing = await self._keys.find(header.kid)
        if signing is None:
            raise _invalid("This server has not signed this access token.")
        try:
            decoded = jwt.decode(token, signing.key, algorithms=[ALGORITHM])
            claims = msgspec.convert(decoded.claims, TokenClaims)
        except (JoseError, msgspec.ValidationError, ValueError) as error:
            raise _invalid("This server has not signed this access token.") from error
        if not (self._is_own_base(claims.iss) and self._is_own_base(claims.aud)):
            raise _invalid("This access token is for another server.")
        if claims.exp <= self._now():
            raise expired()
        return signing.kid, claims

    def has_expired(self, access: AccessContext) -> bool:
        """Whether the token that was read to this is past its time."""
        return access.expires <= self._now()

    async def id_token(self, grant: Grant, client: Client, account: Account, base: str, access_token: str) -> str:
        """Who signed in, for the client (OpenID Connect Core section 2)."""
        now = self._now()
        claims: dict[str, Any] = {
            "iss": base,
            "sub": account.id,
            "aud": client.id,
            "exp": now + self._settings.id_token_seconds,
            "iat": now,
            "at_hash": _half_hash(access_token),
        }
        if grant.auth_time:
            claims["auth_time"] = grant.auth_time
        claims["acr"] = grant.acr
        if grant.amr:
            claims["amr"] = list(grant.amr)
        if grant.nonce is not None:
            claims["nonce"] = grant.nonce
        return await self._signed(ID_TOKEN_TYPE, claims | user_claims(grant.scopes, account, base))

    def _seconds(self, grant: Grant, account: Account | None) -> int:
        """A token never outlives its grant."""
        settings = self._settings
        longest = settings.system_access_token_seconds if account is None else settings.access_token_seconds
        return min(longest, grant.expires_at - self._now()) if grant.expires_at else longest

    async def _signed(self, typ: str, claims: dict[str, Any]) -> str:
        signing = await self._keys.signing()
        header = {"alg": ALGORITHM, "kid": signing.kid, "typ": typ}
        return jwt.encode(header, claims, signing.key, algorithms=[ALGORITHM])


def user_claims(scopes: tuple[str, ...], account: Account, base: str) -> dict[str, Any]:
    """What an id token and the userinfo endpoint say of a person: `fhirUser` absolute, `profile` as version 1 had it.

    https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#scopes-for-requesting-identity-data
    """
    claims: dict[str, Any] = {}
    if FHIR_USER in scopes and account.fhir_user is not None:
        claims["fhirUser"] = f"{base}/{account.fhir_user}"
    if PROFILE in scopes:
        claims |= {"name": account.name or account.username}
        if account.fhir_user is not None:
            claims["profile"] = f"{base}/{account.fhir_user}"
    return claims


def expired() -> NotAdmitted:
    """The token was good once."""
    return _invalid("The access token has expired: refresh it, or sign in again.")


def _invalid(text: str) -> NotAdmitted:
    return NotAdmitted("invalid_token", text)


def _purposes(grant: Grant, client: Client, account: Account | None) -> tuple[str, ...]:
    if account is None:
        return client.purposes
    return (BREAK_THE_GLASS,) if grant.emergency else ()


def _half_hash(access_token: str) -> str:
    """`at_hash` (OpenID Connect Core section 3.1.3.6)."""
    half = hashlib.sha256(access_token.encode("ascii")).digest()[:16]
    return base64.urlsafe_b64encode(half).rstrip(b"=").decode("ascii")


def _header(token: str) -> _Header | None:
    """The header of a compact JWS of a sane size, which nothing may be believed of yet."""
    if len(token) > MAX_TOKEN_CHARACTERS or token.count(".") != 2:
        return None
    encoded = token.partition(".")[0]
    try:
        raw = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
        return msgspec.json.decode(raw, type=_Header)
    except (binascii.Error, msgspec.DecodeError, ValueError):
        return None
