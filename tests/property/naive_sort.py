"""The order `_sort` asks for, worked out value by value.

https://hl7.org/fhir/R4/search.html#sort. A resource with several values sorts by its lowest upwards and by its
highest downwards; without a value it comes last both ways.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from tests.property.naive_match import coded, spelled, texts
from tests.property.naive_parameters import PARAMETERS
from tests.property.naive_values import NEVER, TICK, plain, stretch_of


def ordered(stored: Sequence[Any], sort: str) -> list[Any]:
    """By the keys of `sort`, separated by commas."""
    rows = sorted(stored, key=lambda each: each.id)
    for key in reversed(sort.split(",")):
        code, descending = key.removeprefix("-"), key.startswith("-")
        held = [(each, sort_values(each, code)) for each in rows]
        choose: Callable[[list[Any]], Any] = max if descending else min
        has = [(choose(values), each) for each, values in held if values]
        has.sort(key=lambda pair: pair[0], reverse=descending)
        rows = [each for _, each in has] + [each for each, values in held if not values]
    return rows


def sort_keys(stored: Any, sort: str) -> tuple[Any, ...]:
    """What decides a resource's place, key by key; two resources with equal keys may stand either way."""
    found = []
    for key in sort.split(","):
        values = sort_values(stored, key.removeprefix("-"))
        found.append((max if key.startswith("-") else min)(values) if values else None)
    return tuple(found)


def sort_values(stored: Any, code: str) -> list[Any]:
    """What can be compared; a stretch of time or of numbers counts by its start, or by its end where that is open."""
    if code == "_id":
        return [stored.id]
    if code == "_lastUpdated":
        return [stored.updated]
    parameter = PARAMETERS[stored.resource["resourceType"]][code]
    found = parameter.values(stored.resource)
    match parameter.kind:
        case "date":
            stretches = [each for each in map(stretch_of, found) if each]
            return [end - TICK if start == NEVER else start for start, end in stretches]
        case "string" | "name" | "address":
            return [plain(text) for each in found for text in texts(parameter.kind, each)]
        case "concept" | "coding" | "identifier":
            return [code for each in found for _, code in coded(each) if code is not None]
        case "number" | "quantity":
            return [Fraction(str(_number(each))) for each in found if _number(each) is not None]
        case "uri" | "canonical":
            return list(found)
    return [spelled(each) for each in found]


def _number(found: Any) -> Any:
    """As it was sent, whatever its unit and comparator; of a Range the low end, or the high where that is open."""
    if not isinstance(found, dict):
        return found
    end: Any = found.get("low") or found.get("high") or found
    return end.get("value")
