"""Nobody becomes somebody's family by the word of one practitioner: the registry names them, and a second one decides.

https://hl7.org/fhir/R4/task.html
"""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from msgspec import structs

from fhir_server.record_writer import RecordWriter
from fhir_server.registrar import RecordRegistrar, RegistrySponsoring
from smart_auth.identity.eligibility import Enrolled, ServiceStatus
from smart_auth.identity.registration import BegunByThem, StaffDecision
from tests.auth.card_server import Registry
from tests.rest.test_registration import DOD, TODAY
from tests.rest.test_registration_attacks import as_a, desk, file_of
from tests.rest.test_registration_staff import HERE, review, task, verification
from tests.rest.writers import Told, Writers, admin, entry, patient_of, person, practitioner

__all__ = ["desk"]

P7, P9 = practitioner("kim", "ben"), practitioner("kim", "ben", fhir_user="Practitioner/p9")
BEN_FOR_KIM = patient_of("ben", "kim", granted="user/*.cruds")
BORN = date(TODAY.year - 9, 1, 1)


@pytest.fixture
def registry() -> Registry:
    """Ben, who serves, and Kim, who is his child; the stranger is a veteran."""
    made, since = Registry(), date(2020, 1, 1)
    made.enroll("9900000025", "Ben", "Testpatient")
    made.enroll("9900000041", "Vic", "Testpatient", "veteran")
    child = ServiceStatus("dependent-child", since)
    kim = Enrolled("9900000033", "Testpatient", ("Kim",), BORN, statuses=(child,), relationship="child")
    made.people[kim.dod_id] = kim
    made.dependents["9900000025"] = (kim,)
    return made


@pytest.fixture
async def home(desk: Writers, registry: Registry) -> Writers:
    """The same desk with the registry behind it, and a second practitioner at the same place."""

    def numbered(id: str, number: str, **more: Any) -> dict[str, Any]:
        return person(id, identifier=[{"system": DOD, "value": number}], **more)

    name = [{"family": "Testpatient", "given": ["Kim"]}]
    place = {"managingOrganization": {"reference": HERE}}
    await desk.stored(
        numbered("kim", "9900000033", birthDate=BORN.isoformat(), **place) | {"name": name},
        numbered("ben", "9900000025", **place),
        numbered("stranger", "9900000041"),
        {"resourceType": "Practitioner", "id": "p9"},
        {
            "resourceType": "PractitionerRole",
            "id": "role-p9",
            "active": True,
            "practitioner": {"reference": "Practitioner/p9"},
            "organization": {"reference": HERE},
        },
    )
    server = replace(desk.context.server, sponsoring=RegistrySponsoring(registry))
    return Writers(structs.replace(desk.context, server=server))


@pytest.fixture
def registrar(home: Writers, registry: Registry) -> RecordRegistrar:
    writer = RecordWriter(home.context.server, None, home.context.base)
    return RecordRegistrar(writer, sponsoring=RegistrySponsoring(registry))


def proof(file: str) -> dict[str, Any]:
    return {
        "resourceType": "DocumentReference",
        "id": "proof",
        "status": "current",
        "type": {"text": "Birth certificate"},
        "subject": {"reference": "Patient/kim"},
        "content": [{"attachment": {"contentType": "application/pdf", "url": f"Binary/{file}"}}],
    }


def relation(number: str) -> dict[str, Any]:
    return {
        "resourceType": "RelatedPerson",
        "id": "relation",
        "active": False,
        "patient": {"reference": "Patient/kim"},
        "identifier": [{"system": DOD, "value": number}],
    }


def asked(sponsor: str | None, by: str = "Practitioner/p7", beneficiary: str = "dependent") -> dict[str, Any]:
    """A registration of Kim's, with the proof named in it."""
    inputs: list[dict[str, Any]] = [
        {"type": {"text": "Relationship"}, "valueCode": "child"},
        {"type": {"text": "Proof"}, "valueReference": {"reference": "DocumentReference/proof"}},
    ]
    if sponsor is not None:
        inputs.append({"type": {"text": "Sponsor"}, "valueReference": {"reference": f"Patient/{sponsor}"}})
    elements: dict[str, Any] = {"for": {"reference": "Patient/kim"}, "requester": {"reference": by}}
    return task(input=as_a(beneficiary, *inputs), **elements)


