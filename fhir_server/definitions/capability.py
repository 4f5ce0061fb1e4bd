"""What the server offers, as one table: the CapabilityStatement, OpenAPI and every refusal are made from it.

https://hl7.org/fhir/R4/capabilitystatement.html, https://hl7.org/fhir/R4/search.html#modifiers
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache

from fhir_server.definitions.parameter_set import STANDARD, ParameterSet
from fhir_server.definitions.registry import resource_types
from fhir_server.definitions.search_parameters import SearchParameter
from fhir_server.definitions.value_types import value_types

TYPE_INTERACTIONS = (
    "read",
    "vread",
    "update",
    "patch",
    "delete",
    "history-instance",
    "history-type",
    "create",
    "search-type",
)
SYSTEM_INTERACTIONS = ("transaction", "batch", "history-system", "search-system")

PATCH_FORMATS = ("application/json-patch+json", "application/fhir+json", "application/merge-patch+json")
"""JSON Patch, FHIRPath Patch and, beyond R4, JSON Merge Patch."""

PREFIXES = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
ORDERED = frozenset({"date", "number", "quantity"})
"""Types of parameters whose values take a prefix."""

CRITERIA: Mapping[str, str] = {
    "_has": "_has:Type:reference:parameter=value takes the resources that a matching resource of Type refers to; "
    "nested, and inside chains.",
    "_list": "The entries of a List, by its id.",
    "_filter": "R4's filter expressions, with their operators for each type of parameter.",
}
"""Criteria every search takes that are no search parameters of R4's registry."""

RESULTS: Mapping[str, str] = {
    "_sort": "Parameters to sort by, with '-' before those that run downwards.",
    "_count": "Resources on a page; 0 asks for their number alone.",
    "_total": "none, estimate or accurate.",
    "_summary": "true, text, data, count or false.",
    "_elements": "Top-level elements to be given.",
    "_include": "Type:parameter[:Target] of references to follow; with :iterate from what was included too.",
    "_revinclude": "Type:parameter[:Target] of references to what was found; with :iterate to what was included too.",
    "_contained": "false, true or both: whether contained resources are searched.",
    "_containedType": "container or contained: what is given for a contained resource that matches.",
    "_score": "Beside _text and _content: each entry then says how well it matches.",
    "__explain": "true gives the plan of the search instead of its results.",
}
"""Parameters every search takes that shape its result."""

OPERATORS: Mapping[str, tuple[str, ...]] = {
    "string": ("eq", "ne", "co", "sw", "ew", "pr"),
    "number": (*PREFIXES, "pr"),
    "quantity": (*PREFIXES, "pr"),
    "date": (*PREFIXES, "co", "po", "pr"),
    "token": ("eq", "ne", "ss", "sb", "in", "ni", "pr"),
    "reference": ("re", "pr"),
    "uri": ("eq", "ne", "pr"),
    "composite": ("eq", "ne"),
}
"""What `_filter` can ask of a parameter, by its type. https://hl7.org/fhir/R4/search_filter.html#ops"""

TEXTS = ("_text", "_content")
"""Parameters that ask for words."""

_CODED = frozenset({"CodeableConcept", "Coding", "code"})
_WITH_TEXT = frozenset({"CodeableConcept", "Coding", "Identifier"})


@dataclass(frozen=True, slots=True)
class OfferedParameter:
    """A search parameter a type can be searched by, with all that may stand beside it.

    `targets` are the types a reference may name: they are modifiers, and chains lead to them.
    """

    code: str
    type: str
    url: str
    modifiers: tuple[str, ...]
    prefixes: tuple[str, ...]
    targets: tuple[str, ...]


@lru_cache(maxsize=1024)
def offered_parameters(resource_type: str, parameter_set: ParameterSet = STANDARD) -> tuple[OfferedParameter, ...]:
    """The search parameters of a type that work, by code."""
    return tuple(
        OfferedParameter(
            code,
            parameter.type,
            parameter.url,
            modifiers_of(parameter),
            PREFIXES if parameter.type in ORDERED else (),
            targets_of(parameter),
        )
        for code, parameter in sorted(parameter_set.of(resource_type).items())
        if is_offered(parameter)
    )


def is_offered(parameter: SearchParameter) -> bool:
    """Whether the server searches by this parameter: by all but `_query`, as it defines no named queries."""
    return parameter.code != "_query"


@cache
def modifiers_of(parameter: SearchParameter) -> tuple[str, ...]:
    """The modifiers a parameter takes, without the resource types a reference takes too (`targets_of`)."""
    if parameter.code in TEXTS:
        return ()
    types = value_types(parameter)
    match parameter.type:
        case "string":
            return ("missing", "exact", "contains")
        case "uri":
            return ("missing", "above", "below")
        case "token":
            return ("missing", "not", *_token_modifiers(types))
        case "reference":
            return ("missing", *_reference_modifiers(parameter, types))
    return ("missing",)


def _token_modifiers(types: frozenset[str]) -> tuple[str, ...]:
    # What cannot be told, of an added parameter, is not refused.
    text = ("text",) if not types or types & _WITH_TEXT else ()
    coded = ("in", "not-in", "above", "below") if not types or types & _CODED else ()
    typed = ("of-type",) if not types or "Identifier" in types else ()
    return (*text, *coded, *typed)


def _reference_modifiers(parameter: SearchParameter, types: frozenset[str]) -> tuple[str, ...]:
    if types and "Reference" not in types:
        return ()
    hierarchy = ("above", "below") if parameter.base in targets_of(parameter) else ()
    return ("identifier", *hierarchy)


def targets_of(parameter: SearchParameter) -> tuple[str, ...]:
    """The types a reference parameter may name; one that lists none may name any. Empty for other parameters."""
    if parameter.type != "reference":
        return ()
    return parameter.target or resource_types()


@lru_cache(maxsize=1024)
def includes(resource_type: str, parameter_set: ParameterSet = STANDARD) -> tuple[str, ...]:
    """What `_include` may follow from a type, as `Type:parameter`."""
    table = parameter_set.of(resource_type)
    return tuple(f"{resource_type}:{code}" for code in sorted(table) if table[code].type == "reference")


@lru_cache(maxsize=1024)
def revincludes(resource_type: str, parameter_set: ParameterSet = STANDARD) -> tuple[str, ...]:
    """What `_revinclude` may follow to a type, as `Type:parameter`."""
    return tuple(
        f"{source}:{code}"
        for source in resource_types()
        for code, parameter in sorted(parameter_set.of(source).items())
        if resource_type in targets_of(parameter)
    )


@lru_cache(maxsize=16)
def shared_parameters(types: tuple[str, ...], parameter_set: ParameterSet = STANDARD) -> tuple[str, ...]:
    """Codes that each of `types` can be searched by."""
    tables = [{each.code for each in offered_parameters(type, parameter_set)} for type in types]
    return tuple(sorted(set.intersection(*tables))) if tables else ()
