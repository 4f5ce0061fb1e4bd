"""What leads a search: the patient it names or whose records alone its caller may see, joined with the clause that
takes the fewest of the patient's rows.

https://www.mongodb.com/docs/manual/core/index-multikey/
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import msgspec
from msgspec import structs

from fhir_server.definitions.owners import owner_rule
from fhir_server.search.index import parameter_leaves
from fhir_server.search.parameter_types import date
from fhir_server.search.predicate import Filter, clause_tokens, one_of
from fhir_server.search.request import (
    MAX_VALUES,
    AllOf,
    Clause,
    Composed,
    Condition,
    Dated,
    Ids,
    LogicalId,
    Reach,
    SearchRequest,
    Tokens,
    Visible,
)
from fhir_server.search.sort_keys import INDEXED_SORT
from fhir_server.search.visible import few_owners

COARSE = frozenset({"status", "category", "intent", "class", "active", "gender", "priority", "lifecycle-status"})
"""Parameters of which one value takes most of a patient's rows of a type."""

_LONGEST_MOMENT = 366 * 86_400_000
"""Milliseconds: a date to the year covers no more."""


class Drive(msgspec.Struct, frozen=True):
    """The equality on `pt` that leads, the clause it stands for (`joined`), and what it takes its patients from.

    `joined` is None where it says whose rows they are and no more; `named_by` is None where only what the caller may
    see says whose, and no parameter of the type names its owners. `elsewhere` are tokens of `named_by` that no patient
    owns: rows with one of them match too, and no `pt` leads to them (`subject=p1` may be a group). `left` is what the
    equality does not say of what the caller may see.
    """

    owned: tuple[str, ...]
    named_by: Clause | None
    joined: Clause | None
    elsewhere: tuple[str, ...] = ()
    left: Visible | None = None

    @property
    def filter(self) -> Filter:
        """The rows it leads to."""
        return {"pt": one_of(self.owned)}


