"""Searches that read in parts: what each part sees, and where they stop.

https://hl7.org/fhir/R4/search.html#chaining, https://hl7.org/fhir/R4/http.html#paging
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from fhir_server.core.outcome import FhirError
from fhir_server.interactions import delete, includes, joins
from fhir_server.interactions.context import RequestContext
from fhir_server.store import search as stored
from tests.rest.bundles import next_link, places
from tests.rest.conftest import observation, patient
from tests.rest.in_process import joined, opened, page, put, rest

PEOPLE = 30


@pytest_asyncio.fixture
async def context(mongodb_uri: str, database_name: str) -> AsyncIterator[RequestContext]:
    """Over a database with PEOPLE patients and an observation of each third."""
    async with opened(mongodb_uri, database_name) as context:
        for number in range(PEOPLE):
            await put(context, patient(id=f"p{number}", gender="female" if number % 2 else "male"))
            if number % 3 == 0:
                await put(context, observation(f"p{number}", id=f"b{number}", effectiveDateTime="2020-01-01"))
        yield context


JOINED = {
    "Observation?patient.gender=male": {f"Observation/b{n}" for n in range(0, PEOPLE, 6)},
    "Patient?_has:Observation:patient:status=final": {f"Patient/p{n}" for n in range(0, PEOPLE, 3)},
    "Patient?_has:Observation:patient:patient.gender=female": {f"Patient/p{n}" for n in range(3, PEOPLE, 6)},
    "Observation?patient._has:Observation:patient:status=final": {f"Observation/b{n}" for n in range(0, PEOPLE, 3)},
    "Observation?patient.gender=male&patient._has:Observation:patient:status=final": {
        f"Observation/b{n}" for n in range(0, PEOPLE, 6)
    },
    "Observation?patient.gender=male&patient.gender=female": set(),
}


@pytest.mark.parametrize("url", JOINED)
@pytest.mark.parametrize("order", ["", "&_sort=-_id", "&_sort=_lastUpdated"])
async def test_a_joined_search_finds_what_a_resolved_one_does(
    context: RequestContext, monkeypatch: pytest.MonkeyPatch, url: str, order: str
) -> None:
    resolved = await page(context, url + order)
    assert set(places(resolved)) == JOINED[url]
    joined(monkeypatch)
    first = await page(context, f"{url}{order}&_count=2")
    assert places(first) + await rest(context, first) == places(resolved)
    counted = await page(context, f"{url}&_summary=count")
    assert counted["total"] == len(JOINED[url])


async def test_a_join_that_finds_nothing_for_long_is_refused_by_its_name(
    context: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        await put(context, patient(id=f"late{number}", birthDate="1901-01-01"))
    joined(monkeypatch)
    monkeypatch.setattr(joins, "SCAN_BUDGET", 8)
    with pytest.raises(FhirError) as refused:
        await page(context, "Observation?patient.birthdate=1901")
    (issue,) = refused.value.issues
    assert issue.code == "too-costly"
    assert issue.expression == "patient.birthdate"
    assert "another parameter of Patient" in issue.text
    with pytest.raises(FhirError) as uncounted:
        await page(context, "Observation?patient.gender=male&_summary=count")
    assert "count" in uncounted.value.issues[0].text


async def test_a_page_that_runs_out_of_budget_goes_on_with_the_next(
    context: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined(monkeypatch)
    monkeypatch.setattr(joins, "SCAN_BUDGET", 8)
    first = await page(context, "Patient?_has:Observation:patient:status=final&_count=8")
    assert 0 < len(places(first)) < 8
    together = places(first) + await rest(context, first)
    assert set(together) == JOINED["Patient?_has:Observation:patient:status=final"]
    assert len(together) == len(set(together))


async def test_a_link_inside_an_or_is_never_joined(context: RequestContext, monkeypatch: pytest.MonkeyPatch) -> None:
    url = "Observation?_filter=patient.gender eq male or status eq amended"
    assert set(places(await page(context, url))) == JOINED["Observation?patient.gender=male"]
    joined(monkeypatch)
    with pytest.raises(FhirError) as refused:
        await page(context, url)
    assert refused.value.issues[0].code == "too-costly"


@pytest.mark.parametrize("is_joined", [False, True])
async def test_later_pages_of_a_chain_see_what_the_first_saw(
    context: RequestContext, monkeypatch: pytest.MonkeyPatch, is_joined: bool
) -> None:
    if is_joined:
        joined(monkeypatch)
    url = "Observation?patient.gender=male&_include=Observation:patient&_count=2"
    first = await page(context, url)
    for number in range(0, PEOPLE, 3):
        await put(context, patient(id=f"p{number}", gender="female" if number % 2 == 0 else "male"))
    await delete.delete(context, "Observation", "b12")
    await put(context, observation("p1", id="b6", effectiveDateTime="2021-01-01"))
    await put(context, observation("p2", id="new", effectiveDateTime="2021-01-01"))
    following, together, included = first, places(first), places(first, "include")
    while link := next_link(following):
        following = await page(context, link)
        together += places(following)
        assert all(
            each["resource"]["gender"] == "male" for each in following["entry"] if each["search"]["mode"] == "include"
        )
        included += places(following, "include")
    assert set(together) == JOINED["Observation?patient.gender=male"]
    assert len(together) == len(set(together))
    assert set(included) == {f"Patient/p{n}" for n in range(0, PEOPLE, 6)}


async def test_pages_go_on_below_a_ceiling_where_the_snapshot_is_gone(
    context: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await page(context, "Observation?patient.gender=male,female&_count=3")
    find = stored.find

    async def forgetful(database: Any, query: Any, at: Any = None, allowance: Any = None) -> Any:
        if isinstance(at, tuple):
            raise stored.SnapshotGone
        return await find(database, query, at, allowance)

    monkeypatch.setattr(stored, "find", forgetful)
    await put(context, observation("p2", id="new"))
    together = places(first) + await rest(context, first)
    assert sorted(together) == sorted(f"Observation/b{n}" for n in range(0, PEOPLE, 3))


async def test_a_page_that_would_include_too_much_is_refused(
    context: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(includes, "MAX_INCLUDED", 5)
    assert len(places(await page(context, "Observation?_count=5&_include=Observation:patient"), "include")) == 5
    for url in ("Observation?_include=Observation:patient", "Patient?_revinclude=Observation:patient"):
        with pytest.raises(FhirError) as refused:
            await page(context, url)
        assert "_count" in refused.value.issues[0].text
