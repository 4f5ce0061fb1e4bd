"""What a resource is found by: one pass over it fills the index fields of its row.

https://hl7.org/fhir/R4/search.html; the shapes of the fields are in docs/storage.md.
"""

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from fhir_server.core.resource import Resource
from fhir_server.core.write_plan import IndexValues
from fhir_server.definitions.attached import HOLDERS
from fhir_server.definitions.encrypted import ENCRYPTED
from fhir_server.definitions.owners import owner_rule
from fhir_server.definitions.parameter_set import STANDARD, ParameterSet
from fhir_server.definitions.search_parameters import SearchParameter, search_parameters
from fhir_server.definitions.unreleased import UNRELEASED, unreleased
from fhir_server.definitions.withheld import holds
from fhir_server.search import instances
from fhir_server.search.entries import Entries, bounded_tokens
from fhir_server.search.labels import hiding_labels, labels_of
from fhir_server.search.mentions import files_of, mentioned, participants_of
from fhir_server.search.ownership import named_owners, owned_tokens
from fhir_server.search.parameter_types import text
from fhir_server.search.paths import Branch, Leaf, Visit, branches, leaves
from fhir_server.search.sort_keys import sort_keys
from fhir_server.search.unions import unions
from fhir_server.search.withheld import veiled
from fhir_server.search.wordless import without_words
from fhir_server.search.writers import presence_writer, writer

NOT_IN_ROWS = frozenset({"_id", "_lastUpdated"})
"""Parameters read from a row's `_id` and `updated`."""

TEXT_SEARCHED: frozenset[str] | None = None
"""The types that `_text` and `_content` find; None for every type. Each of them has an index over its words."""

URL_VERSION = "url:version|"
"""Begins the token `url:version|url|version` of a resource that canonicals name; without a version it ends there."""

CATEGORY = "category|"
"""Begins the tokens of the parameter that granular scopes narrow by."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """How a type is read: visits by property, and those that take the whole resource."""

    by_property: dict[str, tuple[Visit, ...]]
    whole: tuple[Visit, ...]


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
    owners = (logical_id,) if type == "Patient" else named_owners(resource, entries)
    if not owners and owner_rule(type).kind == "rule":
        owners = about
    tokens = bounded_tokens(entries.tokens)
    meta = resource.get("meta") or {}
    labels = labels_of(meta)
    contained = resource.get("contained")
    held = files_of(type, whole, entries) if type in HOLDERS else ()
    if type in UNRELEASED and (label := unreleased(resource)) is not None:
        labels = (*labels, label)
    return IndexValues(
        owners=owners,
        source=meta.get("source") or custodian,
        labels=labels,
        categories=_categories(type, tokens),
        participants=participants_of(type, resource, tokens),
        about=mentioned(type, resource, entries),
        files=files_of(type, whole, entries) if hiding_labels(labels, tokens) else (),
        held=held,
        withheld=withheld,
        owned_tokens=owned_tokens(owners, tokens, f"{type}/{logical_id}"),
        tokens=tokens,
        strings=tuple(entries.strings),
        dates=tuple(entries.dates),
        measures=tuple(entries.measures),
        composites=tuple(entries.composites),
        words=text.words(resource) if is_text_searched(type) else (),
        positions=tuple(entries.positions),
        contained=_contained(contained, own_bases, parameter_set) if contained else (),
        set_version=parameter_set.version,
        sort_keys=sort_keys(type, entries),
    )


def is_text_searched(type: str) -> bool:
    """Whether rows of a type carry words: none of an encrypted one leaves its body."""
    return type not in ENCRYPTED and (TEXT_SEARCHED is None or type in TEXT_SEARCHED)


@lru_cache(4096)
def parameter_leaves(resource_type: str, code: str, parameter_set: ParameterSet = STANDARD) -> tuple[Leaf, ...]:
    """What an offered parameter of a type reads."""
    expression = parameter_set.of(resource_type)[code].expression
    return leaves(resource_type, expression) if expression else ()


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


def _categories(type: str, tokens: tuple[str, ...]) -> tuple[str, ...]:
    return tuple([each for each in tokens if each.startswith(CATEGORY)]) if has_category(type) else ()


@cache
def has_category(type: str) -> bool:
    """Whether R4 has a parameter `category` for the type, by which a granular scope may narrow it."""
    parameter = search_parameters(type).get("category")
    return parameter is not None and parameter.type == "token"


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
    return _Reading({name: tuple(visits) for name, visits in by_property.items()}, tuple(whole))


def _write_url_version(url: Any, entries: Entries) -> None:
    entries.tokens[f"{URL_VERSION}{url}|{entries.resource.get('version') or ''}"] = None


def _branches(resource_type: str, parameter: SearchParameter, expression: str, is_written: bool) -> tuple[Branch, ...]:
    """The ways to what a parameter reads; where it `is_written` by others, to what it cannot be searched by alone."""
    all_leaves = leaves(resource_type, expression)

    def reader(leaf: Leaf) -> Visit | None:
        visit = writer(parameter, leaf, all_leaves)
        if visit is None:
            return presence_writer(parameter.code)
        return None if is_written else visit

    return branches(resource_type, expression, reader)
