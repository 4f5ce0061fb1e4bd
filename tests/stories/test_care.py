"""Stories 8 to 11: visits, messages, refills and renewals."""

import asyncio
import base64
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.race.volley import volley
from tests.stories.conftest import Person, Resource, World

PATIENT = "launch/patient patient/*.cruds"
PDF = base64.b64encode(b"%PDF-1.4 what I ate").decode()
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"0" * 40).decode()
TASKS = "http://hl7.org/fhir/CodeSystem/task-code"


def visit(slot: Resource, patient: str, **more: Any) -> Resource:
    return {
        "resourceType": "Appointment",
        "status": "booked",
        "slot": [{"reference": f"Slot/{slot['id']}"}],
        "start": slot["start"],
        "end": slot["end"],
        "participant": [
            {"actor": {"reference": f"Patient/{patient}"}, "required": "required", "status": "accepted"},
        ],
        **more,
    }


async def free_slots(person: Person, *, days: int) -> list[Resource]:
    begin = (datetime.now(UTC) + timedelta(days=days)).date().isoformat()
    return await person.found(f"Slot?status=free&start=ge{begin}&_sort=start&_count=60")


async def slot_now(person: Person, slot: Resource) -> str:
    return str((await person.get(f"Slot/{slot['id']}"))["status"])


def apart(slots: list[Resource]) -> list[Resource]:
    """One slot of each time, so that nobody is at two places at once."""
    return list({each["start"]: each for each in slots}.values())


async def test_8_a_visit_is_booked_moved_and_cancelled(world: World) -> None:
    miguel = await world.person("miguel.rivera", PATIENT)
    first, second = apart(await free_slots(miguel, days=12))[:2]
    booked = await miguel.made(visit(first, "rivera-miguel"))
    assert await slot_now(miguel, first) == "busy"
    moved = {name: value for name, value in booked.items() if name != "text"}
    moved |= {"slot": [{"reference": f"Slot/{second['id']}"}], "start": second["start"], "end": second["end"]}
    moved["participant"] = [each for each in booked["participant"] if each["actor"]["reference"].startswith("Patient/")]
    stale = await miguel.ask("PUT", f"Appointment/{booked['id']}", moved, **{"if-match": 'W/"99"'})
    assert stale.status_code == 412
    answer = await miguel.ask("PUT", f"Appointment/{booked['id']}", moved, **{"if-match": 'W/"1"'})
    assert answer.status_code == 200, answer.text
    assert (await slot_now(miguel, first), await slot_now(miguel, second)) == ("free", "busy")
    cancelled = answer.json() | {"status": "cancelled"}
    refused = await miguel.ask("PUT", f"Appointment/{booked['id']}", cancelled)
    assert refused.status_code == 422, refused.text
    cancelled["cancelationReason"] = {"text": "The cold is over"}
    answer = await miguel.ask("PUT", f"Appointment/{booked['id']}", cancelled)
    assert answer.status_code == 200, answer.text
    assert await slot_now(miguel, second) == "free"


async def test_8_of_fifty_who_want_one_slot_at_the_same_moment_one_gets_it(world: World) -> None:
    """On two workers, over connections that were open before (tests/race has the same on two pools of one process)."""
    names = {"miguel.rivera": "rivera-miguel", "erik.lindqvist": "lindqvist-erik", "james.walker": "walker-james"}
    people = [(await world.person(user, PATIENT), patient) for user, patient in names.items()]
    wanted = (await free_slots(people[0][0], days=16))[0]
    requests = []
    for number in range(50):
        person, patient = people[number % len(people)]
        headers = person.headers | {"content-type": "application/fhir+json"}
        address = f"{person.base}/Appointment"
        requests.append(person.http.build_request("POST", address, json=visit(wanted, patient), headers=headers))
    answers = await volley(requests)
    assert Counter(each.status_code for each in answers) == {201: 1, 409: 49}, {each.text for each in answers}
    made = next(each.json() for each in answers if each.status_code == 201)
    assert await slot_now(people[0][0], wanted) == "busy"
    booked = [
        each["id"]
        for person, patient in people
        for each in await person.found(f"Appointment?patient={patient}&slot=Slot/{wanted['id']}")
    ]
    assert booked == [made["id"]]


