"""Contained resources as results of their own: taken out of the resources that hold them.

https://hl7.org/fhir/R4/search.html#contained
"""

from collections.abc import Sequence

from msgspec import structs

from fhir_server.core import outcome
from fhir_server.core.codec import decode, encode
from fhir_server.core.outcome import FhirError
from fhir_server.interactions.joins import Resolved
from fhir_server.interactions.merging import Part, merged_page
from fhir_server.interactions.reading import Page, Reading
from fhir_server.interactions.searchset import Shown
from fhir_server.search.page import Position
from fhir_server.search.request import Ids, SearchRequest
from fhir_server.store.search import SearchRow

_BESIDE = {
    "_include": "follows references of whole resources",
    "_revinclude": "follows references to whole resources",
    "_list": "names resources that are stored by themselves",
    "_has": "asks for references to resources that are stored by themselves",
}
"""What a search for contained resources cannot have, and why."""


def refuse_beside(request: SearchRequest) -> None:
    """Raise FhirError 400 for the parameters that mean nothing for contained resources."""
    codes = dict.fromkeys(name.partition(":")[0] for name, _ in request.applied)
    issues = [
        outcome.NOT_SUPPORTED.issue(f"{code} {_BESIDE[code]}, not contained ones. Leave it or _contained out.", code)
        for code in codes
        if code in _BESIDE
    ]
    if issues:
        raise FhirError(400, issues)


async def contained_page(
    reading: Reading, request: SearchRequest, parts: Sequence[Part], after: Position | None
) -> tuple[Page, list[Shown]]:
    """The next matches by themselves, as many as a page has, and the rows they are in.

    The place where the page ends has one key more than that of a row: how many of the row's matches were given, 0 for
    all of them.
    """
    if not parts:
        return Page((), None), []
    count = parts[0].request.count
    rows: list[tuple[str, SearchRow]] = []
    found: list[Shown] = []
    place, given = (Position(after.keys[:-1], after.id, after.type), after.keys[-1]) if after else (None, 0)
    if place is not None and isinstance(given, int) and given:
        begun = await reading.filled(Page([(place.type, SearchRow(place.id, b"", {}, ()))], None), ())
        rest = [shown for each in await _matches(reading, request, parts, begun) for shown in each][given:]
        rows, found = list(begun.rows), rest[:count]
        if len(rest) > count:
            return Page(rows, _ended(place, given + count)), found
    page = await merged_page(reading, _sized(parts, max(count - len(found), 1)), place, ("updated",))
    for (type, row), shown in zip(page.rows, await _matches(reading, request, parts, page), strict=True):
        room = count - len(found)
        if len(shown) > room:
            end = _ended(_place(reading, parts, type, row), room) if room else _ended(place, 0)
            return Page([*rows, (type, row)], end), [*found, *shown[:room]]
        rows.append((type, row))
        found += shown
        place = _place(reading, parts, type, row)
    return Page(rows, _ended(page.after, 0)), found


def _ended(place: Position | None, given: int) -> Position | None:
    return None if place is None else Position((*place.keys, given), place.id, place.type)


def _place(reading: Reading, parts: Sequence[Part], type: str, row: SearchRow) -> Position:
    """The place of a row in the order, which is by `updated` and `_id` alone where contained resources are searched."""
    sort = reading.plan(parts[0].request, container=parts[0].rows).sort
    return Position(row.keys_by(sort), row.id, type)


def _sized(parts: Sequence[Part], count: int) -> list[Part]:
    return [structs.replace(part, resolved=Resolved(structs.replace(part.request, count=count))) for part in parts]


async def _matches(reading: Reading, request: SearchRequest, parts: Sequence[Part], page: Page) -> list[list[Shown]]:
    """What of each row of the page matches: resources it contains, and with `_contained=both` itself."""
    by_type = {part.rows: part.request for part in parts}
    rows = {(type, row.id): decode(row.body) for type, row in page.rows}
    inside = await _inside(reading, request.type, by_type, rows)
    whole = await _whole(reading, request, by_type, rows)
    matches: list[list[Shown]] = []
    for type, row in page.rows:
        found = [Shown(f"{type}/{row.id}", row.body)] if row.id in whole and type == request.type else []
        for each in rows[type, row.id].get("contained", ()):
            id = str(each.get("id", ""))
            if (type, row.id) in inside.get(id, ()):
                found.append(Shown(f"{type}/{row.id}#{id}", encode(each)))
        matches.append(found)
    return matches


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
        one = structs.replace(request, conditions=(*request.conditions, Ids((inner,))), contained="true")
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
    alone = structs.replace(by_type[request.type], contained="false")
    return frozenset(await reading.ids_among(alone, own, request.type))
