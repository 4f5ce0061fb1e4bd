"""What people and staff would do to registrations that are not theirs to decide.

https://hl7.org/fhir/R4/task.html
"""

from datetime import UTC, datetime
from typing import Any

import pytest

from fhir_server.record_writer import RecordWriter
from fhir_server.registrar import RecordRegistrar
from tests.rest.test_registration_staff import ELSEWHERE, HERE, STAFF, knowing, review, task, verification
from tests.rest.writers import ANNA, Writers, entry, patient_of, person, practitioner

CODES = "urn:fhir-server:federal:portal-task"
BOTH = {"coding": [{"system": CODES, "code": each} for each in ("registration", "proof-review")]}
PROOF_TYPE = {"text": "DD Form 214"}


def as_a(beneficiary: str, *more: dict[str, Any]) -> list[dict[str, Any]]:
    """The inputs of a Task by which somebody registers as this."""
    return [{"type": {"text": "Beneficiary"}, "valueCode": beneficiary}, *more]


def proof_of(whose: str, id: str) -> dict[str, Any]:
    return {
        "resourceType": "DocumentReference",
        "id": id,
        "status": "current",
        "type": PROOF_TYPE,
        "subject": {"reference": f"Patient/{whose}"},
        "content": [{"attachment": {"contentType": "application/pdf", "url": f"Binary/{id}"}}],
    }


def file_of(whose: str, id: str) -> dict[str, Any]:
    security = {"reference": f"Patient/{whose}"}
    content = {"contentType": "application/pdf", "securityContext": security, "data": "JVBERi0="}
    return {"resourceType": "Binary", "id": id, **content}


@pytest.fixture
async def desk(writers: Writers) -> Writers:
    """Two organisations; one practitioner works at each."""
    for id, place in (("p7", HERE), ("p8", ELSEWHERE)):
        await writers.stored(
            {"resourceType": "Organization", "id": place.partition("/")[2], "name": place},
            {"resourceType": "Practitioner", "id": id},
            {
                "resourceType": "PractitionerRole",
                "id": f"role-{id}",
                "active": True,
                "practitioner": {"reference": f"Practitioner/{id}"},
                "organization": {"reference": place},
            },
        )
    return writers


@pytest.fixture
def registrar(desk: Writers) -> RecordRegistrar:
    return RecordRegistrar(RecordWriter(desk.context.server, None, desk.context.base))


class TestPatients:
    @pytest.mark.parametrize(
        "elements",
        [
            {},
            {"input": as_a("active-duty")},
            {"output": [{"type": {"text": "Confirmed"}, "valueBoolean": True}]},
            {"partOf": [{"reference": "Task/other"}]},
            {"code": BOTH},
        ],
        ids=["as nothing", "active duty", "confirmed", "part of another", "also a review"],
    )
    async def test_nobody_asks_for_a_registration_that_asks_for_nothing(
        self, desk: Writers, elements: dict[str, Any]
    ) -> None:
        """Active duty shows a card; what a page writes down of a confirmation or a review is no patient's to say."""
        given = elements if "input" in elements or not elements else {"input": as_a("retiree"), **elements}
        told = await desk.ask(ANNA, "POST", "Task", task(**given))
        assert (told.status, told.numbers) == (403, (6052,))

    async def test_a_parent_gets_no_consent_by_a_task_that_asks_for_no_proof(self, desk: Writers) -> None:
        await desk.stored(person("anna"), person("ben", managingOrganization={"reference": HERE}))
        desk = knowing(desk)
        parent = patient_of("ben", "anna", granted="user/*.cruds")
        child = {"type": {"text": "Relationship"}, "valueCode": "child"}
        for beneficiary in ("active-duty", "retiree", "veteran"):
            asked = task(requester={"reference": "Patient/ben"}, input=as_a(beneficiary, child))
            told = await desk.ask(parent, "POST", "Task", asked)
            assert (told.status, told.numbers) == (403, (6052,)), beneficiary
        asked = task(requester={"reference": "Patient/ben"}, input=as_a("dependent", child))
        assert (await desk.ask(parent, "POST", "Task", asked)).status == 201


