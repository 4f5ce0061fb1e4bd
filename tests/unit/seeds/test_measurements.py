"""Vital signs and laboratory results: plausible, in their units, the same each time."""

from base64 import b64decode
from decimal import Decimal
from typing import Any, Literal

import pytest

from seeds import growth, labs, social, vitals
from seeds.lab_panels import PANELS
from seeds.questionnaires import QUESTIONNAIRES
from tests.unit.seeds.people import WHEN, chart, found, of_type, visit


def measured(age: int, **signs: Any) -> dict[str, dict[str, Any]]:
    """The vital signs of somebody of an age, by the last part of their ids."""
    record = chart(age)
    with visit(record) as opened:
        references = vitals.vital_signs(record, opened, **signs)
    return {each.removeprefix("Observation/test-person-visit-"): found(record, each) for each in references}


def test_a_newborn_has_a_head_circumference_and_no_blood_pressure() -> None:
    signs = measured(0)
    assert {"height", "weight", "head", "head-percentile", "weight-for-length"} <= signs.keys()
    assert not {"bp", "bmi"} & signs.keys()


def test_a_two_year_old_has_blood_pressure_noted_as_not_taken() -> None:
    pressure = measured(2)["bp"]
    assert pressure["dataAbsentReason"]["coding"][0]["code"] == "not-performed"
    assert all("valueQuantity" not in part for part in pressure["component"])


def test_a_child_has_its_body_mass_index_compared_with_others_and_an_adult_has_not() -> None:
    assert "bmi-percentile" in measured(9)
    adult = measured(40)
    assert "bmi" in adult and "bmi-percentile" not in adult


def test_the_body_mass_index_follows_from_height_and_weight() -> None:
    index = measured(40, height_cm=180, weight_kg=81)["bmi"]["valueQuantity"]
    assert index == {"value": Decimal("25.0"), "unit": "kg/m²", "system": "http://unitsofmeasure.org", "code": "kg/m2"}


def test_given_values_are_kept_as_they_are() -> None:
    signs = measured(40, systolic=151, diastolic=95, temperature=Decimal("38.40"), pulse=101, respiration=22, oxygen=91)
    values = [part["valueQuantity"]["value"] for part in signs["bp"]["component"]]
    assert values == [151, 95]
    assert str(signs["temperature"]["valueQuantity"]["value"]) == "38.40"
    assert signs["oxygen"]["valueQuantity"]["value"] == 91


def test_a_declined_sign_says_so_and_has_no_value() -> None:
    signs = measured(40, declined=("weight", "bp", "oxygen"))
    for key in ("weight", "bp", "oxygen"):
        assert signs[key]["dataAbsentReason"]["coding"][0]["code"] == "asked-declined"
        assert "valueQuantity" not in signs[key]


def test_added_oxygen_has_flow_and_concentration() -> None:
    flow, concentration = measured(70, oxygen_flow=2)["oxygen"]["component"]
    assert (flow["valueQuantity"]["value"], concentration["valueQuantity"]["value"]) == (2, 29)
    unknown = measured(70, oxygen_flow="unknown")["oxygen"]["component"]
    assert all(part["dataAbsentReason"]["coding"][0]["code"] == "unknown" for part in unknown)


@pytest.mark.parametrize("age", [0, 1, 2, 5, 11, 15, 25, 60, 95])
def test_what_is_not_given_is_plausible(age: int) -> None:
    signs = measured(age)

    def value(key: str) -> Decimal:
        return Decimal(signs[key]["valueQuantity"]["value"])

    assert 45 < value("height") < 205 and Decimal("2.5") < value("weight") < 150
    assert 50 <= value("pulse") <= 145 and 10 <= value("respiration") <= 40
    assert Decimal("36") <= value("temperature") <= Decimal("37.5") and 94 <= value("oxygen") <= 100
    if age >= 3:
        systolic, diastolic = (part["valueQuantity"]["value"] for part in signs["bp"]["component"])
        assert 80 <= systolic <= 150 and 45 <= diastolic < systolic


def test_people_grow_until_they_are_grown() -> None:
    person = chart(20).person
    heights = [growth.height_cm(person, months) for months in range(0, 180, 3)]
    assert heights == sorted(heights)
    assert growth.height_cm(person, 300) == growth.height_cm(person, 700)


def test_the_same_person_gives_the_same_numbers() -> None:
    assert measured(33) == measured(33)


@pytest.mark.parametrize("name", PANELS)
def test_every_panel_has_order_specimen_results_and_report(name: str) -> None:
    record = chart()
    with visit(record) as opened:
        report = found(record, labs.panel(record, "lab", name, opened))
    (order,), (specimen,) = of_type(record, "ServiceRequest"), of_type(record, "Specimen")
    results = of_type(record, "Observation")
    assert [each["reference"] for each in report["result"]] == [f"Observation/{each['id']}" for each in results]
    assert report["basedOn"] == [{"reference": f"ServiceRequest/{order['id']}"}]
    assert all(each["specimen"] == {"reference": f"Specimen/{specimen['id']}"} for each in results)
    letters = {coding["code"] for each in results for one in each.get("interpretation", ()) for coding in one["coding"]}
    assert letters <= {"N", "NEG"}, "what is not given is normal"


def test_a_high_result_is_told_high_with_its_limit() -> None:
    record = chart()
    with visit(record) as opened:
        report = found(record, labs.panel(record, "lab", "a1c", opened, values={"a1c": Decimal("8.2")}))
    result = found(record, report["result"][0]["reference"])
    assert str(result["valueQuantity"]["value"]) == "8.2"
    assert result["interpretation"][0]["coding"][0]["code"] == "H"
    assert result["referenceRange"][0]["high"]["value"] == Decimal("5.6")


