"""Which searches need an estimate before they run, what they are estimated by, and how a refusal is worded.

https://hl7.org/fhir/R4/http.html#summary, https://www.mongodb.com/docs/manual/core/query-plans/
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fhir_server.core import outcome
from fhir_server.core.outcome import FhirError
from fhir_server.definitions.owners import owner_rule
from fhir_server.search.parameter_types.date import FAR_FUTURE, FAR_PAST
from fhir_server.search.query import Query, conjuncts
from fhir_server.search.request import Clause, Condition, Contains, Dated, Missing, NotThis, SearchRequest, Visible

SMALL = 20_000
"""Rows of a type up to which every search is quick, whichever way MongoDB runs it."""
BUDGET = 200_000
"""Index keys or rows one page may read: about 0.6 s of one core (MongoDB 6.0.5, 2 to 3 µs a row). No search of a type
with fewer rows is refused.
"""
COUNT_BUDGET = 2_000_000
"""The same for a count, which is asked for by name and reads no bodies."""

_POSITIVE = frozenset({"$eq", "$in", "$gt", "$gte", "$lt", "$lte", "$elemMatch", "$geoWithin", "$regex"})
_INDEXED = frozenset({"pt", "t", "s", "d", "q", "w", "g", "h", "updated", "_id"})


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a page of a query is expected to read. `keys` counts index keys or rows; `rows` are those of the type.

    `index` is the one to read all matches from and sort them, None where a walk in the query's order reads less.
    """

    keys: int
    rows: int
    index: str | None = None


def is_surely_cheap(query: Query) -> bool:
    """Whether a page of the query needs no estimate: it is led by a patient, by ids, or by tokens alone in the order
    of their index.
    """
    asked = list(conjuncts(query.matching))
    if query.hint is not None or query.rounds or any("pt" in each or _is_by_id(each) for each in asked):
        return True
    return query.sort[0][0] == "updated" and all(map(_is_token_or_bound, asked))


def _is_by_id(filter: Mapping[str, Any]) -> bool:
    asked = filter.get("_id")
    return isinstance(asked, str) or (isinstance(asked, Mapping) and "$in" in asked)


def _is_token_or_bound(filter: Mapping[str, Any]) -> bool:
    ((name, condition),) = filter.items()
    if name in ("deleted", "updated", "labels"):
        # Few rows have a label that keeps them from being seen.
        return True
    return name == "t" and (isinstance(condition, str) or condition.keys() == {"$in"})


@dataclass(frozen=True, slots=True)
class Lead:
    """A condition that an index finds the rows of: the rows the scan reads, and the index, None where it is several."""

    filter: dict[str, Any]
    index: str | None


def leads(filter: Mapping[str, Any]) -> list[Lead]:
    """The conditions of a filter that may lead a search."""
    return [found for each in conjuncts(filter) if (found := _lead(each)) is not None]


def _lead(filter: dict[str, Any]) -> Lead | None:
    ((name, condition),) = filter.items()
    if name == "$or":
        branches = [leads(branch) for branch in condition]
        return Lead({"$or": [found[0].filter for found in branches]}, None) if all(branches) else None
    field = name.partition(".")[0]
    if field not in _INDEXED or condition is None:
        return None
    if not isinstance(condition, Mapping):
        return Lead(filter, _index(field, condition))
    if "$regex" in condition:
        return _prefix(field, str(condition["$regex"]))
    return Lead(filter, _index(field, condition)) if condition.keys() & _POSITIVE else None


def _prefix(field: str, expression: str) -> Lead | None:
    """A scan reads all that begin as the expression does: the rest is compared key by key."""
    start, _, _ = expression.partition(".*")
    return Lead({field: {"$regex": start}}, _index(field, None)) if start.startswith("^") else None


def _index(field: str, condition: Any) -> str | None:
    if field == "_id":
        return "_id_"
    if field != "d":
        return field
    # Where a stretch may start anywhere, its end is what narrows.
    start = condition["$elemMatch"].get("lo")
    return "dhi" if start == {"$gte": FAR_PAST, "$lte": FAR_FUTURE} else "dlo"


def too_costly(request: SearchRequest, estimate: Estimate, in_default_order: Estimate | None) -> FhirError:
    """The refusal of a search, which names what would make it cheap.

    `in_default_order` is the estimate without `_sort`, None where there is none to leave out.
    """
    unhelpful = [name for name in map(_unindexed, request.conditions) if name]
    if request.sort and in_default_order is not None and in_default_order.keys <= BUDGET:
        advice = f"Leave out _sort, sort by _lastUpdated, or {remedy(request.type)}."
        named = "_sort"
    else:
        advice = f"{remedy(request.type)[:1].upper()}{remedy(request.type)[1:]}."
        named = unhelpful[0] if unhelpful else "_sort" if request.sort else ""
    why = f" {', '.join(dict.fromkeys(unhelpful))} cannot be looked up in an index." if unhelpful else ""
    # How many there are is told to those alone who may see them all.
    many = "too many" if any(isinstance(each, Visible) for each in request.conditions) else _about(estimate.keys)
    return outcome.TOO_COSTLY(
        f"The search would read {many} entries of {request.type}; a page may read {BUDGET:,}.{why} {advice}",
        named or None,
    )


def _about(keys: int) -> str:
    return f"about {rounded(keys):,}"


def remedy(type: str) -> str:
    """What makes a search of a type cheap, as the second half of a sentence."""
    owning = owner_rule(type).parameters
    if owning:
        patient = "patient" if "patient" in owning else owning[0]
        return f"add {patient}=, or narrow it by identifier=, _id= or a short period of _lastUpdated="
    return "narrow it by identifier=, _id= or a short period of _lastUpdated="


def rounded(number: int) -> int:
    """To two digits: an estimate knows no more."""
    magnitude: int = 10 ** max(len(str(number)) - 2, 0)
    return number // magnitude * magnitude


def _unindexed(condition: Condition) -> str:
    """The parameter of a condition that no index answers, with its modifier; empty where one does."""
    match condition:
        case NotThis(condition=Clause() as clause):
            return f"{clause.parameter}:not"
        case Clause(negated=True):
            return f"{condition.parameter}:not"
        case Clause() if any(isinstance(value, Missing) for value in condition.values):
            return f"{condition.parameter}:missing"
        case Clause() if any(isinstance(value, Dated) and value.prefix == "ne" for value in condition.values):
            return f"{condition.parameter}=ne"
        case Clause() if any(isinstance(value, Contains) for value in condition.values):
            return f"{condition.parameter}:contains"
    return ""
