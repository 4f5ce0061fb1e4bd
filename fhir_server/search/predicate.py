"""A clause of a search as a MongoDB filter over the index fields of a row.

https://hl7.org/fhir/R4/search.html#combining
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from fhir_server.search.entries import bounded
from fhir_server.search.parameter_types import date, string
from fhir_server.search.request import Clause, Dated, LogicalId, StartsWith, Tokens, Value

Filter = dict[str, Any]


def predicate(clause: Clause, now: datetime) -> Filter:
    """The rows that match any value of the clause; `now` is what `ap` measures its distance from."""
    tokens = clause_tokens(clause)
    if tokens is not None:
        return {"t": one_of(tokens)}
    ids = [value.id for value in clause.values if isinstance(value, LogicalId)]
    if ids:
        return {"_id": one_of(ids)}
    filters = [_of_value(clause.parameter, value, now) for value in clause.values]
    return filters[0] if len(filters) == 1 else {"$or": filters}


def clause_tokens(clause: Clause) -> tuple[str, ...] | None:
    """The tokens of which a row must have one, each once; None where the clause asks for something else."""
    found: dict[str, None] = {}
    for value in clause.values:
        if not isinstance(value, Tokens):
            return None
        found |= dict.fromkeys(map(bounded, value.tokens))
    return tuple(found)


def one_of(values: Sequence[str]) -> Any:
    """A condition on a field: equal to the one value, or to one of several."""
    return values[0] if len(values) == 1 else {"$in": list(values)}


def all_of(filters: Sequence[Filter]) -> Filter:
    """The rows every filter takes: one flat filter, `$and` only where two speak of the same field.

    MongoDB reads two conditions on one array field, written together, as conditions on different items.
    """
    merged: Filter = {}
    rest: list[Filter] = []
    for each in filters:
        if merged.keys().isdisjoint(each):
            merged |= each
        else:
            rest.append(each)
    return merged | {"$and": rest} if rest else merged


def _of_value(parameter: str, value: Value, now: datetime) -> Filter:
    match value:
        case StartsWith():
            return string.predicate(parameter, value)
        case Dated() if parameter == "_lastUpdated":
            return date.updated_predicate(value, now)
        case Dated():
            return date.predicate(parameter, value, now)
    raise TypeError(f"{parameter} mixes kinds of values")
