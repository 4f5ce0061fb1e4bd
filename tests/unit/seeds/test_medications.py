"""Prescriptions: what each state means for the order, its dispenses, and whether it may be refilled or renewed."""

from typing import get_args

import pytest

from fhir_server.core.codec import decode, encode
from fhir_server.validation.validate import validate
from seeds import drugs, medications, visits
from seeds.chart import Chart
from seeds.codes import concept
from seeds.medications import STATES, State
from tests.unit.seeds.care_chart import Json, chart, named, only


def written(state: State, drug: str = "lisinopril") -> tuple[Chart, Json]:
    """A record with that one prescription, and the order that holds now."""
    record = chart()
    return record, named(record, medications.prescription(record, "rx", drug, state))


def refills_left(record: Chart, order: Json) -> int:
    reference = f"MedicationRequest/{order['id']}"
    filled = [
        each
        for each in only(record, "MedicationDispense")
        if each["authorizingPrescription"] == [{"reference": reference}]
    ]
    return int(order["dispenseRequest"]["numberOfRepeatsAllowed"]) + 1 - len(filled)


@pytest.mark.parametrize("state", get_args(State))
def test_every_state_is_valid_and_signed(state: State) -> None:
    record, order = written(state)
    assert [issue.text for each in record.resources for issue in validate(decode(encode(each)))] == []
    signed = {target["reference"] for each in only(record, "Provenance") for target in each["target"]}
    assert f"MedicationRequest/{order['id']}" in signed


@pytest.mark.parametrize("drug", drugs.DRUGS)
def test_every_medicine_can_be_prescribed(drug: str) -> None:
    record, order = written("refills-left", drug)
    assert [issue.text for each in record.resources for issue in validate(decode(encode(each)))] == []
    assert ("medicationReference" in order) == drugs.DRUGS[drug].is_listed


@pytest.mark.parametrize(
    ("state", "left"), [("refills-left", 2), ("last-refill", 1), ("no-refills-left", 0), ("renewed", 4)]
)
@pytest.mark.parametrize("drug", ["lisinopril", "sertraline", "ibuprofen"])
def test_as_many_refills_are_left_as_the_state_says(state: State, left: int, drug: str) -> None:
    record, order = written(state, drug)
    assert order["status"] == "active"
    assert refills_left(record, order) == left


def test_an_expired_prescription_has_refills_that_nobody_may_order_any_more() -> None:
    record, order = written("expired")
    assert refills_left(record, order) > 0
    assert order["dispenseRequest"]["validityPeriod"]["end"] < record.clock.today.isoformat()


@pytest.mark.parametrize("state", ["refills-left", "last-refill", "no-refills-left", "renewed"])
def test_one_that_is_not_expired_may_still_be_filled_today(state: State) -> None:
    record, order = written(state)
    assert order["dispenseRequest"]["validityPeriod"]["end"] >= record.clock.today.isoformat()


@pytest.mark.parametrize("state", ["on-hold", "stopped", "cancelled"])
def test_what_was_interrupted_says_why(state: State) -> None:
    _, order = written(state)
    assert order["status"] == state
    assert order["statusReason"]["coding"]


@pytest.mark.parametrize("state", ["draft", "cancelled", "entered-in-error", "reported"])
def test_what_was_never_ordered_was_never_dispensed(state: State) -> None:
    record, _ = written(state)
    assert only(record, "MedicationDispense") == []


def test_a_medicine_from_home_is_told_by_the_patient() -> None:
    record, order = written("reported")
    assert order["intent"] == "plan"
    assert order["reportedReference"] == record.patient


def test_a_requested_renewal_is_a_proposal_that_waits_for_the_team() -> None:
    record, order = written("renewal-requested")
    (proposal,) = [each for each in only(record, "MedicationRequest") if each["intent"] == "proposal"]
    (task,) = only(record, "Task")
    assert proposal["status"] == "active"
    assert proposal["priorPrescription"] == {"reference": f"MedicationRequest/{order['id']}"}
    assert proposal["requester"] == record.patient
    assert (task["status"], task["focus"]) == ("requested", {"reference": f"MedicationRequest/{proposal['id']}"})


def test_a_renewed_order_names_the_proposal_and_the_order_before() -> None:
    record, order = written("renewed")
    old, proposal, _ = only(record, "MedicationRequest")
    assert order["priorPrescription"] == {"reference": f"MedicationRequest/{old['id']}"}
    assert order["basedOn"] == [{"reference": f"MedicationRequest/{proposal['id']}"}]
    assert (old["status"], proposal["status"]) == ("completed", "completed")
    assert order["identifier"] != old["identifier"]


def test_a_denied_renewal_is_cancelled_with_a_reason_and_the_patient_is_told() -> None:
    record, _ = written("renewal-denied")
    (proposal,) = [each for each in only(record, "MedicationRequest") if each["intent"] == "proposal"]
    (notice,) = only(record, "Communication")
    assert proposal["status"] == "cancelled" and proposal["statusReason"]
    assert notice["recipient"] == [record.patient]
    assert only(record, "Task")[0]["status"] == "rejected"


def test_nothing_was_dispensed_after_today() -> None:
    for state in STATES:
        record, _ = written(state, "sertraline")
        for each in only(record, "MedicationDispense"):
            assert each["whenHandedOver"][:10] <= record.clock.today.isoformat()


def test_an_order_of_a_visit_is_dated_signed_and_placed_by_it() -> None:
    record = chart()
    with visits.visit(record, "visit", record.ago(20, 9), "office") as visit:
        order = named(record, medications.prescription(record, "rx", "amoxicillin", "completed", visit))
    assert order["authoredOn"][:10] == visit.start.date().isoformat()
    assert order["encounter"] == {"reference": visit.reference}
    assert only(record, "MedicationDispense")[0]["context"] == {"reference": visit.reference}
    assert len(only(record, "Provenance")) == 1


def test_an_order_refers_to_the_problem_it_is_for() -> None:
    record = chart()
    problem = record.add("Condition", "bp", {"code": concept("snomed", "59621000"), "subject": record.patient})
    order = named(record, medications.prescription(record, "rx", "lisinopril", "refills-left"))
    assert order["reasonReference"] == [{"reference": problem}]


def test_a_dose_given_in_a_visit_is_an_administration() -> None:
    record = chart()
    with visits.visit(record, "visit", record.ago(20, 9), "emergency") as visit:
        given = named(record, medications.administered(record, "dose", "ondansetron", visit, minutes=30))
    assert given["effectiveDateTime"] > visit.start.isoformat()
    assert given["context"] == {"reference": visit.reference}
    assert validate(decode(encode(given))) == ()


def test_protected_medicines_carry_their_labels_on_order_and_dispense() -> None:
    record = chart()
    labels = ("R", "SUD", "42CFRPart2")
    medications.prescription(record, "rx", "buprenorphine-naloxone", "renewed", labels=labels)
    for each in [*only(record, "MedicationRequest"), *only(record, "MedicationDispense"), *only(record, "Task")]:
        assert {"R", "SUD", "42CFRPart2"} <= {label["code"] for label in each["meta"]["security"]}, each["id"]
