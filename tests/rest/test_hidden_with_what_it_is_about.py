"""A Provenance, a Task, a Binary is hidden with what it is about: it would tell that this is there, and of what kind.

docs/adr/0031-what-is-about-a-hidden-resource-is-hidden.md
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from fhir_server.care.proxies import ACT_CODE
from fhir_server.definitions.parameter_set import STANDARD
from fhir_server.interactions import transaction
from fhir_server.interactions.context import RequestContext
from fhir_server.store import reindex
from fhir_server.store.reindex import Progress, Work
from fhir_server.store.rows import indexed_by
from tests.rest.families import as_ana, stored_family, told
from tests.rest.in_process import BASE, opened, put
from tests.rest.narrowing import found, get, practitioner, seen_by

pytestmark = pytest.mark.asyncio

CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
TYPES = ("Binary", "Provenance", "Task", "VerificationResult")


@pytest_asyncio.fixture
async def family(mongodb_uri: str, database_name: str) -> AsyncIterator[RequestContext]:
    async with opened(mongodb_uri, database_name) as context:
        await stored_family(context)
        yield context


def about(place: str, id: str, of: str = "teen") -> list[dict[str, Any]]:
    """One of each type that is about something else, about `place`."""
    target = {"reference": place}
    return [
        {
            "resourceType": "Provenance",
            "id": id,
            "target": [target],
            "recorded": "2026-01-01T00:00:00Z",
            "agent": [{"who": {"display": "A clinic whose name says enough"}}],
        },
        {
            "resourceType": "Task",
            "id": id,
            "status": "requested",
            "intent": "order",
            "for": {"reference": f"Patient/{of}"},
            "focus": target,
        },
        {"resourceType": "Binary", "id": id, "contentType": "text/plain", "securityContext": target, "data": "Zm9v"},
        {"resourceType": "VerificationResult", "id": id, "status": "attested", "target": [target]},
    ]


async def write(context: RequestContext, *resources: dict[str, Any]) -> None:
    for each in resources:
        await put(context, each)


async def bundled(context: RequestContext, *resources: dict[str, Any]) -> None:
    """Write all in one transaction."""
    entries = [
        {"resource": each, "request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"}}
        for each in resources
    ]
    await transaction.transaction(context, {"resourceType": "Bundle", "type": "transaction", "entry": entries})


async def is_read(context: RequestContext, place: str) -> bool:
    """Whether a read of a resource or of one version gives it; else it is a 404."""
    answer = await get(context, place)
    assert "resourceType" in answer or answer["status"].startswith("404")
    return "resourceType" in answer


async def shown(context: RequestContext, id: str) -> set[str]:
    """The types of which the caller reads the resource of this id, and what searches and histories say alike."""
    readable = set()
    for type in TYPES:
        if await is_read(context, f"{type}/{id}"):
            readable.add(type)
        entries = (await get(context, f"{type}/_history")).get("entry", ())
        listed = any(f"/{type}/{id}" in each["fullUrl"] for each in entries)
        # Files are listed nowhere.
        assert listed == (type in readable and type != "Binary")
        if type != "Binary":
            places = await found(context, type)
            assert (f"{type}/{id}" in places) == (type in readable)
            assert (await get(context, f"{type}?_summary=count"))["total"] == len(places)
    return readable


async def test_what_is_about_a_hidden_observation_is_hidden(family: RequestContext) -> None:
    await write(family, *about("Observation/teen-plain", "of-plain"), *about("Observation/teen-private", "of-private"))
    here = await as_ana(family)
    assert await shown(here, "of-plain") == set(TYPES)
    assert await shown(here, "of-private") == set()
    assert await found(here, "Observation?_revinclude=Provenance:target", "include") == {"Provenance/of-plain"}


async def test_of_a_small_child_the_parent_sees_both(family: RequestContext) -> None:
    await write(family, *about("Observation/kid-private", "of-private", "kid"))
    assert await shown(await as_ana(family), "of-private") == set(TYPES)


async def test_one_hidden_target_of_several_hides_it(family: RequestContext) -> None:
    provenance, *_ = about("Observation/teen-plain", "both")
    provenance["target"].append({"reference": "Observation/teen-private/_history/1"})
    await put(family, provenance)
    assert await shown(await as_ana(family), "both") == set()


async def test_what_is_about_a_restricted_row_is_restricted(family: RequestContext) -> None:
    restricted = told("restricted", "kid")
    restricted["meta"] = {"security": [{"system": CONFIDENTIALITY, "code": "R"}]}
    await write(family, restricted, *about("Observation/restricted", "x", "kid"))
    assert await shown(practitioner(family, "kid"), "x") == set()
    assert await shown(practitioner(family, "kid", patient="kid", emergency=True), "x") == set(TYPES)


async def test_a_label_that_comes_later_hides_what_there_is_and_earlier_versions(
    family: RequestContext,
) -> None:
    await write(family, told("later", "teen"), *about("Observation/later", "x"), *about("Observation/later", "x"))
    here = await as_ana(family)
    assert await shown(here, "x") == set(TYPES)
    assert await is_read(here, "Provenance/x/_history/1")
    await put(family, told("later", "teen", "SEX"))
    assert await shown(here, "x") == set()
    for place in ("Provenance/x/_history/1", "Observation/later/_history/1", "Observation/later"):
        assert not await is_read(here, place)


async def test_a_label_goes_down_the_whole_chain(family: RequestContext) -> None:
    binary = about("Observation/later", "b")[2]
    provenance = about("Binary/b", "p")[0]
    task = about("Provenance/p", "t")[1]
    await write(family, told("later", "teen"), binary, provenance, task)
    here = await as_ana(family)
    places = ("Binary/b", "Provenance/p", "Task/t")
    assert [await is_read(here, place) for place in places] == [True, True, True]
    await put(family, told("later", "teen", "SEX"))
    assert [await is_read(here, place) for place in places] == [False, False, False]
    # So does one that was written afterwards.
    await write(family, about("Task/t", "after")[0])
    assert not await is_read(here, "Provenance/after")


@pytest.mark.parametrize(
    "more",
    [
        {"basedOn": [{"reference": "Condition/hidden"}]},
        {"reasonReference": {"reference": "Condition/hidden"}},
        {"partOf": [{"reference": "Task/hidden"}]},
        {"input": [{"type": {"text": "about"}, "valueReference": {"reference": "Condition/hidden"}}]},
    ],
)
async def test_a_task_that_speaks_of_it_elsewhere_is_hidden_too(family: RequestContext, more: dict[str, Any]) -> None:
    condition = {
        "resourceType": "Condition",
        "id": "hidden",
        "subject": {"reference": "Patient/teen"},
        "meta": {"security": [{"system": ACT_CODE, "code": "SEX"}]},
    }
    task = about("Observation/teen-plain", "x")[1]
    await write(family, condition, about("Condition/hidden", "hidden")[1], task)
    here = await as_ana(family)
    assert await is_read(here, "Task/x")
    await put(family, task | more)
    assert not await is_read(here, "Task/x")


def document(id: str, url: str, *labels: str, of: str = "teen") -> dict[str, Any]:
    """A DocumentReference whose content is at an address."""
    found: dict[str, Any] = {
        "resourceType": "DocumentReference",
        "id": id,
        "status": "current",
        "subject": {"reference": f"Patient/{of}"},
        "content": [{"attachment": {"contentType": "text/plain", "url": url}}],
    }
    security = [{"system": ACT_CODE, "code": each} for each in labels]
    return found | ({"meta": {"security": security}} if labels else {})


def file(id: str, of: str = "teen") -> dict[str, Any]:
    """A Binary that says itself that it is in a patient's record, as many are stored."""
    context = {"reference": f"Patient/{of}"}
    return {"resourceType": "Binary", "id": id, "contentType": "text/plain", "securityContext": context, "data": "Zm9v"}


