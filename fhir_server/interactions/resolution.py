"""What a condition asks of other resources, put in terms of the searched ones: tokens, ids, or a join.

https://hl7.org/fhir/R4/search.html#chaining, https://hl7.org/fhir/R4/search.html#has,
https://hl7.org/fhir/R4/search.html#list
"""

import asyncio
from collections.abc import Collection, Iterator, Sequence

from msgspec.structs import replace

from fhir_server.core import outcome
from fhir_server.core.codec import decode
from fhir_server.core.outcome import FhirError
from fhir_server.core.reference import parse_reference
from fhir_server.interactions.canonicals import is_canonical, named, naming
from fhir_server.interactions.expansion import expanded
from fhir_server.interactions.joins import Join, Resolved
from fhir_server.interactions.narrow import narrow
from fhir_server.interactions.off_loop import LARGE_BODY_BYTES
from fhir_server.interactions.reading import Reading
from fhir_server.policy import granted, permitted
from fhir_server.search.index import URL_VERSION
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
    Visible,
)
from fhir_server.store.cost import affordable
from fhir_server.store.sampling import estimate

MAX_NAMED = 5_000
"""Ids one condition may name where order does not matter or a join is impossible: inside a link, an OR or a NOT."""

_FEW_TYPES = 3
"""Types that are asked at once: to ask first which of them have any rows costs as much."""

MAX_RESOLVED = 20_000
"""Tokens and ids one search of a type may stand for through links, lists and value sets together."""
MAX_RESOLVED_IN_ALL = 100_000
"""The same over all types of a search, what is resolved once for several of them counted once."""
MAX_CHARACTERS = 3_000_000
"""Characters of those tokens and ids: MongoDB takes commands of 16 MB, and a character has up to four bytes."""

_MANY_ROWS = 20_000
"""Matches of a `_has` from which on the outer rows are checked instead. To gather the references of so many takes about
0.1 s (MongoDB 6.0.5).
"""

PLAIN = (Clause, Composed, Ids, Visible)
"""Conditions that the plan takes as they are."""
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
    return tuple(condition for condition in request.conditions if isinstance(condition, PLAIN))


async def resolve(reading: Reading, request: SearchRequest, most: int | None = None, may_join: bool = True) -> Resolved:
    """The request with conditions that the plan takes, all read at the moment of `reading`.

    A link with more than `most` resources (MAX_VALUES) at its other end becomes a join where it `may_join`. Raises
    FhirError 400 where that is not possible, for a List or ValueSet that is not there, and where everything together
    stands for too much.
    """
    return await _Resolution(reading).request(request, most or MAX_VALUES, may_join)


def _side_by_side(conditions: Sequence[Condition]) -> Iterator[Condition]:
    """The conditions of the outermost AND, those of `_filter` among them."""
    for condition in conditions:
        if isinstance(condition, AllOf):
            yield from _side_by_side(condition.conditions)
        else:
            yield condition


