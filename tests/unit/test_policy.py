"""From who asks to which rows: every kind of caller, scope and type.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server import policy
from fhir_server.core.outcome import FhirError
from fhir_server.core.proxied import Proxied
from fhir_server.core.write_plan import IndexValues
from fhir_server.definitions.owners import owner_rule
from fhir_server.definitions.participants import PARTICIPANTS
from fhir_server.definitions.registry import resource_types
from fhir_server.definitions.unreleased import RESULT, UNRELEASED
from fhir_server.policy import (
    EVERYTHING,
    NOWHERE,
    OPERATOR,
    RESTRICTED,
    Permission,
    Sight,
    granted,
    is_unbounded,
    is_within,
    may_look_behind,
    permitted,
    row_filter,
    visible,
)
from fhir_server.search.request import Reach, Visible
from fhir_server.search.visible import merged
from smart_auth.access import OPEN_TYPES, AccessContext, ResourceScope

LETTERS: tuple[Permission, ...] = ("c", "r", "u", "d", "s")
LABORATORY = "http://terminology.hl7.org/CodeSystem/observation-category|laboratory"
VITALS = "http://terminology.hl7.org/CodeSystem/observation-category|vital-signs"
LABORATORY_TOKEN = "category|laboratory|http://terminology.hl7.org/CodeSystem/observation-category"
VITALS_TOKEN = "category|vital-signs|http://terminology.hl7.org/CodeSystem/observation-category"


def scope(text: str) -> ResourceScope:
    """A scope as it is written: `patient/Observation.rs?category=...`."""
    place, _, query = text.partition("?")
    level, _, rest = place.partition("/")
    type, _, letters = rest.partition(".")
    filters = tuple((name, value) for name, _, value in (each.partition("=") for each in query.split("&") if each))
    return ResourceScope(level, type, frozenset(letters), filters)  # type: ignore[arg-type]


def sight(
    kind: str, *scopes: str, related: tuple[str, ...] = (), proxied: tuple[Proxied, ...] = (), **context: Any
) -> Sight:
    if kind == "patient" and "patient" in context:
        # A launch is for a record of their own, where a test says nothing else.
        context.setdefault("patients", (context["patient"],))
    access = AccessContext("s", "client", kind, tuple(map(scope, scopes)), **context)  # type: ignore[arg-type]
    places = ("Practitioner/p7",) if kind == "practitioner" else ()
    return Sight(access, frozenset(related), places, proxied=proxied)


def owned(*owners: str, **more: Any) -> Visible:
    return Visible((Reach(owners, **more),))


def results(*owners: str, **more: Any) -> Visible:
    """What patients see of Observations: those that are final, where somebody has to vouch for them."""
    return Visible((Reach(owners, **more | {"without_labels": (*more.get("without_labels", ()), RESULT)}),))


def test_the_operator_sees_everything() -> None:
    assert all(visible(OPERATOR, type, "r") is EVERYTHING for type in resource_types())
    assert row_filter(EVERYTHING) == {}


def test_a_type_that_no_scope_names_was_not_granted_and_is_refused_by_its_name() -> None:
    caller = sight("patient", "patient/Observation.rs", patient="a")
    assert visible(caller, "Condition", "r") is None
    with pytest.raises(FhirError) as refused:
        permitted(caller, "Condition", "s", "_has:Condition:patient:code")
    assert refused.value.status == 403
    assert refused.value.issues[0].number == 6001
    assert "Condition" in refused.value.issues[0].text


def test_each_letter_is_a_permission_of_its_own() -> None:
    for held in LETTERS:
        caller = sight("patient", f"patient/Observation.{held}", patient="a")
        assert [letter for letter in LETTERS if visible(caller, "Observation", letter)] == [held]
    reader, searcher = (sight("patient", f"patient/Observation.{letter}", patient="a") for letter in "rs")
    assert visible(reader, "Observation", "rs") == visible(searcher, "Observation", "rs") == results("a")


def test_a_patient_scope_is_the_one_patient_of_the_launch_whoever_signed_in() -> None:
    scopes = "patient/*.rs"
    assert visible(sight("patient", scopes, patient="a", patients=("a", "b")), "Observation", "r") == results("a")
    assert visible(sight("patient", scopes, patients=("a", "b")), "Observation", "r") == NOWHERE
    assert visible(sight("patient", scopes, patients=("a", "b")), "Organization", "r") == NOWHERE


def test_a_user_scope_of_a_patient_is_all_that_the_account_may_act_for() -> None:
    caller = sight("patient", "user/*.rs", patients=("a", "b"))
    assert visible(caller, "Observation", "s") == results("a", "b")
    assert visible(caller, "Patient", "r") == owned("a", "b")
    assert visible(sight("patient", "user/*.rs"), "Observation", "s") == NOWHERE


@pytest.mark.parametrize("type", resource_types())
def test_a_patient_sees_shared_types_but_what_is_restricted_and_of_others_only_what_it_owns(type: str) -> None:
    found = visible(sight("patient", "patient/*.rs", patient="a"), type, "s")
    unreleased = (UNRELEASED[type],) if type in UNRELEASED else ()
    match owner_rule(type).kind:
        case _ if type == "Binary":
            # Files are read by whoever reads what holds them, and listed nowhere.
            assert found == NOWHERE
        case "shared":
            assert found == Visible((Reach(without_labels=RESTRICTED),))
        case "deny":
            assert found == NOWHERE
        case _ if type in PARTICIPANTS:
            # Of drafts those in which the caller speaks.
            drafts = Reach(("a",), participants=("Patient/a",))
            assert found == Visible((Reach(("a",), without_labels=unreleased), drafts))
        case _:
            assert found == owned("a", without_labels=unreleased)


@pytest.mark.parametrize("type", resource_types())
def test_a_practitioner_sees_related_patients_and_shared_types_but_nothing_restricted(type: str) -> None:
    found = visible(sight("practitioner", "user/*.rs", related=("b", "a")), type, "s")
    match owner_rule(type).kind:
        case _ if type == "Binary":
            assert found == NOWHERE
        case "shared":
            assert found == Visible((Reach(without_labels=RESTRICTED),))
        case "deny":
            assert found == NOWHERE
        case _ if type in PARTICIPANTS:
            assert found == Visible((Reach(without_labels=RESTRICTED, participants=("Practitioner/p7",)),))
        case _:
            assert found == owned("a", "b", without_labels=RESTRICTED)


def test_a_message_is_read_by_who_takes_part_and_written_into_the_records_of_related_patients() -> None:
    caller = sight("practitioner", "user/*.cruds", "patient/*.cruds", related=("a", "b"), patient="c")
    places: dict[str, Any] = {"without_labels": RESTRICTED, "participants": ("Practitioner/p7",)}
    assert visible(caller, "Communication", "r") == Visible((Reach(**places),))
    for letter in ("c", "u", "d"):
        assert visible(caller, "Communication", letter) == owned("a", "b", **places)
    emergency = sight("practitioner", "patient/*.rs", patient="c", emergency=True)
    assert visible(emergency, "Communication", "s") == owned("c", **places)
    assert visible(emergency, "Observation", "s") == owned("c")


def test_a_practitioner_without_relations_sees_no_record() -> None:
    caller = sight("practitioner", "user/*.rs", "patient/*.rs", patient="a")
    assert visible(caller, "Observation", "s") == NOWHERE
    assert visible(caller, "Organization", "s") == Visible((Reach(without_labels=RESTRICTED),))


def test_a_practitioners_launch_patient_must_be_a_related_one_at_each_request() -> None:
    scopes: str = "patient/*.rs"
    launched: dict[str, Any] = {"patient": "a"}
    assert visible(sight("practitioner", scopes, related=("a", "b"), **launched), "Condition", "s") == owned(
        "a", without_labels=RESTRICTED
    )
    assert visible(sight("practitioner", scopes, related=("b",), **launched), "Condition", "s") == NOWHERE


def test_who_breaks_the_glass_sees_restricted_rows_of_that_patient_alone() -> None:
    caller = sight("practitioner", "user/*.rs", related=("b",), patient="a", emergency=True)
    assert visible(caller, "Condition", "s") == Visible((Reach(("b",), without_labels=RESTRICTED), Reach(("a",))))
    assert visible(sight("practitioner", "patient/*.rs", patient="a", emergency=True), "Condition", "s") == owned("a")
    assert visible(caller, "Organization", "s") == Visible((Reach(without_labels=RESTRICTED),))


@pytest.mark.parametrize("type", resource_types())
def test_an_officer_sees_who_looked_at_what_and_no_record(type: str) -> None:
    found = visible(sight("officer", "user/*.rs"), type, "s")
    assert found == (EVERYTHING if type == "AuditEvent" else NOWHERE)


@pytest.mark.parametrize("type", resource_types())
def test_an_administrator_and_a_system_client_see_what_nobody_owns(type: str) -> None:
    assert visible(sight("admin", "user/*.cruds"), type, "s") is EVERYTHING
    assert visible(sight("system", "system/*.rs", purposes=("TREAT", "ETREAT")), type, "s") is EVERYTHING
    found = visible(sight("system", "system/*.rs"), type, "s")
    assert found == Visible((Reach(without_labels=RESTRICTED),))
    assert is_unbounded(found)


def test_a_system_token_for_one_patient_sees_no_other() -> None:
    caller = sight("system", "system/*.rs", patient="a")
    assert visible(caller, "Observation", "s") == owned("a", without_labels=RESTRICTED)
    assert visible(caller, "Organization", "s") == Visible((Reach(without_labels=RESTRICTED),))
    assert visible(caller, "Group", "s") == NOWHERE


def test_a_level_of_scope_that_the_caller_cannot_have_grants_nothing() -> None:
    for kind in ("patient", "practitioner", "officer", "admin"):
        assert visible(sight(kind, "system/*.cruds", patient="a", patients=("a",)), "Observation", "r") is None
    for level in ("patient", "user"):
        assert visible(sight("system", f"{level}/*.cruds", patient="a", patients=("a",)), "Observation", "r") is None


def test_granular_scopes_narrow_to_their_categories_and_join() -> None:
    caller = sight(
        "patient",
        f"patient/Observation.rs?category={LABORATORY}",
        f"patient/Observation.rs?category={VITALS}",
        "patient/Condition.rs?category=problem-list-item",
        patient="a",
    )
    assert visible(caller, "Observation", "s") == results("a", categories=((LABORATORY_TOKEN, VITALS_TOKEN),))
    assert visible(caller, "Condition", "s") == owned("a", categories=(("category|problem-list-item|",),))


def test_a_wider_scope_beside_a_granular_one_makes_it_whole() -> None:
    caller = sight("patient", f"patient/Observation.rs?category={LABORATORY}", "patient/Observation.r", patient="a")
    assert visible(caller, "Observation", "r") == results("a")
    assert visible(caller, "Observation", "s") == results("a", categories=((LABORATORY_TOKEN,),))


@pytest.mark.parametrize(
    "filter", ["code=8302-2", "category=", "category=a|b|c", "category:not=x", f"category={LABORATORY}&code=1"]
)
def test_a_filter_that_is_not_understood_lets_nothing_through(filter: str) -> None:
    assert visible(sight("patient", f"patient/Observation.rs?{filter}", patient="a"), "Observation", "s") == NOWHERE


def test_a_filter_by_category_lets_nothing_through_of_a_type_without_it() -> None:
    caller = sight("patient", f"patient/*.rs?category={LABORATORY}", patient="a")
    assert visible(caller, "Patient", "r") == NOWHERE
    assert visible(caller, "Observation", "r") == results("a", categories=((LABORATORY_TOKEN,),))


def test_only_the_operator_and_administrators_look_behind_a_search() -> None:
    assert may_look_behind(OPERATOR)
    assert may_look_behind(sight("admin", "user/*.rs"))
    for kind in ("patient", "practitioner", "officer", "system"):
        assert not may_look_behind(sight(kind, "user/*.rs"))


ADOL = "adol|http://terminology.hl7.org/CodeSystem/v3-ActCode"
CHILD, TEENAGER = Proxied("child"), Proxied("teenager", (ADOL,))


def test_for_whom_a_patient_acts_is_seen_beside_their_own_record_without_what_is_left_out() -> None:
    caller = sight("patient", "user/*.rs", patients=("a",), proxied=(CHILD, TEENAGER))
    expected = Visible((Reach(("a",)), Reach(("child",)), Reach(("teenager",), without_labels=(ADOL,))))
    for type in ("Condition", "Patient", "Consent"):
        assert visible(caller, type, "s") == expected
    assert visible(caller, "Organization", "s") == Visible((Reach(without_labels=RESTRICTED),))
    assert visible(caller, "Group", "s") == NOWHERE


@pytest.mark.parametrize(("patient", "labels"), [("child", ()), ("teenager", (ADOL,))])
def test_a_launch_for_a_relative_holds_as_long_as_the_relation_does(patient: str, labels: tuple[str, ...]) -> None:
    access = sight("patient", "patient/*.rs", patient=patient, patients=("a",)).access
    assert access is not None
    related = Sight(access, proxied=(CHILD, TEENAGER))
    assert visible(related, "Observation", "s") == results(patient, without_labels=labels)
    for over in ((), (Proxied("other"),)):
        assert visible(Sight(access, proxied=over), "Observation", "s") == NOWHERE
        assert visible(Sight(access, proxied=over), "Organization", "s") == NOWHERE
    assert visible(related, "Observation", "s") == results(patient, without_labels=labels)


def test_a_launch_for_oneself_reaches_no_relative() -> None:
    caller = sight("patient", "patient/*.rs", patient="a", proxied=(CHILD,))
    assert visible(caller, "Observation", "s") == results("a")


def test_what_an_administrator_gave_by_word_is_seen_whole() -> None:
    caller = sight("patient", "patient/*.rs", patient="teenager", patients=("a", "teenager"), proxied=(TEENAGER,))
    assert visible(caller, "Observation", "s") == results("teenager")


def test_nobody_but_a_patient_has_a_family() -> None:
    for kind in ("practitioner", "officer", "system"):
        with_family, without = (sight(kind, "user/*.rs", "system/*.rs", proxied=each) for each in ((CHILD,), ()))
        assert visible(with_family, "Observation", "s") == visible(without, "Observation", "s")


@pytest.mark.parametrize("type", resource_types())
def test_level_one_sees_no_clinical_record_whatever_the_scopes(type: str) -> None:
    for kind in ("patient", "practitioner", "officer", "admin"):
        caller = sight(kind, "user/*.cruds", "patient/*.cruds", acr="level1", related=("a",), patient="a")
        if type in OPEN_TYPES:
            assert visible(caller, type, "r") == visible(
                sight(kind, "user/*.cruds", "patient/*.cruds", related=("a",), patient="a"), type, "r"
            )
            continue
        assert visible(caller, type, "r") is None
        with pytest.raises(FhirError) as refused:
            permitted(caller, type, "s", "_include")
        assert (refused.value.status, refused.value.issues[0].number) == (403, 6043)
        assert refused.value.issues[0].slug == "insufficient-assurance"
        assert "Upgrade your DS Logon to Premium (level 2) at /auth/logon/upgrade" in refused.value.issues[0].text


def test_a_system_client_signs_in_by_no_logon_and_has_no_level() -> None:
    assert visible(sight("system", "system/*.rs", acr="level1", purposes=("ETREAT",)), "Observation", "s") is EVERYTHING


def test_level_two_and_cards_see_alike() -> None:
    two, card = (sight("patient", "patient/*.rs", patient="a", acr=acr) for acr in ("level2", "card"))
    assert visible(two, "Observation", "s") == visible(card, "Observation", "s") == results("a")


def test_granted_names_the_types_that_scopes_cover() -> None:
    caller = sight("patient", "patient/Observation.s", "patient/Patient.r", patient="a")
    assert granted(caller, ("Condition", "Observation", "Patient"), "s") == ("Observation",)
    assert granted(caller, ("Condition", "Observation", "Patient"), "rs") == ("Observation", "Patient")


def test_what_a_caller_sees_follows_its_own_context_never_an_equal_looking_one() -> None:
    for patient in ("a", "b", "a"):
        assert visible(sight("patient", "patient/*.rs", patient=patient), "Observation", "s") == results(patient)
    access = sight("practitioner", "user/*.rs").access
    assert access is not None
    assert visible(Sight(access, frozenset("a")), "Observation", "s") == owned("a", without_labels=RESTRICTED)
    assert visible(Sight(access, frozenset("b")), "Observation", "s") == owned("b", without_labels=RESTRICTED)


def test_the_second_look_at_the_same_token_costs_next_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    caller = sight("patient", *(f"patient/{type}.rs" for type in resource_types()), patient="a")
    first = visible(caller, "Observation", "s")
    monkeypatch.delattr(policy, "_compiled")
    assert visible(caller, "Observation", "s") is first


TOKENS = ("category|x|", "category|y|")
PLACES = ("Practitioner/p7", "CareTeam/t", "Patient/a")
REACHES = st.builds(
    Reach,
    owners=st.none() | st.lists(st.sampled_from("abc"), max_size=2, unique=True).map(tuple),
    source=st.sampled_from((None, None, "urn:va")),
    categories=st.lists(
        st.lists(st.sampled_from(TOKENS), min_size=1, unique=True).map(tuple), max_size=2, unique=True
    ).map(tuple),
    without_labels=st.sampled_from(((), RESTRICTED)),
    participants=st.none() | st.lists(st.sampled_from(PLACES), max_size=2, unique=True).map(tuple),
)
ROWS = st.builds(
    IndexValues,
    owners=st.lists(st.sampled_from("abcd"), max_size=2, unique=True).map(tuple),
    source=st.sampled_from((None, "urn:va", "urn:dod")),
    labels=st.lists(st.sampled_from((*RESTRICTED, "n|x")), max_size=2, unique=True).map(tuple),
    categories=st.lists(st.sampled_from(TOKENS), max_size=2, unique=True).map(tuple),
    participants=st.lists(st.sampled_from(PLACES), max_size=2, unique=True).map(tuple),
)


def holds(reach: Reach, row: IndexValues) -> bool:
    """Whether a row is seen, said in the words of Reach."""
    return (
        (reach.owners is None or any(owner in reach.owners for owner in row.owners))
        and reach.source in (None, row.source)
        and all(any(token in row.categories for token in tokens) for tokens in reach.categories)
        and not any(label in row.labels for label in reach.without_labels)
        and (reach.participants is None or any(each in reach.participants for each in row.participants))
    )


def matches(filter: dict[str, Any], row: IndexValues) -> bool:
    """What MongoDB would say of a filter over a row's fields."""
    return all(_holds(name, condition, row) for name, condition in filter.items())


