"""`__explain=true`: how a search would be run and what it reads, instead of its resources.

https://hl7.org/fhir/R4/parameters.html
"""

from collections.abc import Sequence
from typing import Any

from fhir_server.core import codec
from fhir_server.interactions.context import Answer
from fhir_server.interactions.joins import Join
from fhir_server.interactions.merging import Part
from fhir_server.interactions.reading import Reading
from fhir_server.search.explain import order, shape
from fhir_server.search.query import Query
from fhir_server.search.request import SearchRequest
from fhir_server.store.cost import budget
from fhir_server.store.explain import Explained, explain

Drawn = dict[str, Any]


async def explained(
    reading: Reading, request: SearchRequest, parts: Sequence[Part], queries: Sequence[Query]
) -> Answer:
    """200 with a Parameters resource: whether the search is answered, and a part for each query it is made of.

    A `link` is a query for what a chain, a `_has` or a List leads to, run before; a `join` one that is asked for each
    batch of rows; a `query` reads the results of one type. Each is run to count what it reads, unless it is a join's or
    would be refused. No value of the search is repeated.
    """
    database, is_count = reading.database, request.count_only
    links = [(each, await explain(database, each.query, each.command)) for each in reading.lookups or ()]
    found: list[Explained] = [each for _, each in links]
    drawn: list[Drawn] = [_part("link", each.query, told, reads=each.reads) for each, told in links]
    for part, query in zip(parts, queries, strict=True):
        joins = part.resolved.joins
        # What a join checks is read row by row, even to be counted.
        told = await explain(database, query, is_count=is_count and not joins)
        found.append(told)
        drawn += [await _join(reading, join) for join in joins]
        drawn.append(_part("query", query, told))
    numbers = {
        "pageSize": request.count,
        "budget": budget(is_count),
        "estimatedKeys": sum(each.estimated_keys for each in found),
        "keysExamined": sum(each.keys for each in found),
    }
    parameter = [
        *_integers(numbers),
        {"name": "answered", "valueBoolean": all(each.is_affordable for each in found)},
        *_without_rows(request, parts),
        *drawn,
    ]
    return Answer(200, codec.encode({"resourceType": "Parameters", "parameter": parameter}))


def _without_rows(request: SearchRequest, parts: Sequence[Part]) -> list[Drawn]:
    """The types that are searched and have nothing stored: no query is made for them."""
    absent = set() if request.type else set(request.types).difference(part.rows for part in parts)
    return _strings({"typesWithoutRows": ", ".join(sorted(absent))}) if absent else []


async def _join(reading: Reading, join: Join) -> Drawn:
    links: list[Drawn] = []
    for link in join.links:
        query = reading.plan_now(link.request)
        links.append(_part("link", query, await explain(reading.database, query, may_run=False)))
        links += [await _join(reading, inner) for inner in link.joins]
    told = {"parameter": join.name, "references": "from the links" if join.reverse else "to the links"}
    return {"name": "join", "part": [*_strings(told), *links]}


def _part(name: str, query: Query, found: Explained, **more: str) -> Drawn:
    texts = more | {
        "type": query.type,
        "index": ", ".join(found.indexes) or "none",
        "filter": shape(query.filter),
        "order": order(query.sort),
        "stages": " < ".join(found.stages),
    }
    numbers = {"rowsOfType": found.rows, "estimatedKeys": found.estimated_keys}
    if found.run:
        numbers |= {
            "keysExamined": found.keys,
            "documentsExamined": found.documents,
            "returned": found.returned,
            "milliseconds": found.milliseconds,
        }
    is_sorted = [{"name": "sortedInMemory", "valueBoolean": found.in_memory_sort}] if found.run else []
    return {"name": name, "part": [*_strings(texts), *_integers(numbers), *is_sorted]}


def _strings(texts: dict[str, str]) -> list[Drawn]:
    return [{"name": name, "valueString": text} for name, text in texts.items()]


def _integers(numbers: dict[str, int]) -> list[Drawn]:
    return [{"name": name, "valueInteger": number} for name, number in numbers.items()]
