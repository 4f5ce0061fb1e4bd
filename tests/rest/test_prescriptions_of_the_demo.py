"""What a portal may do with a prescription of each state of the demo population: refill, renew or neither.

docs/adr/0034-medicines.md
"""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import structs

from fhir_server.core.codec import decode, encode
from fhir_server.operations.table import OPERATIONS
from seeds import medications
from seeds.medications import State
from seeds.orders import formulary
from tests.rest.medicines import left, refill
from tests.rest.writers import Writers, patient_of, person, practitioner
from tests.unit.seeds.care_chart import chart

ME = patient_of("doe-john")
STAFF = practitioner("doe-john")
TYPES = ("MedicationRequest", "MedicationDispense", "Task")
FOLLOWING = ("medicationCodeableConcept", "medicationReference", "subject")
TODAY = datetime.now(UTC).date()


async def written(writers: Writers, state: State, drug: str) -> dict[str, Any]:
    """The order that holds now, in the record as the demo has it."""
    record = chart(today=TODAY)
    place = medications.prescription(record, "rx", drug, state)
    held = [each for each in (*formulary(), *record.resources) if each["resourceType"] in (*TYPES, "Medication")]
    await writers.stored(person("doe-john"), *[decode(encode(each)) for each in held])
    return await writers.now(place)


def renewed(order: dict[str, Any]) -> dict[str, Any]:
    """The proposal of a patient who asks for the order once more."""
    return {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "proposal",
        "requester": {"reference": "Patient/doe-john"},
        "priorPrescription": {"reference": f"MedicationRequest/{order['id']}"},
        **{name: order[name] for name in FOLLOWING if name in order},
    }


@pytest.mark.parametrize(
    ("state", "refilled", "proposed"),
    [
        ("refills-left", 1, 6153),
        ("last-refill", 0, 6153),
        ("no-refills-left", 6151, 201),
        ("expired", 6151, 201),
        ("on-hold", 6151, 6155),
        ("stopped", 6151, 6155),
        ("completed", 6151, 201),
        ("cancelled", 6151, 6155),
        ("entered-in-error", 6151, 6155),
        ("draft", 6151, 6155),
        ("reported", 6161, 6155),
        ("renewal-requested", 6151, 6154),
        ("renewed", 2, 6153),
        ("renewal-denied", 6151, 201),
    ],
)
@pytest.mark.parametrize("drug", ["lisinopril", "sertraline"])
async def test_each_state_allows_what_it_says(
    writers: Writers, drug: str, state: State, refilled: int, proposed: int
) -> None:
    order = await written(writers, state, drug)
    told = await writers.ask(ME, "POST", "MedicationRequest", renewed(order))
    assert (told.numbers or (told.status,)) == (proposed,)
    task = await writers.ask(ME, "POST", "Task", refill(f"MedicationRequest/{order['id']}", of="doe-john"))
    assert (task.numbers or (left(task.body),)) == (refilled,)


async def test_a_renewal_that_waits_is_approved_and_its_task_ended(writers: Writers) -> None:
    order = await written(writers, "renewal-requested", "sertraline")
    (task,) = [await writers.now(f"Task/{row['_id']}") for row in await writers.rows("Task")]
    proposal = task["focus"]["reference"]
    new = {name: value for name, value in order.items() if name not in ("id", "meta", "identifier", "text")}
    new |= {
        "basedOn": [{"reference": proposal}],
        "priorPrescription": {"reference": f"MedicationRequest/{order['id']}"},
    }
    made = await writers.ask(STAFF, "POST", "MedicationRequest", new)
    assert made.status == 201, made
    assert (await writers.now(proposal))["status"] == "completed"
    assert (await writers.now(f"MedicationRequest/{order['id']}"))["status"] == "completed"
    assert (await writers.now(f"Task/{task['id']}"))["status"] == "completed"


async def test_current_medications_leave_out_what_is_not_taken(writers: Writers) -> None:
    server = replace(writers.context.server, operations=OPERATIONS)
    served = Writers(structs.replace(writers.context, server=server))
    record = chart(today=TODAY)
    states: tuple[State, ...] = ("refills-left", "last-refill", "stopped", "expired", "on-hold", "reported", "renewed")
    for number, state in enumerate(states):
        medications.prescription(record, f"rx-{number}", "lisinopril", state)
    held = [each for each in (*formulary(), *record.resources) if each["resourceType"] in (*TYPES, "Medication")]
    await served.stored(person("doe-john"), *[decode(encode(each)) for each in held])
    told = await served.ask(ME, "GET", "Patient/doe-john/$current-medications")
    assert sorted(left(each["resource"]) or 0 for each in told.body["entry"]) == [1, 2, 3]
    active = await served.ask(ME, "GET", "MedicationRequest?patient=doe-john&status=active&intent=order")
    assert {each["resource"]["status"] for each in active.body["entry"]} == {"active"}
    assert len(active.body["entry"]) == 4
