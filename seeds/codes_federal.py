"""Codes of service and entitlement: our own code systems (profiles/federal), those of military history, of payers.

https://hl7.org/fhir/us/military-service/CodeSystem-military-service-code-system.html
"""

from collections.abc import Mapping

SYSTEMS: Mapping[str, str] = {
    "military-service": "http://hl7.org/fhir/us/military-service/CodeSystem/military-service-code-system",
    "country": "urn:iso:std:iso:3166",
    "related-person-role": "urn:fhir-server:federal:related-person-role",
    "service-characteristic": "urn:fhir-server:federal:service-characteristic",
    "beneficiary-class": "urn:fhir-server:federal:beneficiary-class",
    "service-phase": "urn:fhir-server:federal:service-phase",
    "branch": "urn:fhir-server:federal:branch",
    "sopt": "https://nahdo.org/sopt",
}
"""URI by short name."""

DISPLAYS: Mapping[str, Mapping[str, str]] = {
    "sopt": {"311": "TRICARE (CHAMPUS)", "32": "Department of Veterans Affairs"},
    "coverage-class": {"group": "Group", "plan": "Plan"},
    "country": {"KWT": "Kuwait", "ISL": "Iceland", "VNM": "Viet Nam", "KOR": "Korea, Republic of"},
    "military-service": {
        "79A512F77CFC4E63B9969930FC8787DB": "Honorable",
        "9B7095A70B024CD789A36E48A3936592": "Discharge Status",
        "9CEAD6537D6A4F198549F70598B8F8BF": "Separation Reason",
        "7E33243654BB42F5BF3F3A59E0E6E6BD": "Deployment Episode Country Code",
        "f6bb8fdc-89b0-4c0b-8d81-d3916f182c2f": "Deployment Episode",
        "033": "SUFFICIENT SERVICE FOR RETIREMENT",
        "035": "COMPLETION OF REQUIRED ACTIVE SERVICE",
        "107": "DISABILITY, PERMANENT",
    },
    "beneficiary-class": {
        "active-duty": "Active duty member",
        "reserve": "Member of a Reserve component",
        "national-guard": "Member of the National Guard",
        "retiree": "Retired member",
        "dependent-spouse": "Dependent: spouse",
        "dependent-child": "Dependent: child",
        "dependent-parent": "Dependent: parent",
        "veteran": "Veteran",
    },
    "branch": {
        "army": "United States Army",
        "navy": "United States Navy",
        "air-force": "United States Air Force",
        "marines": "United States Marine Corps",
        "space-force": "United States Space Force",
        "coast-guard": "United States Coast Guard",
        "noaa": "NOAA Commissioned Officer Corps",
        "public-health": "United States Public Health Service Commissioned Corps",
    },
    "service-phase": {
        "dependent": "Dependent of a sponsor",
        "active-duty": "Active duty",
        "reserve-component": "Reserve component",
        "retired": "Retired from service",
        "veteran": "Veteran",
    },
    "related-person-role": {
        "sponsor": "Sponsor",
        "surrogate": "Surrogate",
        "parent": "Parent or guardian",
        "emergency-contact": "Emergency contact",
        "former-proxy": "Former proxy",
    },
    "service-characteristic": {"support": "Support for users of the record"},
}
"""Display by code, by the short name of the system."""
