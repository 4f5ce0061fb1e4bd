"""Search parameter expressions compiled into plain functions over decoded JSON.

https://hl7.org/fhir/R4/searchparameter.html#SearchParameter.expression

The type of what an expression yields is known when it is compiled, so a reader made for that type stands at the end
of each path, and no value is asked what it is.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from fhir_server.core.reference import ID_PATTERN
from fhir_server.core.resource import Resource
from fhir_server.definitions.elements import Element, structure
from fhir_server.search.expressions import (
    At,
    IsPresent,
    Member,
    NotReadable,
    OfTarget,
    OfType,
    Path,
    Where,
    read_expression,
)

Visit = Callable[[Any, Any], None]
"""Takes a value and what is being collected, and adds to it what the value holds."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """What a path ends at: a type's name, and for a code the value set that a required binding names."""

    type: str
    required_values: str | None = None


@dataclass(frozen=True, slots=True)
class Branch:
    """One way into a resource: `visit` takes the value of the resource's `property`, an array as a whole.

    Without `property` it takes the resource itself, because it also speaks where an element is absent.
    """

    property: str | None
    visit: Visit


def branches(resource_type: str, expression: str, reader: Callable[[Leaf], Visit | None]) -> tuple[Branch, ...]:
    """The ways an expression leads into a resource, each ending at what `reader` gives for its leaf.

    Paths whose leaf `reader` answers with None are left out. Raises NotReadable where the expression has an unknown
    shape or names an element the type has not.
    """
    made: list[Branch] = []
    for path in read_expression(expression):
        steps = path
        if isinstance(path[0], Member) and path[0].name in (resource_type, "Resource", "DomainResource"):
            steps = path[1:]
        if not steps:
            raise NotReadable(expression)
        made += _branches(resource_type, steps, reader)
    return tuple(made)


@cache
def leaves(resource_type: str, expression: str) -> tuple[Leaf, ...]:
    """What an expression can end at, each once, in its order. Raises NotReadable."""
    found: dict[Leaf, None] = {}

    def note(leaf: Leaf) -> None:
        found[leaf] = None

    branches(resource_type, expression, note)
    return tuple(found)


def extractor(resource_type: str, expression: str) -> Callable[[Resource], list[tuple[Any, str]]]:
    """A function that gives (value, type name) for all an expression finds in a resource. Raises NotReadable."""
    compiled = branches(resource_type, expression, _pair)

    def extract(resource: Resource) -> list[tuple[Any, str]]:
        found: list[tuple[Any, str]] = []
        for branch in compiled:
            value = resource if branch.property is None else resource.get(branch.property)
            if value is not None:
                branch.visit(value, found)
        return found

    return extract


def _pair(leaf: Leaf) -> Visit:
    def append(value: Any, found: list[tuple[Any, str]]) -> None:
        found.append((value, leaf.type))

    return append


_Reader = Callable[[Leaf], Visit | None]


def _branches(type: str, steps: Path, reader: _Reader) -> list[Branch]:
    """The properties of `type` the first step leads to, with what is to be done with the value of each."""
    first, rest = steps[0], steps[1:]
    if not isinstance(first, Member):
        raise NotReadable(f"{first} stands where {type} needs an element")
    if rest and isinstance(rest[0], IsPresent):
        visit = reader(Leaf("boolean"))
        return [] if visit is None else [Branch(None, _presence(_members(type, first.name), visit))]
    members = _members(type, first.name)
    if rest and isinstance(rest[0], OfType):
        members = [member for member in members if member.type == rest[0].type]
        rest = rest[1:]
    made, failed, is_readable = [], None, False
    for member in members:
        try:
            visit = _values(member, rest, reader)
        except NotReadable as error:
            # Of an open choice (`extension.value.code`) only some types have the element asked for.
            failed = error
            continue
        is_readable = True
        if visit is not None:
            made.append(Branch(member.name, visit))
    if not members or (failed and not is_readable):
        raise failed or NotReadable(f"{type} has no {first.name} for {rest}")
    return made


def _members(type: str, name: str) -> list[Element]:
    try:
        shape = structure(type)
    except KeyError:
        raise NotReadable(f"{type} has no elements") from None
    if name in shape.elements:
        return [shape.elements[name]]
    if name in shape.choices:
        return [shape.elements[form] for form in shape.choices[name][1]]
    raise NotReadable(f"{type} has no element {name}")


def _values(element: Element, steps: Path, reader: _Reader) -> Visit | None:
    """What to do with the JSON value of an element: its items one by one where it repeats."""
    if element.repeats and steps and isinstance(steps[0], At):
        visit = _value(element, steps[1:], reader)
        return visit and _item(steps[0].index, visit)
    visit = _value(element, steps, reader)
    return visit and (_each(visit) if element.repeats else visit)


def _value(element: Element, steps: Path, reader: _Reader) -> Visit | None:
    if not steps:
        return reader(Leaf(element.type, element.required_values))
    match steps[0]:
        case Where(member, literal):
            visit = _value(element, steps[1:], reader)
            return visit and _where(member, literal, visit)
        case OfTarget(target):
            visit = _value(element, steps[1:], reader)
            return visit and _of_target(target, visit)
        case OfType(type) if type == element.type:
            return _value(element, steps[1:], reader)
        case Member():
            return _into(_branches(element.type, steps, reader))
    raise NotReadable(f"{steps[0]} does not apply to {element.path}")


def _into(inner: list[Branch]) -> Visit | None:
    if not inner:
        return None
    if len(inner) == 1 and inner[0].property is not None:
        name, inner_visit = inner[0].property, inner[0].visit

        def visit_one(value: Any, found: Any) -> None:
            member = value.get(name)
            if member is not None:
                inner_visit(member, found)

        return visit_one

    def visit_all(value: Any, found: Any) -> None:
        for branch in inner:
            member = value if branch.property is None else value.get(branch.property)
            if member is not None:
                branch.visit(member, found)

    return visit_all


def _each(visit: Visit) -> Visit:
    def visit_each(values: Any, found: Any) -> None:
        for value in values:
            # An array of primitives holds null where only the extension twin has something.
            if value is not None:
                visit(value, found)

    return visit_each


def _item(index: int, visit: Visit) -> Visit:
    def visit_item(values: Any, found: Any) -> None:
        if index < len(values) and values[index] is not None:
            visit(values[index], found)

    return visit_item


def _where(member: str, literal: str, visit: Visit) -> Visit:
    def visit_where(value: Any, found: Any) -> None:
        if value.get(member) == literal:
            visit(value, found)

    return visit_where


def _of_target(type: str, visit: Visit) -> Visit:
    names_type = re.compile(rf"(?:https?://.+/)?{type}/{ID_PATTERN}(?:/_history/{ID_PATTERN})?").fullmatch

    def visit_reference(value: Any, found: Any) -> None:
        reference = value.get("reference")
        if reference is not None and (names_type(reference) or _declared(value, reference) == type):
            visit(value, found)

    return visit_reference


def _declared(value: Any, reference: str) -> Any:
    # Only where the text does not show a type: `urn:uuid:...`. A `type` that contradicts the URL is not believed.
    return value.get("type") if reference.startswith("urn:") else None


def _presence(members: list[Element], visit: Visit) -> Visit:
    names = tuple(member.name for member in members)

    def visit_presence(resource: Any, found: Any) -> None:
        visit(any(resource.get(name, False) is not False for name in names), found)

    return visit_presence
