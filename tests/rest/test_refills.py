"""A refill is had while the order is active, unexpired and has repeats left; nothing is dispensed beyond that.

https://hl7.org/fhir/R4/task.html, docs/adr/0034-medicines.md
"""

from typing import Any

import pytest

from fhir_server.core.proxied import Proxied
from fhir_server.interactions.context import Conditions
from fhir_server.policy import Sight
from tests.rest.medicines import OXYCODONE, dispense, left, order, refill, renewal
from tests.rest.writers import ANNA, BEN, Told, Writers, admin, entry, patient_of, person, practitioner, system

STAFF = practitioner("anna", "ben")
JSON_PATCH = "application/json-patch+json"


async def asked(writers: Writers, task: dict[str, Any], sight: Sight = ANNA) -> Told:
    return await writers.ask(sight, "POST", "Task", task)


async def tasks(writers: Writers) -> list[str]:
    return sorted(row["_id"] for row in await writers.rows("Task"))


async def test_a_patient_asks_for_a_refill_and_is_told_how_many_are_left(writers: Writers) -> None:
    await writers.stored(order("m", 2), dispense("m", "first"))
    told = await asked(writers, refill("m"))
    assert (told.status, told.body["status"], left(told.body)) == (201, "requested", 1)
    # One at a time.
    again = await asked(writers, refill("m"))
    assert (again.status, again.numbers, again.element) == (422, (6152,), "Task.focus")
    # It is dispensed, which answers the Task, and the next is the last.
    given = await writers.ask(STAFF, "POST", "MedicationDispense", dispense("m"))
    assert given.status == 201
    task = await writers.now(f"Task/{told.id}")
    assert (task["status"], task["output"][0]["valueReference"]["reference"]) == (
        "completed",
        f"MedicationDispense/{given.id}",
    )
    last = await asked(writers, refill("m"))
    assert (last.status, left(last.body)) == (201, 0)
    assert (await writers.ask(STAFF, "POST", "MedicationDispense", dispense("m"))).status == 201
    none = await asked(writers, refill("m"))
    assert (none.status, none.numbers) == (422, (6151,))
    assert "priorPrescription is MedicationRequest/m" in none.text


@pytest.mark.parametrize(
    "changed",
    [
        {"status": "stopped"},
        {"status": "on-hold"},
        {"status": "completed"},
        {"status": "entered-in-error"},
        {"dispenseRequest": {"numberOfRepeatsAllowed": 3, "validityPeriod": {"end": "2020-01-31"}}},
        {"dispenseRequest": {"validityPeriod": {"end": "2100-01-31"}}},
        {"dispenseRequest": {"numberOfRepeatsAllowed": 0}},
    ],
)
async def test_no_refill_is_had_of_what_is_not_active_expired_or_used_up(
    writers: Writers, changed: dict[str, Any]
) -> None:
    await writers.stored(order("m", 2) | changed)
    told = await asked(writers, refill("m"))
    assert (told.status, told.numbers, told.element) == (422, (6151,), "Task.focus")
    assert await tasks(writers) == []


async def test_the_last_day_of_an_order_is_one_of_it(writers: Writers) -> None:
    await writers.stored(order("today", ends=0), order("yesterday", ends=-2))
    assert (await asked(writers, refill("today"))).status == 201
    assert (await asked(writers, refill("yesterday"))).numbers == (6151,)


async def test_somebody_elses_order_is_as_none(writers: Writers) -> None:
    await writers.stored(order("ben-order", of="ben"), order("hers"))
    told = {
        focus: await asked(writers, refill(focus))
        for focus in (
            "ben-order",
            "missing",
            "MedicationRequest/ben-order/_history/1",
            "http://localhost:8080/fhir/MedicationRequest/ben-order",
            "http://elsewhere.example/fhir/MedicationRequest/hers",
            "urn:uuid:0b9f1c9e-6a55-4c0d-8f0d-6a3c0a3b8f11",
        )
    }
    assert {(each.status, each.numbers, each.text, each.element) for each in told.values()} == {
        (422, (6150,), told["missing"].text, "Task.focus")
    }
    assert await tasks(writers) == []


