"""How refills are counted, and which medicines are the same: pure rules."""

from datetime import UTC, datetime
from typing import Any

import pytest

from fhir_server.care.medications import is_expired, named, remaining, task_asks
from fhir_server.care.medicine_names import is_same, is_same_product, medicine_of
from fhir_server.care.refills import refuse_step, refuse_unlinking
from fhir_server.care.renewals import refuse_decision
from fhir_server.core.outcome import FhirError
from tests.rest.medicines import LISINOPRIL, OXYCODONE, dispense, order, refill, renewal

BASES = ("http://localhost:8080/fhir",)


def moment(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def answered(task: dict[str, Any], id: str) -> dict[str, Any]:
    reference = {"reference": f"MedicationDispense/{id}"}
    return task | {"output": [{"type": {"text": "Dispense"}, "valueReference": reference}]}


@pytest.mark.parametrize(
    ("allowed", "statuses", "tasks", "expected"),
    [
        (3, [], [], 3),
        (3, ["completed"], [], 3),
        (3, ["completed", "in-progress"], [], 2),
        (3, ["completed", "cancelled", "entered-in-error", "declined", "stopped"], [], 3),
        (3, ["completed", "preparation", "on-hold"], [], 1),
        (3, ["completed"], ["requested"], 2),
        (3, ["completed"], ["requested", "accepted", "rejected", "completed"], 1),
        (1, ["completed"] * 5, ["requested"], 0),
        (0, [], [], 0),
        (None, ["completed"], [], 0),
    ],
)
def test_what_was_dispensed_beyond_the_first_and_what_is_asked_for_is_used(
    allowed: int | None, statuses: list[str], tasks: list[str], expected: int
) -> None:
    dispenses = {f"d{number}": dispense("m", status=each) for number, each in enumerate(statuses)}
    asked = [refill("m") | {"status": each} for each in tasks]
    assert remaining(order("m", allowed), dispenses, asked, BASES) == expected


def test_a_refill_that_is_being_dispensed_counts_once() -> None:
    dispenses = {"d1": dispense("m"), "d2": dispense("m", status="in-progress")}
    task = answered(refill("m") | {"status": "in-progress"}, "d2")
    assert remaining(order("m", 3), dispenses, [task], BASES) == 2
    # What was declined is asked for again.
    dispenses["d2"] = dispense("m", status="declined")
    assert remaining(order("m", 3), dispenses, [task], BASES) == 2
    assert remaining(order("m", 3), dispenses, [], BASES) == 3


@pytest.mark.parametrize(
    ("end", "now", "expected"),
    [
        ("2026-03-31", "2026-03-31T23:59:59.999", False),
        ("2026-03-31", "2026-04-01T00:00:00", True),
        ("2026-03", "2026-03-31T12:00:00", False),
        ("2026", "2027-01-01T00:00:00", True),
        ("2026-03-31T10:00:00-05:00", "2026-03-31T15:00:00", False),
        ("2026-03-31T10:00:00-05:00", "2026-03-31T15:00:01", True),
    ],
)
def test_the_last_day_or_moment_belongs_to_the_order(end: str, now: str, expected: bool) -> None:
    held = order("m") | {"dispenseRequest": {"validityPeriod": {"end": end}}}
    assert is_expired(held, moment(now)) is expected
    assert not is_expired(order("m") | {"dispenseRequest": {}}, moment(now))


def test_a_reference_is_read_however_it_is_written() -> None:
    for text in ("MedicationRequest/m", "MedicationRequest/m/_history/3", f"{BASES[0]}/MedicationRequest/m/_history/3"):
        assert named({"reference": text}, "MedicationRequest", BASES) == "m"
    for text in ("http://elsewhere/MedicationRequest/m", "#m", "urn:uuid:1", "", "Task/m", "MedicationRequest/m/x"):
        assert named({"reference": text}, "MedicationRequest", BASES) is None
    for value in ({}, {"identifier": {"value": "m"}}, None, "MedicationRequest/m"):
        assert named(value, "MedicationRequest", BASES) is None


def test_a_registration_is_no_refill() -> None:
    portal = {"system": "urn:fhir-server:federal:portal-task", "code": "registration"}
    both = refill("m")
    both["code"]["coding"].append(portal)
    assert task_asks(both) is None
    assert task_asks(refill("m")) == "refill"
    assert task_asks({"resourceType": "Task"}) is None


def test_the_same_medicine_is_known_by_reference_code_or_words() -> None:
    def medicine(**elements: Any) -> Any:
        return medicine_of(elements, BASES)

    coded, other = medicine(medicationCodeableConcept=LISINOPRIL), medicine(medicationCodeableConcept=OXYCODONE)
    referred = medicine(medicationReference={"reference": "Medication/a", "display": "A"})
    absolute = medicine(medicationReference={"reference": f"{BASES[0]}/Medication/a"})
    contained = medicine(
        medicationReference={"reference": "#c"},
        contained=[{"resourceType": "Medication", "id": "c", "code": LISINOPRIL}],
    )
    assert is_same(coded, coded) and is_same(absolute, referred) and is_same(contained, coded)
    assert not is_same(other, coded) and not is_same(coded, referred) and not is_same(referred, coded)
    assert not is_same(medicine(), coded) and not is_same(medicine(), medicine())
    assert not is_same(medicine(medicationReference={"reference": "Medication/a", "display": "B"}), referred)
    words = medicine(medicationCodeableConcept={"text": "what the doctor says", "coding": LISINOPRIL["coding"]})
    assert is_same_product(words, coded) and not is_same(words, coded)
    assert not is_same_product(other, coded) and not is_same_product(medicine(), medicine())


def test_a_refill_that_has_ended_stays_so() -> None:
    for before in ("completed", "rejected", "cancelled", "failed"):
        former = refill("m") | {"status": before}
        for status in ("requested", "in-progress", "completed", "cancelled"):
            if status != before:
                with pytest.raises(FhirError):
                    refuse_step(former, former | {"status": status}, {}, BASES)
        refuse_step(former, former | {"status": "entered-in-error"}, {}, BASES)


def test_a_refill_is_completed_by_a_dispense_of_its_order_alone() -> None:
    former = refill("m") | {"status": "in-progress"}
    done = answered(former, "d") | {"status": "completed"}
    refuse_step(former, done, {"d": dispense("m")}, BASES)
    for dispenses in ({}, {"d": dispense("m", status="in-progress")}, {"other": dispense("m")}):
        with pytest.raises(FhirError):
            refuse_step(former, done, dispenses, BASES)


def test_what_was_handed_over_is_taken_back_as_a_mistake_alone() -> None:
    given = dispense("m")
    refuse_unlinking("m", given, given | {"status": "entered-in-error"}, False)
    refuse_unlinking("m", given | {"status": "declined"}, None, False)
    refuse_unlinking("m", given | {"status": "in-progress"}, given | {"status": "stopped"}, True)
    for after, linked in ((None, False), (given, False), (given | {"status": "declined"}, True)):
        with pytest.raises(FhirError):
            refuse_unlinking("m", given, after, linked)


def test_a_decision_is_a_denial_only_where_it_ends_what_was_open() -> None:
    wish = renewal("m")
    reason = {"statusReason": {"text": "x"}}
    assert refuse_decision(wish, wish | {"status": "cancelled"} | reason, False)
    assert not refuse_decision(wish, wish | {"status": "on-hold"}, False)
    assert not refuse_decision(wish, wish | {"status": "completed"}, True)
    assert not refuse_decision(wish, wish | {"status": "entered-in-error"}, False)
    ended = wish | {"status": "cancelled"} | reason
    assert not refuse_decision(ended, ended | {"note": [{"text": "y"}]}, False)
