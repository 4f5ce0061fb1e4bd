"""`__explain=true`: how a search would be run and what it reads, instead of its resources.

https://hl7.org/fhir/R4/parameters.html
"""

from collections.abc import Sequence
from typing import Any

from fhir_server.core import codec
from fhir_server.interactions.context import Answer, RequestContext
from fhir_server.search.cost import BUDGET
from fhir_server.search.explain import order, shape
from fhir_server.search.query import Query
from fhir_server.search.request import SearchRequest
from fhir_server.store.explain import Explained, explain


async def explained(context: RequestContext, request: SearchRequest, queries: Sequence[Query]) -> Answer:
    """200 with a Parameters resource: a `query` for each query, and whether the search is answered.

    Each query is run to count what it reads, unless it would be refused. No value of the search is repeated.
    """
    found = [(query, await explain(context.server.database, query)) for query in queries]
    drawn = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "pageSize", "valueInteger": request.count},
            {"name": "budget", "valueInteger": BUDGET},
            {"name": "estimatedKeys", "valueInteger": sum(each.estimated_keys for _, each in found)},
            {"name": "keysExamined", "valueInteger": sum(each.keys for _, each in found)},
            {"name": "answered", "valueBoolean": all(each.run for _, each in found)},
            *(_part(query, each) for query, each in found),
        ],
    }
    return Answer(200, codec.encode(drawn))


def _part(query: Query, found: Explained) -> dict[str, Any]:
    texts = {
        "type": query.type,
        "index": ", ".join(found.indexes) or "none",
        "filter": shape(query.filter),
        "order": order(query.sort),
        "stages": " < ".join(found.stages),
    }
    numbers = {"rowsOfType": found.rows, "estimatedKeys": found.estimated_keys}
    counted = (
        {}
        if not found.run
        else {
            "keysExamined": found.keys,
            "documentsExamined": found.documents,
            "returned": found.returned,
            "milliseconds": found.milliseconds,
        }
    )
    return {
        "name": "query",
        "part": [
            *({"name": name, "valueString": text} for name, text in texts.items()),
            *({"name": name, "valueInteger": number} for name, number in (numbers | counted).items()),
            *([{"name": "sortedInMemory", "valueBoolean": found.in_memory_sort}] if found.run else []),
        ],
    }
