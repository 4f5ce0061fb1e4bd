"""Patients and their care team write and answer: threads, drafts, read marks, files, and what never changes.

https://hl7.org/fhir/R4/communication.html, docs/adr/0035-messages.md
"""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from pymongo import MongoClient

from fhir_server.interactions.message_recipients import Recipients, told_of
from tests.rest.access import as_bearer
from tests.rest.correspondents import (
    WORLD,
    attached,
    correspondence,
    message,
    refused,
    seen,
    send,
    sent,
    team,
)
from tests.rest.in_process import opened, put


@pytest_asyncio.fixture(scope="module")
async def world(mongodb_uri: str, mongodb: MongoClient[dict[str, Any]]) -> AsyncIterator[httpx.AsyncClient]:
    async with correspondence(mongodb_uri, mongodb, "test_secure_messages") as api:
        yield api


async def test_a_patient_writes_the_team_answers_and_both_see_the_thread(world: httpx.AsyncClient) -> None:
    question = await sent(world, "anna", message(sender={"reference": "Patient/anna", "display": "The President"}))
    assert question["sender"] == {"reference": "Patient/anna", "display": "Anna Stone"}
    assert question["recipient"] == [{"reference": "CareTeam/team", "display": "Team of anna"}]
    assert question["status"] == "completed"
    assert question["sent"]
    answer = await sent(
        world,
        "dr",
        {
            "resourceType": "Communication",
            "status": "completed",
            "subject": {"reference": "Patient/anna"},
            "sender": {"reference": "Practitioner/dr"},
            "inResponseTo": [{"reference": f"Communication/{question['id']}"}],
            "payload": [{"contentString": "Yes."}],
        },
    )
    assert answer["topic"] == question["topic"]
    assert answer["recipient"] == [{"reference": "Patient/anna", "display": "Anna Stone"}]
    for who in ("anna", "dr"):
        url = f"Communication?subject=Patient/anna&part-of:missing=true&_id={question['id']},{answer['id']}"
        found = (await world.get(url, headers=as_bearer(who))).json()
        assert {each["resource"]["id"] for each in found["entry"]} == {question["id"], answer["id"]}
    assert await seen(world, "nurse", question["id"]) == 200
    assert await seen(world, "nurse", answer["id"]) == 404
    for who in ("ben", "other"):
        assert await seen(world, who, question["id"]) == 404


async def test_a_mother_asks_about_her_child_and_is_answered(world: httpx.AsyncClient) -> None:
    asked = await sent(world, "mother", message())
    assert asked["sender"]["reference"] == "Patient/ben"
    answer = await sent(
        world,
        "dr",
        {
            "resourceType": "Communication",
            "status": "completed",
            "subject": {"reference": "Patient/anna"},
            "sender": {"reference": "Practitioner/dr"},
            "inResponseTo": [{"reference": f"Communication/{asked['id']}"}],
            "payload": [{"contentString": "It will pass."}],
        },
    )
    assert answer["recipient"][0]["reference"] == "Patient/ben"
    assert await seen(world, "mother", answer["id"]) == 200
    assert await seen(world, "ben", answer["id"]) == 404


async def test_the_sent_time_is_the_servers(world: httpx.AsyncClient) -> None:
    given = await sent(world, "anna", message(sent="1999-01-01T00:00:00Z", received="2030-01-01T00:00:00Z"))
    assert not given["sent"].startswith("1999")
    assert "received" not in given


async def test_each_missing_element_is_named_and_nothing_is_stored(world: httpx.AsyncClient) -> None:
    before = (await world.get("Communication?_summary=count", headers=as_bearer("system"))).json()["total"]
    bare = {"resourceType": "Communication", "status": "completed", "subject": {"reference": "Patient/anna"}}
    elements = ("Communication.recipient", "Communication.topic", "Communication.payload")
    refused(await send(world, "anna", bare), 422, *elements)
    refused(await send(world, "anna", message(topic={"text": " "})), 422, "Communication.topic")
    refused(await send(world, "anna", message(payload=[{"contentString": " \n"}])), 422, "Communication.payload")
    refused(await send(world, "anna", message(payload=[attached()])), 422, "Communication.payload")
    refused(await send(world, "anna", message(status="on-hold")), 422, "Communication.status")
    after = (await world.get("Communication?_summary=count", headers=as_bearer("system"))).json()["total"]
    assert after == before


