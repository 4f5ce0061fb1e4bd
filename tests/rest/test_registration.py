"""Registrations of each kind in the record, from the first word to the end.

https://hl7.org/fhir/R4/task.html, https://hl7.org/fhir/R4/verificationresult.html
"""

from datetime import UTC, date, datetime
from typing import Any, get_args

import pytest

from fhir_server.record_writer import RecordWriter
from fhir_server.registrar import RecordRegistrar, RegistrySponsoring
from smart_auth.identity.eligibility import Enrolled, ServiceStatus
from smart_auth.identity.proofing import Discrepancy, NotEligible, Proven
from smart_auth.identity.registration import Application, Progress, Proof, RegistrarConflict, StaffDecision
from tests.auth.card_server import Registry
from tests.rest.writers import Writers, person, practitioner

DOD = "urn:oid:2.16.840.1.113883.3.42.10001.100001.12"
CLASS = "urn:fhir-server:federal:beneficiary-class-of"
TODAY = datetime.now(UTC).date()
SINCE = date(2020, 1, 1)
STAFF = "Practitioner/p7"
PDF = b"%PDF-1.4 an invented document"


def enrolled(held: str = "retiree", dod_id: str = "9900000017", **other: Any) -> Enrolled:
    statuses = (ServiceStatus(held, SINCE),)
    return Enrolled(dod_id, "Example", ("Robin",), date(1960, 2, 3), statuses=statuses, **other)


def proven(beneficiary: Any, held: str | None = None, **other: Any) -> Application:
    kept = {"registration": "r1", "awaits_confirmation": beneficiary in ("retiree", "veteran"), **other}
    return Application(beneficiary, Proven(enrolled(held or beneficiary)), **kept)


@pytest.fixture
async def desk(writers: Writers) -> Writers:
    """A clinic with one practitioner, and a sponsor enrolled there."""
    await writers.stored(
        {"resourceType": "Organization", "id": "agency-dod", "name": "Department of Defense"},
        {"resourceType": "Organization", "id": "agency-va", "name": "Department of Veterans Affairs"},
        {"resourceType": "Practitioner", "id": "p7"},
        {
            "resourceType": "PractitionerRole",
            "id": "r7",
            "active": True,
            "practitioner": {"reference": STAFF},
            "organization": {"reference": "Organization/agency-dod"},
        },
        {
            "resourceType": "PractitionerRole",
            "id": "r8",
            "active": True,
            "practitioner": {"reference": STAFF},
            "organization": {"reference": "Organization/agency-va"},
        },
        person("sponsor", identifier=[{"system": DOD, "value": "9900000025"}]),
    )
    return writers


@pytest.fixture
def registrar(desk: Writers) -> RecordRegistrar:
    writer = RecordWriter(desk.context.server, None, desk.context.base)
    return RecordRegistrar(writer, sponsoring=RegistrySponsoring(registry()))


def registry() -> Registry:
    """It names a child and a spouse as the sponsor's."""
    made, since = Registry(), date(2020, 1, 1)
    made.enroll("9900000025", "Sam", "Testpatient")
    made.dependents["9900000025"] = tuple(
        Enrolled(number, "X", ("Y",), since, statuses=(ServiceStatus(f"dependent-{what}", since),), relationship=what)
        for number, what in (("9900000033", "child"), ("9900000017", "spouse"))
    )
    return made


async def notices(desk: Writers) -> list[str]:
    return [row["_id"] for row in await desk.rows("Communication")]


async def test_who_is_on_active_duty_and_shows_the_card_is_registered_at_once(
    desk: Writers, registrar: RecordRegistrar
) -> None:
    done = await registrar.begin(proven("active-duty"))
    assert done == Progress(done.task, "completed", None, done.patient)
    patient = await desk.now(f"Patient/{done.patient}")
    assert patient["name"] == [{"use": "official", "family": "Example", "given": ["Robin"]}]
    assert patient["birthDate"] == "1960-02-03"
    assert [each["value"] for each in patient["identifier"]] == ["9900000017"]
    task = await desk.now(f"Task/{done.task}")
    assert task["for"]["reference"] == f"Patient/{done.patient}"
    # requested, received, accepted, completed
    assert task["meta"]["versionId"] == "4"
    check = await desk.now(f"VerificationResult/{done.task}-check")
    assert check["status"] == "validated"
    assert await notices(desk) == [f"{done.task}-notice"]
    own = await desk.now(f"Person/{done.patient}-person")
    assert [each["target"]["reference"] for each in own["link"]] == [f"Patient/{done.patient}"]


