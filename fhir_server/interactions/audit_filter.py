"""What a search of audit events asks of rows, and of each event that a row stands for.

https://hl7.org/fhir/R4/auditevent.html#search
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fhir_server.core import outcome
from fhir_server.core.audit_entry import agent_key, entity_key, identifier_key, patient_key, search_keys
from fhir_server.core.instant import now
from fhir_server.core.outcome import FhirError
from fhir_server.core.reference import is_id, parse_reference
from fhir_server.definitions.capability import RESULTS
from fhir_server.interactions.audit_codes import Happening, coded
from fhir_server.interactions.audit_event import CHAINS, CLIENTS, SUBJECTS, Event
from fhir_server.search.escaping import split_unescaped, unescape
from fhir_server.search.parameter_types.date import read_value, widened
from fhir_server.search.request import Dated

Filter = dict[str, Any]

PARAMETERS = (
    "_id",
    "_lastUpdated",
    "action",
    "agent",
    "date",
    "entity",
    "outcome",
    "patient",
    "source",
    "subtype",
    "type",
)
"""Search parameters the audit log is searched by."""

RESULT_PARAMETERS = ("_count", "_elements", "_sort", "_summary", "_total")

IDENTIFIED = ("agent:identifier", "entity:identifier", "source:identifier")
"""The same by what has no resource here: a client or an account, a request, a chain."""
_AGENT_TYPES = ("Practitioner", "PractitionerRole", "Patient", "RelatedPerson", "Organization", "Device")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One criterion on a row's events: those of these patients, and all events of a row that has one of these keys."""

    patients: frozenset[str]
    keys: frozenset[str]

    def takes(self, event: Event) -> bool:
        """Whether the event is wanted."""
        if event.patient in self.patients:
            return True
        return bool(self.keys) and not self.keys.isdisjoint(search_keys(event.entry))


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """A search: a filter over rows, criteria on their events, and the patients whose events may be seen (None: all)."""

    rows: tuple[Filter, ...]
    wanted: tuple[Wanted, ...]
    position: int | None
    seen: frozenset[str] | None

    def over(self, *others: Filter) -> Filter:
        """The filter over rows, with others."""
        parts: list[Filter] = [*self.rows, *others]
        parts += [_keyed(*map(patient_key, sorted(each.patients)), *sorted(each.keys)) for each in self.wanted]
        if self.seen is not None:
            parts.append(_keyed(*map(patient_key, sorted(self.seen))))
        return {"$and": parts} if parts else {}

    def takes(self, event: Event) -> bool:
        """Whether an event of a row that passed is found."""
        if self.seen is not None and event.patient not in self.seen:
            return False
        return self.position in (None, event.position) and all(each.takes(event) for each in self.wanted)

    def events(self) -> dict[str, Any]:
        """How many events of a row are found, as an aggregation expression."""
        patients = {"$ifNull": ["$patients", [None]]}
        conditions: list[dict[str, Any]] = []
        if self.seen is not None:
            conditions.append({"$in": ["$$each", sorted(self.seen)]})
        for each in self.wanted:
            by_key = {"$gt": [{"$size": {"$setIntersection": ["$keys", sorted(each.keys)]}}, 0]}
            conditions.append({"$or": [{"$in": ["$$each", sorted(each.patients)]}, by_key]})
        if self.position is not None:
            conditions.append({"$eq": ["$$each", {"$arrayElemAt": [patients, self.position]}]})
        return {"$size": {"$filter": {"input": patients, "as": "each", "cond": {"$and": conditions}}}}


def _keyed(*keys: str) -> Filter:
    return {"keys": {"$in": list(keys)}}


def audit_filter(
    criteria: Sequence[tuple[str, str]], own_bases: tuple[str, ...], seen: frozenset[str] | None
) -> AuditFilter:
    """The search that the pairs make, their values as sent.

    Raises FhirError 400 for what the audit log is not searched by.
    """
    rows: list[Filter] = []
    wanted: list[Wanted] = []
    position: int | None = None
    for name, sent in criteria:
        if name not in PARAMETERS and name not in IDENTIFIED:
            raise not_taken(name)
        values = [unescape(part) for part in split_unescaped(sent, ",")]
        if name == "_id":
            row, position = _by_id(values)
            rows.append(row)
        elif name in ("patient", "agent", "entity"):
            found = _REFERENCES[name]([_local(name, value, own_bases) for value in values])
            wanted.append(found)
            if seen is not None and name == "entity":
                # What others asked for together with the caller's own record is not told by being found.
                rows.append({"$or": [{"patients": {"$size": 1}}, {"places": {"$size": 1}}]})
        elif name in IDENTIFIED:
            rows.append(_identified(name, values))
        elif name == "source":
            rows.append(_NOTHING)
        else:
            rows.append(_ROWS[name](values))
    return AuditFilter(tuple(rows), tuple(wanted), position, seen)


def not_taken(name: str) -> FhirError:
    """The 400 of a parameter, or of a modifier, that the audit log does not take."""
    what = name.partition(":")[0]
    if what in PARAMETERS:
        text = f"'{name[:64]}' has a modifier that the audit log is not searched with. Leave it out."
        return outcome.UNKNOWN_MODIFIER(text, name[:64])
    taken = ", ".join(PARAMETERS if what not in RESULTS else RESULT_PARAMETERS)
    return outcome.NOT_SUPPORTED(f"The audit log does not take '{name[:64]}'. It takes {taken}.", name[:64])


_NOTHING: Filter = {"_id": {"$in": []}}


