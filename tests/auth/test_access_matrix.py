"""Every route, by every kind of caller, on every kind of record: what comes of it stands in tables, not in the code
that is tested. A route that joins `routes.TABLE` fails here until the matrix knows it.

https://hl7.org/fhir/R4/security.html#authorization
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from fhir_server.rest.routes import TABLE
from tests.auth.matrix import ROUTES, Matrix
from tests.auth.matrix_expectations import CALLERS, CREATES, DELETES, PATCHES, SIGHT, SUBJECTS, UPDATES
from tests.auth.matrix_records import content, read_type, stored_to_write, subject_of, written_type
from tests.auth.matrix_requests import REQUESTS
from tests.auth.two_worlds import Sent
from tests.rest.writers import entry

Outcome = int | str
"""A status, or for what lists resources and answers 200: whether the record is `listed` or `not listed`."""

_UNSEEN: Mapping[str, Outcome] = {"U": 401, "F": 403, "-": 404}
READ: Mapping[str, Outcome] = {**_UNSEEN, "S": 200, "G": 410, "1": 404, "2": 200}
FIRST: Mapping[str, Outcome] = {**_UNSEEN, "S": 200, "G": 200, "1": 200, "2": 404}
HISTORY: Mapping[str, Outcome] = {**_UNSEEN, "S": 200, "G": 200, "1": 200, "2": 200}
FOUND: Mapping[str, Outcome] = {
    "U": 401,
    "F": 403,
    "S": "listed",
    "G": "not listed",
    "1": "not listed",
    "2": "listed",
    "-": "not listed",
}
KEPT: Mapping[str, Outcome] = {**FOUND, "G": "listed", "1": "listed"}
KEPT_ANYWHERE: Mapping[str, Outcome] = {**KEPT, "F": "not listed"}
WRITTEN: Mapping[str, Outcome] = {**_UNSEEN, "G": 410, "W": "written", "K": 422}
BY_CONDITION: Mapping[str, Outcome] = {**WRITTEN, "G": 404}

_PATCH = [{"op": "add", "path": "/language", "value": "en"}]
_JSON_PATCH = {"content-type": "application/json-patch+json"}


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read a record, and what is told by how it is seen."""

    ask: Callable[[str, str, str], Sent]  # of type, id and subject
    told: Mapping[str, Outcome]


def _get(url: str) -> Callable[[str, str, str], Sent]:
    return lambda type, id, subject: Sent("GET", url.format(type=type, id=id, subject=subject))


def _form(url: str, form: str) -> Callable[[str, str, str], Sent]:
    return lambda type, id, subject: Sent(
        "POST", url.format(type=type, id=id, subject=subject), form=form.format(type=type, id=id)
    )


def _bundled(kind: str) -> Callable[[str, str, str], Sent]:
    return lambda type, id, subject: Sent(
        "POST", "", {"resourceType": "Bundle", "type": kind, "entry": [entry("GET", f"{type}/{id}")]}
    )


READINGS: Mapping[tuple[str, str], list[Reading]] = {
    ("/{type:type}/{id:name}", "GET"): [Reading(_get("{type}/{id}"), READ)],
    ("/{type:type}/{id:name}/_history", "GET"): [Reading(_get("{type}/{id}/_history"), HISTORY)],
    ("/{type:type}/{id:name}/_history/{version:name}", "GET"): [Reading(_get("{type}/{id}/_history/1"), FIRST)],
    ("/{type:type}", "GET"): [
        Reading(_get("{type}?_id={id}"), FOUND),
        Reading(_get("{type}?_count=100"), FOUND),
    ],
    ("/{type:type}/_search", "POST"): [Reading(_form("{type}/_search", "_id={id}"), FOUND)],
    ("", "GET"): [Reading(_get("?_type={type}&_id={id}"), FOUND)],
    ("/", "GET"): [Reading(_get("./?_type={type}"), FOUND)],
    ("/_search", "POST"): [Reading(_form("_search", "_type={type}&_id={id}"), FOUND)],
    ("/{type:type}/{id:name}/{inner:name}", "GET"): [Reading(_get("{subject}/{type}"), FOUND)],
    ("/{type:type}/{id:name}/{inner:name}/_search", "POST"): [
        Reading(_form("{subject}/{type}/_search", "_id={id}"), FOUND)
    ],
    ("/{type:type}/{id:name}/_search", "POST"): [Reading(_form("{subject}/_search", "_type={type}"), FOUND)],
    ("/{type:type}/_history", "GET"): [Reading(_get("{type}/_history?_count=100"), KEPT)],
    ("/_history", "GET"): [Reading(_get("_history?_count=100"), KEPT_ANYWHERE)],
    ("", "POST"): [
        Reading(_bundled("batch"), {letter: 401 if letter == "U" else f"{told} in it" for letter, told in READ.items()})
    ],
    ("/", "POST"): [
        Reading(
            _bundled("transaction"),
            {letter: told if letter in "UF" else f"{told} in it" for letter, told in READ.items()},
        )
    ],
}
"""The ways to read, by path and method."""

