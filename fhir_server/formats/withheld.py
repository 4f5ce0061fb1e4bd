"""A resource as those see it who may not see every identifier in it, and what they sent with the rest put back.

https://hl7.org/fhir/R4/extension-data-absent-reason.html, https://hl7.org/fhir/R4/security.html#output
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any, TypeVar

import msgspec

from fhir_server.core.codec import decode, encode
from fhir_server.core.resource import Resource
from fhir_server.definitions.withheld import (
    Identifier,
    Path,
    holds,
    identifiers,
    is_withheld,
    may_hold,
    mentions,
    numbers,
    rewritten,
    struck,
)

MASK: dict[str, Any] = {
    "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"}]
}
"""What stands in `_value` in place of `value`."""
_MASK = encode(MASK)

_T = TypeVar("_T")

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_any = msgspec.json.Decoder().decode
_items = msgspec.json.Decoder(list[msgspec.Raw])


def masked(body: bytes) -> bytes:
    """Stored JSON with MASK for each value that is withheld, and the same numbers struck out of the narratives.

    Only what leads to one is taken apart; where a narrative tells a number too, all of it is decoded.
    """
    if not may_hold(body):
        return body
    hidden: set[str] = set()
    made = _veiled(body, hidden)
    if mentions(made, hidden):
        return encode(_hidden(decode(made), frozenset(hidden)))
    return made


def _veiled(raw: bytes, hidden: set[str]) -> bytes:
    """A JSON value with MASK for what is withheld, whose numbers are added to `hidden`."""
    changed = False
    if raw.startswith(b"["):
        items = list(map(bytes, _items.decode(raw)))
        for position, item in enumerate(items):
            if may_hold(item):
                items[position] = _veiled(item, hidden)
                changed = changed or items[position] is not item
        return b"[" + b",".join(items) + b"]" if changed else raw
    if not raw.startswith(b"{"):
        return raw
    members = {name: bytes(each) for name, each in _members.decode(raw).items()}
    if "value" in members or "_value" in members:
        identifier = {name: _any(members[name]) for name in _TELLING if name in members}
        if is_withheld(identifier):
            hidden |= numbers((identifier,))
            members, changed = _with_mask(members, _MASK), True
    for name, each in members.items():
        if may_hold(each) and not (name == "type" and changed):
            members[name] = _veiled(each, hidden)
            changed = changed or members[name] is not each
    return encode({name: msgspec.Raw(each) for name, each in members.items()}) if changed else raw


_TELLING = ("system", "type", "value", "_value")
"""The elements by which an identifier is known to be withheld."""


def masked_resource(resource: Resource) -> Resource:
    """The same for a decoded resource, which is left as it is."""
    hidden = numbers(found for _, found in identifiers(resource))
    made: Resource = _hidden(resource, hidden)
    return made


def has_masked(resource: Resource) -> bool:
    """Whether a resource that was sent holds an identifier of the kind with MASK in place of its value."""
    return holds(resource) and any(_is_masked(identifier) for _, identifier in identifiers(resource))


def filled(resource: Resource, stored: Resource) -> Resource:
    """What was sent, with the values that its sender was not shown put back out of the stored version.

    A masked identifier is filled from the stored one at the same elements that says the same in everything else; where
    there is none, from one at the same elements with the same system. One without either stays masked. A narrative that
    is the stored one with the numbers struck out becomes the stored one.
    """
    given = _matched(list(_masked_in(resource)), [each for each in identifiers(stored) if "value" in each[1]])
    hidden = numbers(found for _, found in identifiers(stored))
    told: dict[tuple[Path, str], str] = {}
    rewritten(stored, lambda found, path: found, lambda text, path: _noted(told, path, text, hidden))

    def fill(identifier: Identifier, path: Path) -> Identifier:
        source = given.get(id(identifier))
        return identifier if source is None else _restored(identifier, source)

    def tell(text: str, path: Path) -> str:
        return told.get((path, text), text)

    made: Resource = rewritten(resource, fill, tell)
    return made


def _hidden(value: Any, hidden: frozenset[str]) -> Any:
    return rewritten(
        value, lambda found, path: _with_mask(found, deepcopy(MASK)), lambda text, path: struck(text, hidden)
    )


def _with_mask(identifier: Mapping[str, _T], mask: _T) -> dict[str, _T]:
    """The value's place is taken by the mask, so that the order of the elements stays."""
    made: dict[str, _T] = {}
    for name, value in identifier.items():
        if name in ("value", "_value"):
            made["_value"] = mask
        else:
            made[name] = value
    return made


def _restored(identifier: Identifier, source: Identifier) -> Identifier:
    made: Identifier = {}
    for name, value in identifier.items():
        if name != "_value":
            made[name] = value
            continue
        made["value"] = source["value"]
        if "_value" in source:
            made["_value"] = source["_value"]
    return made


def _is_masked(identifier: Identifier) -> bool:
    return "value" not in identifier and identifier.get("_value") == MASK


def _masked_in(resource: Resource) -> Iterator[tuple[Path, Identifier]]:
    return (each for each in identifiers(resource) if _is_masked(each[1]))


def _matched(sent: list[tuple[Path, Identifier]], stored: list[tuple[Path, Identifier]]) -> dict[int, Identifier]:
    """The stored identifier for each masked one, by the identity of the latter; each stored one is given once."""
    given: dict[int, Identifier] = {}
    for is_same in (_says_the_same, _has_the_same_system):
        for path, identifier in sent:
            if id(identifier) in given:
                continue
            at = next((n for n, each in enumerate(stored) if each[0] == path and is_same(identifier, each[1])), None)
            if at is not None:
                given[id(identifier)] = stored.pop(at)[1]
    return given


def _says_the_same(one: Identifier, other: Identifier) -> bool:
    return _besides_value(one) == _besides_value(other)


def _has_the_same_system(one: Identifier, other: Identifier) -> bool:
    return bool(one.get("system") == other.get("system"))


def _besides_value(identifier: Identifier) -> Identifier:
    return {name: value for name, value in identifier.items() if name not in ("value", "_value")}


def _noted(told: dict[tuple[Path, str], str], path: Path, text: str, hidden: frozenset[str]) -> str:
    told[path, struck(text, hidden)] = text
    return text
