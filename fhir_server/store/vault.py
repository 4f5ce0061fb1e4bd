"""Content keys: what bodies and files are sealed with.

Each lies in the database encrypted by MongoDB's ClientEncryption under a data key of the key vault, and that one under
the master key, which never is in the database.

https://www.mongodb.com/docs/manual/core/csfle/fundamentals/keys-key-vaults/,
https://pymongo.readthedocs.io/en/stable/api/pymongo/asynchronous/encryption.html
"""

import asyncio
import hashlib
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fhir_server.core import outcome
from fhir_server.store import indexes
from fhir_server.store.indexes import CONTENT_KEYS, DATA_KEYS
from fhir_server.store.mongo import (
    ENCRYPTED_VALUE,
    Database,
    DriverError,
    KeysRefused,
    client_encryption,
    is_duplicate,
    refusal,
)

MASTER_KEY_BYTES = 96
"""Of a local master key: https://www.mongodb.com/docs/manual/core/csfle/tutorials/csfle-quick-start/"""

_CONTENT_KEY_BYTES = 32


class CannotUnlock(Exception):
    """The content keys of the database cannot be opened with the master key at hand; in words for the operator."""


@dataclass(frozen=True, slots=True)
class Master:
    """The master key: by which of ClientEncryption's `providers` data keys are sealed, and which key of that one.

    `key` is what the provider asks for (`{"region": ..., "key": ...}` of `aws`), None for local keys.
    """

    provider: str
    providers: Mapping[str, Mapping[str, Any]] = field(repr=False)
    key: Mapping[str, Any] | None = None

    def beside(self, former: "Master") -> "Master":
        """This one, by which what is sealed by the former opens too."""
        return Master(self.provider, {**former.providers, **self.providers}, self.key)


def local_master(key: bytes) -> Master:
    """The master key of a file. Its provider has a name made of the key, so that data keys say which one they need.

    Raises ValueError where it has not MASTER_KEY_BYTES.
    """
    if len(key) != MASTER_KEY_BYTES:
        raise ValueError(f"a master key has {MASTER_KEY_BYTES} bytes, not {len(key)}")
    name = f"local:{hashlib.sha256(b'name of ' + key).hexdigest()[:16]}"
    return Master(name, {name: {"key": key}})


class Vault:
    """The content keys that this process has opened."""

    def __init__(self, master: Master) -> None:
        self.master = master
        self._ciphers: dict[int, AESGCM] = {}
        self._opening = asyncio.Lock()

    async def newest(self, database: Database) -> tuple[int, AESGCM]:
        """The content key that is written with, by its number; made where there is none.

        Raises FhirError 503 where the database is away or the keys cannot be opened.
        """
        if not self._ciphers:
            await self._open(database, makes=True)
        number = max(self._ciphers)
        return number, self._ciphers[number]

    async def ciphers(self, database: Database, numbers: Iterable[int]) -> Mapping[int, AESGCM]:
        """Content keys, with at least these. Raises FhirError 503 where one of them cannot be opened."""
        if not self._ciphers.keys() >= set(numbers):
            await self._open(database)
            if missing := set(numbers) - self._ciphers.keys():
                raise outcome.VAULT_SHUT(f"The content key {min(missing)} is not in the database.")
        return self._ciphers

    async def begin(self, database: Database) -> None:
        """Open the content keys, making the first. Raises CannotUnlock, FhirError 503 where the database is away."""
        try:
            await self._open(database, makes=True)
        except outcome.FhirError as error:
            if error.issues[0].number == outcome.VAULT_SHUT.number:
                raise _cannot_unlock() from error
            raise

    async def renew(self, database: Database) -> int:
        """Write with a new content key from now on; its number. Raises FhirError 503."""
        await self._open(database, makes=True)
        while not await self._make(database, max(self._ciphers) + 1):
            await self._open(database)
        return max(self._ciphers)

    async def rotate(self, database: Database, master: Master) -> int:
        """Seal all data keys under another master key; how many were not yet. Cut short, it is run again.

        Raises CannotUnlock where one is sealed under neither this master key nor that.
        """
        both = master.beside(self.master)
        others = {"masterKey.provider": {"$ne": master.provider}} if master.key is None else {}
        try:
            count = await database.collections[DATA_KEYS].count_documents(others)
            if count:
                async with client_encryption(database, both.providers, DATA_KEYS) as encryption:
                    key = None if master.key is None else dict(master.key)
                    await encryption.rewrap_many_data_key(others, provider=master.provider, master_key=key)
        except KeysRefused as error:
            raise _cannot_unlock() from error
        except DriverError as error:
            raise refusal(error) from error
        self.master = both
        return count

    async def _open(self, database: Database, makes: bool = False) -> None:
        async with self._opening:
            try:
                found = await database.collections[CONTENT_KEYS].find({}).to_list(None)
                unknown = [each for each in found if each["_id"] not in self._ciphers]
                if unknown:
                    async with client_encryption(database, self.master.providers, DATA_KEYS) as encryption:
                        for each in unknown:
                            self._ciphers[each["_id"]] = AESGCM(bytes(await encryption.decrypt(each["key"])))
            except KeysRefused as error:
                raise _shut() from error
            except DriverError as error:
                raise refusal(error) from error
        if makes and not self._ciphers and not await self._make(database, 1):
            await self._open(database)

    async def _make(self, database: Database, number: int) -> bool:
        """Whether this process made the content key of the number, and no other one."""
        await indexes.ensure_collection(database, CONTENT_KEYS)
        content_key = secrets.token_bytes(_CONTENT_KEY_BYTES)
        try:
            async with client_encryption(database, self.master.providers, DATA_KEYS) as encryption:
                key = None if self.master.key is None else dict(self.master.key)
                data_key = await encryption.create_data_key(self.master.provider, master_key=key)
                encrypted = await encryption.encrypt(content_key, ENCRYPTED_VALUE, key_id=data_key)
                try:
                    await database.collections[CONTENT_KEYS].insert_one({"_id": number, "key": encrypted})
                except DriverError as error:
                    await encryption.delete_key(data_key)
                    if is_duplicate(error):
                        return False
                    raise
        except KeysRefused as error:
            raise _shut() from error
        except DriverError as error:
            raise refusal(error) from error
        self._ciphers[number] = AESGCM(content_key)
        return True


def vault_of(database: Database) -> Vault:
    """The vault of a database handle. Raises FhirError 503 where it was opened without a master key."""
    if database.vault is None:
        raise outcome.VAULT_SHUT("This server has no master key: set FHIR_MASTER_KEY_FILE.")
    return database.vault


def _shut() -> outcome.FhirError:
    return outcome.VAULT_SHUT("What is encrypted cannot be opened with the master key of this server.")


def _cannot_unlock() -> CannotUnlock:
    return CannotUnlock(
        "The keys of the encrypted content cannot be opened with this master key. "
        "Set FHIR_MASTER_KEY_FILE to the file they were sealed with."
    )