def look(registration: str, **more: Any) -> dict[str, Any]:
    part = [{"reference": f"Task/{registration}"}]
    elements: dict[str, Any] = {"for": {"reference": "Patient/kim"}, "requester": {"reference": "Practitioner/p7"}}
    return review(partOf=part, focus={"reference": "DocumentReference/proof"}, **elements, **more)


def confirmed() -> dict[str, Any]:
    return verification("kim", datetime.now(UTC).isoformat(timespec="seconds"))


async def begun(home: Writers, registrar: RecordRegistrar) -> tuple[str, str]:
    """Ids of a registration of Ben's child that P7 began with a proof, and of the review that waits."""
    await home.stored(proof("file"), file_of("kim", "file"), relation("9900000025"))
    made = await home.ask(P7, "POST", "Task", asked("ben"))
    assert made.status == 201, made
    looked = await home.ask(P7, "POST", "Task", look(made.id))
    assert looked.status == 201, looked
    await registrar.sweep()
    return made.id, looked.id


def refused(told: Told, element: str) -> bool:
    return (told.status, told.numbers, told.element) == (403, (6052,), element)


@pytest.mark.parametrize("sponsor", ["stranger", "nobody", "kim"])
async def test_a_practitioner_makes_nobody_a_parent_whom_the_registry_does_not_name(
    home: Writers, sponsor: str
) -> None:
    await home.stored(relation("9900000041"), proof("file"), file_of("kim", "file"))
    for told in (
        await home.ask(P7, "POST", "Task", asked(sponsor)),
        await home.bundle(P7, "transaction", [entry("POST", "Task", asked(sponsor))]),
    ):
        assert refused(told, "Task.for"), told
    # Neither by another's word, nor as something that asks for less.
    assert refused(await home.ask(P7, "POST", "Task", asked(None, f"Patient/{sponsor}")), "Task.requester")
    for beneficiary in ("active-duty", "retiree", "veteran"):
        told = await home.ask(P7, "POST", "Task", asked(sponsor, beneficiary=beneficiary))
        assert (told.status, told.numbers) == (422, (6051,)), beneficiary
    assert await home.rows("Task") == []


async def test_a_dependent_has_a_sponsor(home: Writers) -> None:
    told = await home.ask(P7, "POST", "Task", asked(None))
    assert (told.status, told.numbers, told.element) == (422, (6051,), "Task.input")


async def test_while_the_registry_is_away_staff_begin_nothing(home: Writers, registry: Registry) -> None:
    registry.is_away = True
    assert (await home.ask(P7, "POST", "Task", asked("ben"))).status == 503


async def test_a_second_practitioner_decides_what_one_began(home: Writers, registrar: RecordRegistrar) -> None:
    registration, second = await begun(home, registrar)
    done = look(registration) | {"id": second, "status": "completed"}
    for status in ("completed", "rejected"):
        told = await home.ask(P7, "PUT", f"Task/{second}", done | {"status": status})
        assert refused(told, "Task.requester"), told
    assert refused(await home.ask(P7, "POST", "VerificationResult", confirmed()), "Task.requester")
    decisions: tuple[StaffDecision, ...] = ("accept-proof", "refuse-proof", "confirm-person")
    for decision in decisions:
        with pytest.raises(BegunByThem):
            await registrar.decide(registration, decision, "Practitioner/p7")
    await registrar.sweep()
    assert (await registrar.progress(registration)).status == "accepted"
    assert (await home.now("RelatedPerson/relation"))["active"] is False
    assert (await home.ask(P9, "PUT", f"Task/{second}", done)).status == 200
    await registrar.sweep()
    assert (await registrar.progress(registration)).status == "completed"
    assert (await home.now("RelatedPerson/relation"))["active"] is True


