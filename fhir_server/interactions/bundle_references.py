"""The links between entries of a transaction: fullUrls and conditional references, replaced by what they come to mean.

https://hl7.org/fhir/R4/http.html#trules, https://hl7.org/fhir/R4/bundle.html#references
"""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from fhir_server.core import outcome
from fhir_server.core.reference import parse_reference
from fhir_server.core.resource import Resource
from fhir_server.definitions.registry import is_resource_type

# Text that only looks like a link: an identifier's value or prose must stay as sent.
_NOT_LINKS = frozenset({"value", "valueString", "valueMarkdown", "display", "text", "system"})
_URN = ("urn:uuid:", "urn:oid:")
_NARRATIVE_LINK = re.compile(r'((?:href|src)\s*=\s*)(["\'])([^"\']*)\2')


def references(resource: Any) -> Iterator[str]:
    """Every `reference` text at any depth: elements, extensions, contained resources."""
    stack = [resource]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            reference = value.get("reference")
            if isinstance(reference, str):
                yield reference
            stack.extend(member for member in value.values() if isinstance(member, dict | list))
        elif isinstance(value, list):
            stack.extend(value)


def conditional_reference(text: str) -> tuple[str, str] | None:
    """The type and criteria of a reference such as `Practitioner?identifier=sys|1`, or None."""
    type, mark, criteria = text.partition("?")
    return (type, criteria) if mark and is_resource_type(type) else None


def linked(resource: Resource, links: Mapping[str, str], full_url: str | None, referred: Collection[str]) -> Resource:
    """The resource with each known link replaced by its target (`Patient/p1`); a copy, unless no link is known.

    A relative reference is looked up under the base of the entry's own fullUrl as well. `referred` are the references
    the resource holds.
    Raises FhirError 400 for a `urn:` reference that no entry has as its fullUrl.
    """
    if not links:
        for text in referred:
            if text.startswith(_URN):
                raise _unresolved(text)
        return resource
    own = parse_reference(full_url) if full_url else None
    base = own.base if own else None

    def target(text: str) -> str:
        plain, _, fragment = text.partition("#")
        known = links.get(plain)
        if known is None and base is not None:
            known = links.get(f"{base}/{plain}")
        if known is None:
            if plain.startswith(_URN):
                raise _unresolved(plain)
            return text
        return f"{known}#{fragment}" if fragment else known

    def narrative(match: re.Match[str]) -> str:
        return f"{match[1]}{match[2]}{links.get(match[3], match[3])}{match[2]}"

    def copy(value: Any, name: str) -> Any:
        if isinstance(value, dict):
            return {key: copy(member, key) for key, member in value.items()}
        if isinstance(value, list):
            return [copy(member, name) for member in value]
        if isinstance(value, str):
            if name == "reference":
                return target(value)
            if name == "div":
                return _NARRATIVE_LINK.sub(narrative, value)
            if name not in _NOT_LINKS:
                return links.get(value, value)
        return value

    copied: Resource = copy(resource, "")
    return copied


def _unresolved(reference: str) -> outcome.FhirError:
    return outcome.UNRESOLVED_REFERENCE(
        f"No entry of the Bundle has the fullUrl '{reference[:80]}' that is referred to."
    )
