"""What a new class of beneficiary changes in a record: the old Coverage ends the day before, a new one begins.

The Patient stays the same one. https://hl7.org/fhir/R4/coverage.html
"""

from collections.abc import Sequence
from datetime import date, timedelta
from hashlib import sha256

from fhir_server.care.beneficiary_class import (
    BeneficiaryClass,
    class_extension,
    class_of,
    covered_class,
    covers,
)
from fhir_server.core.resource import Resource

VETERAN_STATUS = "http://hl7.org/fhir/us/military-service/StructureDefinition/military-service-veteran-status"
ICN_SYSTEM = "urn:oid:2.16.840.1.113883.4.349"
DOD_ID_SYSTEM = "urn:oid:2.16.840.1.113883.3.42.10001.100001.12"

_IS_VETERAN: Resource = {"url": VETERAN_STATUS, "valueBoolean": True}
_SOPT = "https://nahdo.org/sopt"
_ACTS = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_RELATIONSHIPS = "http://terminology.hl7.org/CodeSystem/subscriber-relationship"
_IDENTIFIER_TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"
_US_CORE_COVERAGE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-coverage"

_RELATIONSHIP: dict[BeneficiaryClass, tuple[str, str]] = {
    "dependent-spouse": ("spouse", "Spouse"),
    "dependent-child": ("child", "Child"),
    "dependent-parent": ("other", "Other"),
}
_SELF = ("self", "Self")


def changed_patient(patient: Resource, to: BeneficiaryClass, icn: str | None = None) -> Resource:
    """The Patient with the new class, as a veteran where it is one, and with the VA's number once that is known.

    Nobody ceases to be a veteran.
    """
    extensions = _saying(patient.get("extension", ()), class_extension(to))
    if to == "veteran":
        extensions = _saying(extensions, _IS_VETERAN)
    changed = patient | {"extension": extensions}
    known = {each.get("value") for each in patient.get("identifier", ()) if each.get("system") == ICN_SYSTEM}
    if icn is not None and icn not in known:
        changed["identifier"] = [*patient.get("identifier", ()), _icn(icn)]
    return changed


def stands_for(coverage: Resource, to: BeneficiaryClass, start: date, of_patient: BeneficiaryClass | None) -> bool:
    """Whether a Coverage already is what a change to a class on a day would make: it goes on past that day."""
    if coverage.get("status") != "active" or not covers(coverage, start):
        return False
    return covered_class(coverage, of_patient) == to and "end" not in coverage.get("period", {})


def ended(coverage: Resource, start: date, of_patient: BeneficiaryClass | None) -> Resource | None:
    """A Coverage as it ends the day before `start`; None where it does not reach that day anyway.

    It says which class it stood for, because the Patient no longer does. One that would begin later never holds.
    """
    if coverage.get("status") != "active" or not _reaches(coverage, start):
        return None
    marked = dict(coverage)
    stood_for = covered_class(coverage, of_patient)
    if class_of(coverage) is None and stood_for is not None:
        marked["extension"] = [*coverage.get("extension", ()), class_extension(stood_for)]
    if not covers(coverage, start - timedelta(days=1)):
        return marked | {"status": "cancelled"}
    period = dict(coverage.get("period", {}))
    return marked | {"period": period | {"end": (start - timedelta(days=1)).isoformat()}}


def begun(
    patient: Resource,
    to: BeneficiaryClass,
    start: date,
    former: Sequence[Resource] = (),
    icn: str | None = None,
    sponsor: Resource | None = None,
) -> Resource:
    """The new Coverage: the VA's of a veteran, else TRICARE. `former` are those it follows.

    `sponsor` is the Patient on whom a dependent depends; their number is the subscriber's.
    """
    reference = {"reference": f"Patient/{patient['id']}"}
    relationship = _RELATIONSHIP.get(to, _SELF)
    subscriber = (
        {"reference": f"Patient/{sponsor['id']}"} if sponsor is not None else _subscriber(to, former, reference)
    )
    number = (icn or _value(patient, ICN_SYSTEM)) if to == "veteran" else None
    number = number or _sponsor_number(former) or _value(sponsor or patient, DOD_ID_SYSTEM)
    resource: Resource = {
        "resourceType": "Coverage",
        "id": coverage_id(patient["id"], to, start),
        "meta": {"profile": [_US_CORE_COVERAGE]},
        "extension": [class_extension(to)],
        "status": "active",
        "type": _veterans() if to == "veteran" else _tricare(),
        "subscriber": subscriber,
        "beneficiary": reference,
        "relationship": {"coding": [_coding(_RELATIONSHIPS, *relationship)], "text": relationship[1]},
        "period": {"start": start.isoformat()},
        "payor": [_payor("va-health-care", "VA Health Care") if to == "veteran" else _payor("tricare", "TRICARE")],
    }
    return resource | {"subscriberId": number} if number else resource


def coverage_id(patient: str, to: BeneficiaryClass, start: date) -> str:
    """The id of the Coverage of one change, so that the same change made twice is one."""
    return f"status-{sha256(f'{patient} {to} {start.isoformat()}'.encode()).hexdigest()[:32]}"


def _saying(extensions: Sequence[Resource], told: Resource) -> list[Resource]:
    """The extensions with this one alone of its kind."""
    others = [each for each in extensions if each.get("url") != told["url"] or each == told]
    return others if told in others else [*others, told]


def _reaches(coverage: Resource, day: date) -> bool:
    end = str(coverage.get("period", {}).get("end", ""))[:10]
    return not end or day.isoformat()[: len(end)] <= end


def _subscriber(to: BeneficiaryClass, former: Sequence[Resource], own: Resource) -> Resource:
    """A dependent stays under the sponsor of before."""
    if to not in _RELATIONSHIP:
        return own
    return next((each["subscriber"] for each in former if "subscriber" in each), own)


def _sponsor_number(former: Sequence[Resource]) -> str | None:
    return next((str(each["subscriberId"]) for each in former if "subscriberId" in each), None)


def _value(patient: Resource, system: str) -> str | None:
    return next((each.get("value") for each in patient.get("identifier", ()) if each.get("system") == system), None)


def _icn(value: str) -> Resource:
    kind = _coding(_IDENTIFIER_TYPES, "NI", "National unique individual identifier")
    return {
        "use": "official",
        "type": {"coding": [kind], "text": "VA Integration Control Number"},
        "system": ICN_SYSTEM,
        "value": value,
        "assigner": {"reference": "Organization/agency-va", "display": "Department of Veterans Affairs"},
    }


def _tricare() -> Resource:
    codings = [_coding(_SOPT, "311", "TRICARE (CHAMPUS)"), _coding(_ACTS, "MILITARY", "military health program")]
    return {"coding": codings, "text": "TRICARE"}


def _veterans() -> Resource:
    veterans = _coding(_ACTS, "VET", "veteran health program")
    return {"coding": [_coding(_SOPT, "32", "Department of Veterans Affairs"), veterans], "text": "VA Health Care"}


def _payor(id: str, display: str) -> Resource:
    return {"reference": f"Organization/{id}", "display": display}


def _coding(system: str, code: str, display: str) -> Resource:
    return {"system": system, "code": code, "display": display}