def flattened(conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """The conditions as one AND without repeats: every one that may lead stands at the top."""
    return tuple(dict.fromkeys(each for condition in conditions for each in _flat(condition)))


def _flat(condition: Condition) -> Iterator[Condition]:
    if isinstance(condition, AllOf):
        yield from flattened(condition.conditions)
    elif isinstance(condition, Composed) and condition.element is None:
        yield from condition.parts
        yield from condition.implied
    elif isinstance(condition, Composed):
        yield from condition.implied
        yield replace(condition, implied=())
    else:
        yield condition


def leads_by_id(conditions: tuple[Condition, ...]) -> bool:
    """Whether the search asks for few ids, which is quicker than anything else."""
    return any(
        len(each.ids) <= MAX_VALUES
        if isinstance(each, Ids)
        else isinstance(each, Clause)
        and not each.negated
        and any(isinstance(value, LogicalId) for value in each.values)
        for each in conditions
    )


def drive(request: SearchRequest, conditions: tuple[Condition, ...]) -> Drive | None:
    """How the patient a search names leads it, or those whose records alone may be seen; None where there are neither,
    and where it names ids. `conditions` are flattened.
    """
    if leads_by_id(conditions):
        return None
    clauses = [each for each in conditions if isinstance(each, Clause) and tokens_of(each)]
    seen = seen_in(conditions)
    named = _by_named(request, clauses)
    owners = few_owners(seen) if seen is not None else None
    if seen is None:
        return named[0] if named else None
    if named is not None:
        found, patients = named
        if not found.elsewhere and (owners is None or all(each in owners for each in patients)):
            return structs.replace(found, left=_without_owners(seen, patients))
    if owners is not None:
        # Whoever else a search names, it reads the rows of these alone.
        return _by_owners(request, clauses, seen, owners)
    return structs.replace(named[0], left=seen) if named else None


def seen_in(conditions: tuple[Condition, ...]) -> Visible | None:
    """What of the rows may be seen, None for all of them."""
    return next((each for each in conditions if isinstance(each, Visible)), None)


def _by_named(request: SearchRequest, clauses: list[Clause]) -> tuple[Drive, tuple[str, ...]] | None:
    """How the patients lead that a clause names, and who they are."""
    own_parameters = owner_rule(request.type).parameters
    # One that names patients alone before one that may name something else too.
    for alone in (True, False):
        for clause in clauses:
            patients, elsewhere = _patients(clause)
            if clause.parameter in own_parameters and patients and (not elsewhere or not alone):
                return _joined(request, clauses, clause, patients, elsewhere), patients
    return None


def _by_owners(request: SearchRequest, clauses: list[Clause], seen: Visible, owners: tuple[str, ...]) -> Drive:
    named_by = _naming(request.type, owners)
    fitting = [each for each in clauses if len(tokens_of(each)) * len(owners) <= MAX_VALUES]
    joined = min(fitting, key=lambda each: _breadth(request, each), default=None)
    if joined is not None:
        owned = tuple(f"{id}|{token}" for id in owners for token in tokens_of(joined))
        return Drive(owned, named_by, joined, left=_without_owners(seen, owners))
    only = seen.reaches[0] if len(seen.reaches) == 1 else None
    if only is not None and len(only.categories) == 1 and len(only.categories[0]) * len(owners) <= MAX_VALUES:
        owned = tuple(f"{id}|{token}" for id in owners for token in only.categories[0])
        return Drive(owned, named_by, None, left=_left(replace(only, owners=None, categories=())))
    return Drive(tuple(f"{id}|" for id in owners), named_by, None, left=_without_owners(seen, owners))


def _naming(type: str, owners: tuple[str, ...]) -> Clause | None:
    """A clause that every row of these owners matches: where their references alone make owners, one has them all."""
    rule = owner_rule(type)
    if rule.kind != "paths" or not rule.parameters:
        return None
    code = rule.parameters[0]
    return Clause(code, (Tokens(tuple(f"{code}|Patient/{id}" for id in owners)),))


def _without_owners(seen: Visible, patients: tuple[str, ...]) -> Visible | None:
    """What is left to be asked of rows that one of these patients owns."""
    if len(seen.reaches) != 1:
        return seen
    (only,) = seen.reaches
    if only.owners is None or not all(each in only.owners for each in patients):
        return _left(only)
    return _left(replace(only, owners=None))


def _left(reach: Reach) -> Visible | None:
    return None if reach == Reach() else Visible((reach,))


def _joined(
    request: SearchRequest, clauses: list[Clause], clause: Clause, patients: tuple[str, ...], elsewhere: tuple[str, ...]
) -> Drive:
    others = [each for each in clauses if each is not clause and len(tokens_of(each)) * len(patients) <= MAX_VALUES]
    # Owning says less than the clause (an owner may be named elsewhere), so the clause's own token goes along.
    joined = min([clause, *others], key=lambda each: _breadth(request, each))
    if joined is clause:
        owned = tuple(f"{id}|{clause.parameter}|Patient/{id}" for id in patients)
    else:
        owned = tuple(f"{id}|{token}" for id in patients for token in tokens_of(joined))
    return Drive(owned, clause, joined, elsewhere)


def tokens_of(condition: Condition) -> tuple[str, ...]:
    """The tokens of which a row must have one; empty where the condition asks for anything else."""
    if not isinstance(condition, Clause) or condition.negated:
        return ()
    return clause_tokens(condition) or ()


def _patients(clause: Clause) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The ids of the patients the clause names, and its tokens for anything else."""
    prefix = f"{clause.parameter}|Patient/"
    tokens = tokens_of(clause)
    patients = tuple(token.removeprefix(prefix) for token in tokens if token.startswith(prefix))
    return patients, tuple(token for token in tokens if not token.startswith(prefix))


def _breadth(request: SearchRequest, clause: Clause) -> tuple[int, int]:
    """The smaller, the fewer rows of one patient the clause is likely to take."""
    code = clause.parameter
    found = request.parameter_set.of(request.type).get(code)
    if code in owner_rule(request.type).parameters:
        kind = 5
    elif code.startswith("_"):
        kind = 4
    elif code in COARSE:
        kind = 3
    elif code == "identifier":
        kind = 0
    else:
        kind = 1 if found is not None and found.type == "reference" else 2
    # Of two that say whose record it is, the first: that is the one the patients are named by.
    return kind, 0 if kind == 5 else len(tokens_of(clause))


def key_bounds(type: str, conditions: tuple[Condition, ...], now: datetime) -> Filter | None:
    """What the clauses on the date a type is listed by say of its sort key, the second field of the index `pt`.

    The key is where the one value starts, or ends where its start is open. None where they say nothing.
    """
    code = INDEXED_SORT.get(type)
    bounds = [
        found
        for each in conditions
        if code is not None and isinstance(each, Clause) and each.parameter == code and not each.negated
        if (found := _clause_bounds(type, each, now)) is not None
    ]
    if not bounds:
        return None
    lo, hi = max(lo for lo, _ in bounds), min(hi for _, hi in bounds)
    return {f"k.{code}.d": {"$gte": lo, "$lte": hi}}


def _clause_bounds(type: str, clause: Clause, now: datetime) -> tuple[int, int] | None:
    are_moments = not any(leaf.type in ("Period", "Timing") for leaf in parameter_leaves(type, clause.parameter))
    bounds = [
        _bounds(value, are_moments, now) if isinstance(value, Dated) else None for value in dict.fromkeys(clause.values)
    ]
    known = [each for each in bounds if each is not None]
    if not known or len(known) < len(bounds):
        return None
    return min(lo for lo, _ in known), max(hi for _, hi in known)


def _bounds(value: Dated, are_moments: bool, now: datetime) -> tuple[int, int] | None:
    """Where the key of a row can be that has this value; None where it says nothing, as for stretches with open ends.

    A moment starts at most a year before it ends.
    """
    first, last = date.FAR_PAST + 1, date.FAR_FUTURE
    match value.prefix:
        case "eq":
            return value.lo, value.hi
        case "sa":
            return value.hi + 1, last
        case "eb":
            return first, value.lo - 1
        case "lt" if are_moments:
            return first, value.lo - 1
        case "le" if are_moments:
            return first, value.hi
        case "gt" | "ge" if are_moments:
            return value.lo - _LONGEST_MOMENT, last
        case "ap" if are_moments:
            low, high = date.widened(value, now)
            return low - _LONGEST_MOMENT, high
    return None
