"""The examples of docs/http.md, each sent as it stands."""

import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pymongo import MongoClient

from fhir_server.interactions.expansion import MAX_CODES
from fhir_server.interactions.includes import MAX_INCLUDED
from fhir_server.interactions.joins import SCAN_BUDGET
from fhir_server.rest.context import MAX_SEARCH_BYTES
from fhir_server.search.cost import BUDGET, COUNT_BUDGET
from fhir_server.search.filter_expression import MAX_FILTER, MAX_FILTER_DEPTH
from fhir_server.search.includes import MAX_INCLUDES
from fhir_server.search.parameter_types import text
from fhir_server.search.request import MAX_LINKS, MAX_PARAMETERS, MAX_TOKENS, MAX_VALUES
from fhir_server.search.result_parameters import MAX_SORT_KEYS
from tests.conftest import start_server
from tests.require import ROOT

Json = dict[str, Any]

EXAMPLE = re.compile(r"`GET (/[^`]*[?*][^`]*)`")
LOINC, HUES = "http://loinc.org", "http://example.org/hues"

RECORDS: tuple[Json, ...] = (
    {"resourceType": "Organization", "id": "o1", "name": "Clinic"},
    {
        "resourceType": "Patient",
        "id": "p1",
        "identifier": [
            {
                "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]},
                "system": "http://example.org/mrn",
                "value": "12345",
            }
        ],
        "name": [{"family": "Testpatient", "given": ["Ada"]}],
        "gender": "female",
        "birthDate": "1980-05-05",
        "managingOrganization": {"reference": "Organization/o1"},
    },
    {
        "resourceType": "Patient",
        "id": "p2",
        "name": [{"family": "Testpatient", "given": ["Carla"]}],
        "gender": "female",
    },
    {
        "resourceType": "Encounter",
        "id": "e1",
        "status": "finished",
        "class": {"code": "AMB"},
        "subject": {"reference": "Patient/p1"},
    },
    {
        "resourceType": "Observation",
        "id": "height",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": "8302-2"}]},
        "subject": {"reference": "Patient/p1", "identifier": {"system": "http://example.org/mrn", "value": "12345"}},
        "encounter": {"reference": "Encounter/e1"},
        "effectiveDateTime": "2024-03-01T10:00:00Z",
        "valueQuantity": {"value": 170, "unit": "cm", "system": "http://unitsofmeasure.org", "code": "cm"},
    },
    {
        "resourceType": "Observation",
        "id": "fever",
        "status": "preliminary",
        "code": {"coding": [{"system": LOINC, "code": "8310-5"}]},
        "subject": {"reference": "Patient/p1"},
        "valueQuantity": {"value": 39.1, "unit": "Cel", "system": "http://unitsofmeasure.org", "code": "Cel"},
    },
    {
        "resourceType": "Observation",
        "id": "pressure",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": "85354-9"}]},
        "subject": {"reference": "Patient/p1"},
        "component": [
            {
                "code": {"coding": [{"system": LOINC, "code": "8480-6"}]},
                "valueQuantity": {"value": 150, "unit": "mmHg"},
            }
        ],
    },
    {
        "resourceType": "RiskAssessment",
        "status": "final",
        "id": "r1",
        "subject": {"reference": "Patient/p1"},
        "prediction": [{"probabilityDecimal": 0.9}],
    },
    {
        "resourceType": "Condition",
        "id": "c1",
        "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Asthma, mild</div>'},
        "code": {
            "coding": [{"system": HUES, "code": "crimson"}, {"system": "http://snomed.info/sct", "code": "195967001"}],
            "text": "Asthma",
        },
        "subject": {"reference": "Patient/p1"},
        "encounter": {"reference": "Encounter/e1"},
    },
    {"resourceType": "Procedure", "id": "pr1", "status": "completed", "subject": {"reference": "Patient/p1"}},
    {
        "resourceType": "CodeSystem",
        "id": "hues",
        "url": HUES,
        "status": "active",
        "content": "complete",
        "concept": [{"code": "red", "concept": [{"code": "crimson"}]}],
    },
    {
        "resourceType": "ValueSet",
        "id": "colours",
        "url": "http://example.org/colours",
        "status": "active",
        "compose": {"include": [{"system": HUES, "concept": [{"code": "crimson"}]}]},
    },
    {"resourceType": "Location", "id": "l1", "position": {"latitude": 42.36, "longitude": -71.05}},
    {"resourceType": "Location", "id": "l2", "partOf": {"reference": "Location/l1"}},
    {
        "resourceType": "List",
        "id": "ward",
        "status": "current",
        "mode": "working",
        "entry": [{"item": {"reference": "Patient/p1"}}],
    },
    {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "status": "active",
        "intent": "order",
        "contained": [
            {"resourceType": "Medication", "id": "a", "code": {"coding": [{"system": HUES, "code": "red"}]}},
        ],
        "medicationReference": {"reference": "#a"},
        "subject": {"reference": "Patient/p1"},
    },
)


