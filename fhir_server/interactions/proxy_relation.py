"""For whom a person acts in the family, found out from the records themselves.

https://hl7.org/fhir/R4/person.html, https://hl7.org/fhir/R4/relatedperson.html

The Person that links somebody's own Patient to the RelatedPersons they are in others' records says who they are; what
that lets them see is in fhir_server/care/proxies.py.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from time import monotonic

import structlog

from fhir_server.care.proxies import proxied as seen_of
from fhir_server.core.codec import decode
from fhir_server.core.instant import now
from fhir_server.core.proxied import Proxied
from fhir_server.core.reference import is_id
from fhir_server.core.resource import Resource
from fhir_server.interactions.context import Server
from fhir_server.search.parameter_types.reference import located
from fhir_server.store import related
from fhir_server.store.mongo import Database
from fhir_server.store.related import Naming

log = structlog.get_logger()

MAX_RELATED = 100
"""RelatedPersons that one person is: more are no family."""
MAX_CONSENTS = 1_000
"""Active Consents of all those patients together."""

_OVER = tuple(f"status|{each}|" for each in ("draft", "proposed", "rejected", "inactive", "entered-in-error"))
_MOST_PERSONS = 20
_SURE = frozenset({"level2", "level3", "level4"})
"""How sure a link must be (https://hl7.org/fhir/R4/valueset-identity-assuranceLevel.html): level1 is a guess."""
_KEPT_SECONDS = 1.0
_MOST_KEPT = 2_000
_NOBODY: tuple[Proxied, ...] = ()


@dataclass(frozen=True, slots=True)
class Relation:
    """That somebody is `related_person` in the record of `patient`, with that patient's active Consents."""

    patient: Resource
    related_person: Resource
    consents: tuple[Resource, ...]

    def seen(self, server: Server, today: date) -> Proxied | None:
        """What they see of that record on this day; None where they do not act for the patient."""
        return seen_of(self.patient, self.related_person, self.consents, today, server.age_bands, server.own_bases)


async def proxied(server: Server, own: Sequence[str]) -> tuple[Proxied, ...]:
    """For whom the person with these Patients of their own (ids) acts now, by id; at most a second old.

    It is the same tuple for as long as it holds the same. Raises FhirError 503 without a database.
    """
    if not own:
        return _NOBODY
    known = _known(server.database)
    key = tuple(own)
    kept = known.proxied.get(key)
    today = now().date()
    if kept is not None and monotonic() < kept.until and kept.day == today:
        return kept.proxied
    task = known.running.get(key)
    if task is None:
        task = asyncio.create_task(_found_out(server, known, key, today))
        known.running[key] = task
        task.add_done_callback(lambda _: known.running.pop(key, None))
    # A caller that goes away must not take the answer from the others.
    return await asyncio.shield(task)


async def relations(server: Server, own: Sequence[str]) -> list[Relation]:
    """What is in the records about whom this person could act for, whether or not it holds, by the patients' ids."""
    people = await _resources(server.database, "RelatedPerson", await _linked(server, own))
    whose = {id: _id_of(server, "Patient", each.get("patient")) for id, each in people.items()}
    ids = sorted({id for id in whose.values() if id is not None} - set(own))
    patients = await _resources(server.database, "Patient", ids)
    consents = await active_consents(server, ids)
    return [
        Relation(patients[patient], people[id], consents[patient])
        for patient in ids
        for id in sorted(people)
        if whose[id] == patient and patient in patients
    ]


async def active_consents(server: Server, patients: Sequence[str]) -> dict[str, tuple[Resource, ...]]:
    """The active Consents of each of these patients (ids); nobody's where there are too many to know them all."""
    found: dict[str, tuple[Resource, ...]] = dict.fromkeys(patients, ())
    if not patients:
        return found
    naming = Naming("Consent", tuple(f"patient|Patient/{id}" for id in patients), without=_OVER)
    rows = await related.owned_rows(server.database, naming, MAX_CONSENTS)
    if len(rows) == MAX_CONSENTS:
        # One that denies it could be among those left out.
        log.warning("nobody acts for these patients", reason="too many Consents", at_most=MAX_CONSENTS)
        return found
    consents = await _resources(server.database, "Consent", [row.id for row in rows])
    for id in sorted(consents):
        patient = _id_of(server, "Patient", consents[id].get("patient"))
        if patient in found:
            found[patient] += (consents[id],)
    return found


@dataclass(frozen=True, slots=True)
class _Kept:
    proxied: tuple[Proxied, ...]
    until: float
    day: date


@dataclass(slots=True)
class _Known:
    """What this worker found out."""

    proxied: dict[tuple[str, ...], _Kept] = field(default_factory=dict)
    running: dict[tuple[str, ...], asyncio.Task[tuple[Proxied, ...]]] = field(default_factory=dict)


_KNOWN = ("proxy relation",)


def _known(database: Database) -> _Known:
    found = database.noted.get(_KNOWN)
    if found is None:
        found = database.noted[_KNOWN] = (float("inf"), _Known())
    known: _Known = found[1]
    return known


async def _found_out(server: Server, known: _Known, own: tuple[str, ...], today: date) -> tuple[Proxied, ...]:
    began = monotonic()
    seen = [each for relation in await relations(server, own) if (each := relation.seen(server, today)) is not None]
    found = _together(seen)
    former = known.proxied.get(own)
    if former is not None and former.proxied == found:
        found = former.proxied
    if len(known.proxied) >= _MOST_KEPT:
        known.proxied.clear()
    # From when it began: what is written while it runs may be missing.
    known.proxied[own] = _Kept(found, began + _KEPT_SECONDS, today)
    return found


def _together(seen: Sequence[Proxied]) -> tuple[Proxied, ...]:
    """One for each patient: of who is a relative twice over, what either leaves out stays left out."""
    found: dict[str, Proxied] = {}
    for each in seen:
        other = found.get(each.patient)
        labels = each.without_labels if other is None else (*other.without_labels, *each.without_labels)
        found[each.patient] = Proxied(each.patient, tuple(dict.fromkeys(labels)))
    return tuple(found.values())


async def _linked(server: Server, own: Sequence[str]) -> list[str]:
    """The RelatedPersons that the Persons of these Patients are linked to, with some assurance."""
    places = frozenset(f"Patient/{id}" for id in own)
    naming = Naming("Person", tuple(f"link|{place}" for place in sorted(places)))
    rows = await related.owned_rows(server.database, naming, _MOST_PERSONS)
    persons = await _resources(server.database, "Person", [row.id for row in rows])
    found: dict[str, None] = {}
    for id in sorted(persons):
        if persons[id].get("active") is False:
            continue
        sure = [each for each in persons[id].get("link", ()) if each.get("assurance") in _SURE]
        # The link to their own Patient must be as sure as the others.
        if any(located(each["target"].get("reference", ""), server.own_bases) in places for each in sure):
            ids = (_id_of(server, "RelatedPerson", each["target"]) for each in sure)
            found |= dict.fromkeys(each for each in ids if each is not None)
    if len(found) > MAX_RELATED:
        log.warning("relatives left out", reason="too many links of one person", at_most=MAX_RELATED)
    return list(found)[:MAX_RELATED]


async def _resources(database: Database, type: str, ids: Sequence[str]) -> dict[str, Resource]:
    if not ids:
        return {}
    return {id: decode(body) for id, (_, body) in (await related.bodies(database, type, ids)).items()}


def _id_of(server: Server, type: str, reference: Resource | None) -> str | None:
    """The id of what a Reference names, where that is a resource of this type here."""
    text = reference.get("reference") if reference else None
    place = located(text, server.own_bases) if text else None
    kind, _, id = (place or "").partition("/")
    return id if kind == type and is_id(id) else None
