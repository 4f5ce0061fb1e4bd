"""The master key of a key management service: it seals what opens the content, and never comes here.

https://www.mongodb.com/docs/manual/core/csfle/reference/kms-providers/, docs/adr/0032-encryption-at-rest.md
"""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fhir_server.master_key import vault_master
from fhir_server.settings import Settings
from fhir_server.store import sealing
from fhir_server.store.indexes import DATA_KEYS
from fhir_server.store.mongo import Database
from fhir_server.store.vault import MASTER_KEY_BYTES, CannotUnlock, Master, Vault, local_master
from tests.key_service import KeyService, key_service


@pytest.fixture
def service(tmp_path: Path) -> Iterator[KeyService]:
    with key_service(tmp_path / "service") as running:
        yield running


def master(service: KeyService, key: str, **more: Any) -> Master:
    return vault_master(Settings(**{**service.settings(key), **more}))


async def test_a_service_seals_the_data_keys_and_opens_them_for_another_worker(
    database: Database, service: KeyService
) -> None:
    key = master(service, service.add("one"))
    number, cipher = await Vault(key).newest(database)
    assert service.asked[0] == "Encrypt"
    service.asked.clear()
    (row,) = await database.collections[DATA_KEYS].find({}).to_list(None)
    assert row["masterKey"]["provider"] == "aws"
    another = await Vault(key).ciphers(database, [number])
    assert service.asked == ["Decrypt"]
    assert sealing.opened(another[number], sealing.sealed(number, cipher, b"hello", "here"), "here") == b"hello"


async def test_what_a_file_sealed_is_moved_to_a_service_and_between_its_keys_and_back(
    database: Database, service: KeyService
) -> None:
    file = local_master(secrets.token_bytes(MASTER_KEY_BYTES))
    one, two = (master(service, service.add(name)) for name in ("one", "two"))
    await Vault(file).begin(database)
    for before, after in ((file, one), (one, two), (two, file)):
        assert await Vault(before).rotate(database, after) == 1
        assert await Vault(before).rotate(database, after) == 0
        assert (await Vault(after).newest(database))[0] == 1
    with pytest.raises(CannotUnlock):
        await Vault(one).begin(database)


async def test_a_key_that_the_service_has_no_longer_opens_nothing(database: Database, service: KeyService) -> None:
    key = service.add("one")
    await Vault(master(service, key)).begin(database)
    del service.keys[key]
    with pytest.raises(CannotUnlock, match="FHIR_KMS_PROVIDER=aws"):
        await Vault(master(service, key)).begin(database)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kms_credentials": '{"accessKeyId": "AKIDTEST", "secretAccessKey": "another"}'},
        {"kms_ca_file": None},
        {"kms_master_key": {"region": "us-gov-west-1", "key": "arn:aws:kms:none", "endpoint": "127.0.0.1:1"}},
    ],
    ids=["credentials", "authority", "away"],
)
async def test_a_service_that_is_not_reached_or_lets_nobody_in_is_told_in_words_without_a_secret(
    database: Database, service: KeyService, wrong: dict[str, object]
) -> None:
    key = service.add("one")
    with pytest.raises(CannotUnlock, match="lets this server in") as refused:
        await Vault(master(service, key, **wrong)).begin(database)
    assert "another" not in str(refused.value)
    assert service.secret_access_key not in str(refused.value)
    assert await database.collections[DATA_KEYS].count_documents({}) == 0
