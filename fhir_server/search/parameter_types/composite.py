"""Composite parameters: several parameters that hold for one instance of an element.

https://hl7.org/fhir/R4/search.html#composite

Index, in `c`: one sub-document `{e, t, s, d, q}` for each instance of an element that a composite of the type is tied
to; `e` is the element (`component`), empty for the resource itself, the other fields hold what each component parameter
writes for this instance. A composite tied to the resource itself needs none where each of its components is the same as
a whole parameter: those are in the row. instances.py writes them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fhir_server.definitions.capability import targets_of
from fhir_server.definitions.parameter_set import STANDARD, ParameterSet
from fhir_server.definitions.search_parameters import SearchParameter, search_parameters, union_members
from fhir_server.search.escaping import split_unescaped
from fhir_server.search.expressions import NotReadable
from fhir_server.search.parameter_types import date, number, quantity, reference, string, token, uri
from fhir_server.search.parameter_types.bad_value import BadValue
from fhir_server.search.paths import leaves
from fhir_server.search.places import Place, places
from fhir_server.search.request import AnyOf, Clause, Composed, Condition, Missing, Value
from fhir_server.search.unions import unions
from fhir_server.search.writers import writer

FROM_RESOURCE = "%resource."
"""Begins the expression of a component that is read from the resource, whatever the instance."""
Table = Mapping[str, SearchParameter]


@dataclass(frozen=True, slots=True)
class Part:
    """A component: the parameter that names its entries, and FHIRPath from the instance, or from the resource where it
    starts with `%resource.`. `is_implied` says that the same entries stand in the row too.
    """

    parameter: SearchParameter
    expression: str
    is_implied: bool


@dataclass(frozen=True, slots=True)
class Root:
    """What a composite is tied to: `element` as in `e`, None where the row's own fields do.

    `path` is FHIRPath from the resource, `type` the name of the element's structure.
    """

    element: str | None
    path: str
    type: str
    parts: tuple[Part, ...]


def roots(parameter: SearchParameter, table: Table) -> tuple[Root, ...]:
    """What a composite is tied to, one for each member of its expression's union.

    `table` are the parameters of its type. Raises NotReadable where a component is none of them, or cannot be read.
    """
    assert parameter.expression is not None
    return tuple(_root(parameter, member.strip(), table) for member in union_members(parameter.expression))


def _root(parameter: SearchParameter, path: str, table: Table) -> Root:
    base = parameter.base
    if path not in (base, "Resource", "DomainResource"):
        (leaf,) = leaves(base, path)
        parts = tuple(_part(parameter, leaf.type, path, position, table) for position in range(_size(parameter)))
        return Root(path.removeprefix(f"{base}."), path, leaf.type, parts)
    parts = tuple(_part(parameter, base, "", position, table) for position in range(_size(parameter)))
    whole = [_whole(part) for part in parts]
    exact = tuple(part for part in whole if part is not None)
    return Root(None, base, base, exact) if len(exact) == len(parts) else Root("", base, base, parts)


def _size(parameter: SearchParameter) -> int:
    return len(parameter.components)


def _part(parameter: SearchParameter, type: str, path: str, position: int, table: Table) -> Part:
    """The component at a position, with the first expression that leads to what its parameter can search by.

    R4 has the expressions of DocumentReference's `relationship` the wrong way round.
    """
    url = parameter.components[position].definition_url
    definition = next((each for each in table.values() if each.url == url), None)
    if definition is None or definition.expression is None:
        raise NotReadable(f"{parameter.base} has no search parameter {url}")
    expressions = [component.expression for component in parameter.components]
    for expression in (expressions[position], *expressions):
        if _is_searchable(definition, type, expression):
            own = searchable(definition, joined(path, expression))
            # Of several that say the same, the first: combos then share the entries of the other composites.
            # Of R4's own, so that entries keep their names whatever is added.
            same = (each for each in search_parameters(parameter.base).values() if _is_same(each, definition, own))
            named = next(same, definition)
            return Part(named, expression, _is_in_row(named) and own <= searchable(named, named.expression or ""))
    raise NotReadable(f"{parameter.code}: {expressions[position]} is nothing that {definition.code} searches by")


def _is_same(parameter: SearchParameter, definition: SearchParameter, own: frozenset[Place]) -> bool:
    if parameter.type != definition.type or not parameter.expression:
        return False
    return searchable(parameter, parameter.expression) == own


def _whole(part: Part) -> Part | None:
    """The part's own parameter, or one of R4's, that has the part's entries in a row and no others: `combo-code` reads
    components too, so it is `code`.
    """
    own = searchable(part.parameter, part.expression)
    for each in (part.parameter, *search_parameters(part.parameter.base).values()):
        if each.type != part.parameter.type or not each.expression or not _is_in_row(each):
            continue
        if own == searchable(each, each.expression):
            return Part(each, part.expression, is_implied=True)
    return None


def _is_in_row(parameter: SearchParameter) -> bool:
    return parameter.code not in unions(parameter.base)


def joined(path: str, expression: str) -> str:
    """A component's expression from the resource, where its composite is tied to what `path` leads to."""
    members = [member.strip() for member in union_members(expression)]
    return " | ".join(
        member.removeprefix(FROM_RESOURCE) if member.startswith(FROM_RESOURCE) or not path else f"{path}.{member}"
        for member in members
    )