@pytest.mark.parametrize(
    "focus",
    [
        {"reference": "ServiceRequest/m"},
        {"reference": "Patient/anna"},
        {"reference": "#m"},
        {"identifier": {"system": "urn:x", "value": "m"}},
        {"display": "m"},
        {"type": "MedicationRequest"},
    ],
)
async def test_what_names_no_order_is_refused(writers: Writers, focus: dict[str, Any]) -> None:
    await writers.stored(order("m"))
    told = await asked(writers, refill("m") | {"focus": focus})
    assert (told.status, told.numbers, told.element) == (422, (6150,), "Task.focus")
    assert await tasks(writers) == []


async def test_a_contained_order_is_none_and_what_was_proposed_is_none(writers: Writers) -> None:
    await writers.stored(order("m", 0), renewal("m") | {"id": "wish"})
    told = await asked(writers, refill("#c", contained=[order("c")]))
    assert (told.status, told.element) == (403, "Task.contained[0]")
    proposal = renewal("m") | {"id": "c", "dispenseRequest": {"numberOfRepeatsAllowed": 9}}
    assert (await asked(writers, refill("#c", contained=[proposal]))).numbers == (6150,)
    told = await asked(writers, refill("wish"))
    assert (told.status, told.numbers) == (422, (6161,))


async def test_what_must_not_be_given_is_neither_refilled_nor_dispensed(writers: Writers) -> None:
    await writers.stored(order("m", 3, doNotPerform=True))
    told = await asked(writers, refill("m"))
    assert (told.status, told.numbers, told.element) == (422, (6161,), "Task.focus")
    told = await writers.ask(STAFF, "POST", "MedicationDispense", dispense("m"))
    assert (told.status, told.element) == (422, "MedicationDispense.authorizingPrescription")
    assert await tasks(writers) == []


async def test_an_order_is_found_however_it_is_referred_to(writers: Writers) -> None:
    await writers.stored(order("m", 1), dispense("m", "first"))
    for focus in ("http://localhost:8080/fhir/MedicationRequest/m", "MedicationRequest/m/_history/1"):
        told = await asked(writers, refill(focus))
        assert told.status == 201, focus
        assert (await asked(writers, refill("m"))).numbers == (6152,)
        cancelled = told.body | {"status": "cancelled"}
        assert (await writers.ask(ANNA, "PUT", f"Task/{told.id}", cancelled)).status == 200
    absolute = dispense(None, "d") | {
        "authorizingPrescription": [{"reference": "http://localhost:8080/fhir/MedicationRequest/m/_history/1"}]
    }
    await writers.stored(absolute)
    assert (await asked(writers, refill("m"))).numbers == (6151,)


async def test_nobody_asks_in_the_name_of_others(writers: Writers) -> None:
    await writers.stored(order("m"), {"resourceType": "Practitioner", "id": "p7"})
    for requester in ({"reference": "Patient/ben"}, {"reference": "Practitioner/p7"}, {"display": "Anna"}, {}):
        task = refill("m", requester=requester)
        if not requester:
            del task["requester"]
        told = await asked(writers, task)
        assert (told.status, told.numbers, told.element) == (403, (6021,), "Task.requester"), requester
    told = await asked(writers, refill("m") | {"for": {"reference": "Patient/ben"}})
    assert (told.status, told.element) == (403, "Task.for")
    without = refill("m")
    del without["for"]
    assert (await asked(writers, without)).status in (403, 422)
    assert await tasks(writers) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"status": "completed"},
        {"status": "accepted"},
        {"intent": "plan"},
        {"output": [{"type": {"text": "Dispense"}, "valueReference": {"reference": "MedicationDispense/first"}}]},
        {"partOf": [{"reference": "Task/t"}]},
        {"basedOn": [{"reference": "MedicationRequest/m"}]},
    ],
)
async def test_a_patient_asks_and_writes_nothing_that_others_do(writers: Writers, changed: dict[str, Any]) -> None:
    await writers.stored(order("m"), dispense("m", "first"))
    told = await asked(writers, refill("m") | changed)
    assert (told.status, told.numbers) == (422, (6161,))
    assert told.element == f"Task.{next(iter(changed))}"


async def test_other_tasks_are_none_of_a_patients(writers: Writers) -> None:
    await writers.stored(order("m"))
    for code in ({"text": "fulfill"}, {"coding": [{"code": "fulfill"}]}, {"coding": [{"system": "urn:x"}]}):
        assert (await asked(writers, refill("m") | {"code": code})).numbers == (6052,), code
    approve = refill("m")["code"]["coding"][0] | {"code": "approve"}
    assert (await asked(writers, refill("m") | {"code": {"coding": [approve]}})).numbers == (6052,)
    without = refill("m")
    del without["focus"]
    assert (await asked(writers, without)).numbers == (6052,)


