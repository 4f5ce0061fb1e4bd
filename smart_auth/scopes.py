"""Scopes of SMART, version 1 and 2: read, written, compared and cut down to what may be granted.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html, docs/adr/0013
"""

import re
from collections.abc import Collection, Iterable, Sequence

from smart_auth.access import ANY_TYPE, Level, ResourceScope

OPENID = "openid"
FHIR_USER = "fhirUser"
PROFILE = "profile"
LAUNCH = "launch"
LAUNCH_PATIENT = "launch/patient"
LAUNCH_ENCOUNTER = "launch/encounter"
OFFLINE_ACCESS = "offline_access"
ONLINE_ACCESS = "online_access"

SPECIAL = (OPENID, FHIR_USER, PROFILE, LAUNCH, LAUNCH_PATIENT, LAUNCH_ENCOUNTER, OFFLINE_ACCESS, ONLINE_ACCESS)

Scope = ResourceScope | str
"""A scope on resources, or one of SPECIAL."""

Filters = tuple[tuple[str, str], ...]

# Scopes by level and type, each with its place among all: to look at every one for every one took seconds.
_Bounds = dict[tuple[Level, str], list[tuple[int, ResourceScope]]]
# The letters of what is granted of one scope, by type and filters.
_Parts = dict[tuple[str, Filters], frozenset[str]]

_LETTERS = "cruds"
# What version 1 says in version 2's letters (STU2.2, "Scopes for requesting FHIR Resources").
_V1 = {"read": frozenset("rs"), "write": frozenset("cud"), "*": frozenset(_LETTERS)}
_V1_WORDS = {letters: word for word, letters in _V1.items()}

_RESOURCE = re.compile(
    r"(?P<level>patient|user|system)/(?P<type>[A-Z][A-Za-z]{1,63}|\*)\.(?P<permissions>read|write|\*|c?r?u?d?s?)"
    # One code with its system; both in characters that stand for themselves in an address.
    r"(?:\?(?P<name>category)=(?P<value>[A-Za-z][A-Za-z0-9+.:/_~-]*\|[A-Za-z0-9._-]+))?"
)


def read_scope(text: str) -> Scope | None:
    """One scope; None where it is malformed or nothing we know."""
    if text in SPECIAL:
        return text
    found = _RESOURCE.fullmatch(text)
    if found is None or not found["permissions"]:
        return None
    word, filters = found["permissions"], _filters(found)
    # A granular scope is of version 2 and of one type: category means something else in each.
    if filters and (word in _V1 or found["type"] == ANY_TYPE):
        return None
    level: Level = "patient" if found["level"] == "patient" else "user" if found["level"] == "user" else "system"
    return ResourceScope(level, found["type"], _V1.get(word, frozenset(word)), filters)


def text_of(scope: Scope) -> str:
    """A scope as it is written, in version 2."""
    if isinstance(scope, str):
        return scope
    letters = "".join(letter for letter in _LETTERS if letter in scope.permissions)
    query = "&".join(f"{name}={value}" for name, value in scope.filters)
    return f"{scope.level}/{scope.type}.{letters}{'?' if query else ''}{query}"


def resource_scopes(texts: Iterable[str]) -> tuple[ResourceScope, ...]:
    """Those of the scopes that are on resources, each once."""
    scopes = (read_scope(text) for text in texts)
    return tuple(dict.fromkeys(scope for scope in scopes if isinstance(scope, ResourceScope)))


def at_levels(texts: Sequence[str], levels: Collection[Level]) -> tuple[str, ...]:
    """The scopes without those on resources at another level: a person has no `system/`, a system nothing else."""
    return tuple(
        text for text in texts if not isinstance(scope := read_scope(text), ResourceScope) or scope.level in levels
    )


def intersect(asked: Sequence[str], allowed: Sequence[str]) -> tuple[str, ...]:
    """What of the asked scopes may be granted, in the order asked, each once.

    A scope that is allowed as a whole is repeated as it was asked. Of another, the parts that are allowed stand in
    its place, in its version where that can say them. What is malformed, unknown or not allowed is left out.
    """
    bounds = _bounds(allowed)
    return tuple(dict.fromkeys(part for text in asked for part in _granted(text, allowed, bounds)))


def exceeding(asked: Sequence[str], allowed: Sequence[str]) -> tuple[str, ...]:
    """The asked scopes that are not allowed as a whole (RFC 6749 section 6: a refresh asks for no more)."""
    bounds = _bounds(allowed)
    return tuple(text for text in dict.fromkeys(asked) if text not in _granted(text, allowed, bounds))


def _bounds(allowed: Sequence[str]) -> _Bounds:
    found: _Bounds = {}
    for place, bound in enumerate(resource_scopes(allowed)):
        found.setdefault((bound.level, bound.type), []).append((place, bound))
    return found


def _concerning(scope: ResourceScope, bounds: _Bounds) -> list[ResourceScope]:
    """The bounds of this scope's level and type, in their order."""
    keys = [(scope.level, scope.type), (scope.level, ANY_TYPE)]
    if scope.type == ANY_TYPE:
        keys = [(level, type) for level, type in bounds if level == scope.level]
    return [bound for _, bound in sorted(each for key in keys for each in bounds.get(key, ()))]


def _granted(text: str, allowed: Sequence[str], bounds: _Bounds) -> list[str]:
    """The texts of what may be granted of one asked scope."""
    scope = read_scope(text)
    if isinstance(scope, ResourceScope):
        return _parts_within(text, scope, bounds)
    return [text] if scope is not None and scope in allowed else []


def _parts_within(text: str, asked: ResourceScope, bounds: _Bounds) -> list[str]:
    """The texts of the parts of one asked scope that lie within the bounds."""
    parts: _Parts = {}
    for bound in _concerning(asked, bounds):
        part = _overlap(asked, bound)
        if part is not None:
            of = (part.type, part.filters)
            parts[of] = parts.get(of, frozenset()) | part.permissions
    if parts.get((asked.type, asked.filters)) == asked.permissions:
        return [text]
    widest = [
        ResourceScope(asked.level, type, letters, filters)
        for (type, filters), letters in parts.items()
        if not _is_covered(type, filters, letters, parts)
    ]
    return [_as_v1(scope) if _is_v1(text) else text_of(scope) for scope in widest]


def _is_covered(type: str, filters: Filters, letters: frozenset[str], parts: _Parts) -> bool:
    """Whether another part, of every type or without a filter, lets do all that this one does."""
    wider = {(ANY_TYPE, ()), (type, ())} - {(type, filters)}
    return any(parts.get(each, frozenset()) >= letters for each in wider)


def _overlap(one: ResourceScope, other: ResourceScope) -> ResourceScope | None:
    """What both let do; None where that is nothing, or nothing that one scope can say."""
    letters = one.permissions & other.permissions
    if one.level != other.level or not letters:
        return None
    if ANY_TYPE not in (one.type, other.type) and one.type != other.type:
        return None
    # Both categories at once cannot be said by one scope (docs/adr/0013): less is granted.
    if one.filters and other.filters and one.filters != other.filters:
        return None
    return ResourceScope(
        one.level, other.type if one.type == ANY_TYPE else one.type, letters, one.filters or other.filters
    )


def _filters(found: re.Match[str]) -> Filters:
    return ((found["name"], found["value"]),) if found["name"] else ()


def _is_v1(text: str) -> bool:
    return text.rpartition(".")[2] in _V1


def _as_v1(scope: ResourceScope) -> str:
    word = None if scope.filters else _V1_WORDS.get(scope.permissions)
    return text_of(scope) if word is None else f"{scope.level}/{scope.type}.{word}"