async def test_8_what_is_past_or_anothers_is_not_booked(world: World) -> None:
    miguel = await world.person("miguel.rivera", PATIENT)
    past = await miguel.found("Slot?status=free&start=lt" + datetime.now(UTC).date().isoformat() + "&_count=1")
    for slot in past:
        assert (await miguel.ask("POST", "Appointment", visit(slot, "rivera-miguel"))).status_code == 422
    (free, *_) = await free_slots(miguel, days=20)
    assert (await miguel.ask("POST", "Appointment", visit(free, "rivera-ana"))).status_code == 403
    gone = free | {"id": "no-such-slot"}
    assert (await miguel.ask("POST", "Appointment", visit(gone, "rivera-miguel"))).status_code == 422
    found = await miguel.get("Appointment/$find?_count=3")
    assert 0 < sum(each["search"]["mode"] == "match" for each in found["entry"]) <= 3


def message(patient: str, team: str, files: list[Resource], **more: Any) -> Resource:
    return {
        "resourceType": "Communication",
        "status": "completed",
        "subject": {"reference": f"Patient/{patient}"},
        "recipient": [{"reference": team}],
        "topic": {"text": "My diary of meals"},
        "payload": [{"contentString": "Here it is."}, *files],
        **more,
    }


def file(data: str, type: str) -> Resource:
    return {"contentAttachment": {"contentType": type, "title": "diary", "data": data}}


async def test_9_a_message_with_files_reaches_the_team_and_a_mail_says_only_that_it_waits(world: World) -> None:
    ana = await world.person("ana.rivera", PATIENT, patient="rivera-ana")
    (team, *_) = await ana.found("CareTeam?patient=rivera-ana&status=active")
    place = f"CareTeam/{team['id']}"
    two = [file(PDF, "application/pdf"), file(PNG, "image/png")]
    sent = await ana.made(message("rivera-ana", place, two))
    assert len(sent["payload"]) == 3
    issue = await ana.refused(message("rivera-ana", place, [file(PDF, "application/pdf")] * 5), 422, "attachment-limit")
    assert "4 files" in issue["details"]["text"]
    for lacking in ("recipient", "topic", "payload"):
        less = {name: value for name, value in message("rivera-ana", place, []).items() if name != lacking}
        issue = await ana.refused(less, 422)
        assert issue["expression"] == [f"Communication.{lacking}"]
    grace = await world.person("grace.okafor", "user/*.cruds")
    assert (await grace.get(f"Communication/{sent['id']}"))["topic"] == sent["topic"]
    before = (await ana.get("Communication/$unread?_summary=count"))["total"]
    answer = {
        "resourceType": "Communication",
        "status": "completed",
        "subject": {"reference": "Patient/rivera-ana"},
        "sender": {"reference": "Practitioner/okafor-grace"},
        "inResponseTo": [{"reference": f"Communication/{sent['id']}"}],
        "payload": [{"contentString": "Thank you. Less salt, please."}],
    }
    reply = await grace.made(answer)
    assert (await ana.get("Communication/$unread?_summary=count"))["total"] == before + 1
    marked = await ana.ask("POST", f"Communication/{reply['id']}/$mark-read", {"resourceType": "Parameters"})
    assert marked.status_code == 200, marked.text
    assert (await ana.get("Communication/$unread?_summary=count"))["total"] == before
    changed = await ana.ask("PUT", f"Communication/{sent['id']}", sent | {"topic": {"text": "Another"}})
    assert changed.status_code == 422
    monica = await world.person("monica.salazar", "user/*.cruds")
    assert (await monica.ask("GET", f"Communication/{sent['id']}")).status_code == 404
    await mailed(world)


async def mailed(world: World) -> None:
    """The mailbox of the demo has the letter, and none of the words."""
    http, origin = world.visitor.http, world.visitor.origin
    async with asyncio.timeout(30):
        while True:
            page = await http.get(f"{origin}/auth/mailbox")
            if "A new message waits for you" in page.text:
                break
            await asyncio.sleep(0.5)
    assert "diary" not in page.text
    assert "salt" not in page.text


async def order(person: Person, patient: str, drug: str) -> Resource:
    """The order of a drug that holds in a demo record."""
    found = await person.found(f"MedicationRequest?patient={patient}&intent=order&_count=100")
    chosen: Resource = next(each for each in found if each["id"].endswith(drug))
    return chosen


