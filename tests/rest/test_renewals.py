"""A renewal is asked for where no refill is left, and becomes a new order or a denial with its reason.

https://hl7.org/fhir/R4/medicationrequest-definitions.html#MedicationRequest.priorPrescription,
docs/adr/0034-medicines.md
"""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from fhir_server.core.proxied import Proxied
from fhir_server.interactions.context import Conditions
from fhir_server.policy import Sight
from fhir_server.store.notices import due
from tests.rest.medicines import LISINOPRIL, OXYCODONE, RXNORM, TASK_CODES, dispense, order, refill, renewal
from tests.rest.writers import ANNA, BEN, Told, Writers, entry, patient_of, person, practitioner

STAFF = practitioner("anna", "ben")
JSON_PATCH = "application/json-patch+json"
USED_UP = order("m", 0)
FAR = 2**52


async def asked(writers: Writers, proposal: dict[str, Any], sight: Sight = ANNA) -> Told:
    return await writers.ask(sight, "POST", "MedicationRequest", proposal)


async def statuses(writers: Writers, *ids: str) -> list[str]:
    return [(await writers.now(f"MedicationRequest/{id}"))["status"] for id in ids]


async def requests(writers: Writers) -> int:
    return len(await writers.rows("MedicationRequest"))


def successor(proposal: str, prior: str = "m", repeats: int = 3, **more: Any) -> dict[str, Any]:
    links: dict[str, Any] = {"basedOn": [{"reference": f"MedicationRequest/{proposal}"}]}
    links["priorPrescription"] = {"reference": f"MedicationRequest/{prior}"}
    return order(None, repeats, **(links | more))


@pytest.mark.parametrize(
    "prior",
    [
        USED_UP,
        order("m", 3, ends=-5),
        order("m", 3, status="completed"),
        order("m", None),
        order("m", 2, status="active", dispenseRequest={"numberOfRepeatsAllowed": 0}),
    ],
    ids=["used-up", "expired", "completed", "no-repeats", "no-end"],
)
async def test_a_renewal_is_had_where_no_refill_is(writers: Writers, prior: dict[str, Any]) -> None:
    await writers.stored(prior)
    told = await asked(writers, renewal("m"))
    assert (told.status, told.body["status"]) == (201, "active")
    again = await asked(writers, renewal("m"))
    assert (again.status, again.numbers, again.element) == (422, (6154,), "MedicationRequest.priorPrescription")


async def test_while_refills_are_left_it_points_to_them(writers: Writers) -> None:
    await writers.stored(order("m", 1), dispense("m", "first"))
    told = await asked(writers, renewal("m"))
    assert (told.status, told.numbers) == (422, (6153,))
    assert told.element == "MedicationRequest.priorPrescription"
    assert "focus is MedicationRequest/m" in told.text
    assert (await writers.ask(ANNA, "POST", "Task", refill("m"))).status == 201
    # The last one is asked for: what follows may be asked for too.
    assert (await asked(writers, renewal("m"))).status == 201


@pytest.mark.parametrize("status", ["stopped", "cancelled", "entered-in-error", "draft", "on-hold", "unknown"])
async def test_a_therapy_that_does_not_go_on_is_not_renewed(writers: Writers, status: str) -> None:
    await writers.stored(USED_UP | {"status": status})
    told = await asked(writers, renewal("m"))
    assert (told.status, told.numbers) == (422, (6155,))
    assert await requests(writers) == 1


@pytest.mark.parametrize(
    "prior",
    [
        None,
        {"reference": "MedicationRequest/missing"},
        {"reference": "MedicationRequest/bens"},
        {"reference": "MedicationRequest/bens/_history/1"},
        {"reference": "http://localhost:8080/fhir/MedicationRequest/bens"},
        {"reference": "http://elsewhere.example/fhir/MedicationRequest/m"},
        {"reference": "#m"},
        {"identifier": {"system": "urn:x", "value": "m"}},
        {"display": "m"},
    ],
)
async def test_what_names_no_order_of_ones_own_is_refused(writers: Writers, prior: dict[str, Any] | None) -> None:
    await writers.stored(USED_UP, order("bens", 0, of="ben"))
    sent = renewal(None) if prior is None else renewal(None, priorPrescription=prior)
    if prior is not None and prior.get("reference") == "#m":
        sent["contained"] = [renewal("m") | {"id": "m"}]
    told = await asked(writers, sent)
    number = 6161 if prior is None else 6150
    assert (told.status, told.numbers, told.element) == (422, (number,), "MedicationRequest.priorPrescription")
    if number == 6150:
        missing = await asked(writers, renewal("missing"))
        assert missing.text == told.text


