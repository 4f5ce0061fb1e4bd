"""FHIRPath Patch: a Parameters resource whose operations name elements by FHIRPath.

https://hl7.org/fhir/R4/fhirpatch.html
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from fhir_server.core import outcome
from fhir_server.core.outcome import FhirError
from fhir_server.core.resource import Resource
from fhir_server.formats.element_paths import SHAPES, Member, NotReadable, Steps, read_path, without_values
from fhir_server.formats.elements_found import NotFound, Place, elements_found, json_names
from fhir_server.formats.json_members import Value, count, insert, put
from fhir_server.formats.parameter_values import Part, element_for, value_of
from fhir_server.formats.patched import Change, Draft, Findings, refuse_too_many

_NEEDS: dict[str, tuple[str, ...]] = {
    "add": ("name", "value"),
    "insert": ("index", "value"),
    "delete": (),
    "replace": ("value",),
    "move": ("source", "destination"),
}
_TYPES = {
    "type": ("valueCode", "valueString"),
    "path": ("valueString",),
    "name": ("valueString",),
    "value": (),
    "index": ("valueInteger",),
    "source": ("valueInteger",),
    "destination": ("valueInteger",),
}
"""The parts of an operation, with the forms their values may have; `value` may have any."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. `text` is its path as sent; the other parts are given where its type needs them."""

    type: str
    text: str
    root: str | None
    steps: Steps
    name: str
    value: Part
    index: int
    source: int
    destination: int


def change(parameters: Resource) -> Change:
    """The change that a valid Parameters resource asks for.

    Raises FhirError 400 with all that keeps it from being a patch, 413 for too many operations.
    """
    sent = parameters.get("parameter", [])
    refuse_too_many(len(sent))
    findings = Findings()
    operations = [_operation(position, each, findings) for position, each in enumerate(sent)]
    findings.refuse()
    return partial(_changed, [operation for operation in operations if operation is not None])


def _operation(position: int, sent: Part, findings: Findings) -> Operation | None:
    where = f"Parameters.parameter[{position}]"
    if sent.get("name") != "operation":
        findings.add(f"Parameter {position}: each operation of a FHIRPath Patch is named 'operation'.", where)
        return None
    parts = _parts(position, sent.get("part", []), where, findings)
    type = parts.get("type")
    if type not in _NEEDS:
        findings.add(f"Operation {position} needs a part 'type': valueCode {', '.join(_NEEDS)}.", where)
        return None
    for needed in ("path", *_NEEDS[type]):
        if needed not in parts:
            forms = f" with a {_TYPES[needed][0]}" if _TYPES[needed] else ""
            findings.add(f"Operation {position} ({type}) needs a part '{needed}'{forms}.", where)
    text = parts.get("path", "")
    try:
        root, steps = read_path(text)
    except NotReadable as error:
        shapes = "; ".join(SHAPES)
        findings.add(f"Operation {position} ({type}): the path cannot be read: {error}. It is made of {shapes}.", where)
        return None
    if type in ("insert", "move") and not (steps and isinstance(steps[-1], Member)):
        findings.add(f"Operation {position} ({type}): the path names a list, such as Patient.name, without [n].", where)
        return None
    numbers = (parts.get(name, 0) for name in ("index", "source", "destination"))
    return Operation(type, text, root, steps, parts.get("name", ""), parts.get("value", {}), *numbers)


def _parts(position: int, sent: Sequence[Part], where: str, findings: Findings) -> dict[str, Any]:
    """The values of an operation's parts by name; of `value` the part itself."""
    found: dict[str, Any] = {}
    for number, part in enumerate(sent):
        name, place = part.get("name", ""), f"{where}.part[{number}]"
        forms = _TYPES.get(name)
        if forms is None:
            findings.add(f"Operation {position}: a part is named one of {', '.join(_TYPES)}.", place)
        elif name in found:
            findings.add(f"Operation {position} has more than one part '{name}'.", place)
        elif not forms:
            found[name] = part
        else:
            value = next((part[form] for form in forms if form in part), None)
            if value is None or (isinstance(value, int) and value < 0):
                least = " of 0 or more" if forms == ("valueInteger",) else ""
                findings.add(f"Operation {position}: the part '{name}' needs a {forms[0]}{least}.", place)
            else:
                # "-0" comes as a decimal, to keep its sign.
                found[name] = int(value) if forms == ("valueInteger",) else value
    return found


def _changed(operations: Sequence[Operation], resource: Resource) -> Any:
    draft = Draft(resource)
    for position, operation in enumerate(operations):
        try:
            _apply(draft, operation, resource)
        except NotFound as error:
            raise _refusal(position, operation, str(error)) from None
    return draft.finished()


