"""A registration's Task goes from step to step along the table, by those who decide it, and once.

https://hl7.org/fhir/R4/task.html
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from msgspec import structs

from fhir_server.care.beneficiary_class import CLASS_RULES
from fhir_server.core import outcome
from fhir_server.core.outcome import FhirError
from fhir_server.interactions.context import Conditions
from fhir_server.registrar import RegistrySponsoring
from smart_auth.errors import CREDENTIAL_NOT_RECOGNIZED
from smart_auth.identity.eligibility import Enrolled, ServiceStatus
from tests.auth.card_server import Registry
from tests.rest.writers import ANNA, BEN, Writers, admin, entry, patient_of, person, practitioner, system

STAFF = practitioner("anna", "ben")
BEN_FOR_ANNA = patient_of("ben", "anna", granted="user/*.cruds")
HERE, ELSEWHERE = "Organization/here", "Organization/elsewhere"
CLASS = "urn:fhir-server:federal:beneficiary-class-of"
EARLIER = "2026-01-05T10:00:00Z"
AS_A_RETIREE = [{"type": {"text": "Beneficiary"}, "valueCode": "retiree"}]


def task(id: str | None = None, **elements: Any) -> dict[str, Any]:
    """A registration of Anna's that waits at the organisation where the staff works."""
    made: dict[str, Any] = {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "code": {"coding": [{"system": "urn:fhir-server:federal:portal-task", "code": "registration"}]},
        "for": {"reference": "Patient/anna"},
        "requester": {"reference": "Patient/anna"},
        "owner": {"reference": HERE},
        "lastModified": EARLIER,
        **elements,
    }
    return made if id is None else made | {"id": id}


def review(id: str | None = None, **elements: Any) -> dict[str, Any]:
    code = {"coding": [{"system": "urn:fhir-server:federal:portal-task", "code": "proof-review"}]}
    return task(id, code=code, **elements)


def verification(patient: str, when: str, status: str = "validated") -> dict[str, Any]:
    target = [{"reference": f"Patient/{patient}"}]
    return {"resourceType": "VerificationResult", "target": target, "status": status, "statusDate": when}


@dataclass(frozen=True, slots=True)
class Knows:
    """A registry that names these dependents (ids) of Ben's, each as his child."""

    dependents: frozenset[str] = frozenset({"anna"})
    is_away: bool = False

    async def names(self, sponsor: dict[str, Any], dependent: dict[str, Any], relationship: str | None) -> bool:
        if self.is_away:
            raise outcome.UNAVAILABLE("It does not answer.")
        return sponsor["id"] == "ben" and dependent["id"] in self.dependents and relationship == "child"


def knowing(desk: Writers, sponsoring: Knows | None = None) -> Writers:
    """The same desk with a registry behind it."""
    server = replace(desk.context.server, sponsoring=sponsoring or Knows())
    return Writers(structs.replace(desk.context, server=server))


def as_a_child(**elements: Any) -> dict[str, Any]:
    """Ben asks for Anna's registration."""
    said = [("Beneficiary", "dependent"), ("Relationship", "child")]
    inputs = [{"type": {"text": name}, "valueCode": code} for name, code in said]
    return task(requester={"reference": "Patient/ben"}, input=inputs, **elements)


@pytest.fixture
async def desk(writers: Writers) -> Writers:
    """Two organisations; the practitioner of these tests works at one, and Anna is enrolled there."""
    await writers.stored(
        person("anna", managingOrganization={"reference": HERE}),
        person("ben", managingOrganization={"reference": ELSEWHERE}),
    )
    role = {
        "resourceType": "PractitionerRole",
        "id": "r7",
        "active": True,
        "practitioner": {"reference": "Practitioner/p7"},
        "organization": {"reference": HERE},
    }
    await writers.stored(
        {"resourceType": "Organization", "id": "here", "name": "Here"},
        {"resourceType": "Organization", "id": "elsewhere", "name": "Elsewhere"},
        {"resourceType": "Practitioner", "id": "p7"},
        role,
    )
    return writers


