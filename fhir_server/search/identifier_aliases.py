"""Identifiers that are written in several ways: one form in the index, all of them accepted.

https://hl7.org/fhir/R4/identifier-registry.html (us-ssn, us-npi), https://hl7.org/fhir/R4/datatypes.html#Identifier
"""

import re

from fhir_server.definitions.withheld import SSN, SSN_OID

NPI = "http://hl7.org/fhir/sid/us-npi"
VA = "urn:oid:2.16.840.1.113883.4.349"
"""VA's root OID. My HealtheVet puts ids of its own under it, so only a value of ICN shape is an ICN."""
VA_MPI = "http://va.gov/mpi"

_SYSTEMS = {SSN_OID: SSN, "urn:oid:2.16.840.1.113883.4.6": NPI}
_SSN = re.compile(r"([0-9]{3})-?([0-9]{2})-?([0-9]{4})").fullmatch
_ICN = re.compile(r"([0-9]{10}V[0-9]{6})(?:\^NI\^200M\^USVHA(?:\^[A-Z])?)?").fullmatch


def canonical_system(system: str) -> str:
    """The URL of a system whose `urn:oid:` form names the same."""
    return _SYSTEMS.get(system, system)


def canonical_identifier(system: str, value: str) -> tuple[str, str]:
    """System and value in the one form the index has for a system and value.

    SSNs lose their dashes; the two systems of the VA ICN become VA's OID and the tail of the MPI's long form
    (`^NI^200M^USVHA^P`) goes, where the value has the shape of an ICN.
    """
    system = canonical_system(system)
    if system == SSN:
        parts = _SSN(value)
        return system, "".join(parts.groups()) if parts else value
    if system in (VA, VA_MPI):
        icn = _ICN(value)
        return (VA, icn[1]) if icn else (system, value)
    return system, value


def written_values(system: str | None, value: str) -> tuple[str, ...]:
    """The values under which an identifier is found by someone who names no system: its own, and its other forms."""
    if system is None:
        return (value,)
    system, canonical = canonical_identifier(system, value)
    forms = [value, canonical]
    if system == SSN and _SSN(canonical):
        forms.append(f"{canonical[:3]}-{canonical[3:5]}-{canonical[5:]}")
    return tuple(dict.fromkeys(forms))


def written_systems(system: str, value: str | None) -> tuple[str, ...]:
    """The systems under which an identifier is found by someone who names no value."""
    system = canonical_system(system)
    if system in (VA, VA_MPI) and value is not None and _ICN(value):
        return (VA, VA_MPI)
    return (system,)


def asked_value(value: str) -> str:
    """A value asked for without system: the long form of an ICN names itself, so it is cut as in the index."""
    icn = _ICN(value)
    return icn[1] if icn else value
