"""What a caller's reach costs: an index leads to the caller's own rows, and nothing tells how many others there are.

https://www.mongodb.com/docs/manual/reference/explain-results/, docs/adr/0014-access-inside-the-query.md
"""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from fhir_server.core.instant import now
from fhir_server.core.outcome import FhirError
from fhir_server.definitions.unreleased import RESULT
from fhir_server.interactions import read, search
from fhir_server.interactions.context import RequestContext
from fhir_server.interactions.narrow import narrow
from fhir_server.interactions.reading import Reading
from fhir_server.search.parse import parse
from fhir_server.search.request import Reach, Visible
from fhir_server.store import history as stored_history
from fhir_server.store import mongo
from fhir_server.store.explain import explain
from tests.rest.conftest import observation, patient
from tests.rest.in_process import opened, put, recorded
from tests.rest.narrowing import (
    LABORATORY,
    category,
    found,
    get,
    of_patient,
    practitioner,
    records,
)


@pytest_asyncio.fixture(scope="module")
async def context(mongodb_uri: str) -> AsyncIterator[RequestContext]:
    name = "test_narrowing_cost"
    async with records(mongodb_uri, name) as context:
        yield context
        await context.server.database.client.drop_database(name)


RELEASED = {"labels": {"$nin": [RESULT]}}
"""A result is the patient's once it is final."""


async def test_a_read_by_a_patient_is_one_query_with_one_more_equality(
    context: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []
    collection = context.server.database.collections["Observation"]
    find_one = collection.find_one

    async def noted(filter: dict[str, Any], *others: Any, **more: Any) -> Any:
        asked.append(filter)
        return await find_one(filter, *others, **more)

    monkeypatch.setattr(type(collection), "find_one", lambda _, *given, **more: noted(*given, **more))
    await read.read(of_patient(context, "a"), "Observation", "a-laboratory")
    assert asked == [{"_id": "a-laboratory", "owners": "a", **RELEASED}]


async def test_a_search_by_a_patient_is_one_query_led_by_its_own_rows(
    context: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = recorded(monkeypatch)
    await found(of_patient(context, "a"), "Observation?code=8302-2")
    (command,) = commands
    assert command["filter"] == {"pt": "a|code|8302-2|", **RELEASED}
    assert command["hint"] == "pt"


async def test_a_refused_search_tells_no_number_of_rows_that_are_not_the_callers(
    context: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fhir_server.store.cost.SMALL", 0)
    monkeypatch.setattr("fhir_server.store.cost.BUDGET", 0)
    monkeypatch.setattr("fhir_server.search.cost.BUDGET", 0)
    many = practitioner(context, "a", *(f"other-{number}" for number in range(1000)))
    with pytest.raises(FhirError) as error:
        await search.search(many, "Observation", [("value-string:contains", "told")])
    words = error.value.issues[0].text
    assert "too many" in words
    assert not any(character in "123456789" for character in words)


OWN_ROWS = 60


LED = {
    # The query, and how many rows of a patient it finds.
    "Observation?_count=20": 20,
    "Observation?code=http://loinc.org|1&_count=50": 6,
    "Observation?code=http://loinc.org|1&date=ge2020-01-01&_count=50": 6,
    "Observation?category=laboratory&_count=20": 20,
    "Observation?date=ge2024-02-01&_count=20": 20,
    "Observation?patient={id}&code=http://loinc.org|1&_count=50": 6,
    "Observation?patient=p2&_count=50": 0,
    "Observation?code=http://loinc.org|1&_sort=-date&_count=50": 6,
    "Observation?_sort=-_lastUpdated&_count=20": 20,
    "Patient?name=family": 1,
}


@pytest_asyncio.fixture(scope="module")
async def crowded(mongodb_uri: str) -> AsyncIterator[RequestContext]:
    """Three patients with OWN_ROWS observations each."""
    name = "test_narrowing_crowded"
    async with opened(mongodb_uri, name) as context:
        for id in ("p1", "p2", "p3"):
            await put(context, patient(id=id, name=[{"family": "Family"}]))
            for number in range(OWN_ROWS):
                code = {"coding": [{"system": "http://loinc.org", "code": str(number % 10)}]}
                date = f"2024-{number // 10 + 1:02}-{number % 10 + 1:02}"
                shown = {"category": category("laboratory"), "code": code, "effectiveDateTime": date}
                await put(context, observation(id, id=f"{id}-{number}", **shown))
        yield context
        await context.server.database.client.drop_database(name)


@pytest.mark.parametrize("url", LED)
@pytest.mark.parametrize("granular", [False, True])
async def test_a_patients_search_reads_its_own_rows_in_their_order(
    crowded: RequestContext, url: str, granular: bool
) -> None:
    scopes = ("patient/Patient.rs", f"patient/Observation.rs{f'?category={LABORATORY}' if granular else ''}")
    caller = of_patient(crowded, "p1", *scopes)
    type, _, query = url.replace("{id}", "p1").partition("?")
    pairs = [(name, value) for name, _, value in (each.partition("=") for each in query.split("&"))]
    request = parse(type, pairs, False, caller.own_bases, caller.parameter_set)
    reading = Reading(caller, now())
    told = await explain(crowded.server.database, reading.plan(narrow(caller, request)))
    # One row more than the page tells whether another follows.
    assert told.returned in (LED[url], LED[url] + 1)
    assert told.keys <= 3 * max(told.returned, 1)
    assert told.documents <= max(told.returned, 1)
    assert not told.in_memory_sort


async def test_a_patients_history_reads_its_own_versions_alone(crowded: RequestContext) -> None:
    database = crowded.server.database
    await put(crowded, observation("p1", id="p1-0", valueString="changed"))
    await put(crowded, observation("p3", id="p3-0", valueString="changed"))
    commands: list[Any] = [
        {"aggregate": name, "pipeline": [{"$match": filter}], "cursor": {}}
        for name, filter in stored_history._selections("Observation", Visible((Reach(("p1",)),)))
    ]
    for command in commands:
        reply = await mongo.explained(database, command, True)
        stats = reply.get("executionStats") or reply["stages"][0]["$cursor"]["executionStats"]
        assert 0 < stats["totalDocsExamined"] <= OWN_ROWS
        assert stats["totalKeysExamined"] <= OWN_ROWS + 3


async def test_a_practitioner_of_10_000_patients_can_ask_for_everything(context: RequestContext) -> None:
    many = practitioner(context, "a", *(f"other-patient-with-a-long-id-{number:036}"[:64] for number in range(9_999)))
    own = {"Observation/a-laboratory", "Observation/a-vital-signs", "Patient/a", "List/a-list", "Appointment/visit"}
    shared = {"Practitioner/dr", "Organization/org", "Medication/pill"}
    assert own | shared <= await found(many, "?_count=50")
    listed = await get(many, "_history?_count=50")
    told = msgspec.json.encode(listed).decode()
    assert "first of a" in told and "of b" not in told
    assert (await get(many, "_history?_count=0"))["total"] == len(listed["entry"])
    assert await found(many, "Observation?patient.name=family&_include=*&_revinclude=*", "include") >= {"Patient/a"}
