"""What is in a patient's record and not for the patient yet: drafts of others, results that are not final, notes and
leaflets that nobody has signed.

Rows of such resources carry a label of the server's own. Whoever cares for the patient sees results as all others, and
drafts are seen by whoever speaks in them.
"""

from collections.abc import Mapping
from typing import Any

SYSTEM = "urn:fhir-server:unreleased"
DRAFT = f"draft|{SYSTEM}"
RESULT = f"result|{SYSTEM}"
NOTE = f"note|{SYSTEM}"

UNRELEASED: Mapping[str, str] = {
    "Communication": DRAFT,
    "DiagnosticReport": RESULT,
    "DocumentReference": NOTE,
    "Observation": RESULT,
}
"""The label that hides rows of a type from patients, and from who acts for them."""

DRAFT_STATUS = "preparation"
"""https://hl7.org/fhir/R4/codesystem-event-status.html"""

_NOT_FINAL = frozenset({"registered", "partial", "preliminary"})
"""https://hl7.org/fhir/R4/codesystem-observation-status.html,
https://hl7.org/fhir/R4/codesystem-diagnostic-report-status.html
"""

_OF_LABORATORIES = frozenset({"laboratory", "imaging", "procedure"})
"""Codes of observation-category of what somebody has yet to vouch for; a vital sign is what was measured."""


def unreleased(resource: Mapping[str, Any]) -> str | None:
    """The label of a resource that its patient does not see yet; None where there is no such reason."""
    status = resource.get("status")
    match resource["resourceType"]:
        case "Communication" if status == DRAFT_STATUS:
            return DRAFT
        case "DiagnosticReport" if status in _NOT_FINAL:
            return RESULT
        case "DocumentReference" if resource.get("docStatus") == "preliminary":
            # https://hl7.org/fhir/R4/codesystem-composition-status.html; what patients write themselves they see.
            return None if any(map(_is_of_patients, resource.get("author", ()))) else NOTE
        case "Observation" if status in _NOT_FINAL and _is_of_laboratory(resource):
            return RESULT
    return None


def _is_of_patients(speaker: Mapping[str, Any] | None) -> bool:
    """Whether a patient, or a relative, is who speaks."""
    text = (speaker or {}).get("reference")
    return isinstance(text, str) and any(f"{type}/" in text for type in ("Patient", "RelatedPerson"))


def _is_of_laboratory(observation: Mapping[str, Any]) -> bool:
    return any(
        coding.get("code") in _OF_LABORATORIES
        for concept in observation.get("category", ())
        for coding in concept.get("coding", ())
    )
