"""The value of a parameter of a FHIRPath Patch, as the JSON of the element it is for.

https://hl7.org/fhir/R4/fhirpatch.html#anonymous
"""

from typing import Any

from fhir_server.core import outcome
from fhir_server.core.codec import MAX_DEPTH
from fhir_server.definitions.elements import Element, Structure, structure
from fhir_server.formats.elements_found import NotFound, json_names
from fhir_server.formats.json_members import Value, count, insert, put
from fhir_server.formats.patched import Draft

Part = dict[str, Any]

_KINDS = (
    frozenset({"string", "code", "id", "markdown", "xhtml"}),
    frozenset({"uri", "url", "canonical", "oid", "uuid"}),
    frozenset({"integer", "unsignedInt", "positiveInt", "decimal"}),
    frozenset({"date", "dateTime", "instant"}),
    frozenset({"Quantity", "Age", "Count", "Distance", "Duration"}),
)
"""Types whose values stand for one another: which of them the element has is checked with the whole resource."""


def element_for(shape: Structure, name: str, part: Part) -> Element:
    """The element of a type that a part is for; of a choice the form that the part's value has.

    Raises NotFound for an unknown element or a value of another type.
    """
    names = json_names(shape, name)
    sent = _sent_type(part)
    if name not in shape.choices:
        element = shape.elements[names[0]]
        if sent is None or _is_same_kind(sent, element.type):
            return element
        raise NotFound(f"'{name}' is a {element.type}, and the value sent is a {sent}")
    for each in names:
        if shape.elements[each].type == sent:
            return shape.elements[each]
    types = ", ".join(shape.elements[each].type for each in names)
    raise NotFound(f"'{name}' takes a value of one of these types: {types}")


def value_of(draft: Draft, element: Element, part: Part, depth: int) -> Value:
    """The value of a part for an element: sent as it is, as a resource, or as parts that each hold an element of it.
    `depth` objects and arrays surround its place.

    Raises NotFound for what the element cannot hold, FhirError 400 and 413 as `Draft.copied` does.
    """
    key = _value_key(part)
    if key is not None:
        return Value(draft.copied(part.get(key), depth), draft.copied(part.get(f"_{key}"), depth))
    if element.type == "Resource":
        if "resource" not in part:
            raise NotFound(f"'{element.name}' takes a resource; send it as part.resource")
        return Value(draft.copied(part["resource"], depth))
    if "part" not in part or element.primitive:
        raise NotFound(f"'{element.name}' needs a value of type {element.type}")
    if depth >= MAX_DEPTH:
        raise outcome.nested_too_deep(MAX_DEPTH)
    shape, made = structure(element.type), dict[str, Any]()
    for inner in part["part"]:
        _hold(draft, made, shape, inner, depth)
    return Value(made)


def _hold(draft: Draft, made: dict[str, Any], shape: Structure, part: Part, depth: int) -> None:
    """Give an element in the making what one of its parts says."""
    element = element_for(shape, part.get("name", ""), part)
    if element.repeats:
        value = value_of(draft, element, part, depth + 2)
        insert(made, element.name, count(made, element.name), value)
        return
    if any(key.removeprefix("_") in json_names(shape, part.get("name", "")) for key in made):
        raise NotFound(f"'{part.get('name')}' of {shape.name} is given twice")
    put(made, element.name, value_of(draft, element, part, depth + 1))


def _value_key(part: Part) -> str | None:
    """`valueString` of a part that has one, or only its twin."""
    return next((key.removeprefix("_") for key in part if key.startswith(("value", "_value"))), None)


def _sent_type(part: Part) -> str | None:
    key = _value_key(part)
    return None if key is None else structure("Parameters.parameter").elements[key].type


def _is_same_kind(one: str, other: str) -> bool:
    return one == other or any(one in kind and other in kind for kind in _KINDS)
