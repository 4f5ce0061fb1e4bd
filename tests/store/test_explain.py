"""What the searches of US Core read by MongoDB's count: at most three keys a row, and no sort in memory where a patient
is named.
"""

import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest
import pytest_asyncio
from msgspec.structs import replace

from fhir_server.interactions import explanation
from fhir_server.interactions.context import RequestContext
from fhir_server.interactions.joins import Resolved
from fhir_server.interactions.merging import Part
from fhir_server.interactions.reading import Reading
from fhir_server.search.page import Position
from fhir_server.search.parse import parse
from fhir_server.search.plan import plan
from fhir_server.search.query import Query
from fhir_server.search.sort_keys import INDEXED_SORT
from fhir_server.store import cost, mongo, search
from fhir_server.store.explain import Explained, explain
from fhir_server.store.mongo import Database
from tests.store.plans import indexed, write
from tests.vaults import vault

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PATIENTS = 12
EACH = 48
"""Resources of each type and patient, a month between one and the next."""

Pairs = list[tuple[str, str]]


def concept(*codes: str) -> dict[str, Any]:
    return {"coding": [{"system": "http://example.org/codes", "code": code} for code in codes]}


def record(n: int, patient: int) -> Iterator[dict[str, Any]]:
    """The n-th resource of each type of a patient."""
    day = (date(2022, 1, 1) + timedelta(days=30 * n)).isoformat()
    moment = f"{day}T08:00:00Z"
    subject = {"reference": f"Patient/p{patient}"}
    whose = {"id": f"p{patient}-{n}", "subject": subject}
    category = [concept(("laboratory", "vital-signs")[n % 2])]
    code = concept(f"code{n % 8}")
    status = ("final", "amended")[n % 2]
    done = ("completed", "active")[n % 2]
    encounter = {"reference": f"Encounter/p{patient}-{n}"}
    yield {"resourceType": "Observation", **whose, "status": status, "category": category, "code": code} | {
        "effectiveDateTime": moment
    }
    yield {"resourceType": "DiagnosticReport", **whose, "status": status, "category": category, "code": code} | {
        "effectivePeriod": {"start": moment, "end": moment}
    }
    yield {"resourceType": "Condition", **whose, "category": category, "code": code, "encounter": encounter} | {
        "recordedDate": day,
        "onsetDateTime": day,
        "clinicalStatus": concept("active"),
    }
    yield {"resourceType": "DocumentReference", **whose, "status": "current", "type": code, "category": category} | {
        "date": moment,
        "content": [{"attachment": {"url": "http://example.org/note"}}],
        "context": {"period": {"start": moment, "end": moment}},
    }
    yield {"resourceType": "Encounter", **whose, "status": "finished", "class": {"code": "AMB"}, "type": [code]} | {
        "period": {"start": moment, "end": moment}
    }
    yield {"resourceType": "MedicationRequest", **whose, "status": done, "intent": "order", "authoredOn": day} | {
        "medicationCodeableConcept": code,
        "encounter": encounter,
    }
    yield {"resourceType": "MedicationDispense", **whose, "status": done, "whenHandedOver": day, "type": code} | {
        "medicationCodeableConcept": code
    }
    yield {"resourceType": "Procedure", **whose, "status": "completed", "code": code, "performedDateTime": day}
    yield {"resourceType": "ServiceRequest", **whose, "status": done, "intent": "order", "code": code} | {
        "category": category,
        "authoredOn": day,
    }
    yield {"resourceType": "CarePlan", **whose, "status": done, "intent": "plan", "category": category}
    yield {"resourceType": "CareTeam", **whose, "status": ("active", "inactive")[n % 2]}
    yield {"resourceType": "Goal", **whose, "lifecycleStatus": done, "description": code, "startDate": day}
    yield {
        "resourceType": "Coverage",
        "id": whose["id"],
        "status": "active",
        "beneficiary": subject,
        "payor": [subject],
    }
    for type, name in (("AllergyIntolerance", "recordedDate"), ("Immunization", "occurrenceDateTime")):
        yield {"resourceType": type, "id": whose["id"], "patient": subject, name: day, "status": "completed"}
    yield {"resourceType": "Device", "id": whose["id"], "patient": subject, "type": code, "status": "active"}


