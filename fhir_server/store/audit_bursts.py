"""Refusals of one client or subject, counted over all workers: as many in as many seconds are a burst.

https://www.mongodb.com/docs/manual/reference/method/db.collection.findOneAndUpdate/
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from fhir_server.store.indexes import AUDIT_BURSTS
from fhir_server.store.mongo import Database, Document, DriverError, is_duplicate, refusal

_REMEMBERED = 1_000
"""Callers that a worker knows to have been reported just now."""


@dataclass(slots=True)
class Bursts:
    """`count` refusals within `seconds` are a burst, of which each caller has one at a time."""

    database: Database
    count: int = 20
    seconds: int = 60
    reported: dict[str, int] = field(default_factory=dict)

    async def add(self, callers: Sequence[str], now_ms: int) -> bool:
        """Count a refusal of these; whether it completes a burst of one of them that nobody has reported yet.

        The first of `callers` that has just been reported stands for all: one burst is one report. Raises FhirError 503
        where the database is away.
        """
        begin_ms = now_ms - self.seconds * 1000
        if any(self.reported.get(caller, 0) > begin_ms for caller in callers):
            return False
        found = False
        for caller in callers:
            counted = await self._counted(caller, now_ms, begin_ms)
            if counted["reported"] > begin_ms:
                self._remember(caller, counted["reported"])
                if not counted["mine"]:
                    return found
                found = True
        return found

    def _remember(self, caller: str, reported_ms: int) -> None:
        if len(self.reported) >= _REMEMBERED:
            self.reported.clear()
        self.reported[caller] = reported_ms

    async def _counted(self, caller: str, now_ms: int, begin_ms: int) -> Document:
        """When the caller's last burst was reported (ms since 1970, 0 for never), and whether by this very refusal."""
        mark = secrets.token_hex(8)
        change = _counting(self.count, now_ms, begin_ms, mark, now_ms // 1000 + 2 * self.seconds)
        bursts = self.database.collections[AUDIT_BURSTS]
        for is_last in (False, True):
            try:
                row: Document | None = await bursts.find_one_and_update(
                    {"_id": caller}, change, upsert=True, return_document=True
                )
                assert row is not None
                return {"reported": row["reported"], "mine": row["mark"] == mark}
            except DriverError as error:
                # Two workers that make the counter at once: the other one was first.
                if is_last or not is_duplicate(error):
                    raise refusal(error) from error
        raise AssertionError("unreachable")


def _counting(count: int, now_ms: int, begin_ms: int, mark: str, expires: int) -> list[Document]:
    """The moments of the last `count` refusals with this one, and whether they make a burst not reported yet."""
    last = {"$slice": [{"$concatArrays": [{"$ifNull": ["$times", []]}, [now_ms]]}, -count]}
    is_burst = {
        "$and": [
            {"$eq": [{"$size": "$times"}, count]},
            {"$gt": [{"$first": "$times"}, begin_ms]},
            {"$lte": ["$reported", begin_ms]},
        ]
    }
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=expires)
    return [
        {"$set": {"times": last, "reported": {"$ifNull": ["$reported", 0]}, "expires": moment}},
        {"$set": {"mark": {"$cond": [is_burst, mark, {"$ifNull": ["$mark", ""]}]}}},
        {"$set": {"reported": {"$cond": [{"$eq": ["$mark", mark]}, now_ms, "$reported"]}}},
    ]
