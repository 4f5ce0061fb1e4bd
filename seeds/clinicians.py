"""Who gives care: clinicians of every facility, one Practitioner and one PractitionerRole each.

US Core Practitioner: https://hl7.org/fhir/us/core/STU7/StructureDefinition-us-core-practitioner.html
"""

from collections.abc import Mapping
from typing import Literal

from seeds import ids
from seeds.chart import Directory, meta
from seeds.codes import SPECIALTIES, concept
from seeds.facilities import address
from seeds.facility_table import FACILITIES
from seeds.model import Clinician, Facility, Resource

_Row = tuple[str, str, tuple[str, ...], str, str, Literal["female", "male"], str, str]

_ROWS: tuple[_Row, ...] = (
    # key, family, given, prefix, suffix, gender, specialty, facility
    ("okafor-grace", "Okafor", ("Grace", "N."), "CDR", "MD", "female", "family-medicine", "cabrillo-naval"),
    ("whitfield-paul", "Whitfield", ("Paul",), "LCDR", "MD", "male", "pediatrics", "cabrillo-naval"),
    ("marchetti-lena", "Marchetti", ("Lena",), "LT", "DDS", "female", "dentistry", "cabrillo-naval"),
    ("desai-rohan", "Desai", ("Rohan",), "CDR", "MD", "male", "psychiatry", "cabrillo-naval"),
    ("brandt-ingrid", "Brandt", ("Ingrid",), "CAPT", "MD", "female", "radiology", "cabrillo-naval"),
    ("haddad-samir", "Haddad", ("Samir",), "LT", "PharmD", "male", "pharmacy", "cabrillo-naval"),
    ("yoon-hana", "Yoon", ("Hana",), "CDR", "MD", "female", "emergency-medicine", "cabrillo-naval"),
    ("bell-theodore", "Bell", ("Theodore",), "CAPT", "MD", "male", "orthopedics", "cabrillo-naval"),
    ("reyes-patricia", "Reyes", ("Patricia",), "", "RN", "female", "case-management", "cabrillo-naval"),
    ("lindgren-maja", "Lindgren", ("Maja",), "LT", "MD", "female", "family-medicine", "harborview-naval"),
    ("novak-stefan", "Novak", ("Stefan",), "LT", "DMD", "male", "dentistry", "harborview-naval"),
    ("boone-calvin", "Boone", ("Calvin", "J."), "MAJ", "MD", "male", "family-medicine", "sandhills-army"),
    ("achebe-ifeoma", "Achebe", ("Ifeoma",), "LTC", "MD", "female", "obstetrics", "sandhills-army"),
    ("sato-keiko", "Sato", ("Keiko",), "CPT", "PhD", "female", "psychology", "sandhills-army"),
    ("mercer-ray", "Mercer", ("Ray",), "", "DPT", "male", "physical-therapy", "sandhills-army"),
    ("duarte-felipe", "Duarte", ("Felipe",), "Maj", "MD", "male", "aerospace-medicine", "high-plains-air"),
    ("quinn-maeve", "Quinn", ("Maeve",), "Capt", "PA-C", "female", "physician-assistant", "high-plains-air"),
    ("farris-dana", "Farris", ("Dana",), "", "LCSW", "female", "social-work", "high-plains-air"),
    ("weiss-hannelore", "Weiss", ("Hannelore",), "", "MD", "female", "family-medicine", "linden-army"),
    ("aldridge-kim", "Aldridge", ("Kim",), "Capt", "MD", "female", "family-medicine", "boreal-air"),
    ("prentiss-jude", "Prentiss", ("Jude",), "MAJ", "MD", "male", "emergency-medicine", "kestrel-forward"),
    ("salazar-monica", "Salazar", ("Monica",), "", "MD", "female", "internal-medicine", "mission-valley-va"),
    ("ostrander-neil", "Ostrander", ("Neil",), "", "MD", "male", "psychiatry", "mission-valley-va"),
    ("abara-chidi", "Abara", ("Chidi",), "", "MD", "male", "infectious-disease", "mission-valley-va"),
    ("vance-louise", "Vance", ("Louise",), "", "MD", "female", "addiction-medicine", "mission-valley-va"),
    ("tran-bao", "Tran", ("Bao",), "", "PharmD", "male", "pharmacy", "mission-valley-va"),
    ("hollis-margaret", "Hollis", ("Margaret",), "", "MD", "female", "internal-medicine", "prairie-crossing-va"),
    ("gallagher-sean", "Gallagher", ("Sean",), "CDR", "MD", "male", "family-medicine", "golden-strait-uscg"),
    ("pope-elise", "Pope", ("Elise",), "LT", "DDS", "female", "dentistry", "golden-strait-uscg"),
    ("merriweather-ada", "Merriweather", ("Ada",), "CDR", "MD", "female", "undersea-medicine", "cascadia-noaa"),
    ("bishop-owen", "Bishop", ("Owen",), "LT", "PA-C", "male", "physician-assistant", "cascadia-noaa"),
)

