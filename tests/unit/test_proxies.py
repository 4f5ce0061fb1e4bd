"""For whom somebody acts in the family, from a RelatedPerson, Consents and the day.

https://hl7.org/fhir/R4/consent.html
"""

from datetime import date, timedelta
from typing import Any

import pytest

from fhir_server.care.proxies import (
    ACT_CODE,
    ACT_REASON,
    CONSENT_SCOPE,
    KEPT_BY_TEENAGERS,
    ROLE_CODE,
    band,
    lets_act,
    proxied,
    without_actor,
)
from fhir_server.core.proxied import AgeBands, Proxied

Resource = dict[str, Any]

TODAY = date(2026, 11, 22)
BASE = "https://ehr.example/fhir"
BANDS = AgeBands()
PARENT = "RelatedPerson/parent"


def born(years: int, **delta: int) -> str:
    """The birth date of somebody who became this old today, or so many days later."""
    return (TODAY.replace(year=TODAY.year - years) + timedelta(**delta)).isoformat()


def patient(birth_date: str | None = born(6)) -> Resource:
    return {"resourceType": "Patient", "id": "kid"} | ({"birthDate": birth_date} if birth_date else {})


def parent(code: str = "NMTH", **elements: Any) -> Resource:
    coding = {"system": ROLE_CODE, "code": code}
    return {
        "resourceType": "RelatedPerson",
        "id": "parent",
        "active": True,
        "patient": {"reference": "Patient/kid"},
        "relationship": [{"coding": [coding]}],
        **elements,
    }


def labels(*codes: str) -> list[Resource]:
    return [{"system": ACT_CODE, "code": code} for code in codes]


