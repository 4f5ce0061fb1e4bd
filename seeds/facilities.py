"""Where care is given: agencies, payers, facilities of all four agencies, their services and support lines.

The names are invented; no real hospital or base is meant. US Core Organization and Location:
https://hl7.org/fhir/us/core/STU7/StructureDefinition-us-core-organization.html
"""

from decimal import Decimal

from seeds import ids
from seeds.chart import meta
from seeds.codes import coding, concept
from seeds.facility_table import FACILITIES
from seeds.model import Agency, Clock, Facility, Resource

GO_LIVE_URL = "urn:fhir-server:federal:go-live-date"
"""Extension of Location and Organization: the day from which the facility keeps its records here."""
TIME_ZONE_URL = "http://hl7.org/fhir/StructureDefinition/timezone"
"""Extension of the same: the IANA name of the zone in which that day begins."""

AGENCIES: dict[Agency, str] = {
    Agency.DOD: "Department of Defense",
    Agency.VA: "Department of Veterans Affairs",
    Agency.USCG: "U.S. Coast Guard",
    Agency.NOAA: "NOAA Commissioned Officer Corps",
}

PAYERS: dict[str, tuple[str, Agency]] = {
    "tricare": ("TRICARE", Agency.DOD),
    "va-health-care": ("VA Health Care", Agency.VA),
}

_CHAMPION = "Patient Portal Champion"
_CHAMPIONS_EXTENSION = "0199"

SUPPORT_LINES: tuple[tuple[str, str, tuple[str, ...], str], ...] = (
    (
        "support-sign-in",
        "DS Logon help desk (Defense Manpower Data Center)",
        ("800-368-3665", "800-538-9552"),
        "The first number is the one published in 2022 and in February 2024, the second stands on an older fact sheet.",
    ),
    (
        "support-portal",
        "Global Service Center, day and night",
        ("800-600-9332",),
        "For questions about the patient portal, as published in February 2024.",
    ),
    (
        "support-champion",
        _CHAMPION,
        (),
        "At each facility; ask at the desk where you are seen.",
    ),
)
"""Id, name, numbers (the one to call first before others) and a note on each desk that anybody may turn to."""


def resources(clock: Clock, population: str = "demo") -> list[Resource]:
    """Organizations, Locations, Endpoints and HealthcareServices, in an order in which references point backwards."""
    found = [_agency(each, name, population) for each, name in AGENCIES.items()]
    found += [_payer(key, name, agency, population) for key, (name, agency) in PAYERS.items()]
    for facility in FACILITIES:
        found += [
            _endpoint(facility, population),
            _organization(facility, clock, population),
            _location(facility, clock, population),
        ]
    found += [_support(*line, population) for line in SUPPORT_LINES]
    found += [_champion(facility, population) for facility in FACILITIES]
    return found


def _agency(agency: Agency, name: str, population: str) -> Resource:
    return {
        "resourceType": "Organization",
        "id": f"agency-{agency}",
        "meta": meta(population, agency, ("us-core-organization",)),
        "active": True,
        "type": [concept("organization-type", "govt")],
        "name": name,
    }


def _payer(key: str, name: str, agency: Agency, population: str) -> Resource:
    return {
        "resourceType": "Organization",
        "id": key,
        "meta": meta(population, agency, ("us-core-organization",)),
        "active": True,
        "type": [concept("organization-type", "pay")],
        "name": name,
        "partOf": {"reference": f"Organization/agency-{agency}"},
    }


def _endpoint(facility: Facility, population: str) -> Resource:
    return {
        "resourceType": "Endpoint",
        "id": f"{facility.key}-direct",
        "meta": meta(population, facility.agency),
        "status": "active",
        "connectionType": coding("endpoint-connection-type", "direct-project"),
        "name": f"Direct messages to {facility.name}",
        "payloadType": [concept("endpoint-payload-type", "any")],
        "address": f"mailto:{facility.key}@direct.example.org",
    }


