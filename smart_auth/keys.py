"""The keys that sign tokens: one set, kept with the documents, that all workers share (RFC 7517).

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#scopes-for-requesting-identity-data
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from joserfc.jwk import RSAKey

from smart_auth.documents import Document, Documents
from smart_auth.records import SIGNING_KEYS

ALGORITHM = "RS256"
KEY_BITS = 2048

# Another worker may sign with a replaced key until it reads the keys again.
_OVERLAP_SECONDS = 60


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key pair in the order of its making, `number`; `key` lacks its private half once it was replaced."""

    number: int
    kid: str
    made_at: int
    key: RSAKey


class Keys:
    """The signing keys. The newest signs; the others check what they signed until the last of it has expired."""

    def __init__(self, documents: Documents, now: Callable[[], int], longest_token_seconds: int = 3600) -> None:
        self._documents = documents
        self._now = now
        self._listed_seconds = longest_token_seconds + _OVERLAP_SECONDS
        self._keys: tuple[SigningKey, ...] = ()
        self._read_at = -1
        self._asked_again_at = -1
        self._asking = asyncio.Lock()

    async def signing(self) -> SigningKey:
        """The key that signs now; made where there is none. Another worker's new key is used within a second."""
        await self._read_each_second()
        while not self._keys:
            await self._add(1)
        return self._keys[-1]

    async def find(self, kid: str) -> SigningKey | None:
        """The key that signed a token. A kid nobody knows costs one read a second, however often it is asked for."""
        known = self._known(kid)
        if known is None:
            # Whoever asks while the keys are being read waits for what that brings.
            async with self._asking:
                known = self._known(kid)
                if known is None and self._asked_again_at != self._now():
                    self._asked_again_at = self._now()
                    await self._read()
                    known = self._known(kid)
        return known

    async def jwks(self) -> dict[str, Any]:
        """The public keys as a JWK Set (RFC 7517 section 5), the one that signs first."""
        await self.signing()
        return {"keys": [_public(key) for key in reversed(self._keys)]}

    async def rotate(self) -> SigningKey:
        """Sign by a new key from now on. Where two do so at once, both get the one new key."""
        current = await self.signing()
        await self._add(current.number + 1)
        newest = self._keys[-1]
        for replaced in self._keys[:-1]:
            if replaced.key.is_private:
                public = {**_stored(replaced), "jwk": _public(replaced)}
                until = newest.made_at + self._listed_seconds
                await self._documents.replace(SIGNING_KEYS, _id(replaced.number), public, until)
        return newest

    def _known_or_read(self, document: Document) -> SigningKey:
        # To check a private key on its way in takes 70 ms.
        known = self._known(document["kid"])
        if known is not None and known.key.is_private == ("d" in document["jwk"]):
            return known
        key = RSAKey.import_key(document["jwk"])
        return SigningKey(document["number"], document["kid"], document["made_at"], key)

    def _known(self, kid: str) -> SigningKey | None:
        return next((key for key in self._keys if key.kid == kid), None)

    async def _add(self, number: int) -> None:
        """Make the key of this number unless another worker was faster; either way it is known afterwards."""
        key = await asyncio.to_thread(RSAKey.generate_key, KEY_BITS)
        made = SigningKey(number, key.thumbprint(), self._now(), key)
        await self._documents.insert(SIGNING_KEYS, _id(number), {**_stored(made), "jwk": key.as_dict(private=True)})
        await self._read()

    async def _read_each_second(self) -> None:
        if self._read_at != self._now():
            await self._read()

    async def _read(self) -> None:
        read_at = self._now()
        self._keys = self._listed(await self._documents.find(SIGNING_KEYS, {}))
        self._read_at = read_at

    def _listed(self, documents: list[Document]) -> tuple[SigningKey, ...]:
        """The newest key, and before it those whose tokens may not have expired."""
        keys = sorted((self._known_or_read(document) for document in documents), key=lambda key: key.number)
        replaced_at = [following.made_at for following in keys[1:]]
        live = [key for key, at in zip(keys, replaced_at, strict=False) if at + self._listed_seconds > self._now()]
        return tuple(live + keys[-1:])


def _id(number: int) -> str:
    return f"{number:08}"


def _stored(key: SigningKey) -> dict[str, Any]:
    return {"number": key.number, "kid": key.kid, "made_at": key.made_at}


def _public(key: SigningKey) -> dict[str, Any]:
    return {**key.key.as_dict(private=False), "kid": key.kid, "use": "sig", "alg": ALGORITHM}
