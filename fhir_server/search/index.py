"""What a resource is found by: one pass over it fills the index fields of its row.

https://hl7.org/fhir/R4/search.html; the shapes of the fields are in docs/storage.md.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from msgspec import structs

from fhir_server.core import outcome
from fhir_server.core.reference import is_id
from fhir_server.core.resource import Resource
from fhir_server.core.write_plan import IndexValues
from fhir_server.definitions.attached import HOLDERS
from fhir_server.definitions.encrypted import ENCRYPTED
from fhir_server.definitions.owners import owner_rule
from fhir_server.definitions.parameter_set import STANDARD, ParameterSet
from fhir_server.definitions.participants import PARTICIPANTS
from fhir_server.definitions.registry import is_resource_type
from fhir_server.definitions.search_parameters import SearchParameter, search_parameters
from fhir_server.definitions.unreleased import DRAFT_STATUS, UNRELEASED, unreleased
from fhir_server.definitions.unreleased import SYSTEM as UNRELEASED_SYSTEM
from fhir_server.definitions.withheld import holds
from fhir_server.search import instances
from fhir_server.search.entries import Entries, bounded, bounded_tokens
from fhir_server.search.parameter_types import date, reference, text, token
from fhir_server.search.paths import Branch, Leaf, Visit, branches, leaves
from fhir_server.search.unions import unions
from fhir_server.search.withheld import veiled
from fhir_server.search.writers import presence_writer, writer

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

TEXT_SEARCHED: frozenset[str] | None = None
"""The types that `_text` and `_content` find; None for every type. Each of them has an index over its words."""

MISSING = {"a": date.FAR_FUTURE, "d": date.FAR_PAST}
"""The sort keys of a resource without a value for its type's INDEXED_SORT: last in either direction."""

URL_VERSION = "url:version|"
"""Begins the token `url:version|url|version` of a resource that canonicals name; without a version it ends there."""

CATEGORY = "category|"
"""Begins the tokens of the parameter that granular scopes narrow by."""

_HIDES_NOTHING = (
    *(f"|http://terminology.hl7.org/CodeSystem/{name}" for name in ("v3-ObservationValue", "v3-ActReason")),
    f"|{UNRELEASED_SYSTEM}",
)
"""Ends the labels that say who asserted something, for what it may be used, that it is a test, or not sent yet
(https://terminology.hl7.org/CodeSystem-v3-ObservationValue, https://terminology.hl7.org/CodeSystem-v3-ActReason).
"""