async def test_staff_lead_a_registration_along_the_table_only(desk: Writers) -> None:
    await desk.stored(task("t"))
    for status, number in (("accepted", 6050), ("completed", 6050), ("draft", 6050), ("in-progress", 6050)):
        told = await desk.ask(STAFF, "PUT", "Task/t", task("t", status=status))
        assert (told.status, told.numbers, told.element) == (422, (number,), "Task.status"), status
    for status in ("received", "accepted", "on-hold"):
        assert (await desk.ask(STAFF, "PUT", "Task/t", task("t", status=status))).status == 200, status
    assert (await desk.now("Task/t"))["meta"]["versionId"] == "4"


async def test_an_end_is_an_end_for_systems_too(desk: Writers) -> None:
    for end in ("completed", "rejected", "cancelled"):
        await desk.stored(task(f"t-{end}", status=end))
        for sight in (STAFF, admin(), system()):
            told = await desk.ask(sight, "PUT", f"Task/t-{end}", task(f"t-{end}", status="received"))
            assert (told.status, told.numbers) == (422, (6050,)), (end, sight)


@pytest.mark.parametrize("method", ["merge", "json-patch", "bundle", "conditional"])
async def test_every_interaction_that_writes_keeps_to_the_table(desk: Writers, method: str) -> None:
    named: dict[str, Any] = {"identifier": [{"system": "urn:x", "value": "x"}]}
    await desk.stored(task("t", **named))
    if method == "merge":
        patch = ("application/merge-patch+json", {"status": "accepted"})
        told = await desk.ask(STAFF, "PATCH", "Task/t", patch)
    elif method == "json-patch":
        patch = ("application/json-patch+json", [{"op": "replace", "path": "/status", "value": "accepted"}])  # type: ignore[assignment]
        told = await desk.ask(STAFF, "PATCH", "Task/t", patch)
    elif method == "bundle":
        told = await desk.bundle(STAFF, "transaction", [entry("PUT", "Task/t", task("t", status="accepted", **named))])
    else:
        told = await desk.ask(STAFF, "PUT", "Task?identifier=urn:x|x", task(status="accepted", **named))
    assert (told.status, told.numbers) == (422, (6050,))
    assert (await desk.now("Task/t"))["status"] == "requested"


async def test_nobody_but_the_server_completes_a_registration(desk: Writers) -> None:
    await desk.stored(task("t", status="accepted"), review("p", partOf=[{"reference": "Task/t"}]))
    for sight in (STAFF, admin()):
        told = await desk.ask(sight, "PUT", "Task/t", task("t", status="completed"))
        assert (told.status, told.numbers) == (422, (6050,))
    decided = review("p", partOf=[{"reference": "Task/t"}], status="completed")
    assert (await desk.ask(STAFF, "PUT", "Task/p", decided)).status == 200
    again = decided | {"status": "rejected"}
    assert (await desk.ask(STAFF, "PUT", "Task/p", again)).numbers == (6050,)


async def test_what_a_registration_is_about_stays(desk: Writers) -> None:
    await desk.stored(task("t"), person("cleo"))
    changes: list[tuple[str, Any]] = [
        ("for", {"reference": "Patient/ben"}),
        ("requester", {"reference": "Patient/ben"}),
        ("output", [{"type": {"text": "Confirmed"}, "valueBoolean": True}]),
        ("input", [{"type": {"text": "Beneficiary"}, "valueCode": "active-duty"}]),
        ("owner", {"reference": ELSEWHERE}),
    ]
    for element, value in changes:
        told = await desk.ask(STAFF, "PUT", "Task/t", task("t", status="received", **{element: value}))
        assert (told.status, told.element) == (422, f"Task.{element}")
    other = task("t", code={"text": "something else"})
    assert (await desk.ask(STAFF, "PUT", "Task/t", other)).numbers == (6050,)


async def test_what_was_on_hold_goes_on_after_somebody_confirmed_the_person(desk: Writers) -> None:
    await desk.stored(task("t", status="on-hold"))
    await desk.stored(verification("anna", "2026-01-04T00:00:00Z") | {"id": "old"})
    accepted = task("t", status="accepted")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    assert (await desk.ask(STAFF, "PUT", "Task/t", accepted)).numbers == (6050,)
    for other in (verification("ben", now), verification("anna", now, "val-fail")):
        assert (await desk.ask(STAFF, "POST", "VerificationResult", other)).status == 201
        assert (await desk.ask(STAFF, "PUT", "Task/t", accepted)).numbers == (6050,)
    assert (await desk.ask(STAFF, "POST", "VerificationResult", verification("anna", now))).status == 201
    assert (await desk.ask(STAFF, "PUT", "Task/t", accepted)).status == 200


