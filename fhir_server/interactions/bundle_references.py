"""The links between entries of a transaction: fullUrls and conditional references, replaced by what they come to mean.

https://hl7.org/fhir/R4/http.html#trules, https://hl7.org/fhir/R4/bundle.html#references
"""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from fhir_server.core import outcome
from fhir_server.core.reference import parse_reference
from fhir_server.core.resource import Resource
from fhir_server.definitions.elements import Element, Structure, structure
from fhir_server.definitions.registry import is_resource_type

# R4 names Reference.reference, uri, url, oid, uuid and links in narrative; canonicals and all other text stay as sent.
_LINK_TYPES = frozenset({"uri", "url", "oid", "uuid"})
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
    return _Linking(links, own.base if own else None).copy(resource, structure(resource["resourceType"]))


class _Linking:
    """A copy in the making, by the types of its elements."""

    def __init__(self, links: Mapping[str, str], base: str | None) -> None:
        self.links = links
        self.base = base

    def copy(self, value: Resource, of: Structure) -> Resource:
        made: Resource = {}
        for name, member in value.items():
            element = of.elements.get(name)
            if element is not None and element.primitive:
                made[name] = self.primitive(member, element)
            elif isinstance(member, list):
                made[name] = [
                    self.copy(each, _of(each, element)) if isinstance(each, dict) else each for each in member
                ]
            else:
                made[name] = self.copy(member, _of(member, element)) if isinstance(member, dict) else member
        return made

    def primitive(self, member: Any, element: Element) -> Any:
        if isinstance(member, list):
            return [self.primitive(each, element) for each in member]
        if not isinstance(member, str):
            return member
        if element.path == "Reference.reference":
            return self.target(member)
        if element.type == "xhtml":
            return _NARRATIVE_LINK.sub(self.narrative, member)
        # Only what can be nothing but a link: an http fullUrl may also be the resource's own canonical `url`.
        if element.type in _LINK_TYPES and member.startswith(_URN):
            return self.links.get(member, member)
        return member

    def target(self, text: str) -> str:
        plain, _, fragment = text.partition("#")
        known = self.links.get(plain)
        if known is None and self.base is not None:
            known = self.links.get(f"{self.base}/{plain}")
        if known is None:
            if plain.startswith(_URN):
                raise _unresolved(plain)
            return text
        return f"{known}#{fragment}" if fragment else known

    def narrative(self, match: re.Match[str]) -> str:
        return f"{match[1]}{match[2]}{self.links.get(match[3], match[3])}{match[2]}"


def _of(value: Resource, element: Element | None) -> Structure:
    if element is None:
        # The twin of a primitive (`_birthDate`): an id and extensions.
        return structure("Element")
    return structure(value["resourceType"] if element.type == "Resource" else element.type)


def _unresolved(reference: str) -> outcome.FhirError:
    return outcome.UNRESOLVED_REFERENCE(
        f"No entry of the Bundle has the fullUrl '{reference[:80]}' that is referred to."
    )
