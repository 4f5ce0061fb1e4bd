"""The sub-documents of `c`: what the components of composite parameters write for each instance of an element.

https://hl7.org/fhir/R4/search.html#composite; their shape is in parameter_types/composite.py.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from fhir_server.search.entries import Entries
from fhir_server.search.parameter_types.composite import FROM_RESOURCE, Part, Root, Table, joined, roots, searchable
from fhir_server.search.paths import Branch, Leaf, Visit, branches, leaves
from fhir_server.search.writers import writer


@dataclass(frozen=True, slots=True)
class Elements:
    """How the elements of a type that composites are tied to are read: each instance writes one sub-document.

    `written` are the codes of parameters that read nothing else that can be searched by: the instances write their
    entries to the row too, so that nothing is read twice.
    """

    branches: tuple[Branch, ...]
    written: frozenset[str]


def elements(resource_type: str, table: Table) -> Elements:
    """How the composites among the parameters of a type are indexed."""
    by_element: dict[str, tuple[Root, dict[tuple[str, str], Part]]] = {}
    for parameter in table.values():
        if parameter.type != "composite" or not parameter.expression:
            continue
        for root in roots(parameter, table):
            if root.element is None:
                continue
            _, named = by_element.setdefault(root.element, (root, {}))
            named.update({(part.parameter.code, part.expression): part for part in root.parts})
    found: list[Branch] = []
    written: set[str] = set()
    for element, (root, named) in by_element.items():
        parts = tuple(named.values())
        whole = tuple(part for part in parts if part.parameter.code not in written and _is_whole(root, part))
        written |= {part.parameter.code for part in whole}
        visit = _instance(root, whole, tuple(part for part in parts if part not in whole))
        if element:
            found += branches(resource_type, root.path, partial(_at, visit))
        else:
            found += _ways_to_itself(root, parts, visit)
    return Elements(tuple(found), frozenset(written))


def _ways_to_itself(root: Root, parts: Sequence[Part], visit: Visit) -> list[Branch]:
    """The ways by which a resource is an instance itself: the values that the row cannot tell from others of their
    parameter. An Observation without `valueString` needs no sub-document for `code-value-string`.
    """

    def visit_itself(value: Any, entries: Entries) -> None:
        if not any(each["e"] == root.element for each in entries.composites):
            visit(entries.resource, entries)

    ways = [branch for part in parts if not _is_alike(root, part) for branch in _part_branches(root.type, part)]
    return [Branch(name, visit_itself) for name in dict.fromkeys(branch.property for branch in ways)]


def _is_alike(root: Root, part: Part) -> bool:
    own = searchable(part.parameter, joined(root.path if root.element else "", part.expression))
    return own == searchable(part.parameter, part.parameter.expression or "")


def _is_whole(root: Root, part: Part) -> bool:
    """Whether the part's parameter finds nothing but what the instances hold."""
    if not root.element or not part.is_implied or part.expression.startswith(FROM_RESOURCE):
        return False
    return _is_alike(root, part)


def _at(visit: Visit, leaf: Leaf) -> Visit:
    return visit


def _instance(root: Root, whole: Sequence[Part], rest: Sequence[Part]) -> Visit:
    """What writes the sub-document of an instance, and the entries of the parts in `whole` to the row."""
    first = _ways(root.type, whole)
    inside = _ways(root.type, [part for part in rest if not _is_outside(part)])
    outside = _ways(root.type, [part for part in rest if _is_outside(part)])
    may_be_modified = any(not _is_plain(part) for part in (*whole, *rest))

    def visit(value: Any, entries: Entries) -> None:
        own = Entries(entries.own_bases, entries.resource)
        own.references, own.keys = entries.references, entries.keys
        _visit_all(first, value, own)
        entries.take(own)
        own.keys = {}
        if rest:
            _visit_all(inside, value, own)
            _visit_all(outside, entries.resource, own)
        if may_be_modified:
            _drop_modified(own)
        else:
            own.strings.clear()
        fields = own.fields()
        if fields:
            fields["e"] = root.element
            entries.composites.append(fields)

    return visit


_Ways = list[tuple[str | None, Visit]]


def _ways(type: str, parts: Sequence[Part]) -> _Ways:
    return [(branch.property, branch.visit) for part in parts for branch in _part_branches(type, part)]


def _visit_all(ways: _Ways, value: Any, entries: Entries) -> None:
    for name, visit in ways:
        member = value if name is None else value.get(name)
        if member is not None:
            visit(member, entries)


def _is_outside(part: Part) -> bool:
    return part.expression.startswith(FROM_RESOURCE)


def _part_branches(type: str, part: Part) -> tuple[Branch, ...]:
    start = part.parameter.base if _is_outside(part) else type
    return branches(start, part.expression.removeprefix(FROM_RESOURCE), _reader(part))


def _reader(part: Part) -> Callable[[Leaf], Visit | None]:
    parameter = part.parameter
    assert parameter.expression is not None
    all_leaves = leaves(parameter.base, parameter.expression)
    return lambda leaf: writer(parameter, leaf, all_leaves)


def _is_plain(part: Part) -> bool:
    """Whether what the part writes to `s` is for modifiers alone, and nothing that it writes to `t`."""
    assert part.parameter.expression is not None
    found = leaves(part.parameter.base, part.parameter.expression)
    return part.parameter.type not in ("string", "reference") and Leaf("Identifier") not in found


def _drop_modified(entries: Entries) -> None:
    """Components take no modifiers, so the entries for them are left out."""
    for found in (entries.tokens, entries.strings):
        for key in [key for key in found if ":" in key.partition("|")[0]]:
            del found[key]