@pytest.mark.parametrize(
    "medicine",
    [
        {"medicationCodeableConcept": OXYCODONE},
        {"medicationCodeableConcept": {"text": "Oxycodone 5 MG"}},
        {"medicationCodeableConcept": {"text": "Lisinopril 10 MG"}},
        {"medicationCodeableConcept": LISINOPRIL | {"text": "Oxycodone 5 MG"}},
        {"medicationCodeableConcept": {"coding": [LISINOPRIL["coding"][0] | {"display": "Oxycodone 5 MG"}]}},
        {"medicationCodeableConcept": {"coding": [*LISINOPRIL["coding"], *OXYCODONE["coding"]]}},
        {"medicationReference": {"reference": "Medication/other"}},
    ],
)
async def test_another_medicine_is_no_renewal(writers: Writers, medicine: dict[str, Any]) -> None:
    await writers.stored(USED_UP)
    sent = renewal("m")
    del sent["medicationCodeableConcept"]
    told = await asked(writers, sent | medicine)
    assert (told.status, told.numbers, told.element) == (422, (6155,), f"MedicationRequest.{next(iter(medicine))}")
    assert await requests(writers) == 1


async def test_the_same_medicine_may_be_said_in_fewer_words(writers: Writers) -> None:
    await writers.stored(USED_UP, order("words", 0, medicationCodeableConcept={"text": "Foxglove  tea"}))
    bare = {"coding": [{"system": RXNORM, "code": "314076"}]}
    assert (await asked(writers, renewal("m", medicationCodeableConcept=bare))).status == 201
    other = await asked(writers, renewal("words", medicationCodeableConcept={"text": "Poppy tea"}))
    assert other.numbers == (6155,)
    same = renewal("words", medicationCodeableConcept={"text": "foxglove tea"})
    assert (await asked(writers, same)).status == 201


async def test_what_must_not_be_given_is_not_renewed_and_nobody_asks_for_it_as_a_renewal(writers: Writers) -> None:
    await writers.stored(USED_UP, order("never", 0, doNotPerform=True))
    told = await asked(writers, renewal("never"))
    assert (told.status, told.numbers, told.element) == (422, (6155,), "MedicationRequest.priorPrescription")
    told = await asked(writers, renewal("m", doNotPerform=True))
    assert (told.status, told.numbers, told.element) == (422, (6161,), "MedicationRequest.doNotPerform")
    told = await asked(writers, renewal("m", doNotPerform=False))
    assert told.status == 201
    url = f"MedicationRequest/{told.body['id']}"
    for sight in (ANNA, STAFF):
        changed = await writers.now(url) | {"doNotPerform": True}
        told = await writers.ask(sight, "PUT", url, changed)
        assert (told.status, told.element) == (422, "MedicationRequest.doNotPerform")
    told = await writers.ask(STAFF, "PUT", "MedicationRequest/m", USED_UP | {"doNotPerform": True})
    assert (told.status, told.numbers, told.element) == (422, (6156,), "MedicationRequest.doNotPerform")


async def test_nobody_asks_in_the_name_of_others_or_says_what_staff_say(writers: Writers) -> None:
    await writers.stored(USED_UP)
    for requester in ({"reference": "Patient/ben"}, {"reference": "Practitioner/p7"}, {"display": "Anna"}):
        told = await asked(writers, renewal("m", requester=requester))
        assert (told.status, told.numbers, told.element) == (403, (6021,), "MedicationRequest.requester")
    changes: list[dict[str, Any]] = [
        {"basedOn": [{"reference": "MedicationRequest/m"}]},
        {"recorder": {"reference": "Practitioner/p7"}},
        {"dispenseRequest": {"numberOfRepeatsAllowed": 9}},
        {"status": "completed"},
        {"status": "on-hold"},
    ]
    for changed in changes:
        told = await asked(writers, renewal("m") | changed)
        assert (told.status, told.numbers) == (422, (6161,)), changed
    assert (await asked(writers, renewal("m", intent="order"))).status == 403
    assert await requests(writers) == 1


