"""Searches over records that nobody here wrote find, resource by resource, what a matcher by hand finds.

The smallest of the Synthea transaction Bundles (tests/require.py says where they are looked for).
"""

import gzip
from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pymongo import MongoClient

from tests.conftest import start_server
from tests.property.generated_searches import pair
from tests.property.naive_parameters import COMPOSITES, PARAMETERS
from tests.property.naive_search import Pairs, World
from tests.property.served import Served, ids, read
from tests.property.us_core_searches import OPTIONAL, REQUIRED, asked_of
from tests.require import require_data

BUNDLES = 5
TYPES = ["CarePlan", "Condition", "DiagnosticReport", "Encounter", "Immunization", "MedicationRequest", "Observation",
         "Organization", "Patient", "Practitioner", "Procedure"]  # fmt: skip
"""Those of the table by hand that the Bundles hold."""
NOT_HELD = {
    ("Condition", "patient asserted-date"),
    ("Condition", "patient category"),
    ("Condition", "patient category clinical-status"),
    ("Condition", "patient category encounter"),
    ("Encounter", "identifier"),
    ("Encounter", "patient location"),
}
"""What Synthea leaves out; tests/rest/test_us_core_searches.py has records with it."""
SEARCHES = [
    (type, names)
    for table in (REQUIRED, OPTIONAL)
    for type in TYPES
    for names in table.get(type, ())
    if (type, names) not in NOT_HELD
]


@pytest.fixture(scope="module")
def synthea(
    mongodb: MongoClient[dict[str, Any]], mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """A server that was sent the Bundles as they are."""
    files = sorted(require_data("synthea").glob("*.json.gz"), key=lambda file: file.stat().st_size)[:BUNDLES]
    name = f"test_{uuid4().hex[:16]}"
    settings = {"FHIR_MONGODB_URI": mongodb_uri, "FHIR_MONGODB_DATABASE": name}
    running = start_server(tmp_path_factory.mktemp("synthea") / "server.log", 1, settings)
    try:
        with httpx.Client(base_url=f"{running.base}/", timeout=120, trust_env=False) as client:
            made: dict[str, list[dict[str, Any]]] = {}
            for file in files:
                body = gzip.decompress(file.read_bytes())
                answer = client.post("", content=body, headers={"content-type": "application/fhir+json"}).json()
                for entry in answer["entry"]:
                    type, id = entry["response"]["location"].split("/_history")[0].split("/")[-2:]
                    made.setdefault(type, []).append({"id": id})
            records = {type: read(client, type, made[type]) for type in made}
            yield Served(client, World(running.base, datetime.now(UTC), records))
    finally:
        running.stop()
        mongodb.drop_database(name)


def found(synthea: Served, type: str, pairs: Pairs) -> list[str]:
    """Of all pages, sorted."""
    return sorted(id for page in synthea.pages(type, [*pairs, ("_count", "1000")]) for id in page)


@pytest.mark.parametrize(("type", "names"), SEARCHES)
def test_a_search_of_us_core_finds_what_matches_and_only_that(synthea: Served, type: str, names: str) -> None:
    held = synthea.world.records.get(type, [])
    sample = Random(7).sample(held, min(len(held), 6))
    asked = [(each, pairs) for each in sample for pairs in list(asked_of(each, names))[:8]]
    assert asked, f"these records have no {type} with {names}"
    for each, pairs in asked:
        if not (type == "Patient" and names == "identifier"):
            # An SSN is one number with dashes and without, which the matcher by hand does not know.
            assert found(synthea, type, pairs) == synthea.expected(type, pairs), pairs
        assert each.id in found(synthea, type, pairs), pairs


@pytest.mark.parametrize("type", TYPES)
@pytest.mark.parametrize("seed", range(4))
def test_any_search_finds_what_matches_and_only_that(synthea: Served, type: str, seed: int) -> None:
    choice = Random(seed)
    records = synthea.world.records[type]
    names = [name for name in (*PARAMETERS[type], *COMPOSITES.get(type, {})) if name != "identifier"]
    for name in choice.sample(names, min(len(names), 8)):
        pairs = [pair(choice.choice, type, name, choice.sample(records, min(len(records), 30)), synthea.world.base)]
        assert found(synthea, type, pairs) == synthea.expected(type, pairs), pairs


@pytest.mark.parametrize("sort", ["date", "-date", "code,-date", "-value-quantity", "_lastUpdated,-_id", "status"])
def test_a_patients_observations_come_in_the_order_asked_for_on_pages_of_any_size(synthea: Served, sort: str) -> None:
    person = synthea.world.records["Patient"][0].id
    for count in (7, 100, 1000):
        pages = synthea.pages("Observation", [("patient", person), ("_sort", sort), ("_count", str(count))])
        together = [id for page in pages for id in page]
        assert synthea.in_order("Observation", [("patient", person)], sort, together), count


CHAINS = [
    ("Observation", "subject:Patient.gender", "female"),
    ("Observation", "encounter.class", "AMB"),
    ("Observation", "encounter.service-provider.name:contains", "hospital"),
    ("MedicationRequest", "patient.birthdate", "gt1970"),
    ("DiagnosticReport", "patient._has:Condition:patient:clinical-status", "active"),
    ("Patient", "_has:Observation:patient:code", "http://loinc.org|8302-2"),
    ("Patient", "_has:Observation:patient:value-quantity", "gt180|http://unitsofmeasure.org|cm"),
    ("Encounter", "_has:Observation:encounter:component-code-value-quantity", "8480-6$gt130"),
    ("Patient", "_has:Encounter:patient:_has:Condition:encounter:clinical-status", "active"),
]


@pytest.mark.parametrize(("type", "name", "value"), CHAINS)
def test_a_search_across_records_finds_what_matches_and_only_that(
    synthea: Served, type: str, name: str, value: str
) -> None:
    assert found(synthea, type, [(name, value)]) == synthea.expected(type, [(name, value)])


def test_the_whole_of_a_type_is_found_once(synthea: Served) -> None:
    for type, records in synthea.world.records.items():
        assert found(synthea, type, []) == sorted(each.id for each in records)
        assert synthea.get(type, [("_summary", "count")])["total"] == len(records)
        assert ids(synthea.get(type, [("_id", records[0].id)])) == [records[0].id]
