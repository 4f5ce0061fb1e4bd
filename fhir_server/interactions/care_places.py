"""Where a practitioner works, and the names by which records mean such a place.

https://hl7.org/fhir/R4/practitionerrole.html, https://hl7.org/fhir/R4/location.html
"""

import asyncio
from dataclasses import dataclass

from fhir_server.store.mongo import Database
from fhir_server.store.related import Naming, referred

MAX_PLACES = 1_000
"""Locations, services, colleagues and roles that are looked at."""
_MAX_ROLES = 10_000

_SERVICE = "service|HealthcareService/"
_REFERENCES = ("practitioner|Practitioner/", "organization|Organization/")


def current(
    type: str,
    moment: int,
    tokens: tuple[str, ...] = (),
    ids: tuple[str, ...] = (),
    without: tuple[str, ...] = ("active|false|",),
) -> Naming:
    """Rows whose period (parameter `date`), if they have one, holds `moment`, in ms since 1970 UTC."""
    return Naming(type, tokens, ids, without, ("date",), begins=moment, ends=moment, dated_if_any=True)


@dataclass(frozen=True, slots=True)
class Roles:
    """The names by which records mean a practitioner or a role; the organisations and services they work for, by their
    roles that are active and current.
    """

    own: tuple[str, ...]
    organisations: tuple[str, ...]
    services: tuple[str, ...]


async def roles(database: Database, moment: int, fhir_user: str) -> Roles:
    """Those of a practitioner or of a role."""
    is_person = fhir_user.startswith("Practitioner/")
    if is_person:
        naming = current("PractitionerRole", moment, (f"practitioner|{fhir_user}",))
    else:
        naming = current("PractitionerRole", moment, ids=(fhir_user.partition("/")[2],))
    own = {fhir_user: None} if is_person else {}
    found: dict[str, dict[str, None]] = {"practitioner": own, "organization": {}, "service": {}}
    for role, tokens in await referred(database, naming, (*_REFERENCES, _SERVICE), MAX_PLACES):
        own[f"PractitionerRole/{role}"] = None
        for parameter, place in map(_split, tokens):
            found[parameter][place] = None
    return Roles(tuple(own), tuple(found["organization"]), tuple(found["service"]))


async def places(database: Database, moment: int, organisations: tuple[str, ...]) -> tuple[str, ...]:
    """The organisations, their locations and services, the roles at them, and colleagues who work nowhere else."""
    if not organisations:
        return ()
    tokens = tuple(f"organization|{place}" for place in organisations)
    locations, services, there = await asyncio.gather(
        referred(database, Naming("Location", tokens), (), MAX_PLACES),
        referred(database, Naming("HealthcareService", tokens), (), MAX_PLACES),
        referred(database, current("PractitionerRole", moment, tokens), ("practitioner|Practitioner/",), MAX_PLACES),
    )
    people = frozenset(token for _, found in there for token in found)
    colleagues = people - await _elsewhere(database, moment, people, tokens)
    return (
        *organisations,
        *(f"Location/{id}" for id, _ in locations),
        *(f"HealthcareService/{id}" for id, _ in services),
        *(f"PractitionerRole/{id}" for id, _ in there),
        *(_split(token)[1] for token in sorted(colleagues)),
    )


async def people_at(database: Database, moment: int, place: str, limit: int) -> tuple[str, ...]:
    """The Practitioners who have a role at an organisation or for a service, active and current; of `limit` roles."""
    parameter = "organization" if place.startswith("Organization/") else "service"
    naming = current("PractitionerRole", moment, (f"{parameter}|{place}",))
    found = await referred(database, naming, ("practitioner|Practitioner/",), limit)
    return tuple(dict.fromkeys(_split(token)[1] for _, tokens in found for token in tokens))


async def _elsewhere(
    database: Database, moment: int, people: frozenset[str], tokens: tuple[str, ...]
) -> frozenset[str]:
    """Those who also have a role at another organisation than these; all of them where there are too many to tell."""
    if not people:
        return people
    everywhere = current("PractitionerRole", moment, tuple(people))
    found = await referred(database, everywhere, _REFERENCES, _MAX_ROLES)
    if len(found) == _MAX_ROLES:
        return people
    return frozenset(token for _, named in found if not any(each in tokens for each in named) for token in named)


def _split(token: str) -> tuple[str, str]:
    parameter, _, place = token.partition("|")
    return parameter, place