async def test_the_rule_holds_in_every_interaction(writers: Writers) -> None:
    await writers.stored(USED_UP, order("left", 2), order("n", 0))
    told = await writers.bundle(
        ANNA, "batch", [entry("POST", "MedicationRequest", renewal(each)) for each in ("left", "n")]
    )
    assert [each["response"]["status"][:3] for each in told.body["entry"]] == ["422", "201"]
    for priors in (("m", "m"), ("m", "left")):
        entries = [entry("POST", "MedicationRequest", renewal(each)) for each in priors]
        assert (await writers.bundle(ANNA, "transaction", entries)).status == 422
    identified = renewal("m", identifier=[{"system": "urn:x", "value": "1"}])
    condition = Conditions(if_none_exist="identifier=urn:x|1")
    made = [await writers.ask(ANNA, "POST", "MedicationRequest", identified, condition) for _ in range(2)]
    assert [each.status for each in made] == [201, 200]
    assert await requests(writers) == 5


async def test_a_patient_sends_a_draft_off_and_takes_back_what_is_not_decided(writers: Writers) -> None:
    await writers.stored(USED_UP)
    id = (await asked(writers, renewal("m", status="draft"))).id
    place = f"MedicationRequest/{id}"

    def patch(status: str) -> Any:
        return (JSON_PATCH, [{"op": "replace", "path": "/status", "value": status}])

    assert (await writers.ask(ANNA, "PATCH", place, patch("completed"))).numbers == (6156,)
    await writers.stored(order("m", 4))
    assert (await writers.ask(ANNA, "PATCH", place, patch("active"))).numbers == (6153,)
    await writers.stored(USED_UP)
    assert (await writers.ask(ANNA, "PATCH", place, patch("active"))).status == 200
    sent = await writers.now(place)
    other = sent | {"status": "cancelled", "medicationCodeableConcept": OXYCODONE}
    assert (await writers.ask(ANNA, "PUT", place, other)).status == 403
    assert (await writers.ask(BEN, "PATCH", place, patch("cancelled"))).status == 404
    assert (await writers.ask(ANNA, "PUT", place, sent | {"status": "cancelled"})).status == 200
    assert (await writers.ask(ANNA, "PATCH", place, patch("active"))).numbers == (6156,)
    assert (await asked(writers, renewal("m"))).status == 201


async def test_whoever_acts_in_the_family_renews_what_they_may_see(writers: Writers) -> None:
    teen = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "ADOL"}
    hidden = order("hidden", 0, of="kid", meta={"security": [teen]})
    await writers.stored(person("kid"), order("seen", 0, of="kid"), hidden)
    labels = ("adol|" + teen["system"], "ADOL|" + teen["system"])
    limited = Sight(patient_of("anna", granted="user/*.cruds").access, proxied=(Proxied("kid", labels),))
    mine = {"requester": {"reference": "Patient/anna"}}
    told = await asked(writers, renewal("hidden", of="kid", **mine), limited)
    assert (told.status, told.numbers) == (422, (6150,))
    assert (await asked(writers, renewal("seen", of="kid", **mine), limited)).status == 201
    # What the young person asks for is hidden as what it is about.
    made = await asked(writers, renewal("hidden", of="kid"), patient_of("kid"))
    assert made.status == 201
    assert (await writers.ask(limited, "GET", f"MedicationRequest/{made.id}")).status == 404
    assert (await writers.ask(patient_of("kid"), "GET", f"MedicationRequest/{made.id}")).status == 200
    # So is the order that answers it, which whoever writes it need not label anew, and one that follows without asking.
    answered = await asked(writers, successor(made.id, "hidden", of="kid"), practitioner("kid"))
    assert answered.status == 201
    changed = order(None, 1, of="kid", priorPrescription={"reference": f"MedicationRequest/{answered.id}"})
    for told in (answered, await asked(writers, changed, practitioner("kid"))):
        assert (await writers.ask(limited, "GET", f"MedicationRequest/{told.id}")).status == 404
        assert (await writers.ask(patient_of("kid"), "GET", f"MedicationRequest/{told.id}")).status == 200


