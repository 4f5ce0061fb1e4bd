"""The profiles of US Core 7.0.0 as trees of what they ask, read from the snapshots of the package.

https://hl7.org/fhir/R4/profiling.html, https://hl7.org/fhir/us/core/STU7/
"""

import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fhir_server.core import codec
from fhir_server.definitions.value_sets import required_value_set

PACKAGE = "hl7.fhir.us.core-7.0.0.tgz"
BASE = "http://hl7.org/fhir/StructureDefinition/"

_HL7 = "http://terminology.hl7.org/CodeSystem/"
_CDC_RACE = "urn:oid:2.16.840.1.113883.6.238"
_UNKNOWN = frozenset({"ASKU", "UNK"})

NOT_IN_TABLES: Mapping[str, Mapping[str, frozenset[str]]] = {
    "http://hl7.org/fhir/ValueSet/servicerequest-category": {
        "http://snomed.info/sct": frozenset({"108252007", "363679005", "409063005", "409073007", "387713003"})
    },
    "http://hl7.org/fhir/ValueSet/medicationrequest-category": {
        f"{_HL7}medicationrequest-category": frozenset({"inpatient", "outpatient", "community", "discharge"})
    },
    "http://hl7.org/fhir/ValueSet/ucum-bodylength": {"http://unitsofmeasure.org": frozenset({"cm", "[in_i]"})},
    "http://hl7.org/fhir/ValueSet/ucum-bodytemp": {"http://unitsofmeasure.org": frozenset({"Cel", "[degF]"})},
    "http://hl7.org/fhir/ValueSet/ucum-bodyweight": {"http://unitsofmeasure.org": frozenset({"g", "kg", "[lb_av]"})},
    "http://hl7.org/fhir/us/core/ValueSet/omb-race-category": {
        _CDC_RACE: frozenset({"1002-5", "2028-9", "2054-5", "2076-8", "2106-3", "2131-1"}),
        f"{_HL7}v3-NullFlavor": _UNKNOWN,
    },
    "http://hl7.org/fhir/us/core/ValueSet/omb-ethnicity-category": {
        _CDC_RACE: frozenset({"2135-2", "2186-5"}),
        f"{_HL7}v3-NullFlavor": _UNKNOWN,
    },
}
"""Value sets that the guide requires or includes, and that neither the package nor R4's required ones enumerate."""

Codes = Mapping[str, frozenset[str] | None]
"""Codes by system, None where every code of the system is allowed."""


@dataclass(slots=True)
class Node:
    """One element of a snapshot: `id` as in the snapshot, `types` with their profiles, `slices` by name."""

    id: str
    name: str
    least: int
    most: int | None
    types: Mapping[str, tuple[str, ...]]
    targets: tuple[str, ...]
    fixed: Any
    pattern: Any
    required: str | None
    is_must_support: bool
    discriminators: tuple[tuple[str, str], ...]
    children: dict[str, "Node"] = field(default_factory=dict)
    slices: dict[str, "Node"] = field(default_factory=dict)

    def walk(self) -> Iterator["Node"]:
        """The node and all below it, slices too."""
        yield self
        for below in (*self.children.values(), *self.slices.values()):
            yield from below.walk()


@dataclass(frozen=True, slots=True)
class Guide:
    """All profiles and extensions of the package by canonical, and its value sets that can be enumerated."""

    profiles: Mapping[str, Node]
    types: Mapping[str, str]
    value_sets: Mapping[str, Codes]

    def codes(self, canonical: str) -> Codes | None:
        """The codes of a value set, None where it can be enumerated neither here nor by R4's own tables."""
        url = canonical.partition("|")[0]
        if url in self.value_sets:
            return self.value_sets[url]
        if url in NOT_IN_TABLES:
            return NOT_IN_TABLES[url]
        known = required_value_set(url)
        return dict(known.systems) if known else None


def read_guide(package: Path) -> Guide:
    """The guide in a package (`.tgz`)."""
    definitions: dict[str, dict[str, Any]] = {}
    with tarfile.open(package) as archive:
        for member in archive:
            folder, _, name = member.name.rpartition("/")
            if folder == "package" and name.startswith(("StructureDefinition-", "ValueSet-", "CodeSystem-")):
                file = archive.extractfile(member)
                assert file
                definition = codec.decode(file.read())
                definitions[definition["url"]] = definition
    structures = [each for each in definitions.values() if each["resourceType"] == "StructureDefinition"]
    return Guide(
        {each["url"]: _tree(each["snapshot"]["element"]) for each in structures},
        {each["url"]: each["type"] for each in structures},
        _value_sets(definitions),
    )


def _tree(elements: list[dict[str, Any]]) -> Node:
    """The root of a snapshot, with every element under its parent and every slice under what it slices."""
    root = _node(elements[0])
    nodes = {root.id: root}
    for element in elements[1:]:
        node = nodes[element["id"]] = _node(element)
        parent_id, _, last = node.id.rpartition(".")
        parent = nodes[parent_id]
        if ":" in last:
            sliced, _, slice_name = last.partition(":")
            parent.children[sliced].slices[slice_name] = node
        else:
            parent.children[last] = node
    return root


def _node(element: dict[str, Any]) -> Node:
    types = element.get("type", [])
    binding = element.get("binding", {})
    constant = {key[:5]: value for key, value in element.items() if key.startswith(("fixed", "pattern"))}
    return Node(
        id=element["id"],
        name=element["path"].rpartition(".")[2],
        least=element["min"],
        most=None if element["max"] == "*" else int(element["max"]),
        types={each["code"]: tuple(each.get("profile", ())) for each in types},
        targets=tuple(target for each in types for target in each.get("targetProfile", ())),
        fixed=constant.get("fixed"),
        pattern=constant.get("patte"),
        required=binding.get("valueSet") if binding.get("strength") == "required" else None,
        is_must_support=element.get("mustSupport", False),
        discriminators=tuple(
            (each["type"], each["path"]) for each in element.get("slicing", {}).get("discriminator", ())
        ),
    )


def _value_sets(definitions: Mapping[str, dict[str, Any]]) -> dict[str, Codes]:
    """The value sets of the package whose every part is enumerated there or is a whole code system."""
    found: dict[str, Codes] = {}
    for url, definition in definitions.items():
        if definition["resourceType"] == "ValueSet":
            codes = _included(definition, definitions)
            if codes is not None:
                found[url] = codes
    return found


def _included(value_set: dict[str, Any], definitions: Mapping[str, dict[str, Any]]) -> dict[str, Any] | None:
    codes: dict[str, Any] = {}
    for part in value_set["compose"]["include"]:
        for other in part.get("valueSet", ()):
            nested = definitions.get(other.partition("|")[0])
            known = required_value_set(other)
            systems = NOT_IN_TABLES.get(other) or (known.systems if known else None)
            more = _included(nested, definitions) if nested else systems
            if more is None:
                return None
            for system, allowed in more.items():
                _join(codes, system, allowed)
        if "system" in part:
            _join(codes, part["system"], _part_codes(part, definitions))
    return codes


def _part_codes(part: dict[str, Any], definitions: Mapping[str, dict[str, Any]]) -> frozenset[str] | None:
    if "concept" in part:
        return frozenset(each["code"] for each in part["concept"])
    system = definitions.get(part["system"])
    if system is None or "filter" in part or "concept" not in system:
        return None
    return frozenset(each["code"] for each in system["concept"])


def _join(codes: dict[str, Any], system: str, more: frozenset[str] | None) -> None:
    had = codes.get(system, frozenset())
    codes[system] = None if had is None or more is None else had | more
