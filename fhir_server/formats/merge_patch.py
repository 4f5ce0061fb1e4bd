"""JSON Merge Patch: members replace members, null removes one, arrays are replaced whole.

https://www.rfc-editor.org/rfc/rfc7396. R4 does not name it; fhirpy sends it.
"""

from functools import partial
from typing import Any

from fhir_server.core import outcome
from fhir_server.core.codec import MAX_DEPTH
from fhir_server.core.resource import Resource
from fhir_server.formats.patched import Change, Draft


def change(document: Any) -> Change:
    """The change a merge patch asks for. Raises FhirError 400 for what is no JSON object."""
    if not isinstance(document, dict):
        raise outcome.BAD_PATCH("A merge patch is a JSON object with the elements to be set; null removes one.")
    return partial(_changed, document)


def _changed(document: dict[str, Any], resource: Resource) -> Any:
    draft = Draft(resource)
    _merge(draft, resource, document, 1)
    return draft.finished()


def _merge(draft: Draft, target: dict[str, Any], sent: dict[str, Any], depth: int) -> None:
    """Merge `sent` into a target that `depth` objects surround, itself counted."""
    if depth > MAX_DEPTH:
        raise outcome.nested_too_deep(MAX_DEPTH)
    for name, value in sent.items():
        if value is None:
            target.pop(name, None)
            draft.thinned(target)
        elif isinstance(value, dict):
            inner = target.get(name)
            if not isinstance(inner, dict):
                inner = target[name] = {}
            _merge(draft, inner, value, depth + 1)
        else:
            target[name] = draft.copied(value, depth)
