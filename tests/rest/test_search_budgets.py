"""What one search may spend in all, whatever it is made of: bytes, time, and the plans that keep both low.

https://hl7.org/fhir/R4/search.html
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from fhir_server.core.outcome import FhirError
from fhir_server.interactions.context import RequestContext
from fhir_server.store import allowance, cost, mongo
from tests.rest.bundles import next_link, places
from tests.rest.conftest import observation, patient
from tests.rest.in_process import joined, opened, page, put, recorded, rest

BODY = 30_000


@pytest_asyncio.fixture
async def context(mongodb_uri: str, database_name: str) -> AsyncIterator[RequestContext]:
    async with opened(mongodb_uri, database_name) as context:
        yield context


async def refused(context: RequestContext, url: str) -> FhirError:
    with pytest.raises(FhirError) as refused:
        await page(context, url)
    return refused.value


def large(type: str, id: str, **elements: Any) -> dict[str, Any]:
    """A person of BODY characters."""
    return {"resourceType": type, "id": id, "name": [{"family": "Large", "text": "a" * BODY}], **elements}


async def test_a_page_and_what_it_includes_share_one_limit_of_bytes(
    context: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        await put(context, large("Patient", f"p{number}"))
        await put(context, observation(f"p{number}", id=f"o{number}", note=[{"text": "b" * BODY}]))
    monkeypatch.setattr(allowance, "MAX_PAGE_BYTES", 8 * BODY)
    assert len(places(await page(context, "Observation?_count=5"))) == 5
    error = await refused(context, "Observation?_count=5&_include=Observation:patient")
    assert (error.status, error.issues[0].number) == (400, 4006)
    assert "_count" in error.issues[0].text
    assert error.issues[0].expression == "_count"
    fewer = await page(context, "Observation?_count=2&_include=Observation:patient")
    assert len(places(fewer, "include")) == 2


async def test_only_what_a_page_shows_counts(context: RequestContext, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(8):
        await put(context, large("Patient", f"p{number}", gender="male" if number % 4 == 3 else "female"))
        await put(context, large("Practitioner", f"p{number}"))
        await put(context, observation(f"p{number}", id=f"o{number}"))
    monkeypatch.setattr(allowance, "MAX_PAGE_BYTES", 5 * BODY)
    expected = {f"{type}/p{number}" for type in ("Patient", "Practitioner") for number in range(8)}
    first = await page(context, "?_type=Patient,Practitioner&_count=4")
    assert {*places(first), *await rest(context, first)} == expected
    joined(monkeypatch)
    chained = await page(context, "Patient?_has:Observation:patient:status=final&gender=male&_count=4")
    assert set(places(chained)) == {"Patient/p3", "Patient/p7"}
    error = await refused(context, "?_type=Patient,Practitioner&_count=8")
    assert "_count" in error.issues[0].text


async def test_all_reads_of_a_search_share_its_time(
    mongodb_uri: str, database_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(mongodb_uri, database_name, search_seconds=0.6) as context:
        await put(context, patient(id="p1"))
        await put(context, observation("p1", id="o1"))
        commands = recorded(monkeypatch)
        send = mongo._sent

        async def slow(database: Any, command: Any) -> Any:
            await asyncio.sleep(0.1)
            return await send(database, command)

        monkeypatch.setattr(mongo, "_sent", slow)
        asked = " or ".join(f"patient.family eq x{number}" for number in range(30))
        error = await refused(context, f"Observation?_filter={asked}")
        assert (error.status, error.issues[0].number) == (503, 5003)
        allowed = [command["maxTimeMS"] for command in commands if "find" in command]
        assert allowed[0] <= 600
        assert allowed == sorted(allowed, reverse=True)
        assert allowed[-1] < 300


async def test_a_join_stops_in_time_to_answer_what_it_found(
    mongodb_uri: str, database_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(mongodb_uri, database_name, search_seconds=1.2) as context:
        for number in range(30):
            await put(context, patient(id=f"p{number}"))
            await put(context, observation(f"p{number}", id=f"o{number}"))
        joined(monkeypatch)
        send = mongo._sent

        async def slow(database: Any, command: Any) -> Any:
            await asyncio.sleep(0.06)
            return await send(database, command)

        monkeypatch.setattr(mongo, "_sent", slow)
        first = await page(context, "Patient?_has:Observation:patient:status=final&_count=30")
        assert 0 < len(places(first)) < 30
        assert next_link(first)


COMMON = "name=testpatient&birthdate=2000-01-01"


@pytest.mark.parametrize(
    ("url", "is_joined"),
    [
        (f"Patient?{COMMON}&_count=2", False),
        (f"Patient?{COMMON}&_count=2&_sort=gender", False),
        (f"?_type=Patient,RelatedPerson&{COMMON}&_count=2", False),
        (f"Patient?{COMMON}&_has:Observation:patient:status=final&_count=2", True),
    ],
)
async def test_every_page_is_read_by_the_index_that_the_estimate_names(
    context: RequestContext, monkeypatch: pytest.MonkeyPatch, url: str, is_joined: bool
) -> None:
    for number in range(40):
        born = "2000-01-01" if number % 8 == 0 else f"{1950 + number}-01-01"
        await put(context, patient(id=f"p{number}", birthDate=born))
        await put(context, observation(f"p{number}", id=f"o{number}"))
    monkeypatch.setattr(cost, "SMALL", 30)
    monkeypatch.setattr(cost, "_FEW", 10)
    if is_joined:
        joined(monkeypatch)
    commands = recorded(monkeypatch)
    first = await page(context, url)
    together = places(first) + await rest(context, first)
    assert sorted(together) == sorted(f"Patient/p{number}" for number in range(0, 40, 8))
    pages = [each for each in commands if _is_page(each)]
    assert len(pages) >= 3
    assert {each.get("hint") for each in pages} == {"dlo"}


def _is_page(command: dict[str, Any]) -> bool:
    """Whether a command reads patients in an order, and not by their ids alone."""
    if command.get("find") == "Patient":
        return "_id" not in command["filter"]
    return command.get("aggregate") == "Patient" and any("$sort" in stage for stage in command["pipeline"])


PERSON = {"reference": "Patient/p1"}
FLAG = {"resourceType": "Flag", "status": "active", "code": {"text": "x"}, "subject": PERSON}
PROVENANCE = {
    "resourceType": "Provenance",
    "target": [PERSON],
    "recorded": "2026-01-01T00:00:00Z",
    "agent": [{"who": PERSON}],
}


@pytest.mark.parametrize(
    ("url", "new"),
    [
        ("?_type=Flag,List,Patient&_count=2", FLAG),
        ("?_count=2", FLAG),
        ("Patient?_revinclude=Provenance:target&_count=2", PROVENANCE),
        (
            "Patient?_filter=gender eq male or general-practitioner.name eq x&_count=2",
            {"resourceType": "Practitioner", "name": [{"family": "x"}]},
        ),
    ],
)
async def test_a_type_that_gets_its_first_resource_between_pages_changes_none(
    context: RequestContext, url: str, new: dict[str, Any]
) -> None:
    for number in range(6):
        await put(context, patient(id=f"p{number}", gender="male"))
    first = await page(context, url)
    await put(context, {**new, "id": "new"})
    for number in range(6):
        await put(context, patient(id=f"p{number}", gender="female"))
    together, following = places(first), next_link(first)
    while following:
        bundle = await page(context, following)
        assert all(each["resource"]["gender"] == "male" for each in bundle["entry"])
        together += places(bundle)
        following = next_link(bundle)
    assert sorted(together) == [f"Patient/p{number}" for number in range(6)]


@pytest.mark.parametrize("asked", ["_count=0", "_summary=count"])
async def test_a_rough_count_is_made_where_one_is_enough(
    context: RequestContext, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    for number in range(3):
        await put(context, patient(id=f"p{number}"))
    monkeypatch.setattr(cost, "SMALL", 1)
    monkeypatch.setattr(cost, "COUNT_BUDGET", 2)
    assert (await refused(context, f"Patient?{asked}&gender:missing=true")).issues[0].number == 4006
    assert (await page(context, f"Patient?{asked}&gender:missing=true&_total=estimate"))["total"] == 3
    assert (await refused(context, f"Patient?{asked}&_total=none")).issues[0].expression == "_total"
