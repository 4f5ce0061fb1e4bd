"""Patients and their care team write and answer: threads, drafts, read marks, files, and what never changes.

https://hl7.org/fhir/R4/communication.html, docs/adr/0035-messages.md
"""

import base64
import io
import zipfile
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from msgspec import structs
from pymongo import MongoClient

from fhir_server.core.outcome import FhirError
from fhir_server.interactions import facts
from fhir_server.interactions.message_recipients import Recipients, told_of
from fhir_server.policy import Sight
from fhir_server.store import transactions
from smart_auth.access import AccessContext
from tests.rest.access import as_bearer, guarded, scopes
from tests.rest.in_process import opened, put

Resource = dict[str, Any]

PDF = b"%PDF-1.4 a list of my medicines %%EOF"
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 64

ANNA = AccessContext(
    "anna", "app", "patient", scopes("patient/*.cruds"), fhir_user="Patient/anna", patients=("anna",), patient="anna"
)
BEN = AccessContext(
    "ben", "app", "patient", scopes("patient/*.cruds"), fhir_user="Patient/ben", patients=("ben",), patient="ben"
)
READER = AccessContext(
    "anna", "app", "patient", scopes("patient/Binary.r"), fhir_user="Patient/anna", patients=("anna",), patient="anna"
)
DR = AccessContext("dr", "chart", "practitioner", scopes("user/*.cruds"), fhir_user="Practitioner/dr")
NURSE = AccessContext("nurse", "chart", "practitioner", scopes("user/*.cruds"), fhir_user="Practitioner/nurse")
OTHER = AccessContext("other", "chart", "practitioner", scopes("user/*.cruds"), fhir_user="Practitioner/other")
SYSTEM = AccessContext("system", "exchange", "system", scopes("system/*.cruds"))
# Who acts for anna by an administrator's word.
MOTHER = AccessContext(
    "mother", "app", "patient", scopes("user/*.cruds"), fhir_user="Patient/ben", patients=("ben", "anna")
)
BEARERS = {
    "mother": MOTHER,
    "anna": ANNA,
    "ben": BEN,
    "reader": READER,
    "dr": DR,
    "nurse": NURSE,
    "other": OTHER,
    "system": SYSTEM,
}

GOVERNMENT = {
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/organization-type", "code": "govt"}],
}


def person(type: str, id: str, family: str) -> Resource:
    return {"resourceType": type, "id": id, "name": [{"given": [id.title()], "family": family}]}


def role(id: str, practitioner: str, organization: str) -> Resource:
    return {
        "resourceType": "PractitionerRole",
        "id": id,
        "active": True,
        "practitioner": {"reference": f"Practitioner/{practitioner}"},
        "organization": {"reference": f"Organization/{organization}"},
    }


def team(id: str, patient: str, *members: str) -> Resource:
    return {
        "resourceType": "CareTeam",
        "id": id,
        "name": f"Team of {patient}",
        "status": "active",
        "subject": {"reference": f"Patient/{patient}"},
        "managingOrganization": [{"reference": "Organization/clinic"}],
        "participant": [{"member": {"reference": f"Practitioner/{member}"}} for member in members],
    }


WORLD: list[Resource] = [
    {"resourceType": "Organization", "id": "agency", "name": "Agency", "type": [GOVERNMENT]},
    {"resourceType": "Organization", "id": "clinic", "name": "Clinic", "partOf": {"reference": "Organization/agency"}},
    {"resourceType": "Organization", "id": "civilian", "name": "Civilian practice"},
    person("Patient", "anna", "Stone") | {"managingOrganization": {"reference": "Organization/clinic"}},
    person("Patient", "ben", "Field"),
    person("Practitioner", "dr", "Green"),
    person("Practitioner", "nurse", "Blue"),
    person("Practitioner", "other", "Grey"),
    role("dr-role", "dr", "clinic"),
    role("nurse-role", "nurse", "clinic"),
    role("civilian-role", "other", "civilian"),
    team("team", "anna", "dr", "nurse"),
    team("bens", "ben", "other"),
]


@pytest_asyncio.fixture(scope="module")
async def world(mongodb_uri: str, mongodb: MongoClient[dict[str, Any]]) -> AsyncIterator[httpx.AsyncClient]:
    name = "test_secure_messages"
    mongodb.drop_database(name)
    async with guarded(mongodb_uri, name, BEARERS) as api:
        for resource in WORLD:
            place = f"{resource['resourceType']}/{resource['id']}"
            answer = await api.put(place, json=resource, headers=as_bearer("system"))
            assert answer.status_code == 201, answer.text
        yield api
    mongodb.drop_database(name)


