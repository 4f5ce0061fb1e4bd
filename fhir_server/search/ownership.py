"""Whose record a resource is in, and the tokens by which an owner's searches find it.

The table of owners is `definitions/owners`; `pt` of docs/storage.md is made of these tokens.
"""

from functools import cache
from typing import Any

from msgspec import structs

from fhir_server.core import outcome
from fhir_server.core.resource import Resource
from fhir_server.core.write_plan import IndexValues
from fhir_server.definitions.owners import owner_rule
from fhir_server.search.entries import Entries
from fhir_server.search.parameter_types import reference
from fhir_server.search.paths import Branch, branches

MAX_OWNED_TOKENS = 20_000
"""Owners times tokens of one row. 2,000 participants of one Appointment made 1.6 GB of them."""


def named_owners(resource: Resource, entries: Entries) -> tuple[str, ...]:
    """The patients named by the first of the type's owner paths that names any."""
    for path in _owner_paths(resource["resourceType"]):
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
def _owner_paths(resource_type: str) -> tuple[tuple[Branch, ...], ...]:
    return tuple(
        branches(resource_type, f"{resource_type}.{path}", lambda leaf: _note_owner)
        for path in owner_rule(resource_type).paths
    )


def owned_by(values: IndexValues, owners: tuple[str, ...], type: str, logical_id: str) -> IndexValues:
    """The same values of a resource that belongs to these patients. Raises FhirError 413 as `owned_tokens` does."""
    return structs.replace(
        values, owners=owners, owned_tokens=owned_tokens(owners, values.tokens, f"{type}/{logical_id}")
    )


def owned_tokens(owners: tuple[str, ...], tokens: tuple[str, ...], place: str) -> tuple[str, ...]:
    """`owner|` and `owner|token` of every owner and token of the resource at `place`.

    Raises FhirError 413 where they are too many together.
    """
    if len(owners) * (len(tokens) + 1) > MAX_OWNED_TOKENS:
        text = (
            f"{place} is in the records of {len(owners)} patients and has {len(tokens)} search values; together that "
            f"is more than {MAX_OWNED_TOKENS}. Write one resource for each patient, or for fewer."
        )
        raise outcome.TOO_LARGE(text).at(place)
    found: list[str] = []
    for owner in owners:
        mark = owner + "|"
        found.append(mark)
        found += [mark + token for token in tokens]
    return tuple(found)
