"""What a condition asks of other resources, put in terms of the searched ones: tokens, ids, or a join.

https://hl7.org/fhir/R4/search.html#chaining, https://hl7.org/fhir/R4/search.html#has,
https://hl7.org/fhir/R4/search.html#list
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from fhir_server.core import outcome
from fhir_server.core.codec import decode
from fhir_server.core.outcome import FhirError
from fhir_server.core.reference import is_id, parse_reference
from fhir_server.interactions.expansion import expanded
from fhir_server.interactions.joins import Join, Resolved
from fhir_server.interactions.narrow import narrow
from fhir_server.interactions.reading import Reading
from fhir_server.search.index import parameter_leaves
from fhir_server.search.request import (
    MAX_VALUES,
    AllOf,
    AnyOf,
    Chained,
    Clause,
    Composed,
    Condition,
    Expanded,
    Having,
    Ids,
    InList,
    Linked,
    NotThis,
    SearchRequest,
    SortKey,
    Tokens,
)
from fhir_server.store.cost import affordable
from fhir_server.store.sampling import estimate

MAX_NAMED = 5_000
"""Ids one condition may name where order does not matter or a join is impossible: inside a link, an OR or a NOT."""

_FEW_TYPES = 3
"""Types that are asked at once: to ask first which of them have any rows costs as much."""

_MANY_ROWS = 20_000
"""Matches of a `_has` from which on the outer rows are checked instead. To gather the references of so many takes about
0.1 s (MongoDB 6.0.5).
"""

_PLAIN = (Clause, Composed, Ids)
NOTHING = Ids(())
NEWEST = (SortKey("_lastUpdated", descending=True),)
"""The order of a search that names no patient, and of one of several types."""


def ordered(reading: Reading, request: SearchRequest) -> SearchRequest:
    """The request in an order that does not hang on what its links find: a few patients come by clinical date."""
    plain = _plain(request)
    if request.sort or len(plain) == len(request.conditions):
        return request
    by_updated = reading.plan_now(replace(request, conditions=plain)).sort[0][0] == "updated"
    return replace(request, sort=NEWEST) if by_updated else request


def _plain(request: SearchRequest) -> tuple[Condition, ...]:
    return tuple(condition for condition in request.conditions if isinstance(condition, _PLAIN))


async def resolve(reading: Reading, request: SearchRequest, most: int | None = None, may_join: bool = True) -> Resolved:
    """The request with conditions that the plan takes, all read at the moment of `reading`.

    A link with more than `most` resources (MAX_VALUES) at its other end becomes a join where it `may_join`. Raises
    FhirError 400 where that is not possible, and for a List or ValueSet that is not there.
    """
    if all(isinstance(condition, _PLAIN) for condition in request.conditions):
        return Resolved(request)
    conditions: list[Condition] = []
    joins: list[Join] = []
    for condition in _side_by_side(request.conditions):
        found = await _resolved(reading, request, condition, most or MAX_VALUES, may_join)
        if isinstance(found, Join):
            joins.append(found)
        else:
            conditions.append(found)
    return Resolved(replace(request, conditions=tuple(conditions)), tuple(joins))


def _side_by_side(conditions: Sequence[Condition]) -> Iterator[Condition]:
    """The conditions of the outermost AND, those of `_filter` among them."""
    for condition in conditions:
        if isinstance(condition, AllOf):
            yield from _side_by_side(condition.conditions)
        else:
            yield condition


async def _resolved(
    reading: Reading, request: SearchRequest, condition: Condition, most: int, may_join: bool
) -> Condition | Join:
    match condition:
        case Chained():
            return await _chained(reading, request, condition, most, may_join)
        case Having():
            return await _having(reading, request, condition, most, may_join)
        case InList():
            return await _listed(reading, request.type, condition)
        case Expanded():
            return await expanded(reading, request, condition)
        case AllOf(conditions):
            return AllOf(await _inner(reading, request, conditions))
        case AnyOf(conditions):
            return AnyOf(await _inner(reading, request, conditions))
        case NotThis(inner):
            return NotThis((await _inner(reading, request, (inner,)))[0])
    return condition


async def _inner(reading: Reading, request: SearchRequest, conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
    found = [await _resolved(reading, request, each, MAX_NAMED, may_join=False) for each in conditions]
    return tuple(each for each in found if not isinstance(each, Join))


async def _existing(reading: Reading, links: tuple[Linked, ...]) -> Sequence[Linked]:
    if len(links) <= _FEW_TYPES:
        return links
    existing = await reading.types()
    return [link for link in links if link.type in existing]


async def _linked(reading: Reading, request: SearchRequest, link: Linked, may_join: bool) -> Resolved:
    """The search at the other end of a link, itself resolved: the innermost is read first."""
    inner = SearchRequest(link.type, link.conditions, parameter_set=request.parameter_set)
    return await resolve(reading, narrow(reading.context, inner), MAX_NAMED, may_join)


async def _chained(
    reading: Reading, request: SearchRequest, condition: Chained, most: int, may_join: bool
) -> Condition | Join:
    links = [await _linked(reading, request, link, may_join) for link in await _existing(reading, condition.links)]
    by_url = _is_canonical(request, request.type, condition.parameter)
    tokens: list[str] = []
    for link in links:
        found = await _targets(reading, condition.parameter, link, most - len(tokens), by_url, may_join)
        if found is None:
            if may_join:
                return Join(condition.name, condition.parameter, tuple(links), by_url=by_url)
            raise _too_many(condition.name, link.request.type)
        tokens += found
    return Clause(condition.parameter, (Tokens(tuple(tokens)),)) if tokens else NOTHING


async def _targets(
    reading: Reading, parameter: str, link: Resolved, limit: int, by_url: bool, may_join: bool
) -> Collection[str] | None:
    """The tokens that lead to the link's matches; None where they are more than `limit` or would be dear to find."""
    if link.joins or not await _is_affordable(reading, link.request, may_join):
        return None
    if by_url:
        urls = await reading.tokens(link.request, "url|", limit)
        return None if urls is None else [f"{parameter}|{url}" for url in urls]
    ids = await reading.ids(link.request, limit)
    return None if ids is None else [f"{parameter}|{link.request.type}/{id}" for id in ids]


