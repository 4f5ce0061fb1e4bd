"""Reads of single resources by type and logical id.

https://hl7.org/fhir/R4/http.html#read, https://hl7.org/fhir/R4/http.html#vread
"""

from collections.abc import Iterable

from fhir_server.store.mongo import Database, DriverError, refusal
from fhir_server.store.rows import READ_FIELDS, Row, history_collection, history_id, read_row


async def read(database: Database, type: str, id: str) -> Row | None:
    """The current row, a tombstone included; None where no version was ever stored."""
    try:
        found = await database.collections[type].find_one({"_id": id}, READ_FIELDS)
    except DriverError as error:
        raise refusal(error) from error
    return None if found is None else read_row(type, found)


async def read_version(database: Database, type: str, id: str, version: int) -> Row | None:
    """One version, current or replaced, tombstones included; None where there is no such version."""
    current = await read(database, type, id)
    if current is None or version >= current.version:
        return current if current is not None and version == current.version else None
    past = database.collections[history_collection(type)]
    try:
        found = await past.find_one({"_id": history_id(id, version)}, READ_FIELDS | {"rid": 1})
    except DriverError as error:
        raise refusal(error) from error
    return None if found is None else read_row(type, found)


async def read_many(database: Database, type: str, ids: Iterable[str]) -> dict[str, Row]:
    """The current rows by id, tombstones included; ids without a row are left out."""
    wanted = list(ids)
    if not wanted:
        return {}
    try:
        found = await database.collections[type].find({"_id": {"$in": wanted}}, READ_FIELDS).to_list(None)
    except DriverError as error:
        raise refusal(error) from error
    return {row["_id"]: read_row(type, row) for row in found}