class _Resolution:
    """One search of a type while it is resolved, with the searches at the other ends of its links.

    What a condition is found to stand for is kept in `reading.memo`: an OR may ask the same a hundred times.
    """

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self._values = 0
        self._characters = 0

    async def request(self, request: SearchRequest, most: int, may_join: bool) -> Resolved:
        """The request resolved, and its joins."""
        if all(isinstance(condition, PLAIN) for condition in request.conditions):
            return Resolved(request)
        conditions: list[Condition] = []
        joins: list[Join] = []
        for condition in _side_by_side(request.conditions):
            found = await self._condition(request, condition, most, may_join)
            if isinstance(found, Join):
                joins.append(found)
            else:
                conditions.append(found)
        return Resolved(replace(request, conditions=tuple(conditions)), tuple(joins))

    async def _condition(
        self, request: SearchRequest, condition: Condition, most: int, may_join: bool
    ) -> Condition | Join:
        match condition:
            case AllOf(conditions):
                return AllOf(await self._inner(request, conditions))
            case AnyOf(conditions):
                return AnyOf(await self._inner(request, conditions))
            case NotThis(inner):
                return NotThis((await self._inner(request, (inner,)))[0])
            case Chained() | Having() | InList() | Expanded():
                return await self._asked(request, condition, most, may_join)
        return condition

    async def _inner(self, request: SearchRequest, conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
        found = [await self._condition(request, each, MAX_NAMED, may_join=False) for each in conditions]
        return tuple(each for each in found if not isinstance(each, Join))

    async def _asked(
        self, request: SearchRequest, condition: Chained | Having | InList | Expanded, most: int, may_join: bool
    ) -> Condition | Join:
        """What the store says the condition stands for, asked once."""
        memo, key = self.reading.memo, (request.type, condition, most, may_join)
        found = memo.get(key)
        is_new = found is None
        if found is None:
            found = memo[key] = await self._read(request, condition, most, may_join)
        assert isinstance(found, Condition | Join)
        if not isinstance(found, Join):
            self._spend(found, is_new)
        return found

    async def _read(
        self, request: SearchRequest, condition: Chained | Having | InList | Expanded, most: int, may_join: bool
    ) -> Condition | Join:
        match condition:
            case Chained():
                return await self._chained(request, condition, most, may_join)
            case Having():
                return await self._having(request, condition, most, may_join)
            case InList():
                return await _listed(self.reading, request.type, condition)
            case Expanded():
                return await expanded(self.reading, request, condition)

    def _spend(self, found: Condition, is_new: bool) -> None:
        """Count what a condition stands for. Raises FhirError 400 where all together are too many for one search."""
        values = _values(found)
        self._values += len(values)
        self._characters += sum(map(len, values))
        if is_new:
            in_all = self.reading.memo.get(_Resolution, 0)
            assert isinstance(in_all, int)
            self.reading.memo[_Resolution] = in_all = in_all + len(values)
            if in_all > MAX_RESOLVED_IN_ALL:
                raise _too_much()
        if self._values > MAX_RESOLVED or self._characters > MAX_CHARACTERS:
            raise _too_much()

    async def _linked(self, request: SearchRequest, link: Linked, name: str, may_join: bool) -> Resolved:
        """The search at the other end of a link, itself resolved: the innermost is read first."""
        inner = SearchRequest(link.type, link.conditions, parameter_set=request.parameter_set)
        return await self.request(narrow(self.reading.context, inner, "s", name), MAX_NAMED, may_join)

    async def _chained(self, request: SearchRequest, condition: Chained, most: int, may_join: bool) -> Condition | Join:
        reading, parameter = self.reading, condition.parameter
        reached = await _existing(reading, _granted(reading, condition))
        links = [await self._linked(request, each, condition.name, may_join) for each in reached]
        by_url = is_canonical(request.type, parameter, request.parameter_set)
        tokens: list[str] = []
        for link in links:
            found = await _targets(reading, parameter, link, most - len(tokens), by_url, may_join)
            if found is None:
                if may_join:
                    return Join(condition.name, parameter, tuple(links), by_url=by_url)
                raise _too_many(condition.name, link.request.type)
            tokens += found
        return Clause(parameter, (Tokens(tuple(dict.fromkeys(tokens))),)) if tokens else NOTHING

    async def _having(self, request: SearchRequest, condition: Having, most: int, may_join: bool) -> Condition | Join:
        reading, parameter = self.reading, condition.parameter
        link = await self._linked(request, condition.link, condition.name, may_join)
        by_url = is_canonical(condition.link.type, parameter, request.parameter_set)
        found = None
        is_better_joined = may_join and (bool(link.joins) or await _is_larger(reading, link.request, request))
        if not is_better_joined and await _is_affordable(reading, link.request, may_join):
            start = f"{parameter}|" if by_url else f"{parameter}|{request.type}/"
            # A canonical has two tokens in its row.
            found = await reading.tokens(link.request, start, 2 * most if by_url else most)
        if found is None:
            if may_join:
                return Join(condition.name, parameter, (link,), reverse=True, by_url=by_url)
            raise _too_many(condition.name, condition.link.type)
        if not by_url:
            return Ids(found)
        tokens = tuple(token for token in map(named, found) if token is not None)
        return Clause("url", (Tokens(tokens),)) if tokens else NOTHING


def _values(condition: Condition) -> tuple[str, ...]:
    """The tokens or ids of a condition that the store was asked for."""
    match condition:
        case Ids(ids):
            return ids
        case Clause(_, values):
            return tuple(token for value in values if isinstance(value, Tokens) for token in value.tokens)
    return ()


def _too_much() -> FhirError:
    return outcome.TOO_COSTLY(
        f"The search stands for more than {MAX_RESOLVED} codes and resources through value sets, lists and links. Name "
        "smaller value sets, narrow the links, or send several searches."
    )


def _granted(reading: Reading, chain: Chained) -> tuple[Linked, ...]:
    """The links to types that the caller may search. Raises FhirError 403 where the chain leads to no such type."""
    sight, types = reading.context.sight, [link.type for link in chain.links]
    may_search = granted(sight, types, "s")
    if types and not may_search:
        permitted(sight, types[0], "s", chain.name)
    return tuple(link for link in chain.links if link.type in may_search)


async def _existing(reading: Reading, links: tuple[Linked, ...]) -> Sequence[Linked]:
    if len(links) <= _FEW_TYPES:
        return links
    existing = await reading.types()
    return [link for link in links if link.type in existing]


async def _targets(
    reading: Reading, parameter: str, link: Resolved, limit: int, by_url: bool, may_join: bool
) -> Collection[str] | None:
    """The tokens that lead to the link's matches; None where they are more than `limit` or would be dear to find."""
    if link.joins or not await _is_affordable(reading, link.request, may_join):
        return None
    if by_url:
        urls = await reading.tokens(link.request, URL_VERSION, limit)
        return None if urls is None else [f"{parameter}|{text}" for url in urls for text in naming(url)]
    ids = await reading.ids(link.request, limit)
    return None if ids is None else [f"{parameter}|{link.request.type}/{id}" for id in ids]


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


def _too_many(name: str, type: str) -> outcome.FhirError:
    return outcome.TOO_COSTLY(
        f"{name} matches more than {MAX_NAMED} {type}, too many inside an OR or NOT. Narrow it with another parameter "
        f"of {type}, or ask for it by itself.",
        name,
    )


async def _listed(reading: Reading, type: str, condition: InList) -> Condition:
    """The resources of a type that a List has among its entries, those marked as deleted left out."""
    listed = reading.memo.get(condition)
    if listed is None:
        asked = SearchRequest("List", (Ids((condition.id,)),))
        found = await reading.rows(narrow(reading.context, asked, "rs", "_list"), 1)
        if not found:
            raise outcome.BAD_PARAMETER_VALUE("_list names a List that is not here.", "_list")
        body, own_bases = found[0].body, reading.context.own_bases
        is_large = len(body) > LARGE_BODY_BYTES
        listed = await asyncio.to_thread(_entries_of, body, own_bases) if is_large else _entries_of(body, own_bases)
        reading.memo[condition] = listed
    assert isinstance(listed, dict)
    ids: dict[str, None] = listed.get(type, {})
    if len(ids) > MAX_NAMED:
        raise outcome.TOO_COSTLY(f"The List has more than {MAX_NAMED} {type}. Narrow the search without it.", "_list")
    return Ids(tuple(ids))


def _entries_of(body: bytes, own_bases: tuple[str, ...]) -> dict[str, dict[str, None]]:
    """The ids of this server's resources in a List, by type."""
    ids: dict[str, dict[str, None]] = {}
    for entry in decode(body).get("entry", ()):
        reference = parse_reference(entry.get("item", {}).get("reference", ""))
        is_own = reference is not None and reference.base in (None, *own_bases)
        if reference is not None and is_own and entry.get("deleted") is not True:
            ids.setdefault(reference.type, {})[reference.id] = None
    return ids
