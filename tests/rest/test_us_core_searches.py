"""Every search US Core 7 requires or recommends, by GET and POST, resource by resource.

https://hl7.org/fhir/us/core/STU7/CapabilityStatement-us-core-server.html. What a search must find is worked out by a
matcher that reads the resources by hand.
"""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pymongo import MongoClient

from tests.conftest import start_server
from tests.property.naive_match import spelled
from tests.property.naive_parameters import PARAMETERS
from tests.property.naive_search import Pairs
from tests.property.served import Served, ids, put_and_read
from tests.property.us_core_records import CATEGORIES, PREFERENCES, SOCIAL_HISTORY, VITAL_SIGNS, records
from tests.property.us_core_searches import INCLUDES, MULTIPLE_OR, OPTIONAL, REQUIRED, asked_of, ways_to_ask

SEARCHES = [(type, names) for table in (REQUIRED, OPTIONAL) for type in table for names in table[type]]


@pytest.fixture(scope="module")
def us_core(
    mongodb: MongoClient[dict[str, Any]], mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """A server with two patients' records."""
    name = f"test_{uuid4().hex[:16]}"
    settings = {"FHIR_MONGODB_URI": mongodb_uri, "FHIR_MONGODB_DATABASE": name}
    running = start_server(tmp_path_factory.mktemp("us-core") / "server.log", 1, settings)
    try:
        with httpx.Client(base_url=f"{running.base}/", timeout=60, trust_env=False) as client:
            yield Served(client, put_and_read(client, running.base, records()))
    finally:
        running.stop()
        mongodb.drop_database(name)


def agrees(us_core: Served, type: str, pairs: Pairs) -> list[str]:
    """The ids found, the same by GET and POST and by hand."""
    expected = us_core.expected(type, pairs)
    asked = [*pairs, ("_count", "200")]
    for bundle in (us_core.get(type, asked), us_core.post(type, asked)):
        assert sorted(ids(bundle)) == expected, (type, pairs)
    return expected


@pytest.mark.parametrize(("type", "names"), SEARCHES)
def test_a_search_of_us_core_finds_what_matches_and_only_that(us_core: Served, type: str, names: str) -> None:
    sample = us_core.world.records[type]
    # Observations are many and alike.
    sample = sample[:: max(1, len(sample) // 12)]
    count = narrowed = 0
    for stored in sample:
        for pairs in asked_of(stored, names):
            found = agrees(us_core, type, pairs)
            assert stored.id in found, (type, pairs)
            count += 1
            narrowed += len(found) < len(us_core.world.records[type])
    assert count and narrowed, f"{type} has nothing to ask {names} for"


@pytest.mark.parametrize(
    ("code", "category"),
    [(code, "vital-signs") for code in VITAL_SIGNS]
    + [(code, "social-history") for code in SOCIAL_HISTORY]
    + list(PREFERENCES.items())
    + [(f"{place}00-1", category) for place, category in enumerate(CATEGORIES, 1)]
    + [("76690-7", None)],
)
def test_every_observation_profile_is_found_by_code_and_by_category(
    us_core: Served, code: str, category: str | None
) -> None:
    assert len(agrees(us_core, "Observation", [("patient", "p1"), ("code", code)])) == 2
    assert len(agrees(us_core, "Observation", [("patient", "Patient/p1"), ("code", f"http://loinc.org|{code}")])) == 2
    if category is not None:
        found = agrees(us_core, "Observation", [("patient", "p1"), ("category", category)])
        assert f"obs-{code}-1-0" in found
        for date in ("gt2023-02-28", "ge2023-03-01", "lt2023-03-02T00:00:00Z", "le2023-03-01", "2023-03-01"):
            agrees(us_core, "Observation", [("patient", "p1"), ("category", category), ("date", date)])
            agrees(us_core, "Observation", [("patient", "p1"), ("code", code), ("date", date)])


@pytest.mark.parametrize(("type", "name"), MULTIPLE_OR.items())
def test_a_list_of_values_finds_what_each_finds(us_core: Served, type: str, name: str) -> None:
    person = [("patient", "p1")]
    mine = us_core.world.found(type, person)
    values = sorted({way for stored in mine for way in ways_to_ask(stored, name)})
    each = {id for value in values for id in agrees(us_core, type, [*person, (name, value)])}
    assert len(values) > 1
    assert set(agrees(us_core, type, [*person, (name, ",".join(values))])) == each == {stored.id for stored in mine}


@pytest.mark.parametrize(
    "type",
    [
        type
        for type, names in REQUIRED.items()
        if "patient" in names[0].split() and type != "QuestionnaireResponse"  # US Core asks for no provenance of it
    ],
)
def test_the_first_search_brings_the_provenance_of_what_it_finds(us_core: Served, type: str) -> None:
    for person in ("p1", "Patient/p2"):
        bundle = us_core.get(type, [("patient", person), ("_revinclude", "Provenance:target"), ("_count", "200")])
        found = {f"{type}/{id}" for id in ids(bundle)}
        expected = {
            stored.id
            for stored in us_core.world.records["Provenance"]
            if any(target["reference"] in found for target in stored.resource["target"])
        }
        assert sorted(ids(bundle, "include")) == sorted(expected)
        assert expected


@pytest.mark.parametrize(("type", "include"), INCLUDES.items())
def test_an_include_brings_the_medications_that_were_referred_to_and_no_others(
    us_core: Served, type: str, include: str
) -> None:
    for person in ("p1", "p2"):
        pairs = [("patient", person), ("_include", include)]
        for bundle in (us_core.get(type, pairs), us_core.post(type, pairs)):
            assert ids(bundle, "include") == [f"m{person[1]}"]
            assert sorted(ids(bundle)) == us_core.expected(type, [("patient", person)])


def test_every_search_is_narrowed_to_the_patient_it_names(us_core: Served) -> None:
    for type, names in SEARCHES:
        if names.split()[0] == "patient":
            for person in ("p1", "Patient/p1", f"{us_core.world.base}/Patient/p1"):
                bundle = us_core.get(type, [("patient", person), ("_count", "200")])
                subjects = [PARAMETERS[type]["patient"].values(entry["resource"]) for entry in bundle["entry"]]
                assert {each[0]["reference"] for each in subjects} == {"Patient/p1"}
    assert us_core.get("Observation", [("patient", "nobody")])["total"] == 0


def test_every_intent_of_a_medication_request_can_be_asked_for(us_core: Served) -> None:
    intents = [
        "proposal",
        "plan",
        "order",
        "original-order",
        "reflex-order",
        "filler-order",
        "instance-order",
        "option",
    ]
    for intent in intents:
        agrees(us_core, "MedicationRequest", [("patient", "p1"), ("intent", intent)])
    both = [("patient", "p1"), ("intent", ",".join(intents)), ("status", "active,stopped")]
    assert len(agrees(us_core, "MedicationRequest", both)) == 2


def test_every_status_stands_in_a_code_with_its_system(us_core: Served) -> None:
    systems = {
        "Encounter": "http://hl7.org/fhir/encounter-status",
        "Immunization": "http://hl7.org/fhir/event-status",
        "MedicationRequest": "http://hl7.org/fhir/CodeSystem/medicationrequest-status",
        "Observation": "http://hl7.org/fhir/observation-status",
    }
    for type, system in systems.items():
        for stored in us_core.world.records[type][:3]:
            status = spelled(stored.resource["status"])
            found = us_core.get(type, [("status", f"{system}|{status}"), ("_count", "200")])
            assert sorted(ids(found)) == us_core.expected(type, [("status", status)]), (type, status)
