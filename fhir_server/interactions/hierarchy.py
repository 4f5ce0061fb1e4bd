"""What is above and below: codes in a CodeSystem, and resources that are part of one another.

https://hl7.org/fhir/R4/codesystem.html#hierarchy, https://hl7.org/fhir/R4/search.html#recursive
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fhir_server.core import outcome
from fhir_server.core.resource import Resource
from fhir_server.interactions.narrow import narrow
from fhir_server.interactions.reading import Reading
from fhir_server.search.index import parameter_leaves
from fhir_server.search.parameter_types import reference
from fhir_server.search.request import Clause, Expanded, Ids, SearchRequest, Tokens

MAX_PARTS = 5_000
"""Resources that `:above` or `:below` a reference may lead to."""
MAX_LEVELS = 100


@dataclass(frozen=True, slots=True)
class CodeTree:
    """The codes of a complete code system, with the codes right above and right below each, and their properties."""

    codes: Mapping[str, None]
    parents: Mapping[str, tuple[str, ...]]
    children: Mapping[str, tuple[str, ...]]
    properties: Mapping[str, Mapping[str, frozenset[str]]]

    def below(self, code: str) -> tuple[str, ...]:
        """The code and every code below it; the code alone where the system does not have it."""
        return _closure(code, self.children)

    def above(self, code: str) -> tuple[str, ...]:
        """The code and every code above it."""
        return _closure(code, self.parents)

    def filtered(self, property: str, operator: str, value: str) -> frozenset[str] | None:
        """The codes a filter of ValueSet.compose takes; None where it is not one of those supported here."""
        is_concept = property in ("concept", "code", "parent")
        match operator:
            case "is-a" if is_concept:
                return frozenset(self.below(value))
            case "descendent-of" if is_concept:
                return frozenset(self.below(value)) - {value}
            case "=":
                return self._having(property, frozenset((value,)))
            case "in":
                return self._having(property, frozenset(part.strip() for part in value.split(",")))
        return None

    def _having(self, property: str, values: frozenset[str]) -> frozenset[str]:
        if property in ("concept", "code"):
            return values & self.codes.keys()
        if property in ("parent", "child"):
            neighbours = self.parents if property == "parent" else self.children
            return frozenset(code for code in self.codes if not values.isdisjoint(neighbours.get(code, ())))
        return frozenset(
            code for code in self.codes if not values.isdisjoint(self.properties.get(code, {}).get(property, ()))
        )


def code_tree(code_system: Resource) -> CodeTree | None:
    """The codes and their order; None where the resource does not hold all codes (`content` is not `complete`)."""
    if code_system.get("content") != "complete":
        return None
    codes: dict[str, None] = {}
    parents: dict[str, dict[str, None]] = {}
    properties: dict[str, dict[str, frozenset[str]]] = {}
    left: list[tuple[str | None, Resource]] = [(None, each) for each in reversed(code_system.get("concept", ()))]
    while left:
        parent, concept = left.pop()
        code = concept.get("code")
        if code is None:
            continue
        codes[code] = None
        if parent is not None:
            parents.setdefault(code, {})[parent] = None
        own: dict[str, set[str]] = {}
        for each in concept.get("property", ()):
            name, text = each.get("code", ""), _property_text(each)
            own.setdefault(name, set()).add(text)
            if name in ("parent", "subsumedBy"):
                parents.setdefault(code, {})[text] = None
            elif name == "child":
                parents.setdefault(text, {})[code] = None
        if own:
            properties[code] = {name: frozenset(texts) for name, texts in own.items()}
        left += [(code, each) for each in reversed(concept.get("concept", ()))]
    children: dict[str, list[str]] = {}
    for code, above in parents.items():
        for each in above:
            children.setdefault(each, []).append(code)
    return CodeTree(
        codes,
        {code: tuple(above) for code, above in parents.items()},
        {code: tuple(below) for code, below in children.items()},
        properties,
    )


def _property_text(property: Resource) -> str:
    for name, value in property.items():
        if name.startswith("value"):
            if isinstance(value, bool):
                return "true" if value else "false"
            return str(value.get("code", "")) if isinstance(value, dict) else str(value)
    return ""


def _closure(start: str, neighbours: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    found = {start: None}
    left = [start]
    while left:
        for each in neighbours.get(left.pop(), ()):
            if each not in found:
                found[each] = None
                left.append(each)
    return tuple(found)


async def references_around(
    reading: Reading, request: SearchRequest, condition: Expanded, text: str
) -> tuple[str, ...]:
    """The tokens of the parameter for the resource a value names and for all above or below it, level by level.

    Raises FhirError 400 for more than MAX_PARTS resources.
    """
    parameter, type = condition.parameter, request.type
    leaves = parameter_leaves(type, parameter, request.parameter_set)
    # Only resources of the searched type form a hierarchy: the value was read as one of it before.
    asked = reference.read_value(parameter, leaves, (type,), text, reading.context.own_bases).tokens
    start = f"{parameter}|{type}/"
    tokens: dict[str, None] = {}
    for each in asked:
        found = await _around(reading, condition, type, each.removeprefix(start))
        tokens |= dict.fromkeys(start + part for part in found)
    return tuple(tokens)


async def _around(reading: Reading, condition: Expanded, type: str, id: str) -> tuple[str, ...]:
    found = {id: None}
    level: tuple[str, ...] = (id,)
    start = f"{condition.parameter}|{type}/"
    for _ in range(MAX_LEVELS):
        if condition.modifier == "below":
            naming = Clause(condition.parameter, (Tokens(tuple(start + each for each in level)),))
            next_level = await reading.ids(narrow(reading.context, SearchRequest(type, (naming,))), MAX_PARTS)
        else:
            among = narrow(reading.context, SearchRequest(type, (Ids(level),)))
            next_level = await reading.tokens(among, start, MAX_PARTS)
        level = tuple(each for each in next_level if each not in found) if next_level is not None else ()
        found |= dict.fromkeys(level)
        if next_level is None or len(found) > MAX_PARTS:
            break
        if not level:
            return tuple(found)
    raise outcome.TOO_COSTLY(
        f"{condition.name} leads to more than {MAX_PARTS} {type} or over more than {MAX_LEVELS} levels. "
        "Name one further down.",
        condition.name,
    )