async def test_staff_of_another_organisation_decide_nothing_here(desk: Writers) -> None:
    await desk.stored(task("t", owner={"reference": ELSEWHERE}))
    told = await desk.ask(STAFF, "PUT", "Task/t", task("t", status="received", owner={"reference": ELSEWHERE}))
    assert (told.status, told.numbers) == (403, (6052,))
    made = await desk.ask(STAFF, "POST", "Task", task(owner={"reference": ELSEWHERE}))
    assert (made.status, made.numbers) == (403, (6052,))
    own = task(requester={"reference": "Practitioner/p7"})
    assert (await desk.ask(STAFF, "POST", "Task", own)).status == 201


async def test_a_registration_out_of_sight_is_not_there(desk: Writers) -> None:
    await desk.stored(task("t", status="completed"))
    stranger = practitioner("ben")
    elements: dict[str, Any] = {"for": {"reference": "Patient/ben"}, "requester": {"reference": "Practitioner/p7"}}
    told = await desk.ask(stranger, "PUT", "Task/t", task("t", status="received", **elements))
    assert told.status == 404


async def test_of_two_decisions_at_once_one_stands(desk: Writers) -> None:
    await desk.stored(task("t", status="received"))
    told = await asyncio.gather(
        *(desk.ask(STAFF, "PUT", "Task/t", task("t", status=status)) for status in ("accepted", "rejected") * 3)
    )
    assert [each.status for each in told].count(200) >= 1
    assert {each.status for each in told} <= {200, 412, 409, 422}
    final = await desk.now("Task/t")
    history = [each for each in told if each.status == 200]
    # After a rejection nothing follows; an acceptance may still be rejected, by who saw it.
    assert final["meta"]["versionId"] == str(1 + len(history))


async def test_a_registration_is_not_deleted_by_staff(desk: Writers) -> None:
    await desk.stored(task("t"))
    told = await desk.ask(STAFF, "DELETE", "Task/t")
    assert (told.status, told.numbers) == (403, (6052,))
    assert (await desk.ask(admin(), "DELETE", "Task/t")).status == 204


async def test_patients_ask_for_a_registration_and_decide_none(desk: Writers) -> None:
    made = await desk.ask(ANNA, "POST", "Task", task(input=AS_A_RETIREE))
    assert made.status == 201
    for status in ("received", "completed"):
        told = await desk.ask(ANNA, "PUT", f"Task/{made.id}", task(made.id, status=status))
        assert told.status == 403
    assert (await desk.ask(ANNA, "POST", "Task", task(status="completed"))).numbers == (6050,)
    for wrong in (
        task(status="received"),
        task(requester={"reference": "Patient/ben"}),
        review(),
        task(code={"text": "water the plants"}),
    ):
        told = await desk.ask(ANNA, "POST", "Task", wrong)
        assert (told.status, told.numbers) == (403, (6052,)), wrong
    assert (await desk.ask(BEN, "POST", "Task", task(requester={"reference": "Patient/ben"}))).status == 403


async def test_a_dependent_does_not_begin_alone_and_a_sponsor_does(desk: Writers) -> None:
    held = {
        "url": CLASS,
        "valueCoding": {"system": "urn:fhir-server:federal:beneficiary-class", "code": "dependent-child"},
    }
    await desk.stored(person("anna", extension=[held], managingOrganization={"reference": HERE}))
    told = await desk.ask(ANNA, "POST", "Task", task())
    assert (told.status, told.numbers) == (422, (6051,))
    sponsor = patient_of("ben", "anna")
    desk = knowing(desk)
    assert (await desk.ask(BEN_FOR_ANNA, "POST", "Task", as_a_child())).status == 201
    assert (await desk.ask(sponsor, "POST", "Task", task())).status == 403


