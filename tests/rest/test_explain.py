"""`__explain=true` tells of every query that a search is made of, and of no value in it."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from fhir_server.interactions.context import RequestContext
from fhir_server.search.cost import COUNT_BUDGET
from fhir_server.store import cost
from tests.rest.conftest import observation, patient
from tests.rest.in_process import joined, opened, page, put, recorded

PEOPLE = 12


@pytest_asyncio.fixture
async def context(mongodb_uri: str, database_name: str) -> AsyncIterator[RequestContext]:
    async with opened(mongodb_uri, database_name) as context:
        for number in range(PEOPLE):
            await put(context, patient(id=f"p{number}", birthDate=f"19{50 + number}-01-01"))
            await put(context, observation(f"p{number}", id=f"o{number}"))
        yield context


def parts(explained: dict[str, Any], name: str) -> list[dict[str, Any]]:
    drawn = explained["part"] if "part" in explained else explained["parameter"]
    return [_values(each["part"]) for each in drawn if each["name"] == name]


def _values(drawn: list[dict[str, Any]]) -> dict[str, Any]:
    told = {each["name"]: value for each in drawn for key, value in each.items() if key.startswith("value")}
    return told | {"part": drawn}


def whole(explained: dict[str, Any]) -> dict[str, Any]:
    return _values(explained["parameter"])


@pytest.mark.parametrize(
    ("url", "reads", "type"),
    [
        ("Observation?patient.birthdate=1955-01-01", "ids", "Patient"),
        ("Patient?_has:Observation:patient:status=final", "tokens", "Observation"),
        ("Patient?_list=secret", "rows", "List"),
    ],
)
async def test_what_a_link_leads_to_is_told(context: RequestContext, url: str, reads: str, type: str) -> None:
    item = {"reference": "Patient/p1"}
    await put(
        context,
        {"resourceType": "List", "id": "secret", "status": "current", "mode": "working", "entry": [{"item": item}]},
    )
    told = await page(context, f"{url}&__explain=true")
    (link,) = parts(told, "link")
    assert (link["reads"], link["type"]) == (reads, type)
    assert link["returned"] >= 1
    assert len(parts(told, "query")) == 1
    assert whole(told)["keysExamined"] >= link["keysExamined"]
    for value in ("1955", "final", "secret"):
        assert value not in json.dumps(told)


async def test_a_join_is_told_with_its_links_which_are_not_run(
    context: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined(monkeypatch)
    url = "Observation?patient.birthdate=ge1950-01-01&__explain=true"
    told = await page(context, url)
    (join,) = parts(told, "join")
    assert (join["parameter"], join["references"]) == ("patient.birthdate", "to the links")
    (link,) = parts(join, "link")
    assert (link["type"], link["rowsOfType"]) == ("Patient", PEOPLE)
    assert "birthdate" in link["filter"]
    assert "keysExamined" not in link
    assert "1950" not in json.dumps(told)
    reverse = await page(context, "Patient?_has:Observation:patient:patient.birthdate=ge1950&__explain=true")
    (outer,) = parts(reverse, "join")
    assert outer["references"] == "from the links"
    assert len(parts(outer, "join")) == 1


async def test_a_count_is_explained_as_one(context: RequestContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "BUDGET", 5)
    url = "Observation?code:not=x&__explain=true"
    counted = await page(context, f"{url}&_summary=count")
    assert (whole(counted)["answered"], whole(counted)["budget"]) == (True, COUNT_BUDGET)
    assert (parts(counted, "query")[0]["returned"], parts(counted, "query")[0]["estimatedKeys"]) == (PEOPLE, PEOPLE)
    paged = await page(context, f"{url}&_sort=status")
    assert (whole(paged)["answered"], whole(paged)["budget"]) == (False, 5)


async def test_the_plan_told_is_the_one_that_runs(context: RequestContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "SMALL", 5)
    monkeypatch.setattr(cost, "_FEW", 6)
    url = "Patient?name=testpatient&birthdate=1955-01-01"
    told = await page(context, f"{url}&__explain=true")
    assert parts(told, "query")[0]["index"] == "dlo"
    commands = recorded(monkeypatch)
    await page(context, url)
    assert commands[-1]["hint"] == "dlo"


async def test_types_without_rows_are_named(context: RequestContext) -> None:
    told = await page(context, "?_type=Patient,Flag,Account&__explain=true")
    assert [each["type"] for each in parts(told, "query")] == ["Patient"]
    assert whole(told)["typesWithoutRows"] == "Account, Flag"
    nothing = await page(context, "?_type=Flag&__explain=true")
    assert parts(nothing, "query") == []
    assert whole(nothing)["typesWithoutRows"] == "Flag"
    alone = await page(context, "Flag?__explain=true")
    assert parts(alone, "query")[0]["rowsOfType"] == 0