async def test_a_retiree_is_registered_once_the_e_mail_address_is_confirmed(
    desk: Writers, registrar: RecordRegistrar
) -> None:
    begun = await registrar.begin(proven("retiree"))
    assert begun.status == "received"
    assert await notices(desk) == []
    await registrar.sweep()
    assert (await registrar.progress(begun.task)).status == "received"
    for _ in range(2):
        assert (await registrar.complete(begun.task)).status == "completed"
    assert await notices(desk) == [f"{begun.task}-notice"]
    said = (await desk.now(f"Communication/{begun.task}-notice"))["payload"][0]["contentString"]
    assert said == "Your registration is complete. You can sign in now."


async def test_a_discrepancy_holds_it_up_until_a_personnel_office_confirms_the_person(
    desk: Writers, registrar: RecordRegistrar
) -> None:
    application = Application("retiree", Discrepancy(enrolled()), "r1", awaits_confirmation=True)
    held = await registrar.begin(application)
    assert (held.status, held.reason) == ("on-hold", "deers-discrepancy")
    assert (await desk.now(f"VerificationResult/{held.task}-check"))["status"] == "val-fail"
    await registrar.complete(held.task)
    assert (await registrar.progress(held.task)).status == "on-hold"
    (waiting,) = await registrar.open_tasks(STAFF)
    assert (waiting.task, waiting.name, waiting.reason) == (held.task, "Robin Example", "deers-discrepancy")
    done = await registrar.decide(held.task, "confirm-person", STAFF)
    assert done.status == "completed"
    confirmed = await desk.now(f"VerificationResult/{held.task}-confirmed")
    assert confirmed["primarySource"][0]["who"] == {"reference": STAFF}


async def test_the_same_by_rest_is_followed_up_to_the_same_end(desk: Writers, registrar: RecordRegistrar) -> None:
    held = await registrar.begin(Application("retiree", Discrepancy(enrolled()), "r1"))
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", ".999Z")
    result = {
        "resourceType": "VerificationResult",
        "target": [{"reference": f"Patient/{held.patient}"}],
        "status": "validated",
        "statusDate": now,
    }
    sight = practitioner(held.patient or "")
    assert (await desk.ask(sight, "POST", "VerificationResult", result)).status == 201
    await registrar.sweep(is_whole=False)
    assert (await registrar.progress(held.task)).status == "completed"
    assert await notices(desk) == [f"{held.task}-notice"]


async def test_who_is_not_eligible_is_rejected_with_the_reason(desk: Writers, registrar: RecordRegistrar) -> None:
    ended = await registrar.begin(Application("retiree", NotEligible(enrolled("veteran")), "r1"))
    assert (ended.status, ended.reason) == ("rejected", "not-eligible")
    assert await notices(desk) == [f"{ended.task}-notice"]
    with pytest.raises(RegistrarConflict):
        await registrar.decide(ended.task, "confirm-person", STAFF)
    again = await registrar.begin(proven("retiree"))
    assert again.task != ended.task
    assert again.patient == ended.patient


@pytest.mark.parametrize("kind", ["va-card", "military-id", "dd-214"])
async def test_a_veteran_is_one_after_a_second_look_at_any_one_proof(
    desk: Writers, registrar: RecordRegistrar, kind: Any
) -> None:
    begun = await registrar.begin(proven("veteran"))
    assert (begun.status, begun.reason) == ("received", "proof-missing")
    handed = await registrar.hand_in(begun.task, Proof(kind, "application/pdf", PDF))
    assert handed.status == "accepted"
    (waiting,) = await registrar.open_tasks(STAFF)
    ((shown, place),) = waiting.proofs
    assert shown == kind
    assert await registrar.proof(STAFF, place) == ("application/pdf", PDF)
    assert await registrar.proof("Practitioner/other", place) is None
    document = await desk.now(place)
    assert document["subject"]["reference"] == f"Patient/{begun.patient}"
    assert (await registrar.decide(begun.task, "accept-proof", STAFF)).status == "accepted"
    assert (await registrar.complete(begun.task)).status == "completed"
    patient = await desk.now(f"Patient/{begun.patient}")
    held = [each["valueCoding"]["code"] for each in patient["extension"] if each["url"] == CLASS]
    assert held == ["veteran"]
    assert await notices(desk) == [f"{begun.task}-notice"]