STRANGERS = [
    "Organization/civilian",
    "PractitionerRole/civilian-role",
    "CareTeam/bens",
    "CareTeam/nowhere",
    "Practitioner/other",
    "Patient/ben",
    "Patient/anna",
    "Device/d1",
    "https://elsewhere.example/fhir/CareTeam/team",
    "#contained",
]


@pytest.mark.parametrize("place", STRANGERS)
async def test_messages_go_to_the_care_team_of_a_federal_facility_alone(world: httpx.AsyncClient, place: str) -> None:
    answer = await send(world, "anna", message(recipient=[{"reference": place}]))
    refused(answer, 422, "Communication.recipient[0]")
    assert place not in answer.text


@pytest.mark.parametrize("place", ["Organization/clinic", "PractitionerRole/dr-role", "Practitioner/dr"])
async def test_a_clinic_a_role_or_the_doctor_in_charge_may_be_written_to(world: httpx.AsyncClient, place: str) -> None:
    await sent(world, "anna", message(recipient=[{"reference": place}]))


async def test_nobody_writes_in_anothers_name_or_record(world: httpx.AsyncClient) -> None:
    assert (await send(world, "anna", message(sender={"reference": "Practitioner/dr"}))).status_code == 403
    assert (await send(world, "anna", message(sender={"reference": "Patient/ben"}))).status_code == 403
    assert (await send(world, "ben", message())).status_code == 403
    assert (await send(world, "other", message(sender={"reference": "Practitioner/other"}))).status_code == 403


async def test_an_answer_to_someone_elses_thread_is_refused_as_to_none(world: httpx.AsyncClient) -> None:
    theirs = await sent(
        world, "ben", message(subject={"reference": "Patient/ben"}, recipient=[{"reference": "CareTeam/bens"}])
    )
    texts = set()
    for place in (f"Communication/{theirs['id']}", "Communication/nowhere", "Observation/o1"):
        answer = await send(world, "anna", message(inResponseTo=[{"reference": place}]))
        refused(answer, 422, "Communication.inResponseTo")
        texts.add(answer.json()["issue"][0]["details"]["text"])
    assert len(texts) == 1


CHANGES = [
    ("payload", [{"contentString": "I never said that"}]),
    ("topic", {"text": "Another"}),
    ("received", "2026-01-01T00:00:00Z"),
    ("status", "preparation"),
    ("status", "entered-in-error"),
]


@pytest.mark.parametrize(("name", "value"), CHANGES)
@pytest.mark.parametrize("who", ["anna", "dr", "system"])
async def test_a_sent_message_is_never_changed(world: httpx.AsyncClient, who: str, name: str, value: Any) -> None:
    stored = await sent(world, "anna", message())
    changed = stored | {name: value}
    if who == "system" and value == "entered-in-error":
        assert (await send(world, who, changed)).status_code == 200
        return
    answer = await send(world, who, changed)
    if (who, value) == ("dr", "preparation"):
        # As a draft it would be somebody else's.
        assert answer.status_code == 403
        return
    refused(answer, 422, "Communication.status")
    place = f"Communication/{stored['id']}"
    patch = [{"op": "add", "path": f"/{name}", "value": value}]
    headers = as_bearer(who) | {"content-type": "application/json-patch+json"}
    assert (await world.patch(place, json=patch, headers=headers)).status_code == 422
    request = {"method": "PUT", "url": place}
    for kind in ("batch", "transaction"):
        bundle = {"resourceType": "Bundle", "type": kind, "entry": [{"resource": changed, "request": request}]}
        answer = await world.post("", json=bundle, headers=as_bearer(who))
        status = answer.status_code if kind == "transaction" else int(answer.json()["entry"][0]["response"]["status"])
        assert status == 422, answer.text
    assert (await world.delete(place, headers=as_bearer(who))).status_code == 422
    now = (await world.get(place, headers=as_bearer(who))).json()
    assert now == stored


async def count(world: httpx.AsyncClient, who: str) -> int:
    answer = await world.get("Communication/$unread?_summary=count", headers=as_bearer(who))
    assert answer.status_code == 200, answer.text
    assert "entry" not in answer.json()
    return int(answer.json()["total"])


async def mark(world: httpx.AsyncClient, who: str, id: str, **more: Any) -> httpx.Response:
    parameters = [{"name": "read", **more}] if more else []
    body = {"resourceType": "Parameters", "parameter": parameters} if more else {"resourceType": "Parameters"}
    return await world.post(f"Communication/{id}/$mark-read", json=body, headers=as_bearer(who))


