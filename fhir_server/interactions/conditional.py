"""The search criteria of conditional create, update, patch and delete, matched over what the caller may see (decision
15: and, by identifier, over everything) and claimed against races.

https://hl7.org/fhir/R4/http.html#ccreate, https://hl7.org/fhir/R4/http.html#cond-update
"""

from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlencode

from fhir_server.core import outcome
from fhir_server.core.instant import now
from fhir_server.core.write_plan import Absence, Claim, Filter, Presence, Put
from fhir_server.definitions.capability import RESULTS
from fhir_server.interactions.context import RequestContext
from fhir_server.interactions.narrow import seen
from fhir_server.interactions.query import query_pairs
from fhir_server.interactions.withheld import refuse_asking
from fhir_server.policy import EVERYTHING, permitted
from fhir_server.policy_writes import PATAST, may_know_of_hidden
from fhir_server.search.chains import needs_store
from fhir_server.search.parse import parse
from fhir_server.search.plan import plan
from fhir_server.search.request import Expanded, SearchRequest
from fhir_server.store import search

MATCH_ATTEMPTS = 8
"""How often a condition is matched anew after another writer changed the answer in between."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Criteria such as `identifier=sys|1` for one type.

    `filter` finds what matches of what the caller may see. `everywhere` finds what matches, whoever may see it; None
    where that is the same, or none of the caller's business.
    """

    type: str
    criteria: str
    filter: Filter
    everywhere: Filter | None = None

    @classmethod
    def parse(
        cls, context: RequestContext, type: str, criteria: str, where: str, is_reference: bool = False
    ) -> "Condition":
        """Read criteria, alone or after `?`, `Type?` or the whole URL of the search, as HAPI's client sends it.

        Raises FhirError 400 for unknown parameters and for those that look at other resources or shape a result, 403
        where the caller may neither read nor search the type, or asks for an identifier that is withheld, and 412 where
        the criteria name no parameter at all: they would match everything. A conditional reference (`is_reference`) is
        a search like any other.
        """
        reach = permitted(context.sight, type, "rs")
        pairs = tuple(sorted(query_pairs(_query(context, type, criteria))))
        request = parse(type, pairs, False, context.own_bases, context.parameter_set)
        if not request.conditions:
            raise outcome.PRECONDITION_FAILED(
                f"{where} names no search parameter, so it would match every {type}.", where
            )
        _refuse_unsuitable(request, where)
        refuse_asking(context, request.conditions)
        moment, names = now(), urlencode(pairs)
        everywhere = _not_asserted(context, plan(request, None, None, moment).filter)
        if reach is EVERYTHING:
            return cls(type, names, everywhere)
        found = _not_asserted(context, plan(seen(request, reach), None, None, moment).filter)
        is_told = not is_reference and _asks_identifiers(request) and _may_know(context)
        return cls(type, names, found, everywhere if is_told else None)

    def absence(self, gone: Collection[str] = ()) -> Absence:
        """The guard that nothing but the ids in `gone` matches when the plan runs."""
        return Absence(self.type, self._without(gone))

    def presence(self, id: str, gone: Collection[str] = ()) -> Presence:
        """The guard that `id`, and nothing else but the ids in `gone`, matches when the plan runs."""
        return Presence(self.type, self._without(gone), id)

    def _without(self, gone: Collection[str]) -> Filter:
        guarded = self.filter if self.everywhere is None else self.everywhere
        return {"$and": [guarded, {"_id": {"$nin": sorted(gone)}}]} if gone else guarded


def _asks_identifiers(request: SearchRequest) -> bool:
    return all(name in ("identifier", "identifier:of-type") for name, _ in request.applied)


def _may_know(context: RequestContext) -> bool:
    access = context.sight.access
    return access is not None and may_know_of_hidden(access)