_IN_COMPARTMENT = re.compile(r"\{inner:name\}|\{id:name\}/_search")


@dataclass(frozen=True, slots=True)
class Writing:
    """One way to write a record, with its table and what is told by its letters; `ask` takes what is to be written."""

    ask: Callable[[dict[str, Any]], Sent]
    table: Mapping[str, Mapping[str, str]]
    told: Mapping[str, Outcome] = field(default_factory=lambda: WRITTEN)


def _place(resource: dict[str, Any]) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def _by_id(resource: dict[str, Any]) -> str:
    return f"{resource['resourceType']}?_id={resource['id']}"


def _without_id(resource: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in resource.items() if name != "id"}


def _transaction(made: Callable[[dict[str, Any]], dict[str, Any]], type: str = "transaction") -> Callable[..., Sent]:
    return lambda resource: Sent("POST", "", {"resourceType": "Bundle", "type": type, "entry": [made(resource)]})


# A conditional delete that finds nothing has nothing to do; whether something is gone is looked at behind the server.
_NOTHING_FOUND = {**WRITTEN, "-": 204, "G": 204}

WRITINGS: Mapping[tuple[str, str], list[Writing]] = {
    ("/{type:type}", "POST"): [
        Writing(lambda sent: Sent("POST", sent["resourceType"], _without_id(sent)), CREATES),
        Writing(
            lambda sent: Sent(
                "POST", sent["resourceType"], _without_id(sent), {"if-none-exist": "_id=never-there-either"}
            ),
            CREATES,
        ),
    ],
    ("/{type:type}/{id:name}", "PUT"): [
        Writing(lambda sent: Sent("PUT", _place(sent), sent), UPDATES),
        Writing(_transaction(lambda sent: entry("PUT", _place(sent), sent)), UPDATES),
    ],
    ("/{type:type}", "PUT"): [Writing(lambda sent: Sent("PUT", _by_id(sent), sent), UPDATES)],
    ("/{type:type}/{id:name}", "PATCH"): [
        Writing(lambda sent: Sent("PATCH", _place(sent), _PATCH, _JSON_PATCH), PATCHES)
    ],
    ("/{type:type}", "PATCH"): [
        Writing(lambda sent: Sent("PATCH", _by_id(sent), _PATCH, _JSON_PATCH), PATCHES, BY_CONDITION)
    ],
    ("/{type:type}/{id:name}", "DELETE"): [
        Writing(lambda sent: Sent("DELETE", _place(sent)), DELETES),
        Writing(_transaction(lambda sent: entry("DELETE", _place(sent))), DELETES),
    ],
    ("/{type:type}", "DELETE"): [Writing(lambda sent: Sent("DELETE", _by_id(sent)), DELETES, _NOTHING_FOUND)],
}
"""The ways to write, by path and method."""

OPEN = {("/metadata", "GET")}
UNKNOWN = {
    (f"{path}/${{operation}}", method)
    for path in ("", "/{type:type}", "/{type:type}/{id:name}")
    for method in ("GET", "POST")
}
"""Operations: there is none yet; one that comes leaves this set for a row of its own."""


def told(response: httpx.Response, place: str) -> Outcome:
    """The status; of what lists resources whether it lists the record, of a Bundle that was run what its entry says."""
    if response.status_code != 200:
        return response.status_code
    body = response.json()
    if body["resourceType"] != "Bundle" or (body["type"] == "history" and "_history" in _path_below(response, place)):
        return 200
    if body["type"].endswith("-response"):
        return f"{int(body['entry'][0]['response']['status'][:3])} in it"
    listed = {each["fullUrl"].partition("/fhir/")[2] for each in body.get("entry", ())}
    return "listed" if place in listed else "not listed"


