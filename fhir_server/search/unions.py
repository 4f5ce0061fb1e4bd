"""Parameters that read what two others read together: nothing is written for them, and they are searched by those two.

https://hl7.org/fhir/R4/observation.html#search (`combo-code` is `code` and `component-code`)

Only R4's own parameters are looked at, as both the union and its parts: what is written for a row and what is asked of
it then agree, whatever is added meanwhile.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from itertools import combinations
from types import MappingProxyType
from typing import NamedTuple

from fhir_server.definitions.search_parameters import search_parameters
from fhir_server.search.paths import Leaf, leaves
from fhir_server.search.places import Place, places
from fhir_server.search.request import (
    AllOf,
    AnyOf,
    Clause,
    Condition,
    Measured,
    Missing,
    NotThis,
    Tokens,
    Value,
)

_TYPES = ("token", "quantity")
"""Entries of others are looked at beside conditions too: includes and joins read references by the parameter's code."""

Parts = tuple[str, str]


@cache
def unions(resource_type: str) -> Mapping[str, Parts]:
    """The parameters of a type that are unions, each with the codes of its two parts."""
    found: dict[str, Parts] = {}
    for type in _TYPES:
        read = {
            code: _Reads(frozenset(places(resource_type, expression)), frozenset(leaves(resource_type, expression)))
            for code, parameter in search_parameters(resource_type).items()
            if parameter.type == type and (expression := parameter.expression) is not None
        }
        for code, whole in read.items():
            parts = _parts(whole, read)
            if parts is not None:
                found[code] = parts
    return MappingProxyType(found)


class _Reads(NamedTuple):
    """What a parameter reads."""

    places: frozenset[Place]
    leaves: frozenset[Leaf]


def _parts(whole: _Reads, read: Mapping[str, _Reads]) -> Parts | None:
    # Of other leaves a part would write other tokens: with "||" beside codings, without it where all are codes.
    smaller = [code for code, each in read.items() if each.places < whole.places and each.leaves == whole.leaves]
    for one, other in combinations(smaller, 2):
        if read[one].places | read[other].places == whole.places:
            return one, other
    return None


def in_parts(resource_type: str, condition: Condition) -> Condition:
    """A resolved condition on a type that asks for what its rows hold: unions by their parts."""
    table = unions(resource_type)
    return _in_parts(condition, table) if table else condition


def _in_parts(condition: Condition, table: Mapping[str, Parts]) -> Condition:
    match condition:
        case Clause(parameter) if parameter in table:
            return _divided(condition, table[parameter])
        case AllOf(conditions):
            return AllOf(tuple(_in_parts(each, table) for each in conditions))
        case AnyOf(conditions):
            return AnyOf(tuple(_in_parts(each, table) for each in conditions))
        case NotThis(inner):
            return NotThis(_in_parts(inner, table))
    return condition


def _divided(clause: Clause, parts: Parts) -> Condition:
    """One clause still where its values name their entries themselves, so that it can lead a search."""
    if all(isinstance(value, Tokens | Measured) for value in clause.values):
        values = tuple(_of_part(value, clause.parameter, part) for value in clause.values for part in parts)
        return replace(clause, values=values)
    found: list[Condition] = []
    for value in clause.values:
        each = tuple(Clause(part, (_of_part(value, clause.parameter, part),)) for part in parts)
        found.append(AllOf(each) if value == Missing(True) else AnyOf(each))
    condition = found[0] if len(found) == 1 else AnyOf(tuple(found))
    return NotThis(condition) if clause.negated else condition


def _of_part(value: Value, code: str, part: str) -> Value:
    match value:
        case Tokens(tokens):
            return Tokens(tuple(part + token.removeprefix(code) for token in tokens))
        case Measured(key=key):
            return replace(value, key=part + key.removeprefix(code))
    return value
