"""The master key of the tests, vaults that it opens, and the environment of programs that share it."""

import os

from fhir_server.store.vault import MASTER_KEY_BYTES, Vault, local_master

MASTER_KEY = bytes(range(MASTER_KEY_BYTES))


def vault() -> Vault:
    """What a database handle of a test is given."""
    return Vault(local_master(MASTER_KEY))


def environment_without_settings() -> dict[str, str]:
    """The environment of this run without the server's settings but for the master key."""
    kept = "FHIR_MASTER_KEY_FILE"
    return {name: value for name, value in os.environ.items() if name == kept or not name.startswith("FHIR_")}
