"""`_summary` and `_elements`: resources cut down to what is asked for, on pages and on reads.

https://hl7.org/fhir/R4/search.html#summary, https://hl7.org/fhir/R4/search.html#elements
"""

import asyncio
from collections.abc import Sequence

from fhir_server.core import outcome
from fhir_server.core.codec import decode, encode
from fhir_server.formats.subset import subset
from fhir_server.interactions.context import RequestContext
from fhir_server.interactions.off_loop import LARGE_BODY_BYTES
from fhir_server.interactions.query import refuse_parameters
from fhir_server.interactions.searchset import Shown
from fhir_server.search.parse import parse
from fhir_server.search.request import SearchRequest, Summary

SHAPES = ("_summary", "_elements")


async def cut(request: SearchRequest, shown: list[Shown], elements: tuple[str, ...]) -> list[Shown]:
    """The resources as the request's `_summary`, or `elements`, wants them; unchanged where it wants them whole."""
    if request.summary == "false" and not elements:
        return shown
    if sum(len(each.body) for each in shown) > LARGE_BODY_BYTES:
        return await asyncio.to_thread(_cut, shown, request.summary, elements)
    return _cut(shown, request.summary, elements)


def _cut(shown: Sequence[Shown], summary: Summary, elements: tuple[str, ...]) -> list[Shown]:
    return [Shown(each.place, _shortened(each.body, summary, elements), each.score) for each in shown]


def _shortened(body: bytes, summary: Summary, elements: tuple[str, ...]) -> bytes:
    return encode(subset(decode(body), summary, elements))


def shape_of_read(context: RequestContext, type: str, pairs: Sequence[tuple[str, str]]) -> SearchRequest | None:
    """What `_summary` and `_elements` ask of one resource, None where neither is there.

    Raises FhirError 400 for another parameter, a wrong value, and `_summary=count`, which one resource has not.
    """
    if not pairs:
        return None
    refuse_parameters(context, pairs, taken=SHAPES)
    asked = [pair for pair in pairs if pair[0] in SHAPES]
    if not asked:
        return None
    request = parse(type, asked, lenient=False)
    if request.count_only:
        raise outcome.BAD_PARAMETER_VALUE("_summary=count counts the results of a search; a read has none.", "_summary")
    return request


async def shortened(request: SearchRequest, body: bytes) -> bytes:
    """The resource as the request wants it."""
    (shown,) = await cut(request, [Shown("", body)], request.elements)
    return shown.body
