"""What staff decide of a relationship that was contested: it comes back as it was, or it ends with what hung on it.

https://hl7.org/fhir/R4/relatedperson.html, https://hl7.org/fhir/R4/task.html
"""

import asyncio
from datetime import date
from typing import Any

import pytest

from fhir_server.record_proxies import RecordProxies
from fhir_server.registrar import RecordRegistrar
from smart_auth.identity.eligibility import Enrolled, ServiceStatus
from smart_auth.identity.proofing import Proven
from smart_auth.identity.registration import Application, Proof, RegistrarConflict
from smart_auth.records import Account
from tests.rest.test_registration import PDF, STAFF, TODAY, desk, registrar
from tests.rest.writers import Writers, practitioner

__all__ = ["desk", "registrar"]

SPONSOR = Account(
    id="a",
    username="a",
    login="a",
    password_hash="",
    kind="patient",
    fhir_user="Patient/sponsor",
    patients=("sponsor",),
)
WAYS = pytest.mark.parametrize("way", ["page", "rest"])


@pytest.fixture
async def child(desk: Writers, registrar: RecordRegistrar) -> str:
    """The id of a child in whose record the sponsor stands and acts."""
    statuses = (ServiceStatus("dependent-child", date(2020, 1, 1)),)
    kim = Enrolled("9900000033", "Example", ("Kim",), date(TODAY.year - 9, 1, 1), statuses=statuses)
    application = Application("dependent", Proven(kim), "r2", sponsor_patient="sponsor", relationship="child")
    begun = await registrar.begin(application)
    await registrar.hand_in(begun.task, Proof("birth-certificate", "application/pdf", PDF))
    assert (await registrar.decide(begun.task, "accept-proof", STAFF)).status == "completed"
    assert begun.patient is not None
    return begun.patient


async def the(desk: Writers, type: str) -> dict[str, Any]:
    (row,) = await desk.rows(type)
    return await desk.now(f"{type}/{row['_id']}")


async def acting(registrar: RecordRegistrar) -> tuple[str, ...]:
    """For whom the sponsor acts now."""
    registrar.writer.server.database.noted.clear()
    return await RecordProxies(registrar.writer).acts_for(("sponsor",))


async def contested(desk: Writers, registrar: RecordRegistrar, child: str) -> str:
    """The id of the Task after the sponsor said that it is not so."""
    related = await the(desk, "RelatedPerson")
    await RecordProxies(registrar.writer).contest(SPONSOR, child, related["id"])
    (waiting,) = await registrar.open_relations(STAFF)
    return waiting.task


async def decided(desk: Writers, registrar: RecordRegistrar, child: str, task: str, way: str, accepts: bool) -> None:
    if way == "page":
        await registrar.decide_relation(task, accepts, STAFF)
        return
    status = "completed" if accepts else "rejected"
    told = await desk.ask(
        practitioner(child), "PUT", f"Task/{task}", await desk.now(f"Task/{task}") | {"status": status}
    )
    assert told.status == 200, told
    await registrar.sweep(is_whole=False)


async def test_the_task_says_whom_it_is_about_and_by_which_registration_they_came(
    desk: Writers, registrar: RecordRegistrar, child: str
) -> None:
    registration = next(row["_id"] for row in await desk.rows("Task") if row["_id"].endswith("-1"))
    assert await acting(registrar) == (child,)
    id = await contested(desk, registrar, child)
    assert await acting(registrar) == ()
    task, related = await desk.now(f"Task/{id}"), await the(desk, "RelatedPerson")
    assert task["focus"] == {"reference": f"RelatedPerson/{related['id']}"}
    assert task["partOf"] == [{"reference": f"Task/{registration}"}]
    assert task["owner"] == {"reference": "Organization/agency-dod"}
    (waiting,) = await registrar.open_relations(STAFF)
    assert (waiting.relationship, waiting.patient) == ("parent", "Kim Example")
    assert await registrar.open_relations("Practitioner/other") == []
    assert await registrar.open_tasks(STAFF) == []


@WAYS
async def test_proved_again_it_is_in_force_as_before(
    desk: Writers, registrar: RecordRegistrar, child: str, way: str
) -> None:
    task = await contested(desk, registrar, child)
    await decided(desk, registrar, child, task, way, accepts=True)
    assert await acting(registrar) == (child,)
    related = await the(desk, "RelatedPerson")
    version = related["meta"]["versionId"]
    await asyncio.gather(*(registrar.sweep() for _ in range(3)))
    assert (await the(desk, "RelatedPerson"))["meta"]["versionId"] == version


@WAYS
async def test_refused_it_ends_with_the_consent(
    desk: Writers, registrar: RecordRegistrar, child: str, way: str
) -> None:
    task = await contested(desk, registrar, child)
    await decided(desk, registrar, child, task, way, accepts=False)
    assert (await the(desk, "Consent"))["status"] == "inactive"
    assert (await the(desk, "RelatedPerson"))["active"] is False
    assert await acting(registrar) == ()
    version = (await the(desk, "Consent"))["meta"]["versionId"]
    await registrar.sweep()
    assert (await the(desk, "Consent"))["meta"]["versionId"] == version


@WAYS
async def test_what_was_decided_once_does_not_undo_a_later_word(
    desk: Writers, registrar: RecordRegistrar, child: str, way: str
) -> None:
    first = await contested(desk, registrar, child)
    await decided(desk, registrar, child, first, way, accepts=True)
    second = await contested(desk, registrar, child)
    assert first != second
    await registrar.sweep()
    assert await acting(registrar) == ()
    with pytest.raises(RegistrarConflict):
        await registrar.decide_relation(first, True, STAFF)
    assert await acting(registrar) == ()


async def test_one_that_is_contested_anew_meanwhile_waits_for_the_newer_decision(
    desk: Writers, registrar: RecordRegistrar, child: str
) -> None:
    first = await contested(desk, registrar, child)
    related = await the(desk, "RelatedPerson")
    # Staff put it back by hand, and it is denied again.
    await desk.stored(related | {"active": True})
    await RecordProxies(registrar.writer).contest(SPONSOR, child, related["id"])
    await registrar.decide_relation(first, True, STAFF)
    assert await acting(registrar) == ()


async def test_staff_of_another_place_decide_nothing(desk: Writers, registrar: RecordRegistrar, child: str) -> None:
    task = await contested(desk, registrar, child)
    for accepts in (True, False):
        with pytest.raises(RegistrarConflict):
            await registrar.decide_relation(task, accepts, "Practitioner/other")
    there = practitioner(child, fhir_user="Practitioner/other")
    told = await desk.ask(there, "PUT", f"Task/{task}", await desk.now(f"Task/{task}") | {"status": "completed"})
    assert told.status == 403
    assert await acting(registrar) == ()


async def test_a_registration_is_not_decided_as_a_relationship(
    desk: Writers, registrar: RecordRegistrar, child: str
) -> None:
    for row in await desk.rows("Task"):
        with pytest.raises(RegistrarConflict):
            await registrar.decide_relation(row["_id"], False, STAFF)
    assert await acting(registrar) == (child,)
