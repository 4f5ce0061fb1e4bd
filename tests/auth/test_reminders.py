"""A reminder that patients set for themselves is given once, at its time: in the record, and by a mail without words.

https://hl7.org/fhir/R4/communicationrequest.html
"""

from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from fhir_server import notices
from fhir_server.store import notices as stored
from tests.auth.test_mailing import Inbox, mail_server
from tests.auth.test_notices import people, server, until
from tests.rest.access import as_bearer

REMINDER = {
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/communication-category", "code": "reminder"}],
}


def at(**delta: float) -> str:
    return (datetime.now(UTC) + timedelta(**delta)).isoformat(timespec="milliseconds")


def reminder(**more: Any) -> dict[str, Any]:
    return {
        "resourceType": "CommunicationRequest",
        "status": "active",
        "category": [REMINDER],
        "subject": {"reference": "Patient/anna"},
        "payload": [{"contentString": "Take the blue pill"}],
        "occurrenceDateTime": at(days=1),
        **more,
    }


async def set_one(api: httpx.AsyncClient, **more: Any) -> httpx.Response:
    return await api.post("CommunicationRequest", json=reminder(**more), headers=as_bearer("anna"))


async def given(api: httpx.AsyncClient) -> list[dict[str, Any]]:
    found = (await api.get("Communication?subject=Patient/anna", headers=as_bearer("anna"))).json()
    return [each["resource"] for each in found.get("entry", ())]


async def test_a_reminder_is_given_once_with_two_workers(
    mongodb_uri: str, mongodb: MongoClient[dict[str, Any]], database_name: str
) -> None:
    inbox = Inbox()
    with mail_server(inbox) as port:
        async with AsyncExitStack() as running:
            app, api = await running.enter_async_context(server(mongodb_uri, database_name, port))
            await running.enter_async_context(server(mongodb_uri, database_name, port))
            await people(app, api)
            answer = await set_one(api, occurrenceDateTime=at(seconds=3))
            assert answer.status_code == 201, answer.text
            assert answer.json()["recipient"] == [{"reference": "Patient/anna"}]
            assert await given(api) == []
            await until(lambda: len(inbox.letters) >= 1)
            await until(lambda: mongodb[database_name]["server.notices"].count_documents({}) == 0)
            (told,) = await given(api)
            assert told["payload"] == [{"contentString": "Take the blue pill"}]
            assert told["basedOn"] == [{"reference": f"CommunicationRequest/{answer.json()['id']}"}]
            done = await api.get(f"CommunicationRequest/{answer.json()['id']}", headers=as_bearer("anna"))
            assert done.json()["status"] == "completed"
    assert [each["Subject"] for each in inbox.letters] == ["A reminder that you set"]
    assert "pill" not in inbox.letters[0].as_string()


async def test_a_reminder_moved_revoked_or_deleted_is_not_given_at_the_old_time(
    mongodb_uri: str, mongodb: MongoClient[dict[str, Any]], database_name: str
) -> None:
    inbox = Inbox()
    notices = mongodb[database_name]["server.notices"]
    with mail_server(inbox) as port:
        async with server(mongodb_uri, database_name, port) as (app, api):
            await people(app, api)
            first = (await set_one(api)).json()
            (before,) = notices.find({})
            moved = first | {"occurrenceDateTime": at(days=2)}
            place = f"CommunicationRequest/{first['id']}"
            assert (await api.put(place, json=moved, headers=as_bearer("anna"))).status_code == 200
            (after,) = notices.find({})
            assert after["due"] - before["due"] > 80_000_000
            revoked = moved | {"status": "revoked"}
            assert (await api.put(place, json=revoked, headers=as_bearer("anna"))).status_code == 200
            assert notices.count_documents({}) == 0
            second = (await set_one(api)).json()
            assert notices.count_documents({}) == 1
            gone = await api.delete(f"CommunicationRequest/{second['id']}", headers=as_bearer("system"))
            assert gone.status_code == 204
            assert notices.count_documents({}) == 0


BAD: list[tuple[dict[str, Any], str]] = [
    ({"occurrenceDateTime": "2020-01-01T08:00:00Z"}, "occurrenceDateTime"),
    ({"occurrenceDateTime": "2090-01-01"}, "occurrenceDateTime"),
    ({"occurrenceDateTime": "2010-01-01T08:00:60Z"}, "occurrenceDateTime"),
    ({"category": [{"text": "reminder"}]}, "category"),
    ({"payload": [{"contentString": " "}]}, "payload"),
    ({"payload": [{"contentReference": {"reference": "Patient/anna"}}]}, "payload"),
    ({"recipient": [{"reference": "Practitioner/dr"}]}, "recipient"),
    ({"requester": {"reference": "Practitioner/dr"}}, "requester"),
    ({"status": "completed"}, "status"),
    ({"contained": [{"resourceType": "Basic", "id": "b", "code": {"text": "x"}}]}, "contained"),
]


