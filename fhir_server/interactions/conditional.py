"""The search criteria of conditional create, update and delete, matched over everything and claimed against races.

https://hl7.org/fhir/R4/http.html#ccreate, https://hl7.org/fhir/R4/http.html#cond-update
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fhir_server.core import outcome
from fhir_server.core.instant import now
from fhir_server.core.write_plan import Absence, Claim, Presence, Put
from fhir_server.definitions.capability import RESULTS
from fhir_server.interactions.context import RequestContext
from fhir_server.interactions.query import query_pairs
from fhir_server.search.chains import needs_store
from fhir_server.search.parse import parse
from fhir_server.search.plan import plan
from fhir_server.search.request import Expanded, SearchRequest
from fhir_server.store import search

MATCH_ATTEMPTS = 8
"""How often a condition is matched anew after another writer changed the answer in between."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Criteria such as `identifier=sys|1` for one type; `filter` finds what matches now, whoever may see it."""

    type: str
    criteria: str
    filter: dict[str, Any]

    @classmethod
    def parse(cls, context: RequestContext, type: str, criteria: str, where: str) -> "Condition":
        """Read criteria, alone or after `?`, `Type?` or the whole URL of the search, as HAPI's client sends it.

        Raises FhirError 400 for unknown parameters and for those that look at other resources or shape a result, and
        412 where the criteria name none at all: they would match everything.
        """
        pairs = tuple(sorted(query_pairs(_query(context, type, criteria))))
        request = parse(type, pairs, False, context.own_bases, context.parameter_set)
        if not request.conditions:
            raise outcome.PRECONDITION_FAILED(
                f"{where} names no search parameter, so it would match every {type}.", where
            )
        _refuse_unsuitable(request, where)
        return cls(type, urlencode(pairs), plan(request, None, None, now()).filter)

    def absence(self, gone: Collection[str] = ()) -> Absence:
        """The guard that nothing but the ids in `gone` matches when the plan runs."""
        return Absence(self.type, self._without(gone))

    def presence(self, id: str, gone: Collection[str] = ()) -> Presence:
        """The guard that `id`, and nothing else but the ids in `gone`, matches when the plan runs."""
        return Presence(self.type, self._without(gone), id)

    def _without(self, gone: Collection[str]) -> dict[str, Any]:
        return {"$and": [self.filter, {"_id": {"$nin": sorted(gone)}}]} if gone else self.filter


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

    Raises FhirError 412 where there are several.
    """
    limit = 2 + len(gone)
    matches = await search.matches(context.server.database, condition.type, condition.filter, limit)
    found = [match for match in matches if f"{condition.type}/{match.id}" not in gone]
    if len(found) > 1:
        raise outcome.MULTIPLE_MATCHES(
            f"More than one {condition.type} matches the condition. Make it more precise, for example by identifier."
        )
    return found[0] if found else None


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
