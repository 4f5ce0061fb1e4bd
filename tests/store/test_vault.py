"""Content keys: made once, whoever comes first; opened by their master key alone; a change of that one loses none.

docs/adr/0032-encryption-at-rest.md
"""

import asyncio
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest

from fhir_server.core.outcome import FhirError
from fhir_server.master_key import FILE_NAME, make, vault_master
from fhir_server.settings import Settings
from fhir_server.store import sealing
from fhir_server.store.indexes import CONTENT_KEYS, DATA_KEYS
from fhir_server.store.mongo import Database
from fhir_server.store.vault import MASTER_KEY_BYTES, CannotUnlock, Master, Vault, local_master, vault_of


def master() -> Master:
    return local_master(secrets.token_bytes(MASTER_KEY_BYTES))


async def test_workers_that_start_together_agree_on_one_key(open_database: Callable[[], Database]) -> None:
    databases = [open_database() for _ in range(4)]
    key = master()
    vaults = [Vault(key) for _ in databases]
    found = await asyncio.gather(*(vault.newest(each) for vault, each in zip(vaults, databases, strict=True)))
    assert [number for number, _ in found] == [1, 1, 1, 1]
    sealed = sealing.sealed(1, found[0][1], b"hello", "here")
    assert {sealing.opened(cipher, sealed, "here") for _, cipher in found} == {b"hello"}
    assert await databases[0].collections[DATA_KEYS].count_documents({}) == 1


async def test_no_key_lies_in_the_database_as_it_is(database: Database) -> None:
    vault = Vault(master())
    await vault.newest(database)
    (row,) = await database.collections[CONTENT_KEYS].find({}).to_list(None)
    assert row["key"].subtype == 6
    assert len(row["key"]) > 64


async def test_another_master_key_opens_nothing_and_makes_no_second_key(database: Database) -> None:
    await Vault(master()).begin(database)
    other = Vault(master())
    with pytest.raises(CannotUnlock, match="FHIR_MASTER_KEY_FILE"):
        await other.begin(database)
    with pytest.raises(FhirError) as refused:
        await other.newest(database)
    assert refused.value.status == 503
    assert await database.collections[CONTENT_KEYS].count_documents({}) == 1


async def test_a_new_content_key_leaves_what_was_sealed_readable(database: Database) -> None:
    key = master()
    vault = Vault(key)
    number, cipher = await vault.newest(database)
    sealed = sealing.sealed(number, cipher, b"before", "here")
    assert await vault.renew(database) == 2
    assert (await vault.newest(database))[0] == 2
    another = Vault(key)
    ciphers = await another.ciphers(database, [sealing.key_of(sealed)])
    assert sealing.opened(ciphers[1], sealed, "here") == b"before"


async def test_after_a_rotation_the_new_master_key_alone_opens_what_was_sealed(database: Database) -> None:
    old, new = master(), master()
    vault = Vault(old)
    await vault.begin(database)
    await vault.renew(database)
    assert await vault.rotate(database, new) == 2
    assert await vault.rotate(database, new) == 0
    await Vault(new).begin(database)
    with pytest.raises(CannotUnlock):
        await Vault(old).begin(database)


async def test_a_rotation_cut_short_is_gone_on_with(database: Database) -> None:
    old, new = master(), master()
    vault = Vault(old)
    await vault.begin(database)
    await vault.rotate(database, new)
    # As one that was killed leaves it: some data keys under the new master key, others under the old one.
    await Vault(old.beside(new)).renew(database)
    with pytest.raises(CannotUnlock):
        await Vault(new).begin(database)
    assert await Vault(old).rotate(database, new) == 1
    await Vault(new).begin(database)


async def test_two_rotations_to_different_keys_lose_nothing(database: Database) -> None:
    old, one, two = master(), master(), master()
    await Vault(old).begin(database)
    results = await asyncio.gather(
        Vault(old).rotate(database, one), Vault(old).rotate(database, two), return_exceptions=True
    )
    assert any(not isinstance(each, BaseException) for each in results)
    opened = []
    for each in (one, two):
        try:
            await Vault(each).begin(database)
            opened.append(each)
        except CannotUnlock:
            continue
    assert len(opened) == 1


async def test_a_handle_without_a_master_key_neither_reads_nor_writes(database: Database) -> None:
    database = Database(**{name: getattr(database, name) for name in Database.__slots__ if name != "vault"})
    with pytest.raises(FhirError) as refused:
        vault_of(database)
    assert refused.value.status == 503


def test_a_master_key_is_made_once_and_for_this_user_alone(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", master_key_file=None)
    first = vault_master(settings)
    path = settings.data_dir / FILE_NAME
    assert vault_master(settings) == first
    assert path.stat().st_mode & 0o777 == 0o600
    kept = path.read_bytes()
    make(path)
    assert path.read_bytes() == kept
    assert [each.name for each in settings.data_dir.iterdir()] == [FILE_NAME]


@pytest.mark.parametrize(("content", "said"), [(None, "cannot be read"), (b"short", "96 bytes")])
def test_a_file_that_is_no_master_key_is_refused_in_words(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=said):
        vault_master(Settings(master_key_file=path))


def test_a_key_management_service_is_named_by_the_settings() -> None:
    settings = Settings(
        kms_provider="aws",
        kms_credentials='{"accessKeyId": "id", "secretAccessKey": "secret"}',
        kms_master_key={"region": "us-gov-west-1", "key": "arn:aws-us-gov:kms:1"},
    )
    found = vault_master(settings)
    assert (found.provider, found.key) == ("aws", {"region": "us-gov-west-1", "key": "arn:aws-us-gov:kms:1"})
    assert found.providers["aws"]["accessKeyId"] == "id"
    assert "secret" not in repr(found)
    with pytest.raises(ValueError, match="FHIR_KMS_MASTER_KEY"):
        vault_master(Settings(kms_provider="aws"))
    with pytest.raises(ValueError, match="not JSON"):
        vault_master(Settings(kms_provider="kmip", kms_credentials="{"))


def test_what_is_sealed_opens_only_at_its_place() -> None:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    cipher = AESGCM(secrets.token_bytes(32))
    sealed = sealing.sealed(7, cipher, b'{"a":1}', "Communication/m1/1")
    assert sealing.is_sealed(sealed)
    assert not sealing.is_sealed(b'{"a":1}')
    assert sealing.key_of(sealed) == 7
    assert sealing.opened(cipher, sealed, "Communication/m1/1") == b'{"a":1}'
    for place, changed in (
        ("Communication/m1/2", sealed),
        ("Communication/m1/1", sealed[:-1] + bytes([sealed[-1] ^ 1])),
        ("Communication/m1/1", sealed[:20]),
    ):
        with pytest.raises(sealing.Broken):
            sealing.opened(cipher, changed, place)