def action(*codes: str) -> list[Resource]:
    return [
        {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentaction", "code": each}]} for each in codes
    ]


def provision(type: str = "permit", who: str | None = PARENT, purpose: str = "FAMRQT", **elements: Any) -> Resource:
    found: Resource = {"type": type, "purpose": [{"system": ACT_REASON, "code": purpose}], **elements}
    if who is not None:
        found["actor"] = [{"role": {"text": "proxy"}, "reference": {"reference": who}}]
    return found


def consent(given: Resource | None = None, performer: str = PARENT, **elements: Any) -> Resource:
    return {
        "resourceType": "Consent",
        "id": "c",
        "status": "active",
        "scope": {"coding": [{"system": CONSENT_SCOPE, "code": "patient-privacy"}]},
        "patient": {"reference": "Patient/kid"},
        "dateTime": "2026-11-01T14:00:00Z",
        "performer": [{"reference": performer}],
        "provision": provision() if given is None else given,
        **elements,
    }


def seen(*consents: Resource, whose: Resource | None = None, by: Resource | None = None) -> Proxied | None:
    return proxied(whose or patient(), by or parent(), consents, TODAY, BANDS, (BASE,))


WHOLE = Proxied("kid")
LIMITED = Proxied("kid", KEPT_BY_TEENAGERS)


def test_a_parent_sees_the_whole_record_of_a_child_for_which_there_is_a_consent() -> None:
    assert seen(consent()) == WHOLE


def test_a_relationship_without_a_consent_gives_nothing() -> None:
    assert seen() is None


@pytest.mark.parametrize(
    ("birth_date", "expected"),
    [
        (born(13, days=1), WHOLE),
        (born(13), LIMITED),
        (born(18, days=1), LIMITED),
        (born(18), None),
        (born(40), None),
        (None, None),
        ("no date", None),
    ],
)
def test_what_a_parent_sees_changes_on_the_birthday(birth_date: str | None, expected: Proxied | None) -> None:
    assert seen(consent(), whose=patient(birth_date)) == expected


@pytest.mark.parametrize(
    ("birth_date", "expected"),
    [("2020", "child"), ("2014", "child"), ("2013", "limited"), ("2013-11", "limited"), ("2008", "adult")],
)
def test_a_birth_date_known_in_part_is_the_earliest_it_can_mean(birth_date: str, expected: str) -> None:
    assert band(patient(birth_date), TODAY, BANDS) == expected


def test_who_was_born_on_a_leap_day_is_a_year_older_on_the_first_of_march() -> None:
    leap = patient("2008-02-29")
    assert band(leap, date(2026, 2, 28), BANDS) == "limited"
    assert band(leap, date(2026, 3, 1), BANDS) == "adult"


def test_the_ages_are_those_of_the_settings() -> None:
    assert band(patient(born(13)), TODAY, AgeBands(limited_years=14)) == "child"
    assert band(patient(born(17)), TODAY, AgeBands(adult_years=16)) == "adult"


@pytest.mark.parametrize(
    "elements",
    [
        {"active": False},
        {"active": None},
        {"period": {"end": "2026-11-21"}},
        {"period": {"start": "2026-11-23"}},
        {"period": {"end": "nonsense"}},
        {"patient": {"reference": "Patient/other"}},
        {"patient": {"reference": "https://elsewhere.example/fhir/Patient/kid"}},
        {"patient": {"display": "kid"}},
        {"modifierExtension": [{"url": "urn:x:not", "valueBoolean": True}]},
    ],
)
def test_a_relationship_that_does_not_hold_gives_nothing(elements: Resource) -> None:
    assert seen(consent(), by=parent(**elements)) is None


@pytest.mark.parametrize("period", [{"end": "2026-11-22"}, {"start": "2026-11-22"}, {"start": "2026", "end": "2026"}])
def test_the_first_and_the_last_day_of_a_period_belong_to_it(period: Resource) -> None:
    assert seen(consent(), by=parent(period=period)) == WHOLE
    assert seen(consent(provision(period=period))) == WHOLE


@pytest.mark.parametrize(
    "consents",
    [
        (consent(status="inactive"),),
        (consent(status="rejected"),),
        (consent(status="entered-in-error"),),
        (consent(patient={"reference": "Patient/other"}),),
        (consent(scope={"coding": [{"system": CONSENT_SCOPE, "code": "research"}]}),),
        (consent(provision(who="RelatedPerson/other")),),
        (consent(provision(who=None)),),
        (consent(provision(period={"end": "2026-11-21"})),),
        (consent(provision(securityLabel=labels("MH"))),),
        (consent(provision(dataPeriod={"start": "2020"})),),
        (consent({"type": "permit"}),),
        (consent(provision(purpose="HRESCH")),),
        (consent(provision(purpose="ETREAT")),),
        (consent(provision(action=action("collect"))),),
        (consent(provision(action=action("disclose", "use"))),),
        (consent(modifierExtension=[{"url": "urn:x:not", "valueBoolean": True}]),),
        (consent(provision(modifierExtension=[{"url": "urn:x:not", "valueBoolean": True}])),),
    ],
)
def test_a_consent_about_something_else_is_none(consents: tuple[Resource, ...]) -> None:
    assert seen(*consents) is None


def test_references_may_be_written_with_the_servers_own_base() -> None:
    given = consent(provision(who=f"{BASE}/{PARENT}"), patient={"reference": f"{BASE}/Patient/kid"})
    assert seen(given, by=parent(patient={"reference": f"{BASE}/Patient/kid/_history/3"})) == WHOLE


@pytest.mark.parametrize("who", [PARENT, None])
def test_a_denial_wins_over_any_permission(who: str | None) -> None:
    assert seen(consent(), consent(provision("deny", who))) is None
    assert seen(consent(), consent(provision("deny", who), status="inactive")) == WHOLE
    assert seen(consent(), consent(provision("deny", who, period={"end": "2026-11-21"}))) == WHOLE


def test_a_denial_to_others_or_for_another_purpose_is_not_meant() -> None:
    assert seen(consent(), consent(provision("deny", "Organization/partner"))) == WHOLE
    assert seen(consent(), consent(provision("deny", None, purpose="HRESCH"))) == WHOLE
    assert seen(consent(), consent(provision("deny", PARENT, purpose="HRESCH"))) is None


def test_what_a_consent_denies_by_label_is_left_out_whatever_the_age() -> None:
    sickle = f"sickle|{ACT_CODE}"
    excepted = provision(provision=[{"type": "deny", "securityLabel": labels("SICKLE")}])
    assert seen(consent(excepted)) == Proxied("kid", (sickle,))
    assert seen(consent(excepted), whose=patient(born(15))) == Proxied("kid", (*KEPT_BY_TEENAGERS, sickle))
    assert seen(consent(), consent(provision("deny", securityLabel=labels("SICKLE")))) == Proxied("kid", (sickle,))


def test_an_exception_that_no_label_tells_lets_nothing_through() -> None:
    whole = provision(provision=[{"type": "deny", "class": [{"code": "Observation"}]}])
    assert seen(consent(whole)) is None
    other = provision(provision=[{"type": "deny", "actor": [{"reference": {"reference": "RelatedPerson/aunt"}}]}])
    assert seen(consent(other)) == WHOLE


def test_a_consent_that_says_what_may_be_done_must_let_them_see() -> None:
    assert seen(consent(provision(action=action("access", "correct")))) == WHOLE
    assert seen(consent({key: value for key, value in provision().items() if key != "purpose"})) == WHOLE


def test_what_one_of_several_consents_excepts_stays_out() -> None:
    hiv = provision(provision=[{"type": "deny", "securityLabel": labels("HIV")}])
    untold = provision(provision=[{"type": "deny", "class": [{"code": "Observation"}]}])
    for both in ((consent(), consent(hiv)), (consent(hiv), consent())):
        assert seen(*both) == Proxied("kid", (f"hiv|{ACT_CODE}",))
    for both in ((consent(), consent(untold)), (consent(untold), consent())):
        assert seen(*both) is None


@pytest.mark.parametrize("code", ["psy", "psythpn", "bh", "ethud", "opioidud", "eth", "std", "hiv", "sdv", "mst"])
def test_what_a_teenager_keeps_is_kept_by_its_narrower_codes_too(code: str) -> None:
    teenager = seen(consent(), whose=patient(born(17)))
    assert teenager is not None
    assert f"{code}|{ACT_CODE}" in teenager.without_labels
    assert f"{code}|{ACT_CODE}" not in WHOLE.without_labels


def test_what_is_restricted_to_those_with_a_reason_is_not_shown_of_a_teenager() -> None:
    teenager = seen(consent(), whose=patient(born(13)))
    assert teenager is not None
    confidentiality = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
    assert {f"r|{confidentiality}", f"v|{confidentiality}"} <= set(teenager.without_labels)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2026-11-22", WHOLE),
        ("2026-11-22T00:00:00Z", WHOLE),
        ("2026-11-21T23:59:59Z", None),
        ("2025-01-01", None),
        ("2026", None),
        ("some day", None),
        (None, None),
    ],
)
def test_what_somebody_said_before_they_grew_up_does_not_bind_them_afterwards(
    given: str | None, expected: Proxied | None
) -> None:
    adult, said = patient(born(18)), consent(performer="Patient/kid")
    del said["dateTime"]
    assert seen(said | ({"dateTime": given} if given else {}), whose=adult) == expected


