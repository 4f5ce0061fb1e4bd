"""Turns: how often facts were written that a rule of care rests on, so that of two writers who saw the same facts one
looks again.

https://www.mongodb.com/docs/manual/core/transactions-production-consideration/#in-progress-transactions-and-write-conflicts
"""

import hashlib
from collections.abc import Iterable

from fhir_server.core.write_plan import Overtaken, Turn
from fhir_server.store.indexes import TURNS
from fhir_server.store.mongo import Database, DriverError, Session, UpdateOne, refusal


async def seen(database: Database, keys: Iterable[str]) -> tuple[Turn, ...]:
    """The turns of these facts as they are now; to be read before the facts. Raises FhirError 503."""
    names = {_name(key): key for key in keys}
    try:
        found = await database.collections[TURNS].find({"_id": {"$in": sorted(names)}}).to_list(None)
    except DriverError as error:
        raise refusal(error) from error
    counts = {each["_id"]: each["taken"] for each in found}
    return tuple(Turn(key, counts.get(name, 0)) for name, key in sorted(names.items()))


async def take(database: Database, session: Session, turns: Iterable[Turn]) -> None:
    """Count each up for the running transaction. Raises Overtaken where one is no longer as it was seen; where another
    transaction holds one, the driver's transient error passes.
    """
    wanted = {_name(turn.key): turn.seen for turn in turns}
    if not wanted:
        return
    # An upsert by id alone: one that found another count would try to insert a second document of the id.
    change = {"$inc": {"taken": 1}, "$currentDate": {"at": True}}
    writes = [UpdateOne({"_id": name}, change, upsert=True) for name in sorted(wanted)]
    await database.collections[TURNS].bulk_write(writes, session=session)
    found = await database.collections[TURNS].find({"_id": {"$in": sorted(wanted)}}, session=session).to_list(None)
    if any(each["taken"] != wanted[each["_id"]] + 1 for each in found):
        raise Overtaken


def _name(key: str) -> str:
    # What it names may be a person's: it does not go into the key.
    return hashlib.sha256(key.encode()).hexdigest()
