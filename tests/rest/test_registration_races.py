"""Registrations of one person at the same time, and decisions that meet: one record, one end, one notice."""

import asyncio

from fhir_server.registrar import RecordRegistrar
from smart_auth.identity.registration import Progress, Proof, RegistrarConflict
from tests.rest.test_registration import PDF, STAFF, desk, enrolled, notices, proven, registrar
from tests.rest.writers import Writers

__all__ = ["desk", "registrar"]


async def test_begun_many_times_at_once_it_is_one_registration_with_one_end(
    desk: Writers, registrar: RecordRegistrar
) -> None:
    told = await asyncio.gather(*(registrar.begin(proven("active-duty")) for _ in range(6)))
    assert len({each.task for each in told}) == 1
    assert len({each.patient for each in told}) == 1
    await registrar.sweep()
    assert (await registrar.progress(told[0].task)).status == "completed"
    assert await notices(desk) == [f"{told[0].task}-notice"]
    assert len(await desk.rows("Patient")) == 4
    assert (await desk.now(f"Task/{told[0].task}"))["meta"]["versionId"] == "4"


async def test_one_person_has_one_patient_however_many_workers_meet_them(
    desk: Writers, registrar: RecordRegistrar
) -> None:
    found = await asyncio.gather(*(registrar.patient_for(enrolled()) for _ in range(8)))
    assert len(set(found)) == 1
    assert len(await desk.rows("Patient")) == 4


async def test_of_two_decisions_one_counts(desk: Writers, registrar: RecordRegistrar) -> None:
    begun = await registrar.begin(proven("veteran"))
    await registrar.complete(begun.task)
    await registrar.hand_in(begun.task, Proof("dd-214", "application/pdf", PDF))
    told = await asyncio.gather(
        registrar.decide(begun.task, "accept-proof", STAFF),
        registrar.decide(begun.task, "reject", STAFF),
        return_exceptions=True,
    )
    refused = [each for each in told if isinstance(each, RegistrarConflict)]
    assert len(refused) + len([each for each in told if isinstance(each, Progress)]) == 2
    ended = await registrar.progress(begun.task)
    assert ended.status in ("completed", "rejected")
    review = await desk.now(f"Task/{begun.task}-dd-214-1-review")
    assert review["status"] == ("completed" if ended.status == "completed" else "cancelled")
    assert await notices(desk) == [f"{begun.task}-notice"]


async def test_a_step_that_was_cut_off_is_made_up_for(desk: Writers, registrar: RecordRegistrar) -> None:
    begun = await registrar.begin(proven("retiree"))
    # As a worker leaves it that dies between two steps.
    task = await desk.now(f"Task/{begun.task}")
    output = [{"type": {"text": "Confirmed"}, "valueBoolean": True}]
    await desk.stored(task | {"status": "accepted", "output": output})
    await asyncio.gather(*(registrar.sweep() for _ in range(3)))
    assert (await registrar.progress(begun.task)).status == "completed"
    assert await notices(desk) == [f"{begun.task}-notice"]