def test_a_result_can_be_named_by_its_loinc_code_and_by_a_word() -> None:
    record = chart()
    with visit(record) as opened:
        labs.panel(record, "lab", "hiv", opened, values={"56888-1": "positive", "viral-load": 48000})
    antibody, load = of_type(record, "Observation")
    assert antibody["valueCodeableConcept"]["text"] == "Positive"
    assert load["valueQuantity"]["value"] == 48000 and load["interpretation"][0]["coding"][0]["code"] == "H"


def test_a_test_that_failed_has_a_reason_instead_of_a_value() -> None:
    record = chart()
    with visit(record) as opened:
        labs.panel(record, "lab", "bmp", opened, not_measured=("potassium",))
    potassium = found(record, "Observation/test-person-lab-potassium")
    assert potassium["dataAbsentReason"]["coding"][0]["code"] == "error" and "valueQuantity" not in potassium


def test_a_test_that_no_panel_has_is_refused() -> None:
    record = chart()
    with visit(record) as opened, pytest.raises(KeyError, match="mood"):
        labs.panel(record, "lab", "bmp", opened, values={"mood": 1})


@pytest.mark.parametrize("name", QUESTIONNAIRES)
def test_every_questionnaire_gives_answers_and_observations_made_of_them(name: str) -> None:
    record = chart()
    with visit(record) as opened:
        panel = found(record, social.survey(record, "form", opened, name))
    (response,) = of_type(record, "QuestionnaireResponse")
    assert response["authored"] == WHEN.isoformat()
    members = [found(record, each["reference"]) for each in panel["hasMember"]]
    assert len(members) >= len(QUESTIONNAIRES[name].questions)
    assert all(each["derivedFrom"][0]["reference"].endswith(response["id"]) for each in (panel, *members))


def test_scores_are_sums_and_hunger_is_a_risk_where_either_answer_says_so() -> None:
    record = chart()
    with visit(record) as opened:
        social.survey(record, "mood", opened, "phq-9", answers=(2, 2, 1, 3, 0, 1, 1, 0, 0))
        social.survey(record, "food", opened, "sdoh", answers=(2, 1))
    assert found(record, "Observation/test-person-mood-score")["valueQuantity"]["value"] == 10
    assert found(record, "Observation/test-person-food-score")["valueCodeableConcept"]["text"] == "At risk"


def test_a_former_smoker_has_pack_years_as_a_quantity_of_their_own() -> None:
    record = chart()
    with visit(record) as opened:
        social.smoking(record, "smoking", opened, "former", pack_years=12)
    assert found(record, "Observation/test-person-smoking-pack-years")["valueQuantity"]["value"] == 12
    assert found(record, "Observation/test-person-smoking")["valueCodeableConcept"]["text"] == "Former smoker"


def test_what_is_sent_out_comes_back_with_a_document_that_is_a_note_too() -> None:
    record = chart()
    with visit(record) as opened:
        report = found(record, labs.panel(record, "lab", "hiv", opened, labels=("R", "HIV")))
        labs.panel(record, "count", "cbc", opened)
    (note,) = of_type(record, "DocumentReference")
    assert report["presentedForm"][0]["url"] == note["content"][0]["attachment"]["url"]
    text = b64decode(note["content"][1]["attachment"]["data"]).decode()
    assert text == "HIV 1+2 Ab+HIV1 p24 Ag [Presence] in Serum or Plasma by Immunoassay: Negative"
    assert [label["code"] for label in note["meta"]["security"]] == ["HTEST", "R", "HIV"]


@pytest.mark.parametrize("gender", ["female", "male"])
@pytest.mark.parametrize("age", [20, 45, 70])
def test_results_of_a_panel_agree_with_each_other(age: int, gender: Literal["female", "male"]) -> None:
    record = chart(age, gender)
    with visit(record) as opened:
        for name in ("bmp", "cbc", "lipid"):
            labs.panel(record, name, name, opened)

    def value(key: str) -> Decimal:
        return Decimal(found(record, f"Observation/test-person-{key}")["valueQuantity"]["value"])

    parts = value("lipid-hdl") + value("lipid-ldl") + value("lipid-triglyceride") / 5
    assert abs(value("lipid-cholesterol") - parts) <= 1
    assert abs(value("cbc-hematocrit") - 100 * value("cbc-hemoglobin") / value("cbc-mchc")) < Decimal("0.1")
    assert abs(value("cbc-mcv") - 10 * value("cbc-hematocrit") / value("cbc-erythrocytes")) < 1
    assert {each["interpretation"][0]["coding"][0]["code"] for each in of_type(record, "Observation")} == {"N"}


def test_the_filtration_rate_follows_from_creatinine_age_and_gender() -> None:
    rates = []
    for gender in ("male", "female"):
        record = chart(76, gender)
        with visit(record) as opened:
            labs.panel(record, "lab", "bmp", opened, values={"creatinine": Decimal("1.4")})
        rates.append(found(record, "Observation/test-person-lab-egfr")["valueQuantity"]["value"])
    assert rates == [49, 37]


def test_a_limit_that_is_open_is_never_passed() -> None:
    record = chart()
    with visit(record) as opened:
        labs.panel(record, "lab", "lipid", opened, values={"cholesterol": 101})
    assert found(record, "Observation/test-person-lab-cholesterol")["interpretation"][0]["coding"][0]["code"] == "N"
