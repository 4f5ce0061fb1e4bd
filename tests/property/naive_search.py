"""What a search should find and in which order, worked out resource by resource from the specification's words.

https://hl7.org/fhir/R4/search.html. Slow on purpose, and written without the server's own search: it reads elements
by hand, for the parameters that naive_parameters lists, and compares values instead of index entries.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from tests.property.naive_match import local, meets, meets_composite
from tests.property.naive_parameters import COMPOSITES, PARAMETERS
from tests.property.naive_sort import ordered, sort_keys
from tests.property.naive_values import TICK, date_matches

__all__ = ["Pairs", "Resource", "Stored", "World", "matches", "ordered", "sort_keys"]

Resource = dict[str, Any]
Pairs = Sequence[tuple[str, str]]
"""Names and values as sent, before any escaping; a comma separates values."""


@dataclass(frozen=True)
class Stored:
    """A resource as the server keeps it."""

    id: str
    updated: datetime
    resource: Resource


@dataclass(frozen=True)
class World:
    """All resources a server has, its base, and when it is asked."""

    base: str
    now: datetime
    records: Mapping[str, Sequence[Stored]] = field(default_factory=dict)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """How hypothesis shows it with a failing example: without all the resources."""
        printer.text(f"World({self.base})")

    @cached_property
    def places(self) -> dict[str, Stored]:
        """Every resource by its type and id."""
        return {f"{type}/{each.id}": each for type, records in self.records.items() for each in records}

    def found(self, type: str, pairs: Pairs) -> list[Stored]:
        """The resources of a type that the pairs ask for."""
        return [each for each in self.records.get(type, ()) if matches(each, pairs, self)]

    def at(self, reference: str) -> Stored | None:
        """The resource a literal reference leads to."""
        return self.places.get(local(reference, self.base))


def matches(stored: Stored, pairs: Pairs, world: World) -> bool:
    """Whether a resource is what the pairs ask for; values are without escapes."""
    return all(_matches(stored, name, text, world) for name, text in pairs)


def _matches(stored: Stored, name: str, text: str, world: World) -> bool:
    if name.startswith("_has:"):
        _, type, reference, rest = name.split(":", 3)
        referring = (each for each in world.records.get(type, ()) if stored in linked(each, reference, "", world))
        return any(_matches(each, rest, text, world) for each in referring)
    link, dot, rest = name.partition(".")
    if dot:
        code, _, type = link.partition(":")
        return any(_matches(each, rest, text, world) for each in linked(stored, code, type, world) if knows(each, rest))
    return _holds(stored, name, text, world)


def linked(stored: Stored, code: str, type: str, world: World) -> Iterator[Stored]:
    """The resources that a reference parameter leads to, of `type` where it is given."""
    parameter = PARAMETERS[stored.resource["resourceType"]][code]
    for found in parameter.values(stored.resource):
        target = world.at(found.get("reference", ""))
        if target is None or type not in ("", target.resource["resourceType"]):
            continue
        if not parameter.targets or target.resource["resourceType"] in parameter.targets:
            yield target


def knows(stored: Stored, name: str) -> bool:
    """Whether the resource's type has the parameter a chain goes on with."""
    code = name.split(".")[0].split(":")[0]
    type = stored.resource["resourceType"]
    return code in (*PARAMETERS[type], *COMPOSITES.get(type, ()), "_id", "_lastUpdated", "_has")


def _holds(stored: Stored, name: str, text: str, world: World) -> bool:
    code, _, modifier = name.partition(":")
    if code == "_id":
        return stored.id in text.split(",")
    if code == "_lastUpdated":
        updated = (stored.updated, stored.updated + TICK)
        return any(date_matches(updated, value, world.now) for value in text.split(","))
    type = stored.resource["resourceType"]
    composite = COMPOSITES.get(type, {}).get(code)
    if composite is not None:
        if modifier == "missing":
            return (not composite.values(stored.resource)) is (text == "true")
        return any(meets_composite(composite, stored.resource, each, world.base, world.now) for each in text.split(","))
    parameter = PARAMETERS[type][code]
    if modifier == "missing":
        return (not parameter.values(stored.resource)) is (text == "true")
    how = "" if modifier == "not" else modifier
    met = any(meets(parameter, stored.resource, how, each, world.base, world.now) for each in text.split(","))
    return met is not (modifier == "not")