async def test_a_proof_that_was_refused_is_followed_by_another(desk: Writers, registrar: RecordRegistrar) -> None:
    begun = await registrar.begin(proven("veteran"))
    await registrar.complete(begun.task)
    await registrar.hand_in(begun.task, Proof("va-card", "image/png", b"\x89PNG"))
    refused = await registrar.decide(begun.task, "refuse-proof", STAFF)
    assert (refused.status, refused.reason) == ("on-hold", "proof-missing")
    with pytest.raises(RegistrarConflict):
        await registrar.decide(begun.task, "accept-proof", STAFF)
    assert (await registrar.hand_in(begun.task, Proof("dd-214", "application/pdf", PDF))).status == "accepted"
    assert (await registrar.decide(begun.task, "accept-proof", STAFF)).status == "completed"


async def test_a_review_by_rest_completes_the_registration(desk: Writers, registrar: RecordRegistrar) -> None:
    begun = await registrar.begin(proven("veteran"))
    await registrar.complete(begun.task)
    await registrar.hand_in(begun.task, Proof("dd-214", "application/pdf", PDF))
    review = await desk.now(f"Task/{begun.task}-dd-214-1-review")
    told = await desk.ask(
        practitioner(begun.patient or ""), "PUT", f"Task/{review['id']}", review | {"status": "completed"}
    )
    assert told.status == 200, told
    await registrar.sweep(is_whole=False)
    assert (await registrar.progress(begun.task)).status == "completed"


async def test_a_sponsor_enrolls_a_child_and_acts_for_it_once_the_proof_was_accepted(
    desk: Writers, registrar: RecordRegistrar
) -> None:
    child = enrolled("dependent-child", "9900000033", sponsor_dod_id="9900000025", relationship="child")
    child = Enrolled(child.dod_id, "Example", ("Kim",), date(TODAY.year - 9, 1, 1), statuses=child.statuses)
    application = Application("dependent", Proven(child), "r2", sponsor_patient="sponsor", relationship="child")
    begun = await registrar.begin(application)
    assert (begun.status, begun.reason) == ("received", "proof-missing")
    related = await desk.now(f"RelatedPerson/{begun.task}-sponsor")
    assert related["active"] is False
    assert related["relationship"][0]["coding"][0]["code"] == "PRN"
    assert [each["value"] for each in related["identifier"]] == ["9900000025"]
    await registrar.hand_in(begun.task, Proof("birth-certificate", "application/pdf", PDF))
    assert (await desk.now(f"RelatedPerson/{begun.task}-sponsor"))["active"] is False
    assert await desk.rows("Consent") == []
    assert (await registrar.decide(begun.task, "accept-proof", STAFF)).status == "completed"
    assert (await desk.now(f"RelatedPerson/{begun.task}-sponsor"))["active"] is True
    consent = await desk.now(f"Consent/{begun.task}-consent")
    assert consent["provision"]["actor"][0]["reference"]["reference"] == f"RelatedPerson/{begun.task}-sponsor"
    links = [each["target"]["reference"] for each in (await desk.now("Person/sponsor-person"))["link"]]
    assert links == ["Patient/sponsor", f"RelatedPerson/{begun.task}-sponsor"]


async def test_the_number_of_a_card_is_kept_once_with_who_issued_it(desk: Writers, registrar: RecordRegistrar) -> None:
    patient = await registrar.patient_for(enrolled("dependent-child", "9900000033"))
    for _ in range(2):
        await registrar.identify(patient, "Uniformed Services|DEP-77")
    numbers = (await desk.now(f"Patient/{patient}"))["identifier"]
    assert [(each["value"], each["assigner"]["display"]) for each in numbers][1:] == [("DEP-77", "Uniformed Services")]


async def test_what_is_on_hold_is_cancelled_with_its_reason_and_one_notice(
    desk: Writers, registrar: RecordRegistrar
) -> None:
    held = await registrar.begin(Application("retiree", Discrepancy(enrolled()), "r1", awaits_confirmation=True))
    for _ in range(2):
        ended = await registrar.cancel(held.task)
        assert (ended.status, ended.reason) == ("cancelled", "deers-discrepancy")
    assert await notices(desk) == [f"{held.task}-notice"]
    said = (await desk.now(f"Communication/{held.task}-notice"))["payload"][0]["contentString"]
    assert said == "Your registration has ended: it was not decided in time. Register again."


