"""Who is written to is told by one mail that a message waits, and the mail says nothing of it.

docs/people/mail.md, docs/adr/0029-an-outbox-for-mail.md
"""

import asyncio
from typing import Any

import pytest
from pymongo import MongoClient

from fhir_server.core.write_plan import Notice
from fhir_server.store import notices as stored
from fhir_server.store.mongo import Database
from tests.auth.inbox import Inbox, mail_server
from tests.auth.told import people, server, two_workers, until
from tests.rest.access import as_bearer

SECRET_TOPIC, SECRET_WORDS = "Tender swelling", "a lump under my arm"


def message(**more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Communication",
        "status": "completed",
        "subject": {"reference": "Patient/anna"},
        "recipient": [{"reference": "Practitioner/dr"}],
        "topic": {"text": SECRET_TOPIC},
        "payload": [{"contentString": SECRET_WORDS}],
        **more,
    }


async def test_one_mail_for_each_message_and_none_of_its_words(
    mongodb_uri: str, mongodb: MongoClient[dict[str, Any]], database_name: str
) -> None:
    inbox = Inbox()
    async with two_workers(mongodb_uri, database_name, inbox) as api:
        for _ in range(7):
            answer = await api.post("Communication", json=message(), headers=as_bearer("anna"))
            assert answer.status_code == 201, answer.text
        reply = message(sender={"reference": "Practitioner/dr"}, recipient=[{"reference": "Patient/anna"}])
        assert (await api.post("Communication", json=reply, headers=as_bearer("dr"))).status_code == 201
        await until(lambda: len(inbox.letters) >= 8)
        await asyncio.sleep(3)
    assert sorted(inbox.to) == ["anna@example.org"] + ["dr@example.org"] * 7
    assert len({each["Message-ID"] for each in inbox.letters}) == 8
    for each in inbox.letters:
        whole = each.as_string()
        assert "waits for you" in whole
        for word in (SECRET_TOPIC, SECRET_WORDS, "swelling", "lump", "Anna", "Communication", "Patient/"):
            assert word not in whole
    assert mongodb[database_name]["server.notices"].count_documents({}) == 0


FACILITY = {"system": "urn:fhir-server:federal:dmis-id", "value": "Z1"}
WORKPLACES: list[dict[str, Any]] = [
    {
        "resourceType": "Organization",
        "id": "clinic",
        "identifier": [FACILITY],
        "telecom": [{"system": "email", "value": "clinic@example.org"}],
    },
    {"resourceType": "Organization", "id": "ward", "identifier": [FACILITY]},
    {
        "resourceType": "HealthcareService",
        "id": "sleep",
        "providedBy": {"reference": "Organization/clinic"},
        "telecom": [{"system": "email", "value": "sleep@example.org"}],
    },
    {
        "resourceType": "PractitionerRole",
        "id": "dr-ward",
        "practitioner": {"reference": "Practitioner/dr"},
        "organization": {"reference": "Organization/ward"},
    },
    {
        "resourceType": "PractitionerRole",
        "id": "former",
        "active": False,
        "practitioner": {"reference": "Practitioner/none"},
        "organization": {"reference": "Organization/ward"},
    },
]


async def test_an_organisation_is_told_at_its_address_or_else_who_works_there(
    mongodb_uri: str, mongodb: MongoClient[dict[str, Any]], database_name: str
) -> None:
    inbox = Inbox()
    with mail_server(inbox) as port:
        async with server(mongodb_uri, database_name, port) as (app, api):
            await people(app, api)
            for each in WORKPLACES:
                place = f"{each['resourceType']}/{each['id']}"
                assert (await api.put(place, json=each, headers=as_bearer("system"))).status_code == 201
            for place in ("Organization/clinic", "HealthcareService/sleep", "Organization/ward"):
                sent = message(recipient=[{"reference": place}])
                answer = await api.post("Communication", json=sent, headers=as_bearer("anna"))
                assert answer.status_code == 201, answer.text
            # Who writes is not told of it.
            own = message(
                sender={"reference": "Practitioner/dr"},
                recipient=[{"reference": "Organization/ward"}, {"reference": "Patient/anna"}],
            )
            assert (await api.post("Communication", json=own, headers=as_bearer("dr"))).status_code == 201
            await until(lambda: mongodb[database_name]["server.notices"].count_documents({}) == 0)
            await until(lambda: mongodb[database_name]["auth.outbox"].count_documents({}) == 0)
    expected = ["anna@example.org", "clinic@example.org", "dr@example.org", "sleep@example.org"]
    assert sorted(inbox.to) == expected


