"""What is about another resource is written by who may write into the record of that one; and nobody learns by it what
there is beyond their reach.

https://hl7.org/fhir/R4/provenance.html, https://hl7.org/fhir/R4/task.html
"""

from collections.abc import Callable
from typing import Any

import pytest

from fhir_server.policy import OPERATOR, Sight
from tests.rest.writers import RESTRICTED, Told, Writers, as_told, entry, goal, practitioner, system

Resource = dict[str, Any]

DOCTOR = practitioner("anna")
FOR_ANNA = system(patient="anna", granted="system/*.cruds")
BOUND = pytest.mark.parametrize("sight", [DOCTOR, FOR_ANNA], ids=["practitioner", "for one patient"])


def provenance(*targets: str) -> Resource:
    return {
        "resourceType": "Provenance",
        "target": [{"reference": each} for each in targets],
        "recorded": "2026-11-20T10:00:00Z",
        "agent": [{"who": {"reference": "Practitioner/p7"}}],
    }


def task(focus: str | None = None, whom: str | None = None) -> Resource:
    named = {"focus": focus, "for": whom}
    references = {name: {"reference": each} for name, each in named.items() if each is not None}
    return {"resourceType": "Task", "status": "requested", "intent": "order", **references}


@pytest.fixture
async def stocked(writers: Writers) -> Writers:
    await writers.stored(
        goal("anna", "own"),
        goal("ben", "hidden"),
        goal("anna", "secret", meta=RESTRICTED),
        goal("ben", "gone"),
        {"resourceType": "Group", "id": "all", "type": "person", "actual": True},
    )
    assert (await writers.ask(OPERATOR, "DELETE", "Goal/gone")).status == 204
    return writers


async def owners(writers: Writers, told: Told, type: str) -> list[str]:
    assert told.status == 201, told
    (row,) = [row for row in await writers.rows(type) if row["_id"] == told.id]
    found: list[str] = row["owners"]
    return found


@BOUND
@pytest.mark.parametrize("made", [provenance("Goal/own"), task("Goal/own"), task("Goal/own", "Practitioner/p7")])
async def test_what_is_about_a_record_in_reach_is_created_in_it(stocked: Writers, sight: Sight, made: Resource) -> None:
    type = made["resourceType"]
    told = await stocked.ask(sight, "POST", type, made)
    assert await owners(stocked, told, type) == ["anna"]
    assert (await stocked.ask(sight, "GET", f"{type}/{told.id}")).status == 200
    again = await stocked.ask(sight, "PUT", f"{type}/{told.id}", made | {"id": told.id, "language": "en"})
    assert again.status == 200, again


@BOUND
@pytest.mark.parametrize("target", ["Goal/hidden", "Goal/gone", "Group/all", "Provenance/theirs", "Device/none"])
async def test_a_target_out_of_reach_looks_like_one_that_never_was(stocked: Writers, sight: Sight, target: str) -> None:
    await stocked.stored(provenance("Goal/hidden") | {"id": "theirs"})
    type, _, id = target.partition("/")
    missing = f"{type}/never-there"
    tries: list[tuple[str, str, Callable[[str], Resource]]] = [
        ("POST", "Provenance", provenance),
        ("POST", "Task", task),
        ("POST", "Task", lambda place: task("Goal/own", place)),
        ("POST", "Provenance", lambda place: provenance("Goal/own", place)),
        ("PUT", "Provenance/x", lambda place: provenance(place) | {"id": "x"}),
        ("PUT", "Task?_id=x", task),
    ]
    for method, url, named in tries:
        theirs = await stocked.ask(sight, method, url, named(target))
        never = await stocked.ask(sight, method, url, named(missing))
        assert as_told(theirs, id, "never-there").status == never.status, (method, url)
        assert (theirs.numbers, theirs.text, theirs.element) == (never.numbers, never.text, never.element)
        assert theirs.status == (201 if "Goal/own" in str(named(target)) else 403), (method, url, theirs)
    for row in (*await stocked.rows("Provenance"), *await stocked.rows("Task")):
        assert row["_id"] == "theirs" or row["owners"] == ["anna"]


@BOUND
async def test_a_restricted_target_is_out_of_reach_too(stocked: Writers, sight: Sight) -> None:
    told = [await stocked.ask(sight, "POST", "Provenance", provenance(f"Goal/{id}")) for id in ("secret", "none")]
    assert [each.status for each in told] == [403, 403]
    assert told[0].text == told[1].text


async def test_what_the_token_may_not_read_says_nothing_of_whose_it_is(stocked: Writers) -> None:
    blind = practitioner("anna", granted="user/Provenance.cruds")
    assert (await stocked.ask(blind, "POST", "Provenance", provenance("Goal/own"))).status == 403


@BOUND
async def test_a_bundle_brings_what_it_is_about_along(stocked: Writers, sight: Sight) -> None:
    about = {**entry("POST", "Goal", goal("anna")), "fullUrl": "urn:uuid:7c1e2f0a-1111-4222-8333-444455556666"}
    signed = entry("POST", "Provenance", provenance("urn:uuid:7c1e2f0a-1111-4222-8333-444455556666"))
    assert (await stocked.bundle(sight, "transaction", [about, signed])).status == 200
    (row,) = await stocked.rows("Provenance")
    assert row["owners"] == ["anna"]
    refused = await stocked.bundle(sight, "transaction", [entry("POST", "Goal", goal("anna")), signed_of_ben()])
    assert refused.status == 403
    assert len(await stocked.rows("Goal")) == 5
    batch = await stocked.bundle(sight, "batch", [signed_of_ben(), entry("POST", "Task", task("Goal/own"))])
    assert [each["response"]["status"][:3] for each in batch.body["entry"]] == ["403", "201"]


def signed_of_ben() -> Resource:
    return entry("POST", "Provenance", provenance("Goal/hidden"))


async def test_systems_and_the_operator_write_about_everything_and_nothing(stocked: Writers) -> None:
    for sight in (OPERATOR, system()):
        told = await stocked.ask(sight, "POST", "Provenance", provenance("Goal/hidden"))
        assert await owners(stocked, told, "Provenance") == ["ben"]
        told = await stocked.ask(sight, "POST", "Task", task("Group/all"))
        assert await owners(stocked, told, "Task") == []
        told = await stocked.ask(sight, "POST", "Provenance", provenance("Goal/secret"))
        assert await owners(stocked, told, "Provenance") == ["anna"]


async def test_a_patch_by_one_who_may_read_it_is_answered_by_what_it_made(stocked: Writers) -> None:
    told = await stocked.ask(DOCTOR, "POST", "Task", task("Goal/own"))
    change = ("application/json-patch+json", [{"op": "replace", "path": "/status", "value": "accepted"}])
    patched = await stocked.ask(DOCTOR, "PATCH", f"Task/{told.id}", change)
    assert (patched.status, patched.body["status"]) == (200, "accepted")
    away = ("application/json-patch+json", [{"op": "replace", "path": "/focus/reference", "value": "Goal/hidden"}])
    assert (await stocked.ask(DOCTOR, "PATCH", f"Task/{told.id}", away)).status == 403
