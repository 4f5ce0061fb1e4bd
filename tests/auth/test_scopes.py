"""Scopes, version 1 and 2: what they mean, and that no intersection grants more than was both asked and allowed."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_auth.access import ANY_TYPE, Level, ResourceScope
from smart_auth.scopes import (
    SPECIAL,
    at_levels,
    exceeding,
    intersect,
    read_scope,
    resource_scopes,
    text_of,
)

LABORATORY = "http://terminology.hl7.org/CodeSystem/observation-category|laboratory"
VITAL_SIGNS = "http://terminology.hl7.org/CodeSystem/observation-category|vital-signs"


def scope(level: Level, type: str, letters: str, category: str | None = None) -> ResourceScope:
    return ResourceScope(level, type, frozenset(letters), (("category", category),) if category else ())


class TestReading:
    @pytest.mark.parametrize(
        ("text", "meant"),
        [
            ("patient/Observation.rs", scope("patient", "Observation", "rs")),
            ("user/*.cruds", scope("user", ANY_TYPE, "cruds")),
            ("system/Patient.s", scope("system", "Patient", "s")),
            ("patient/Observation.read", scope("patient", "Observation", "rs")),
            ("patient/Observation.write", scope("patient", "Observation", "cud")),
            ("patient/*.*", scope("patient", ANY_TYPE, "cruds")),
            (f"patient/Observation.rs?category={LABORATORY}", scope("patient", "Observation", "rs", LABORATORY)),
        ],
    )
    def test_a_scope_on_resources_means_letters(self, text: str, meant: ResourceScope) -> None:
        assert read_scope(text) == meant

    @pytest.mark.parametrize("text", SPECIAL)
    def test_the_others_mean_themselves(self, text: str) -> None:
        assert read_scope(text) == text

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "patient/Observation",
            "patient/Observation.",
            "patient/Observation.sr",
            "patient/Observation.rr",
            "patient/Observation.RS",
            "patient/Observation.rsx",
            "patient/Observation.readwrite",
            "patient/observation.rs",
            "patient/Observation*.rs",
            "patient/Observation.rs\n",
            "Patient/Observation.rs",
            "encounter/Observation.rs",
            "patient//Observation.rs",
            "openID",
            "launch/medication",
            "udap",
        ],
    )
    def test_whatever_is_malformed_or_unknown_is_no_scope(self, text: str) -> None:
        assert read_scope(text) is None

    @pytest.mark.parametrize(
        "query",
        [
            "?",
            "?category",
            "?category=",
            "?category=laboratory",
            "?category=|laboratory",
            "?category=http://x.org|",
            f"?category={LABORATORY},{VITAL_SIGNS}",
            f"?category={LABORATORY}&category={VITAL_SIGNS}",
            f"?category={LABORATORY}&code=1234-5",
            f"?category:not={LABORATORY}",
            "?code=http://loinc.org|1234-5",
            "?category=http://x.org|a%20b",
            "#category",
        ],
    )
    def test_a_granular_scope_is_one_category_of_one_system_and_nothing_else(self, query: str) -> None:
        assert read_scope(f"patient/Observation.rs{query}") is None

    def test_neither_a_wildcard_nor_version_1_can_be_granular(self) -> None:
        assert read_scope(f"patient/*.rs?category={LABORATORY}") is None
        assert read_scope(f"patient/Observation.read?category={LABORATORY}") is None

    def test_the_scopes_on_resources_are_picked_out(self) -> None:
        assert resource_scopes(["openid", "x", "user/Patient.r"]) == (scope("user", "Patient", "r"),)


class TestGranting:
    @pytest.mark.parametrize(
        ("asked", "allowed", "granted"),
        [
            pytest.param("openid launch", "launch openid fhirUser", "openid launch", id="special ones literally"),
            pytest.param("offline_access", "online_access", "", id="one special scope is not another"),
            pytest.param("launch/patient", "launch", "", id="launch is not launch/patient"),
            pytest.param("patient/Patient.rs", "patient/*.rs", "patient/Patient.rs", id="a type of a wildcard"),
            pytest.param("patient/*.rs", "patient/Patient.rs", "patient/Patient.rs", id="a wildcard cut to types"),
            pytest.param("patient/*.cruds", "patient/*.rs", "patient/*.rs", id="letters cut"),
            pytest.param("patient/Patient.rs", "patient/Patient.cud", "", id="no letter in common"),
            pytest.param("user/Patient.rs", "patient/Patient.rs", "", id="levels are not mixed"),
            pytest.param("system/*.rs", "user/*.rs patient/*.rs", "", id="a system's neither"),
            pytest.param("patient/Patient.read", "patient/*.rs", "patient/Patient.read", id="1 asked, 2 allowed"),
            pytest.param("patient/Patient.rs", "patient/*.read", "patient/Patient.rs", id="2 asked, 1 allowed"),
            pytest.param("patient/*.*", "patient/Patient.rs", "patient/Patient.read", id="cut, said in version 1"),
            pytest.param("patient/*.*", "patient/Patient.r", "patient/Patient.r", id="what version 1 cannot say"),
            pytest.param(
                "patient/Goal.rs", "patient/Goal.r patient/Goal.s", "patient/Goal.rs", id="allowed in two parts"
            ),
            pytest.param(
                "patient/Goal.r patient/Goal.s", "patient/Goal.rs", "patient/Goal.r patient/Goal.s", id="asked in two"
            ),
            pytest.param(
                "patient/Goal.rs", "patient/*.r patient/Goal.s", "patient/Goal.rs", id="parts of different width"
            ),
            pytest.param(
                "patient/*.rs", "patient/*.r patient/Goal.rs", "patient/*.r patient/Goal.rs", id="one type further"
            ),
            pytest.param("patient/*.rs", "patient/*.rs patient/Goal.rs", "patient/*.rs", id="covered parts left out"),
            pytest.param("patient/Goal.rs patient/Goal.rs", "patient/*.rs", "patient/Goal.rs", id="each once"),
            pytest.param("patient/Goal.sr nonsense", "patient/*.rs nonsense", "", id="malformed on both sides"),
            pytest.param("", "patient/*.rs", "", id="nothing asked"),
        ],
    )
    def test_what_was_asked_is_cut_to_what_is_allowed(self, asked: str, allowed: str, granted: str) -> None:
        assert intersect(asked.split(), allowed.split()) == tuple(granted.split())

    def test_a_granular_scope_stays_granular_within_a_wider_one(self) -> None:
        granular = f"patient/Observation.rs?category={LABORATORY}"
        assert intersect([granular], ["patient/Observation.rs"]) == (granular,)
        assert intersect([granular], ["patient/*.read"]) == (granular,)

    def test_a_wider_scope_becomes_the_granular_ones_that_are_allowed(self) -> None:
        granular = [f"patient/Observation.rs?category={each}" for each in (LABORATORY, VITAL_SIGNS)]
        assert intersect(["patient/Observation.rs"], granular) == tuple(granular)
        assert intersect(["patient/*.read"], granular) == tuple(granular)

    def test_one_category_does_not_grant_another(self) -> None:
        granular = [f"patient/Observation.rs?category={each}" for each in (LABORATORY, VITAL_SIGNS)]
        assert intersect(granular[:1], granular[1:]) == ()

    def test_a_wide_letter_and_a_granular_one_stay_apart(self) -> None:
        granular = f"patient/Observation.s?category={LABORATORY}"
        granted = intersect(["patient/Observation.rs"], ["patient/Observation.r", granular])
        assert granted == ("patient/Observation.r", granular)

    def test_what_goes_beyond_is_told(self) -> None:
        asked = ["openid", "patient/Goal.cruds", "patient/Goal.r", "launch"]
        assert exceeding(asked, ["openid", "patient/Goal.rs"]) == ("patient/Goal.cruds", "launch")

    def test_scopes_of_other_levels_fall_away_and_special_ones_stay(self) -> None:
        texts = ("openid", "patient/Goal.rs", "user/Goal.read", "system/Goal.rs", "nonsense")
        assert at_levels(texts, ("patient", "user")) == ("openid", "patient/Goal.rs", "user/Goal.read", "nonsense")


levels: st.SearchStrategy[Level] = st.sampled_from(("patient", "user", "system"))
types = st.sampled_from(("Patient", "Observation", "Condition"))
letters = st.sets(st.sampled_from("cruds"), min_size=1).map(frozenset)
categories = st.sampled_from((None, LABORATORY, VITAL_SIGNS))


@st.composite
def resource_scope_texts(draw: st.DrawFn) -> str:
    level, category = draw(levels), draw(categories)
    if category is None and draw(st.booleans()):
        return f"{level}/{draw(types | st.just('*'))}.{draw(st.sampled_from(('read', 'write', '*')))}"
    type = draw(types) if category else draw(types | st.just("*"))
    return text_of(ResourceScope(level, type, draw(letters), (("category", category),) if category else ()))


scope_lists = st.lists(resource_scope_texts() | st.sampled_from((*SPECIAL, "nonsense", "patient/Goal.sr")), max_size=6)

# A deed is done to a resource of one type, of at most one of the two categories.
deeds = [
    (level, type, letter, category)
    for level in ("patient", "user", "system")
    for type in ("Patient", "Observation", "Condition", "Encounter")
    for letter in "cruds"
    for category in (None, LABORATORY, VITAL_SIGNS)
]
Deed = tuple[str, str, str, str | None]


def let_by(texts: Iterable[str]) -> set[Deed]:
    """By the words of the specification: some scope names the level, the type or all, the letter, and the category."""
    return {
        (level, type, letter, category)
        for each in resource_scopes(texts)
        for level, type, letter, category in deeds
        if each.level == level
        and each.type in ("*", type)
        and letter in each.permissions
        and all(value == category for _, value in each.filters)
    }


@given(scope_lists, scope_lists)
def test_granted_is_exactly_what_was_asked_and_allowed(asked: list[str], allowed: list[str]) -> None:
    granted = intersect(asked, allowed)
    assert let_by(granted) == let_by(asked) & let_by(allowed)
    special = [each for each in asked if each in SPECIAL and each in allowed]
    assert [each for each in granted if each in SPECIAL] == list(dict.fromkeys(special))


@given(scope_lists, scope_lists)
def test_an_intersection_cannot_be_cut_any_further_by_the_same_bounds(asked: list[str], allowed: list[str]) -> None:
    granted = intersect(asked, allowed)
    assert intersect(granted, allowed) == granted
    assert exceeding(granted, allowed) == ()


@given(scope_lists)
def test_what_is_allowed_can_be_asked_for_as_a_whole_and_is_repeated_literally(allowed: list[str]) -> None:
    sound = [each for each in allowed if read_scope(each) is not None]
    assert intersect(allowed, allowed) == tuple(dict.fromkeys(sound))


@given(resource_scope_texts())
def test_a_scope_written_and_read_again_is_the_same(text: str) -> None:
    found = read_scope(text)
    assert found is not None
    assert read_scope(text_of(found)) == found
    assert text_of(found) == text or text.endswith((".read", ".write", ".*"))


@given(st.text(max_size=60))
def test_any_text_at_all_is_read_without_an_error(text: str) -> None:
    found = read_scope(text)
    assert found is None or isinstance(found, ResourceScope) or found in SPECIAL