class TestStaffOfAnotherPlace:
    async def test_they_review_no_proof_of_a_registration_that_waits_elsewhere(self, desk: Writers) -> None:
        await desk.stored(task("t", status="accepted", owner={"reference": ELSEWHERE}))
        for status in ("requested", "received"):
            own = review(partOf=[{"reference": "Task/t"}], status=status)
            told = await desk.ask(STAFF, "POST", "Task", own)
            assert (told.status, told.numbers) == (403, (6052,))

    async def test_their_review_does_not_count(self, desk: Writers, registrar: RecordRegistrar) -> None:
        proof = {"type": {"text": "Proof"}, "valueReference": {"reference": "DocumentReference/dd"}}
        asked = {"input": as_a("veteran", proof), "owner": {"reference": ELSEWHERE}}
        await desk.stored(
            person("anna"),
            proof_of("anna", "dd"),
            file_of("anna", "dd"),
            verification("anna", "2026-01-06T00:00:00Z") | {"id": "v"},
            task("t", status="accepted", **asked),
        )
        part = [{"reference": "Task/t"}]
        await desk.stored(review("r", partOf=part, status="completed", owner={"reference": HERE}))
        assert (await registrar.follow("t")).status == "accepted"
        await desk.stored(task("s", code=BOTH, partOf=part, status="completed", owner={"reference": HERE}))
        assert (await registrar.follow("t")).status == "accepted"
        await desk.stored(review("q", partOf=part, status="completed", owner={"reference": ELSEWHERE}))
        assert (await registrar.follow("t")).status == "completed"

    @pytest.mark.parametrize("way", ["post", "put", "transaction", "batch"])
    async def test_they_confirm_nobody_whose_registration_waits_elsewhere(self, desk: Writers, way: str) -> None:
        await desk.stored(task("t", status="on-hold", owner={"reference": ELSEWHERE}))
        confirmed = verification("anna", datetime.now(UTC).isoformat(timespec="seconds"))
        if way == "post":
            told = await desk.ask(STAFF, "POST", "VerificationResult", confirmed)
        elif way == "put":
            await desk.stored(verification("anna", "2026-01-01T00:00:00Z", "val-fail") | {"id": "v"})
            told = await desk.ask(STAFF, "PUT", "VerificationResult/v", confirmed | {"id": "v"})
        else:
            told = await desk.bundle(STAFF, way, [entry("POST", "VerificationResult", confirmed)])
        statuses = [each.get("status") for each in await desk_results(desk)]
        assert "validated" not in statuses, told
        there = practitioner("anna", fhir_user="Practitioner/p8")
        assert (await desk.ask(there, "POST", "VerificationResult", confirmed)).status == 201

    async def test_the_document_of_another_patient_is_no_proof(self, desk: Writers, registrar: RecordRegistrar) -> None:
        """Whoever decides a registration sees its proofs: it must not name what is somebody else's."""
        proof = {"type": {"text": "Proof"}, "valueReference": {"reference": "DocumentReference/bens"}}
        await desk.stored(
            person("anna"),
            proof_of("ben", "bens"),
            file_of("ben", "bens"),
            task("t", input=as_a("veteran", proof)),
        )
        (waiting,) = await registrar.open_tasks("Practitioner/p7")
        assert waiting.proofs == ()
        assert await registrar.proof("Practitioner/p7", "DocumentReference/bens") is None


async def desk_results(desk: Writers) -> list[dict[str, Any]]:
    return [await desk.now(f"VerificationResult/{row['_id']}") for row in await desk.rows("VerificationResult")]


async def test_the_sweeper_follows_no_task_of_two_kinds(desk: Writers, registrar: RecordRegistrar) -> None:
    await desk.stored(
        person("anna"),
        verification("anna", "2026-01-06T00:00:00Z") | {"id": "v"},
        task("t", code=BOTH, input=as_a("active-duty")),
    )
    await registrar.sweep()
    assert (await desk.now("Task/t"))["status"] == "requested"
