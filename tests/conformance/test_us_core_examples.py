"""Real resources that nobody here wrote: Synthea's records and the examples of US Core 7.0.0 are accepted.

https://hl7.org/fhir/us/core/STU7/examples.html
"""

import gzip
import tarfile
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from fhir_server.core import codec
from fhir_server.validation.model import model_findings
from fhir_server.validation.validate import validate
from tests.require import require_data

EXAMPLES = 214
REFUSED: dict[str, str] = {}
"""File name of an example to the fault it has under base R4. All 214 are good."""


@pytest.fixture(scope="module")
def examples() -> dict[str, Any]:
    """The examples of the package by file name."""
    package = require_data("packages") / "hl7.fhir.us.core-7.0.0.tgz"
    if not package.is_file():
        pytest.skip(f"no {package.name} among the packages")
    with tarfile.open(package) as archive:
        found = {}
        for member in archive:
            if member.name.startswith("package/example/") and (file := archive.extractfile(member)):
                found[member.name.removeprefix("package/example/")] = codec.decode(file.read())
    return found


def bundles() -> Iterator[tuple[str, Any]]:
    """Synthea's transaction Bundles by file name."""
    for path in sorted(require_data("synthea").glob("*.json.gz")):
        yield path.name, codec.decode(gzip.decompress(path.read_bytes()))


def test_the_examples_of_us_core_are_accepted_or_refused_for_a_stated_reason(examples: dict[str, Any]) -> None:
    assert len(examples) == EXAMPLES
    assert {name: validate(example) for name, example in examples.items() if validate(example)}.keys() == REFUSED.keys()


def test_the_second_check_refuses_no_example_of_us_core(examples: dict[str, Any]) -> None:
    for name, example in examples.items():
        assert model_findings(example) == (), name


def test_a_record_of_synthea_has_no_findings() -> None:
    counts: Counter[str] = Counter()
    for name, bundle in bundles():
        assert validate(bundle, "Bundle") == (), name
        for entry in bundle["entry"]:
            resource = entry["resource"]
            counts[resource["resourceType"]] += 1
            assert validate(resource, resource["resourceType"]) == (), (name, resource["id"])
    assert counts["Patient"] >= 24 and len(counts) >= 15


def test_the_second_check_refuses_no_resource_of_synthea() -> None:
    name, bundle = next(bundles())
    for entry in bundle["entry"]:
        assert model_findings(entry["resource"]) == (), name