@pytest.mark.parametrize("order", ["file first", "document first", "label later", "one bundle"])
@pytest.mark.parametrize("url", ["Binary/f", f"{BASE}/Binary/f"])
async def test_the_file_of_a_hidden_document_is_hidden(family: RequestContext, order: str, url: str) -> None:
    here = await as_ana(family)
    await write(family, file("open"), document("open", "Binary/open"))
    hidden = document("d", url, "MH")
    match order:
        case "file first":
            await write(family, file("f"), hidden)
        case "document first":
            await write(family, hidden, file("f"))
        case "label later":
            await write(family, file("f"), file("f"), document("d", url))
            assert await is_read(here, "Binary/f")
            await put(family, hidden)
            assert not await is_read(here, "Binary/f/_history/1")
        case _:
            await bundled(family, file("f"), hidden)
    assert not await is_read(here, "Binary/f")
    assert "Binary/f" not in await found(here, "Binary?_lastUpdated=gt2000-01-01")
    assert await is_read(here, "Binary/open")
    # A new version of the file alone says nothing of the document.
    await put(family, file("f") | {"contentType": "text/csv"})
    assert not await is_read(here, "Binary/f")


async def test_nobody_hides_the_file_of_another_record(family: RequestContext) -> None:
    await write(family, file("f", "kid"), document("d", "Binary/f", "MH"))
    assert await is_read(await as_ana(family), "Binary/f")


