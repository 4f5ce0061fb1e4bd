"""Notices: that somebody is to be told of something by e-mail.

They are written in the transaction of what they tell of, and become letters of the outbox in one more, so that each
becomes one letter whatever dies in between.

docs/adr/0029-an-outbox-for-mail.md
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fhir_server.core.write_plan import Notice
from fhir_server.store import indexes
from fhir_server.store.indexes import AUTH_PREFIX, NOTICES
from fhir_server.store.mongo import (
    Database,
    Document,
    DriverError,
    Session,
    UpdateOne,
    begin,
    is_duplicate,
    is_transient,
    refusal,
    session,
)

OUTBOX = AUTH_PREFIX + "outbox"


async def keep(database: Database, running: Session, notices: Sequence[Notice], withdrawn: Sequence[str]) -> None:
    """Write notices, and drop those withdrawn, in a running transaction; one that is there already stays as it is."""
    if withdrawn:
        await database.collections[NOTICES].delete_many({"_id": {"$in": list(withdrawn)}}, session=running)
    if notices:
        writes = [UpdateOne({"_id": each.id}, {"$set": _document(each)}, upsert=True) for each in notices]
        await database.collections[NOTICES].bulk_write(writes, session=running)


def _document(notice: Notice) -> Document:
    return {
        "kind": notice.kind,
        "place": notice.place,
        "due": notice.due,
        "about": notice.about,
        "state": notice.state,
    }


async def due(database: Database, now: int, limit: int) -> list[Notice]:
    """Those whose time has come, the longest waiting first. Raises FhirError 503."""
    wanted = {"due": {"$lte": now}}
    try:
        found = (
            await database.collections[NOTICES].find(wanted).sort([("due", 1), ("_id", 1)]).limit(limit).to_list(None)
        )
    except DriverError as error:
        raise refusal(error) from error
    return [
        Notice(each["_id"], each["kind"], each["place"], each["due"], each["about"], each["state"]) for each in found
    ]


async def put_off(database: Database, notice: Notice, due: int) -> None:
    """Let a notice that is still there wait until `due`, in ms since 1970. Raises FhirError 503."""
    there = {"_id": notice.id, "due": notice.due}
    try:
        await database.collections[NOTICES].update_one(there, {"$set": {"due": due}})
    except DriverError as error:
        raise refusal(error) from error


@dataclass(frozen=True, slots=True)
class Letter:
    """A document of the outbox of sign-in (smart_auth.mail), by its id."""

    id: str
    document: Mapping[str, Any]


async def hand_over(database: Database, notice: Notice, letters: Sequence[Letter]) -> bool:
    """Put letters into the outbox in place of the notice they come from, in one transaction; without letters it is
    dropped. False where another worker has done so. Raises FhirError 503.
    """
    await indexes.ensure_collection(database, OUTBOX)
    try:
        async with session(database) as running:
            await begin(database, running)
            gone = await database.collections[NOTICES].delete_one(
                {"_id": notice.id, "due": notice.due}, session=running
            )
            if gone.deleted_count == 0:
                return False
            for letter in letters:
                await database.collections[OUTBOX].insert_one({"_id": letter.id, **letter.document}, session=running)
            await running.commit_transaction()
    except DriverError as error:
        if is_transient(error) or is_duplicate(error):
            return False
        raise refusal(error) from error
    return True
