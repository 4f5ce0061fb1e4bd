"""What one patient's record holds for a caller, type by type and page by page; and what its resources refer to.

https://hl7.org/fhir/R4/operation-patient-everything.html
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from msgspec import structs

from fhir_server.core import outcome
from fhir_server.definitions.attached import FILE
from fhir_server.definitions.owners import owner_rule
from fhir_server.definitions.registry import resource_types
from fhir_server.interactions.context import RequestContext
from fhir_server.interactions.narrow import seen
from fhir_server.interactions.reading import Page, Reading, place_of
from fhir_server.interactions.record_files import files_of
from fhir_server.policy import Permission, visible
from fhir_server.search.page import Position
from fhir_server.search.request import (
    AllOf,
    AnyOf,
    Clause,
    Condition,
    Dated,
    Ids,
    Missing,
    Reach,
    SearchRequest,
    SortKey,
    Visible,
)
from fhir_server.search.sort_keys import INDEXED_SORT
from fhir_server.store.allowance import MAX_PAGE_BYTES
from fhir_server.store.search import SearchRow

MAX_REFERRED = 5_000
"""Resources that those of one page refer to, and that are shown with it."""

MAX_BYTES = 8 * 1024 * 1024
"""Bodies after which a page ends, full or not."""

_FILLED_AT_ONCE = 50
_ROUNDS = 5
"""From a result to its performer's role, the role's organisation, its location, and the networks of those."""

_PRESENT = {"DocumentReference": "period"}
"""Types whose care is not dated by what they are listed by."""

# A quotation mark inside a JSON text is written with a backslash, so this finds elements and nothing else.
_REFERENCES = re.compile(
    rb'"reference":"(?:([^"\\]{1,500})/)?([A-Z][A-Za-z]{1,60})/([A-Za-z0-9\-.]{1,64})(?:/_history/[^"]*)?"'
)

Typed = tuple[str, SearchRow]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which rows of a record: of these types (all, where None), updated after `since`, of care between the dates.

    Moments are in ms since 1970 UTC.
    """

    patient: str
    types: frozenset[str] | None = None
    since: int | None = None
    begins: int | None = None
    ends: int | None = None

    @property
    def is_part(self) -> bool:
        """Whether rows of the record are left out for their dates."""
        return self.since is not None or self.begins is not None or self.ends is not None


