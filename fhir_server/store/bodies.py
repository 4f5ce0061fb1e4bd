"""Bodies of encrypted types: sealed as a row is written, opened as it is read, with the content of a file put back.

Whatever reads rows of these types opens them by `opened`; nothing else knows that they are sealed.
docs/adr/0032-encryption-at-rest.md
"""

import asyncio
import base64
from collections.abc import Sequence

from fhir_server.core import outcome
from fhir_server.definitions.encrypted import ENCRYPTED
from fhir_server.store import files, sealing
from fhir_server.store.files import File, file_of
from fhir_server.store.mongo import Database, Document
from fhir_server.store.rows import history_collection
from fhir_server.store.vault import vault_of

MAX_FILE_BYTES = 48 * 1024 * 1024
"""Content of files in one page of resources: in base64 that is 64 MB, as much as a page has."""

_OFF_LOOP_BYTES = 1024 * 1024


async def ready(database: Database, types: Sequence[str] | frozenset[str] | set[str]) -> None:
    """Have the key that is written with at hand, where one of the types is encrypted. Raises FhirError 503."""
    if not ENCRYPTED.isdisjoint(types):
        await vault_of(database).newest(database)


async def seal(database: Database, type: str, rows: Sequence[Document]) -> None:
    """Seal the bodies of rows that are to be stored, in place. A file's base64 is left out of the body."""
    if type not in ENCRYPTED:
        return
    key, cipher = await vault_of(database).newest(database)
    for row in rows:
        if "body" in row and not sealing.is_sealed(row["body"]):
            row["body"] = sealing.sealed(key, cipher, row["body"], _place(type, row))


async def seal_history(database: Database, type: str, ids: Sequence[str]) -> None:
    """Seal the replaced versions of these resources that were stored before their type was encrypted. The driver's
    errors pass.
    """
    if type not in ENCRYPTED or not ids:
        return
    past = database.collections[history_collection(type)]
    async for row in past.find({"rid": {"$in": list(ids)}}, {"rid": 1, "version": 1, "body": 1, "file": 1}):
        if row.get("body") and not sealing.is_sealed(row["body"]):
            await seal(database, type, [row])
            await past.update_one({"_id": row["_id"]}, {"$set": {"body": row["body"]}})


def without_content(body: bytes, text: str, file: File) -> bytes:
    """The body with what stands for a file in place of its base64, `text`."""
    return body.replace(f'"data":"{text}"'.encode(), f'"data":"{file.stands_for}"'.encode(), 1)


async def opened(database: Database, type: str, rows: Sequence[Document], whole: bool = True) -> None:
    """Open the bodies of rows that were read, in place, with the content of their files where `whole`.

    Rows need `version`, `file` and `_id` (or `rid` as well, in history). Raises FhirError 503 where a body cannot be
    opened, 400 where the files are more than a page has.
    """
    if type not in ENCRYPTED:
        return
    shut = [row for row in rows if row.get("body") and sealing.is_sealed(row["body"])]
    if not shut:
        return
    ciphers = await vault_of(database).ciphers(database, {sealing.key_of(row["body"]) for row in shut})
    for row in shut:
        try:
            row["body"] = sealing.opened(ciphers[sealing.key_of(row["body"])], row["body"], _place(type, row))
        except sealing.Broken:
            raise outcome.VAULT_SHUT(f"A stored {type} was changed in the database.") from None
    if whole and type == "Binary":
        await _with_content(database, shut)


async def _with_content(database: Database, rows: Sequence[Document]) -> None:
    named = [(row, file) for row in rows if (file := file_of(row)) is not None]
    if sum(file.length for _, file in named) > MAX_FILE_BYTES:
        raise outcome.TOO_COSTLY("The files are too large for one page. Ask for fewer with _count.", "_count")
    for row, file in named:
        content = await files.whole(database, file)
        if len(content) < _OFF_LOOP_BYTES:
            row["body"] = _filled(row["body"], file, content)
        else:
            row["body"] = await asyncio.to_thread(_filled, row["body"], file, content)


def _filled(body: bytes, file: File, content: bytes) -> bytes:
    return body.replace(file.stands_for.encode(), base64.b64encode(content), 1)


def _place(type: str, row: Document) -> str:
    file = file_of(row)
    place = f"{type}/{row.get('rid') or row['_id']}/{row['version']}"
    # A file belongs to this version: one of another row cannot be put in its place.
    return place if file is None else f"{place}/{file.id}/{file.length}"
