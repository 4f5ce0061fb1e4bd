"""The invariants of US Core 7.0.0, by their keys, and those of R4's Observation that seeds could break.

https://hl7.org/fhir/us/core/STU7/profiles-and-extensions.html. The guide states them in FHIRPath; here each is a
question to a resource. Left out: us-core-4 and 5, which only warn, and us-core-18 and 19 (CLIA and NAIC numbers).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Resource = dict[str, Any]

UCUM = "http://unitsofmeasure.org"
NPI = "http://hl7.org/fhir/sid/us-npi"
RACE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race"


def broken(resource: Resource) -> list[str]:
    """Keys of the invariants that a resource breaks."""
    return [key for key, holds in RULES.get(resource["resourceType"], {}).items() if not holds(resource)]


def _has(resource: Resource, stem: str) -> bool:
    return any(name.startswith(stem) for name in resource)


def _has_value_or_reason(part: Resource) -> bool:
    return _has(part, "value") or "dataAbsentReason" in part


def _dates_are_whole(resource: Resource) -> bool:
    return len(resource.get("effectiveDateTime", "0000-00-00")) >= 10


def _code_is_not_a_component(observation: Resource) -> bool:
    own = _codes(observation["code"])
    return not _has(observation, "value") or not any(
        own & _codes(part["code"]) for part in observation.get("component", ())
    )


def _smoking_value(observation: Resource) -> bool:
    codes = {code for _, code in _codes(observation["code"])}
    if codes & {"72166-2", "11367-0"}:
        return "valueCodeableConcept" in observation
    return not codes & {"401201003", "782516008"} or "valueQuantity" in observation


def _ranges(observation: Resource) -> bool:
    return all({"low", "high", "text"} & limits.keys() for limits in observation.get("referenceRange", ()))


def _ranges_are_ucum(observation: Resource) -> bool:
    limits = [each[end] for each in observation.get("referenceRange", ()) for end in ("low", "high") if end in each]
    return all(limit.get("system", UCUM) == UCUM for limit in limits)


def _codes(concept: Resource) -> set[tuple[str, str]]:
    return {(each.get("system", ""), each.get("code", "")) for each in concept.get("coding", ())}


def _numbers(resource: Resource) -> Iterator[str]:
    for identifier in resource.get("identifier", ()):
        if identifier.get("system") == NPI:
            yield identifier["value"]


def _is_luhn(number: str) -> bool:
    """The check digit of an NPI: Luhn over 80840 and the number, the prefix worth 24."""
    digits = [int(each) for each in number]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[0::2]]
    return (sum(doubled) + sum(digits[1::2]) + 24) % 10 == 0


def _authors_act_for_somebody(provenance: Resource) -> bool:
    acting = [
        agent
        for agent in provenance["agent"]
        if agent["who"].get("reference", "").startswith(("Practitioner/", "Device/"))
    ]
    return all("onBehalfOf" in agent for agent in acting)


def _unknown_race_stands_alone(patient: Resource) -> bool:
    for extension in patient.get("extension", ()):
        codes = [
            each["valueCoding"]["code"] for each in extension.get("extension", ()) if each.get("url") == "ombCategory"
        ]
        if extension.get("url") == RACE and {"ASKU", "UNK"} & set(codes) and len(codes) > 1:
            return False
    return True


def _has_member_number(coverage: Resource) -> bool:
    codes = {code for each in coverage.get("identifier", ()) for code in _codes(each.get("type", {}))}
    return "subscriberId" in coverage or ("http://terminology.hl7.org/CodeSystem/v2-0203", "MB") in codes


def _report_is_dated(report: Resource) -> bool:
    return report["status"] in ("registered", "cancelled", "entered-in-error") or _has(report, "effective")


def _lab_report_is_issued(report: Resource) -> bool:
    is_laboratory = any(code == "LAB" for each in report["category"] for _, code in _codes(each))
    is_open = report["status"] in ("registered", "cancelled", "entered-in-error", "unknown")
    return not is_laboratory or is_open or "issued" in report


_OBSERVATION: dict[str, Callable[[Resource], bool]] = {
    "us-core-1": _dates_are_whole,
    "us-core-2": lambda each: "component" in each or "hasMember" in each or _has_value_or_reason(each),
    "us-core-3": lambda each: each.get("valueQuantity", {}).get("system", UCUM) == UCUM,
    "us-core-22": _ranges_are_ucum,
    "us-core-24": _smoking_value,
    "us-core-26": lambda each: all(map(_has_value_or_reason, each.get("component", ()))),
    "obs-3": _ranges,
    "obs-6": lambda each: not ("dataAbsentReason" in each and _has(each, "value")),
    "obs-7": _code_is_not_a_component,
}

RULES: Mapping[str, Mapping[str, Callable[[Resource], bool]]] = {
    "Observation": _OBSERVATION,
    "Patient": {
        "us-core-6": lambda each: all({"family", "given", "extension"} & name.keys() for name in each["name"]),
        "us-core-23": _unknown_race_stands_alone,
    },
    "DocumentReference": {
        "us-core-6": lambda each: all({"url", "data"} & part["attachment"].keys() for part in each["content"])
    },
    "DiagnosticReport": {"us-core-8": _report_is_dated, "us-core-9": _lab_report_is_issued},
    "Procedure": {
        "us-core-7": lambda each: each["status"] not in ("completed", "in-progress") or _has(each, "performed")
    },
    "PractitionerRole": {
        "pd-1": lambda each: "telecom" in each or "endpoint" in each,
        "us-core-13": lambda each: bool(
            {"practitioner", "organization", "healthcareService", "location"} & each.keys()
        ),
    },
    "RelatedPerson": {"us-core-14": lambda each: "name" in each or "relationship" in each},
    "Coverage": {"us-core-15": _has_member_number},
    "Practitioner": {
        "us-core-16": lambda each: all(len(number) == 10 and number.isdigit() for number in _numbers(each)),
        "us-core-17": lambda each: all(map(_is_luhn, _numbers(each))),
    },
    "Organization": {
        "us-core-16": lambda each: all(len(number) == 10 and number.isdigit() for number in _numbers(each)),
        "us-core-17": lambda each: all(map(_is_luhn, _numbers(each))),
    },
    "MedicationDispense": {"us-core-20": lambda each: each["status"] != "completed" or "whenHandedOver" in each},
    "MedicationRequest": {
        "us-core-21": lambda each: not each["intent"].endswith("order") or "requester" in each,
    },
    "Provenance": {"provenance-1": _authors_act_for_somebody},
}
"""The rules by resource type and key."""
