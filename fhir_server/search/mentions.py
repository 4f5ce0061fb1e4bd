"""What a resource names besides its owners: who takes part in it, what it is about, and its files."""

import re
from collections.abc import Iterator
from typing import Any

from fhir_server.core.reference import is_id
from fhir_server.core.resource import Resource
from fhir_server.definitions.owners import HIDDEN_WITH_OTHERS, owner_rule
from fhir_server.definitions.participants import PARTICIPANTS
from fhir_server.definitions.registry import is_resource_type
from fhir_server.definitions.unreleased import DRAFT_STATUS
from fhir_server.search.entries import Entries
from fhir_server.search.parameter_types import reference


def participants_of(type: str, resource: Resource, tokens: tuple[str, ...]) -> tuple[str, ...]:
    """The places of those who take part in it and so see it (docs/adr/0020*): of a draft, of who writes alone."""
    parameters = PARTICIPANTS.get(type)
    if parameters is None:
        return ()
    if resource.get("status") == DRAFT_STATUS:
        # Nobody takes part yet but who writes.
        parameters = parameters[:1]
    split = (token.partition("|") for token in tokens)
    # A place has a slash and no further bar: an identifier of the same parameter is another one's.
    return tuple(dict.fromkeys(place for name, _, place in split if name in parameters and "|" not in place))


def mentioned(type: str, resource: Resource, entries: Entries) -> tuple[str, ...]:
    """The places of this server's resources that it speaks of anywhere: not of patients, nor of what is in nobody's
    record, which hide nothing by labels of theirs.
    """
    if type not in HIDDEN_WITH_OTHERS:
        return ()
    places = (reference.located_in(entries, text) for text in _texts(resource, "reference") if text)
    return tuple(place for place in dict.fromkeys(places) if place is not None and _is_of_a_record(place))


def _is_of_a_record(place: str) -> bool:
    type, _, id = place.partition("/")
    return is_resource_type(type) and owner_rule(type).kind not in ("self", "shared") and bool(is_id(id))


def files_of(type: str, resource: Resource, entries: Entries) -> tuple[str, ...]:
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