def message(**more: Any) -> Resource:
    return {
        "resourceType": "Communication",
        "status": "completed",
        "subject": {"reference": "Patient/anna"},
        "recipient": [{"reference": "CareTeam/team"}],
        "topic": {"text": "My new medicine"},
        "payload": [{"contentString": "May I take it with milk?"}],
        **more,
    }


def attached(content: bytes = PDF, type: str = "application/pdf", **more: Any) -> Resource:
    data = base64.b64encode(content).decode()
    return {"contentAttachment": {"contentType": type, "title": "list", "data": data, **more}}


async def send(api: httpx.AsyncClient, who: str, resource: Resource) -> httpx.Response:
    if "id" in resource:
        place = f"{resource['resourceType']}/{resource['id']}"
        return await api.put(place, json=resource, headers=as_bearer(who))
    return await api.post(resource["resourceType"], json=resource, headers=as_bearer(who))


async def sent(api: httpx.AsyncClient, who: str, resource: Resource) -> Resource:
    answer = await send(api, who, resource)
    assert answer.status_code in (200, 201), answer.text
    found: Resource = answer.json()
    return found


async def seen(api: httpx.AsyncClient, who: str, id: str) -> int:
    return (await api.get(f"Communication/{id}", headers=as_bearer(who))).status_code


def refused(answer: httpx.Response, status: int, *elements: str) -> None:
    assert answer.status_code == status, answer.text
    found = [each for issue in answer.json()["issue"] for each in issue.get("expression", ())]
    assert [each for each in elements if each not in found] == [], answer.text


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


async def test_a_draft_is_its_writers_until_it_is_sent(world: httpx.AsyncClient) -> None:
    draft = await sent(world, "dr", draft_of_staff())
    assert "sent" not in draft
    assert [await seen(world, who, draft["id"]) for who in ("dr", "anna", "nurse", "other")] == [200, 404, 404, 404]
    found = (await world.get("Communication?_summary=count&status=preparation", headers=as_bearer("anna"))).json()
    assert found["total"] == 0
    done = await sent(world, "dr", draft | {"status": "completed", "recipient": [{"reference": "Patient/anna"}]})
    assert done["sent"]
    assert [await seen(world, who, draft["id"]) for who in ("dr", "anna", "nurse")] == [200, 200, 404]
    history = (await world.get(f"Communication/{draft['id']}/_history", headers=as_bearer("anna"))).json()
    assert [each["resource"]["status"] for each in history["entry"]] == ["completed"]


def draft_of_staff() -> Resource:
    return message(
        status="preparation", sender={"reference": "Practitioner/dr"}, recipient=[{"reference": "Patient/anna"}]
    )


async def test_a_patients_draft_is_changed_deleted_and_sent_by_them_alone(world: httpx.AsyncClient) -> None:
    bare = {"resourceType": "Communication", "status": "preparation", "subject": {"reference": "Patient/anna"}}
    draft = await sent(world, "anna", bare)
    assert [await seen(world, who, draft["id"]) for who in ("anna", "dr", "nurse")] == [200, 404, 404]
    draft = await sent(world, "anna", draft | {"payload": [{"contentString": "What I"}]})
    refused(await send(world, "anna", draft | {"status": "completed"}), 422, "Communication.recipient")
    assert (await send(world, "dr", draft | {"topic": {"text": "x"}})).status_code in (403, 404)
    gone = await world.delete(f"Communication/{draft['id']}", headers=as_bearer("anna"))
    assert gone.status_code == 204, gone.text
    assert await seen(world, "anna", draft["id"]) == 410


async def test_a_deleted_draft_is_not_brought_back_in_another_name(world: httpx.AsyncClient) -> None:
    draft = await sent(world, "dr", draft_of_staff())
    assert (await world.delete(f"Communication/{draft['id']}", headers=as_bearer("dr"))).status_code == 204
    forged = draft | {
        "status": "completed",
        "sender": {"reference": "Practitioner/nurse"},
        "recipient": [{"reference": "Patient/anna"}, {"reference": "Practitioner/dr"}],
    }
    assert (await send(world, "dr", forged)).status_code == 404
    assert (await send(world, "dr", forged | {"sender": draft["sender"]})).status_code == 404
    assert await seen(world, "anna", draft["id"]) == 404


