"""Classes of beneficiary: what follows from each, and which hold on a day."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from fhir_server.care.beneficiary_class import (
    CLASS_RULES,
    DISPLAYS,
    BeneficiaryClass,
    ClassRule,
    class_extension,
    classes,
    may_sponsor,
)
from fhir_server.care.status_change import (
    ICN_SYSTEM,
    VETERAN_STATUS,
    begun,
    changed_patient,
    coverage_id,
    ended,
)
from tests.require import ROOT

LAST_DAY, FIRST_DAY = date(2026, 11, 30), date(2026, 12, 1)


def patient(of: BeneficiaryClass | None = "active-duty", **elements: Any) -> dict[str, Any]:
    extensions = [] if of is None else [class_extension(of)]
    return {"resourceType": "Patient", "id": "p1", "extension": extensions, **elements}


def coverage(
    kind: str = "MILITARY", relationship: str = "self", start: str = "2020-01-01", **more: Any
) -> dict[str, Any]:
    end = more.pop("end", None)
    return {
        "resourceType": "Coverage",
        "id": "c1",
        "status": "active",
        "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": kind}]},
        "relationship": {"coding": [{"code": relationship}]},
        "subscriberId": "S1",
        "period": {"start": start, **({"end": end} if end else {})},
        **more,
    }


class TestRules:
    @pytest.mark.parametrize(
        ("of", "card", "sponsor", "way"),
        [
            ("active-duty", True, True, "active-duty"),
            ("reserve", True, True, "active-duty"),
            ("national-guard", True, True, "active-duty"),
            ("retiree", False, True, "retiree"),
            ("dependent-spouse", False, False, "dependent"),
            ("dependent-child", False, False, "dependent"),
            ("dependent-parent", False, False, "dependent"),
            ("veteran", False, False, "veteran"),
        ],
    )
    def test_permissions_follow_status(self, of: BeneficiaryClass, card: bool, sponsor: bool, way: Any) -> None:
        assert CLASS_RULES[of] == ClassRule(card, sponsor, way, has_premium_by_card=card)

    def test_every_code_has_a_rule_and_the_display_of_the_code_system(self) -> None:
        path = Path(ROOT) / "profiles" / "federal" / "CodeSystem-beneficiary-class.json"
        concepts = {each["code"]: each["display"] for each in json.loads(path.read_text())["concept"]}
        assert concepts == DISPLAYS
        assert set(concepts) == set(CLASS_RULES)

    def test_whoever_has_two_classes_may_what_either_may(self) -> None:
        assert may_sponsor(("dependent-spouse", "reserve"))
        assert not may_sponsor(("dependent-spouse", "veteran"))
        assert not may_sponsor(())


class TestClassesOnADay:
    def test_a_record_without_coverage_goes_by_the_patient(self) -> None:
        assert classes(patient("retiree"), [], LAST_DAY) == {"retiree"}
        assert classes(patient(None), [], LAST_DAY) == frozenset()

    @pytest.mark.parametrize(
        ("kind", "relationship", "found"),
        [
            ("MILITARY", "self", "active-duty"),
            ("MILITARY", "spouse", "dependent-spouse"),
            ("MILITARY", "child", "dependent-child"),
            ("MILITARY", "other", "dependent-parent"),
            ("VET", "self", "veteran"),
        ],
    )
    def test_a_coverage_tells_the_class_by_its_kind(self, kind: str, relationship: str, found: str) -> None:
        assert classes(patient("active-duty"), [coverage(kind, relationship)], LAST_DAY) == {found}

    def test_the_old_class_is_honoured_to_the_last_day_of_its_period(self) -> None:
        old = coverage(end="2026-11-30")
        assert classes(patient(), [old], LAST_DAY) == {"active-duty"}
        assert classes(patient(), [old], FIRST_DAY) == frozenset()

    def test_a_month_ends_with_its_last_day(self) -> None:
        assert classes(patient(), [coverage(start="2020", end="2026-11")], LAST_DAY) == {"active-duty"}
        assert classes(patient(), [coverage(start="2020", end="2026-11")], FIRST_DAY) == frozenset()

    def test_a_time_of_day_counts_as_its_day(self) -> None:
        assert classes(patient(), [coverage(end="2026-11-30T01:00:00Z")], LAST_DAY) == {"active-duty"}

    @pytest.mark.parametrize("status", ["cancelled", "draft", "entered-in-error"])
    def test_only_active_coverage_counts(self, status: str) -> None:
        others = [coverage(status=status), coverage("VET")]
        assert classes(patient(), others, LAST_DAY) == {"veteran"}

    def test_two_may_hold_at_once(self) -> None:
        assert classes(patient("reserve"), [coverage(), coverage("VET")], LAST_DAY) == {"reserve", "veteran"}


class TestAChange:
    def changed(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        old = coverage()
        was = ended(old, FIRST_DAY, "active-duty")
        assert was is not None
        now = patient(identifier=[{"system": "urn:x", "value": "1"}])
        return changed_patient(now, "veteran", "1099000001V000001"), [was, begun(now, "veteran", FIRST_DAY, [old])]

    def test_the_old_class_holds_to_the_day_before_though_the_patient_says_the_new_one(self) -> None:
        person, coverages = self.changed()
        assert classes(person, coverages, LAST_DAY) == {"active-duty"}
        assert classes(person, coverages, FIRST_DAY) == {"veteran"}

    def test_the_patient_keeps_all_else_and_gains_what_a_veteran_has(self) -> None:
        person, _ = self.changed()
        assert {"url": VETERAN_STATUS, "valueBoolean": True} in person["extension"]
        assert class_extension("veteran") in person["extension"]
        assert class_extension("active-duty") not in person["extension"]
        assert [each["system"] for each in person["identifier"]] == ["urn:x", ICN_SYSTEM]
        again = changed_patient(person, "veteran", "1099000001V000001")
        assert again["identifier"] == person["identifier"]
        assert sorted(each["url"] for each in again["extension"]) == sorted(each["url"] for each in person["extension"])

    def test_who_is_of_the_class_already_becomes_a_veteran_all_the_same(self) -> None:
        person = changed_patient(patient("veteran"), "veteran")
        assert person["extension"] == [class_extension("veteran"), {"url": VETERAN_STATUS, "valueBoolean": True}]

    def test_nobody_ceases_to_be_a_veteran(self) -> None:
        person, _ = self.changed()
        back = changed_patient(person, "reserve")
        assert {"url": VETERAN_STATUS, "valueBoolean": True} in back["extension"]
        assert class_extension("reserve") in back["extension"]

    def test_what_ended_before_is_left_as_it_is(self) -> None:
        assert ended(coverage(end="2026-10-31"), FIRST_DAY, "active-duty") is None
        assert ended(coverage(status="cancelled"), FIRST_DAY, "active-duty") is None

    def test_what_would_begin_later_never_holds(self) -> None:
        later = ended(coverage(start="2027-01-01"), FIRST_DAY, "active-duty")
        assert later is not None
        assert (later["status"], later["period"]) == ("cancelled", {"start": "2027-01-01"})

    def test_a_dependent_stays_under_the_sponsor_of_before(self) -> None:
        former = coverage(relationship="child", subscriber={"reference": "Patient/mother"})
        new = begun(patient(), "dependent-spouse", FIRST_DAY, [former])
        assert new["subscriber"] == {"reference": "Patient/mother"}
        assert new["subscriberId"] == "S1"
        assert new["relationship"]["coding"][0]["code"] == "spouse"

    def test_the_same_change_has_the_same_id(self) -> None:
        assert coverage_id("p1", "veteran", FIRST_DAY) == coverage_id("p1", "veteran", FIRST_DAY)
        assert coverage_id("p1", "veteran", LAST_DAY) != coverage_id("p1", "veteran", FIRST_DAY)
        assert coverage_id("p2", "veteran", FIRST_DAY) != coverage_id("p1", "veteran", FIRST_DAY)


class TestWhatNobodyKnows:
    def test_tricare_of_a_member_who_is_a_veteran_since_tells_nothing(self) -> None:
        """As where the class was written nowhere before it changed."""
        unknown = patient(None)
        old = ended(coverage(), FIRST_DAY, None)
        assert old is not None
        person = changed_patient(unknown, "veteran")
        coverages = [old, begun(unknown, "veteran", FIRST_DAY, [coverage()])]
        assert classes(person, coverages, LAST_DAY) == frozenset()
        assert classes(person, coverages, FIRST_DAY) == {"veteran"}


class TestOtherInsurance:
    def test_private_insurance_tells_no_class(self) -> None:
        private = coverage("EHCPOL")
        assert classes(patient("retiree"), [private], LAST_DAY) == {"retiree"}
        assert classes(patient("active-duty"), [private, coverage("VET")], LAST_DAY) == {"veteran"}