@dataclass(slots=True)
class PatientRecord:
    """The record as its caller sees it, read by one `reading`."""

    reading: Reading
    asked: Asked
    _requests: dict[str, SearchRequest | None] = field(default_factory=dict)

    @property
    def context(self) -> RequestContext:
        """Who asks."""
        return self.reading.context

    async def types(self) -> list[str]:
        """The types to be read, in the order of the pages: the patient first."""
        existing = await self.reading.types()
        wanted = [type for type in RECORD_TYPES if type in existing]
        return [type for type in wanted if self.asked.types is None or type in self.asked.types]

    def request(self, type: str, count: int) -> SearchRequest | None:
        """The search for what the caller may see of a type; None where that is nothing."""
        if type not in self._requests:
            # The patient is named, everything else is found.
            permission: Permission = "rs" if type == "Patient" else "s"
            within = owned_by(visible(self.context.sight, type, permission), self.asked.patient)
            found = SearchRequest(type, self._conditions(type), parameter_set=self.context.parameter_set)
            self._requests[type] = None if within is None else seen(found, within)
        kept = self._requests[type]
        return None if kept is None else structs.replace(kept, count=count)

    async def count(self) -> int:
        """How many rows there are in all."""
        total = 0
        for type in await self.types():
            request = self.request(type, 1)
            if request is not None:
                total += await self.reading.count(self.reading.plan(request))
        return total

    async def page(self, count: int, after: Position | None, most_bytes: int | None = None) -> Page:
        """The next rows, at most `count`, fewer where their bodies are many bytes; one at least where any is left."""
        types = await self.types()
        start = 0
        if after is not None:
            start = next((place for place, type in enumerate(types) if _order(type) >= _order(after.type)), len(types))
        found: list[tuple[Typed, Position]] = []
        for type in types[start:]:
            request = self.request(type, count - len(found) + 1)
            if request is None:
                continue
            begin = after if after is not None and after.type == type else None
            query = self.reading.plan(request, begin)
            rows = await self.reading.find(structs.replace(query, bodies=False))
            found += [((type, row), structs.replace(place_of(row), type=type)) for row in rows]
            if len(found) > count:
                break
        shown, is_cut = await self._filled([each for each, _ in found[:count]], most_bytes or MAX_BYTES)
        ends = {(type, row.id): end for (type, row), end in found}
        is_last = len(found) <= count and not is_cut
        if is_last or not shown:
            return Page([each for each in shown if each[1].body], None)
        last = shown[-1]
        return Page([each for each in shown if each[1].body], ends[last[0], last[1].id])

    async def _filled(self, rows: Sequence[Typed], most_bytes: int) -> tuple[list[Typed], bool]:
        """The rows with their bodies until these are too many bytes, and whether rows are left. A row that is gone
        meanwhile stays without a body, so that the page still ends where it ends.
        """
        shown: list[Typed] = []
        size, at_once = 0, _FILLED_AT_ONCE
        while len(shown) < len(rows) and size < most_bytes:
            some = rows[len(shown) : len(shown) + at_once]
            self.reading.allowance.bytes = MAX_PAGE_BYTES
            try:
                filled = await self.reading.filled(Page(some, None), ())
            except outcome.FhirError as error:
                if at_once == 1 or error.issues[0].number != outcome.TOO_COSTLY.number:
                    raise
                # Pictures and documents, one larger than the other: one by one.
                at_once = 1
                continue
            bodies = {(type, row.id): row for type, row in filled.rows}
            for type, row in some:
                full = bodies.get((type, row.id), row)
                shown.append((type, full))
                size += len(full.body)
                if size >= most_bytes:
                    break
        return shown, len(shown) < len(rows)

    async def referred(self, rows: Sequence[Typed]) -> list[Typed]:
        """What the rows refer to and is not of this record, or is left out of it for its dates: those who treat the
        patient, where, with what, and the files. What is not there, or none of the caller's, is left out.

        Raises FhirError 400 for more than MAX_REFERRED.
        """
        known = {(type, row.id) for type, row in rows}
        found: list[Typed] = []
        latest = list(rows)
        self.reading.allowance.bytes = MAX_PAGE_BYTES
        for _ in range(_ROUNDS):
            wanted = self._named(latest, known)
            latest = []
            for type, ids in sorted(wanted.items()):
                if len(ids) > MAX_REFERRED - len(found):
                    raise outcome.TOO_COSTLY(
                        f"The page refers to more than {MAX_REFERRED} other resources. Ask for fewer at once with "
                        "_count.",
                        "_count",
                    )
                latest += await self._of_ids(type, tuple(sorted(ids)))
            found += latest
            if not latest:
                break
        if self.asked.types is None or FILE in self.asked.types:
            shown = {row.id for type, row in (*rows, *found) if type == FILE}
            bodies = [row.body for _, row in (*rows, *found)]
            for each in await files_of(self.context, bodies, self.asked.patient):
                if each.id not in shown and each.body is not None:
                    found.append((FILE, SearchRow(each.id, each.body, {"owners": each.owners}, ())))
        return found

    def _named(self, rows: Iterable[Typed], known: set[tuple[str, str]]) -> dict[str, set[str]]:
        """The ids the rows name, by type; each is asked for once."""
        bases = {base.encode() for base in self.context.own_bases}
        wanted: dict[str, set[str]] = {}
        for _, row in rows:
            for base, type_name, id_name in _REFERENCES.findall(row.body):
                if base and base not in bases:
                    continue
                type, id = type_name.decode(), id_name.decode()
                if (type, id) not in known and self._is_followed(type):
                    known.add((type, id))
                    wanted.setdefault(type, set()).add(id)
        return wanted

    def _is_followed(self, type: str) -> bool:
        if type not in _KNOWN or (self.asked.types is not None and type not in self.asked.types):
            return False
        return type in _SHARED or (self.asked.is_part and type in RECORD_TYPES)

    async def _of_ids(self, type: str, ids: tuple[str, ...]) -> list[Typed]:
        within = visible(self.context.sight, type, "rs")
        if type not in _SHARED:
            within = owned_by(within, self.asked.patient)
        if within is None or not within.reaches:
            return []
        asked = SearchRequest(type, (Ids(ids),), (SortKey("_id"),), parameter_set=self.context.parameter_set)
        query = self.reading.plan_now(structs.replace(seen(asked, within), count=len(ids)))
        query = structs.replace(query, fields=self.reading.whose)
        return [(type, row) for row in await self.reading.find(query)]

    def _conditions(self, type: str) -> tuple[Condition, ...]:
        conditions: list[Condition] = []
        asked = self.asked
        if asked.since is not None:
            conditions.append(Clause("_lastUpdated", (Dated("gt", asked.since, asked.since),)))
        code = date_of_care(type)
        if code is not None and type != "Patient" and (asked.begins is not None or asked.ends is not None):
            # What has no date is of all times: an allergy of unknown beginning is no less one.
            dates: list[Condition] = [Clause(code, (Missing(True),))]
            within: list[Condition] = []
            if asked.begins is not None:
                within.append(Clause(code, (Dated("gt", asked.begins - 1, asked.begins - 1),)))
            if asked.ends is not None:
                within.append(Clause(code, (Dated("lt", asked.ends + 1, asked.ends + 1),)))
            dates.append(AllOf(tuple(within)))
            conditions.append(AnyOf(tuple(dates)))
        return tuple(conditions)


def owned_by(found: Visible | None, patient: str) -> Visible | None:
    """What of the rows within reach one patient owns; None where that is none."""
    if found is None:
        return None
    reaches = tuple(
        dict.fromkeys(
            replace(reach, owners=(patient,))
            for reach in found.reaches
            if reach.owners is None or patient in reach.owners
        )
    )
    return Visible(reaches) if reaches else None


def sees_whole(found: Visible | None, patient: str) -> bool:
    """Whether no row of the patient's can be hidden from who sees this much."""
    if found is None:
        return False
    return any(
        (reach.owners is None or patient in reach.owners) and reach == Reach(owners=reach.owners)
        for reach in found.reaches
    )


def date_of_care(type: str) -> str | None:
    """The date parameter that says when the care was; None for a type that has none."""
    return _PRESENT.get(type) or INDEXED_SORT.get(type)


def _order(type: str) -> tuple[bool, str]:
    return type != "Patient", type


_KNOWN = frozenset(resource_types())
_SHARED = frozenset(type for type in _KNOWN if owner_rule(type).kind == "shared")
RECORD_TYPES: tuple[str, ...] = tuple(
    sorted((type for type in _KNOWN if owner_rule(type).kind in ("self", "paths", "rule")), key=_order)
)
"""The types whose rows are patients' own, the patient first."""


__all__ = ["MAX_BYTES", "RECORD_TYPES", "Asked", "PatientRecord", "date_of_care", "owned_by", "sees_whole"]
