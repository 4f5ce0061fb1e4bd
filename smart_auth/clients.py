"""The registered clients: looked up, added, changed, and removed with all that was granted to them.

https://www.rfc-editor.org/rfc/rfc7591#section-2,
https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#considerations-for-registration
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from smart_auth import records
from smart_auth.documents import Change, Documents
from smart_auth.random_secrets import digest, new_id, new_secret
from smart_auth.records import CLIENTS, Client
from smart_auth.redirect_uris import web_origin
from smart_auth.revocations import Revocations

INVITATIONS = "invitations"

# Longer than any access token may be set to live: what a removed client still holds is refused until it has expired.
REVOKED_SECONDS = 2 * 86_400
# More than any server has; a list cut short would silently take the CORS origins of some clients away.
MOST_CLIENTS = 1_000_000
RECONNECT_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class NewClient:
    """A client that was just kept, with the secrets that are told this once and kept as digests alone.

    `management_token` is the registration access token of RFC 7592 section 3.
    """

    client: Client
    secret: str | None = None
    management_token: str | None = None


class Clients:
    """All clients of this server. Each look-up reads the database: what another worker changed counts at once."""

    def __init__(self, documents: Documents, now: Callable[[], int], revocations: Revocations | None = None) -> None:
        """With the `revocations` of this worker it knows at once what ends here; the others learn it in any case."""
        self._documents = documents
        self._now = now
        self._revocations = revocations or Revocations(documents, now)
        self._origins_of: dict[str, frozenset[str]] = {}
        self._origins: frozenset[str] = frozenset()

    async def get(self, id: str) -> Client | None:
        """The client; None where there is none, or it is disabled."""
        found = await self._documents.get(CLIENTS, id)
        client = None if found is None else records.read(Client, found)
        return None if client is None or client.is_disabled else client

    async def all(self) -> list[Client]:
        """Every client, disabled ones too, by id."""
        found = await self._documents.find(CLIENTS, {}, MOST_CLIENTS)
        return [records.read(Client, document) for document in found]

    async def add(self, client: Client, secret: str | None = None, is_self_managed: bool = False) -> NewClient:
        """Keep a new client: one without an id gets one, one that authenticates by a secret gets a secret.

        `secret` is for clients whose secret is known beforehand (seeds). `is_self_managed` adds a registration access
        token (RFC 7592). Raises ValueError where the id is taken.
        """
        chosen = secret or new_secret() if client.auth_method.startswith("client_secret_") else None
        token = new_secret() if is_self_managed else None
        kept = msgspec.structs.replace(
            client,
            id=client.id or new_id(),
            secret_hash=None if chosen is None else digest(chosen),
            registered_at=client.registered_at or self._now(),
            management_token_hash=None if token is None else digest(token),
        )
        if not await self._documents.insert(CLIENTS, kept.id, records.kept(kept)):
            raise ValueError(f"There is a client {kept.id} already.")
        self._note_origins(kept.id, kept)
        return NewClient(kept, chosen, token)

    async def update(self, client: Client) -> None:
        """Keep a client in place of what was there under its id; disabling it ends its tokens."""
        await self._documents.replace(CLIENTS, client.id, records.kept(client))
        self._note_origins(client.id, client)
        if client.is_disabled:
            await self._revocations.revoke("client", client.id, self._now() + REVOKED_SECONDS)

    async def remove(self, id: str) -> bool:
        """Forget a client and end its tokens; whether it was there."""
        was_there = await self._documents.remove(CLIENTS, id)
        self._note_origins(id, None)
        await self._revocations.revoke("client", id, self._now() + REVOKED_SECONDS)
        return was_there

    async def rotate_secret(self, id: str) -> str:
        """A new secret for a client; the old one ends now. Raises LookupError where no client of that id has one."""
        secret = new_secret()
        found = await self._documents.get(CLIENTS, id)
        if found is None or not found["auth_method"].startswith("client_secret_"):
            raise LookupError(f"There is no client {id} that authenticates by a secret.")
        await self._documents.change(CLIENTS, id, {"secret_hash": digest(secret)})
        return secret

    async def invite(self, seconds: int) -> str:
        """An initial access token (RFC 7591 section 3): whoever sends it may register one client within this time."""
        token = new_secret()
        expires = self._now() + seconds
        await self._documents.insert(INVITATIONS, digest(token), {"expires_at": expires}, expires)
        return token

    async def spend_invitation(self, token: str) -> bool:
        """Whether this initial access token was good; it is not from now on."""
        found = await self._documents.get(INVITATIONS, digest(token))
        if found is None or found["expires_at"] <= self._now():
            return False
        return await self._documents.remove(INVITATIONS, digest(token))

    def origins(self) -> frozenset[str]:
        """The web origins of all redirect and launch addresses, for CORS; at most a second behind other workers."""
        return self._origins

    async def run(self) -> None:
        """Keep the origins current until cancelled; after a lost connection everything is read anew."""
        while True:
            # Whatever the store raises where its database is away: the origins stay as they were.
            with contextlib.suppress(Exception):
                await self._follow()
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _follow(self) -> None:
        is_loaded = False
        async for change in self._documents.changes(CLIENTS):
            # The stream is open from its first word on: what is read after that misses nothing.
            if not is_loaded:
                await self._load()
                is_loaded = True
            if change is not None:
                self._note_change(change)

    async def _load(self) -> None:
        everyone = await self.all()
        self._origins_of = {each.id: _origins_of(each) for each in everyone}
        self._gather()

    def _note_change(self, change: Change) -> None:
        document = change.document
        self._note_origins(change.id, None if document is None else records.read(Client, document))

    def _note_origins(self, id: str, client: Client | None) -> None:
        origins = frozenset[str]() if client is None else _origins_of(client)
        if self._origins_of.get(id, frozenset()) != origins:
            self._origins_of[id] = origins
            self._gather()

    def _gather(self) -> None:
        self._origins = frozenset().union(*self._origins_of.values())


def _origins_of(client: Client) -> frozenset[str]:
    if client.is_disabled:
        return frozenset()
    addresses = (*client.redirect_uris, *([client.initiate_login_uri] if client.initiate_login_uri else []))
    return frozenset(origin for origin in map(web_origin, addresses) if origin is not None)
