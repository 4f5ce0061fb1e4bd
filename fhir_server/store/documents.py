"""What sign-in keeps: documents of JSON values by kind and id, each kind in a collection of its own.

It is the Documents that smart_auth asks for (smart_auth/documents.py says what each method means).
https://www.mongodb.com/docs/manual/changeStreams/, https://www.mongodb.com/docs/manual/core/index-ttl/
"""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from fhir_server.core import outcome
from fhir_server.store import indexes
from fhir_server.store.indexes import AUTH_PREFIX, EXPIRES
from fhir_server.store.mongo import Collection, Database, Document, DriverError, changes_of, is_duplicate, refusal

ChangeT = TypeVar("ChangeT")

SILENCE_SECONDS = 0.4
"""How long a change stream is silent before it says so."""


@dataclass(frozen=True, slots=True)
class DatabaseDocuments(Generic[ChangeT]):
    """Documents in a database. Every method raises FhirError 503 where it is away.

    `changed` makes the caller's own value of a change from an id and the document, which is None where it was removed.
    """

    database: Database
    changed: Callable[[str, Document | None], ChangeT]

    async def insert(self, kind: str, id: str, document: Mapping[str, Any], expires: int | None = None) -> bool:
        """Whether the id was free, and the document is kept."""
        collection = await self._collection(kind)
        try:
            await collection.insert_one({"_id": id, **document, **_expiry(expires)})
        except DriverError as error:
            if is_duplicate(error):
                return False
            raise refusal(error, may_be_kept=True) from error
        return True

    async def replace(self, kind: str, id: str, document: Mapping[str, Any], expires: int | None = None) -> None:
        """Keep a document in place of whatever is there."""
        collection = await self._collection(kind)
        whole = {**document, **_expiry(expires)}
        try:
            try:
                await collection.replace_one({"_id": id}, whole, upsert=True)
            except DriverError as error:
                if not is_duplicate(error):
                    raise
                # Another made it in between, so now it is there to be replaced.
                await collection.replace_one({"_id": id}, whole, upsert=True)
        except DriverError as error:
            raise refusal(error, may_be_kept=True) from error

    async def get(self, kind: str, id: str) -> Document | None:
        """The document, with its id under `id`."""
        try:
            return _read(await self._existing(kind).find_one({"_id": id}))
        except DriverError as error:
            raise refusal(error) from error

    async def find(self, kind: str, equal: Mapping[str, Any], limit: int = 1000) -> list[Document]:
        """Documents whose fields have these values (or, of a list, contain them), by id."""
        try:
            cursor = self._existing(kind).find(_having(equal)).sort("_id", 1).limit(limit)
            return [found async for each in cursor if (found := _read(each)) is not None]
        except DriverError as error:
            raise refusal(error) from error

    async def change(
        self, kind: str, id: str, changes: Mapping[str, Any], where: Mapping[str, Any] | None = None
    ) -> Document | None:
        """Set fields if those of `where` hold; the document before, None where nothing was changed."""
        wanted = {"_id": id, **_having(where or {})}
        try:
            return _read(await self._existing(kind).find_one_and_update(wanted, {"$set": dict(changes)}))
        except DriverError as error:
            raise refusal(error, may_be_kept=True) from error

    async def remove(self, kind: str, id: str) -> bool:
        """Whether it was there."""
        return await self._removed(kind, {"_id": id}) > 0

    async def remove_all(self, kind: str, equal: Mapping[str, Any]) -> int:
        """How many there were."""
        return await self._removed(kind, _having(equal))

    async def count_up(self, kind: str, id: str, expires: int, by: int = 1) -> int:
        """Add to a counter that begins at 0 and vanishes after `expires`; its new value."""
        collection = await self._collection(kind)
        counted = {"$inc": {"count": by}, "$setOnInsert": _expiry(expires)}
        try:
            try:
                found: Any = await collection.find_one_and_update(
                    {"_id": id}, counted, upsert=True, return_document=True
                )
            except DriverError as error:
                if not is_duplicate(error):
                    raise
                # Two made the counter at once; now it is there.
                found = await collection.find_one_and_update({"_id": id}, counted, upsert=True, return_document=True)
        except DriverError as error:
            raise refusal(error, may_be_kept=True) from error
        return int(found["count"])

    async def changes(self, kind: str) -> AsyncIterator[ChangeT | None]:
        """Every change from now on, None in each silence and, before everything else, once they are followed."""
        await self._collection(kind)
        try:
            async for event in changes_of(self.database, AUTH_PREFIX + kind, SILENCE_SECONDS):
                yield None if event is None else self._told(event)
        except DriverError as error:
            raise refusal(error) from error
        raise outcome.UNAVAILABLE("The database no longer tells what changes. Try again shortly.")

    def _told(self, event: Mapping[str, Any]) -> ChangeT:
        # Of a document that has changed twice by now, the first event tells the second state: what counts is the last.
        return self.changed(event["documentKey"]["_id"], _read(event.get("fullDocument")))

    async def _removed(self, kind: str, wanted: Document) -> int:
        try:
            return (await self._existing(kind).delete_many(wanted)).deleted_count
        except DriverError as error:
            raise refusal(error, may_be_kept=True) from error

    def _existing(self, kind: str) -> Collection:
        return self.database.collections[AUTH_PREFIX + kind]

    async def _collection(self, kind: str) -> Collection:
        """The collection, with its indexes."""
        await indexes.ensure_collection(self.database, AUTH_PREFIX + kind)
        return self._existing(kind)


def _expiry(expires: int | None) -> Document:
    return {} if expires is None else {EXPIRES: datetime.fromtimestamp(expires, UTC)}


def _having(equal: Mapping[str, Any]) -> Document:
    # Never a bare value: one that came from outside could be a query of its own. `$eq: None` is also met by what is
    # not there.
    return {name: {"$eq": value} for name, value in equal.items()}


def _read(found: Document | None) -> Document | None:
    if found is None:
        return None
    found.pop(EXPIRES, None)
    return {"id": found.pop("_id"), **found}
