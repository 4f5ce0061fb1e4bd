"""Identifiers with more than one way to write them."""

import pytest

from tests.unit.search.matching import finds, row

SSN = "http://hl7.org/fhir/sid/us-ssn"
SSN_OID = "urn:oid:2.16.840.1.113883.4.1"
NPI = "http://hl7.org/fhir/sid/us-npi"
VA = "urn:oid:2.16.840.1.113883.4.349"
MPI = "http://va.gov/mpi"
ICN = "1012667145V762142"
DOD = "urn:oid:2.16.840.1.113883.3.42.10001.100001.12"


def found_by(system: str | None, value: str, asked: str) -> bool:
    identifier = {"value": value} if system is None else {"system": system, "value": value}
    return finds("Patient", [("identifier", asked)], row({"resourceType": "Patient", "identifier": [identifier]}))


@pytest.mark.parametrize("system", [SSN, SSN_OID])
@pytest.mark.parametrize("stored", ["999-12-3456", "999123456"])
@pytest.mark.parametrize("asked", ["999-12-3456", "999123456"])
@pytest.mark.parametrize("asked_system", [f"{SSN}|", f"{SSN_OID}|"])
def test_an_ssn_is_one_number_with_dashes_and_without(system: str, stored: str, asked: str, asked_system: str) -> None:
    assert found_by(system, stored, asked_system + asked)


def test_other_identifiers_keep_their_dashes() -> None:
    assert not found_by("urn:mrn", "999-12-3456", "999123456")
    assert not found_by("urn:mrn", "999123456", "999-12-3456")
    assert not found_by(SSN, "999-12-3456", "urn:mrn|999-12-3456")
    assert not found_by(SSN, "99-912-3456", "999123456")


def test_an_npi_is_found_by_url_and_oid() -> None:
    assert found_by("urn:oid:2.16.840.1.113883.4.6", "1234567893", f"{NPI}|1234567893")
    assert found_by(NPI, "1234567893", "urn:oid:2.16.840.1.113883.4.6|1234567893")
    assert found_by(NPI, "1234567893", "urn:oid:2.16.840.1.113883.4.6|")


@pytest.mark.parametrize("stored_system", [VA, MPI])
@pytest.mark.parametrize("stored", [ICN, f"{ICN}^NI^200M^USVHA^P", f"{ICN}^NI^200M^USVHA"])
@pytest.mark.parametrize(
    "asked", [ICN, f"{VA}|{ICN}", f"{MPI}|{ICN}", f"{VA}|{ICN}^NI^200M^USVHA^P", f"{MPI}|", f"{VA}|"]
)
def test_an_icn_is_found_under_both_systems_and_in_its_long_form(stored_system: str, stored: str, asked: str) -> None:
    assert found_by(stored_system, stored, asked)


def test_under_the_va_root_only_what_has_the_shape_of_an_icn_is_one() -> None:
    assert found_by(VA, "12345", f"{VA}|12345")
    assert not found_by(VA, "12345", f"{MPI}|12345")
    assert not found_by(VA, "12345", f"{MPI}|")
    assert not found_by(MPI, "12345", f"{VA}|")


def test_a_dod_id_is_found_by_its_value_alone() -> None:
    assert found_by(DOD, "1234567890", "1234567890")
    assert found_by(DOD, "1234567890", f"{DOD}|1234567890")


def test_identifier_values_keep_their_case() -> None:
    assert found_by("urn:mrn", "aB", "aB")
    assert not found_by("urn:mrn", "aB", "ab")


def test_an_identifier_without_system() -> None:
    assert found_by(None, "7", "7")
    assert found_by(None, "7", "|7")
    assert not found_by("urn:mrn", "7", "|7")
