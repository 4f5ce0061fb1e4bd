"""A C-CDA is what HL7's XML schema of CDA documents allows, with the extensions of C-CDA, whatever the record holds.

https://www.hl7.org/implement/standards/product_brief.cfm?product_id=492
"""

import gzip
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from zipfile import ZipFile

import pytest
from hypothesis import given, settings
from lxml import etree

from fhir_server.core import codec
from fhir_server.core.resource import Resource
from fhir_server.definitions.owners import owner_rule
from fhir_server.formats.ccd import ccd
from fhir_server.formats.chart import Chart
from fhir_server.interactions.patient_record import RECORD_TYPES
from seeds.population import demo
from tests.require import require_cda_schema, require_data
from tests.unit.formats.hostile_charts import BASE, MADE, charts

TODAY = date(2026, 11, 22)


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> etree.XMLSchema:
    folder: Path = tmp_path_factory.mktemp("schema")
    with ZipFile(require_cda_schema()) as jar:
        jar.extractall(folder, [name for name in jar.namelist() if name.startswith("schema/ccda/")])
    return etree.XMLSchema(etree.parse(folder / "schema/ccda/infrastructure/cda/CDA_SDTC.xsd"))


def faults(schema: etree.XMLSchema, document: bytes) -> list[str]:
    schema.validate(etree.fromstring(document))
    return [f"{each.line}: {each.message}" for each in schema.error_log]


def records(resources: Iterable[Resource]) -> Iterator[Chart]:
    """The chart of every patient among resources that refer to each other by `Type/id`."""
    by_place = {f"{each['resourceType']}/{each['id']}": each for each in resources}
    owned: dict[str, dict[str, list[Resource]]] = defaultdict(lambda: defaultdict(list))
    for each in by_place.values():
        type = each["resourceType"]
        named = [(each.get(path) or {}) for path in owner_rule(type).paths if isinstance(each.get(path), dict)]
        if type in RECORD_TYPES and named and "reference" in named[0]:
            owned[named[0]["reference"]][type].append(each)
    for place, patient in by_place.items():
        if place.startswith("Patient/"):
            yield Chart(patient, owned[place], by_place, frozenset(RECORD_TYPES), (BASE,))


@settings(max_examples=150, deadline=None)
@given(chart=charts())
def test_whatever_people_wrote_keeps_to_the_schema(schema: etree.XMLSchema, chart: Chart) -> None:
    assert faults(schema, ccd(chart, MADE)) == []


def test_every_person_of_the_demo_keeps_to_the_schema(schema: etree.XMLSchema) -> None:
    charts = list(records(codec.decode(codec.encode(each)) for each in demo(TODAY)))
    assert len(charts) > 20
    assert sum(len(chart.of("Observation")) > 0 for chart in charts) > 10
    for chart in charts:
        assert faults(schema, ccd(chart, MADE)) == [], chart.patient["id"]


def test_records_of_another_maker_keep_to_the_schema(schema: etree.XMLSchema) -> None:
    for file in sorted(require_data("synthea").glob("*.json.gz")):
        text = gzip.decompress(file.read_bytes()).decode()
        for entry in codec.decode(text.encode())["entry"]:
            place = f"{entry['resource']['resourceType']}/{entry['resource']['id']}"
            text = text.replace(f'"{entry["fullUrl"]}"', f'"{place}"')
        made = [entry["resource"] for entry in codec.decode(text.encode())["entry"]]
        charts = list(records(made))
        assert len(charts) == 1
        assert sum(map(len, charts[0].resources.values())) > 20, file.name
        assert faults(schema, ccd(charts[0], MADE)) == [], file.name


def test_what_is_against_the_schema_is_found(schema: etree.XMLSchema) -> None:
    document = ccd(Chart({"resourceType": "Patient", "id": "a"}, {}), MADE)
    assert faults(schema, document) == []
    assert faults(schema, document.replace(b"<title", b"<titel").replace(b"</title", b"</titel"))