async def test_within_one_bundle_too(family: RequestContext) -> None:
    await bundled(family, about("Observation/new", "x")[0], told("new", "teen", "MH"), told("open", "teen"))
    here = await as_ana(family)
    assert "Observation/open" in await found(here, "Observation")
    assert await found(here, "Provenance") == set()


async def test_when_the_label_goes_it_is_shown_from_its_next_version_on(family: RequestContext) -> None:
    provenance = about("Observation/o", "x")[0]
    await write(family, told("o", "teen", "MH"), provenance, told("o", "teen"))
    here = await as_ana(family)
    assert "Provenance" not in await shown(here, "x")
    await put(family, provenance | {"recorded": "2026-01-02T00:00:00Z"})
    assert "Provenance" in await shown(here, "x")


async def test_tags_and_who_asserted_it_are_not_taken_over(family: RequestContext) -> None:
    tagged = told("tagged", "kid")
    code = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "MH"}
    asserted = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "PATAST"}
    tagged["meta"] = {"tag": [code], "security": [asserted]}
    await write(family, tagged, *about("Observation/tagged", "x", "kid"))
    row = await family.server.database.collections["Provenance"].find_one({"_id": "x"})
    assert row is not None
    assert row["labels"] == []
    assert row["about"] == ["Observation/tagged"]


async def test_a_search_by_security_label_finds_what_says_so_itself_alone(family: RequestContext) -> None:
    await write(family, *about("Observation/kid-private", "x", "kid"))
    assert await found(family, "Provenance?_security=MH") == set()
    assert await found(family, "Provenance?_security:missing=true") == {"Provenance/x"}


async def test_who_may_not_see_the_record_learns_nothing_of_its_labels(family: RequestContext) -> None:
    """A practitioner who writes about a stranger's hidden resource sees the writing as before."""
    hidden = told("hidden", "stranger")
    hidden["meta"] = {"security": [{"system": CONFIDENTIALITY, "code": "R"}]}
    await put(family, hidden)
    writes = seen_by(family, "practitioner", "user/*.cruds", related=("kid",))
    task = about("Observation/none", "x", "kid")[1]
    await put(family, task)
    for target in ("Observation/none", "Observation/hidden"):
        await put(writes, task | {"focus": {"reference": target}})
        assert await is_read(writes, "Task/x")


@pytest.mark.race
async def test_a_label_and_what_is_about_it_written_side_by_side_end_hidden(family: RequestContext) -> None:
    for number in range(25):
        observation, id = f"race-{number}", f"about-{number}"
        await put(family, told(observation, "teen"))
        await asyncio.gather(
            put(family, told(observation, "teen", "SUD")),
            *(put(family, each) for each in about(f"Observation/{observation}", id)),
        )
    here = await as_ana(family)
    for type in TYPES[1:]:
        assert await found(here, type) == set()


async def test_rows_from_before_take_labels_over_when_they_are_indexed_again(family: RequestContext) -> None:
    await write(family, told("o", "teen", "MH"), *about("Observation/o", "x"), *about("Observation/o", "x"))
    database = family.server.database
    for type in TYPES:
        for name in (type, f"{type}_history"):
            # A tombstone's px passes the fence, so rows from before are made as they were: without the field.
            await database.collections[name].update_many(
                {}, {"$unset": {"about": 1}, "$set": {"labels": [], "px": indexed_by(0) - 1}}
            )
    here = await as_ana(family)
    assert await found(here, "Provenance") == {"Provenance/x"}
    for type in TYPES:
        work, reached = Work(type, indexed_by(0), STANDARD, ()), Progress(1)
        while type not in reached.finished:
            reached = await reindex.batch(database, work, reached)
    assert await shown(here, "x") == set()
    assert not await is_read(here, "Provenance/x/_history/1")