async def test_what_is_no_reminder_of_ones_own_is_refused_with_its_element(
    mongodb_uri: str, mongodb: MongoClient[dict[str, Any]], database_name: str
) -> None:
    with mail_server(Inbox()) as port:
        async with server(mongodb_uri, database_name, port) as (app, api):
            await people(app, api)
            for wrong, element in BAD:
                answer = await set_one(api, **wrong)
                assert answer.status_code == 422, (wrong, answer.text)
                assert answer.json()["issue"][0]["expression"] == [f"CommunicationRequest.{element}"]
            other = await set_one(api, subject={"reference": "Patient/ben"})
            assert other.status_code == 403
    assert mongodb[database_name]["CommunicationRequest"].count_documents({}) == 0


async def test_a_reminder_that_cannot_be_given_keeps_no_other_from_being_told(
    mongodb_uri: str, mongodb: MongoClient[dict[str, Any]], database_name: str
) -> None:
    inbox = Inbox()
    requests = mongodb[database_name]["CommunicationRequest"]
    with mail_server(inbox) as port:
        async with server(mongodb_uri, database_name, port) as (app, api):
            await people(app, api)
            broken = (await set_one(api, occurrenceDateTime=at(seconds=2))).json()["id"]
            assert (await set_one(api, occurrenceDateTime=at(seconds=3))).status_code == 201
            requests.update_one({"_id": broken}, {"$set": {"body": b"\x01 nobody opens this"}})
            await until(lambda: len(inbox.letters) >= 1)
            (told,) = await given(api)
    assert broken not in told["basedOn"][0]["reference"]
    (left,) = mongodb[database_name]["server.notices"].find({})
    assert left["about"] == f"CommunicationRequest/{broken}"


async def test_a_reminder_of_the_staff_without_words_is_given_as_it_is(mongodb_uri: str, database_name: str) -> None:
    inbox = Inbox()
    with mail_server(inbox) as port:
        async with server(mongodb_uri, database_name, port) as (app, api):
            await people(app, api)
            own = [{"reference": "Patient/anna"}]
            wordless = reminder(occurrenceDateTime=at(seconds=2), recipient=own)
            del wordless["payload"]
            answer = await api.post("CommunicationRequest", json=wordless, headers=as_bearer("dr"))
            assert answer.status_code == 201, answer.text
            await until(lambda: len(inbox.letters) >= 1)
            (told,) = await given(api)
    assert (told["topic"], told.get("payload")) == ({"text": "Reminder"}, None)


async def test_a_reminder_given_by_a_worker_that_died_is_told_by_the_next(
    mongodb_uri: str, mongodb: MongoClient[dict[str, Any]], database_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = Inbox()
    hand_over, deaths = stored.hand_over, [True]

    async def dies_first(*args: Any) -> bool:
        if deaths:
            deaths.clear()
            raise ConnectionError
        return await hand_over(*args)

    monkeypatch.setattr(stored, "hand_over", dies_first)
    monkeypatch.setattr(notices, "_LATER_MILLISECONDS", 0)
    with mail_server(inbox) as port:
        async with server(mongodb_uri, database_name, port) as (app, api):
            await people(app, api)
            assert (await set_one(api, occurrenceDateTime=at(seconds=2))).status_code == 201
            await until(lambda: len(inbox.letters) >= 1)
            assert len(await given(api)) == 1
            await until(lambda: mongodb[database_name]["server.notices"].count_documents({}) == 0)
    assert len(inbox.letters) == 1


async def test_a_reminder_for_two_is_told_to_both_and_given_once(mongodb_uri: str, database_name: str) -> None:
    inbox = Inbox()
    with mail_server(inbox) as port:
        async with server(mongodb_uri, database_name, port) as (app, api):
            await people(app, api)
            ben = {"resourceType": "Patient", "id": "ben", "telecom": [{"system": "email", "value": "ben@example.org"}]}
            assert (await api.put("Patient/ben", json=ben, headers=as_bearer("system"))).status_code == 201
            await app.state.authorization.accounts.add("ben", "", "patient", fhir_user="Patient/ben", patients=("ben",))
            both = [{"reference": "Patient/anna"}, {"reference": "Patient/ben"}]
            set_for = reminder(occurrenceDateTime=at(seconds=2), recipient=both)
            answer = await api.post("CommunicationRequest", json=set_for, headers=as_bearer("system"))
            assert answer.status_code == 201, answer.text
            await until(lambda: len(inbox.letters) >= 2)
            assert len(await given(api)) == 1
    assert sorted(inbox.to) == ["anna@example.org", "ben@example.org"]


async def test_a_patient_changes_no_request_of_somebody_else(mongodb_uri: str, database_name: str) -> None:
    with mail_server(Inbox()) as port:
        async with server(mongodb_uri, database_name, port) as (app, api):
            await people(app, api)
            asked = reminder(requester={"reference": "Practitioner/dr"})
            for theirs in (asked, {name: value for name, value in asked.items() if name != "category"}):
                request = (await api.post("CommunicationRequest", json=theirs, headers=as_bearer("dr"))).json()
                place = f"CommunicationRequest/{request['id']}"
                taken = reminder(id=request["id"], payload=[{"contentString": "Take two"}])
                for changed in (taken, taken | {"status": "revoked"}):
                    answer = await api.put(place, json=changed, headers=as_bearer("anna"))
                    assert answer.status_code == 422, answer.text
                    assert answer.json()["issue"][0]["expression"] == ["CommunicationRequest.requester"]
                assert (await api.get(place, headers=as_bearer("dr"))).json() == request
