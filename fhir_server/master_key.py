"""The master key of this server's encryption, as the settings name it: a file, or a key management service.

https://www.mongodb.com/docs/manual/core/csfle/reference/kms-providers/
"""

import json
import os
import secrets
from pathlib import Path

from fhir_server.settings import Settings
from fhir_server.store.vault import MASTER_KEY_BYTES, Master, local_master

FILE_NAME = "master.key"


def vault_master(settings: Settings) -> Master:
    """The master key. Raises ValueError, in words for whoever runs the server, where it cannot be used."""
    if settings.kms_provider is not None:
        return _kms(settings)
    if settings.master_key_file is None and not (path := settings.data_dir / FILE_NAME).exists():
        make(path)
    found = local_master_of(settings)
    assert found is not None
    return found


def local_master_of(settings: Settings) -> Master | None:
    """The master key of the file, also where a service holds the one in force; None where there is no file.

    Raises ValueError.
    """
    if settings.master_key_file is not None:
        return master_of(settings.master_key_file, "FHIR_MASTER_KEY_FILE")
    path = settings.data_dir / FILE_NAME
    return master_of(path, str(path)) if path.exists() else None


def master_of(path: Path, name: str) -> Master:
    """The local master key in a file, which messages call `name`. Raises ValueError."""
    try:
        return local_master(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{name} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise ValueError(f"{name} is wrong: {error}.") from error


def make(path: Path) -> None:
    """Write a new master key, which only this user reads; one that another process makes meanwhile stays."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        written = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(written, secrets.token_bytes(MASTER_KEY_BYTES))
            os.fsync(written)
        finally:
            os.close(written)
        # A link appears whole or not at all, and never in place of another.
        os.link(beside, path)
    except FileExistsError:
        return
    except OSError as error:
        text = f"No master key could be made at {path}: {error.strerror}. Set FHIR_MASTER_KEY_FILE."
        raise ValueError(text) from error
    finally:
        beside.unlink(missing_ok=True)


def _kms(settings: Settings) -> Master:
    provider = settings.kms_provider or ""
    if settings.kms_master_key is None and provider != "kmip":
        raise ValueError("FHIR_KMS_MASTER_KEY must name the key of FHIR_KMS_PROVIDER.")
    try:
        said = settings.kms_credentials.get_secret_value() if settings.kms_credentials else "{}"
        credentials = json.loads(said)
    except ValueError:
        raise ValueError("FHIR_KMS_CREDENTIALS is not JSON.") from None
    if not isinstance(credentials, dict):
        raise ValueError("FHIR_KMS_CREDENTIALS must be a JSON object.")
    named = {"tlsCAFile": settings.kms_ca_file, "tlsCertificateKeyFile": settings.kms_certificate_file}
    tls = {name: str(path) for name, path in named.items() if path is not None}
    return Master(provider, {provider: credentials}, settings.kms_master_key or {}, {provider: tls} if tls else {})
