"""Each structure of R4 compiled into a table from JSON property name to the function that visits it.

https://hl7.org/fhir/R4/json.html

A visit is handed the object, the property's value, the object's path and the findings. Values without a fault cost no
path and no text. A table is compiled at its first walk, so types may refer to each other in circles.
"""

from collections.abc import Callable
from difflib import get_close_matches
from functools import cache
from typing import Any

from fhir_server.core.codec import MAX_DEPTH
from fhir_server.core.outcome import (
    EMPTY_VALUE,
    NOT_A_RESOURCE,
    REQUIRED_ELEMENT,
    TOO_DEEP,
    TOO_MANY,
    UNKNOWN_ELEMENT,
    WRONG_TYPE,
)
from fhir_server.definitions.elements import Element, Structure, structure
from fhir_server.definitions.registry import is_resource_type
from fhir_server.validation.bindings import object_binding, primitive_binding
from fhir_server.validation.cardinality import Cardinality, array_fault, check_contained, check_extension, single_fault
from fhir_server.validation.findings import Fault, Findings, Path, kind, shown
from fhir_server.validation.primitives import fault_of

Visit = Callable[[dict[str, Any], Any, Path, Findings], None]
Walk = Callable[[Any, Path, Findings], None]


class Table:
    """One structure, compiled."""

    __slots__ = ("_cardinality", "_is_element", "_is_extension", "_visits", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._cardinality: Cardinality | None = None
        self._is_element = name == "Element"
        self._is_extension = name == "Extension"
        self._visits: dict[str, Visit] = {}

    def walk(self, node: Any, path: Path, findings: Findings) -> None:
        """Adds what is wrong with one object of this structure."""
        if type(node) is not dict:
            _add(findings, single_fault(node), path)
            return
        if path[3] > MAX_DEPTH:
            _add_too_deep(findings, path)
            return
        visits = self._visits or self._compile()
        if len(node) < 2 and (not node or ("id" in node and not self._is_element)):
            _add(findings, _EMPTY_OBJECT, path)
            return
        for name, value in node.items():
            visit = visits.get(name)
            if visit is not None:
                visit(node, value, path, findings)
            else:
                self._add_unknown(name, path, findings)
        if self._cardinality is not None:
            self._cardinality.check(node, path, findings)
        if self._is_extension:
            check_extension(node, path, findings)

    def _compile(self) -> dict[str, Visit]:
        described = structure(self.name)
        visits = _visits(described)
        if described.required or described.choices:
            self._cardinality = Cardinality(described)
        # Set last: another thread must find either nothing or all of it.
        self._visits = visits
        return visits

    def _add_unknown(self, name: str, path: Path, findings: Findings) -> None:
        text = ""
        if not findings.full:
            # 0.1 to 0.7 ms, hence only for findings whose text is kept, and not against the names of twins.
            known = [known for known in self._visits if known[0] != "_" or name[:1] == "_"]
            near = get_close_matches(name[:64], known, n=1, cutoff=0.7)
            remedy = f"Did you mean '{near[0]}'?" if near else "Remove it, or carry it in an extension."
            text = f"{self.name} has no element '{shown(name)}' in R4. {remedy}"
        findings.add(UNKNOWN_ELEMENT, text, path, name)


@cache
def table(name: str) -> Table:
    """The table of a type or of a group of elements (`Patient`, `HumanName`, `Patient.contact`)."""
    return Table(name)


def walk_resource(value: Any, path: Path, findings: Findings) -> None:
    """Adds what is wrong with a resource, of whichever type it says it is."""
    name = resource_type(value, path, findings)
    if name is not None:
        table(name).walk(value, path, findings)


def resource_type(value: Any, path: Path, findings: Findings) -> str | None:
    """The type of a resource; None, with a finding, where it is no resource of R4."""
    if type(value) is not dict:
        text = f"A resource must be a JSON object with a 'resourceType', not {kind(value)}."
        findings.add(NOT_A_RESOURCE, text, path)
        return None
    name = value.get("resourceType")
    if type(name) is str and is_resource_type(name):
        return name
    if "resourceType" not in value:
        text = "'resourceType' is missing: it must name the type of the resource."
    elif type(name) is not str:
        text = f"'resourceType' must be a string that names the type of the resource, not {kind(name)}."
    else:
        text = f"'{shown(name)}' is not a resource type of R4. Names of types are written in CamelCase."
    findings.add(NOT_A_RESOURCE, text, path)
    return None


def _visits(described: Structure) -> dict[str, Visit]:
    visits: dict[str, Visit] = {}
    for name, element in described.elements.items():
        if element.type == "Resource":
            visits[name] = _resources(element) if element.repeats else _resource(element)
        elif not element.primitive:
            visits[name] = _objects(element) if element.repeats else _object(element)
        else:
            visits[name] = _primitives(element) if element.repeats else _primitive(element)
            if not element.attribute and element.type != "xhtml":
                visits[f"_{name}"] = _twins(element) if element.repeats else _twin(element)
    if described.kind == "resource":
        visits["resourceType"] = _nothing
    return visits


def _nothing(node: dict[str, Any], value: Any, path: Path, findings: Findings) -> None:
    """`resourceType` was read before the walk began."""


def _primitive(element: Element) -> Visit:
    name, step = element.name, element.choice or element.name
    find_fault = primitive_binding(element, fault_of(element.type))

    def visit(node: dict[str, Any], value: Any, path: Path, findings: Findings) -> None:
        fault = find_fault(value)
        if fault is not None:
            findings.add(fault.failure, f"'{name}' {fault.text}", path, step)

    return visit


def _primitives(element: Element) -> Visit:
    name, twin_name = element.name, f"_{element.name}"
    find_fault = primitive_binding(element, fault_of(element.type))

    def visit(node: dict[str, Any], values: Any, path: Path, findings: Findings) -> None:
        if not _is_array(values, element, path, findings):
            return
        for index, value in enumerate(values):
            if value is None:
                twins = node.get(twin_name)
                if not (type(twins) is list and index < len(twins) and twins[index] is not None):
                    findings.add(WRONG_TYPE, f"'{name}' {_LONE_NULL.text}", path, name, index)
                continue
            fault = find_fault(value)
            if fault is not None:
                findings.add(fault.failure, f"'{name}' {fault.text}", path, name, index)

    return visit


def _twin(element: Element) -> Visit:
    name, step = element.name, element.choice or element.name
    walk = table("Element").walk

    def visit(node: dict[str, Any], value: Any, path: Path, findings: Findings) -> None:
        child = (path, step, None, path[3] + 1)
        walk(value, child, findings)
        if name not in node and type(value) is dict and value and "extension" not in value:
            _add(findings, _EMPTY_TWIN, child)

    return visit


def _twins(element: Element) -> Visit:
    name = element.name
    unequal = f"'_{name}' and '{name}' must have equally many entries, with null where one has nothing to say."
    walk = table("Element").walk

    def visit(node: dict[str, Any], twins: Any, path: Path, findings: Findings) -> None:
        values = node.get(name)
        given = values if type(values) is list else []
        if not _is_array(twins, element, path, findings, twin=True):
            return
        if given and len(given) != len(twins):
            findings.add(WRONG_TYPE, unequal, path, name)
        depth = path[3] + 2
        for index, twin in enumerate(twins):
            has_value = index < len(given) and given[index] is not None
            child = (path, name, index, depth)
            if twin is not None:
                walk(twin, child, findings)
                if not has_value and type(twin) is dict and twin and "extension" not in twin:
                    _add(findings, _EMPTY_TWIN, child)
            elif not given:
                _add(findings, _LONE_NULL, child)

    return visit


def _object(element: Element) -> Visit:
    step = element.choice or element.name
    walk, binding_fault = table(element.type).walk, object_binding(element)

    def visit(node: dict[str, Any], value: Any, path: Path, findings: Findings) -> None:
        child = (path, step, None, path[3] + 1)
        walk(value, child, findings)
        if binding_fault is not None and type(value) is dict and (fault := binding_fault(value)):
            _add(findings, fault, child)

    return visit


def _objects(element: Element) -> Visit:
    name, walk, binding_fault = element.name, table(element.type).walk, object_binding(element)

    def visit(node: dict[str, Any], values: Any, path: Path, findings: Findings) -> None:
        if not _is_array(values, element, path, findings):
            return
        depth = path[3] + 2
        for index, value in enumerate(values):
            child = (path, name, index, depth)
            walk(value, child, findings)
            if binding_fault is not None and type(value) is dict and (fault := binding_fault(value)):
                _add(findings, fault, child)

    return visit


def _resource(element: Element) -> Visit:
    name = element.name

    def visit(node: dict[str, Any], value: Any, path: Path, findings: Findings) -> None:
        walk_resource(value, (path, name, None, path[3] + 1), findings)

    return visit


def _resources(element: Element) -> Visit:
    name, is_contained = element.name, element.name == "contained"

    def visit(node: dict[str, Any], values: Any, path: Path, findings: Findings) -> None:
        if not _is_array(values, element, path, findings):
            return
        depth = path[3] + 2
        for index, value in enumerate(values):
            child = (path, name, index, depth)
            walk_resource(value, child, findings)
            if is_contained and type(value) is dict:
                check_contained(value, child, findings)

    return visit


def _is_array(values: Any, element: Element, path: Path, findings: Findings, twin: bool = False) -> bool:
    """Whether the entries of an array can be visited; adds what is wrong with it as an array."""
    fault = None
    if type(values) is not list or not values or element.min > 1 or element.max is not None:
        fault = array_fault(values, element)
    # How many there are is judged by the values, not by their twins.
    if fault is not None and not (twin and fault.failure in _COUNTED):
        name = f"_{element.name}" if twin else element.name
        findings.add(fault.failure, f"'{name}' {fault.text}", path, element.name)
    if type(values) is not list:
        return False
    if path[3] >= MAX_DEPTH:
        _add_too_deep(findings, path)
        return False
    return True


def _add(findings: Findings, fault: Fault, path: Path) -> None:
    findings.add(fault.failure, f"'{path[1]}' {fault.text}", path)


def _add_too_deep(findings: Findings, path: Path) -> None:
    findings.add(TOO_DEEP, f"The resource nests objects and arrays deeper than {MAX_DEPTH} levels.", path)


_COUNTED = (REQUIRED_ELEMENT, TOO_MANY)
_EMPTY_OBJECT = Fault(EMPTY_VALUE, "must have some element besides its id. Leave it out where there is nothing to say.")
_EMPTY_TWIN = Fault(EMPTY_VALUE, "has neither a value nor an extension.")
_LONE_NULL = Fault(WRONG_TYPE, "has a null that stands for nothing: neither a value nor an extension is at its place.")