async def test_a_count_that_a_patient_sends_is_the_servers_own(writers: Writers) -> None:
    await writers.stored(order("m", 1), dispense("m", "first"))
    forged = [{"url": "urn:fhir-server:federal:refills-remaining", "valueInteger": 99}]
    told = await asked(writers, refill("m", extension=forged))
    assert (told.status, left(told.body)) == (201, 0)


async def test_whoever_acts_in_the_family_asks_for_what_they_may_see(writers: Writers) -> None:
    teen = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "ADOL"}
    hidden = order("hidden", of="kid", meta={"security": [teen]})
    await writers.stored(person("kid"), order("seen", of="kid"), hidden)
    labels = ("adol|http://terminology.hl7.org/CodeSystem/v3-ActCode", "ADOL|" + teen["system"])
    whole, limited = (
        Sight(patient_of("anna", granted="user/*.cruds patient/*.cruds").access, proxied=(Proxied("kid", without),))
        for without in ((), labels)
    )
    forged = await asked(writers, refill("seen", of="kid"), limited)
    assert (forged.status, forged.element) == (403, "Task.requester")
    mine = {"requester": {"reference": "Patient/anna"}}
    unseen = await asked(writers, refill("hidden", of="kid", **mine), limited)
    assert (unseen.status, unseen.numbers) == (422, (6150,))
    assert (await asked(writers, refill("seen", of="kid", **mine), limited)).status == 201
    assert (await asked(writers, refill("hidden", of="kid"), whole)).status == 201
    # Of two records one does not carry the other's order.
    assert (await asked(writers, refill("seen") | mine, whole)).numbers == (6150,)


async def test_the_rule_holds_in_every_interaction(writers: Writers) -> None:
    await writers.stored(order("m", 0), order("n", 1), order("o", 1))
    batch = await writers.bundle(ANNA, "batch", [entry("POST", "Task", refill(each)) for each in ("m", "n")])
    assert [each["response"]["status"][:3] for each in batch.body["entry"]] == ["422", "201"]
    for focus in (("o", "o"), ("o", "m")):
        told = await writers.bundle(ANNA, "transaction", [entry("POST", "Task", refill(each)) for each in focus])
        assert told.status == 422, focus
    # What is ordered in the same Bundle is the patient's own wish, which is no order.
    wish = entry("POST", "MedicationRequest", renewal("m")) | {
        "fullUrl": "urn:uuid:0b9f1c9e-6a55-4c0d-8f0d-6a3c0a3b8f11"
    }
    told = await writers.bundle(ANNA, "transaction", [wish, entry("POST", "Task", refill(wish["fullUrl"]))])
    assert (told.status, told.numbers) == (422, (6161,))
    identified = refill("o", identifier=[{"system": "urn:x", "value": "1"}])
    condition = Conditions(if_none_exist="identifier=urn:x|1")
    made = [await writers.ask(ANNA, "POST", "Task", identified, condition) for _ in range(2)]
    assert [each.status for each in made] == [201, 200]
    assert len(await tasks(writers)) == 2
    assert await writers.rows("MedicationRequest") and len(await writers.rows("MedicationRequest")) == 3


