"""Patches of one resource at the same moment, in both workers: none is lost, and a version that is named wins once.

https://hl7.org/fhir/R4/http.html#patch
"""

import base64
import json
from typing import Any

import httpx
import pytest

from tests.race.conftest import PARALLEL, Racers, patient, statuses

pytestmark = pytest.mark.race

HEADERS = {"content-type": "application/json-patch+json"}


def added(number: int) -> list[dict[str, Any]]:
    """A patch that keeps what others added."""
    return [{"op": "add", "path": "/identifier/-", "value": {"system": "urn:race", "value": str(number)}}]


def sent(racers: Racers, url: str, number: int, **headers: str) -> httpx.Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return racers.request("PATCH", url, json=added(number), headers=HEADERS | named)


def transaction(id: str, number: int) -> dict[str, Any]:
    data = base64.b64encode(json.dumps(added(number)).encode()).decode()
    binary = {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data}
    entry = {"resource": binary, "request": {"method": "PATCH", "url": f"Patient/{id}"}}
    return {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}


async def make(racers: Racers, id: str) -> str:
    resource = patient(id=id, identifier=[{"system": "urn:race", "value": id}])
    assert (await racers.client.put(f"Patient/{id}", json=resource)).status_code == 201
    return f"Patient/{id}"


async def assert_none_is_lost(racers: Racers, url: str) -> None:
    versions = await racers.versions(url)
    assert [version.number for version in versions] == list(range(1, PARALLEL + 2))
    last = versions[-1].resource
    assert last is not None
    values = [identifier["value"] for identifier in last["identifier"]][1:]
    assert sorted(values, key=int) == [str(number) for number in range(PARALLEL)]


@pytest.mark.parametrize("attempt", range(2))
async def test_of_parallel_patches_none_is_lost(racers: Racers, unique: str, attempt: int) -> None:
    url = await make(racers, unique)
    answers = await racers.volley([sent(racers, url, number) for number in range(PARALLEL)])
    assert statuses(answers) == {200: PARALLEL}
    await assert_none_is_lost(racers, url)


async def test_of_parallel_conditional_patches_none_is_lost(racers: Racers, unique: str) -> None:
    url = await make(racers, unique)
    condition = f"Patient?identifier=urn:race|{unique}"
    answers = await racers.volley([sent(racers, condition, number) for number in range(PARALLEL)])
    assert statuses(answers) == {200: PARALLEL}
    await assert_none_is_lost(racers, url)


async def test_of_parallel_transactions_that_patch_and_patches_beside_them_none_is_lost(
    racers: Racers, unique: str
) -> None:
    url = await make(racers, unique)
    requests = [
        sent(racers, url, number) if number % 2 else racers.request("POST", "", json=transaction(unique, number))
        for number in range(PARALLEL)
    ]
    assert statuses(await racers.volley(requests)) == {200: PARALLEL}
    await assert_none_is_lost(racers, url)


async def test_of_parallel_patches_with_one_if_match_one_wins(racers: Racers, unique: str) -> None:
    url = await make(racers, unique)
    answers = await racers.volley([sent(racers, url, number, if_match='W/"1"') for number in range(PARALLEL)])
    assert statuses(answers) == {200: 1, 412: PARALLEL - 1}
    assert len(await racers.versions(url)) == 2


async def test_patches_beside_updates_and_deletes_are_each_made_of_what_was_there(racers: Racers, unique: str) -> None:
    url = await make(racers, unique)
    updated = patient(id=unique, identifier=[{"system": "urn:race", "value": "updated"}])
    requests = [
        racers.request("PUT", url, json=updated)
        if number % 5 == 0
        else racers.request("DELETE", url)
        if number % 5 == 1
        else sent(racers, url, number)
        for number in range(PARALLEL)
    ]
    answers = await racers.volley(requests)
    assert statuses(answers).keys() <= {200, 201, 204, 410}
    contents = {version.number: version.resource for version in await racers.versions(url)}
    for number, answer in enumerate(answers):
        if answer.status_code == 200 and number % 5 > 1:
            made = answer.json()
            before = contents[int(made["meta"]["versionId"]) - 1]
            assert before is not None
            assert made["identifier"] == [*before["identifier"], added(number)[0]["value"]]


async def test_conditional_patches_beside_a_delete_find_the_match_or_nothing(racers: Racers, unique: str) -> None:
    url = await make(racers, unique)
    condition = f"Patient?identifier=urn:race|{unique}"
    requests = [
        racers.request("DELETE", url) if number == PARALLEL // 2 else sent(racers, condition, number)
        for number in range(PARALLEL)
    ]
    answers = await racers.volley(requests)
    assert statuses(answers).keys() <= {200, 204, 404}
    assert (await racers.versions(url))[-1].resource is None