class TestDecisions:
    async def begun(self, writers: Writers) -> str:
        await writers.stored(USED_UP)
        id = (await asked(writers, renewal("m"))).id
        task = refill("m") | {"id": "t", "intent": "proposal", "focus": {"reference": f"MedicationRequest/{id}"}}
        task["code"] = {"coding": [{"system": TASK_CODES, "code": "approve"}]}
        await writers.stored(task)
        return id

    async def notices(self, writers: Writers) -> list[tuple[str, str, str]]:
        found = await due(writers.context.server.database, FAR, 10)
        return [(each.id, each.kind, each.place) for each in found]

    async def test_staff_approve_by_a_new_order(self, writers: Writers) -> None:
        id = await self.begun(writers)
        made = await asked(writers, successor(id), STAFF)
        assert made.status == 201
        assert await statuses(writers, id, "m", made.id) == ["completed", "completed", "active"]
        task = await writers.now("Task/t")
        assert (task["status"], task["output"][0]["valueReference"]["reference"]) == (
            "completed",
            f"MedicationRequest/{made.id}",
        )
        assert await self.notices(writers) == [(f"renewal/{id}/completed", "renewal-approved", "Patient/anna")]
        # It is not approved twice, nor denied, nor is what it replaced brought back.
        again = await asked(writers, successor(id), STAFF)
        assert (again.status, again.numbers) == (422, (6160,))
        assert (await asked(writers, successor(id, basedOn=[]) | {"basedOn": [{"display": "x"}]}, STAFF)).numbers == (
            6160,
        )
        denied = (await writers.now(f"MedicationRequest/{id}")) | {"status": "cancelled", "statusReason": {"text": "x"}}
        assert (await writers.ask(STAFF, "PUT", f"MedicationRequest/{id}", denied)).numbers == (6160,)
        assert (await writers.ask(STAFF, "PUT", "MedicationRequest/m", USED_UP)).numbers == (6160,)
        told = await asked(writers, renewal("m"))
        assert (told.numbers, "another one is in its place" in told.text) == ((6155,), True)
        active = await writers.ask(ANNA, "GET", "MedicationRequest?patient=anna&status=active&intent=order")
        assert [each["resource"]["id"] for each in active.body["entry"]] == [made.id]

    async def test_staff_deny_with_a_reason(self, writers: Writers) -> None:
        id = await self.begun(writers)
        place, proposal = f"MedicationRequest/{id}", await writers.now(f"MedicationRequest/{id}")
        for status in ("cancelled", "stopped"):
            told = await writers.ask(STAFF, "PUT", place, proposal | {"status": status})
            assert (told.status, told.numbers, told.element) == (422, (6161,), "MedicationRequest.statusReason")
        patch = (JSON_PATCH, [{"op": "replace", "path": "/status", "value": "cancelled"}])
        assert (await writers.ask(STAFF, "PATCH", place, patch)).numbers == (6161,)
        stale = Conditions(if_match='W/"7"')
        denied = proposal | {"status": "cancelled", "statusReason": {"text": "A visit is needed."}}
        assert (await writers.ask(STAFF, "PUT", place, denied, stale)).status == 412
        assert (await writers.ask(STAFF, "PUT", place, denied)).status == 200
        assert await self.notices(writers) == [(f"renewal/{id}/cancelled", "renewal-denied", "Patient/anna")]
        task = await writers.now("Task/t")
        assert (task["status"], task["statusReason"]) == ("rejected", {"text": "A visit is needed."})
        assert (await asked(writers, successor(id), STAFF)).numbers == (6160,)
        assert await statuses(writers, "m") == ["active"]
        assert (await asked(writers, renewal("m"))).status == 201

    async def test_what_was_asked_for_is_decided_and_not_changed(self, writers: Writers) -> None:
        id = await self.begun(writers)
        place, proposal = f"MedicationRequest/{id}", await writers.now(f"MedicationRequest/{id}")
        await writers.stored(order("n", 0))
        changes: list[dict[str, Any]] = [
            {"intent": "order"},
            {"priorPrescription": {"reference": "MedicationRequest/n"}},
            {"medicationCodeableConcept": OXYCODONE},
            {"status": "completed"},
        ]
        for changed in changes:
            assert (await writers.ask(STAFF, "PUT", place, proposal | changed)).numbers == (6156,), changed
        assert (await writers.ask(STAFF, "DELETE", place)).numbers == (6156,)
        assert (await writers.ask(STAFF, "PUT", "MedicationRequest/m", USED_UP | {"intent": "proposal"})).status == 422

    async def test_an_order_that_is_not_what_was_asked_for_approves_nothing(self, writers: Writers) -> None:
        id = await self.begun(writers)
        await writers.stored(order("n", 0), order("bens", 0, of="ben"), renewal("bens", of="ben") | {"id": "ben-wish"})
        tries: list[tuple[dict[str, Any], int]] = [
            (successor(id, "n"), 6161),
            (successor(id, medicationCodeableConcept=OXYCODONE), 6155),
            (successor("missing"), 6150),
            (successor("ben-wish", "m"), 6150),
            (successor(id, "missing"), 6150),
            (successor(id, "bens"), 6150),
            (successor("ben-wish", "bens"), 6150),
            (successor(id, "bens", of="ben"), 6150),
        ]
        for sent, number in tries:
            told = await asked(writers, sent, STAFF)
            assert (told.status, told.numbers) == (422, (number,)), sent
        without = successor(id)
        del without["priorPrescription"]
        assert (await asked(writers, without, STAFF)).numbers == (6161,)
        assert await statuses(writers, id, "m", "ben-wish") == ["active"] * 3
        assert await self.notices(writers) == []

    async def test_a_draft_approves_once_it_is_active(self, writers: Writers) -> None:
        id = await self.begun(writers)
        draft = await asked(writers, successor(id, status="draft"), STAFF)
        assert await statuses(writers, id, "m") == ["active", "active"]
        patch = (JSON_PATCH, [{"op": "replace", "path": "/status", "value": "active"}])
        assert (await writers.ask(STAFF, "PATCH", f"MedicationRequest/{draft.id}", patch)).status == 200
        assert await statuses(writers, id, "m") == ["completed", "completed"]

    async def test_one_bundle_approves_once(self, writers: Writers) -> None:
        id = await self.begun(writers)
        twice = [entry("POST", "MedicationRequest", successor(id)) for _ in range(2)]
        assert (await writers.bundle(STAFF, "transaction", twice)).status == 422
        proposal = await writers.now(f"MedicationRequest/{id}")
        whole = [
            entry("POST", "MedicationRequest", successor(id)),
            entry("PUT", f"MedicationRequest/{id}", proposal | {"status": "completed"}),
            entry("PUT", "MedicationRequest/m", USED_UP | {"status": "completed"}),
        ]
        kept = [whole[0], entry("PUT", "MedicationRequest/m", USED_UP | {"note": [{"text": "x"}]})]
        assert (await writers.bundle(STAFF, "transaction", kept)).numbers == (6160,)
        assert (await writers.bundle(STAFF, "transaction", whole)).status == 200
        assert await statuses(writers, id, "m") == ["completed", "completed"]

    async def test_of_two_approvals_at_once_one_counts(self, writers: Writers) -> None:
        id = await self.begun(writers)
        told = await asyncio.gather(*(asked(writers, successor(id), STAFF) for _ in range(6)))
        assert sorted(each.status for each in told) == [201, *[422] * 5]
        active = await writers.ask(ANNA, "GET", "MedicationRequest?patient=anna&status=active&intent=order")
        assert len(active.body["entry"]) == 1

    async def test_approving_and_denying_ask_for_a_card(self, writers: Writers) -> None:
        id = await self.begun(writers)
        server = replace(writers.context.server, card_for=frozenset({"orders"}))
        guarded = Writers(structs.replace(writers.context, server=server))
        proposal = await writers.now(f"MedicationRequest/{id}")
        denied = proposal | {"status": "cancelled", "statusReason": {"text": "x"}}
        assert (await guarded.ask(STAFF, "POST", "MedicationRequest", successor(id))).status == 401
        assert (await guarded.ask(STAFF, "PUT", f"MedicationRequest/{id}", denied)).status == 401
        assert (await asked(guarded, successor(id), practitioner("anna", acr="card"))).status == 201
        # Patients, who order nothing, need none.
        await writers.stored(order("n", 0))
        assert (await asked(guarded, renewal("n"))).status == 201

    async def test_a_practitioner_out_of_reach_decides_nothing(self, writers: Writers) -> None:
        id = await self.begun(writers)
        other = practitioner("ben")
        proposal = await writers.now(f"MedicationRequest/{id}")
        told = await writers.ask(other, "PATCH", f"MedicationRequest/{id}", (JSON_PATCH, []))
        assert told.status == 404
        denied = proposal | {"status": "cancelled", "statusReason": {"text": "x"}}
        assert (await writers.ask(other, "PUT", f"MedicationRequest/{id}", denied)).status in (403, 404)
        hijacked = successor(id, of="ben")
        assert (await asked(writers, hijacked, other)).numbers == (6150,)


async def test_a_new_order_in_the_place_of_another_ends_that(writers: Writers) -> None:
    await writers.stored(order("m", 2), {**order("n", 2), "status": "on-hold"})
    sent = order(None, 3, priorPrescription={"reference": "MedicationRequest/m"})
    made = await asked(writers, sent, STAFF)
    assert made.status == 201
    assert await statuses(writers, "m") == ["completed"]
    told = await asked(writers, sent, STAFF)
    assert (told.status, told.numbers) == (422, (6160,))
    await asked(writers, order(None, 3, priorPrescription={"reference": "MedicationRequest/n"}), STAFF)
    assert await statuses(writers, "n") == ["completed"]