def _refusal(position: int, operation: Operation, text: str) -> FhirError:
    shown = f"Operation {position} ({operation.type}) at {without_values(operation.text)[:100]}: {text}."
    return outcome.PATCH_MISFIT(shown, f"Parameters.parameter[{position}]")


def _apply(draft: Draft, operation: Operation, resource: Resource) -> None:
    if operation.root not in (None, resource["resourceType"]):
        raise NotFound(f"the resource is a {resource['resourceType']}")
    place = Place(draft.root, "")
    match operation.type:
        case "add":
            _add(draft, _only(elements_found(place, operation.steps, draft.visited)), operation)
        case "replace":
            _replace(draft, _only(elements_found(place, operation.steps, draft.visited)), operation)
        case "delete":
            found = elements_found(place, operation.steps, draft.visited)
            if found:
                _delete(draft, _only(found))
        case "insert" | "move":
            *steps, last = operation.steps
            assert isinstance(last, Member)
            _reorder(draft, _only(elements_found(place, steps, draft.visited)), last.name, operation)


def _only(places: Sequence[Place]) -> Place:
    if len(places) > 1:
        raise NotFound(f"{len(places)} elements are there, and an operation is for one; add [n] or .where(...)")
    if not places:
        raise NotFound("there is no such element")
    return places[0]


def _add(draft: Draft, parent: Place, operation: Operation) -> None:
    shape = parent.inner_shape
    element = element_for(shape, operation.name, operation.value)
    content = _opened(parent)
    if element.repeats:
        value = value_of(draft, element, operation.value, parent.depth + 2)
        insert(content, element.name, count(content, element.name), value)
        return
    for key in json_names(shape, operation.name):
        if key in content or f"_{key}" in content:
            raise NotFound(f"it has a '{operation.name}' already; replace it")
    put(content, element.name, value_of(draft, element, operation.value, parent.depth + 1))


def _replace(draft: Draft, place: Place, operation: Operation) -> None:
    element, shape = place.element, place.shape
    if element is None or shape is None:
        raise NotFound("the whole resource is replaced by an update")
    wanted = element_for(shape, element.choice or element.name, operation.value)
    value = value_of(draft, wanted, operation.value, place.depth)
    if place.index is not None:
        _take(draft, place)
        insert(place.holder, place.key, place.index, value)
        return
    for key in (place.key, f"_{place.key}"):
        place.holder.pop(key, None)
    put(place.holder, wanted.name, value)


def _delete(draft: Draft, place: Place) -> None:
    if place.element is None:
        raise NotFound("the whole resource is removed by a DELETE")
    if place.index is not None:
        _take(draft, place)
        return
    for key in (place.key, f"_{place.key}"):
        place.holder.pop(key, None)
    draft.thinned(place.holder)


def _reorder(draft: Draft, parent: Place, name: str, operation: Operation) -> None:
    """Insert into a list, or move one of its members."""
    shape = parent.inner_shape
    (key, *others) = json_names(shape, name)
    element = shape.elements[key]
    if others or not element.repeats:
        raise NotFound(f"'{name}' is no list")
    if operation.type == "insert":
        content = _opened(parent)
        length = count(content, key)
        if operation.index > length:
            raise NotFound(f"the list takes an index from 0 to {length}")
        element_for(shape, name, operation.value)
        insert(content, key, operation.index, value_of(draft, element, operation.value, parent.depth + 2))
        return
    length = count(parent.content, key)
    if max(operation.source, operation.destination) >= length:
        raise NotFound(f"the list has {length} elements, counted from 0")
    taken = _take(draft, Place(parent.content, key, operation.source, shape))
    insert(parent.content, key, operation.destination, taken)


def _opened(parent: Place) -> dict[str, Any]:
    """The JSON object inside an element, made where a primitive has none yet."""
    element = parent.element
    if element is None or not element.primitive or parent.content:
        return parent.content
    twin: dict[str, Any] = {}
    if parent.index is None:
        parent.holder[f"_{parent.key}"] = twin
        return twin
    twins = parent.holder.setdefault(f"_{parent.key}", [])
    twins += [None] * (count(parent.holder, parent.key) - len(twins))
    twins[parent.index] = twin
    return twin


def _take(draft: Draft, place: Place) -> Value:
    """Take a member out of a list and its twin."""
    assert place.index is not None
    taken = []
    for key in (place.key, f"_{place.key}"):
        members = place.holder.get(key, [])
        taken.append(members.pop(place.index) if place.index < len(members) else None)
        draft.thinned(members)
    return Value(*taken)
