"""From a request to a filter an index can drive, an order, and the place where a page begins."""

from datetime import UTC, datetime
from typing import Any

import pytest

from fhir_server.core.outcome import FhirError
from fhir_server.search.page import Position
from fhir_server.search.parameter_types.date import FAR_PAST
from fhir_server.search.parse import parse
from fhir_server.search.plan import plan
from fhir_server.search.query import Part, Query
from fhir_server.search.request import AllOf, AnyOf, Clause, Composed, Ids, NotThis, SearchRequest, Tokens

CEILING = datetime(2026, 1, 1, tzinfo=UTC)
UP_TO_CEILING = {"updated": {"$lte": CEILING}}


def planned(type: str, *pairs: tuple[str, str], after: Position | None = None) -> Query:
    return plan(parse(type, pairs, lenient=False), CEILING, after, CEILING)


def test_a_search_for_everything_leaves_tombstones_out_and_shows_the_newest_first() -> None:
    assert planned("Observation") == Query(
        "Observation", {"deleted": None, **UP_TO_CEILING}, (("updated", -1), ("_id", 1)), 51
    )


def test_one_row_more_than_the_page_is_read() -> None:
    assert planned("Observation", ("_count", "7")).limit == 8


def test_a_patient_alone_is_one_equality_in_the_order_of_the_index() -> None:
    query = planned("Observation", ("patient", "p1"))
    assert query.filter == {"pt": "p1|patient|Patient/p1", **UP_TO_CEILING}
    assert query.sort == (("k.date.d", -1), ("_id", 1))
    assert query.hint == "pt"
    assert query.missing_last == frozenset()


def test_a_type_without_an_indexed_date_shows_a_patients_newest_writes_first() -> None:
    query = planned("Coverage", ("beneficiary", "Patient/p1"))
    assert query.filter == {"pt": "p1|beneficiary|Patient/p1", **UP_TO_CEILING}
    assert query.sort == (("updated", -1), ("_id", 1))


def test_a_patient_and_a_code_are_one_equality_and_the_clause_itself_still_holds() -> None:
    query = planned("Observation", ("patient", "p1"), ("code", "http://loinc.org|8302-2"))
    assert query.filter["pt"] == "p1|code|8302-2|http://loinc.org"
    assert query.filter["t"] == "patient|Patient/p1"


@pytest.mark.parametrize("code", ["code", "device", "identifier"])
def test_the_finer_clause_is_joined_to_the_patient(code: str) -> None:
    value = "Device/d1" if code == "device" else "d1"
    pairs = (("status", "final"), ("patient", "p1"), (code, value), ("category", "lab"))
    assert planned("Observation", *pairs).filter["pt"].startswith(f"p1|{code}|")


def test_alternatives_multiply_up_to_200_and_beyond_stay_a_filter() -> None:
    codes = ",".join(f"c{n}" for n in range(60))
    query = planned("Observation", ("patient", "p1,p2"), ("code", codes))
    assert len(query.filter["pt"]["$in"]) == 120
    query = planned("Observation", ("patient", "p1,p2,p3,p4"), ("code", codes))
    assert query.filter["pt"] == {"$in": [f"p{n}|patient|Patient/p{n}" for n in (1, 2, 3, 4)]}
    assert len(query.filter["t"]["$in"]) == 60


@pytest.mark.parametrize(
    ("type", "pairs"),
    [
        ("Observation", [("patient", "http://other/fhir/Patient/p1")]),
        # A performer owns nothing.
        ("Observation", [("performer", "Patient/p1")]),
        ("Observation", [("patient", "p1"), ("_id", "o1")]),
    ],
)
def test_what_may_not_be_owned_by_the_patient_is_not_planned_by_owner(type: str, pairs: list[tuple[str, str]]) -> None:
    query = planned(type, *pairs)
    assert "pt" not in query.filter
    assert query.hint is None
    assert query.sort == (("updated", -1), ("_id", 1))


def test_a_subject_said_to_be_a_patient_is_planned_by_owner() -> None:
    expected = planned("Observation", ("subject", "Patient/p1")).filter
    assert expected["pt"] == "p1|subject|Patient/p1"
    assert planned("Observation", ("subject:Patient", "p1")).filter == expected


def test_an_id_that_may_be_a_patients_leads_by_owner_and_what_else_it_may_be_is_read_beside_it() -> None:
    query = planned("Observation", ("subject", "p1"), ("status", "final"))
    anyone = {"t": {"$in": [f"subject|{type}/p1" for type in ("Group", "Device", "Patient", "Location")]}}
    assert query.filter == {**anyone, **UP_TO_CEILING, "$and": [{"t": "status|final|"}]}
    ((patient, others),) = query.rounds
    assert patient == Part({"pt": "p1|status|final|", **anyone, **UP_TO_CEILING}, "pt")
    assert others.filter["t"] == {"$in": [f"subject|{type}/p1" for type in ("Group", "Device", "Location")]}
    assert others.filter["$and"] == [{"t": "status|final|"}]
    assert (query.sort, query.hint) == ((("k.date.d", -1), ("_id", 1)), None)


