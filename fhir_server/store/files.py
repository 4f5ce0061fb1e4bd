"""Files: the content of Binaries, outside their rows, in chunks that are sealed each for its place.

A file is uploaded first and linked by the transaction that stores its Binary; what no transaction linked is swept away.
GridFS cannot take part in a transaction, hence chunks of our own, in GridFS's size.
https://hl7.org/fhir/R4/binary.html, https://www.mongodb.com/docs/manual/core/gridfs/
"""

import asyncio
import base64
import binascii
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fhir_server.core import outcome
from fhir_server.core.write_plan import Put, WritePlan
from fhir_server.store import indexes, sealing
from fhir_server.store.indexes import FILES
from fhir_server.store.mongo import Database, Document, DriverError, Session, refusal
from fhir_server.store.vault import vault_of

CHUNK_BYTES = 255 * 1024
UNLINKED_SECONDS = 3600
"""After this a file that nothing links to is nobody's: no transaction lasts longer than a minute."""

_AT_ONCE = 16
_OFF_LOOP_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class File:
    """A file by its id, and its length in bytes."""

    id: str
    length: int

    @property
    def stands_for(self) -> str:
        """What stands in the stored body where its base64 does; no one can guess it."""
        return f"<{self.id}>"

    @property
    def chunks(self) -> int:
        """How many chunks it has."""
        return -(-self.length // CHUNK_BYTES)


def file_of(row: Document) -> File | None:
    """The file that a row has its content in."""
    found = row.get("file")
    return None if found is None else File(found["id"], found["length"])


async def uploaded(database: Database, plan: WritePlan) -> WritePlan:
    """The plan whose Binaries have their content in files, which are kept from now on until they are linked or swept.

    Content that base64 would not write again as it was sent stays in the body.
    """
    if not any(isinstance(each, Put) and each.type == "Binary" and "data" in each.resource for each in plan.documents):
        return plan
    documents = [await _uploaded(database, each) if isinstance(each, Put) else each for each in plan.documents]
    return replace(plan, documents=tuple(documents))


async def _uploaded(database: Database, put: Put) -> Put:
    text = put.resource.get("data")
    if put.type != "Binary" or not isinstance(text, str):
        return put
    content = _content(text) if len(text) < _OFF_LOOP_BYTES else await asyncio.to_thread(_content, text)
    if not content:
        return put
    await indexes.ensure_collection(database, FILES)
    file = File(secrets.token_hex(16), len(content))
    key, cipher = await vault_of(database).newest(database)
    files = database.collections[FILES]
    try:
        await files.insert_one({"_id": file.id, "unlinked": datetime.now(UTC)})
        for first in range(0, file.chunks, _AT_ONCE):
            part = content[first * CHUNK_BYTES : (first + _AT_ONCE) * CHUNK_BYTES]
            chunks = await asyncio.to_thread(_sealed, file, first, part, key, cipher)
            await files.insert_many(chunks, ordered=False)
    except DriverError as error:
        raise refusal(error) from error
    return replace(put, file=(file.id, file.length))


def _sealed(file: File, first: int, part: bytes, key: int, cipher: AESGCM) -> list[Document]:
    """The chunks of a part of a file that begins with the chunk `first`."""
    cut = [part[start : start + CHUNK_BYTES] for start in range(0, len(part), CHUNK_BYTES)]
    return [
        {"_id": _chunk(file, number), "sealed": sealing.sealed(key, cipher, each, _place(file, number))}
        for number, each in enumerate(cut, first)
    ]


def _content(text: str) -> bytes | None:
    try:
        content = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        return None
    return content if base64.b64encode(content).decode() == text else None


async def link(database: Database, running: Session, plan: WritePlan) -> None:
    """Keep the files of a plan, in its transaction. Raises FhirError 409 where one was swept away meanwhile."""
    for each in plan.documents:
        if isinstance(each, Put) and each.file is not None:
            wanted = {"_id": each.file[0]}
            done = await database.collections[FILES].update_one(wanted, {"$unset": {"unlinked": 1}}, session=running)
            if done.matched_count == 0:
                raise outcome.WRITE_CONFLICT("The file took too long to be stored. Send it again.")


async def sweep(database: Database) -> int:
    """Remove the files that nothing has linked for UNLINKED_SECONDS; how many. Raises FhirError 503."""
    files = database.collections[FILES]
    before = datetime.now(UTC) - timedelta(seconds=UNLINKED_SECONDS)
    try:
        found = await files.find({"unlinked": {"$lt": before}}, {"_id": 1}).limit(1000).to_list(None)
        for each in found:
            # The file itself first: once it is gone no transaction can link it.
            gone = await files.delete_one({"_id": each["_id"], "unlinked": {"$lt": before}})
            if gone.deleted_count:
                await files.delete_many({"_id": {"$gt": f"{each['_id']}|", "$lt": f"{each['_id']}}}"}})
    except DriverError as error:
        raise refusal(error) from error
    return len(found)


async def content_of(database: Database, file: File) -> AsyncIterator[bytes]:
    """The content, chunk by chunk. Raises FhirError 503 where it cannot be opened, or is not whole."""
    for first in range(0, file.chunks, _AT_ONCE):
        numbers = range(first, min(first + _AT_ONCE, file.chunks))
        wanted = {"_id": {"$in": [_chunk(file, number) for number in numbers]}}
        try:
            found = await database.collections[FILES].find(wanted).sort("_id", 1).to_list(None)
        except DriverError as error:
            raise refusal(error) from error
        if len(found) != len(numbers):
            raise outcome.VAULT_SHUT("A file is not whole.")
        ciphers = await vault_of(database).ciphers(database, {sealing.key_of(each["sealed"]) for each in found})
        for number, each in zip(numbers, found, strict=True):
            try:
                yield sealing.opened(ciphers[sealing.key_of(each["sealed"])], each["sealed"], _place(file, number))
            except sealing.Broken:
                raise outcome.VAULT_SHUT("A file was changed in the database.") from None


async def whole(database: Database, file: File) -> bytes:
    """The content at once. Raises as `content_of`."""
    return b"".join([chunk async for chunk in content_of(database, file)])


def _chunk(file: File, number: int) -> str:
    return f"{file.id}|{number:06}"


def _place(file: File, number: int) -> str:
    # With the length, so that no chunk can be left out at the end.
    return f"{file.id}|{number}|{file.length}"
