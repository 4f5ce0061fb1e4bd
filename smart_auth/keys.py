"""The keys that sign tokens: one set, kept with the documents, that all workers share (RFC 7517).

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#scopes-for-requesting-identity-data
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from joserfc.jwk import RSAKey

from smart_auth.documents import Document, Documents
from smart_auth.key_seal import CannotOpen, KeySeal
from smart_auth.records import SIGNING_KEYS

ALGORITHM = "RS256"
KEY_BITS = 2048

# Another worker may sign with a replaced key until it reads the keys again.
_OVERLAP_SECONDS = 60


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key pair in the order of its making, `number`; `key` lacks its private half once it was replaced, and where
    that cannot be opened.
    """

    number: int
    kid: str
    made_at: int
    key: RSAKey


def _never(kid: str) -> bool:
    return False


class Keys:
    """The signing keys. The newest signs; the others check what they signed until the last of it has expired.

    One that `is_revoked` checks nothing any more. With a `seal` no private half lies open in the documents.
    """

    def __init__(
        self,
        documents: Documents,
        now: Callable[[], int],
        longest_token_seconds: int = 3600,
        is_revoked: Callable[[str], bool] = _never,
        seal: KeySeal | None = None,
    ) -> None:
        self._documents = documents
        self._now = now
        self._listed_seconds = longest_token_seconds + _OVERLAP_SECONDS
        self._is_revoked = is_revoked
        self._seal = seal
        self._keys: tuple[SigningKey, ...] = ()
        self._read_at = -1
        self._asked_again_at = -1
        self._asking = asyncio.Lock()

    async def begin(self) -> None:
        """Make sure that this worker can sign, if there is a key; one that lies open where it is to be sealed gets a
        successor. Raises CannotOpen.
        """
        kept = await self._documents.find(SIGNING_KEYS, {})
        if not kept:
            return
        if self._seal is not None and not any("sealed" in document for document in kept):
            await self.rotate()
        await self.signing()

    async def signing(self) -> SigningKey:
        """The key that signs now; made where there is none. Another worker's new key is used within a second.

        Raises CannotOpen where it is sealed and cannot be opened here.
        """
        newest = await self._newest()
        if not newest.key.is_private:
            raise CannotOpen("The signing key is sealed, and not under the key encryption key that is given here.")
        return newest

    async def _newest(self) -> SigningKey:
        await self._read_each_second()
        if self._keys and self._is_revoked(self._keys[-1].kid):
            # Revoked before the second was over; by then its successor is there.
            await self._read()
        while not self._keys:
            await self._add(1)
        return self._keys[-1]

    async def find(self, kid: str) -> SigningKey | None:
        """The key that signed a token. A kid nobody knows costs one read a second, however often it is asked for."""
        if self._is_revoked(kid):
            return None
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
        await self._newest()
        return {"keys": [_public(key) for key in reversed(self._keys)]}

    async def rotate(self) -> SigningKey:
        """Sign by a new key from now on. Where two do so at once, both get the one new key.

        What the others signed counts until it expires.
        """
        current = await self._newest()
        await self._add(current.number + 1)
        newest = self._keys[-1]
        until = newest.made_at + self._listed_seconds
        for document in await self._made_before(newest):
            if _has_private(document):
                # Its private half goes, open or sealed.
                replaced = _read(document)
                public = {**_stored(replaced), "jwk": _public(replaced)}
                await self._documents.replace(SIGNING_KEYS, document["id"], public, until)
        return newest

    async def before(self, newest: SigningKey) -> tuple[str, ...]:
        """The ids of all keys that were made before this one."""
        return tuple(document["kid"] for document in await self._made_before(newest))

    async def forget_before(self, newest: SigningKey) -> None:
        """Remove all keys that were made before this one. What they signed is to be revoked first."""
        for document in await self._made_before(newest):
            await self._documents.remove(SIGNING_KEYS, document["id"])
        await self._read()

    async def _made_before(self, newest: SigningKey) -> list[Document]:
        return [each for each in await self._documents.find(SIGNING_KEYS, {}) if each["number"] < newest.number]

    def _known_or_read(self, document: Document) -> SigningKey:
        # To check a private key on its way in takes 70 ms.
        known = self._known(document["kid"])
        if known is not None and known.key.is_private == _has_private(document):
            return known
        return _read(document, self._seal)

    def _known(self, kid: str) -> SigningKey | None:
        return next((key for key in self._keys if key.kid == kid), None)

    async def _add(self, number: int) -> None:
        """Make the key of this number unless another worker was faster; either way it is known afterwards."""
        key = await asyncio.to_thread(RSAKey.generate_key, KEY_BITS)
        made = SigningKey(number, key.thumbprint(), self._now(), key)
        private = key.as_dict(private=True)
        if self._seal is None:
            halves: dict[str, Any] = {"jwk": private}
        else:
            halves = {"jwk": _public(made), "sealed": self._seal.sealed(made.kid, private)}
        await self._documents.insert(SIGNING_KEYS, _id(number), {**_stored(made), **halves})
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


def _has_private(document: Document) -> bool:
    return "d" in document["jwk"] or "sealed" in document


def _read(document: Document, seal: KeySeal | None = None) -> SigningKey:
    """The key of a document, with its private half where that is there and can be opened."""
    jwk = document["jwk"]
    if seal is not None and "sealed" in document:
        with contextlib.suppress(CannotOpen):
            jwk = seal.opened(document["kid"], document["sealed"])
    return SigningKey(document["number"], document["kid"], document["made_at"], RSAKey.import_key(jwk))


def _public(key: SigningKey) -> dict[str, Any]:
    return {**key.key.as_dict(private=False), "kid": key.kid, "use": "sig", "alg": ALGORITHM}