async def test_what_goes_on_is_not_cancelled(desk: Writers, registrar: RecordRegistrar) -> None:
    begun = await registrar.begin(proven("veteran"))
    await registrar.hand_in(begun.task, Proof("dd-214", "application/pdf", PDF))
    assert (await registrar.cancel(begun.task)).status == "accepted"
    assert await notices(desk) == []


async def test_the_same_file_handed_in_twice_is_looked_at_once(desk: Writers, registrar: RecordRegistrar) -> None:
    begun = await registrar.begin(proven("veteran"))
    for _ in range(2):
        await registrar.hand_in(begun.task, Proof("dd-214", "application/pdf", PDF))
    assert len(await desk.rows("DocumentReference")) == 1


async def test_what_two_begin_for_one_person_goes_two_ways(desk: Writers, registrar: RecordRegistrar) -> None:
    """The proof of one must not complete what the other began."""
    sponsored = proven("dependent", "dependent-spouse", sponsor_patient="sponsor", relationship="spouse")
    first = await registrar.begin(sponsored)
    second = await registrar.begin(proven("veteran"))
    assert first.task != second.task and first.patient == second.patient
    await registrar.complete(second.task)
    await registrar.hand_in(second.task, Proof("dd-214", "application/pdf", PDF))
    assert (await registrar.decide(second.task, "accept-proof", STAFF)).status == "completed"
    assert (await registrar.progress(first.task)).status == "received"
    assert (await registrar.begin(sponsored)).task == first.task


async def test_a_spouse_is_enrolled_and_gives_nobody_a_proxy_by_that(desk: Writers, registrar: RecordRegistrar) -> None:
    application = proven("dependent", "dependent-spouse", sponsor_patient="sponsor", relationship="spouse")
    begun = await registrar.begin(application)
    await registrar.hand_in(begun.task, Proof("marriage-certificate", "application/pdf", PDF))
    assert (await registrar.decide(begun.task, "accept-proof", STAFF)).status == "completed"
    assert (await desk.now(f"RelatedPerson/{begun.task}-sponsor"))["active"] is True
    assert await desk.rows("Consent") == []


async def test_a_dependent_whose_sponsor_is_not_known_waits(desk: Writers, registrar: RecordRegistrar) -> None:
    begun = await registrar.begin(proven("dependent", "dependent-spouse"))
    assert (begun.status, begun.reason) == ("on-hold", "deers-discrepancy")


async def test_staff_of_no_place_decide_nothing(desk: Writers, registrar: RecordRegistrar) -> None:
    begun = await registrar.begin(proven("veteran"))
    await registrar.hand_in(begun.task, Proof("dd-214", "application/pdf", PDF))
    assert await registrar.open_tasks("Practitioner/other") == []
    for decision in get_args(StaffDecision):
        with pytest.raises(RegistrarConflict):
            await registrar.decide(begun.task, decision, "Practitioner/other")
    rejected = await registrar.decide(begun.task, "reject", STAFF)
    assert (rejected.status, rejected.reason) == ("rejected", "proof-missing")
    assert [row["_id"] for row in await desk.rows("Communication")] == [f"{begun.task}-notice"]


async def test_two_records_of_one_number_are_nobodys_to_choose_from(desk: Writers, registrar: RecordRegistrar) -> None:
    number = [{"system": DOD, "value": "9900000017"}]
    await desk.stored(person("one", identifier=number))
    assert await registrar.patient_for(enrolled()) == "one"
    await desk.stored(person("two", identifier=number))
    with pytest.raises(RegistrarConflict):
        await registrar.begin(proven("retiree"))


async def test_a_copy_of_what_an_agency_sent_is_nobody(desk: Writers, registrar: RecordRegistrar) -> None:
    number = [{"system": DOD, "value": "9900000017"}]
    leads = [{"other": {"reference": "Patient/one"}, "type": "refer"}]
    await desk.stored(person("one", identifier=number))
    await desk.stored(person("a-copy", identifier=number, link=leads))
    assert await registrar.patient_for(enrolled()) == "one"
    assert (await registrar.begin(proven("retiree"))).patient == "one"


async def test_a_status_is_changed_once_for_a_day(desk: Writers, registrar: RecordRegistrar) -> None:
    patient = await registrar.patient_for(enrolled("active-duty"))
    for _ in range(2):
        await registrar.change_status(patient, "veteran", TODAY)
    assert len(await desk.rows("Coverage")) == 1
    with pytest.raises(RegistrarConflict):
        await registrar.change_status(patient, "admiral", TODAY)
