"""Writers of one resource: If-Match lets one win, and versions stay dense, each in history once.

https://hl7.org/fhir/R4/http.html#concurrency
"""

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from tests.race.conftest import PARALLEL, Racers, patient, statuses

pytestmark = pytest.mark.race


def bundle_of_updates(*resources: dict[str, Any]) -> dict[str, Any]:
    entries = [
        {"resource": resource, "request": {"method": "PUT", "url": f"Patient/{resource['id']}"}}
        for resource in resources
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


async def make(racers: Racers, id: str) -> None:
    answer = await racers.client.put(f"Patient/{id}", json=patient(id=id))
    assert answer.status_code == 201


@pytest.mark.parametrize("attempt", range(3))
async def test_of_parallel_updates_with_one_if_match_one_wins(racers: Racers, unique: str, attempt: int) -> None:
    await make(racers, unique)
    headers = {"if-match": 'W/"1"'}
    answers = await racers.volley(
        [
            racers.request(
                "PUT", f"Patient/{unique}", json=patient(id=unique, birthDate=f"19{number:02}"), headers=headers
            )
            for number in range(PARALLEL)
        ]
    )
    assert statuses(answers) == {200: 1, 412: PARALLEL - 1}
    (winner,) = [answer.json() for answer in answers if answer.status_code == 200]
    versions = await racers.versions(f"Patient/{unique}")
    assert [version.number for version in versions] == [1, 2]
    assert versions[1].resource == winner


@pytest.mark.parametrize("is_there", [True, False])
async def test_parallel_updates_without_if_match_each_make_a_version_of_their_own(
    racers: Racers, unique: str, is_there: bool
) -> None:
    if is_there:
        await make(racers, unique)
    answers = await racers.volley(
        [
            racers.request("PUT", f"Patient/{unique}", json=patient(id=unique, birthDate=f"19{number:02}"))
            for number in range(PARALLEL)
        ]
    )
    assert statuses(answers) == ({200: PARALLEL} if is_there else {200: PARALLEL - 1, 201: 1})
    assert {answer.json()["birthDate"] for answer in answers} == {f"19{number:02}" for number in range(PARALLEL)}
    answered = sorted((answer.json() for answer in answers), key=lambda body: int(body["meta"]["versionId"]))
    versions = await racers.versions(f"Patient/{unique}")
    first = 1 if is_there else 0
    assert [version.number for version in versions] == list(range(1, PARALLEL + 1 + first))
    assert [version.resource for version in versions][first:] == answered
    instants = [version.resource["meta"]["lastUpdated"] for version in versions if version.resource is not None]
    assert instants == sorted(instants)


async def test_transactions_that_update_two_resources_in_opposite_order_are_run_one_after_the_other(
    racers: Racers, unique: str
) -> None:
    ids = f"{unique[:30]}-a", f"{unique[:30]}-b"
    await asyncio.gather(*(make(racers, id) for id in ids))
    bundles = []
    for number in range(PARALLEL):
        order = ids if number % 2 else reversed(ids)
        bundles.append(bundle_of_updates(*(patient(id=id, birthDate=f"19{number:02}") for id in order)))
    answers = await racers.volley([racers.request("POST", "", json=bundle) for bundle in bundles])
    counted = statuses(answers)
    assert counted.keys() <= {200, 409} and counted[200] >= 2
    born = []
    for id in ids:
        versions = await racers.versions(f"Patient/{id}")
        assert len(versions) == 1 + counted[200]
        born.append([version.resource["birthDate"] for version in versions[1:] if version.resource is not None])
    assert born[0] == born[1], "one transaction came between the two updates of another"


async def test_parallel_deletes_and_updates_keep_versions_dense(racers: Racers, unique: str) -> None:
    await make(racers, unique)
    url = f"Patient/{unique}"
    answers = await racers.volley(
        [
            racers.request("DELETE", url)
            if number % 3 == 0
            else racers.request("PUT", url, json=patient(id=unique, birthDate=f"19{number:02}"))
            for number in range(PARALLEL)
        ]
    )
    assert statuses(answers).keys() <= {200, 201, 204}
    versions = await racers.versions(url)
    contents = {version.number: version.resource for version in versions}
    for answer in answers:
        number = int(answer.headers["etag"].removeprefix('W/"').removesuffix('"'))
        assert contents[number] == (None if answer.status_code == 204 else answer.json())
        if answer.status_code != 204:
            was_deleted = contents[number - 1] is None
            assert answer.status_code == (201 if was_deleted else 200)
    updates = sum(number % 3 != 0 for number in range(PARALLEL))
    assert sum(version.resource is not None for version in versions) == 1 + updates
    pairs = pairwise(versions)
    assert not [later.number for earlier, later in pairs if earlier.resource is None and later.resource is None]


async def test_the_first_writes_of_a_type_may_come_all_at_once(racers: Racers) -> None:
    sent = {"resourceType": "SupplyRequest", "itemCodeableConcept": {"text": "gauze"}, "quantity": {"value": 1}}
    linkage = {"resourceType": "Linkage", "item": [{"type": "source", "resource": {"display": "x"}}]}
    entry = {"resource": linkage, "request": {"method": "POST", "url": "Linkage"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry, entry]}
    answers = await racers.volley(
        [
            racers.request("POST", "", json=bundle)
            if number % 2
            else racers.request("POST", "SupplyRequest", json=sent)
            for number in range(PARALLEL)
        ]
    )
    assert statuses(answers) == {200: PARALLEL // 2, 201: PARALLEL // 2}
    stored = racers.stored()
    assert sum(local.startswith("SupplyRequest/") for local in stored) == PARALLEL // 2
    assert sum(local.startswith("Linkage/") for local in stored) == PARALLEL
