"""A resource of an encrypted type as it is indexed: no word that somebody wrote stays clear (docs/adr/0032*)."""

from typing import Any

from fhir_server.core.resource import Resource

_WORDY = frozenset({"text", "display", "note", "payload", "contained", "data", "extension", "modifierExtension"})


def without_words(resource: Resource) -> Resource:
    """The resource without what somebody wrote in words, and without contained resources, as an encrypted one is
    indexed: by codes, references, identifiers and dates alone.
    """
    return {name: _without_words(value) for name, value in resource.items() if name not in _WORDY}


def _without_words(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_words(each) for name, each in value.items() if name not in _WORDY}
    if isinstance(value, list):
        return [_without_words(each) for each in value]
    return value