def _not_asserted(context: RequestContext, filter: Filter) -> Filter:
    """The filter without what patients asserted, for all others: an identifier that somebody wrote into a record of
    their own must not keep an agency's record with that identifier from being made.
    """
    access = context.sight.access
    if access is None or access.kind == "patient":
        return filter
    return {"$and": [filter, {"labels": {"$ne": PATAST}}]}


def _query(context: RequestContext, type: str, criteria: str) -> str:
    for base in (context.base, *context.own_bases):
        if criteria.startswith(f"{base}/{type}?"):
            return criteria.removeprefix(f"{base}/{type}?")
    return criteria.removeprefix(type).removeprefix("?")


def _refuse_unsuitable(request: SearchRequest, where: str) -> None:
    """A condition is matched again, inside the transaction, by one filter: it cannot ask other resources first."""
    place = f"the {where[4:]}" if where.startswith("The ") else where
    issues = [
        outcome.BAD_PARAMETER_VALUE.issue(f"'{name}' shapes a result, and {place} has none. Leave it out.", name)
        for name, _ in request.applied
        if name.partition(":")[0] in RESULTS
    ]
    criteria = [name for name, _ in request.applied if name.partition(":")[0] not in RESULTS]
    for name, condition in zip(criteria, request.conditions, strict=True):
        if needs_store(condition):
            finds = "Search first, and name what is found by _id."
            remedy = "Write out what it stands for." if isinstance(condition, Expanded) else finds
            text = f"'{name}' asks other resources, which {place} cannot. {remedy}"
            issues.append(outcome.NOT_SUPPORTED.issue(text, name))
    if issues:
        raise outcome.FhirError(400, issues)


async def one_match(
    context: RequestContext, condition: Condition, gone: frozenset[str] = frozenset()
) -> search.Match | None:
    """The one match, None where there is none; resources in `gone` (`Patient/p1`) do not count.

    Raises FhirError 412 where there are several, or one that the caller may know of but not see.
    """
    limit = 2 + len(gone)
    matches = await search.matches(context.server.database, condition.type, condition.filter, limit)
    if condition.everywhere is not None:
        await _refuse_hidden(context, condition, condition.everywhere, {match.id for match in matches})
    found = [match for match in matches if f"{condition.type}/{match.id}" not in gone]
    if len(found) > 1:
        raise outcome.MULTIPLE_MATCHES(
            f"More than one {condition.type} matches the condition. Make it more precise, for example by identifier."
        )
    return found[0] if found else None


async def _refuse_hidden(context: RequestContext, condition: Condition, everywhere: Filter, seen: set[str]) -> None:
    # What the same Bundle deletes counts here: else a delete of a hidden id would tell whether that one matches.
    database, type = context.server.database, condition.type
    found = await search.matches(database, type, everywhere, len(seen) + 1)
    others = [match.id for match in found if match.id not in seen]
    if not others:
        return
    # One that was made since the first look is not hidden: what then runs meets it, and matches anew.
    made_since = {"$and": [condition.filter, {"_id": {"$in": others}}]}
    if len(await search.matches(database, type, made_since, len(others))) < len(others):
        raise outcome.PRECONDITION_FAILED(
            f"A {type} that you may not use has this identifier already, so none is made or changed."
        )


def claims(condition: Condition, document: Put) -> tuple[Claim, ...]:
    """The names two conditional writers must not act upon at once: the condition, and each identifier to be stored."""
    names = [f"{condition.type}?{condition.criteria}"]
    names += [
        f"{document.type}#{token}"
        for token in document.index.tokens
        if token.startswith("identifier|") and not token.startswith("identifier||") and not token.endswith("|")
    ]
    return tuple(Claim(name) for name in dict.fromkeys(names))


def still_changing(condition: Condition) -> outcome.FhirError:
    """The 409 after MATCH_ATTEMPTS."""
    return outcome.WRITE_CONFLICT(
        f"What matches the condition on {condition.type} kept changing while the request ran. Send it again."
    )
