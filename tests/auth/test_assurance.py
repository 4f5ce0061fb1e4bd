"""Levels: which reaches which, what a password is good for, and what level 1 can grant."""

import pytest

from smart_auth.access import Acr
from smart_auth.identity.assurance import RANK, least, of_password, open_scopes, reaches
from smart_auth.records import Account


@pytest.mark.parametrize(
    ("acr", "wanted", "is_enough"),
    [
        ("level1", None, True),
        ("level1", "level1", True),
        ("level1", "level2", False),
        ("level2", "level1", True),
        ("level2", "card", False),
        ("card", "level2", True),
        ("card", "card", True),
    ],
)
def test_a_surer_sign_in_does_for_a_less_sure_one(acr: Acr, wanted: Acr | None, is_enough: bool) -> None:
    assert reaches(acr, wanted) is is_enough


def test_there_are_three_levels_from_the_least_sure_on() -> None:
    assert list(RANK) == ["level1", "level2", "card"]


def test_of_several_levels_that_would_do_the_least_sure_is_asked_for() -> None:
    assert least(["card", "level2"]) == "level2"
    assert least(["urn:mace:incommon:iap:silver", "card"]) == "card"
    assert least(["urn:mace:incommon:iap:silver"]) is None
    assert least([]) is None


def an_account(**fields: object) -> Account:
    given = {"id": "a", "username": "ann", "login": "ann", "password_hash": "", "kind": "patient", **fields}
    return Account(**given)  # type: ignore[arg-type]


def test_a_password_is_never_worth_more_than_its_account() -> None:
    assert of_password(an_account(level="level1"), with_code=True) == ("level1", ("pwd", "otp", "mfa"))
    assert of_password(an_account(level="level2"), with_code=False) == ("level2", ("pwd",))


def test_an_account_from_before_there_were_levels_keeps_what_it_could() -> None:
    assert an_account().level == "level2"


def test_level_one_keeps_only_what_tells_nothing_of_a_patient() -> None:
    asked = ("openid", "fhirUser", "launch/patient", "patient/Observation.rs", "patient/Organization.rs")
    assert open_scopes(asked, has_record=True) == ("openid", "fhirUser", "launch/patient", "patient/Organization.rs")


def test_of_every_type_the_open_ones_are_left_in_the_version_that_was_asked() -> None:
    types = ("Endpoint", "HealthcareService", "Location", "Organization", "Practitioner", "PractitionerRole")
    assert open_scopes(("user/*.rs",), has_record=True) == tuple(f"user/{type}.rs" for type in types)
    assert open_scopes(("user/*.read",), has_record=True) == tuple(f"user/{type}.read" for type in types)


def test_without_a_record_nothing_is_left_that_needs_one() -> None:
    asked = ("launch/patient", "patient/*.rs", "user/Location.rs")
    assert open_scopes(asked, has_record=False) == ("user/Location.rs",)


def test_where_no_resource_is_left_nothing_is() -> None:
    assert open_scopes(("openid", "launch/patient", "patient/Observation.rs"), has_record=True) == ()


def test_who_asked_only_who_somebody_is_still_hears_it() -> None:
    assert open_scopes(("openid", "fhirUser", "profile"), has_record=False) == ("openid", "fhirUser", "profile")
