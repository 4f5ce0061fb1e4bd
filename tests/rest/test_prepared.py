"""A search asked again is run as it was prepared, by whoever it was prepared for and by nobody else."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from msgspec import structs

from fhir_server.core.outcome import FhirError
from fhir_server.core.trail import Trail
from fhir_server.definitions.parameter_set import InForce, ParameterSet
from fhir_server.interactions import prepared, search
from fhir_server.interactions.context import RequestContext
from fhir_server.policy import Sight
from smart_auth.access import AccessContext
from tests.rest.access import scopes
from tests.rest.bundles import places
from tests.rest.conftest import observation, patient
from tests.rest.in_process import opened, page, put

SSN = "http://hl7.org/fhir/sid/us-ssn"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def operator(mongodb_uri: str) -> AsyncIterator[RequestContext]:
    name = f"test_{uuid4().hex[:16]}"
    async with opened(mongodb_uri, name) as context:
        for id in ("a", "b"):
            await put(context, patient(id=id, identifier=[{"system": SSN, "value": f"900-00-000{ord(id) - 96}"}]))
            for number in range(3):
                await put(context, observation(id, id=f"{id}{number}"))
        yield context
        await context.server.database.client.drop_database(name)


def of(context: RequestContext, access: AccessContext) -> RequestContext:
    return structs.replace(context, sight=Sight(access), trail=Trail())


def of_patient(context: RequestContext, id: str) -> RequestContext:
    return of(
        context, AccessContext(f"account-{id}", "app", "patient", scopes("patient/*.rs"), patients=(id,), patient=id)
    )


def never_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> None:
        raise AssertionError("the search was read again")

    monkeypatch.setattr(search, "parse", refused)


async def test_a_search_asked_again_is_answered_alike_and_not_read_again(
    operator: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = of_patient(operator, "a")
    first = await page(asked, "Observation?_sort=-date&_count=2&_elements=status")
    never_read(monkeypatch)
    again = await page(asked, "Observation?_sort=-date&_count=2&_elements=status")
    links, entries = first.pop("link"), first.pop("entry")
    assert [link["relation"] for link in again.pop("link")] == [link["relation"] for link in links] == ["self", "next"]
    assert again.pop("entry") == entries
    assert again == first
    assert asked.trail.accesses[0] == asked.trail.accesses[1]


async def test_what_is_new_since_is_found(operator: RequestContext) -> None:
    asked = of_patient(operator, "b")
    before = places(await page(asked, "Observation?subject=Patient/b"))
    await put(operator, observation("b", id="b-new"))
    assert set(places(await page(asked, "Observation?subject=Patient/b"))) == {*before, "Observation/b-new"}


async def test_the_same_words_of_another_caller_find_the_others_rows(operator: RequestContext) -> None:
    for id in ("a", "b", "a"):
        found = places(await page(of_patient(operator, id), "Observation?status=final"))
        assert found
        assert all(place.startswith(f"Observation/{id}") for place in found)


async def test_one_who_may_see_numbers_prepares_nothing_for_one_who_may_not(operator: RequestContext) -> None:
    url = f"Patient?identifier={SSN}|900-00-0001"
    granted = scopes("system/*.rs")
    entitled = of(operator, AccessContext("feed", "feed", "system", granted, may_see_ssn=True))
    for context in (operator, entitled):
        assert places(await page(context, url)) == ["Patient/a"]
    with pytest.raises(FhirError) as refused:
        await page(of(operator, AccessContext("other", "other", "system", granted)), url)
    assert refused.value.status == 403


async def test_what_may_be_searched_by_is_looked_at_anew_when_it_changes(
    operator: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "Observation?_count=3"
    await page(operator, url)
    server = operator.server
    for changed in (InForce(searched=ParameterSet(1)), InForce(searched=ParameterSet(1, pending={("X", "y"): "z"}))):
        other = structs.replace(operator, server=replace(server, parameters=changed))
        assert prepared.asked_before(other, "Observation", (("_count", "3"),), False) is None
    never_read(monkeypatch)
    await page(operator, url)


async def test_a_strict_client_is_refused_what_a_lenient_one_was_not(operator: RequestContext) -> None:
    lenient = structs.replace(operator, lenient=True)
    for _ in range(2):
        assert (await page(lenient, "Observation?_sort=date&unknown=1"))["entry"]
        with pytest.raises(FhirError) as refused:
            await page(operator, "Observation?_sort=date&unknown=1")
        assert refused.value.status == 400


@pytest.mark.parametrize(
    "pairs",
    [
        (("date", "ap2026-01-01"),),
        (("subject:Patient.name", "x"),),
        (("__explain", "true"),),
        (("code", "x" * prepared.MOST_CHARACTERS),),
    ],
    ids=["measured from now", "a chain", "an explanation", "a long one"],
)
async def test_what_hangs_on_more_than_its_words_is_read_each_time(
    operator: RequestContext, pairs: tuple[tuple[str, str], ...]
) -> None:
    await search.search(operator, "Observation", pairs)
    assert prepared.asked_before(operator, "Observation", pairs, False) is None


async def test_a_clinicians_search_follows_whom_they_care_for(operator: RequestContext) -> None:
    access = AccessContext("dr", "app", "practitioner", scopes("user/*.rs"), fhir_user="Practitioner/dr")
    for related in ("a", "b"):
        context = structs.replace(operator, sight=Sight(access, frozenset({related})), trail=Trail())
        found = places(await page(context, "Observation?status=final"))
        assert found
        assert all(place.startswith(f"Observation/{related}") for place in found)


async def test_few_enough_are_kept(operator: RequestContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared, "MOST", 3)
    for count in range(1, 9):
        await page(operator, f"Observation?_count={count}")
    assert 1 <= len(prepared._kept) <= 3
