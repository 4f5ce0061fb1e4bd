"""The record of one patient, read whole for a document that is made of it.

https://hl7.org/fhir/R4/documents.html
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from fhir_server.core import outcome
from fhir_server.core.codec import decode
from fhir_server.core.instant import now
from fhir_server.core.resource import Resource
from fhir_server.formats.chart import Chart
from fhir_server.formats.chart_sections import is_in_error
from fhir_server.interactions.context import RequestContext
from fhir_server.interactions.patient_record import Asked, PatientRecord, sees_whole
from fhir_server.interactions.reading import Reading
from fhir_server.policy import visible
from fhir_server.store.search import SearchRow

MOST = 20_000
"""Resources of a record that a document is made of."""
MOST_BYTES = 64 * 1024 * 1024
_PAGE = 1_000

_NAMED = ("Device", "Observation")
"""Types of the record that others of it refer to, and are not understood without."""


_AT_ONCE = 2
_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


def turn() -> asyncio.Semaphore:
    """What a document waits for before it is made: each holds a whole record, and a worker makes two at a time."""
    return _turns.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(_AT_ONCE))


@dataclass(frozen=True, slots=True)
class Read:
    """A record, and the places of all that was read for it."""

    chart: Chart
    places: tuple[str, ...]


async def chart_of(context: RequestContext, patient: Resource, types: Iterable[str]) -> Read:
    """What the caller may see of a patient's record, of these types, and what it refers to.

    Raises FhirError 400 for a record of more than MOST resources or MOST_BYTES.
    """
    id: str = patient["id"]
    wanted = frozenset(types)
    record = PatientRecord(Reading(context, now()), Asked(id, wanted | _BESIDE))
    rows: list[tuple[str, SearchRow]] = []
    size, after = 0, None
    while True:
        page = await record.page(_PAGE, after)
        rows += page.rows
        size += sum(len(row.body) for _, row in page.rows)
        if len(rows) > MOST or size > MOST_BYTES:
            raise outcome.RECORD_TOO_LARGE(
                f"The record is too large for one document. Take it page by page from Patient/{id}/$everything."
            )
        if page.after is None:
            break
        after = page.after
    others = await record.referred(rows)
    whole = frozenset(type for type in wanted if sees_whole(visible(context.sight, type, "s"), id))
    chart = await asyncio.to_thread(_chart, context, patient, rows, others, whole)
    return Read(chart, tuple(f"{type}/{row.id}" for type, row in (*rows, *others)))


_BESIDE = frozenset({"Patient", "Medication", "Practitioner", "PractitionerRole", "Organization", "Location"})
"""The patient, and shared types that documents name; what else a record refers to stays words."""


def _chart(
    context: RequestContext,
    patient: Resource,
    rows: Sequence[tuple[str, SearchRow]],
    others: Sequence[tuple[str, SearchRow]],
    whole: frozenset[str],
) -> Chart:
    found: dict[str, list[Resource]] = {}
    for type, row in rows:
        found.setdefault(type, []).append(decode(row.body))
    referred: dict[str, Resource] = {f"{type}/{row.id}": decode(row.body) for type, row in others}
    for type in _NAMED:
        for each in found.get(type, ()):
            if not is_in_error(each):
                referred[f"{type}/{each['id']}"] = each
    return Chart(patient, found, referred, whole, context.own_bases)
