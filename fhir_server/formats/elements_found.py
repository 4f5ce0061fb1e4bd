"""The elements of a resource that a path names, each with the place in the JSON where it can be changed.

https://hl7.org/fhir/R4/json.html#primitive: what a primitive carries beside its value stands in a twin, `_birthDate`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from fhir_server.definitions.elements import Element, Structure, structure
from fhir_server.definitions.registry import is_resource_type
from fhir_server.formats.element_paths import (
    At,
    Both,
    Compared,
    Condition,
    Either,
    Member,
    OfType,
    Present,
    Single,
    Step,
    Where,
)

Visited = Callable[[int], None]


class NotFound(ValueError):
    """A path names what its type does not have, or more than it may; the text says what."""


@dataclass(frozen=True, slots=True)
class Place:
    """One element: `holder[key]`, or one of an array there. `shape` describes the holder; None for the resource.

    `depth` counts the objects and arrays around it, from the resource on.
    """

    holder: dict[str, Any]
    key: str
    index: int | None = None
    shape: Structure | None = None
    depth: int = 0

    @property
    def element(self) -> Element | None:
        """The element's definition; None for the resource itself."""
        return None if self.shape is None else self.shape.elements[self.key]

    @property
    def value(self) -> Any:
        """The JSON value, None where a primitive has none."""
        return self._at(self.key)

    @property
    def content(self) -> dict[str, Any]:
        """The JSON object with what is inside the element; of a primitive its twin. Empty where there is none."""
        element = self.element
        found = self._at(f"_{self.key}" if element is not None and element.primitive else self.key)
        return found if isinstance(found, dict) else {}

    @property
    def inner_shape(self) -> Structure:
        """What describes `content`."""
        element = self.element
        if element is None or element.type == "Resource":
            type = self.content.get("resourceType")
            if not isinstance(type, str) or not is_resource_type(type):
                raise NotFound("a resource in it has no type")
            return structure(type)
        return structure("Element" if element.primitive else element.type)

    def _at(self, key: str) -> Any:
        found = self.holder.get(key)
        if self.index is None:
            return found
        return found[self.index] if isinstance(found, list) and self.index < len(found) else None


def elements_found(resource: Place, steps: Sequence[Step], visited: Visited) -> list[Place]:
    """The elements that the steps lead to from the resource, in order; `visited` is told of all that is looked at.

    Raises NotFound for unknown elements, and what `visited` raises.
    """
    return _follow([resource], steps, visited)


def _follow(places: list[Place], steps: Sequence[Step], visited: Visited) -> list[Place]:
    for step in steps:
        # What is looked at in vain is counted too: nothing in a condition need ever be found.
        visited(len(places) + 1)
        match step:
            case Member():
                places = [inner for place in places for inner in _members(place, step.name, visited)]
            case At():
                places = places[step.index :][:1]
            case Where():
                places = [place for place in places if _holds(step.condition, place, visited)]
            case OfType():
                places = [place for place in places if _type(place) == step.type]
            case Single():
                if len(places) > 1:
                    raise NotFound(f"single() meets {len(places)} elements")
    return places


def _members(place: Place, name: str, visited: Visited) -> Iterator[Place]:
    shape, content = place.inner_shape, place.content
    keys = json_names(shape, name)
    # A choice may have fifty names.
    visited(len(keys) - 1)
    for key in keys:
        values, twins = content.get(key), content.get(f"_{key}")
        if not shape.elements[key].repeats:
            if values is not None or twins is not None:
                yield Place(content, key, None, shape, place.depth + 1)
            continue
        length = max(_length(values), _length(twins))
        visited(length)
        for index in range(length):
            yield Place(content, key, index, shape, place.depth + 2)


def json_names(shape: Structure, name: str) -> tuple[str, ...]:
    """The JSON names an element of a type may have: one, or for a choice one for each type.

    Raises NotFound where there is no such element.
    """
    element = shape.elements.get(name)
    if element is not None and element.choice is None:
        return (name,)
    if element is not None:
        raise NotFound(f"in FHIRPath '{name}' is written '{element.choice}'")
    if name in shape.choices:
        return shape.choices[name][1]
    raise NotFound(f"{shape.name} has no element '{name[:64]}'")


def _length(value: Any) -> int:
    return len(value) if isinstance(value, list) else 0


def _type(place: Place) -> str:
    element = place.element
    if element is None or element.type == "Resource":
        return place.inner_shape.name
    return element.type


def _holds(condition: Condition, place: Place, visited: Visited) -> bool:
    match condition:
        case Both():
            return all(_holds(each, place, visited) for each in condition.conditions)
        case Either():
            return any(_holds(each, place, visited) for each in condition.conditions)
        case Present():
            return bool(_follow([place], condition.path, visited)) == condition.exists
        case Compared():
            found = _follow([place], condition.path, visited)
            # http://hl7.org/fhirpath/N1/#equality: of nothing is neither equal nor unequal; several never equal one.
            return (
                bool(found) and (len(found) == 1 and _equals(found[0].value, condition.literal)) == condition.is_equal
            )


def _equals(value: Any, literal: str | Decimal | bool) -> bool:
    if isinstance(value, bool) or isinstance(literal, bool):
        return value is literal
    if isinstance(literal, Decimal):
        return isinstance(value, int | Decimal) and value == literal
    return isinstance(value, str) and value == literal