async def test_nobody_in_the_family_changes_sends_or_deletes_anothers_draft(world: httpx.AsyncClient) -> None:
    draft = await sent(world, "mother", message(status="preparation"))
    for changed in ({"payload": [{"contentString": "I never wrote that"}]}, {"status": "completed"}):
        assert (await send(world, "anna", draft | changed)).status_code in (403, 404)
    patch = [{"op": "replace", "path": "/status", "value": "completed"}]
    headers = as_bearer("anna") | {"content-type": "application/json-patch+json"}
    place = f"Communication/{draft['id']}"
    assert (await world.patch(place, json=patch, headers=headers)).status_code in (403, 404)
    assert (await world.delete(place, headers=as_bearer("anna"))).status_code in (403, 404)
    done = await sent(world, "mother", draft | {"status": "completed"})
    assert (done["sender"]["reference"], done["payload"]) == ("Patient/ben", draft["payload"])


async def test_a_draft_is_seen_in_the_family_by_whoever_speaks_in_it(world: httpx.AsyncClient) -> None:
    hers = await sent(world, "mother", message(status="preparation"))
    own = await sent(world, "anna", message(status="preparation"))
    # The mother may speak for anna, and anna not for her.
    for who, draft, status in (("mother", hers, 200), ("mother", own, 200), ("anna", own, 200), ("anna", hers, 404)):
        place = f"Communication/{draft['id']}"
        assert await seen(world, who, draft["id"]) == status, (who, draft["sender"])
        history = await world.get(f"{place}/_history", headers=as_bearer(who))
        assert history.status_code == status
        found = (await world.get(f"Communication?_id={draft['id']}&_total=accurate", headers=as_bearer(who))).json()
        assert found["total"] == (1 if status == 200 else 0)
    await sent(world, "anna", own | {"status": "completed"})
    await sent(world, "mother", hers | {"status": "completed"})
    assert await seen(world, "anna", hers["id"]) == 200
    history = (await world.get(f"Communication/{hers['id']}/_history", headers=as_bearer("anna"))).json()
    assert [each["resource"]["status"] for each in history["entry"]] == ["completed"]


async def test_who_sends_a_draft_twice_at_once_sends_it_once(world: httpx.AsyncClient) -> None:
    draft = await sent(world, "anna", message(status="preparation"))
    import asyncio

    answers = await asyncio.gather(*(send(world, "anna", draft | {"status": "completed"}) for _ in range(6)))
    assert sorted(each.status_code for each in answers) == [200] + [422] * 5


