"""A condition of a search as a MongoDB filter over the index fields of a row.

https://hl7.org/fhir/R4/search.html#combining, https://hl7.org/fhir/R4/search.html#missing

The names of fields are relative, so that the same filter applies to a sub-document of `c` or `h`. A filter made of
negations, or of `:missing=true`, takes tombstones too: who runs it leaves them out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from fhir_server.definitions.search_parameters import SearchParameter
from fhir_server.search import filter_values
from fhir_server.search.entries import bounded
from fhir_server.search.parameter_types import composite, date, number, special, string, text, uri
from fhir_server.search.request import (
    AllOf,
    AnyOf,
    Clause,
    Composed,
    Condition,
    Contains,
    Covering,
    Dated,
    EndsWith,
    Exactly,
    Ids,
    LogicalId,
    Measured,
    Missing,
    Near,
    NotThis,
    StartsWith,
    Tokens,
    TokenStart,
    Value,
    Whole,
    Words,
)

Filter = dict[str, Any]
Table = Mapping[str, SearchParameter]

NOTHING: Filter = {"_id": {"$in": []}}
"""The filter no row matches; MongoDB reads nothing for it."""


def predicate(condition: Condition, now: datetime, table: Table, contained: bool = False) -> Filter:
    """The rows for which a condition holds, unions in their parts (`unions.in_parts`); `now` is what the prefix `ap`
    measures dates from.

    `table` are the parameters of the searched type. With `contained` the filter is for sub-documents of `h`, where the
    id is `i` and there is no instant. Raises TypeError for what the store resolves first (Chained, Having, ...).
    """

    def filter_of(each: Condition) -> Filter:
        return predicate(each, now, table, contained)

    match condition:
        case Clause():
            found = _clause(condition, now, table, filter_of)
            return _in_contained(found) if contained else found
        case Composed():
            return _composed(condition, filter_of)
        case AllOf():
            return all_of([filter_of(each) for each in condition.conditions])
        case AnyOf():
            return any_of([filter_of(each) for each in condition.conditions])
        case NotThis():
            return {"$nor": [filter_of(condition.condition)]}
        case Ids():
            return {"i" if contained else "_id": one_of(condition.ids)}
    raise TypeError(f"{type(condition).__name__} is resolved by the store before it is a filter")


def clause_tokens(clause: Clause) -> tuple[str, ...] | None:
    """The tokens of which a row must have one, each once; None where the clause asks for something else."""
    if clause.negated:
        return None
    return _tokens(clause)


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
        elif each != merged:
            rest.append(each)
    if "$and" in merged and rest:
        return {"$and": [merged, *rest]}
    return merged | {"$and": rest} if rest else merged


def any_of(filters: Sequence[Filter]) -> Filter:
    """The rows at least one filter takes."""
    if not filters:
        return NOTHING
    return filters[0] if len(filters) == 1 else {"$or": list(filters)}


def _tokens(clause: Clause) -> tuple[str, ...] | None:
    found: dict[str, None] = {}
    for value in clause.values:
        if not isinstance(value, Tokens):
            return None
        found |= dict.fromkeys(map(bounded, value.tokens))
    return tuple(found)


def _clause(clause: Clause, now: datetime, table: Table, filter_of: Callable[[Condition], Filter]) -> Filter:
    if clause.negated:
        tokens = _tokens(clause)
        if tokens is not None:
            return {"t": {"$nin": list(tokens)}}
        return {"$nor": [filter_of(replace(clause, negated=False))]}
    # Values of one kind together make one condition on one field; other kinds are joined by OR.
    filters: list[Filter] = []
    tokens = tuple(token for value in clause.values if isinstance(value, Tokens) for token in value.tokens)
    if tokens:
        filters.append({"t": one_of(tuple(dict.fromkeys(map(bounded, tokens))))})
    ids = tuple(value.id for value in clause.values if isinstance(value, LogicalId))
    if ids:
        filters.append({"_id": one_of(ids)})
    asked = tuple(value for value in clause.values if isinstance(value, Words))
    if asked:
        filters.append(text.predicate(clause.parameter, asked))
    for value in clause.values:
        match value:
            case Missing():
                filters.append(_missing(clause.parameter, value.is_missing, table, filter_of))
            case Tokens() | LogicalId() | Words():
                pass
            case _:
                filters.append(_of_value(clause.parameter, value, now))
    return any_of(filters)


def _of_value(parameter: str, value: Value, now: datetime) -> Filter:
    match value:
        case TokenStart():
            return uri.predicate(value)
        case StartsWith() | Exactly() | Contains():
            return string.predicate(parameter, value)
        case Dated() if parameter == "_lastUpdated":
            return date.updated_predicate(value, now)
        case Dated():
            return date.predicate(parameter, value, now)
        case Measured():
            return number.predicate(value)
        case Near():
            return special.predicate(value)
        case Whole() | EndsWith() | Covering():
            return filter_values.predicate(parameter, value)
    raise TypeError(f"{parameter} has a value of an unknown kind")


def _composed(composed: Composed, filter_of: Callable[[Condition], Filter]) -> Filter:
    parts = [filter_of(part) for part in composed.parts]
    implied = [filter_of(clause) for clause in composed.implied]
    if composed.element is None:
        return all_of([*parts, *implied])
    instance = all_of([{"e": composed.element}, *parts])
    return all_of([{"c": {"$elemMatch": instance}}, *implied])


def _missing(code: str, is_missing: bool, table: Table, filter_of: Callable[[Condition], Filter]) -> Filter:
    if code in ("_id", "_lastUpdated"):
        return NOTHING if is_missing else {}
    parameter = table[code]
    if parameter.type in ("token", "reference", "uri"):
        # The "|" is escaped within the class too: MongoDB reads a whole index for an expression with a bare one.
        pattern = {"$regex": string.starting(code) + "[!\\|]"}
        return {"t": {"$not": pattern} if is_missing else pattern}
    if parameter.type == "composite":
        found = filter_of(composite.present(parameter, table))
    else:
        found = {"$or": [*_entries_of(parameter), {"t": f"{code}!"}]}
    return {"$nor": [found]} if is_missing else found


def _entries_of(parameter: SearchParameter) -> list[Filter]:
    """Filters for the entries of a parameter in its type's field, any of which shows that it has a value."""
    code = parameter.code
    match parameter.type:
        case "string":
            return [{"s": {"$regex": string.starting(f"{code}|")}}]
        case "date":
            return [date.present(code)]
        case "number" | "quantity":
            key = code if parameter.type == "number" else f"{code}|"
            return [{"q": {"$elemMatch": {"p": {"$in": [key, key + number.RANGES]}}}}]
        case "special":
            return [{"g": {"$exists": True}}]
    raise TypeError(f"{code} is of a type without entries")


def _in_contained(filter: Filter) -> Filter:
    """The filter of a clause for a contained resource: it has its id in `i`, and no instant that it was updated."""
    found: Filter = {}
    for name, condition in filter.items():
        if name == "_id":
            found["i"] = condition
        elif name == "updated":
            found["i"] = {"$in": []}
        elif name in ("$or", "$nor"):
            found[name] = [_in_contained(each) for each in condition]
        else:
            found[name] = condition
    return found
