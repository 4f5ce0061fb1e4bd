"""Proofs of registrations whose link nobody has used yet: sealed, and gone with the link.

They come into the record only then, for until then nobody has shown that the address is theirs.
"""

import base64
from collections.abc import Callable

import msgspec

from smart_auth.documents import Documents
from smart_auth.identity.registration import Proof, ProofKind
from smart_auth.random_secrets import new_id
from smart_auth.records import REGISTRATION_FILES
from smart_auth.sealing import Seal

_PIECE_BYTES = 4_194_304
"""Base64 twice over, a piece has 7.5 MB: a document of the database holds 16 MB."""

_DAY = 86_400


class KeptFile(msgspec.Struct, frozen=True, kw_only=True):
    """Where a proof is kept: `pieces` documents of this key."""

    key: str
    kind: ProofKind
    media_type: str
    pieces: int


class RegistrationFiles:
    """Those of all workers."""

    def __init__(self, documents: Documents, seal: Seal, now: Callable[[], int]) -> None:
        self._documents = documents
        self._seal = seal
        self._now = now

    async def keep(self, proof: Proof, seconds: int) -> KeptFile:
        """Keep a proof; a day after `seconds` it vanishes by itself, if nobody erased it before."""
        key, content, count = new_id(), proof.content, 0
        for start in range(0, len(content), _PIECE_BYTES):
            id = f"{key}.{count}"
            text = base64.b64encode(content[start : start + _PIECE_BYTES]).decode()
            document = {"key": key, "sealed": self._seal.sealed(text, id)}
            await self._documents.insert(REGISTRATION_FILES, id, document, self._now() + seconds + _DAY)
            count += 1
        return KeptFile(key=key, kind=proof.kind, media_type=proof.media_type, pieces=count)

    async def get(self, file: KeptFile) -> Proof | None:
        """The proof; None where it is gone. Raises ValueError where it was sealed by another key."""
        content = b""
        for number in range(file.pieces):
            id = f"{file.key}.{number}"
            document = await self._documents.get(REGISTRATION_FILES, id)
            if document is None:
                return None
            content += base64.b64decode(self._seal.opened(document["sealed"], id))
        return Proof(file.kind, file.media_type, content)

    async def erase(self, file: KeptFile | None) -> None:
        """Erase it."""
        if file is not None:
            await self._documents.remove_all(REGISTRATION_FILES, {"key": file.key})
