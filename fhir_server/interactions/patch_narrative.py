"""What becomes of the narrative of a resource that was patched: it must not tell of what was before.

https://hl7.org/fhir/R4/http.html#patch ("not clinically unsafe"), https://hl7.org/fhir/R4/narrative.html
"""

from collections.abc import Iterator
from typing import Any

from fhir_server.core import outcome
from fhir_server.core.codec import canonical
from fhir_server.core.resource import Resource

_DERIVED = frozenset({"generated", "extensions"})
"""Narratives that say nothing the elements do not say."""
_UNTOLD = frozenset({"id", "meta", "implicitRules", "language", "text"})
"""What no narrative is about."""


def without_stale_narrative(before: Resource, after: Resource) -> Resource:
    """The patched resource; where its elements changed and its narrative did not, without a narrative made from them.

    The same for each resource inside it. They are known by their narratives: in a Bundle several may have one id, or
    none. Raises FhirError 422 where the narrative says more than the elements.
    """
    told: dict[tuple[str, bytes], set[bytes]] = {}
    for each in _narrated(before):
        told.setdefault(_narrative(each), set()).add(_elements(each))
    for resource in list(_narrated(after)):
        earlier = told.get(_narrative(resource))
        if earlier is None or _elements(resource) in earlier:
            continue
        status = resource["text"].get("status") if isinstance(resource["text"], dict) else None
        if status in _DERIVED:
            del resource["text"]
        elif status != "empty":
            raise outcome.STALE_NARRATIVE(
                "The narrative says more than the elements that the patch changes. Patch 'text' too, or remove it.",
                f"{resource['resourceType']}.text",
            )
    return after


def _narrated(value: Any) -> Iterator[Resource]:
    """Every resource with a narrative, the one itself and those inside it."""
    if isinstance(value, list):
        for each in value:
            yield from _narrated(each)
    elif isinstance(value, dict):
        if "resourceType" in value and "text" in value:
            yield value
        for member in value.values():
            if isinstance(member, dict | list):
                yield from _narrated(member)


def _narrative(resource: Resource) -> tuple[str, bytes]:
    return str(resource["resourceType"]), canonical(resource["text"])


def _elements(resource: Resource) -> bytes:
    return canonical({name: value for name, value in resource.items() if name not in _UNTOLD})