class TestSteps:
    async def begun(self, writers: Writers) -> str:
        await writers.stored(order("m", 2), dispense("m", "first"))
        return (await asked(writers, refill("m"))).id

    async def step(self, writers: Writers, sight: Sight, id: str, **changed: Any) -> Told:
        return await writers.ask(sight, "PUT", f"Task/{id}", (await writers.now(f"Task/{id}")) | changed)

    async def test_staff_take_a_refill_from_step_to_step(self, writers: Writers) -> None:
        id = await self.begun(writers)
        for status in ("received", "accepted", "in-progress"):
            assert (await self.step(writers, STAFF, id, status=status)).status == 200
        told = await self.step(writers, STAFF, id, status="requested")
        assert (told.status, told.numbers, told.element) == (422, (6156,), "Task.status")
        told = await self.step(writers, STAFF, id, status="completed")
        assert (told.status, told.numbers, told.element) == (422, (6156,), "Task.output")
        given = await writers.ask(STAFF, "POST", "MedicationDispense", dispense("m", status="in-progress"))
        task = await writers.now(f"Task/{id}")
        assert (task["status"], len(task["output"])) == ("in-progress", 1)
        done = dispense("m", given.id)
        assert (await writers.ask(STAFF, "PUT", f"MedicationDispense/{given.id}", done)).status == 200
        task = await writers.now(f"Task/{id}")
        assert (task["status"], len(task["output"])) == ("completed", 1)
        assert (await self.step(writers, STAFF, id, status="in-progress")).numbers == (6156,)

    async def test_what_was_asked_for_stays(self, writers: Writers) -> None:
        id = await self.begun(writers)
        await writers.stored(order("other"))
        changes: list[dict[str, Any]] = [
            {"focus": {"reference": "MedicationRequest/other"}},
            {"for": {"reference": "Patient/ben"}},
            {"code": {"text": "x"}},
            {"requester": {"reference": "Patient/ben"}},
        ]
        for changed in changes:
            told = await self.step(writers, STAFF, id, **changed)
            assert (told.status, told.numbers) == (422, (6156,)), changed
            assert (await self.step(writers, ANNA, id, **changed)).status == 403, changed
        assert (await writers.ask(STAFF, "DELETE", f"Task/{id}")).status == 422
        assert (await writers.ask(ANNA, "DELETE", f"Task/{id}")).status == 403

    async def test_a_rejected_refill_is_had_again(self, writers: Writers) -> None:
        id = await self.begun(writers)
        assert (await self.step(writers, STAFF, id, status="rejected", statusReason={"text": "x"})).status == 200
        told = await asked(writers, refill("m"))
        assert (told.status, left(told.body)) == (201, 1)

    async def test_a_patient_takes_back_what_nobody_works_on(self, writers: Writers) -> None:
        id = await self.begun(writers)
        for status in ("completed", "in-progress", "accepted", "entered-in-error"):
            told = await self.step(writers, ANNA, id, status=status)
            assert (told.status, told.numbers) == (422, (6156,)), status
        assert (await self.step(writers, ANNA, id, description="x")).status == 403
        patch = (JSON_PATCH, [{"op": "replace", "path": "/status", "value": "cancelled"}])
        assert (await writers.ask(BEN, "PATCH", f"Task/{id}", patch)).status == 404
        assert (await self.step(writers, STAFF, id, status="received")).status == 200
        assert (await writers.ask(ANNA, "PATCH", f"Task/{id}", patch)).numbers == (6156,)
        other = (await asked(writers, refill("m"))).numbers
        assert other == (6152,)
        await writers.stored(order("n"))
        fresh = (await asked(writers, refill("n"))).id
        assert (await writers.ask(ANNA, "PATCH", f"Task/{fresh}", patch)).status == 200
        assert (await asked(writers, refill("n"))).status == 201

    async def test_other_tasks_are_changed_by_staff_alone(self, writers: Writers) -> None:
        other = refill("m") | {"id": "other", "code": {"text": "call the patient"}}
        await writers.stored(order("m"), other)
        for status in ("cancelled", "requested"):
            told = await self.step(writers, ANNA, "other", status=status)
            assert told.status == 403
        assert (await self.step(writers, STAFF, "other", status="cancelled")).status == 200

    async def test_a_hidden_task_looks_like_a_free_id(self, writers: Writers) -> None:
        await writers.stored(order("b", of="ben"))
        id = (await asked(writers, refill("b", of="ben"), BEN)).id
        told = [
            await writers.ask(ANNA, "PUT", f"Task/{each}", refill(focus) | {"id": each})
            for each in (id, "free")
            for focus in ("b", "missing")
        ]
        assert [each.status for each in told] == [404] * 4