def parse_id(id: str) -> tuple[str, int] | None:
    """The row and the number within it of an event's id; None where it is no event's."""
    row_id, _, position = id.rpartition("-")
    return (row_id, int(position)) if row_id and _is_position(position) else None


_is_position = re.compile(r"0|[1-9][0-9]{0,6}").fullmatch


def _by_id(values: Sequence[str]) -> tuple[Filter, int | None]:
    if len(values) > 1:
        raise outcome.BAD_PARAMETER_VALUE("'_id' takes one id of an AuditEvent.", "_id")
    found = parse_id(values[0])
    return ({"_id": found[0]}, found[1]) if found else (_NOTHING, None)


def _local(name: str, value: str, own_bases: tuple[str, ...]) -> str:
    """`Type/id`, or an id alone. Raises FhirError 400 for anything else."""
    found = parse_reference(value)
    if found is not None and (found.base is None or found.base in own_bases):
        return found.local
    # Of another server there is nothing here.
    if found is not None:
        return ""
    if is_id(value) and name != "entity":
        return value
    raise outcome.BAD_PARAMETER_VALUE(f"'{name}' takes a reference such as {_SUCH_AS[name]}.", name)


_SUCH_AS = {"patient": "Patient/p1", "agent": "Practitioner/p7", "entity": "Observation/o1"}


def _patient(places: Sequence[str]) -> Wanted:
    ids = [place.removeprefix("Patient/") for place in places]
    ids = [id for id in ids if is_id(id)]
    # R4: an agent who is that patient counts too.
    return Wanted(frozenset(ids), frozenset(agent_key(f"Patient/{id}") for id in ids))


def _agent(places: Sequence[str]) -> Wanted:
    named = [place if "/" in place else f"{type}/{place}" for place in places for type in _AGENT_TYPES]
    return Wanted(frozenset(), frozenset(map(agent_key, named)))


def _entity(places: Sequence[str]) -> Wanted:
    patients = [place.removeprefix("Patient/") for place in places if place.startswith("Patient/")]
    return Wanted(frozenset(patients), frozenset(map(entity_key, places)))


_REFERENCES: dict[str, Callable[[Sequence[str]], Wanted]] = {"patient": _patient, "agent": _agent, "entity": _entity}


def _identified(name: str, values: Sequence[str]) -> Filter:
    keys: list[str] = []
    chains: list[Filter] = []
    for each in values:
        system, _, value = each.rpartition("|")
        if name == "entity:identifier":
            keys.append(identifier_key("request", value))
        elif name == "agent:identifier":
            keys += [identifier_key("client", value)] if system in ("", CLIENTS) else []
            keys += [identifier_key("subject", value)] if system in ("", SUBJECTS) else []
        elif system in ("", CHAINS) and is_id(value) and "-" not in value:
            chains.append({"_id": {"$gte": f"{value}-", "$lt": f"{value}."}})
    if name == "source:identifier":
        return {"$or": chains} if chains else _NOTHING
    return _keyed(*keys)


def _dated(values: Sequence[str]) -> Filter:
    return {"$or": [_moment(read_value(value)) for value in values]}


def _moment(value: Dated) -> Filter:
    """The bounds of `at`, a moment without length."""
    lo, hi = value.lo, value.hi
    match value.prefix:
        case "eq":
            return {"at": {"$gte": lo, "$lte": hi}}
        case "ne":
            return {"$or": [{"at": {"$lt": lo}}, {"at": {"$gt": hi}}]}
        case "lt" | "eb":
            return {"at": {"$lt": lo}}
        case "le":
            return {"at": {"$lte": hi}}
        case "gt" | "sa":
            return {"at": {"$gt": hi}}
        case "ge":
            return {"at": {"$gte": lo}}
    low, high = widened(value, now())
    return {"at": {"$gte": low, "$lte": high}}


_SYSTEMS = {
    "action": ("http://hl7.org/fhir/audit-event-action", frozenset("CRUDE")),
    "outcome": ("http://hl7.org/fhir/audit-event-outcome", frozenset({"0", "4", "8", "12"})),
}


def _codes(name: str, values: Sequence[str]) -> list[str]:
    system, known = _SYSTEMS[name]
    found: list[str] = []
    for each in values:
        of, separator, code = each.rpartition("|")
        if separator and of not in ("", system):
            continue
        found += [code] if code in known else sorted(known) if separator and of and not code else []
    return found


def _action(values: Sequence[str]) -> Filter:
    return {"action": {"$in": _codes("action", values)}}


def _outcome(values: Sequence[str]) -> Filter:
    codes = _codes("outcome", values)
    succeeded: list[Filter] = [{"status": {"$not": {"$gte": 400}}}] if "0" in codes else []
    return {"$or": [_keyed(*(f"o|{code}" for code in codes if code != "0")), *succeeded]}


def _coded(element: str) -> Callable[[Sequence[str]], Filter]:
    def rows(values: Sequence[str]) -> Filter:
        happenings: list[Happening] = []
        for each in values:
            system, separator, code = each.rpartition("|")
            if code or system:
                happenings += coded(element, system if separator else None, code)
        return {"$or": [_happened(each) for each in dict.fromkeys(happenings)] or [_NOTHING]}

    return rows


def _happened(happening: Happening) -> Filter:
    kind, interaction = happening
    # An ordinary access does not say its kind; the key of another makes it fast to find.
    return {"interaction": interaction} | ({"kind": None} if kind == "rest" else {"keys": f"k|{kind}"})


_ROWS: dict[str, Callable[[Sequence[str]], Filter]] = {
    "date": _dated,
    "_lastUpdated": _dated,
    "action": _action,
    "outcome": _outcome,
    "type": _coded("type"),
    "subtype": _coded("subtype"),
}
