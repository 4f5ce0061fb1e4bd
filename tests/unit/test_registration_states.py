"""The steps of a registration and what each kind of beneficiary must have shown before the last one."""

from itertools import product
from typing import get_args

import pytest

from fhir_server.care.beneficiary_class import CLASS_RULES
from fhir_server.care.registration import (
    NEEDS,
    REASONS,
    REVIEW_TRANSITIONS,
    TRANSITIONS,
    Beneficiary,
    Decision,
    Reason,
    Status,
    decided,
    may_follow,
    steps,
)
from smart_auth.enrollments import SPONSORS
from smart_auth.registrations import WANTED

ENDS = {"completed", "rejected", "cancelled"}
KINDS: tuple[Beneficiary, ...] = get_args(Beneficiary)


def test_each_status_has_its_row_and_no_end_is_left() -> None:
    assert set(TRANSITIONS) == set(get_args(Status))
    assert {each for each, following in TRANSITIONS.items() if not following} == ENDS
    assert {each for each, following in REVIEW_TRANSITIONS.items() if not following} == ENDS
    assert set(NEEDS) == set(KINDS)
    assert set(REASONS) == set(get_args(Reason))


@pytest.mark.parametrize(
    ("former", "status", "may"),
    [
        ("requested", "received", True),
        ("requested", "completed", False),
        ("requested", "accepted", False),
        ("received", "accepted", True),
        ("received", "completed", False),
        ("accepted", "completed", True),
        ("accepted", "cancelled", False),
        ("on-hold", "accepted", True),
        ("on-hold", "completed", False),
        ("completed", "requested", False),
        ("rejected", "accepted", False),
        ("in-progress", "completed", False),
        ("completed", "completed", True),
    ],
)
def test_a_step_is_one_of_the_table(former: str, status: str, may: bool) -> None:
    assert may_follow(former, status) is may


def test_a_proof_is_reviewed_once() -> None:
    assert may_follow("requested", "completed", is_review=True)
    assert not may_follow("rejected", "completed", is_review=True)
    assert not may_follow("requested", "on-hold", is_review=True)


def test_the_shortest_way_leads_along_the_table_only() -> None:
    assert steps("requested", "completed") == ("received", "accepted", "completed")
    assert steps("on-hold", "completed") == ("accepted", "completed")
    assert steps("accepted", "accepted") == ()
    assert steps("rejected", "completed") is None
    for former, status in product(TRANSITIONS, TRANSITIONS):
        way = steps(former, status)
        if way:
            pairs = zip((former, *way), way, strict=False)
            assert all(may_follow(*each) for each in pairs), (former, way)


@pytest.mark.parametrize("beneficiary", KINDS)
def test_who_differs_waits_and_who_is_not_eligible_is_rejected_whatever_else_was_shown(
    beneficiary: Beneficiary,
) -> None:
    shown = {"proofs": ("dd-214", "birth-certificate"), "reviews": ("completed",)}
    everything = {**shown, "is_confirmed": True, "is_sponsored": True}
    assert decided(beneficiary, "discrepancy", **everything) == Decision("on-hold", "deers-discrepancy", "val-fail")  # type: ignore[arg-type]
    assert decided(beneficiary, "not-eligible", **everything) == Decision("rejected", "not-eligible", "val-fail")  # type: ignore[arg-type]
    assert decided(beneficiary, "unavailable", **everything) == Decision("received", "registry-unavailable")  # type: ignore[arg-type]
    assert decided(beneficiary, "proven", **everything).status == "completed"  # type: ignore[arg-type]


def test_a_card_holder_on_active_duty_lacks_nothing() -> None:
    assert decided("active-duty", "proven") == Decision("completed", None, "validated")


def test_a_retiree_is_not_active_before_the_e_mail_address_is_confirmed() -> None:
    assert decided("retiree", "proven") == Decision("received", None, "validated")
    assert decided("retiree", "proven", is_confirmed=True).status == "completed"


@pytest.mark.parametrize("proof", ["va-card", "military-id", "dd-214"])
def test_any_one_proof_of_service_is_enough_and_takes_a_second_look(proof: str) -> None:
    assert decided("veteran", "proven", is_confirmed=True) == Decision("received", "proof-missing", "validated")
    assert decided("veteran", "proven", (proof,), ("requested",), True) == Decision("accepted", None, "validated")
    assert decided("veteran", "proven", (proof,), ("completed",), True).status == "completed"
    assert decided("veteran", "proven", (proof,), ("completed",)).status == "accepted"


def test_a_proof_of_another_kind_proves_nothing() -> None:
    assert decided("veteran", "proven", ("birth-certificate",), ("completed",), True).reason == "proof-missing"
    assert decided("dependent", "proven", ("dd-214",), ("completed",), True, True).reason == "proof-missing"


def test_who_was_refused_with_one_proof_may_bring_another() -> None:
    assert decided("veteran", "proven", ("dd-214",), ("rejected",), True) == Decision(
        "on-hold", "proof-missing", "validated"
    )
    again = decided("veteran", "proven", ("dd-214", "va-card"), ("rejected", "requested"), True)
    assert again.status == "accepted"
    assert decided("veteran", "proven", ("dd-214", "va-card"), ("rejected", "completed"), True).status == "completed"


def test_a_dependent_needs_the_sponsor_whom_the_eligibility_system_names() -> None:
    shown = (("birth-certificate",), ("completed",), True)
    assert decided("dependent", "proven", *shown).reason == "deers-discrepancy"
    assert decided("dependent", "proven", *shown, is_sponsored=True).status == "completed"
    assert decided("dependent", "proven", (), (), True, True).reason == "proof-missing"


def test_a_dependent_of_age_confirms_too() -> None:
    shown = (("birth-certificate",), ("completed",))
    waiting = decided("dependent", "proven", *shown, is_sponsored=True, must_confirm=True)
    assert waiting == Decision("accepted", None, "validated")
    assert decided("dependent", "proven", *shown, True, True, must_confirm=True).status == "completed"


def test_the_pages_let_each_class_register_and_sponsor_as_its_rule_says() -> None:
    """A retiree's card has no certificate: both numbers are typed (domain.md I4)."""
    for way, classes in WANTED.items():
        assert classes == {name for name, rule in CLASS_RULES.items() if rule.registers_as == way}, way
    assert WANTED["active-duty"] == {name for name, rule in CLASS_RULES.items() if rule.signs_in_by_card}
    assert {name for name, rule in CLASS_RULES.items() if rule.may_sponsor} == SPONSORS