def directory() -> Iterator[dict[str, Any]]:
    """People and places, each name and city borne by one in 20."""
    for n in range(240):
        family, city = f"Family{n % 20}", f"City{n % 20}"
        person = {"id": f"d{n}", "name": [{"family": family, "given": [f"Given{n % 30}"]}]}
        born = (date(1950, 1, 1) + timedelta(days=31 * n)).isoformat()
        gender = ("female", "male")[n // 20 % 2]
        number = [{"system": "http://example.org/id", "value": f"N{n}"}]
        yield {"resourceType": "Patient", **person, "birthDate": born, "gender": gender, "identifier": number}
        yield {"resourceType": "Practitioner", **person, "identifier": number}
        for type in ("Organization", "Location"):
            address: Any = {"city": city}
            place = {"id": f"d{n}", "name": f"{family} {type}"}
            yield {"resourceType": type, **place, "address": [address] if type == "Organization" else address}


@pytest_asyncio.fixture(scope="module")
async def population(mongodb_uri: str) -> AsyncIterator[Database]:
    database = mongo.connect(mongodb_uri, f"test_{uuid4().hex[:16]}", vault=vault())
    by_type: dict[str, list[dict[str, Any]]] = {}
    for patient in range(PATIENTS):
        for n in range(EACH):
            for made in record(n, patient):
                by_type.setdefault(made["resourceType"], []).append(made)
    for made in directory():
        by_type.setdefault(made["resourceType"], []).append(made)
    for resources in by_type.values():
        for start in range(0, len(resources), 200):
            await write(database, *map(indexed, resources[start : start + 200]))
    yield database
    await database.client.drop_database(database.name)
    await mongo.close(database)


def planned(type: str, pairs: Pairs, after: Position | None = None, count: int = 50) -> Query:
    request = replace(parse(type, [*pairs, ("_count", str(count))], lenient=False), explain=True)
    return plan(request, None, after, NOW)


async def read(database: Database, type: str, pairs: Pairs) -> Explained:
    found = await explain(database, planned(type, pairs))
    assert found.returned > 0, (type, pairs)
    assert found.keys <= 3 * found.returned, (type, pairs, found)
    assert "COLLSCAN" not in found.stages
    return found


P = ("patient", "p3")
CATEGORY, CODE = ("category", "laboratory"), ("code", "http://example.org/codes|code2")
BY_PATIENT: dict[str, list[Pairs]] = {
    "AllergyIntolerance": [[P]],
    "CarePlan": [[P, CATEGORY], [P, CATEGORY, ("status", "completed")]],
    "CareTeam": [[P, ("status", "active")]],
    "Condition": [[P], [P, CATEGORY], [P, CODE], [P, ("recorded-date", "ge2023")], [P, ("onset-date", "ge2023")]],
    "Coverage": [[P]],
    "Device": [[P], [P, ("type", "code2")], [P, ("status", "active")]],
    "DiagnosticReport": [[P], [P, CATEGORY], [P, CODE], [P, CATEGORY, ("date", "ge2023")], [P, ("status", "final")]],
    "DocumentReference": [[P], [P, ("type", "code2")], [P, CATEGORY], [P, CATEGORY, ("date", "le2024")]],
    "Encounter": [[P], [P, ("date", "ge2023")], [P, ("type", "code2")], [P, ("class", "AMB")]],
    "Goal": [[P], [P, ("lifecycle-status", "active")]],
    "Immunization": [[P], [P, ("date", "lt2024")], [P, ("status", "completed")]],
    "MedicationDispense": [[P], [P, ("status", "active")], [P, ("status", "completed"), ("type", "code2")]],
    "MedicationRequest": [
        [P, ("intent", "order")],
        [P, ("intent", "order"), ("status", "active")],
        [P, ("intent", "proposal,plan,order,original-order,reflex-order,filler-order,instance-order,option")],
        [P, ("encounter", "Encounter/p3-4"), ("intent", "order")],
        [P, ("intent", "order"), ("authoredon", "2022-01-01")],
    ],
    "Observation": [
        [P, CODE],
        [P, ("code", "code1,code2,code3")],
        [P, CATEGORY],
        [P, CATEGORY, ("date", "2023-02-25")],
        [P, CATEGORY, ("date", "ge2023"), ("date", "le2024-12-31")],
        [P, CODE, ("date", "gt2023")],
        [P, CATEGORY, ("status", "final")],
        [P, CATEGORY, ("_lastUpdated", "ge2020")],
        [("subject", "p3"), CODE],
        [("subject", "Patient/p3"), CATEGORY],
        [("patient", "p3,p4"), CODE],
    ],
    "Procedure": [[P], [P, ("date", "ge2023")], [P, CODE, ("date", "ge2022-06")], [P, ("status", "completed")]],
    "ServiceRequest": [[P], [P, CODE], [P, CATEGORY], [P, CATEGORY, ("authored", "sa2023")], [P, ("status", "active")]],
}
ALL_BY_PATIENT = [(type, pairs) for type, each in BY_PATIENT.items() for pairs in each]


@pytest.mark.parametrize(("type", "pairs"), ALL_BY_PATIENT)
async def test_a_patients_resources_are_read_in_the_order_of_an_index(
    population: Database, type: str, pairs: Pairs
) -> None:
    found = await read(population, type, pairs)
    assert not found.in_memory_sort


@pytest.mark.parametrize(("type", "pairs"), ALL_BY_PATIENT)
async def test_so_are_they_oldest_first_and_by_last_update(population: Database, type: str, pairs: Pairs) -> None:
    sorts = [f"{sign}{key}" for key in (INDEXED_SORT.get(type), "_lastUpdated") if key for sign in ("", "-")]
    for sort in sorts:
        found = await explain(population, planned(type, [*pairs, ("_sort", sort)]))
        assert found.returned > 0
        assert "COLLSCAN" not in found.stages
        assert not found.in_memory_sort, (sort, found)
        if "_lastUpdated" not in sort:
            assert found.keys <= 3 * found.returned, (sort, found)


@pytest.mark.parametrize("sort", ["", "date", "-date", "_lastUpdated", "-_lastUpdated"])
@pytest.mark.parametrize("patients", ["p3", "p3,p4"])
async def test_the_next_page_reads_no_more_than_the_first(population: Database, sort: str, patients: str) -> None:
    pairs = [("patient", patients), *([("_sort", sort)] if sort else [])]
    first = await search.find(population, planned("Observation", pairs, count=10))
    after = Position(first.rows[9].keys, first.rows[9].id)
    found = await explain(population, planned("Observation", pairs, after, count=10))
    assert not found.in_memory_sort
    assert found.keys <= 3 * found.returned, found


@pytest.mark.parametrize(
    ("type", "pairs"),
    [
        ("Patient", [("_id", "d5")]),
        ("Patient", [("identifier", "http://example.org/id|N7")]),
        ("Patient", [("name", "family5")]),
        ("Patient", [("name", "family5"), ("birthdate", "1950-06-05")]),
        ("Patient", [("name", "family5"), ("gender", "female")]),
        ("Practitioner", [("name", "family5")]),
        ("Practitioner", [("identifier", "N7")]),
        ("Organization", [("name", "family5 org")]),
        ("Organization", [("address", "city5")]),
        ("Location", [("name", "family5 loc")]),
        ("Location", [("address", "city5")]),
        ("Encounter", [("_id", "p3-4")]),
        ("Observation", [CODE]),
    ],
)
async def test_no_more_than_three_keys_are_read_for_a_row(population: Database, type: str, pairs: Pairs) -> None:
    await read(population, type, pairs)


async def drawn(database: Database, type: str, pairs: Pairs) -> dict[str, Any]:
    """The explanation a client gets."""
    request = parse(type, pairs, lenient=False)
    reading = Reading(cast(RequestContext, SimpleNamespace(server=SimpleNamespace(database=database))), NOW)
    part = Part(type, Resolved(request))
    answer = await explanation.explained(reading, request, [part], [plan(request, None, None, NOW)])
    assert answer.body is not None
    return json.loads(answer.body)


def values(parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {part["name"]: value for part in parts for name, value in part.items() if name.startswith("value")}


async def test_a_client_is_told_the_plan_without_the_values_of_its_search(population: Database) -> None:
    found = await drawn(population, "Observation", [P, CODE, ("date", "ge2020"), ("_count", "7")])
    assert found["resourceType"] == "Parameters"
    whole = values(found["parameter"])
    assert (whole["pageSize"], whole["answered"], whole["estimatedKeys"]) == (7, True, 6)
    (query,) = (each["part"] for each in found["parameter"] if each["name"] == "query")
    told = values(query)
    assert (told["type"], told["index"], told["order"]) == ("Observation", "pt", "-k.date.d, _id")
    assert told["filter"].startswith("{pt: ?, t: ?, $or: [{d: {$elemMatch: {p: date, lo: {$gte: ?")
    assert (told["keysExamined"], told["returned"], told["sortedInMemory"]) == (6, 6, False)
    for secret in ("p3", "code2", "2020"):
        assert secret not in json.dumps(found)


async def test_a_search_that_would_be_refused_is_explained_and_not_run(
    population: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost, "BUDGET", 20)
    found = await drawn(population, "Observation", [("code:not", "x"), ("_sort", "status")])
    assert values(found["parameter"])["answered"] is False
    (query,) = (each["part"] for each in found["parameter"] if each["name"] == "query")
    told = values(query)
    assert told["estimatedKeys"] > 20
    assert "$sort" in told["stages"] or "SORT" in told["stages"]
    assert "keysExamined" not in told


async def test_an_explanation_names_stages_indexes_and_what_was_expected(population: Database) -> None:
    found = await explain(population, planned("Observation", [P, CODE]))
    assert found.indexes == ("pt",)
    assert found.stages[-1] == "IXSCAN"
    assert (found.returned, found.keys, found.documents) == (6, 6, 6)
    assert (found.estimated_keys, found.rows) == (6, PATIENTS * EACH)
    by_code = await explain(population, planned("Observation", [("_sort", "code")]))
    assert by_code.in_memory_sort
    assert "$sort" in by_code.stages or "SORT" in by_code.stages
