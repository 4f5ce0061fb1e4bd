"""Secrets that every worker on a database shares, made by whichever of them comes first."""

import secrets

from fhir_server.store.indexes import KEYS
from fhir_server.store.mongo import Database, DriverError, is_duplicate, refusal

_KEY_BYTES = 32


async def server_key(database: Database, name: str) -> bytes:
    """The 32-byte key of this name: the same for all workers and after every restart."""
    keys = database.collections[KEYS]
    try:
        found = await keys.find_one({"_id": name})
        if found is None:
            found = await _made(database, name)
    except DriverError as error:
        raise refusal(error) from error
    key: bytes = found["key"]
    return key


async def _made(database: Database, name: str) -> dict[str, bytes]:
    keys = database.collections[KEYS]
    try:
        await keys.update_one({"_id": name}, {"$setOnInsert": {"key": secrets.token_bytes(_KEY_BYTES)}}, upsert=True)
    except DriverError as error:
        if not is_duplicate(error):
            raise
    found = await keys.find_one({"_id": name})
    if found is None:
        raise RuntimeError(f"the key {name} disappeared while it was made")
    return found