@pytest.mark.parametrize(
    ("sponsoring", "relationship"),
    [
        (Knows(frozenset({"cleo"})), "child"),
        (Knows(frozenset()), "child"),
        (Knows(), "spouse"),
        (Knows(), None),
        (None, "child"),
    ],
    ids=["another's", "no sponsor", "other relationship", "none said", "no registry"],
)
async def test_whom_the_registry_does_not_name_as_theirs_is_refused_as_at_the_page(
    desk: Writers, sponsoring: Knows | None, relationship: str | None
) -> None:
    asked = as_a_child()
    asked["input"] = [each for each in asked["input"] if each["type"]["text"] != "Relationship"]
    if relationship is not None:
        asked["input"].append({"type": {"text": "Relationship"}, "valueCode": relationship})
    desk = desk if sponsoring is None else knowing(desk, sponsoring)
    for told in (
        await desk.ask(BEN_FOR_ANNA, "POST", "Task", asked),
        await desk.bundle(BEN_FOR_ANNA, "transaction", [entry("POST", "Task", asked)]),
    ):
        assert (told.status, told.numbers) == (403, (6052,))
        assert CREDENTIAL_NOT_RECOGNIZED in told.text
    assert await desk.rows("Task") == []


async def test_while_the_registry_is_away_a_sponsor_begins_nothing(desk: Writers) -> None:
    desk = knowing(desk, Knows(is_away=True))
    assert (await desk.ask(BEN_FOR_ANNA, "POST", "Task", as_a_child())).status == 503


async def test_it_waits_where_the_person_or_the_sponsor_is_enrolled_and_nowhere_else(desk: Writers) -> None:
    desk = knowing(desk)
    for owner in ("Organization/other", "Practitioner/p7", "Organization/agency-va", None):
        elements = {"owner": None if owner is None else {"reference": owner}}
        for sight, asked in ((ANNA, task(input=AS_A_RETIREE)), (BEN_FOR_ANNA, as_a_child())):
            given = {name: value for name, value in (asked | elements).items() if value is not None}
            told = await desk.ask(sight, "POST", "Task", given)
            assert (told.status, told.numbers, told.element) == (422, (6050,), "Task.owner"), owner
    for owner in (HERE, ELSEWHERE, "Organization/agency-dod"):
        begun = await desk.ask(BEN_FOR_ANNA, "POST", "Task", as_a_child(owner={"reference": owner}))
        assert begun.status == 201
        assert (await desk.ask(admin(), "DELETE", f"Task/{begun.id}")).status == 204
    assert (await desk.ask(ANNA, "POST", "Task", task(input=AS_A_RETIREE))).status == 201


async def test_the_registry_is_asked_by_class_number_and_relationship() -> None:
    """CLASS_RULES say who may sponsor; the DoD ID numbers say who is who."""
    since = date(2020, 1, 1)

    def enrolled(number: str, held: str, **more: Any) -> Enrolled:
        return Enrolled(number, "X", ("Y",), since, statuses=(ServiceStatus(held, since),), **more)

    sponsor, dependent = numbered("9900000025"), numbered("9900000033")
    for held, rule in CLASS_RULES.items():
        registry = Registry()
        registry.people["9900000025"] = enrolled("9900000025", held)
        registry.dependents["9900000025"] = (enrolled("9900000033", "dependent-child", relationship="child"),)
        asked = RegistrySponsoring(registry)
        assert await asked.names(sponsor, dependent, "child") is rule.may_sponsor, held
        assert not await asked.names(sponsor, dependent, "spouse")
        assert not await asked.names(sponsor, numbered("9900000041"), "child")
        assert not await asked.names({}, dependent, "child")
        registry.is_away = True
        with pytest.raises(FhirError) as refused:
            await asked.names(sponsor, dependent, "child")
        assert refused.value.status == 503


def numbered(dod_id: str) -> dict[str, Any]:
    """A Patient with this DoD ID number."""
    system = "urn:oid:2.16.840.1.113883.3.42.10001.100001.12"
    return {"resourceType": "Patient", "id": "x", "identifier": [{"system": system, "value": dod_id}]}


async def test_a_task_of_another_kind_is_nobodys_business_here(desk: Writers) -> None:
    other = task("o", code={"text": "call back"}, status="in-progress")
    await desk.stored(other)
    assert (await desk.ask(STAFF, "PUT", "Task/o", other | {"status": "draft"})).status == 200
    assert (await desk.ask(STAFF, "PUT", "Task/o", other, Conditions(if_match='W/"1"'))).status == 412
    assert (await desk.ask(STAFF, "DELETE", "Task/o")).status == 204