class TestDispensing:
    async def test_no_more_is_dispensed_than_ordered(self, writers: Writers) -> None:
        await writers.stored(order("m", 1))
        for _ in range(2):
            assert (await writers.ask(STAFF, "POST", "MedicationDispense", dispense("m"))).status == 201
        told = await writers.ask(STAFF, "POST", "MedicationDispense", dispense("m"))
        assert (told.status, told.numbers) == (422, (6158,))
        assert told.element == "MedicationDispense.authorizingPrescription"
        told = await writers.bundle(STAFF, "batch", [entry("POST", "MedicationDispense", dispense("m"))])
        assert told.body["entry"][0]["response"]["status"].startswith("422")
        # More is ordered, so more is dispensed.
        assert (await writers.ask(STAFF, "PUT", "MedicationRequest/m", order("m", 2))).status == 200
        three = [entry("POST", "MedicationDispense", dispense("m")) for _ in range(2)]
        assert (await writers.bundle(STAFF, "transaction", three)).status == 422
        assert (await writers.bundle(STAFF, "transaction", three[:1])).status == 200

    async def test_an_order_of_a_ward_limits_nothing(self, writers: Writers) -> None:
        await writers.stored(order("m", None))
        for _ in range(3):
            assert (await writers.ask(STAFF, "POST", "MedicationDispense", dispense("m"))).status == 201

    async def test_what_was_dispensed_stays_counted(self, writers: Writers) -> None:
        await writers.stored(order("m", 0), order("n", 5))
        made = await writers.ask(STAFF, "POST", "MedicationDispense", dispense("m"))
        place = f"MedicationDispense/{made.id}"
        for changed in (
            dispense(None, made.id),
            dispense("n", made.id),
            dispense("m", made.id, status="cancelled"),
            dispense("m", made.id, status="stopped"),
        ):
            told = await writers.ask(STAFF, "PUT", place, changed)
            assert (told.status, told.numbers) == (422, (6159,)), changed
        patch = (JSON_PATCH, [{"op": "remove", "path": "/authorizingPrescription"}])
        assert (await writers.ask(STAFF, "PATCH", place, patch)).numbers == (6159,)
        merge = ("application/merge-patch+json", {"authorizingPrescription": None})
        assert (await writers.ask(STAFF, "PATCH", place, merge)).numbers == (6159,)
        assert (await writers.ask(STAFF, "DELETE", place)).numbers == (6159,)
        told = await writers.bundle(STAFF, "transaction", [entry("DELETE", place)])
        assert told.numbers == (6159,)
        assert (await writers.ask(STAFF, "POST", "MedicationDispense", dispense("m"))).numbers == (6158,)
        mistake = dispense("m", made.id, status="entered-in-error")
        assert (await writers.ask(STAFF, "PUT", place, mistake)).status == 200
        assert (await writers.ask(STAFF, "POST", "MedicationDispense", dispense("m"))).status == 201
        assert (await writers.ask(STAFF, "PUT", place, dispense("m", made.id))).numbers == (6158,)

    async def test_what_was_not_handed_over_may_end_so(self, writers: Writers) -> None:
        await writers.stored(order("m", 0))
        made = await writers.ask(STAFF, "POST", "MedicationDispense", dispense("m", status="preparation"))
        assert (await writers.ask(STAFF, "POST", "MedicationDispense", dispense("m"))).numbers == (6158,)
        declined = dispense("m", made.id, status="declined")
        assert (await writers.ask(STAFF, "PUT", f"MedicationDispense/{made.id}", declined)).status == 200
        assert (await writers.ask(STAFF, "POST", "MedicationDispense", dispense("m"))).status == 201

    async def test_nothing_is_dispensed_on_what_is_no_order_of_the_patients(self, writers: Writers) -> None:
        restricted = {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]}
        await writers.stored(
            order("ben-order", of="ben"), order("draft", status="draft"), order("hidden", meta=restricted)
        )
        await writers.stored(order("m", 0), renewal("m") | {"id": "wish"})
        told = [
            await writers.ask(STAFF, "POST", "MedicationDispense", dispense(each))
            for each in ("ben-order", "draft", "wish", "missing", "hidden")
        ]
        assert {(each.status, each.numbers) for each in told} == {(422, (6150,))}
        for reference in ({"identifier": {"value": "m"}}, {"reference": "#m"}, {"display": "m"}):
            sent = dispense(None, authorizingPrescription=[reference], contained=[order("m")])
            if reference.get("reference") is None:
                del sent["contained"]
            told_so = await writers.ask(STAFF, "POST", "MedicationDispense", sent)
            assert (told_so.status, told_so.numbers) == (422, (6161,)), reference
        assert (await writers.ask(STAFF, "POST", "MedicationDispense", dispense(None))).status == 201

    async def test_what_was_handed_over_before_answers_no_refill(self, writers: Writers) -> None:
        await writers.stored(order("m", 3), dispense("m", "first"))
        id = (await asked(writers, refill("m", authoredOn="2026-06-01T10:00:00Z"))).id
        late = dispense("m", whenHandedOver="2026-05-01T10:00:00Z")
        assert (await writers.ask(STAFF, "POST", "MedicationDispense", late)).status == 201
        assert (await writers.now(f"Task/{id}"))["status"] == "requested"

    async def test_a_pharmacist_without_a_scope_for_tasks_answers_one(self, writers: Writers) -> None:
        await writers.stored(order("m", 3))
        id = (await asked(writers, refill("m"))).id
        pharmacist = practitioner("anna", granted="user/MedicationDispense.c")
        assert (await writers.ask(pharmacist, "POST", "MedicationDispense", dispense("m"))).status == 201
        task = await writers.now(f"Task/{id}")
        assert (task["status"], task["meta"]["versionId"]) == ("completed", "2")
        seen = await writers.ask(ANNA, "GET", f"Task/{id}")
        assert seen.status == 200

    async def test_finished_history_is_brought_in_by_systems_and_administrators(self, writers: Writers) -> None:
        for sight in (system(), admin()):
            for sent in (
                order("old", 0, status="completed"),
                *(dispense("old", f"d{each}") for each in range(3)),
                refill("old") | {"id": "t", "status": "completed"},
                renewal("old") | {"id": "r", "status": "completed"},
                renewal(None) | {"id": "bare", "medicationCodeableConcept": OXYCODONE},
            ):
                told = await writers.ask(sight, "PUT", f"{sent['resourceType']}/{sent['id']}", sent)
                assert told.status in (200, 201), told
            assert (await writers.ask(sight, "DELETE", "MedicationDispense/d0")).status == 204

    async def test_a_system_that_dispenses_answers_a_refill_too(self, writers: Writers) -> None:
        await writers.stored(order("m", 3))
        id = (await asked(writers, refill("m"))).id
        assert (await writers.ask(system(), "POST", "MedicationDispense", dispense("m"))).status == 201
        assert (await writers.now(f"Task/{id}"))["status"] == "completed"


