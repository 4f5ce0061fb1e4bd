"""Consents, and how people are registered."""

from typing import get_args

import pytest

from fhir_server.core.codec import decode, encode
from fhir_server.validation.validate import validate
from seeds import consents, registrations
from seeds.chart import Chart
from seeds.registrations import State
from tests.unit.seeds.care_chart import Json, chart, named, only


def faults(record: Chart) -> list[str]:
    return [issue.text for each in record.resources for issue in validate(decode(encode(each)))]


def codes(found: list[Json]) -> set[str]:
    return {each["code"] for each in found}


def test_an_adult_lets_somebody_act_for_them_in_their_own_words() -> None:
    record = chart()
    given = named(record, consents.proxy(record, "RelatedPerson/wife"))
    assert given["performer"] == [record.patient]
    assert given["provision"]["actor"][0]["reference"] == {"reference": "RelatedPerson/wife"}
    assert faults(record) == []


def test_for_a_child_the_parent_speaks_and_a_teenager_keeps_some_of_it() -> None:
    record = chart(age=15)
    given = named(record, consents.proxy(record, "RelatedPerson/mother", is_limited=True))
    assert given["performer"] == [{"reference": "RelatedPerson/mother"}]
    (denied,) = given["provision"]["provision"]
    assert denied["type"] == "deny"
    assert codes(denied["securityLabel"]) == {"ADOL", "SEX", "MH", "SUD"}


def test_a_surrogate_acts_by_power_of_attorney() -> None:
    record = chart()
    given = named(record, consents.proxy(record, "RelatedPerson/son", by_power_of_attorney=True))
    assert given["performer"] == [{"reference": "RelatedPerson/son"}]
    assert codes(given["provision"]["purpose"]) == {"PWATRNY"}


def test_a_proxy_that_ended_is_inactive_and_in_the_past() -> None:
    record = chart()
    given = named(record, consents.proxy(record, "RelatedPerson/former", status="inactive"))
    assert given["status"] == "inactive"
    assert given["provision"]["period"]["end"] < record.clock.today.isoformat()


@pytest.mark.parametrize("law", ["42CFRPart2", "Title38Section7332"])
def test_a_disclosure_names_the_law_what_it_protects_and_for_whom(law: consents.Law) -> None:
    record = chart()
    given = named(record, consents.disclosure(record, law, recipient="Organization/there"))
    assert codes(given["policyRule"]["coding"]) == {law}
    assert codes(given["provision"]["securityLabel"]) == set(consents.SENSITIVITIES[law])
    assert given["provision"]["actor"][0]["reference"] == {"reference": "Organization/there"}
    assert {"R", law} <= codes(given["meta"]["security"])
    assert faults(record) == []


def test_who_refused_a_disclosure_denies_it() -> None:
    record = chart()
    refused = named(record, consents.disclosure(record, "42CFRPart2", status="rejected"))
    assert (refused["status"], refused["provision"]["type"]) == ("rejected", "deny")


def test_terms_opt_out_and_living_will_are_valid() -> None:
    record = chart()
    consents.terms(record)
    opted_out = named(record, consents.hie_opt_out(record))
    will = named(record, consents.advance_directive(record, "No machines."))
    assert opted_out["provision"]["type"] == "deny"
    document = named(record, will["sourceReference"]["reference"])
    assert named(record, document["content"][0]["attachment"]["url"])["contentType"] == "application/pdf"
    assert faults(record) == []


@pytest.mark.parametrize("state", get_args(State))
def test_a_registration_in_every_state_is_valid(state: State) -> None:
    record = chart()
    task = named(record, registrations.task(record, state))
    assert task["status"] == state
    assert faults(record) == []


def test_a_registration_that_was_refused_or_waits_says_why_and_the_check_failed() -> None:
    for state in ("on-hold", "rejected"):
        record = chart()
        task = named(record, registrations.task(record, state))
        assert task["statusReason"]["text"]
        assert only(record, "VerificationResult")[0]["status"] == "val-fail"


def test_completion_gives_exactly_one_notice_and_a_validated_check() -> None:
    record = chart()
    registrations.task(record, "completed", proof="DD Form 214")
    assert len(only(record, "Communication")) == 1
    assert only(record, "VerificationResult")[0]["status"] == "validated"
    review = only(record, "Task")[1]
    assert review["focus"] == {"reference": f"DocumentReference/{only(record, 'DocumentReference')[0]['id']}"}
    assert faults(record) == []