def _organization(facility: Facility, clock: Clock, population: str) -> Resource:
    return {
        "resourceType": "Organization",
        "id": facility.key,
        "meta": meta(population, facility.agency, ("us-core-organization",)),
        "extension": [go_live(facility, clock), {"url": TIME_ZONE_URL, "valueCode": facility.zone}],
        "identifier": [_station(facility), _npi(facility)],
        "active": True,
        "type": [concept("organization-type", "prov")],
        "name": facility.name,
        "telecom": [{"system": "phone", "value": facility.phone, "use": "work"}],
        "address": [address(facility)],
        "partOf": {"reference": f"Organization/agency-{facility.agency}", "display": AGENCIES[facility.agency]},
        "endpoint": [{"reference": f"Endpoint/{facility.key}-direct"}],
    }


def _location(facility: Facility, clock: Clock, population: str) -> Resource:
    is_hospital = "Hospital" in facility.name or "Medical Center" in facility.name
    kind = "OF" if not is_hospital else "HOSP" if facility.agency is Agency.VA else "MHSP"
    return {
        "resourceType": "Location",
        "id": facility.key,
        "meta": meta(population, facility.agency, ("us-core-location",)),
        "extension": [go_live(facility, clock), {"url": TIME_ZONE_URL, "valueCode": facility.zone}],
        "identifier": [_station(facility)],
        "status": "active",
        "name": facility.name,
        "mode": "instance",
        "type": [concept("v3-RoleCode", kind)],
        "telecom": [{"system": "phone", "value": facility.phone, "use": "work"}],
        "address": address(facility),
        "physicalType": concept("location-physical-type", "si"),
        "position": {
            "longitude": Decimal(str(facility.longitude)),
            "latitude": Decimal(str(facility.latitude)),
        },
        "managingOrganization": {"reference": f"Organization/{facility.key}", "display": facility.name},
    }


def _support(key: str, name: str, numbers: tuple[str, ...], note: str, population: str) -> Resource:
    found: Resource = {
        "resourceType": "HealthcareService",
        "id": key,
        "meta": meta(population, Agency.DOD),
        "active": True,
        "providedBy": {"reference": "Organization/agency-dod"},
        "name": name,
        "comment": note,
        "characteristic": [concept("service-characteristic", "support")],
    }
    if numbers:
        found["telecom"] = [
            {"system": "phone", "value": number, "use": "work", "rank": rank} for rank, number in enumerate(numbers, 1)
        ]
        found["availableTime"] = [{"daysOfWeek": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "allDay": True}]
    return found


def _champion(facility: Facility, population: str) -> Resource:
    """The desk at one facility; whoever sits there treats nobody, so no Practitioner is named."""
    return {
        "resourceType": "PractitionerRole",
        "id": f"{facility.key}-champion",
        "meta": meta(population, facility.agency, ("us-core-practitionerrole",)),
        "active": True,
        "organization": {"reference": f"Organization/{facility.key}", "display": facility.name},
        "code": [{"text": _CHAMPION}],
        "location": [{"reference": f"Location/{facility.key}", "display": facility.name}],
        "healthcareService": [{"reference": "HealthcareService/support-champion", "display": _CHAMPION}],
        "telecom": [{"system": "phone", "value": f"{facility.phone[:3]}-555-{_CHAMPIONS_EXTENSION}", "use": "work"}],
    }


def go_live(facility: Facility, clock: Clock) -> Resource:
    """The extension with the day on which the facility goes, or went, live."""
    return {"url": GO_LIVE_URL, "valueDate": clock.day(facility.live_in_days).isoformat()}


def address(facility: Facility) -> Resource:
    """The facility's Address."""
    return {
        "use": "work",
        "type": "both",
        "line": list(facility.lines),
        "city": facility.city,
        "state": facility.state,
        "postalCode": facility.postal_code,
        "country": "US",
    }


def _station(facility: Facility) -> Resource:
    if facility.agency is Agency.VA:
        return ids.identifier("FI", "VA station number", ids.ICN_SYSTEM, facility.station)
    return ids.identifier("FI", "DMIS ID", ids.DMIS_SYSTEM, facility.station)


def _npi(facility: Facility) -> Resource:
    number = 90_000 + [each.key for each in FACILITIES].index(facility.key)
    return ids.identifier("NPI", "National provider identifier", ids.NPI_SYSTEM, ids.npi(number))