def test_a_grown_up_is_seen_by_their_own_word_alone() -> None:
    adult = patient(born(67))
    assert seen(consent(), whose=adult) is None
    assert seen(consent(performer="Patient/kid"), whose=adult) == WHOLE


@pytest.mark.parametrize(
    ("purpose", "code", "expected"),
    [
        ("PWATRNY", "HPOWATT", WHOLE),
        ("PWATRNY", "POWATT", WHOLE),
        ("PWATRNY", "GUARD", WHOLE),
        ("PWATRNY", "SPS", None),
        ("FAMRQT", "HPOWATT", None),
    ],
)
def test_who_was_made_to_decide_for_a_grown_up_needs_the_paper_and_the_relationship(
    purpose: str, code: str, expected: Proxied | None
) -> None:
    assert seen(consent(provision(purpose=purpose)), whose=patient(born(44)), by=parent(code)) == expected


def test_a_consent_that_begins_later_can_be_ended_before() -> None:
    later = consent(provision(period={"start": "2026-11-23", "end": "2027"}))
    assert seen(later) is None
    assert lets_act(later, "kid", "parent", TODAY)
    assert not lets_act(consent(provision(period={"end": "2026-11-21"})), "kid", "parent", TODAY)


def test_which_consent_lets_somebody_act_can_be_told() -> None:
    assert lets_act(consent(), "kid", "parent", TODAY)
    assert not lets_act(consent(), "kid", "other", TODAY)
    assert not lets_act(consent(status="inactive"), "kid", "parent", TODAY)
    assert not lets_act(consent(provision("deny")), "kid", "parent", TODAY)


def test_a_consent_ends_for_one_of_several_and_stands_for_the_others() -> None:
    other = {"role": {"text": "proxy"}, "reference": {"reference": "RelatedPerson/other"}}
    both = provision()
    both["actor"].append(other)
    left = without_actor(consent(both), "parent")
    assert (left["status"], left["provision"]["actor"]) == ("active", [other])
    assert seen(left) is None
    assert seen(consent(both)) == WHOLE
    alone = without_actor(consent(), "parent")
    assert (alone["status"], alone["provision"]) == ("inactive", provision())


def test_whoever_was_excepted_beside_them_stays_so() -> None:
    """An exception that names nobody any more would be meant for all."""
    denied = {"type": "deny", "actor": [{"reference": {"reference": PARENT}}], "securityLabel": labels("HIV")}
    other = {"role": {"text": "proxy"}, "reference": {"reference": "RelatedPerson/other"}}
    both = provision(provision=[denied])
    both["actor"].append(other)
    assert without_actor(consent(both), "parent")["provision"]["provision"] == [denied]
