"""Visits, what is found in them, and who signs it."""

from datetime import date

import pytest

from seeds import allergies, conditions, plans, procedures, readiness, visits
from tests.unit.seeds.people import WHEN, chart, found, of_type, visit


def test_a_visit_is_signed_with_all_that_was_written_down_in_it() -> None:
    record = chart()
    with visit(record) as opened:
        diagnosis = conditions.diagnosis(record, "sprain", "44465007", opened)
    (provenance,) = of_type(record, "Provenance")
    assert [each["reference"] for each in provenance["target"]] == [opened.reference, diagnosis]
    assert provenance["agent"][0]["who"]["reference"] == "Practitioner/doe-jane"
    assert provenance["recorded"] == "2026-10-01T09:30:00-04:00"


def test_a_visit_belongs_to_the_agency_of_the_facility_not_of_the_person() -> None:
    record = chart()
    with visit(record) as opened:
        conditions.problem(record, "asthma", "195967001", date(2020, 1, 1), visit=opened)
        conditions.problem(record, "gout", "90560007", date(2020, 1, 1))
    sources = [each["meta"]["source"] for each in of_type(record, "Condition")]
    assert sources == ["urn:fhir-server:agency:va", "urn:fhir-server:agency:dod"]
    assert of_type(record, "Encounter")[0]["meta"]["source"] == "urn:fhir-server:agency:va"


@pytest.mark.parametrize("kind", visits.KINDS)
def test_every_kind_of_visit_has_class_type_place_and_reason(kind: str) -> None:
    record = chart()
    with visit(record, kind=kind):
        pass
    (encounter,) = of_type(record, "Encounter")
    assert encounter["class"]["code"] == visits.KINDS[kind].class_code
    assert encounter["type"][0]["coding"][0]["display"]
    assert encounter["location"][0]["location"]["reference"] == "Location/test-clinic"
    assert encounter["reasonCode"][0]["text"]
    assert ("hospitalization" in encounter) == (kind in ("emergency", "inpatient"))


def test_a_visit_of_no_known_kind_is_refused() -> None:
    with pytest.raises(KeyError, match="seance"), visit(chart(), kind="seance"):
        pass


def test_a_diagnosis_is_the_reason_of_its_visit_and_has_an_icd_10_code_beside_snomed() -> None:
    record = chart()
    with visit(record) as opened:
        reference = conditions.diagnosis(record, "sore-throat", "43878008", opened, days=10)
    condition = found(record, reference)
    assert of_type(record, "Encounter")[0]["reasonReference"] == [{"reference": reference}]
    assert [each["code"] for each in condition["code"]["coding"]] == ["43878008", "J02.0"]
    assert condition["abatementDateTime"] == "2026-10-11"
    assert condition["clinicalStatus"]["coding"][0]["code"] == "resolved"


def test_a_diagnosis_that_is_to_abate_after_today_is_active() -> None:
    record = chart()
    with visit(record) as opened:
        reference = conditions.diagnosis(record, "fracture", "65966004", opened, days=400)
    condition = found(record, reference)
    assert condition["clinicalStatus"]["coding"][0]["code"] == "active" and "abatementDateTime" not in condition


def test_a_problem_that_abated_is_resolved() -> None:
    record = chart()
    reference = conditions.problem(record, "asthma", "195967001", date(2001, 2, 3), abated=date(2015, 1, 1))
    condition = found(record, reference)
    assert condition["clinicalStatus"]["coding"][0]["code"] == "resolved"
    assert condition["category"][0]["coding"][0]["code"] == "problem-list-item"


def test_a_code_without_a_display_is_refused() -> None:
    with pytest.raises(KeyError, match="123456789"):
        conditions.problem(chart(), "unknown", "123456789", date(2020, 1, 1))


def test_labels_of_a_sensitive_problem_are_on_it() -> None:
    record = chart()
    reference = conditions.problem(record, "hiv", "86406008", date(2015, 1, 1), labels=("R", "HIV"))
    labels = [each["code"] for each in found(record, reference)["meta"]["security"]]
    assert labels == ["HTEST", "R", "HIV"]


def test_an_allergy_names_substance_reaction_and_how_bad_it_was() -> None:
    record = chart()
    reference = allergies.allergy(
        record, "peanut", "762952008", reactions=("39579001",), criticality="high", onset=date(1990, 1, 1)
    )
    allergy = found(record, reference)
    assert (allergy["category"], allergy["criticality"]) == (["food"], "high")
    assert allergy["reaction"][0]["manifestation"][0]["text"] == "Anaphylaxis"
    assert allergy["reaction"][0]["severity"] == "severe"


def test_that_no_allergy_is_known_is_a_statement_of_its_own() -> None:
    record = chart()
    statement = found(record, allergies.none_known(record))
    assert statement["code"]["coding"][0]["code"] == "716186003" and "reaction" not in statement


def test_a_care_plan_says_its_goals_as_text_and_as_resources() -> None:
    record = chart()
    with visit(record) as opened:
        reference = plans.care_plan(record, "plan", opened, "Rest & ice <daily>", ("Walk without pain",))
    plan = found(record, reference)
    assert "Rest &amp; ice &lt;daily&gt;" in plan["text"]["div"]
    goal = found(record, plan["goal"][0]["reference"])
    assert goal["target"][0]["dueDate"] == "2026-12-30" and goal["lifecycleStatus"] == "active"


def test_an_implant_has_a_bar_code_made_of_its_parts() -> None:
    record = chart()
    with visit(record) as opened:
        device = found(record, plans.implant(record, "pacemaker", "14106009", date(2022, 3, 1), visit=opened))
    label = device["udiCarrier"][0]["carrierHRF"]
    identifier = device["udiCarrier"][0]["deviceIdentifier"]
    odd, even = (sum(map(int, identifier[start::2])) for start in (0, 1))
    assert len(identifier) == 14 and (3 * odd + even) % 10 == 0
    assert label.endswith(f"(11)210301(17)260228(10){device['lotNumber']}(21){device['serialNumber']}")


def test_of_an_implant_of_elsewhere_nobody_knows_when_it_was_made() -> None:
    record = chart()
    device = found(record, plans.implant(record, "pacemaker", "14106009", date(2022, 3, 1)))
    assert "manufactureDate" not in device and "(11)" not in device["udiCarrier"][0]["carrierHRF"]
    assert device["_manufactureDate"]["extension"][0]["valueCode"] == "unknown"


def test_a_procedure_points_to_its_order_and_its_device() -> None:
    record = chart()
    with visit(record) as opened:
        order = plans.service_request(record, "order", "91251008", opened, category="409063005")
        device = plans.implant(record, "knee", "109228008", WHEN.date(), visit=opened)
        reference = procedures.procedure(record, "surgery", "609588000", opened, based_on=order, device=device)
    procedure = found(record, reference)
    assert procedure["basedOn"] == [{"reference": order}]
    assert procedure["focalDevice"][0]["manipulated"]["reference"] == device


def test_readiness_has_six_elements_that_name_no_finding() -> None:
    record = chart()
    with visit(record) as opened:
        references = readiness.elements(record, opened, statuses={"dental": "overdue"})
    texts = [found(record, each)["valueCodeableConcept"]["text"] for each in references]
    assert len(references) == 6 and texts.count("Overdue") == 1
    assert "Current until 2027-10-01" in texts


def test_a_readiness_element_that_is_none_is_refused() -> None:
    record = chart()
    with visit(record) as opened, pytest.raises(KeyError, match="haircut"):
        readiness.elements(record, opened, statuses={"haircut": "overdue"})