def test_a_clause_that_names_patients_alone_leads_before_one_that_may_name_others() -> None:
    query = planned("Observation", ("subject", "p1"), ("patient", "p1"))
    assert query.rounds == ()
    assert query.filter["pt"] == "p1|patient|Patient/p1"


def test_a_patients_resources_oldest_first_are_the_index_read_backwards_and_then_those_without_a_date() -> None:
    query = planned("Observation", ("patient", "p1"), ("_sort", "date"))
    lead = {"pt": "p1|patient|Patient/p1"}
    assert query.sort == (("k.date.d", 1), ("_id", -1))
    assert query.rounds == (
        (Part({**lead, **UP_TO_CEILING, "k.date.d": {"$gt": FAR_PAST}}, "pt"),),
        (Part({**lead, **UP_TO_CEILING, "k.date.d": {"$lte": FAR_PAST}}, "pt"),),
    )
    assert query.filter == {**lead, **UP_TO_CEILING}


def test_the_next_page_oldest_first_begins_where_the_last_one_ended() -> None:
    def rounds(key: int) -> list[dict[str, Any]]:
        after = Position((key, "r1"), "r1")
        found = planned("Observation", ("patient", "p1"), ("_sort", "date"), after=after).rounds
        return [part.filter for parts in found for part in parts]

    with_date, without = rounds(5)
    assert with_date["$or"] == [{"k.date.d": {"$gt": 5}}, {"k.date.d": 5, "_id": {"$lt": "r1"}}]
    assert without["k.date.d"] == {"$lte": FAR_PAST}
    (last,) = rounds(FAR_PAST)
    assert (last["k.date.d"], last["_id"]) == ({"$lte": FAR_PAST}, {"$lt": "r1"})


def test_a_patients_resources_by_last_update_are_read_from_the_index_of_tokens() -> None:
    query = planned("Observation", ("patient", "p1"), ("code", "a"), ("_sort", "-_lastUpdated"))
    assert query.filter == {"t": "patient|Patient/p1", **UP_TO_CEILING, "$and": [{"t": "code|a|"}]}
    assert (query.sort, query.hint) == ((("updated", -1), ("_id", 1)), "t")


def test_a_day_bounds_the_date_a_type_is_listed_by() -> None:
    query = planned("Observation", ("patient", "p1"), ("date", "2020-01-01"))
    day = {"$gte": 1_577_836_800_000, "$lte": 1_577_923_199_999}
    assert query.filter["k.date.d"] == day
    assert query.filter["d"]["$elemMatch"]["lo"] == day


def test_a_bound_is_left_out_where_a_period_may_begin_before_it() -> None:
    assert "k.date.d" not in planned("Observation", ("patient", "p1"), ("date", "ge2020")).filter
    assert "k.authoredon.d" in planned("MedicationRequest", ("patient", "p1"), ("authoredon", "ge2020")).filter
    either = planned("MedicationRequest", ("patient", "p1"), ("authoredon", "2020-01-01,ne2020")).filter
    assert "k.authoredon.d" not in either


def of(*conditions: Any, **rest: Any) -> Query:
    return plan(SearchRequest("Observation", conditions, **rest), None, None, CEILING)


PATIENT = Clause("patient", (Tokens(("patient|Patient/p1",)),))
CODE = Clause("code", (Tokens(("code|a|",)),))


def test_what_leads_is_found_inside_what_must_all_hold() -> None:
    assert of(AllOf((PATIENT, AllOf((CODE,))))) == of(PATIENT, CODE)


def test_what_need_not_hold_does_not_lead() -> None:
    for condition in (AnyOf((PATIENT, CODE)), NotThis(PATIENT), Clause("patient", PATIENT.values, negated=True)):
        query = of(condition)
        assert query.hint is None
        assert query.sort == (("updated", -1), ("_id", 1))
    assert of(NotThis(PATIENT)).filter["deleted"] is None
    assert of(PATIENT, Clause("code", CODE.values, negated=True)).filter == {
        "pt": "p1|patient|Patient/p1",
        "t": {"$nin": ["code|a|"]},
    }


def test_what_a_composite_implies_leads_and_the_composite_still_holds() -> None:
    code = Clause("component-code", (Tokens(("component-code|a|",)),))
    query = of(PATIENT, Composed("component", (code,), (code,)))
    assert query.filter == {
        "pt": "p1|component-code|a|",
        "t": "patient|Patient/p1",
        "c": {"$elemMatch": {"e": "component", "t": "component-code|a|"}},
    }


def test_few_ids_lead_and_many_do_not() -> None:
    assert of(PATIENT, Ids(("o1",))).filter == {"t": "patient|Patient/p1", "_id": "o1"}
    many = of(PATIENT, Ids(tuple(f"o{number}" for number in range(201))))
    assert many.hint == "pt"
    assert len(many.filter["_id"]["$in"]) == 201


