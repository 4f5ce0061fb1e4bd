"""To whom a message goes: the care team at a military or federal facility, the patient and their relatives; and who of
them is told by mail that one waits.

https://hl7.org/fhir/R4/careteam.html, https://hl7.org/fhir/R4/relatedperson.html
"""

from dataclasses import dataclass
from typing import Any

from fhir_server.care import messaging
from fhir_server.care.contact import telecom_value
from fhir_server.care.visit_places import is_federal
from fhir_server.core.codec import encode
from fhir_server.core.instant import now
from fhir_server.core.resource import Resource
from fhir_server.interactions import facts
from fhir_server.interactions.care_places import people_at
from fhir_server.interactions.care_relation import care_relations
from fhir_server.interactions.care_team import members
from fhir_server.interactions.context import RequestContext
from fhir_server.interactions.facts import place_of
from fhir_server.search.parameter_types.date import to_milliseconds

_MOST = 20
"""Recipients of one message."""

_MOST_AT_WORK = 50
"""Roles at an organisation without an address of its own whose people are told of a message to it."""

_DEEP = 6
"""Organizations of which one is part of the other."""

_STAFF = frozenset({"CareTeam", "HealthcareService", "Organization", "Practitioner", "PractitionerRole"})
_INBOXES = frozenset({"HealthcareService", "Organization"})
_AT = {"PractitionerRole": "organization", "HealthcareService": "providedBy"}


@dataclass(frozen=True, slots=True)
class Recipients:
    """The places of a message's recipients, each once; what they, its sender and its subject are called."""

    places: tuple[str, ...]
    displays: dict[str, str]


async def recipients_of(
    context: RequestContext, message: Resource, subject: str, parent: Resource | None = None
) -> Recipients:
    """The recipients of a message in the record of a patient (an id); the care team also answers whoever wrote the
    `parent`, as a mother who asks about her child.

    Raises FhirError 422 for one to whom no such message goes, or that there is not: nobody is told which.
    """
    access = context.sight.access
    named = message.get("recipient", ())
    if len(named) > _MOST:
        raise messaging.stranger(_MOST)
    displays: dict[str, str] = {}
    places: dict[str, None] = {}
    for position, each in enumerate(named):
        place = place_of(context, each)
        resource = None if place is None else await facts.at(context, place)
        if place is None or resource is None:
            raise messaging.stranger(position)
        by_staff = access is not None and access.kind == "practitioner"
        is_answer = by_staff and parent is not None and place == place_of(context, parent.get("sender"))
        if not is_answer and not await _may_receive(context, place, resource, subject, by_staff):
            raise messaging.stranger(position)
        places[place] = None
        displays[place] = messaging.display_of(resource)
    for name in ("sender", "subject"):
        place = place_of(context, message.get(name))
        resource = None if place is None else await facts.at(context, place)
        if place is not None and resource is not None:
            displays[place] = messaging.display_of(resource)
    return Recipients(tuple(places), displays)


async def told_of(context: RequestContext, found: Recipients, sender: str) -> tuple[str, ...]:
    """The Patients and Practitioners who are told of a message, but for its sender: of a team its members of today. An
    organisation or a service that has an address for mail is told there, another one by those who work for it.
    """
    told: dict[str, None] = {}
    moment = to_milliseconds(now())
    for place in found.places:
        type = place.partition("/")[0]
        resource = await facts.at(context, place)
        if type in ("Patient", "Practitioner", "RelatedPerson"):
            told[place] = None
        elif type == "PractitionerRole":
            told |= await _person_of(context, place)
        elif type == "CareTeam" and resource is not None:
            for each in members(encode(resource), context.own_bases):
                if each.begins <= moment <= each.ends and each.place.startswith("Practitioner"):
                    told |= {each.place: None} if "Role/" not in each.place else await _person_of(context, each.place)
        elif type in _INBOXES and resource is not None and telecom_value(resource, "email", now().date()):
            told[place] = None
        elif type in _INBOXES:
            told |= dict.fromkeys(await people_at(context.server.database, moment, place, _MOST_AT_WORK))
    told.pop(sender, None)
    return tuple(told)


async def _person_of(context: RequestContext, role: str) -> dict[str, None]:
    """Who has a PractitionerRole, as the only key; none where it says nobody."""
    resource = await facts.at(context, role)
    person = None if resource is None else place_of(context, resource.get("practitioner"))
    return {person: None} if person is not None else {}


async def _may_receive(context: RequestContext, place: str, resource: Resource, subject: str, by_staff: bool) -> bool:
    type = place.partition("/")[0]
    patient = f"Patient/{subject}"
    if type == "Patient":
        # A patient writes to the care team; the care team writes to the patient.
        return by_staff and place == patient
    if type == "RelatedPerson":
        return by_staff and place_of(context, resource.get("patient")) == patient
    if type not in _STAFF:
        return False
    if type == "CareTeam":
        is_theirs = place_of(context, resource.get("subject")) == patient
        return is_theirs and resource.get("status", "active") == "active" and await _team_is_federal(context, resource)
    if type in _AT:
        return resource.get("active") is not False and await _is_federal(context, resource.get(_AT[type]))
    if type == "Organization":
        return await _is_federal(context, {"reference": place})
    # A person by name: who cares for this patient, by what the record says.
    relations = await care_relations(context.server, place)
    return by_staff or subject in relations.patients


async def _team_is_federal(context: RequestContext, team: Resource) -> bool:
    organizations = team.get("managingOrganization", ())
    if not organizations:
        return True
    for each in organizations:
        if await _is_federal(context, each):
            return True
    return False


async def _is_federal(context: RequestContext, reference: Any) -> bool:
    """Whether an Organization, or one that it is part of, is the federal health system's."""
    chain: list[Resource] = []
    while len(chain) < _DEEP:
        place = place_of(context, reference)
        resource = None if place is None or not place.startswith("Organization/") else await facts.at(context, place)
        if resource is None:
            break
        chain.append(resource)
        reference = resource.get("partOf")
    return is_federal(chain)
