"""Which searches are estimated before they run, and what a refusal says."""

from datetime import UTC, datetime

import pytest

from fhir_server.search.cost import BUDGET, Estimate, is_surely_cheap, leads, rounded, too_costly
from fhir_server.search.page import Position
from fhir_server.search.parse import parse
from fhir_server.search.plan import plan

NOW = datetime(2026, 1, 1, tzinfo=UTC)
Pairs = list[tuple[str, str]]


@pytest.mark.parametrize(
    ("type", "pairs"),
    [
        ("Observation", []),
        ("Observation", [("code", "a")]),
        ("Observation", [("code", "a"), ("status", "final,amended"), ("_lastUpdated", "ge2020")]),
        ("Observation", [("_sort", "_lastUpdated")]),
        ("Observation", [("patient", "p1"), ("code:not", "a"), ("_sort", "status")]),
        ("Observation", [("subject", "p1"), ("value-quantity", "gt5")]),
        ("Observation", [("_id", "a,b"), ("_sort", "code")]),
        ("Patient", [("identifier", "x")]),
    ],
)
def test_what_an_index_leads_is_never_estimated(type: str, pairs: Pairs) -> None:
    request = parse(type, pairs, lenient=False)
    assert is_surely_cheap(plan(request, None, None, NOW))
    assert is_surely_cheap(plan(request, NOW, None, NOW))


def test_nor_is_a_later_page_of_it() -> None:
    after = Position((NOW, "a"), "a")
    assert is_surely_cheap(plan(parse("Observation", [("code", "a")], lenient=False), None, after, NOW))


@pytest.mark.parametrize(
    ("type", "pairs"),
    [
        ("Observation", [("code:not", "a")]),
        ("Observation", [("code", "a"), ("code:not", "b")]),
        ("Observation", [("date:missing", "true")]),
        ("Observation", [("date", "ge2020")]),
        ("Observation", [("code", "a"), ("_sort", "date")]),
        ("Observation", [("_sort", "-status")]),
        ("Patient", [("name", "smith")]),
        ("Patient", [("name:contains", "smith")]),
    ],
)
def test_everything_else_is(type: str, pairs: Pairs) -> None:
    assert not is_surely_cheap(plan(parse(type, pairs, lenient=False), None, None, NOW))


@pytest.mark.parametrize(
    ("filter", "leading"),
    [
        ({"t": "a", "deleted": None}, 1),
        ({"t": {"$nin": ["a"]}}, 0),
        ({"t": {"$not": {"$regex": "^a"}}}, 0),
        ({"s": {"$regex": "^a"}}, 1),
        ({"s": {"$regex": "a"}}, 0),
        ({"$nor": [{"t": "a"}]}, 0),
        ({"c": {"$elemMatch": {"t": "a"}}}, 0),
        ({"h": {"$elemMatch": {"r": "Medication", "t": "a"}}}, 1),
        ({"h": {"$elemMatch": {"r": "Medication"}}}, 1),
        ({"g.at": {"$geoWithin": {}}}, 1),
        ({"d": {"$elemMatch": {"p": "date"}}, "$and": [{"t": "a"}, {"t": "b"}]}, 3),
        ({"$or": [{"t": "a"}, {"s": {"$regex": "^a"}}]}, 1),
        ({"$or": [{"t": "a"}, {"t": {"$nin": ["b"]}}]}, 0),
    ],
)
def test_conditions_that_an_index_can_lead(filter: dict[str, object], leading: int) -> None:
    assert len(leads(filter)) == leading


@pytest.mark.parametrize(
    ("pair", "index"),
    [
        (("name", "smith"), "s"),
        (("gender", "male"), "t"),
        (("birthdate", "2000-01-01"), "dlo"),
        (("birthdate", "lt2000"), "dlo"),
        (("birthdate", "gt2000"), "dhi"),
        (("birthdate", "ge2000"), None),
        (("_lastUpdated", "ge2000"), "updated"),
        (("_id", "a"), "_id_"),
    ],
)
def test_the_index_that_leads_is_known(pair: tuple[str, str], index: str | None) -> None:
    (lead,) = leads(plan(parse("Patient", [pair], lenient=False), None, None, NOW).filter)
    assert lead.index == index


def test_a_text_looked_for_anywhere_reads_all_texts_of_its_parameter() -> None:
    (lead,) = leads({"s": {"$regex": "^name\\|.*smith"}})
    assert lead.filter == {"s": {"$regex": "^name\\|"}}


def refusal(type: str, pairs: Pairs, default_keys: int | None = None) -> tuple[str, str | None]:
    request = parse(type, pairs, lenient=False)
    by_default = None if default_keys is None else Estimate(default_keys, 10**6)
    error = too_costly(request, Estimate(987_654, 10**6), by_default)
    (issue,) = error.issues
    assert (error.status, issue.number) == (400, 4006)
    return issue.text, issue.expression


def test_a_refusal_names_what_cannot_be_looked_up_and_what_would_be_cheap() -> None:
    text, named = refusal("Observation", [("code:not", "a")])
    assert named == "code:not"
    assert "about 980,000 entries of Observation" in text
    assert "code:not cannot be looked up in an index" in text
    assert "patient=" in text


def test_a_type_of_no_patient_is_narrowed_by_other_means() -> None:
    text, named = refusal("Organization", [("name:contains", "clinic")])
    assert named == "name:contains"
    assert "patient" not in text
    assert "_lastUpdated=" in text


def test_an_order_that_makes_it_costly_is_named() -> None:
    text, named = refusal("Observation", [("_sort", "status")], default_keys=BUDGET)
    assert (named, "Leave out _sort" in text) == ("_sort", True)


def test_an_estimate_is_told_to_two_digits() -> None:
    assert [rounded(each) for each in (0, 7, 99, 987, 987_654)] == [0, 7, 99, 980, 980_000]
