"""Identifiers of people and clinicians, made from a number: none of them was ever issued to anybody.

Systems: docs of the identifier types at https://hl7.org/fhir/R4/identifier-registry.html. No public source gives the
algorithm of the DoD ID number's check digit or of the VA's checksum, so both are ours.
"""

from seeds.codes import concept
from seeds.model import Facility, Person, Resource

DOD_ID_SYSTEM = "urn:oid:2.16.840.1.113883.3.42.10001.100001.12"
ICN_SYSTEM = "urn:oid:2.16.840.1.113883.4.349"
SSN_SYSTEM = "http://hl7.org/fhir/sid/us-ssn"
NPI_SYSTEM = "http://hl7.org/fhir/sid/us-npi"
DMIS_SYSTEM = "urn:fhir-server:federal:dmis-id"
SPONSOR_SYSTEM = "urn:fhir-server:federal:sponsor-number"

NPI_PREFIX = "80840"
"""Set before an NPI when its check digit is computed (45 CFR 162.406, ISO standard card issuer identifier)."""


def luhn_digit(digits: str) -> int:
    """The check digit that makes `digits` followed by it pass the Luhn test (ISO/IEC 7812-1)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return -total % 10


def dod_id(number: int) -> str:
    """Ten digits, of which the last is a Luhn digit; beginning with 99, which numbers in use do not."""
    first = f"99{number:07d}"
    return f"{first}{luhn_digit(first)}"


def icn(number: int) -> str:
    """An Integration Control Number of the VA by its shape: ten digits, V, six digits of checksum."""
    first = f"1099{number:06d}"
    return f"{first}V{int(first) % 999_983:06d}"


def ssn(number: int) -> str:
    """Nine digits without dashes. Area numbers from 900 are never issued (20 CFR 422.103)."""
    return f"9{number % 100_000_000:08d}"


def mrn(number: int) -> str:
    """The number under which a facility keeps the record."""
    return f"{10_000_000 + number * 37 % 90_000_000:08d}"


def npi(number: int) -> str:
    """A National Provider Identifier: ten digits, of which the last is the Luhn digit over 80840 and the others."""
    first = f"1999{number:05d}"
    return f"{first}{luhn_digit(NPI_PREFIX + first)}"


def sponsor_number(number: int) -> str:
    """The number under which TRICARE knows a sponsor's family."""
    return f"S99{number:07d}"


def mrn_system(facility: Facility) -> str:
    """The system of a facility's record numbers: under the VA's own root for its stations, else one of ours."""
    if facility.agency == "va":
        return f"{ICN_SYSTEM}.4.{facility.station}"
    return f"urn:fhir-server:federal:mrn:{facility.station}"


def identifier(kind: str, name: str, system: str, value: str, use: str = "official") -> Resource:
    """An Identifier of the v2-0203 type `kind`, shown as `name`."""
    return {"use": use, "type": concept("v2-0203", kind, name), "system": system, "value": value}


def dod_identifier(number: int) -> Resource:
    """The DoD ID number as an Identifier."""
    return identifier("MI", "DoD ID number", DOD_ID_SYSTEM, dod_id(number)) | {
        "assigner": {"reference": "Organization/agency-dod", "display": "Department of Defense"}
    }


def icn_identifier(number: int) -> Resource:
    """The VA's Integration Control Number as an Identifier."""
    return identifier("NI", "VA Integration Control Number", ICN_SYSTEM, icn(number)) | {
        "assigner": {"reference": "Organization/agency-va", "display": "Department of Veterans Affairs"}
    }


def patient_identifiers(person: Person, facility: Facility) -> list[Resource]:
    """All identifiers of a Patient: record number of the facility, DoD ID, SSN, and the VA's ICN where there is one."""
    record = identifier("MR", "Medical record number", mrn_system(facility), mrn(person.number), "usual")
    record["assigner"] = {"reference": f"Organization/{facility.key}", "display": facility.name}
    found = [record, dod_identifier(person.number)]
    if person.has_icn:
        found.append(icn_identifier(person.number))
    found.append(identifier("SS", "Social Security number", SSN_SYSTEM, ssn(person.number)))
    return found