def _holds(name: str, condition: Any, row: IndexValues) -> bool:
    if name == "$or":
        return any(matches(each, row) for each in condition)
    if name == "$and":
        return all(matches(each, row) for each in condition)
    if name == "_id":
        assert condition == {"$in": []}
        return False
    value = getattr(row, name)
    values = (value,) if isinstance(value, str) else value or ()
    match condition:
        case {"$in": wanted}:
            return any(each in wanted for each in values)
        case {"$nin": unwanted}:
            return not any(each in unwanted for each in values)
        case str():
            return condition in values
    raise AssertionError(condition)


@given(st.lists(REACHES, max_size=4), ROWS)
def test_merging_reaches_and_making_a_filter_of_them_changes_nothing_of_what_is_seen(
    reaches: list[Reach], row: IndexValues
) -> None:
    expected = any(holds(reach, row) for reach in reaches)
    together = merged(list(reaches))
    assert any(holds(reach, row) for reach in together.reaches) == expected
    assert matches(row_filter(together), row) == expected


@given(st.lists(REACHES, max_size=3), ROWS)
def test_what_may_be_written_is_seen_afterwards_and_belongs_to_nobody_else(
    reaches: list[Reach], row: IndexValues
) -> None:
    together = merged(list(reaches))
    if is_within(together, row):
        assert matches(row_filter(together), row)
        assert is_unbounded(together) or any(
            reach.owners is None or (row.owners and set(row.owners) <= set(reach.owners)) for reach in together.reaches
        )
