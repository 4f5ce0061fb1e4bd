"""Where a slot is: who and what its Schedule names, and whether that is a place of the federal health system.

https://hl7.org/fhir/R4/schedule.html, https://hl7.org/fhir/R4/organization.html
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fhir_server.core import outcome
from fhir_server.core.resource import Resource
from fhir_server.search.parameter_types.reference import located

GO_LIVE = "urn:fhir-server:federal:go-live-date"
"""Extension of Location and Organization: the day from which the facility keeps its records here."""
TIME_ZONE = "http://hl7.org/fhir/StructureDefinition/timezone"
"""Extension of the same: the IANA name of the zone in which that day begins; UTC where there is none."""
FACILITY_SYSTEMS = frozenset({"urn:fhir-server:federal:dmis-id", "urn:oid:2.16.840.1.113883.4.349"})
"""Systems of the numbers by which the military's facilities (DMIS ID) and those of Veterans Affairs are known."""

_ORGANIZATION_TYPE = "http://terminology.hl7.org/CodeSystem/organization-type"
_TAKES_PART = ("Practitioner", "PractitionerRole", "Location", "HealthcareService", "Device")
"""What a Schedule names that takes part in a visit of its slots."""
_BY_WHOM = {"Location": "managingOrganization", "HealthcareService": "providedBy", "PractitionerRole": "organization"}
"""Types of actors that are, or are at, a facility, and the element that says whose."""


def place(reference: Any, own_bases: tuple[str, ...]) -> str | None:
    """`Type/id` of what a Reference names on this server; None for anything else."""
    text = reference.get("reference") if isinstance(reference, dict) else None
    found = located(text, own_bases) if isinstance(text, str) else None
    return found if found is not None and found.count("/") == 1 and "?" not in found else None


def actors(schedule: Resource, own_bases: tuple[str, ...]) -> tuple[str, ...]:
    """The places of what a Schedule names as its actors."""
    found = (place(each, own_bases) for each in schedule.get("actor", ()))
    return tuple(dict.fromkeys(each for each in found if each is not None))


def organization_of(actor: Resource, own_bases: tuple[str, ...]) -> str | None:
    """The place of the Organization that an actor is of; None where it names none, or can have none."""
    element = _BY_WHOM.get(actor["resourceType"])
    return None if element is None else place(actor.get(element), own_bases)


def is_facility(actor: str) -> bool:
    """Whether an actor's place is of a type that is at a facility."""
    return actor.partition("/")[0] in _BY_WHOM


def is_in_use(resource: Resource) -> bool:
    """Whether a Schedule, Location, Organization, HealthcareService or PractitionerRole is active."""
    return resource.get("active") is not False and resource.get("status") in (None, "active")


def is_live(resource: Resource, moment: datetime) -> bool | None:
    """Whether a facility keeps its records here at a moment: from the midnight on with which its day begins there.

    None for one that says nothing of a day, and so does.
    """
    extensions = resource.get("extension", ())
    days = [str(each.get("valueDate")) for each in extensions if each.get("url") == GO_LIVE]
    if not days:
        return None
    zones = [str(each.get("valueCode")) for each in extensions if each.get("url") == TIME_ZONE]
    today = moment.astimezone(_zone(*zones[:1])).date().isoformat()
    return all(day <= today for day in days)


def _zone(name: str = "UTC") -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return UTC


def is_federal(organizations: Sequence[Resource]) -> bool:
    """Whether an Organization, followed by those it is part of, is the federal health system's: it has one of its
    numbers, or is an agency of the government or part of one. What is no longer in use is none.
    """
    if not organizations or not all(map(is_in_use, organizations)):
        return False
    return _has_number(organizations[0]) or any(map(_is_government, organizations))


def _has_number(organization: Resource) -> bool:
    return any(each.get("system") in FACILITY_SYSTEMS for each in organization.get("identifier", ()))


def _is_government(organization: Resource) -> bool:
    codings = [coding for each in organization.get("type", ()) for coding in each.get("coding", ())]
    return any(each.get("system") == _ORGANIZATION_TYPE and each.get("code") == "govt" for each in codings)


def with_actors(
    appointment: Resource, named: Iterable[str], former: Iterable[str], role_of: str | None, own_bases: tuple[str, ...]
) -> Resource:
    """The Appointment in which all take part that the Schedule of its slot names, and none that only that of its
    `former` slot did. `role_of` is the Practitioner of a role that is named.

    Raises FhirError 422 where another practitioner takes part than the slot's.
    """
    wanted = dict.fromkeys(each for each in named if each.partition("/")[0] in _TAKES_PART)
    gone = set(former) - wanted.keys()
    practitioners = {each for each in wanted if each.startswith("Practitioner/")} | ({role_of} if role_of else set())
    kept, present = [], set()
    for position, each in enumerate(appointment.get("participant", ())):
        who = place(each.get("actor"), own_bases)
        if who in gone:
            continue
        if _is_another(who, practitioners, wanted):
            text = "This slot is another practitioner's. Name the one whose slot it is, or leave practitioners out."
            raise outcome.VISIT_PARTICIPANT(text, f"Appointment.participant[{position}].actor")
        kept.append(each)
        present.add(who)
    kept += [
        {"actor": {"reference": each}, "required": "required", "status": "accepted"}
        for each in wanted
        if each not in present
    ]
    return appointment | {"participant": kept}


def _is_another(who: str | None, practitioners: Collection[str], wanted: Collection[str]) -> bool:
    if who is None or not practitioners:
        return False
    if who.startswith("Practitioner/"):
        return who not in practitioners
    return who.startswith("PractitionerRole/") and who not in wanted


def patients(appointment: Resource, own_bases: tuple[str, ...]) -> tuple[str, ...]:
    """The ids of the Patients that take part."""
    found = (place(each.get("actor"), own_bases) for each in appointment.get("participant", ()))
    return tuple(dict.fromkeys(each.partition("/")[2] for each in found if each and each.startswith("Patient/")))


def with_patients(appointment: Resource, own_bases: tuple[str, ...]) -> Resource:
    """The Appointment of whose patients it is said that they are required.

    Raises FhirError 422 where no Patient takes part, or one that must has not accepted what is booked.
    """
    if not patients(appointment, own_bases):
        raise outcome.VISIT_PARTICIPANT(
            "Name the Patient whose visit it is as a participant.", "Appointment.participant"
        )
    is_booked = appointment.get("status") == "booked"
    found = []
    for position, each in enumerate(appointment["participant"]):
        if (place(each.get("actor"), own_bases) or "").startswith("Patient/"):
            element = f"Appointment.participant[{position}]"
            if each.get("required", "required") != "required":
                raise outcome.VISIT_PARTICIPANT("The patient of a visit is 'required'.", f"{element}.required")
            if each.get("status") == "declined" or (is_booked and each.get("status") != "accepted"):
                text = "The patient of a booked visit has accepted: give this participant the status 'accepted'."
                raise outcome.VISIT_PARTICIPANT(text, f"{element}.status")
            each = each | {"required": "required"}
        found.append(each)
    return appointment | {"participant": found}
