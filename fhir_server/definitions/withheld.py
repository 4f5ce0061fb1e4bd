"""Identifiers that are shown to few, wherever in a resource they stand: Social Security numbers.

https://hl7.org/fhir/R4/identifier-registry.html (us-ssn), http://terminology.hl7.org/CodeSystem/v2-0203 (SS)
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from copy import copy
from typing import Any

SSN = "http://hl7.org/fhir/sid/us-ssn"
SSN_OID = "urn:oid:2.16.840.1.113883.4.1"
FMP_SSN = "urn:oid:2.16.840.1.113883.3.42.10001.100001.10"
"""DoD's older number of a dependant: family member prefix and the sponsor's SSN."""

SYSTEMS = frozenset({SSN, SSN_OID, FMP_SSN})
TYPE = "SS"
"""Code of v2-0203 for an identifier that is an SSN, whatever its system."""
_TYPE_SYSTEMS = frozenset(
    {
        None,
        "http://terminology.hl7.org/CodeSystem/v2-0203",
        "http://hl7.org/fhir/v2/0203",
        "urn:oid:2.16.840.1.113883.18.108",
    }
)
DIGITS = re.compile(r"(?<![0-9])([0-9]{3})[- ]?([0-9]{2})[- ]?([0-9]{4})(?![0-9])")
STRUCK = "***-**-****"
"""Stands in a narrative in place of the number."""

Identifier = dict[str, Any]
Path = tuple[str, ...]
"""The names of the elements that lead to a value, without positions in arrays."""


def is_withheld(value: Identifier) -> bool:
    """Whether an object is an identifier of the kind, with its value or with what stands in place of it."""
    if "value" not in value and "_value" not in value:
        return False
    system = value.get("system")
    return (isinstance(system, str) and system in SYSTEMS) or _is_typed(value.get("type"))


def _is_typed(type: Any) -> bool:
    codings = type.get("coding") if isinstance(type, dict) else None
    return isinstance(codings, list) and any(
        isinstance(each, dict) and each.get("code") == TYPE and _is_type_system(each.get("system")) for each in codings
    )


def _is_type_system(system: Any) -> bool:
    return system is None or (isinstance(system, str) and system in _TYPE_SYSTEMS)


def may_hold(body: bytes) -> bool:
    """Whether compact JSON is worth looking into: True wherever it holds one, and seldom elsewhere."""
    # Written out: with any() it takes three times as long, and each body that is read passes here.
    return (
        b'us-ssn"' in body
        or b'"code":"SS"' in body
        or b'2.16.840.1.113883.4.1"' in body
        or b'2.16.840.1.113883.3.42.10001.100001.10"' in body
    )


def identifiers(value: Any, path: Path = ()) -> Iterator[tuple[Path, Identifier]]:
    """The identifiers of the kind in a decoded resource, or in a part of one, with their paths, in document order."""
    if isinstance(value, dict):
        if is_withheld(value):
            yield path, value
        for name, member in value.items():
            if type(member) is dict or type(member) is list:
                yield from identifiers(member, (*path, name))
    else:
        for item in value:
            if type(item) is dict or type(item) is list:
                yield from identifiers(item, path)


def holds(value: Any) -> bool:
    """Whether there is one in a decoded resource: 10 µs for an average one."""
    if isinstance(value, dict):
        system = value.get("system")
        if (system is not None or "type" in value) and is_withheld(value):
            return True
        value = value.values()
    for item in value:
        kind = type(item)
        if (kind is dict or kind is list) and holds(item):
            return True
    return False


def rewritten(
    value: Any,
    identifier: Callable[[Identifier, Path], Identifier],
    narrative: Callable[[str, Path], str],
    path: Path = (),
) -> Any:
    """A copy in which `identifier` has changed each identifier of the kind, and `narrative` the text of each narrative.

    What holds neither is not copied.
    """
    if isinstance(value, dict):
        found = identifier(value, path) if is_withheld(value) else value
        changes = {}
        for name, member in found.items():
            made = _rewritten(member, identifier, narrative, (*path, name))
            if name == "div" and isinstance(member, str):
                made = narrative(member, path)
            if made is not member:
                changes[name] = made
        if changes:
            found = copy(found)
            found.update(changes)
        return found
    items = [_rewritten(each, identifier, narrative, path) for each in value]
    return value if all(map(lambda one, other: one is other, items, value)) else items


def _rewritten(
    value: Any,
    identifier: Callable[[Identifier, Path], Identifier],
    narrative: Callable[[str, Path], str],
    path: Path,
) -> Any:
    if type(value) is dict or type(value) is list:
        return rewritten(value, identifier, narrative, path)
    return value


def numbers(found: Iterable[Identifier]) -> frozenset[str]:
    """The nine digits of each value that has some."""
    texts = (each.get("value") for each in found)
    matches = (DIGITS.search(text) for text in texts if isinstance(text, str))
    return frozenset("".join(match.groups()) for match in matches if match)


def mentions(body: bytes, hidden: Collection[str]) -> bool:
    """Whether JSON of a resource that holds these numbers may have a narrative in which `struck` strikes something."""
    return bool(hidden) and b'"div":' in body and DIGITS.search(body.decode("utf-8", "replace")) is not None


def struck(text: str, hidden: frozenset[str]) -> str:
    """The text of a narrative beside these numbers, with STRUCK in place of all that look like one, written with
    dashes, with spaces or without: where the right ones alone were struck, one who writes a narrative full of guesses
    would be told which of them is right.
    """
    return DIGITS.sub(STRUCK, text) if hidden else text


_ASKED = re.compile(
    r"((?:us-ssn|113883\.4\.1|100001\.10|(?:\||%7C)SS)(?:\||%7C))(?:(?!%2C|%22|%26)[^&,\"\s])+", re.IGNORECASE
)


def struck_query(query: str) -> str:
    """The text of a search, percent-encoded or not, with STRUCK for the values of such identifiers."""
    return _ASKED.sub(lambda match: match[1] + STRUCK, query) if query else query
