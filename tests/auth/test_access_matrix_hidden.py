"""Every route, by every kind of caller, on a record that is not theirs: as if there were none, and it is as it was
afterwards. What is asked stands in matrix_requests.py.

https://hl7.org/fhir/R4/security.html#authorization
"""

import re

import httpx
import msgspec
import pytest

from fhir_server.interactions import history
from tests.auth.matrix import Matrix
from tests.auth.matrix_expectations import CALLERS, SIGHT
from tests.auth.matrix_records import SECRET, read_type
from tests.auth.matrix_requests import REQUESTS, Request, asked
from tests.rest.access import as_bearer

MISSING = "never-there"
RECORDS = ("foreign", "nobodys", "denied", "gone", "others-message")
HIDDEN = {"Patient/ben": "foreign", **{f"{read_type(record)}/{record}": record for record in RECORDS}}
"""What is not everybody's to see, by the record of the tables that is seen by the same callers."""

ASKED_ALL = {"patient", "account", "relative", "treating", "launched", "for-one"}
"""The others, who see next to nothing, are asked for less."""

_CHANGING: tuple[tuple[str, str], ...] = (
    # What differs between any two answers to the same request.
    (r'"(?:id|lastUpdated|lastModified)":"[^"]*"', '"…"'),
    (r"Request id: [0-9a-f]+\.", "Request id."),
    (r"_cursor=[\w-]+", "_cursor"),
    (r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", "<new>"),
)


def told(response: httpx.Response, id: str) -> tuple[int, str, dict[str, str]]:
    """Status, body and headers without what names the resource asked for."""
    text = response.text
    for pattern, mark in _CHANGING:
        text = re.sub(pattern, mark, text)
    told_headers = ("etag", "last-modified", "location", "content-location", "allow")
    headers = {name: response.headers[name] for name in told_headers if name in response.headers}
    if response.status_code == 201:
        headers = {}
    # A word of its own, also after an escaped blank or slash.
    return response.status_code, re.sub(rf"(?:(?<![\w-])|(?<=%2[0F])){id}(?![\w-])", "<id>", text), headers


CASES = [(route, method, request) for (route, method), some in REQUESTS.items() for request in some]


async def answer(matrix: Matrix, bearer: str, request: Request, type: str, id: str) -> tuple[int, str, dict[str, str]]:
    """What a caller is told of one resource."""
    sent = asked(request, type, id)
    sent["headers"] |= as_bearer(bearer)
    return told(await matrix.api.request(**sent), id)


def hidden_from(who: str) -> list[str]:
    """The places of records that are not the caller's to see."""
    return [place for place, record in HIDDEN.items() if SIGHT[who][record] in "-F"]


ASKED = [
    (who, place)
    for who, access in CALLERS.items()
    if access is not None
    for place in (hidden_from(who) if who in ASKED_ALL else hidden_from(who)[:2])
]


@pytest.mark.parametrize(("who", "place"), ASKED)
async def test_a_record_that_is_not_the_callers_is_as_one_that_never_was(matrix: Matrix, who: str, place: str) -> None:
    type, _, id = place.partition("/")
    for number, (route, method, request) in enumerate(CASES):
        theirs = await answer(matrix, who, request, type, id)
        key = (who, type, number)
        if key not in matrix.missing:
            matrix.missing[key] = await answer(matrix, who, request, type, MISSING)
        where = f"{method} {route} by {who}: {request}"
        assert SECRET not in theirs[1], where
        assert theirs[0] < 500, (where, theirs[1])
        assert theirs == matrix.missing[key], where


@pytest.mark.parametrize("who", [who for who, access in CALLERS.items() if access is not None])
@pytest.mark.parametrize("url", ["Observation/_history", "_history", "Patient/_history", "?_count=1", "Observation"])
async def test_no_listing_tells_of_others(matrix: Matrix, who: str, url: str) -> None:
    following: str | None = url
    seen: set[str] = set()
    while following:
        answer = await matrix.api.get(following, headers=as_bearer(who))
        body = answer.json()
        if answer.status_code != 200:
            assert answer.status_code == 403
            return
        seen |= {entry["fullUrl"].rpartition("/fhir/")[2] for entry in body.get("entry", ())}
        following = next((link["url"] for link in body["link"] if link["relation"] == "next"), None)
    assert seen.isdisjoint(hidden_from(who))


async def test_what_others_asked_of_it_has_changed_nothing(matrix: Matrix) -> None:
    for place in HIDDEN:
        type, _, id = place.partition("/")
        versions = await history.of_instance(matrix.operator, type, id, ())
        assert versions.body is not None
        assert msgspec.json.decode(versions.body)["total"] == (2 if id == "gone" else 1), place