def examples() -> list[str]:
    guide = (ROOT / "docs" / "http.md").read_text(encoding="utf-8")
    return [found.replace("\\|", "|") for found in EXAMPLE.findall(guide)]


@pytest.fixture(scope="module")
def guide(
    mongodb: MongoClient[Json], mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """A server with the records that the examples are about, and nothing else."""
    name = f"test_{uuid4().hex[:16]}"
    settings = {"FHIR_MONGODB_URI": mongodb_uri, "FHIR_MONGODB_DATABASE": name}
    started = start_server(tmp_path_factory.mktemp("guide") / "server.log", 1, settings)
    try:
        with httpx.Client(base_url=started.base, timeout=30, trust_env=False) as client:
            for record in RECORDS:
                answer = client.put(f"/{record['resourceType']}/{record['id']}", json=record)
                assert answer.status_code == 201, answer.text
            yield client
    finally:
        started.stop()
        mongodb.drop_database(name)


def test_the_limits_of_the_guide_are_those_of_the_code() -> None:
    guide = (ROOT / "docs" / "http.md").read_text(encoding="utf-8").partition("### What is refused")[2]
    for row, values in {
        "text of a search": (MAX_SEARCH_BYTES // 1024,),
        "parameters": (MAX_PARAMETERS, MAX_INCLUDES, MAX_SORT_KEYS),
        "values in one parameter": (MAX_VALUES,),
        "strings looked up in all": (MAX_TOKENS,),
        "links of a chain, `_has` included": (MAX_LINKS,),
        "`_filter`": (MAX_FILTER, MAX_FILTER_DEPTH),
        "words of `_text` and `_content`": (text.MAX_ASKED, text.MAX_DEPTH),
        "codes of a value set or a hierarchy": (MAX_CODES,),
        "included resources of a page": (MAX_INCLUDED,),
        "resources looked through for a chain over many": (SCAN_BUDGET,),
        "index entries or rows read for a page": (BUDGET, COUNT_BUDGET),
    }.items():
        said = re.search(rf"^\| {re.escape(row)} \| (.*) \|$", guide, re.MULTILINE)
        assert said is not None, row
        assert [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", said[1])] == list(values), row


def test_the_guide_has_an_example_of_most_things() -> None:
    assert len(examples()) > 35


@pytest.mark.parametrize("example", examples())
def test_an_example_of_the_guide_finds_something(guide: httpx.Client, example: str) -> None:
    answer = guide.get(example)
    assert answer.status_code == 200, f"{example}: {answer.text}"
    body = answer.json()
    if "__explain" in example:
        assert body["resourceType"] == "Parameters"
    else:
        assert body.get("entry") or body.get("total"), f"{example} finds nothing"
        issues = [entry for entry in body.get("entry", ()) if entry.get("search", {}).get("mode") == "outcome"]
        assert issues == [], f"{example}: {issues}"
