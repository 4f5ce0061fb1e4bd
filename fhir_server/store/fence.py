"""Fences: a collection takes no row whose search values were made from too old a set of search parameters.

https://www.mongodb.com/docs/manual/core/schema-validation/, https://www.mongodb.com/docs/manual/reference/command/collMod/

MongoDB checks a collection's validator inside each write and changes it under the collection's exclusive lock: whatever
a process believes, however long it slept between making a row and sending it, a row from before the fence is either
stored before the fence stands or not at all. That holds inside transactions too.
"""

from bson.son import SON

from fhir_server.core.outcome import TIMED_OUT
from fhir_server.store import indexes
from fhir_server.store.mongo import Database, Document, DriverError, refusal

_LOCK_MILLISECONDS = 500
"""The exclusive lock waits for transactions that are open, and everybody else waits behind it."""
_ATTEMPTS = 20


def older_than(floor: int) -> Document:
    """The live rows of a collection that a fence at `floor` would not take."""
    return {"px": {"$lt": floor}, "deleted": None}


async def raise_fence(database: Database, type: str, floor: int) -> None:
    """From now on a type's live rows carry a `px` of at least `floor`; its collections are made where they are not.

    Raises FhirError 503 where the database is away, or transactions keep the collection for too long.
    """
    await indexes.ensure(database, (type,))
    for attempt in range(_ATTEMPTS):
        try:
            await database.handle.command(_collmod(type, floor))
            return
        except DriverError as error:
            refused = refusal(error)
            if attempt == _ATTEMPTS - 1 or refused.issues[0].number != TIMED_OUT.number:
                raise refused from error


def _collmod(type: str, floor: int) -> SON[str, object]:
    return SON(
        [
            ("collMod", type),
            ("validator", {"$or": [{"px": {"$gte": floor}}, {"deleted": True}]}),
            ("validationLevel", "strict"),
            ("validationAction", "error"),
            # What was written before the fence is then kept by the majority too, and seen by who reads after it.
            ("writeConcern", {"w": "majority"}),
            ("maxTimeMS", _LOCK_MILLISECONDS),
        ]
    )
