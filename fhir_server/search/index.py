"""What a resource is found by: one pass over it fills the index fields of its row.

https://hl7.org/fhir/R4/search.html; the shapes of the fields are in docs/storage.md.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from fhir_server.core import outcome
from fhir_server.core.resource import Resource
from fhir_server.core.write_plan import IndexValues, Range
from fhir_server.definitions.capability import is_offered
from fhir_server.definitions.owners import owner_rule
from fhir_server.definitions.search_parameters import SearchParameter, search_parameters
from fhir_server.search.entries import MAX_KEY, Entries, bounded
from fhir_server.search.parameter_types import date, reference, string, token, uri
from fhir_server.search.paths import Branch, Leaf, Visit, branches, leaves

NOT_IN_ROWS = frozenset({"_id", "_lastUpdated"})
"""Parameters read from a row's `_id` and `updated`."""

INDEXED_SORT: dict[str, str] = {
    "AdverseEvent": "date",
    "AllergyIntolerance": "date",
    "Appointment": "date",
    "AuditEvent": "date",
    "CarePlan": "date",
    "ChargeItem": "occurrence",
    "Claim": "created",
    "ClaimResponse": "created",
    "ClinicalImpression": "date",
    "Communication": "sent",
    "CommunicationRequest": "authored",
    "Composition": "date",
    "Condition": "recorded-date",
    "Consent": "date",
    "CoverageEligibilityRequest": "created",
    "CoverageEligibilityResponse": "created",
    "DetectedIssue": "identified",
    "DeviceRequest": "authored-on",
    "DiagnosticReport": "date",
    "DocumentManifest": "created",
    "DocumentReference": "date",
    "Encounter": "date",
    "EpisodeOfCare": "date",
    "ExplanationOfBenefit": "created",
    "FamilyMemberHistory": "date",
    "Flag": "date",
    "Goal": "start-date",
    "ImagingStudy": "started",
    "Immunization": "date",
    "ImmunizationEvaluation": "date",
    "ImmunizationRecommendation": "date",
    "Invoice": "date",
    "List": "date",
    "MeasureReport": "date",
    "Media": "created",
    "MedicationAdministration": "effective-time",
    "MedicationDispense": "whenhandedover",
    "MedicationRequest": "authoredon",
    "MedicationStatement": "effective",
    "NutritionOrder": "datetime",
    "Observation": "date",
    "PaymentNotice": "created",
    "Procedure": "date",
    "Provenance": "recorded",
    "QuestionnaireResponse": "authored",
    "RequestGroup": "authored",
    "RiskAssessment": "date",
    "ServiceRequest": "authored",
    "Specimen": "collected",
    "SupplyRequest": "date",
    "Task": "authored-on",
    "VisionPrescription": "datewritten",
}
"""Type to the date parameter a patient's resources are listed by, newest first, out of the index `pt`."""