async def test_a_message_that_is_sent_while_somebody_writes_over_it_stays_as_it_was_sent(
    mongodb_uri: str, database_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a draft it was out of reach, so that no rule looked at what would become of it."""
    draft = draft_of_staff() | {"id": "d1"}
    run = transactions.run
    async with opened(mongodb_uri, database_name) as context:
        for resource in (*WORLD, draft):
            await put(context, resource)

        async def sends_it_first(*args: Any) -> Any:
            monkeypatch.setattr(transactions, "run", run)
            await put(context, draft | {"status": "completed"})
            return await run(*args)

        monkeypatch.setattr(transactions, "run", sends_it_first)
        forged = draft | {"status": "completed", "payload": [{"contentString": "what the doctor never wrote"}]}
        with pytest.raises(FhirError):
            await put(structs.replace(context, sight=Sight(ANNA)), forged)
        kept = await facts.stored(context, "Communication", "d1")
    assert kept.resource is not None
    assert (kept.resource["status"], kept.resource["payload"]) == ("completed", draft["payload"])


async def test_files_come_out_of_the_message_and_are_read_by_who_reads_it(world: httpx.AsyncClient) -> None:
    stored = await sent(
        world,
        "anna",
        message(payload=[{"contentString": "See the list"}, attached(), attached(PNG, "image/png")]),
    )
    files = [each["contentAttachment"] for each in stored["payload"][1:]]
    assert [each["size"] for each in files] == [len(PDF), len(PNG)]
    assert all("data" not in each and each["url"].startswith("Binary/") for each in files)
    for who, status in (("anna", 200), ("dr", 200), ("nurse", 200), ("other", 404), ("ben", 404), ("reader", 403)):
        answer = await world.get(files[0]["url"], headers=as_bearer(who) | {"accept": "application/pdf"})
        assert (who, answer.status_code) == (who, status)
        if status == 200:
            assert answer.content == PDF
            assert answer.headers["content-type"] == "application/pdf"
    as_json = await world.get(files[0]["url"], headers=as_bearer("anna"))
    assert base64.b64decode(as_json.json()["data"]) == PDF
    for url in ("Binary", f"Binary?_id={files[0]['url'].removeprefix('Binary/')}", "Binary/_history"):
        found = (await world.get(url, headers=as_bearer("anna"))).json()
        assert found.get("entry", []) == []


async def test_a_file_of_a_sent_message_stays_as_it_is(world: httpx.AsyncClient) -> None:
    stored = await sent(world, "anna", message(payload=[{"contentString": "See"}, attached()]))
    place = stored["payload"][1]["contentAttachment"]["url"]
    binary = (await world.get(place, headers=as_bearer("system"))).json()
    changed = binary | {"data": base64.b64encode(PNG).decode()}
    for who in ("dr", "system"):
        assert (await send(world, who, changed)).status_code == 422
        assert (await world.delete(place, headers=as_bearer(who))).status_code == 422
    assert base64.b64decode((await world.get(place, headers=as_bearer("anna"))).json()["data"]) == PDF


async def test_one_bundle_does_not_send_a_draft_and_delete_its_file(world: httpx.AsyncClient) -> None:
    draft = await sent(world, "dr", draft_of_staff() | {"payload": [{"contentString": "See"}, attached()]})
    url = draft["payload"][1]["contentAttachment"]["url"]
    place = f"Communication/{draft['id']}"
    entries = [
        {"resource": draft | {"status": "completed"}, "request": {"method": "PUT", "url": place}},
        {"request": {"method": "DELETE", "url": url}},
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    answer = await world.post("", json=bundle, headers=as_bearer("dr"))
    refused(answer, 422, "Bundle.entry[0].resource.payload[1].contentAttachment.url")
    assert (await world.get(place, headers=as_bearer("dr"))).json()["status"] == "preparation"
    gone = [{"request": {"method": "DELETE", "url": each}} for each in (place, url)]
    answer = await world.post("", json=bundle | {"entry": gone}, headers=as_bearer("dr"))
    assert answer.status_code == 200, answer.text


def note(url: str) -> Resource:
    return {
        "resourceType": "DocumentReference",
        "status": "current",
        "subject": {"reference": "Patient/anna"},
        "content": [{"attachment": {"contentType": "application/pdf", "url": url}}],
    }


async def test_nobody_comes_to_read_a_file_by_naming_it(world: httpx.AsyncClient) -> None:
    file = {"payload": [{"contentString": "See"}, attached()]}
    draft = await sent(world, "dr", draft_of_staff() | file)
    private = await sent(world, "anna", message(recipient=[{"reference": "Practitioner/dr"}], **file))
    for who, held in (("anna", draft), ("nurse", private)):
        url = held["payload"][1]["contentAttachment"]["url"]
        refused(await send(world, who, note(url)), 403, "DocumentReference")
        assert (await world.get(url, headers=as_bearer(who))).status_code == 404
    own = await sent(world, "nurse", note("Binary/nowhere"))
    refused(await send(world, "nurse", own | {"content": note(url)["content"]}), 403, "DocumentReference")
    await sent(world, "anna", note(url))


async def test_nobody_writes_over_a_file_that_is_held_out_of_their_sight(world: httpx.AsyncClient) -> None:
    file = {"payload": [{"contentString": "See"}, attached()]}
    draft = await sent(world, "dr", draft_of_staff() | file)
    private = await sent(world, "anna", message(recipient=[{"reference": "Practitioner/dr"}], **file))
    merge = as_bearer("nurse") | {"content-type": "application/merge-patch+json"}
    for held in (draft, private):
        url = held["payload"][1]["contentAttachment"]["url"]
        binary = (await world.get(url, headers=as_bearer("dr"))).json()
        for answer in (
            await world.patch(url, json={"language": "en"}, headers=merge),
            await send(world, "nurse", binary | {"data": base64.b64encode(PNG).decode()}),
            await world.delete(url, headers=as_bearer("nurse")),
        ):
            assert answer.status_code == 404, answer.text
        assert (await world.get(url, headers=as_bearer("dr"))).json() == binary


@pytest.mark.parametrize("change", ["deleted", "replaced"])
async def test_what_a_draft_held_once_stays_its_writers(world: httpx.AsyncClient, change: str) -> None:
    draft = await sent(world, "dr", draft_of_staff() | {"payload": [{"contentString": "See"}, attached()]})
    url = draft["payload"][1]["contentAttachment"]["url"]
    if change == "deleted":
        assert (await world.delete(f"Communication/{draft['id']}", headers=as_bearer("dr"))).status_code == 204
    else:
        await sent(world, "dr", draft | {"status": "completed", "payload": [{"contentString": "See"}]})
    for who, status in (("dr", 200), ("anna", 404), ("nurse", 404)):
        for place in (url, f"{url}/_history", f"{url}/_history/1"):
            assert (await world.get(place, headers=as_bearer(who))).status_code == status, (who, place)


async def test_a_patient_still_reads_what_their_own_note_held(world: httpx.AsyncClient) -> None:
    own = {"content-type": "image/png", "x-security-context": "Patient/anna"}
    uploaded = await world.post("Binary", content=PNG, headers=as_bearer("anna") | own)
    url = f"Binary/{uploaded.json()['id']}"
    draft = await sent(world, "anna", message(status="preparation", payload=[{"contentAttachment": {"url": url}}]))
    assert (await world.delete(f"Communication/{draft['id']}", headers=as_bearer("anna"))).status_code == 204
    assert (await world.get(url, headers=as_bearer("anna"))).status_code == 200
    await sent(world, "anna", message(payload=[{"contentString": "See"}, {"contentAttachment": {"url": url}}]))


async def test_a_file_uploaded_first_is_attached_by_its_url(world: httpx.AsyncClient) -> None:
    binary = {
        "resourceType": "Binary",
        "contentType": "image/png",
        "securityContext": {"reference": "Patient/anna"},
        "data": base64.b64encode(PNG).decode(),
    }
    uploaded = await sent(world, "dr", binary)
    url = f"Binary/{uploaded['id']}"
    words = {"contentString": "See"}
    draft = draft_of_staff() | {"status": "completed"}
    stored = await sent(world, "dr", draft | {"payload": [words, {"contentAttachment": {"url": url}}]})
    assert stored["payload"][1]["contentAttachment"] == {"url": url, "contentType": "image/png", "size": len(PNG)}
    theirs = await sent(world, "system", binary | {"securityContext": {"reference": "Patient/ben"}})
    for url in (f"Binary/{theirs['id']}", "Binary/nowhere", "https://elsewhere.example/a.png", "Patient/anna"):
        answer = await send(world, "anna", message(payload=[words, {"contentAttachment": {"url": url}}]))
        refused(answer, 422, "Communication.payload[1].contentAttachment.url")


async def test_a_patient_uploads_a_file_into_the_own_record_as_it_is_and_attaches_it(world: httpx.AsyncClient) -> None:
    own = {"content-type": "image/png", "x-security-context": "Patient/anna"}
    uploaded = await world.post("Binary", content=PNG, headers=as_bearer("anna") | own)
    assert uploaded.status_code == 201, uploaded.text
    url = f"Binary/{uploaded.json()['id']}"
    stored = await sent(world, "anna", message(payload=[{"contentString": "See"}, {"contentAttachment": {"url": url}}]))
    assert stored["payload"][1]["contentAttachment"]["contentType"] == "image/png"
    for headers, content, status in (
        (own | {"x-security-context": "Patient/ben"}, PNG, 403),
        ({"content-type": "image/png"}, PNG, 403),
        (own, b"MZ", 422),
        (own | {"content-type": "application/x-msdownload"}, PNG, 422),
    ):
        answer = await world.post("Binary", content=content, headers=as_bearer("anna") | headers)
        assert answer.status_code == status, (headers, answer.text)


@pytest.mark.parametrize("parameter", ["\rX-Evil: 1", " name=☃", "\tx"])
async def test_what_stands_behind_a_media_type_is_no_header_of_its_own(
    world: httpx.AsyncClient, parameter: str
) -> None:
    binary = {
        "resourceType": "Binary",
        "contentType": f"image/png;{parameter}",
        "securityContext": {"reference": "Patient/anna"},
        "data": base64.b64encode(PNG).decode(),
    }
    uploaded = await sent(world, "anna", binary)
    accept = {"accept": "application/octet-stream"}
    answer = await world.get(f"Binary/{uploaded['id']}", headers=as_bearer("anna") | accept)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/octet-stream")
    assert answer.content == PNG


async def test_no_file_hides_outside_the_payload(world: httpx.AsyncClient) -> None:
    extension = {"url": "http://x", "valueAttachment": {"contentType": "text/html", "data": "PGgxPg=="}}
    for hidden in (
        {"extension": [extension]},
        {"topic": {"text": "x", "extension": [extension]}},
        {"note": [{"text": "x", "extension": [{"url": "http://x", "valueBase64Binary": "QUJD"}]}]},
    ):
        assert (await send(world, "anna", message(**hidden))).status_code == 422


def word(*names: str, content: bytes = b"<w/>") -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in ("[Content_Types].xml", "word/document.xml", *names):
            packed.writestr(name, content)
    return written.getvalue()


DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
BAD_FILES = [
    (b"MZ\x90\x00" + PDF, "application/pdf"),
    (PNG, "application/pdf"),
    (PDF, "image/png"),
    (PDF, "application/x-msdownload"),
    (b"<script>alert(1)</script>", "text/html"),
    (b"<script>alert(1)</script>", "text/plain"),
    (b"%PDF-1.4 /OpenAction << /S /JavaScript >>", "application/pdf"),
    (b"%PDF-1.4 /Open#41ction /#4aavaScript", "application/pdf"),
    (b"PK\x03\x04 not a zip", DOCX),
    (word("word/vbaProject.bin"), DOCX),
    (word("word/embeddings/oleObject1.docx"), DOCX),
    (word("run.exe"), DOCX),
    (word(content=b"application/vnd.ms-word.document.macroEnabled.main+xml"), DOCX),
    (word(*(f"word/{number}.xml" for number in range(600))), DOCX),
    (word("word/big.xml", content=b"0" * 40_000_000), DOCX),
]


@pytest.mark.parametrize(("content", "type"), BAD_FILES)
async def test_a_wrong_kind_of_file_behind_a_right_name_is_refused(
    world: httpx.AsyncClient, content: bytes, type: str
) -> None:
    answer = await send(world, "anna", message(payload=[{"contentString": "See"}, attached(content, type)]))
    assert answer.status_code == 422, answer.text
    assert answer.json()["issue"][0]["expression"][0].startswith("Communication.payload[1].contentAttachment")


async def test_a_plain_word_document_is_taken(world: httpx.AsyncClient) -> None:
    content = word("word/styles.xml", "_rels/.rels", "docProps/app.xml")
    await sent(world, "anna", message(payload=[{"contentString": "See"}, attached(content, DOCX)]))


MB = 1024 * 1024


@pytest.mark.parametrize(
    "sizes", [[10] * 5, [6 * MB + 1], [5 * MB, 5 * MB, 10]], ids=["a fifth file", "over 6 MB", "over 10 MB together"]
)
async def test_more_or_larger_files_than_a_message_takes_are_refused(
    world: httpx.AsyncClient, sizes: list[int]
) -> None:
    files = [attached(b"%PDF-1.4" + b" " * (size - 8 if size > 8 else 2)) for size in sizes]
    answer = await send(world, "anna", message(payload=[{"contentString": "See"}, *files]))
    assert answer.status_code in (413, 422), answer.text
    if answer.status_code == 422:
        assert answer.json()["issue"][0]["details"]["coding"][1]["code"] == "attachment-limit"


async def test_four_files_of_ten_mb_together_are_taken(world: httpx.AsyncClient) -> None:
    files = [attached(b"%PDF-1.4" + b" " * (MB * 10 // 4 - 8)) for _ in range(4)]
    await sent(world, "anna", message(payload=[{"contentString": "See"}, *files]))


ODD_PAYLOADS = [
    {"contentString": "x", "extension": [{"url": "http://x", "valueString": "hidden"}]},
    {"_contentString": {"extension": [{"url": "http://x", "valueString": "hidden"}]}},
    {"contentReference": {"reference": "Binary/b1"}},
    {"contentReference": {"reference": "https://elsewhere.example/x"}},
    {"contentAttachment": {"url": "Binary/b1", "_title": {"extension": [{"url": "http://x", "valueString": "y"}]}}},
    {"contentAttachment": {"data": "QUJD", "url": "Binary/b1"}},
    {"contentAttachment": {}},
]


@pytest.mark.parametrize("payload", ODD_PAYLOADS)
async def test_a_message_holds_text_and_files_that_were_looked_at_and_nothing_else(
    world: httpx.AsyncClient, payload: Resource
) -> None:
    answer = await send(world, "anna", message(payload=[{"contentString": "See"}, payload]))
    assert answer.status_code in (400, 422), answer.text


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
