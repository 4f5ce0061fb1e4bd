"""Searches asked before, as they were read, narrowed and planned: asked again they are only run.

An app asks the same of a record whenever it is opened. To read, narrow and plan that anew took a fifth of the
interpreter's steps for a page of 50. https://hl7.org/fhir/R4/search.html
"""

from collections.abc import Mapping, Sequence

import msgspec

from fhir_server.definitions.parameter_set import ParameterSet
from fhir_server.interactions.context import RequestContext
from fhir_server.interactions.joins import Resolved
from fhir_server.interactions.resolution import PLAIN
from fhir_server.interactions.score import Asked
from fhir_server.interactions.withheld import may_see
from fhir_server.policy import visible
from fhir_server.search.query import Query
from fhir_server.search.request import SearchRequest, Visible

MOST = 1_000
"""Searches kept; a kept one has some 5 KB."""
MOST_CHARACTERS = 500
"""Of the names and values of one that is kept."""

_MEASURED_FROM_NOW = "ap"

Pairs = tuple[tuple[str, str], ...]
_Key = tuple[str, Pairs, bool, bool, int]


class Prepared(msgspec.Struct, frozen=True):
    """A search of one type as it was read, what of it the caller may see, and the query for its first page.

    `asked` is its text as the self link has it, `sent` as it came; `words` are what its rows are scored by.
    """

    request: SearchRequest
    resolved: Resolved
    query: Query
    asked: str
    sent: str
    words: Asked


class _Kept(msgspec.Struct, frozen=True):
    """What is kept, with the objects it was made with: made with others it would be another."""

    seen: Visible
    parameter_set: ParameterSet
    pending: Mapping[tuple[str, str], str]
    own_bases: tuple[str, ...]
    prepared: Prepared

    def holds_in(self, context: RequestContext) -> bool:
        """Whether it would be made the same now."""
        now = context.parameter_set
        is_same = self.parameter_set is now and self.pending is now.pending
        return is_same and self.own_bases is context.own_bases


_kept: dict[_Key, _Kept] = {}


def asked_before(context: RequestContext, type: str, pairs: Pairs, lenient: bool) -> Prepared | None:
    """The first page of a search of one type, where this caller asked for it lately; None where it did not.

    Raises FhirError 503 as `RequestContext.parameter_set` does.
    """
    seen = _seen(context, type)
    found = None if seen is None else _kept.get(_key(context, type, pairs, lenient, seen))
    if found is None or found.seen is not seen:
        return None
    return found.prepared if found.holds_in(context) else None


def keep(context: RequestContext, type: str, pairs: Pairs, lenient: bool, prepared: Prepared) -> None:
    """Keep one, where nothing in it hangs on the moment or on what else is stored."""
    seen = _seen(context, type)
    if seen is None or prepared.resolved.joins or not _is_lasting(prepared.request, pairs):
        return
    if len(_kept) >= MOST:
        _kept.clear()
    found = context.parameter_set
    kept = _Kept(seen, found, found.pending, context.own_bases, prepared)
    _kept[_key(context, type, pairs, lenient, seen)] = kept


def _seen(context: RequestContext, type: str) -> Visible | None:
    access = context.sight.access
    # Whom a practitioner cares for is found out anew each second.
    return None if access is not None and access.kind == "practitioner" else visible(context.sight, type, "s")


def _key(context: RequestContext, type: str, pairs: Pairs, lenient: bool, seen: Visible) -> _Key:
    # One object for as long as a token is used, and held by what is kept under it: its id is nobody else's.
    return type, pairs, lenient, may_see(context), id(seen)


def _is_lasting(request: SearchRequest, pairs: Sequence[tuple[str, str]]) -> bool:
    if request.explain or not all(isinstance(each, PLAIN) for each in request.conditions):
        return False
    if any(_MEASURED_FROM_NOW in value for _, value in pairs):
        return False
    return sum(len(name) + len(value) for name, value in pairs) <= MOST_CHARACTERS