CLINICIANS: tuple[Clinician, ...] = tuple(
    Clinician(key, family, given, prefix, suffix, gender, ids.npi(1_000 + place), specialty, facility)
    for place, (key, family, given, prefix, suffix, gender, specialty, facility) in enumerate(_ROWS)
)

_ROLES: Mapping[str, tuple[str, str]] = {
    "case-management": ("445451001", "Nurse case manager"),
    "dentistry": ("106289002", "Dentist"),
    "pharmacy": ("46255001", "Pharmacist"),
    "physical-therapy": ("36682004", "Physical therapist"),
    "physician-assistant": ("449161006", "Physician assistant"),
    "psychology": ("59944000", "Psychologist"),
    "social-work": ("106328005", "Social worker"),
}
"""SNOMED code and text of what somebody does in a care team, by specialty; a physician otherwise."""


def directory() -> Directory:
    """All facilities and clinicians by key."""
    return Directory({each.key: each for each in FACILITIES}, {each.key: each for each in CLINICIANS})


def role(clinician: Clinician) -> Resource:
    """What the clinician does, as a CodeableConcept of SNOMED CT."""
    code, text = _ROLES.get(clinician.specialty, ("309343006", "Physician"))
    return concept("snomed", code, text)


def shown_name(clinician: Clinician) -> str:
    """The name as a display shows it, such as `Grace N. Okafor, MD`."""
    return f"{' '.join(clinician.given)} {clinician.family}, {clinician.suffix}"


def resources(population: str = "demo") -> list[Resource]:
    """A Practitioner and a PractitionerRole for every clinician."""
    places = directory().facilities
    found = []
    for place, clinician in enumerate(CLINICIANS):
        facility = places[clinician.facility]
        found.append(_practitioner(clinician, facility, 120 + place, population))
        found.append(_practitioner_role(clinician, facility, 120 + place, population))
    return found


def _practitioner(clinician: Clinician, facility: Facility, extension: int, population: str) -> Resource:
    name = {
        "use": "official",
        "text": f"{clinician.prefix} {shown_name(clinician)}".strip(),
        "family": clinician.family,
        "given": list(clinician.given),
    }
    if clinician.prefix:
        name["prefix"] = [clinician.prefix]
    name["suffix"] = [clinician.suffix]
    return {
        "resourceType": "Practitioner",
        "id": clinician.key,
        "meta": meta(population, facility.agency, ("us-core-practitioner",)),
        "identifier": [ids.identifier("NPI", "National provider identifier", ids.NPI_SYSTEM, clinician.npi)],
        "active": True,
        "name": [name],
        "telecom": _telecom(clinician, facility, extension),
        "address": [address(facility)],
        "gender": clinician.gender,
        "communication": [concept("language", "en")],
    }


def _practitioner_role(clinician: Clinician, facility: Facility, extension: int, population: str) -> Resource:
    return {
        "resourceType": "PractitionerRole",
        "id": f"{clinician.key}-role",
        "meta": meta(population, facility.agency, ("us-core-practitionerrole",)),
        "active": True,
        "practitioner": {"reference": f"Practitioner/{clinician.key}", "display": shown_name(clinician)},
        "organization": {"reference": f"Organization/{facility.key}", "display": facility.name},
        "code": [role(clinician)],
        "specialty": [concept("nucc", SPECIALTIES[clinician.specialty])],
        "location": [{"reference": f"Location/{facility.key}", "display": facility.name}],
        "telecom": _telecom(clinician, facility, extension),
        "endpoint": [{"reference": f"Endpoint/{facility.key}-direct"}],
    }


def _telecom(clinician: Clinician, facility: Facility, extension: int) -> list[Resource]:
    area = facility.phone[:3]
    return [
        {"system": "phone", "value": f"{area}-555-{extension:04d}", "use": "work"},
        {"system": "email", "value": f"{clinician.key}@clinic.example.org", "use": "work"},
    ]
