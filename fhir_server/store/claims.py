"""Claims: names that two transactions must not act upon at the same time.

https://www.mongodb.com/docs/manual/core/transactions-production-consideration/#in-progress-transactions-and-write-conflicts
"""

import hashlib
from collections.abc import Iterable

from fhir_server.core.write_plan import Claim
from fhir_server.store.indexes import CLAIMS
from fhir_server.store.mongo import Database, Session, UpdateOne


async def take(database: Database, session: Session, claims: Iterable[Claim]) -> None:
    """Claim every name for the running transaction; where another one holds it the driver's transient error passes.

    An upsert with $inc, because an insert that meets another one fails without the label that makes it run again.
    """
    names = sorted({_name(claim) for claim in claims})
    await database.collections[CLAIMS].bulk_write(
        [UpdateOne({"_id": name}, {"$inc": {"taken": 1}, "$currentDate": {"at": True}}, upsert=True) for name in names],
        session=session,
    )


def _name(claim: Claim) -> str:
    # A condition may be long and may hold an identifier of a person: neither goes into the key.
    return hashlib.sha256(claim.key.encode()).hexdigest()