async def test_each_reader_marks_for_themselves_and_the_message_stays_unchanged(world: httpx.AsyncClient) -> None:
    before = {who: await count(world, who) for who in ("dr", "nurse", "anna")}
    stored = await sent(world, "anna", message())
    assert {who: await count(world, who) for who in before} == {
        "dr": before["dr"] + 1,
        "nurse": before["nurse"] + 1,
        "anna": before["anna"],
    }
    listed = (await world.get("Communication/$unread?_count=1", headers=as_bearer("dr"))).json()
    assert [each["resource"]["id"] for each in listed["entry"]] == [stored["id"]]
    for _ in range(2):
        marked = await mark(world, "dr", stored["id"])
        assert marked.json()["parameter"][0] == {"name": "read", "valueBoolean": True}
    assert await count(world, "dr") == before["dr"]
    assert await count(world, "nurse") == before["nurse"] + 1
    assert (await mark(world, "dr", stored["id"], valueBoolean=False)).status_code == 200
    assert await count(world, "dr") == before["dr"] + 1
    again = await world.get(f"Communication/{stored['id']}", headers=as_bearer("dr"))
    assert (again.json(), again.headers["etag"]) == (stored, 'W/"1"')


async def test_nobody_marks_or_counts_what_is_not_theirs(world: httpx.AsyncClient) -> None:
    stored = await sent(world, "anna", message())
    for who in ("ben", "other"):
        assert (await mark(world, who, stored["id"])).status_code == 404
    assert (await mark(world, "system", stored["id"])).status_code == 403
    assert (await world.get("Communication/$unread", headers=as_bearer("system"))).status_code == 403
    assert (await world.get("Communication/$unread", headers=as_bearer("reader"))).status_code == 403
    wrong = await world.get(f"Communication/{stored['id']}/$mark-read", headers=as_bearer("anna"))
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST, OPTIONS")


async def test_one_batch_tells_the_number_of_unread_messages_beside_other_things(world: httpx.AsyncClient) -> None:
    requests = [
        {"method": "GET", "url": "Communication/$unread?_summary=count"},
        {"method": "GET", "url": "Patient/anna"},
        {"method": "GET", "url": "Communication/$nothing"},
    ]
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": [{"request": each} for each in requests]}
    entries = (await world.post("", json=bundle, headers=as_bearer("anna"))).json()["entry"]
    assert [each["response"]["status"] for each in entries] == ["200 OK", "200 OK", "404"]
    assert entries[0]["resource"]["total"] == await count(world, "anna")


async def test_a_team_finds_its_inbox_newest_first(world: httpx.AsyncClient) -> None:
    stored = await sent(world, "anna", message())
    url = "Communication?recipient=CareTeam/team&status=completed&_sort=-sent&_count=1"
    found = (await world.get(url, headers=as_bearer("nurse"))).json()
    assert [each["resource"]["id"] for each in found["entry"]] == [stored["id"]]
    assert "entry" not in (await world.get(url, headers=as_bearer("other"))).json()


async def test_who_is_in_a_team_by_a_role_is_told_too(mongodb_uri: str, database_name: str) -> None:
    async with opened(mongodb_uri, database_name) as context:
        for resource in WORLD:
            await put(context, resource)
        by_role = team("roles", "anna", "dr")
        by_role["participant"].append({"member": {"reference": "PractitionerRole/nurse-role"}})
        by_role["participant"].append({"member": {"reference": "PractitionerRole/nowhere"}})
        await put(context, by_role)
        told = await told_of(context, Recipients(("CareTeam/roles",), {}), "Patient/anna")
        assert told == ("Practitioner/dr", "Practitioner/nurse")


async def test_each_person_is_told_of_a_new_message_once_and_never_of_drafts(
    world: httpx.AsyncClient, mongodb: MongoClient[dict[str, Any]]
) -> None:
    notices = mongodb["test_secure_messages"]["server.notices"]
    notices.delete_many({})
    draft = await sent(world, "anna", message(status="preparation"))
    assert notices.count_documents({}) == 0
    stored = await sent(world, "anna", draft | {"status": "completed"})
    found = sorted((each["place"], each["kind"]) for each in notices.find({}))
    assert found == [("Practitioner/dr", "message"), ("Practitioner/nurse", "message")]
    reply = {
        "resourceType": "Communication",
        "status": "completed",
        "subject": {"reference": "Patient/anna"},
        "sender": {"reference": "CareTeam/team"},
        "inResponseTo": [{"reference": f"Communication/{stored['id']}"}],
        "payload": [{"contentString": "Yes."}],
    }
    await sent(world, "nurse", reply)
    assert notices.count_documents({"place": "Patient/anna"}) == 1