MISSING = {"a": date.FAR_FUTURE, "d": date.FAR_PAST}
"""The sort keys of a resource without a value for its type's INDEXED_SORT: last in either direction."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """How a type is read: visits by property, those that take the whole resource, and the paths to its owners."""

    by_property: dict[str, tuple[Visit, ...]]
    whole: tuple[Visit, ...]
    owner_paths: tuple[tuple[Branch, ...], ...]


def index_values(resource: Resource, logical_id: str, own_bases: tuple[str, ...], custodian: str | None) -> IndexValues:
    """The index fields of a valid resource at `logical_id`.

    `own_bases` are the URLs this server is reached by, without a slash at their ends. `custodian` is the source where
    the resource names none in `meta.source`.
    """
    type = resource["resourceType"]
    reading = _reading(type)
    entries = Entries(own_bases)
    by_property = reading.by_property
    for name, value in resource.items():
        visits = by_property.get(name)
        if visits is not None and value is not None:
            for visit in visits:
                visit(value, entries)
    for visit in reading.whole:
        visit(resource, entries)
    owners = (logical_id,) if type == "Patient" else _owners(resource, reading, entries)
    tokens = _bounded(entries.tokens)
    if len(owners) * (len(tokens) + 1) > MAX_OWNED_TOKENS:
        raise outcome.TOO_LARGE(
            f"{type}/{logical_id} is in the records of {len(owners)} patients and has {len(tokens)} search values; "
            f"together that is more than {MAX_OWNED_TOKENS}. Write one resource for each patient, or for fewer."
        ).at(f"{type}/{logical_id}")
    meta = resource.get("meta") or {}
    return IndexValues(
        owners=owners,
        source=meta.get("source") or custodian,
        labels=_labels(meta),
        owned_tokens=tuple([f"{owner}|{token}" for owner in owners for token in ("", *tokens)]),
        tokens=tokens,
        strings=tuple(entries.strings),
        dates=tuple([Range(*found) for found in entries.dates]),
        sort_keys=_sort_keys(type, entries),
    )


def is_sortable(parameter: SearchParameter) -> bool:
    """Whether rows carry sort keys for a parameter. References and the parameters of `meta` have none: each key makes
    the row longer, and nobody reads a list in their order.
    """
    return (
        is_offered(parameter)
        and parameter.type in ("date", "string", "token", "uri")
        and not parameter.code.startswith("_")
    )


MAX_OWNED_TOKENS = 20_000
"""Owners times tokens of one row. 2,000 participants of one Appointment made 1.6 GB of them."""


@cache
def parameter_leaves(resource_type: str, code: str) -> tuple[Leaf, ...]:
    """What an offered parameter of a type reads."""
    expression = search_parameters(resource_type)[code].expression
    return leaves(resource_type, expression) if expression else ()


def _bounded(tokens: Iterable[str]) -> tuple[str, ...]:
    return tuple([token if len(token) <= MAX_KEY else bounded(token) for token in tokens])


def _sort_keys(type: str, entries: Entries) -> dict[str, Any]:
    keys = {name: ends for name, ends in entries.keys.items() if not name.startswith("_")}
    indexed = INDEXED_SORT.get(type)
    if indexed is not None and indexed not in keys:
        keys[indexed] = dict(MISSING)
    return keys


def _labels(meta: dict[str, Any]) -> tuple[str, ...]:
    if "security" not in meta and "tag" not in meta:
        return ()
    found = [token.label(coding) for name in ("security", "tag") for coding in meta.get(name, ())]
    return tuple(dict.fromkeys(bounded(each) for each in found if each is not None))


def _owners(resource: Resource, reading: _Reading, entries: Entries) -> tuple[str, ...]:
    """The patients named by the first of the owner paths that names any."""
    for path in reading.owner_paths:
        found: dict[str, None] = {}
        for branch in path:
            value = resource.get(branch.property or "")
            if value is not None:
                branch.visit(value, (entries, found))
        if found:
            return tuple(found)
    return ()


def _note_owner(value: Any, gathered: tuple[Entries, dict[str, None]]) -> None:
    entries, found = gathered
    text = value.get("reference")
    located = reference.located_in(entries, text) if text else None
    if located is not None and located.startswith("Patient/"):
        found[located.removeprefix("Patient/")] = None


@cache
def _reading(resource_type: str) -> _Reading:
    by_property: dict[str, list[Visit]] = {}
    whole: list[Visit] = []
    for parameter in search_parameters(resource_type).values():
        if parameter.expression is None or parameter.code in NOT_IN_ROWS or not is_offered(parameter):
            continue
        for branch in _branches(resource_type, parameter):
            if branch.property is None:
                whole.append(branch.visit)
            else:
                by_property.setdefault(branch.property, []).append(branch.visit)
    return _Reading(
        {name: tuple(visits) for name, visits in by_property.items()},
        tuple(whole),
        tuple(
            branches(resource_type, f"{resource_type}.{path}", lambda leaf: _note_owner)
            for path in owner_rule(resource_type).paths
        ),
    )


def _branches(resource_type: str, parameter: SearchParameter) -> tuple[Branch, ...]:
    assert parameter.expression is not None
    code, all_leaves = parameter.code, parameter_leaves(resource_type, parameter.code)

    def reader(leaf: Leaf) -> Visit | None:
        match parameter.type:
            case "token":
                return token.writer(code, leaf, all_leaves)
            case "string":
                return string.writer(code, leaf)
            case "date":
                return date.writer(code, leaf)
            case "reference":
                return reference.writer(code, leaf, parameter.target)
            case "uri":
                return uri.writer(code, leaf)
        return None

    return branches(resource_type, parameter.expression, reader)