def _path_below(response: httpx.Response, place: str) -> str:
    """What follows the record in the path, where the path names it."""
    return response.request.url.path.partition(f"/fhir/{place}/")[2]


def test_every_route_is_in_the_matrix() -> None:
    known = {*READINGS, *WRITINGS, *OPEN, *UNKNOWN}
    assert known == set(REQUESTS) == {(path, method) for path, method in ROUTES if method != "HEAD"}


def test_every_caller_has_its_row_in_every_table() -> None:
    assert all(set(table) == set(CALLERS) for table in (SIGHT, CREATES, UPDATES, PATCHES, DELETES))


@pytest.mark.parametrize("who", CALLERS)
async def test_each_reads_what_the_table_says(matrix: Matrix, who: str) -> None:
    wrong = []
    for (path, method), ways in READINGS.items():
        for record, letter in SIGHT[who].items():
            type = read_type(record)
            if _IN_COMPARTMENT.search(path) and (type != "Observation" or record == "nobodys"):
                continue
            for way in ways:
                subject = "Patient/ben" if record == "moved" and letter in "S2" else subject_of(record)
                response = await matrix.answer(who, way.ask(type, record, subject))
                outcome = told(response, f"{type}/{record}")
                if outcome != way.told[letter]:
                    wrong.append(f"{record} by {method} {path}: {outcome} and not {way.told[letter]}")
    assert not wrong, wrong


@pytest.mark.parametrize("who", CALLERS)
async def test_each_writes_what_the_table_says(matrix: Matrix, who: str) -> None:
    wrong = []
    for (path, method), ways in WRITINGS.items():
        for way in ways:
            for record, letter in way.table[who].items():
                outcome, expected = await _written(matrix, who, way, record, letter), way.told[letter]
                if outcome != expected:
                    wrong.append(f"{record} by {method} {path}: {outcome} and not {expected}")
    assert not wrong, wrong


async def _written(matrix: Matrix, who: str, way: Writing, record: str, letter: str) -> Outcome:
    """The status, or `written` where the record is another afterwards."""
    creates = way.table is CREATES
    id = "new" if creates else await _one_to_write(matrix, record)
    subject = subject_of(record) if creates else f"Patient/{SUBJECTS.get(who, 'anna')}"
    before = await _state(matrix, record, None if creates else id)
    answer = await matrix.answer(who, way.ask(content(record, id, subject)))
    after = await _state(matrix, record, None if creates else id)
    if before != after:
        # Whoever comes next meets such a record as it was.
        matrix.fresh.pop(record, None)
    if answer.status_code >= 300:
        assert before == after, (who, record, answer.text)
        return answer.status_code
    is_gone_already = letter == "W" and way.table is DELETES and record in ("deleted", "missing")
    return "written" if before != after or is_gone_already else answer.status_code


async def _one_to_write(matrix: Matrix, record: str) -> str:
    """The id of a record of that kind that nobody has changed yet."""
    id = matrix.fresh.get(record)
    if id is None:
        id = matrix.fresh[record] = f"w{next(matrix.numbers)}"
        await stored_to_write(matrix.operator, record, id)
    return id


async def _state(matrix: Matrix, record: str, id: str | None) -> int:
    """The version of a record, or how many of its type there are."""
    collection = matrix.operator.server.database.handle[written_type(record)]
    if id is None:
        return int(await collection.count_documents({}))
    row = await collection.find_one({"_id": id}, {"version": 1})
    return 0 if row is None else int(row["version"])


@pytest.mark.parametrize(("path", "method"), sorted(ROUTES | {(path, "PROPFIND") for path, _ in TABLE}))
async def test_without_a_token_every_route_but_the_statement_is_a_401(matrix: Matrix, path: str, method: str) -> None:
    names = {"{type:type}": "Observation", "{id:name}": "own", "{inner:name}": "Condition", "{version:name}": "1"}
    for name, value in {**names, "{operation}": "everything"}.items():
        path = path.replace(name, value)
    response = await matrix.api.request(method, f"http://localhost:8080/fhir{path}")
    assert response.status_code == (200 if path == "/metadata" and method in ("GET", "HEAD") else 401)
