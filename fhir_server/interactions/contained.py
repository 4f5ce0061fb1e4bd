"""Contained resources as results of their own: taken out of the resources that hold them.

https://hl7.org/fhir/R4/search.html#contained
"""

from collections.abc import Sequence
from dataclasses import replace

from fhir_server.core.codec import decode, encode
from fhir_server.interactions.merging import Part
from fhir_server.interactions.reading import Page, Reading
from fhir_server.interactions.searchset import Shown
from fhir_server.search.request import Ids, SearchRequest


async def contained_matches(reading: Reading, request: SearchRequest, parts: Sequence[Part], page: Page) -> list[Shown]:
    """What of each row of the page matches: resources it contains, and with `_contained=both` itself."""
    by_type = {part.rows: part.request for part in parts}
    rows = {(type, row.id): decode(row.body) for type, row in page.rows}
    inside = await _inside(reading, request.type, by_type, rows)
    whole = await _whole(reading, request, by_type, rows)
    found: list[Shown] = []
    for type, row in page.rows:
        if row.id in whole and type == request.type:
            found.append(Shown(f"{type}/{row.id}", row.body))
        for each in rows[type, row.id].get("contained", ()):
            id = str(each.get("id", ""))
            if (type, row.id) in inside.get(id, ()):
                found.append(Shown(f"{type}/{row.id}#{id}", encode(each)))
    return found


async def _inside(
    reading: Reading,
    searched: str,
    by_type: dict[str, SearchRequest],
    rows: dict[tuple[str, str], dict[str, object]],
) -> dict[str, set[tuple[str, str]]]:
    """The ids of contained resources that match, each with the rows in which it does."""
    holders: dict[tuple[str, str], list[str]] = {}
    for (type, id), resource in rows.items():
        contained = resource.get("contained", ())
        assert isinstance(contained, (list, tuple))
        for each in contained:
            if each.get("resourceType") == searched:
                holders.setdefault((type, str(each.get("id", ""))), []).append(id)
    found: dict[str, set[tuple[str, str]]] = {}
    for (type, inner), ids in holders.items():
        request = by_type[type]
        one = replace(request, conditions=(*request.conditions, Ids((inner,))), contained="true")
        matching = await reading.ids_among(one, tuple(ids), type)
        found.setdefault(inner, set()).update((type, id) for id in matching)
    return found


async def _whole(
    reading: Reading,
    request: SearchRequest,
    by_type: dict[str, SearchRequest],
    rows: dict[tuple[str, str], dict[str, object]],
) -> frozenset[str]:
    own = tuple(id for type, id in rows if type == request.type)
    if request.contained != "both" or not own:
        return frozenset()
    alone = replace(by_type[request.type], contained="false")
    return frozenset(await reading.ids_among(alone, own, request.type))