def _is_searchable(definition: SearchParameter, type: str, expression: str) -> bool:
    start = definition.base if expression.startswith(FROM_RESOURCE) else type
    try:
        found = leaves(start, expression.removeprefix(FROM_RESOURCE))
    except NotReadable:
        return False
    return any(writer(definition, leaf, found) is not None for leaf in found)


def searchable(definition: SearchParameter, expression: str) -> frozenset[Place]:
    """The places of the resource that an expression leads to and the definition's type can be searched by."""
    found = places(definition.base, expression)
    return frozenset(place for place, leaf in found.items() if writer(definition, leaf, (leaf,)) is not None)


def read_value(
    parameter: SearchParameter,
    resource_type: str,
    text: str,
    own_bases: tuple[str, ...],
    parameter_set: ParameterSet = STANDARD,
) -> Condition:
    """The values of all components in their order, joined by "$". Raises BadValue."""
    values = split_unescaped(text, "$")
    if len(values) != len(parameter.components):
        names = "$".join(_names(parameter, parameter_set.of(resource_type)))
        raise BadValue(f'is not of the form {names}; write "\\$" for a "$" that belongs to a value')
    found: list[Condition] = []
    for root in roots(parameter, parameter_set.of(resource_type)):
        clauses = tuple(
            Clause(part.parameter.code, (_read(part.parameter, value, own_bases),))
            for part, value in zip(root.parts, values, strict=True)
        )
        implied = tuple(clause for part, clause in zip(root.parts, clauses, strict=True) if part.is_implied)
        found.append(Composed(root.element, clauses, () if root.element is None else implied))
    return found[0] if len(found) == 1 else AnyOf(tuple(found))


def present(parameter: SearchParameter, table: Table) -> Condition:
    """The condition that some instance has a value for every component."""
    found = [
        Composed(root.element, tuple(Clause(part.parameter.code, (Missing(False),)) for part in root.parts))
        for root in roots(parameter, table)
    ]
    return found[0] if len(found) == 1 else AnyOf(tuple(found))


def _names(parameter: SearchParameter, table: Table) -> tuple[str, ...]:
    return tuple(part.parameter.code for part in roots(parameter, table)[-1].parts)


def _read(parameter: SearchParameter, text: str, own_bases: tuple[str, ...]) -> Value:
    code = parameter.code
    assert parameter.expression is not None
    all_leaves = leaves(parameter.base, parameter.expression)
    match parameter.type:
        case "token":
            return token.read_value(code, all_leaves, text)
        case "string":
            return string.read_value(text)
        case "date":
            return date.read_value(text)
        case "reference":
            return reference.read_value(code, all_leaves, targets_of(parameter), text, own_bases)
        case "uri":
            return uri.read_value(code, text)
        case "number":
            return number.read_value(code, text)
        case "quantity":
            return quantity.read_value(code, text)
    raise NotReadable(f"{code} cannot be a component")
