"""search over several types: of the whole system, of all that is in a compartment, and of contained resources.

https://hl7.org/fhir/R4/http.html#search, https://hl7.org/fhir/R4/search.html#contained
"""

from collections.abc import Sequence

from msgspec.structs import replace

from fhir_server.core import outcome
from fhir_server.definitions.capability import TEXTS
from fhir_server.definitions.registry import resource_types
from fhir_server.interactions.compartment_search import Compartment, types_in, within
from fhir_server.interactions.contained import refuse_beside
from fhir_server.interactions.context import RequestContext
from fhir_server.interactions.joins import Resolved
from fhir_server.interactions.merging import Part
from fhir_server.interactions.narrow import narrow, seen
from fhir_server.interactions.reading import Reading
from fhir_server.interactions.resolution import MAX_NAMED, NEWEST, resolve
from fhir_server.policy import granted, permitted, visible
from fhir_server.search.parse import of_type, parse
from fhir_server.search.request import SearchRequest

MAX_ROWS = 5_000
"""Rows read for one page: with many types its size is cut, so that each may give all of it."""
MIN_COUNT = 20


def parse_several(
    context: RequestContext, pairs: Sequence[tuple[str, str]], lenient: bool, compartment: Compartment | None
) -> SearchRequest:
    """The request of a search of several types: those of `_type`, or all, or all in the compartment.

    Raises FhirError 400, for a type that is never in the compartment too.
    """
    asked = list(pairs)
    if not any(name == "_type" for name, _ in pairs):
        types = _searchable(context, pairs) if compartment is None else sorted(types_in(compartment))
        asked += [("_type", ",".join(types))] if types else []
    request = parse("", asked, lenient, context.own_bases, context.parameter_set)
    if request.contained != "false":
        raise outcome.NOT_SUPPORTED(
            "_contained is possible in a search of one type alone, as in /Medication?_contained=true. Leave it out, or "
            "search each type by itself.",
            "_contained",
        )
    outside = [type for type in request.types if compartment is not None and type not in types_in(compartment)]
    if outside:
        assert compartment is not None
        raise outcome.BAD_PARAMETER_VALUE(
            f"_type names {', '.join(outside[:5])}, never in the compartment of a {compartment.of}. Leave it out.",
            "_type",
        )
    if len(asked) > len(pairs):
        applied = tuple(pair for pair in request.applied if pair[0] != "_type")
        return replace(request, applied=applied)
    return request


def _searchable(context: RequestContext, pairs: Sequence[tuple[str, str]]) -> list[str]:
    """The types a search that names none finds, where those without narrative cannot be asked for words; else none."""
    asked = {name.partition(":")[0] for name, _ in pairs}.intersection(TEXTS)
    if not asked:
        return []
    return [type for type in resource_types() if asked <= context.parameter_set.of(type).keys()]


async def parts_of(reading: Reading, request: SearchRequest, compartment: Compartment | None) -> list[Part]:
    """The searches of those types of the request of which anything is stored, resolved and narrowed.

    Types that were not granted are left out. Raises FhirError 403 where `_type` names one, or none is left.
    """
    sight = reading.context.sight
    searched = granted(sight, request.types, "s")
    if len(searched) < len(request.types) and (not searched or any(name == "_type" for name, _ in request.applied)):
        permitted(sight, next(type for type in request.types if type not in searched), "s", "_type")
    types = sorted((await reading.types()).intersection(searched))
    # What others have stored must not show in the size of a page.
    request = _sized(request, len(types) if sight.access is None else len(searched))
    parts: list[Part] = []
    for type in types:
        of_one = of_type(request, type, reading.context.own_bases)
        if compartment is not None:
            of_one = within(compartment, of_one)
        parts.append(Part(type, await resolve(reading, narrow(reading.context, of_one))))
    return parts


async def containing_parts(reading: Reading, request: SearchRequest) -> list[Part]:
    """The searches for contained resources of one type, for each type of rows that may hold them.

    What a row contains is seen by whoever sees the row. Raises FhirError 400 for parameters that mean nothing for
    contained resources, 403 where the searched type was not granted.
    """
    refuse_beside(request)
    sight = reading.context.sight
    permitted(sight, request.type, "s")
    holding = {type: visible(sight, type, "s") for type in granted(sight, resource_types(), "s")}
    types = sorted((await reading.types()).intersection(holding))
    request = _sized(request, len(types) if sight.access is None else len(holding))
    # A join reads rows of the searched type alone.
    resolved = await resolve(reading, request, MAX_NAMED, may_join=False)
    return [
        Part(type, Resolved(seen(resolved.request, found)))
        for type in types
        if (found := holding[type]) is not None and found.reaches
    ]


def _sized(request: SearchRequest, types: int) -> SearchRequest:
    """The request with an order that holds over types, and a page that so many types can fill."""
    most = max(MIN_COUNT, MAX_ROWS // max(types, 1))
    return replace(request, sort=request.sort or NEWEST, count=min(request.count, most))
