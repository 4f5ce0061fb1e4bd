"""Reads of single resources by type and logical id.

https://hl7.org/fhir/R4/http.html#read, https://hl7.org/fhir/R4/http.html#vread
"""

from collections.abc import Iterable, Mapping
from typing import Any

from fhir_server.definitions.encrypted import ENCRYPTED
from fhir_server.search.predicate import all_of
from fhir_server.store import bodies
from fhir_server.store.mongo import Database, Document, DriverError, refusal
from fhir_server.store.rows import READ_FIELDS, Row, history_collection, history_id, read_row

Within = Mapping[str, Any]
"""A filter over owners, source, labels, categories and participants that a row must match to be there at all."""

WHOEVER: Within = {}


async def read(database: Database, type: str, id: str, within: Within = WHOEVER) -> Row | None:
    """The current row, a tombstone included; None where no version was ever stored, or the row is not `within`."""
    try:
        found = await database.collections[type].find_one(_at({"_id": id}, within), READ_FIELDS)
    except DriverError as error:
        raise refusal(error) from error
    return None if found is None else await _opened(database, type, found)


async def read_version(database: Database, type: str, id: str, version: int, within: Within = WHOEVER) -> Row | None:
    """One version, current or replaced, tombstones included; None where there is no such version.

    It is this very version that must be `within`, whatever is current: of a record that was moved each sees its own.
    """
    try:
        # Current first: a version displaced between the two reads is found then, and never missed.
        here = _at({"_id": id, "version": version}, within)
        found = await database.collections[type].find_one(here, READ_FIELDS)
        if found is None:
            past = database.collections[history_collection(type)]
            found = await past.find_one(_at({"_id": history_id(id, version)}, within), READ_FIELDS | {"rid": 1})
    except DriverError as error:
        raise refusal(error) from error
    return None if found is None else await _opened(database, type, found)


async def read_without_content(
    database: Database, type: str, id: str, within: Within = WHOEVER, version: int | None = None
) -> Row | None:
    """The current row or a version, as `read` and `read_version` give it, but for the content of its file."""
    try:
        here: dict[str, Any] = {"_id": id} if version is None else {"_id": id, "version": version}
        found = await database.collections[type].find_one(_at(here, within), READ_FIELDS)
        if found is None and version is not None:
            past = database.collections[history_collection(type)]
            found = await past.find_one(_at({"_id": history_id(id, version)}, within), READ_FIELDS | {"rid": 1})
    except DriverError as error:
        raise refusal(error) from error
    if found is not None:
        await bodies.opened(database, type, [found], whole=False)
    return None if found is None else read_row(type, found)


async def read_many(database: Database, type: str, ids: Iterable[str], within: Within = WHOEVER) -> dict[str, Row]:
    """The current rows by id, tombstones included; ids without a row `within` are left out."""
    wanted = list(ids)
    if not wanted:
        return {}
    try:
        found = await database.collections[type].find(_at({"_id": {"$in": wanted}}, within), READ_FIELDS).to_list(None)
    except DriverError as error:
        raise refusal(error) from error
    await bodies.opened(database, type, found)
    return {row["_id"]: read_row(type, row) for row in found}


async def owners_of(
    database: Database, type: str, ids: Iterable[str], within: Within = WHOEVER
) -> dict[str, tuple[str, ...]]:
    """Whose record each current row or tombstone is; ids without a row `within` are left out."""
    wanted = _at({"_id": {"$in": sorted(ids)}}, within)
    try:
        found = await database.collections[type].find(wanted, {"owners": 1}).to_list(None)
    except DriverError as error:
        raise refusal(error) from error
    return {row["_id"]: tuple(row["owners"]) for row in found}


async def _opened(database: Database, type: str, found: Document) -> Row:
    if type in ENCRYPTED:
        await bodies.opened(database, type, [found])
    return read_row(type, found)


def _at(place: dict[str, Any], within: Within) -> dict[str, Any]:
    return all_of([place, dict(within)]) if within else place