async def test_what_one_confirmed_before_or_together_with_it_does_not_count(
    home: Writers, registrar: RecordRegistrar, registry: Registry
) -> None:
    registry.people.clear()
    registry.enroll("9900000025", "Ben", "Testpatient")
    assert (await home.ask(P7, "POST", "VerificationResult", confirmed_later())).status == 201
    await home.stored(proof("file"), file_of("kim", "file"))
    told = await home.bundle(
        P7,
        "transaction",
        [entry("POST", "VerificationResult", confirmed_later()), entry("POST", "Task", asked("ben"))],
    )
    assert told.status == 200, told
    (row,) = await home.rows("Task")
    await registrar.sweep()
    standing = await registrar.progress(row["_id"])
    assert (standing.status, standing.reason) == ("on-hold", "deers-discrepancy")


async def test_what_the_registry_says_no_more_is_not_completed(
    home: Writers, registrar: RecordRegistrar, registry: Registry
) -> None:
    registration, second = await begun(home, registrar)
    kin = registry.dependents.pop("9900000025")
    registry.is_away = True
    done = look(registration) | {"id": second, "status": "completed"}
    assert (await home.ask(P9, "PUT", f"Task/{second}", done)).status == 200
    await registrar.sweep()
    assert (await registrar.progress(registration)).status == "accepted"
    registry.is_away = False
    for _ in range(2):
        await registrar.sweep()
        ended = await registrar.progress(registration)
        assert (ended.status, ended.reason) == ("on-hold", "deers-discrepancy")
    assert (await home.now("RelatedPerson/relation"))["active"] is False
    assert await home.rows("Consent") == []
    registry.dependents["9900000025"] = kin
    assert (await home.ask(P9, "POST", "VerificationResult", confirmed_later())).status == 201
    await registrar.sweep()
    assert (await registrar.progress(registration)).status == "completed"


def confirmed_later() -> dict[str, Any]:
    return verification("kim", datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", ".999Z"))


async def test_a_document_without_its_file_is_no_proof(home: Writers, registrar: RecordRegistrar) -> None:
    await home.stored(proof("missing"), file_of("ben", "bens"))
    made = await home.ask(P7, "POST", "Task", asked("ben"))
    for file in ("missing", "bens"):
        await home.stored(proof(file))
        await registrar.sweep()
        ended = await registrar.progress(made.id)
        assert (ended.status, ended.reason) == ("received", "proof-missing"), file


async def test_a_contested_relationship_is_not_proved_again_by_who_asked_for_the_look(
    home: Writers, registrar: RecordRegistrar
) -> None:
    await home.stored(relation("9900000025"))
    elements: dict[str, Any] = {"for": {"reference": "Patient/kim"}, "focus": {"reference": "RelatedPerson/relation"}}
    own = review(requester={"reference": "Practitioner/p7"}, **elements)
    made = await home.ask(P7, "POST", "Task", own)
    assert made.status == 201, made
    told = await home.ask(P7, "PUT", f"Task/{made.id}", own | {"id": made.id, "status": "completed"})
    assert refused(told, "Task.requester")
    with pytest.raises(BegunByThem):
        await registrar.decide_relation(made.id, True, "Practitioner/p7")


async def test_one_registration_of_a_dependent_is_open_by_one_sponsor(
    home: Writers, registrar: RecordRegistrar
) -> None:
    own = asked(None, "Patient/ben")
    own["input"] = own["input"][:2]
    told = await asyncio.gather(*(home.ask(BEN_FOR_KIM, "POST", "Task", own) for _ in range(4)))
    assert sorted(each.status for each in told) == [201, 422, 422, 422]
    (made,) = [each for each in told if each.status == 201]
    again = await home.ask(BEN_FOR_KIM, "POST", "Task", own)
    assert (again.status, again.numbers) == (422, (6050,))
    assert f"Task/{made.id}" in again.text
    both = [entry("POST", "Task", own), entry("POST", "Task", own)]
    assert (await home.bundle(BEN_FOR_KIM, "transaction", both)).status == 422
    # Another's is their own, and they are told nothing of his.
    assert (await home.ask(P7, "POST", "Task", asked("ben"))).status == 201
    # The registry was asked, and what is lacking is the proof.
    await registrar.sweep()
    standing = await registrar.progress(made.id)
    assert (standing.status, standing.reason) == ("received", "proof-missing")
    assert (await home.ask(admin(), "DELETE", f"Task/{made.id}")).status == 204
    assert (await home.ask(BEN_FOR_KIM, "POST", "Task", own)).status == 201