@pytest.mark.parametrize("sight", [STAFF, system()], ids=["staff", "system"])
async def test_what_is_dispensed_on_a_hidden_order_is_hidden_with_it(writers: Writers, sight: Sight) -> None:
    sensitive = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "SEX"}
    await writers.stored(order("hidden", 2, meta={"security": [sensitive]}), order("seen", 2))
    without = (Proxied("anna", (f"sex|{sensitive['system']}",)),)
    mother = Sight(patient_of("ben", granted="user/*.cruds").access, proxied=without)
    for focus, status in (("hidden", 404), ("seen", 200)):
        told = await writers.ask(sight, "POST", "MedicationDispense", dispense(focus))
        assert told.status == 201
        assert (await writers.ask(mother, "GET", f"MedicationDispense/{told.id}")).status == status
        assert (await writers.ask(ANNA, "GET", f"MedicationDispense/{told.id}")).status == 200
    # One that is put down to its order afterwards is so from then on.
    loose = await writers.ask(sight, "POST", "MedicationDispense", dispense(None))
    place = f"MedicationDispense/{loose.id}"
    assert (await writers.ask(mother, "GET", place)).status == 200
    assert (await writers.ask(sight, "PUT", place, dispense("hidden", loose.id))).status == 200
    assert (await writers.ask(mother, "GET", place)).status == 404


async def test_what_was_dispensed_is_found_by_patient_and_by_order(writers: Writers) -> None:
    await writers.stored(order("m", 3), dispense("m", "d1"), dispense("m", "d2"), dispense(None, "d3", of="ben"))
    for query in ("patient=anna", "patient=Patient/anna&prescription=MedicationRequest/m", "prescription=m"):
        told = await writers.ask(ANNA, "GET", f"MedicationDispense?{query}")
        assert sorted(each["resource"]["id"] for each in told.body["entry"]) == ["d1", "d2"], query
    assert "entry" not in (await writers.ask(ANNA, "GET", "MedicationDispense?patient=ben")).body


async def test_an_order_is_raised_by_practitioners_and_not_by_patients(writers: Writers) -> None:
    await writers.stored(order("m", 0))
    for sent in (order("m", 9), order("m", 9) | {"intent": "proposal"}, order("m", 0, status="cancelled")):
        told = await writers.ask(ANNA, "PUT", "MedicationRequest/m", sent)
        assert told.status == 403, sent
    patch = (JSON_PATCH, [{"op": "replace", "path": "/dispenseRequest/numberOfRepeatsAllowed", "value": 9}])
    assert (await writers.ask(ANNA, "PATCH", "MedicationRequest/m", patch)).status == 403
    assert (await asked(writers, refill("m"))).numbers == (6151,)
    assert (await writers.ask(STAFF, "PATCH", "MedicationRequest/m", patch)).status == 200
    assert left((await asked(writers, refill("m"))).body) == 8