async def test_what_waits_when_the_server_dies_is_told_once_it_is_back(
    mongodb_uri: str, mongodb: MongoClient[dict[str, Any]], database_name: str
) -> None:
    inbox = Inbox(answer_to_letter="451 later")
    with mail_server(inbox) as port:
        async with server(mongodb_uri, database_name, port) as (app, api):
            await people(app, api)
            assert (await api.post("Communication", json=message(), headers=as_bearer("anna"))).status_code == 201
            await until(lambda: len(inbox.letters) >= 1)
        outbox = mongodb[database_name]["auth.outbox"]
        assert outbox.count_documents({}) == 1
        letter = outbox.find_one({})
        assert letter is not None
        assert SECRET_TOPIC not in str(letter) and "waits" not in str(letter)
        # As long after as the outbox waits before it tries again.
        outbox.update_many({}, {"$set": {"claimed_until": 0}})
        first = inbox.letters[0]["Message-ID"]
        inbox.letters.clear()
        inbox.answer_to_letter = "250 OK"
        async with server(mongodb_uri, database_name, port):
            await until(lambda: len(inbox.letters) >= 1)
            await until(lambda: outbox.count_documents({}) == 0)
    assert [each["Message-ID"] for each in inbox.letters] == [first]


@pytest.fixture
def database(mongodb_uri: str, database_name: str) -> Database:
    from fhir_server.store import mongo

    return mongo.connect(mongodb_uri, database_name)


async def test_two_workers_that_hand_one_notice_over_make_one_letter(
    database: Database, mongodb: MongoClient[dict[str, Any]]
) -> None:
    notice = Notice("message/m1/Patient/anna", "message", "Patient/anna")
    rows = mongodb[database.name]["server.notices"]
    rows.insert_one({"_id": notice.id, "kind": "message", "place": notice.place, "due": 0, "about": "", "state": ""})
    letters = [stored.Letter(f"letter-{number}", {"to": "anna@example.org"}) for number in range(8)]
    handed = await asyncio.gather(*(stored.hand_over(database, notice, [each]) for each in letters))
    assert sorted(handed) == [False] * 7 + [True]
    assert mongodb[database.name]["auth.outbox"].count_documents({}) == 1


async def test_a_notice_waits_for_its_time_and_falls_away_with_what_it_is_about(
    mongodb_uri: str, mongodb: MongoClient[dict[str, Any]], database_name: str
) -> None:
    inbox = Inbox()
    with mail_server(inbox) as port:
        async with server(mongodb_uri, database_name, port) as (app, api):
            await people(app, api)
            visit = {"resourceType": "Appointment", "id": "a1", "status": "cancelled"}
            visit["participant"] = [{"actor": {"reference": "Patient/anna"}, "status": "accepted"}]  # type: ignore[assignment]
            assert (await api.put("Appointment/a1", json=visit, headers=as_bearer("system"))).status_code == 201
            rows = mongodb[database_name]["server.notices"]
            common = {"place": "Patient/anna", "state": "booked"}
            rows.insert_many(
                [
                    {"_id": "gone", "kind": "visit-reminder", "due": 0, "about": "Appointment/nowhere", **common},
                    {"_id": "cancelled", "kind": "visit-reminder", "due": 0, "about": "Appointment/a1", **common},
                    {"_id": "later", "kind": "reminder", "due": 2**52, "about": "", **common},
                    {
                        "_id": "nobody",
                        "kind": "reminder",
                        "due": 0,
                        "about": "",
                        "place": "Practitioner/nobody",
                        "state": "",
                    },
                    {"_id": "now", "kind": "reminder", "due": 0, "about": "", **common},
                ]
            )
            await until(lambda: rows.count_documents({}) == 1)
            await until(lambda: len(inbox.letters) >= 1)
            await asyncio.sleep(1)
    assert [each["Subject"] for each in inbox.letters] == ["A reminder that you set"]
    assert [each["_id"] for each in mongodb[database_name]["server.notices"].find({})] == ["later"]