async def _having(
    reading: Reading, request: SearchRequest, condition: Having, most: int, may_join: bool
) -> Condition | Join:
    link, parameter = await _linked(reading, request, condition.link, may_join), condition.parameter
    by_url = _is_canonical(request, condition.link.type, parameter)
    found = None
    is_better_joined = may_join and (bool(link.joins) or await _is_larger(reading, link.request, request))
    if not is_better_joined and await _is_affordable(reading, link.request, may_join):
        start = f"{parameter}|" if by_url else f"{parameter}|{request.type}/"
        found = await reading.tokens(link.request, start, most)
    if found is not None:
        if not found:
            return NOTHING
        return Clause("url", (Tokens(tuple(f"url|{url}" for url in found)),)) if by_url else Ids(found)
    if may_join:
        return Join(condition.name, parameter, (link,), reverse=True, by_url=by_url)
    raise _too_many(condition.name, condition.link.type)


async def _is_larger(reading: Reading, inner: SearchRequest, outer: SearchRequest) -> bool:
    """Whether to gather what all matches of a link refer to would take longer than to check the outer rows."""
    leading = reading.plan_now(replace(outer, conditions=_plain(outer))).filter
    if "pt" in leading or "_id" in leading:
        return True
    filter = reading.plan_now(inner).filter
    return await estimate(reading.context.server.database, inner.type, filter) > _MANY_ROWS


async def _is_affordable(reading: Reading, request: SearchRequest, may_join: bool) -> bool:
    """Whether the search may be run by itself. Raises FhirError 400 where it may not and no join can stand in."""
    try:
        await affordable(reading.context.server.database, request, reading.plan_now(request))
    except FhirError:
        if may_join:
            return False
        raise
    return True


def _is_canonical(request: SearchRequest, type: str, parameter: str) -> bool:
    leaves = parameter_leaves(type, parameter, request.parameter_set)
    return bool(leaves) and all(leaf.type in ("canonical", "uri") for leaf in leaves)


def _too_many(name: str, type: str) -> outcome.FhirError:
    return outcome.TOO_COSTLY(
        f"{name} matches more than {MAX_NAMED} {type}, too many inside an OR or NOT. Narrow it with another parameter "
        f"of {type}, or ask for it by itself.",
        name,
    )


async def _listed(reading: Reading, type: str, condition: InList) -> Condition:
    """The resources of a type that a List has among its entries, those marked as deleted left out."""
    if condition.id.startswith("$"):
        raise outcome.NOT_SUPPORTED(
            "_list takes the id of a List; lists by function such as $current-allergies are not kept here.", "_list"
        )
    if not is_id(condition.id):
        raise outcome.BAD_PARAMETER_VALUE("_list takes the logical id of a List.", "_list")
    found = await reading.rows(narrow(reading.context, SearchRequest("List", (Ids((condition.id,)),))), 1)
    if not found:
        raise outcome.BAD_PARAMETER_VALUE("_list names a List that is not here.", "_list")
    ids: dict[str, None] = {}
    for entry in decode(found[0].body).get("entry", ()):
        reference = parse_reference(entry.get("item", {}).get("reference", ""))
        is_own = reference is not None and reference.base in (None, *reading.context.own_bases)
        if reference is not None and is_own and reference.type == type and entry.get("deleted") is not True:
            ids[reference.id] = None
    if len(ids) > MAX_NAMED:
        raise outcome.TOO_COSTLY(f"The List has more than {MAX_NAMED} {type}. Narrow the search without it.", "_list")
    return Ids(tuple(ids))