MAX_OWNED_TOKENS = 20_000
"""Owners times tokens of one row. 2,000 participants of one Appointment made 1.6 GB of them."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """How a type is read: visits by property, those that take the whole resource, and the paths to its owners."""

    by_property: dict[str, tuple[Visit, ...]]
    whole: tuple[Visit, ...]
    owner_paths: tuple[tuple[Branch, ...], ...]


def index_values(
    resource: Resource,
    logical_id: str,
    own_bases: tuple[str, ...],
    custodian: str | None,
    parameter_set: ParameterSet = STANDARD,
    about: tuple[str, ...] = (),
) -> IndexValues:
    """The index fields of a valid resource at `logical_id`.

    `about` are the owners of what it is about, where its type has owners by rule and it names no patient itself.

    `own_bases` are the URLs this server is reached by, without a slash at their ends. `custodian` is the source where
    the resource names none in `meta.source`. Raises FhirError 413 where owners and tokens are too many together.
    """
    type = resource["resourceType"]
    withheld = holds(resource)
    if withheld:
        resource = veiled(resource)
    whole = resource
    if type in ENCRYPTED:
        resource = without_words(resource)
    reading = _reading(type, parameter_set)
    entries = _read(resource, reading, own_bases)
    owners = (logical_id,) if type == "Patient" else _owners(resource, reading, entries)
    if not owners and owner_rule(type).kind == "rule":
        owners = about
    tokens = bounded_tokens(entries.tokens)
    if len(owners) * (len(tokens) + 1) > MAX_OWNED_TOKENS:
        raise _too_many(f"{type}/{logical_id}", len(owners), len(tokens))
    meta = resource.get("meta") or {}
    labels = _labels(meta)
    contained = resource.get("contained")
    held = _files(type, whole, entries) if type in HOLDERS else ()
    if type in UNRELEASED and (label := unreleased(resource)) is not None:
        labels = (*labels, label)
    return IndexValues(
        owners=owners,
        source=meta.get("source") or custodian,
        labels=labels,
        categories=_categories(type, tokens),
        participants=_participants(type, resource, tokens),
        about=_about(type, resource, entries),
        files=_files(type, whole, entries) if hiding_labels(labels, tokens) else (),
        held=held,
        withheld=withheld,
        owned_tokens=_owned(owners, tokens),
        tokens=tokens,
        strings=tuple(entries.strings),
        dates=tuple(entries.dates),
        measures=tuple(entries.measures),
        composites=tuple(entries.composites),
        words=text.words(resource) if is_text_searched(type) else (),
        positions=tuple(entries.positions),
        contained=_contained(contained, own_bases, parameter_set) if contained else (),
        set_version=parameter_set.version,
        sort_keys=_sort_keys(type, entries),
    )


def without_words(resource: Resource) -> Resource:
    """The resource without what somebody wrote in words, and without contained resources, as an encrypted one is
    indexed: by codes, references, identifiers and dates alone.
    """
    return {name: _without_words(value) for name, value in resource.items() if name not in _WORDY}


_WORDY = frozenset({"text", "display", "note", "payload", "contained", "data", "extension", "modifierExtension"})


def _without_words(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_words(each) for name, each in value.items() if name not in _WORDY}
    if isinstance(value, list):
        return [_without_words(each) for each in value]
    return value


def hiding_labels(labels: Iterable[str], tokens: Collection[str]) -> tuple[str, ...]:
    """Those of a row's labels by which it is hidden from somebody, and so whatever is about it: no tags, and nothing
    that says who asserted it or for what it is.

    `tokens` are the row's `t`, or those of its parameters `_security` and `_tag` alone.
    """
    return tuple(
        label
        for label in labels
        if not label.endswith(_HIDES_NOTHING) and (f"_security|{label}" in tokens or f"_tag|{label}" not in tokens)
    )


def also_labelled(values: IndexValues, labels: Iterable[str]) -> IndexValues:
    """The same values of a resource that is hidden by these labels too."""
    found = tuple(dict.fromkeys((*values.labels, *labels)))
    return values if len(found) == len(values.labels) else structs.replace(values, labels=found)


def owned_by(values: IndexValues, owners: tuple[str, ...], type: str, logical_id: str) -> IndexValues:
    """The same values of a resource that belongs to these patients. Raises FhirError 413 as `index_values` does."""
    if len(owners) * (len(values.tokens) + 1) > MAX_OWNED_TOKENS:
        raise _too_many(f"{type}/{logical_id}", len(owners), len(values.tokens))
    return structs.replace(values, owners=owners, owned_tokens=_owned(owners, values.tokens))


def is_sortable(parameter: SearchParameter) -> bool:
    """Whether rows carry sort keys for a parameter. References, the parameters of `meta` and unions have none: each
    key makes the row longer, and nobody reads a list in their order.
    """
    return (
        parameter.expression is not None
        and parameter.type in ("date", "string", "token", "uri", "number", "quantity")
        and not parameter.code.startswith("_")
        and parameter.code not in unions(parameter.base)
    )


def is_text_searched(type: str) -> bool:
    """Whether rows of a type carry words: none of an encrypted one leaves its body."""
    return type not in ENCRYPTED and (TEXT_SEARCHED is None or type in TEXT_SEARCHED)


@lru_cache(4096)
def parameter_leaves(resource_type: str, code: str, parameter_set: ParameterSet = STANDARD) -> tuple[Leaf, ...]:
    """What an offered parameter of a type reads."""
    expression = parameter_set.of(resource_type)[code].expression
    return leaves(resource_type, expression) if expression else ()


def _too_many(place: str, owners: int, tokens: int) -> outcome.FhirError:
    text = (
        f"{place} is in the records of {owners} patients and has {tokens} search values; together that is more than "
        f"{MAX_OWNED_TOKENS}. Write one resource for each patient, or for fewer."
    )
    return outcome.TOO_LARGE(text).at(place)


def _read(resource: Resource, reading: _Reading, own_bases: tuple[str, ...]) -> Entries:
    entries = Entries(own_bases, resource)
    by_property = reading.by_property
    for name, value in resource.items():
        visits = by_property.get(name)
        if visits is not None and value is not None:
            for visit in visits:
                visit(value, entries)
    for visit in reading.whole:
        visit(resource, entries)
    return entries


def _contained(
    resources: list[Resource], own_bases: tuple[str, ...], parameter_set: ParameterSet
) -> tuple[dict[str, Any], ...]:
    """The sub-documents of `h`: type, id, and the fields a row of its own would have."""
    made = []
    for resource in resources:
        type = resource["resourceType"]
        entries = _read(resource, _reading(type, parameter_set), own_bases)
        found = {"r": type, "i": resource.get("id"), **entries.fields()}
        words = text.words(resource) if is_text_searched(type) else ()
        made.append({**found, "w": words} if words else found)
    return tuple(made)


def _sort_keys(type: str, entries: Entries) -> dict[str, Any]:
    keys = entries.keys
    for name in [name for name in keys if name[0] == "_"]:
        del keys[name]
    indexed = INDEXED_SORT.get(type)
    if indexed is not None and indexed not in keys:
        keys[indexed] = dict(MISSING)
    return keys


def _owned(owners: tuple[str, ...], tokens: tuple[str, ...]) -> tuple[str, ...]:
    found: list[str] = []
    for owner in owners:
        mark = owner + "|"
        found.append(mark)
        found += [mark + token for token in tokens]
    return tuple(found)


def _categories(type: str, tokens: tuple[str, ...]) -> tuple[str, ...]:
    return tuple([each for each in tokens if each.startswith(CATEGORY)]) if has_category(type) else ()


def _participants(type: str, resource: Resource, tokens: tuple[str, ...]) -> tuple[str, ...]:
    parameters = PARTICIPANTS.get(type)
    if parameters is None:
        return ()
    if resource.get("status") == DRAFT_STATUS:
        # Nobody takes part yet but who writes.
        parameters = parameters[:1]
    split = (token.partition("|") for token in tokens)
    # A place has a slash and no further bar: an identifier of the same parameter is another one's.
    return tuple(dict.fromkeys(place for name, _, place in split if name in parameters and "|" not in place))


def _about(type: str, resource: Resource, entries: Entries) -> tuple[str, ...]:
    """The places of this server's resources that it speaks of anywhere: not of patients, nor of what is in nobody's
    record, which hide nothing by labels of theirs.
    """
    if owner_rule(type).kind != "rule":
        return ()
    places = (reference.located_in(entries, text) for text in _texts(resource, "reference") if text)
    return tuple(place for place in dict.fromkeys(places) if place is not None and _is_of_a_record(place))


def _is_of_a_record(place: str) -> bool:
    type, _, id = place.partition("/")
    return is_resource_type(type) and owner_rule(type).kind not in ("self", "shared") and bool(is_id(id))


def _files(type: str, resource: Resource, entries: Entries) -> tuple[str, ...]:
    """The places of the Binaries that a resource has its content in."""
    if owner_rule(type).kind == "rule":
        return ()
    texts = [*_texts(resource, "url"), *_texts(resource, "reference")]
    places = dict.fromkeys(reference.located_in(entries, text) for text in texts if "Binary/" in text)
    return tuple(place for place in places if place is not None and _FILE(place))


_FILE = re.compile(r"Binary/[A-Za-z0-9.-]{1,64}", re.ASCII).fullmatch


def _texts(value: Any, name: str) -> Iterator[str]:
    """The texts of all members of this name, at any depth."""
    if isinstance(value, list):
        for each in value:
            yield from _texts(each, name)
    elif isinstance(value, dict):
        for key, each in value.items():
            if key == name and isinstance(each, str):
                yield each
            else:
                yield from _texts(each, name)


@cache
def has_category(type: str) -> bool:
    """Whether R4 has a parameter `category` for the type, by which a granular scope may narrow it."""
    parameter = search_parameters(type).get("category")
    return parameter is not None and parameter.type == "token"


def _labels(meta: dict[str, Any]) -> tuple[str, ...]:
    if "security" not in meta and "tag" not in meta:
        return ()
    found: dict[str, None] = {}
    for name in ("security", "tag"):
        for coding in meta.get(name, ()):
            label = token.label(coding)
            # The server alone says what is not released yet: nobody keeps a result from its patient by a label.
            if label is not None and not label.endswith(f"|{UNRELEASED_SYSTEM}"):
                found[bounded(label)] = None
    return tuple(found)


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


@lru_cache(1024)
def _reading(resource_type: str, parameter_set: ParameterSet) -> _Reading:
    by_property: dict[str, list[Visit]] = {}
    whole: list[Visit] = []
    table = parameter_set.of(resource_type)
    skipped = NOT_IN_ROWS | unions(resource_type).keys()
    elements = instances.elements(resource_type, table)
    found = [*elements.branches]
    for parameter in table.values():
        if parameter.expression is not None and parameter.type != "composite" and parameter.code not in skipped:
            is_written = parameter.code in elements.written
            found += _branches(resource_type, parameter, parameter.expression, is_written)
    for branch in found:
        if branch.property is None:
            whole.append(branch.visit)
        else:
            by_property.setdefault(branch.property, []).append(branch.visit)
    if "url" in table:
        by_property.setdefault("url", []).append(_write_url_version)
    return _Reading(
        {name: tuple(visits) for name, visits in by_property.items()}, tuple(whole), _owner_paths(resource_type)
    )


def _write_url_version(url: Any, entries: Entries) -> None:
    entries.tokens[f"{URL_VERSION}{url}|{entries.resource.get('version') or ''}"] = None


@cache
def _owner_paths(resource_type: str) -> tuple[tuple[Branch, ...], ...]:
    return tuple(
        branches(resource_type, f"{resource_type}.{path}", lambda leaf: _note_owner)
        for path in owner_rule(resource_type).paths
    )


def _branches(resource_type: str, parameter: SearchParameter, expression: str, is_written: bool) -> tuple[Branch, ...]:
    """The ways to what a parameter reads; where it `is_written` by others, to what it cannot be searched by alone."""
    all_leaves = leaves(resource_type, expression)

    def reader(leaf: Leaf) -> Visit | None:
        visit = writer(parameter, leaf, all_leaves)
        if visit is None:
            return presence_writer(parameter.code)
        return None if is_written else visit

    return branches(resource_type, expression, reader)