def refill(order: Resource, patient: str) -> Resource:
    return {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "code": {"coding": [{"system": TASKS, "code": "fulfill"}]},
        "focus": {"reference": f"MedicationRequest/{order['id']}"},
        "for": {"reference": f"Patient/{patient}"},
        "requester": {"reference": f"Patient/{patient}"},
    }


def renewal(order: Resource, patient: str) -> Resource:
    medicine = {name: value for name, value in order.items() if name.startswith("medication")}
    return {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "proposal",
        "subject": {"reference": f"Patient/{patient}"},
        "requester": {"reference": f"Patient/{patient}"},
        "priorPrescription": {"reference": f"MedicationRequest/{order['id']}"},
        **medicine,
    }


async def remaining(person: Person, patient: str, order: Resource) -> int:
    listed = await person.found(f"Patient/{patient}/$current-medications")
    chosen = next(each for each in listed if each["id"] == order["id"])
    return next(int(each["valueInteger"]) for each in chosen["extension"] if each["url"].endswith("refills-remaining"))


async def test_10_a_refill_takes_one_and_where_none_is_left_the_refusal_names_renewal(world: World) -> None:
    harold = await world.person("harold.washington", PATIENT)
    metformin = await order(harold, "washington-harold", "metformin")
    before = await remaining(harold, "washington-harold", metformin)
    task = await harold.made(refill(metformin, "washington-harold"))
    assert task["status"] == "requested"
    assert await remaining(harold, "washington-harold", metformin) == before - 1
    await harold.refused(refill(metformin, "washington-harold"), 422, "refill-open")
    lisinopril = await order(harold, "washington-harold", "lisinopril")
    issue = await harold.refused(refill(lisinopril, "washington-harold"), 422, "no-refills-left")
    assert "renewal" in issue["details"]["text"]
    issue = await harold.refused(renewal(metformin, "washington-harold"), 422, "refills-remaining")
    assert "refill" in issue["details"]["text"]
    assert await harold.found("MedicationDispense?patient=washington-harold&_count=5")
    active = await harold.found("MedicationRequest?patient=washington-harold&status=active&intent=order&_count=100")
    assert {each["status"] for each in active} == {"active"}


async def test_11_a_renewal_is_proposed_and_the_clinician_writes_the_new_order(world: World) -> None:
    ana = await world.person("ana.rivera", PATIENT, patient="ortega-carmen")
    old = await order(ana, "ortega-carmen", "lisinopril")
    proposal = await ana.made(renewal(old, "ortega-carmen"))
    miguel = await world.person("miguel.rivera", PATIENT)
    assert (await miguel.ask("POST", "MedicationRequest", renewal(old, "rivera-miguel"))).status_code == 422
    staff = await doctor_of(world, "ortega-carmen")
    kept = ("medicationCodeableConcept", "medicationReference", "dosageInstruction", "category")
    new = {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/ortega-carmen"},
        "requester": {"reference": staff.headers["x-fhir-user"]},
        "priorPrescription": {"reference": f"MedicationRequest/{old['id']}"},
        "basedOn": [{"reference": f"MedicationRequest/{proposal['id']}"}],
        "dispenseRequest": {"numberOfRepeatsAllowed": 3},
        **{name: old[name] for name in kept if name in old},
    }
    made = await staff.made(new)
    assert (await ana.get(f"MedicationRequest/{proposal['id']}"))["status"] == "completed"
    assert (await ana.get(f"MedicationRequest/{old['id']}"))["status"] == "completed"
    assert await remaining(ana, "ortega-carmen", made) == 3
    again = await staff.ask("POST", "MedicationRequest", new)
    assert again.status_code in (409, 422), again.text


async def doctor_of(world: World, patient: str) -> Person:
    """A demo clinician who cares for a patient."""
    for username in ("grace.okafor", "monica.salazar", "sean.gallagher"):
        person = await world.person(username, "openid fhirUser user/*.cruds")
        if (await person.ask("GET", f"Patient/{patient}")).status_code == 200:
            family, given = username.split(".")[1], username.split(".")[0]
            person.headers["x-fhir-user"] = f"Practitioner/{family}-{given}"
            return person
    raise AssertionError(f"nobody cares for {patient}")