def test_contained_resources_are_looked_for_inside_their_containers() -> None:
    inside = {"h": {"$elemMatch": {"r": "Observation", "t": "code|a|", "i": "x"}}}
    assert of(CODE, Ids(("x",)), contained="true").filter == inside
    assert of(CODE, Ids(("x",)), contained="both").filter["$or"] == [{"t": "code|a|", "_id": "x"}, inside]
    request = SearchRequest("Observation", (CODE, Ids(("x",))), contained="both")
    query = plan(request, None, None, CEILING, container="DiagnosticReport")
    assert (query.type, query.filter) == ("DiagnosticReport", inside)


def test_contained_resources_have_no_order_of_their_own() -> None:
    with pytest.raises(FhirError) as refused:
        plan(parse("Observation", [("_contained", "true"), ("_sort", "date")], lenient=False), None, None, CEILING)
    assert refused.value.issues[0].number == 4004


def test_ids_are_looked_up_by_key() -> None:
    assert planned("Patient", ("_id", "a,b")).filter == {
        "_id": {"$in": ["a", "b"]},
        "deleted": None,
        **UP_TO_CEILING,
    }


def test_clauses_on_one_array_are_separate_conditions() -> None:
    query = planned("Patient", ("gender", "female"), ("active", "true"), ("family", "a"), ("given", "b"))
    assert query.filter == {
        "t": "gender|female|",
        "s": {"$regex": "^family\\|a"},
        **UP_TO_CEILING,
        "$and": [{"t": "active|true|"}, {"s": {"$regex": "^given\\|b"}}],
    }


def test_a_text_is_escaped_in_the_pattern() -> None:
    assert planned("Patient", ("address-city", "a.*(b|")).filter["s"] == {"$regex": "^address\\-city\\|a\\.\\*\\(b\\|"}


@pytest.mark.parametrize(
    ("sort", "order", "absent"),
    [
        ("_lastUpdated", (("updated", 1), ("_id", -1)), set()),
        ("_lastUpdated,_id", (("updated", 1), ("_id", 1)), set()),
        ("-_lastUpdated,_id", (("updated", -1), ("_id", 1)), set()),
        ("-_id,status", (("_id", -1),), set()),
        ("-date", (("k.date.d", -1), ("_id", 1)), set()),
        ("date", (("k.date.a", 1), ("_id", -1)), set()),
        ("code,-date", (("k.code.a", 1), ("k.date.d", -1), ("_id", 1)), {"k.code.a"}),
        ("-value-date", (("k.value-date.d", -1), ("_id", 1)), {"k.value-date.d"}),
    ],
)
def test_orders(sort: str, order: tuple[tuple[str, int], ...], absent: set[str]) -> None:
    query = planned("Observation", ("_sort", sort))
    assert query.sort == order
    assert query.missing_last == absent


def beyond(sort: str, *keys: Any, pairs: tuple[tuple[str, str], ...] = ()) -> dict[str, Any]:
    after = Position((*keys, "r1"), "r1")
    return planned("Observation", ("_sort", sort), *pairs, after=after).filter


def test_a_next_page_begins_after_the_row_by_equalities_the_index_can_seek() -> None:
    assert beyond("-date", 5)["$or"] == [{"k.date.d": {"$lt": 5}}, {"k.date.d": 5, "_id": {"$gt": "r1"}}]
    assert beyond("_id")["_id"] == {"$gt": "r1"}
    assert planned("Observation", ("_sort", "-_id"), after=Position(("r1",), "r1")).filter["_id"] == {"$lt": "r1"}


def test_rows_without_a_value_come_after_all_that_have_one() -> None:
    for sort, operator, field in (("code", "$gt", "k.code.a"), ("-code", "$lt", "k.code.d")):
        assert beyond(sort, "x")["$or"] == [
            {field: {operator: "x"}},
            {field: None},
            {field: "x", "_id": {"$gt": "r1"}},
        ]
        found = beyond(sort, None)
        assert found[field] is None
        assert found["_id"] == {"$gt": "r1"}


def test_mixed_directions_compare_key_by_key() -> None:
    assert beyond("-date,_lastUpdated", 5, CEILING)["$or"] == [
        {"k.date.d": {"$lt": 5}},
        {"k.date.d": 5, "updated": {"$gt": CEILING}},
        {"k.date.d": 5, "updated": CEILING, "_id": {"$gt": "r1"}},
    ]


def test_merged_index_scans_get_a_bound_of_their_own() -> None:
    filter = beyond("-date", 5, pairs=(("patient", "p1,p2"),))
    assert filter["k.date.d"] == {"$lte": 5}
    assert "k.date.d" not in beyond("-date", 5, pairs=(("patient", "p1"),))


def test_a_position_of_another_order_is_refused() -> None:
    for keys in ((), (CEILING,)):
        with pytest.raises(FhirError) as refused:
            beyond("-date", *keys)
        assert refused.value.issues[0].number == 4005


def test_about_stands_still_while_pages_are_turned() -> None:
    query = planned("Observation", ("date", "ap2020"))
    assert query.filter["d"] == planned("Observation", ("date", "ap2020")).filter["d"]
    moved = plan(parse("Observation", [("date", "ap2020")], False), CEILING, None, datetime(2030, 1, 1, tzinfo=UTC))
    assert moved.filter["d"] != query.filter["d"]
