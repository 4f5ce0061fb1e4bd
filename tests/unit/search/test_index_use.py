"""How MongoDB runs planned searches: out of an index, in its order, whatever page is asked for."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from pymongo import MongoClient
from pymongo.collection import Collection

from fhir_server.definitions.search_parameters import search_parameters
from fhir_server.search.page import Position
from fhir_server.search.parse import parse
from fhir_server.search.plan import plan
from fhir_server.search.predicate import all_of, predicate
from fhir_server.search.query import Query
from fhir_server.store.indexes import current_indexes
from tests.unit.search.matching import row, takes

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROWS = 6000
PAGE = 20

BY_PATIENT: list[list[tuple[str, str]]] = [
    [("patient", "p1")],
    [("patient", "Patient/p1")],
    [("subject:Patient", "p1")],
    [("patient", "p1"), ("_sort", "-date")],
    [("patient", "p1"), ("code", "http://loinc.org|c1")],
    [("patient", "p1"), ("code", "c1")],
    [("patient", "p1"), ("category", "vital-signs")],
    [("patient", "p1"), ("category", "vital-signs"), ("status", "final")],
    [("patient", "p1"), ("category", "vital-signs"), ("date", "ge2020")],
    [("patient", "p1"), ("code", "c1,c2,c3")],
    [("patient", "p1,p2,p3")],
    [("patient", "p1,p2"), ("code", "c1,c2,c3")],
]
OTHERS: list[list[tuple[str, str]]] = [
    [],
    [("_lastUpdated", "le2026-01-01")],
    [("code", "http://loinc.org|c1")],
    [("category", "vital-signs")],
    [("code", "c1,c2")],
    [("encounter", "Encounter/e7")],
    [("_id", "o1,o2,o3")],
]


@pytest.fixture(scope="module")
def observations(mongodb: MongoClient[dict[str, Any]]) -> Iterator[Collection[dict[str, Any]]]:
    name = f"test_{uuid4().hex[:16]}"
    collection = mongodb[name]["Observation"]
    for index in current_indexes("Observation"):
        collection.create_index(list(index.fields), name=index.name, sparse=index.is_sparse)
    choice = Random(5)
    # A load of a thousand resources in one transaction gives all of them one moment.
    collection.insert_many(
        row(_observation(choice), f"o{number}", NOW - timedelta(seconds=number // 1000)) for number in range(ROWS)
    )
    yield collection
    mongodb.drop_database(name)


def _observation(choice: Random) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [{"code": "vital-signs"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": f"c{choice.randrange(6)}"}]},
        "subject": {"reference": f"Patient/p{choice.randrange(8)}"},
        "encounter": {"reference": f"Encounter/e{choice.randrange(100)}"},
        "effectiveDateTime": f"20{choice.randrange(20, 25)}-0{choice.randrange(1, 10)}-01",
    }


def _query(pairs: list[tuple[str, str]], after: Position | None) -> Query:
    return plan(parse("Observation", [*pairs, ("_count", str(PAGE))], lenient=False), NOW, after, NOW)


def _run(collection: Collection[dict[str, Any]], query: Query) -> tuple[int, int, set[str]]:
    """Rows, index keys read, and the stages of the plan that won."""
    cursor = collection.find(query.filter, sort=list(query.sort), limit=query.limit)
    explained = (cursor.hint(query.hint) if query.hint else cursor).explain()
    ran = explained["executionStats"]
    return ran["nReturned"], ran["totalKeysExamined"], set(_stages(explained["queryPlanner"]["winningPlan"]))


def _stages(stage: dict[str, Any]) -> Iterator[str]:
    yield stage["stage"]
    for inner in [*stage.get("inputStages", ()), *([stage["inputStage"]] if "inputStage" in stage else ())]:
        yield from _stages(inner)


def _deep(collection: Collection[dict[str, Any]], query: Query) -> Position:
    """A row far into the result, where a late page would begin."""
    matching = collection.count_documents(query.filter)
    cursor = collection.find(query.filter, sort=list(query.sort)).skip(max(matching - 2 * PAGE, 0) // 2)
    found = next(cursor)
    keys = []
    for field, _ in query.sort:
        value: Any = found
        for name in field.split("."):
            value = value[name]
        keys.append(value.replace(tzinfo=UTC) if isinstance(value, datetime) else value)
    return Position(tuple(keys), found["_id"])


@pytest.mark.parametrize("pairs", [*BY_PATIENT, *OTHERS], ids=lambda pairs: "&".join("=".join(pair) for pair in pairs))
@pytest.mark.parametrize("is_deep", [False, True], ids=["first page", "late page"])
def test_few_keys_are_read_for_each_row_and_no_collection_is_scanned(
    observations: Collection[dict[str, Any]], pairs: list[tuple[str, str]], is_deep: bool
) -> None:
    after = _deep(observations, _query(pairs, None)) if is_deep else None
    rows, keys, stages = _run(observations, _query(pairs, after))
    assert "COLLSCAN" not in stages
    if pairs in BY_PATIENT or "_id" not in dict(pairs):
        assert "SORT" not in stages
    # Each of several merged scans reads one key ahead; among rows of one moment they read those before the page anew.
    merged = max((len(value.split(",")) for _, value in pairs), default=1)
    if is_deep and merged > 1 and pairs not in BY_PATIENT:
        return
    assert keys <= 3 * max(rows, 1) + 2 * merged * len(pairs)


def test_a_text_reads_only_the_keys_that_start_with_it(mongodb: MongoClient[dict[str, Any]]) -> None:
    name = f"test_{uuid4().hex[:16]}"
    collection = mongodb[name]["Patient"]
    collection.create_index([("s", 1), ("_id", 1)], name="s")
    families = [f"{start}{number:04}" for start in ("Smith", "O'Brien (", "Ångström ") for number in range(500)]
    collection.insert_many(
        row({"resourceType": "Patient", "name": [{"family": family}]}, f"p{number}")
        for number, family in enumerate(families)
    )
    for asked in ("smith000", "o'brien (000", "ANGSTROM 000"):
        query = plan(parse("Patient", [("family", asked)], lenient=False), NOW + timedelta(days=1), None, NOW)
        ran = collection.find(query.filter).explain()["executionStats"]
        assert (ran["nReturned"], ran["totalKeysExamined"]) == (10, 11) or ran["totalKeysExamined"] <= 12
        assert ran["nReturned"] == 10
    mongodb.drop_database(name)


def test_one_day_of_many_years_reads_that_day(observations: Collection[dict[str, Any]]) -> None:
    for asked in ("2021-05-01", "eq2021-05", "ge2024-09", "lt2020-02", "sa2024-08-15", "eb2020-01-15"):
        query = plan(parse("Observation", [("date", asked)], lenient=False), NOW, None, NOW)
        ran = observations.find(query.filter).explain()["executionStats"]
        assert 0 < ran["nReturned"] <= ROWS / 20
        assert ran["totalKeysExamined"] <= 3 * ran["nReturned"] + 10


@pytest.fixture(scope="module")
def value_sets(mongodb: MongoClient[dict[str, Any]]) -> Iterator[Collection[dict[str, Any]]]:
    """2,000 rows, of which 20 are what each of ASKED looks for."""
    name = f"test_{uuid4().hex[:16]}"
    collection = mongodb[name]["ValueSet"]
    for index in current_indexes("ValueSet"):
        collection.create_index(list(index.fields), name=index.name, sparse=index.is_sparse)
    collection.insert_many(row(_value_set(number), f"v{number}", NOW) for number in range(2000))
    yield collection
    mongodb.drop_database(name)


def _value_set(number: int) -> dict[str, Any]:
    is_wanted = number % 100 == 0
    made: dict[str, Any] = {
        "resourceType": "ValueSet",
        "url": f"http://x/{'wanted' if is_wanted else 'wantedly'}/{number}",
        "title": f"Title {'of interest' if is_wanted else 'else'} {number}",
        "useContext": [
            {"code": {"code": "age"}, "valueQuantity": {"value": number}},
            {"code": {"code": "wanted" if is_wanted else "other"}, "valueQuantity": {"value": 5}},
        ],
    }
    if is_wanted:
        contained = {"resourceType": "Patient", "id": "p", "name": [{"family": "Inside"}], "active": True}
        made |= {"version": "1", "description": "Rare wording", "contained": [contained]}
    return made


def _value_filter(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    conditions = parse("ValueSet", pairs, lenient=False).conditions
    return all_of([predicate(each, NOW, search_parameters("ValueSet")) for each in conditions])


ASKED: list[tuple[dict[str, Any], str, int]] = [
    (_value_filter([("url:below", "http://x/wanted")]), "t", 22),
    (_value_filter([("url:above", "http://x/wanted/100/a/b")]), "t", 20),
    (_value_filter([("version:missing", "false")]), "t", 22),
    (_value_filter([("title:contains", "of interest")]), "s", 2002),
    (_value_filter([("title:exact", "Title of interest 100")]), "s", 3),
    (_value_filter([("context-quantity", "lt20")]), "q", 2022),
    (_value_filter([("context-quantity", "ge1980")]), "q", 23),
    (_value_filter([("context-type-quantity", "wanted$5")]), "t", 22),
    (_value_filter([("_text", "rare"), ("_content", "rare")]), "w", 2),
    (_value_filter([("_content", "rare")]), "w", 22),
    (_value_filter([("_content", "wordi*")]), "w", 23),
    ({"h": {"$elemMatch": {"r": "Patient", "t": "active|true|"}}}, "h", 22),
    ({"h": {"$elemMatch": {"r": "Patient", "s": {"$regex": "^family\\|ins"}}}}, "h", 42),
]


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: str(asked[0])[:80])
def test_each_family_reads_its_index(
    value_sets: Collection[dict[str, Any]], asked: tuple[dict[str, Any], str, int]
) -> None:
    filter, index, keys = asked
    explained = value_sets.find(filter).explain()
    assert index in set(_indexes(explained["queryPlanner"]["winningPlan"]))
    assert explained["executionStats"]["totalKeysExamined"] <= keys


def _indexes(stage: dict[str, Any]) -> Iterator[str]:
    if "indexName" in stage:
        yield stage["indexName"]
    for inner in [*stage.get("inputStages", ()), *([stage["inputStage"]] if "inputStage" in stage else ())]:
        yield from _indexes(inner)


def test_filters_mean_to_the_tests_what_they_mean_to_mongodb(mongodb: MongoClient[dict[str, Any]]) -> None:
    name = f"test_{uuid4().hex[:16]}"
    collection = mongodb[name]["ValueSet"]
    rows = [row(_value_set(number), f"v{number}", NOW) for number in (0, 1, 5, 100)]
    rows.append(row({"resourceType": "ValueSet"}, "empty", NOW))
    collection.insert_many(rows)
    filters = [filter for filter, _, _ in ASKED]
    filters += [{"$nor": [filter]} for filter in filters]
    for code, parameter in search_parameters("ValueSet").items():
        if parameter.expression is not None:
            filters += [_value_filter([(f"{code}:missing", sent)]) for sent in ("true", "false")]
    filters += [_value_filter(pairs) for pairs in ([("context:not", "x")], [("url:below", "http://x/wanted/")])]
    for filter in filters:
        found = {each["_id"] for each in collection.find(filter)}
        assert found == {each["_id"] for each in rows if takes(filter, each)}, filter
    mongodb.drop_database(name)
