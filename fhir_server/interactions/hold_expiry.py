"""Ends the holds whose time has passed: their Appointments are cancelled and their slots become free.

Nothing that is booked rests on it, for a hold that is over counts for nothing by itself; but a search for free slots
finds what is stored. docs/adr/0033-visits.md
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from fhir_server.care import scheduling
from fhir_server.core.codec import decode
from fhir_server.core.instant import now
from fhir_server.core.outcome import FhirError
from fhir_server.core.resource import Resource
from fhir_server.core.write_plan import WritePlan
from fhir_server.interactions import facts
from fhir_server.interactions.commit import commit
from fhir_server.interactions.context import RequestContext, Server
from fhir_server.policy import Sight
from fhir_server.search.parameter_types.date import to_milliseconds
from fhir_server.store import leases, related
from smart_auth.access import AccessContext

SWEEP_SECONDS = 2.0
_JOB = "holds"
_MOST = 1_000
_PENDING = "status|pending|"
_BACK = timedelta(minutes=3 * scheduling.HOLD_MINUTES)
"""Holds are written at most so long before they end; what was missed longer ago is found by the whole look."""
_WHOLE = timedelta(minutes=5)
_SWEEPER = Sight(AccessContext("server", "server", "system", ()))
"""Who ends them: the rules of visits free the slots as they do for anybody who cancels."""

log = structlog.get_logger()


@dataclass(slots=True)
class HoldExpiry:
    """The work of one worker of which only the one with the lease does anything. `looked` is its last whole look."""

    server: Server
    worker: str
    looked: datetime | None = None

    async def run(self) -> None:
        """End holds for as long as it runs; whatever happens, it is tried again."""
        while True:
            try:
                if await leases.take(self.server.database, _JOB, self.worker):
                    await self.sweep()
                else:
                    self.looked = None
            except FhirError as error:
                log.warning("holds were not ended", why=error.issues[0].text)
            except Exception as error:
                log.error("holds were not ended", kind=type(error).__name__)
            await asyncio.sleep(SWEEP_SECONDS)

    async def sweep(self) -> int:
        """How many holds were ended now. Raises FhirError 503."""
        moment = now()
        is_whole = self.looked is None or moment - self.looked > _WHOLE
        since = None if is_whole else moment - _BACK
        found = await related.changed_since(self.server.database, "Appointment", _PENDING, since, _MOST)
        ended = 0
        for id, version, body in found:
            hold = decode(body)
            if scheduling.is_over(hold, to_milliseconds(moment)):
                ended += await self._end(id, version, hold)
        self.looked = moment if is_whole else self.looked
        return ended

    async def _end(self, id: str, version: int, hold: Resource) -> bool:
        context = RequestContext(self.server, _JOB, self.server.own_bases[0], sight=_SWEEPER)
        over = facts.added(context, hold | {"status": "cancelled"}, id, "PUT", version)
        try:
            await commit(context, WritePlan((replace(over, seen=None, if_version=version),)))
        except FhirError as error:
            if error.status < 500:
                # Somebody booked it, or let it go, at the same time.
                return False
            raise
        return True
