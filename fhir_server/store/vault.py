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

    `key` is what the provider asks for (`{"region": ..., "key": ...}` of `aws`), None for local keys; `tls` are the
    `tlsCAFile` and `tlsCertificateKeyFile` of each provider that is a service with its own.
    """

    provider: str
    providers: Mapping[str, Mapping[str, Any]] = field(repr=False)
    key: Mapping[str, Any] | None = None
    tls: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def beside(self, former: "Master") -> "Master":
        """This one, by which what is sealed by the former opens too."""
        return Master(self.provider, {**former.providers, **self.providers}, self.key, {**former.tls, **self.tls})

    def elsewhere(self) -> dict[str, Any]:
        """The filter of the data keys that are sealed under another master key than this."""
        named = {f"masterKey.{name}": value for name, value in (self.key or {}).items()}
        return {"$nor": [{"masterKey.provider": self.provider, **named}]}


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
            if isinstance(error.__cause__, KeysRefused):
                raise self._cannot_unlock(error.__cause__) from error
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
        others = master.elsewhere()
        try:
            count = await database.collections[DATA_KEYS].count_documents(others)
            if count:
                async with client_encryption(database, both.providers, DATA_KEYS, both.tls) as encryption:
                    key = None if master.key is None else dict(master.key)
                    await encryption.rewrap_many_data_key(others, provider=master.provider, master_key=key)
        except KeysRefused as error:
            raise self._cannot_unlock(error) from error
        except DriverError as error:
            raise refusal(error) from error
        self.master = both
        return count

    async def _open(self, database: Database, makes: bool = False) -> None:
        master = self.master
        async with self._opening:
            try:
                found = await database.collections[CONTENT_KEYS].find({}).to_list(None)
                unknown = [each for each in found if each["_id"] not in self._ciphers]
                if unknown:
                    async with client_encryption(database, master.providers, DATA_KEYS, master.tls) as encryption:
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
        content_key, master = secrets.token_bytes(_CONTENT_KEY_BYTES), self.master
        try:
            async with client_encryption(database, master.providers, DATA_KEYS, master.tls) as encryption:
                key = None if master.key is None else dict(master.key)
                data_key = await encryption.create_data_key(master.provider, master_key=key)
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

    def _cannot_unlock(self, error: KeysRefused) -> CannotUnlock:
        if self.master.key is None:
            return CannotUnlock(
                "The keys of the encrypted content cannot be opened with this master key. Set FHIR_MASTER_KEY_FILE to "
                "the file they were sealed with, or FHIR_KMS_PROVIDER where a service holds it."
            )
        # What the service or the way to it said, which whoever runs the server reads, without the body of its answer:
        # that of a Decrypt is the key.
        said = str(error).partition(" Response body")[0]
        return CannotUnlock(
            "The keys of the encrypted content cannot be opened with "
            f"FHIR_KMS_PROVIDER={self.master.provider}: {said}. "
            "See that it is reached and lets this server in. Keys that a file seals are moved to it by "
            "`fhir-server master-key rotate`."
        )


def vault_of(database: Database) -> Vault:
    """The vault of a database handle. Raises FhirError 503 where it was opened without a master key."""
    if database.vault is None:
        raise outcome.VAULT_SHUT("This server has no master key: set FHIR_MASTER_KEY_FILE.")
    return database.vault


def _shut() -> outcome.FhirError:
    return outcome.VAULT_SHUT("What is encrypted cannot be opened with the master key of this server.")
