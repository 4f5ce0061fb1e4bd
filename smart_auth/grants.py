"""What was granted: kept under its own id, told to the client as codes, tokens and context, revoked as a whole.

https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#response-5,
https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from smart_auth import records
from smart_auth.access import Acr
from smart_auth.documents import Documents
from smart_auth.endpoints import endpoint
from smart_auth.identity.assurance import as_of
from smart_auth.random_secrets import digest, new_id, new_secret
from smart_auth.records import (
    CODES,
    GRANTS,
    REFRESH_TOKENS,
    SESSIONS,
    Account,
    AuthorizationRequest,
    Client,
    Code,
    Grant,
    Launch,
    RefreshToken,
    Session,
)
from smart_auth.revocations import Revocations
from smart_auth.settings import SmartSettings
from smart_auth.tokens import AccessTokens

DAY = 86_400
# A used code is remembered for this long past its end, so that a replay still ends what was granted by it.
REPLAY_SECONDS = 600
MOST_GRANTS = 100_000


class Grants:
    """All grants of people to clients. A system client's tokens stand for themselves: nothing is kept of them here."""

    def __init__(
        self,
        documents: Documents,
        tokens: AccessTokens,
        revocations: Revocations,
        settings: SmartSettings,
        now: Callable[[], int],
    ) -> None:
        self._documents = documents
        self._tokens = tokens
        self._revocations = revocations
        self._settings = settings
        self._now = now

    async def create(
        self,
        *,
        client: Client,
        account: Account,
        scopes: Sequence[str],
        base: str,
        auth_time: int,
        acr: Acr,
        amr: tuple[str, ...],
        session: str | None = None,
        patient: str | None = None,
        encounter: str | None = None,
        launch: Launch | None = None,
        nonce: str | None = None,
        emergency: bool = False,
    ) -> Grant:
        """Keep what a person granted. `scopes` are final; intent, fhirContext and banner are those of the launch."""
        now = self._now()
        grant = Grant(
            id=new_id(),
            client_id=client.id,
            account=account.id,
            scopes=tuple(scopes),
            base=base,
            patient=patient,
            encounter=encounter,
            launch=None if launch is None else launch.id,
            intent=None if launch is None else launch.intent,
            fhir_context=() if launch is None else launch.fhir_context,
            need_patient_banner=None if launch is None else launch.need_patient_banner,
            emergency=emergency,
            nonce=nonce,
            auth_time=auth_time,
            acr=acr,
            amr=amr,
            offline="offline_access" in scopes,
            session=session,
            created_at=now,
            expires_at=now + self._lifetime(scopes),
        )
        # The end of one with refresh tokens moves with each use, which the store's own expiry would not follow.
        ends = None if has_refresh_tokens(grant) else grant.expires_at
        await self._documents.insert(GRANTS, grant.id, records.kept(grant), ends)
        return grant

    async def issue_code(self, grant: Grant, request: AuthorizationRequest) -> str:
        """An authorization code, good once and for `code_seconds` (RFC 6749 section 4.1.2)."""
        code = new_secret()
        expires = self._now() + self._settings.code_seconds
        kept = Code(
            id=digest(code),
            client_id=grant.client_id,
            redirect_uri=request.redirect_uri,
            code_challenge=request.code_challenge,
            grant=grant.id,
            expires_at=expires,
        )
        await self._documents.insert(CODES, kept.id, records.kept(kept), expires + REPLAY_SECONDS)
        return code

    async def issue_refresh_token(self, grant: Grant) -> tuple[str, RefreshToken]:
        """A refresh token and what is kept of it; it lives `refresh_token_days` from now, whatever came before it."""
        token, now = new_secret(), self._now()
        expires = now + self._settings.refresh_token_days * DAY
        kept = RefreshToken(
            id=digest(token), grant=grant.id, client_id=grant.client_id, issued_at=now, expires_at=expires
        )
        await self._documents.insert(REFRESH_TOKENS, kept.id, records.kept(kept), expires)
        return token, kept

    async def answer(
        self, grant: Grant, client: Client, account: Account | None, base: str, refresh_token: str | None = None
    ) -> dict[str, Any]:
        """The token response: RFC 6749 section 5.1, with SMART's launch context; `acr` is as good as it is by now."""
        grant = msgspec.structs.replace(grant, acr=self.acr_of(grant))
        access_token, seconds = await self._tokens.mint(grant, client, account, base)
        response: dict[str, Any] = {
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": seconds,
            "scope": " ".join(grant.scopes),
        }
        if refresh_token is not None:
            response["refresh_token"] = refresh_token
        if account is not None and "openid" in grant.scopes:
            response["id_token"] = await self._tokens.id_token(grant, client, account, base, access_token)
        return response | launch_context(grant, base)

    def acr_of(self, grant: Grant) -> Acr:
        """What the sign-in of a grant is good for by now."""
        return as_of(self._now(), grant.acr, grant.auth_time, self._settings.card_hours)

    async def find(self, grant_id: str) -> Grant | None:
        """The grant if it still stands: neither revoked nor expired."""
        found = await self._documents.get(GRANTS, grant_id)
        grant = None if found is None else records.read(Grant, found)
        return grant if grant is not None and self._stands(grant) else None

    async def prolong(self, grant: Grant) -> Grant:
        """Let a grant live as long as its newest refresh token: the grant as it is now."""
        expires = self._now() + self._lifetime(grant.scopes)
        await self._documents.change(GRANTS, grant.id, {"expires_at": expires}, {"revoked_at": None})
        return msgspec.structs.replace(grant, expires_at=expires)

    async def is_session_alive(self, grant: Grant) -> bool:
        """Whether refresh tokens of this grant work now: always for offline ones, else while the session lasts."""
        if grant.offline:
            return True
        found = None if grant.session is None else await self._documents.get(SESSIONS, grant.session)
        if found is None:
            return False
        session = records.read(Session, found)
        return session.signed_in_at + self._settings.session_hours * 3600 > self._now()

    async def revoke(self, grant_id: str) -> None:
        """End a grant and every token of it; access tokens within a second, on all workers."""
        now = self._now()
        await self._revocations.revoke("grant", grant_id, now + self._settings.access_token_seconds + 60)
        await self._documents.change(GRANTS, grant_id, {"revoked_at": now}, {"revoked_at": None})

    async def of_account(self, account_id: str) -> list[Grant]:
        """What this person's clients may do now, newest first."""
        return await self._standing({"account": account_id})

    async def of_client(self, client_id: str) -> list[Grant]:
        """What people let this client do now, newest first."""
        return await self._standing({"client_id": client_id})

    def _stands(self, grant: Grant) -> bool:
        return grant.revoked_at is None and grant.expires_at > self._now()

    def _lifetime(self, scopes: Sequence[str]) -> int:
        if "offline_access" in scopes:
            return self._settings.refresh_token_days * DAY
        if "online_access" in scopes:
            return self._settings.session_hours * 3600 + self._settings.access_token_seconds
        return self._settings.code_seconds + self._settings.access_token_seconds

    async def _standing(self, equal: dict[str, Any]) -> list[Grant]:
        found = [records.read(Grant, each) for each in await self._documents.find(GRANTS, equal, MOST_GRANTS)]
        for grant in found:
            if grant.expires_at <= self._now():
                await self._documents.remove(GRANTS, grant.id)
        return sorted(filter(self._stands, found), key=lambda grant: grant.created_at, reverse=True)


def has_refresh_tokens(grant: Grant) -> bool:
    """Whether refresh tokens belong to it (`offline_access`, or `online_access` as long as the session lasts)."""
    return grant.offline or "online_access" in grant.scopes


def launch_context(grant: Grant, base: str) -> dict[str, Any]:
    """The parameters of a launch as they stand beside the access token; those without a value are left out."""
    context: dict[str, Any] = {"patient": grant.patient, "encounter": grant.encounter, "intent": grant.intent}
    context["fhirContext"] = list(grant.fhir_context) or None
    context["need_patient_banner"] = grant.need_patient_banner
    if grant.account is not None:
        context["smart_style_url"] = endpoint(base, "style")
    return {name: value for name, value in context.items() if value is not None}
