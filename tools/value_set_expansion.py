"""Enumerates value sets from code systems held in memory; a set it cannot enumerate whole has no codes but a reason.

https://hl7.org/fhir/R4/valueset.html#compositions, https://hl7.org/fhir/R4/codesystem.html#hierarchy
"""

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]
Codes = set[tuple[str, str]]

_PARENT_PROPERTIES = {"subsumedBy", "parent", "http://hl7.org/fhir/concept-properties#parent"}


class NotEnumerable(Exception):
    """Part of a value set cannot be listed from what is at hand; the message says which part."""


class Terminology:
    """Code systems and value sets by canonical URL."""

    def __init__(self, code_systems: list[Json], value_sets: list[Json]) -> None:
        self._code_systems = {system["url"]: system for system in code_systems}
        self._value_sets = {value_set["url"]: value_set for value_set in value_sets}

    def row(self, canonical: str) -> Json:
        """`{"url", "systems": {system: [codes]}}`, or `{"url", "not_enumerable": reason}`."""
        try:
            codes = self.expand(canonical)
        except NotEnumerable as reason:
            return {"url": canonical, "not_enumerable": str(reason)}
        systems: dict[str, list[str]] = {}
        for system, code in sorted(codes):
            systems.setdefault(system, []).append(code)
        return {"url": canonical, "systems": systems}

    def expand(self, canonical: str) -> Codes:
        """All (system, code) of the value set. Raises NotEnumerable, and nothing less than all is ever returned."""
        value_set = self._value_sets.get(canonical.partition("|")[0])
        if value_set is None:
            raise NotEnumerable(f"no value set {canonical}")
        compose = value_set.get("compose")
        if not compose or not compose.get("include"):
            raise NotEnumerable(f"{canonical} has no content definition")
        codes: Codes = set()
        for part in compose["include"]:
            codes |= self._part(part)
        for part in compose.get("exclude", ()):
            codes -= self._part(part)
        if not codes:
            raise NotEnumerable(f"{canonical} comes out empty")
        return codes

    def _part(self, part: Json) -> Codes:
        sets: list[Codes] = [self.expand(canonical) for canonical in part.get("valueSet", ())]
        if "system" in part:
            sets.append({(part["system"], code) for code in self._of_system(part)})
        if not sets:
            raise NotEnumerable("a part names neither a system nor a value set")
        return set.intersection(*sets)

    def _of_system(self, part: Json) -> set[str]:
        if "concept" in part:
            return {concept["code"] for concept in part["concept"]}
        system = self._code_systems.get(part["system"])
        if system is None or system["content"] != "complete" or not system.get("concept"):
            raise NotEnumerable(f"the concepts of {part['system']} are not listed")
        parents = dict(_concepts(system["concept"]))
        codes = set(parents)
        for condition in part.get("filter", ()):
            codes &= _filtered(parents, condition)
        return codes


def _concepts(concepts: list[Json], parent: str | None = None) -> Iterator[tuple[str, set[str]]]:
    for concept in concepts:
        parents = {parent} if parent else set()
        for listed in concept.get("property", ()):
            if listed["code"] in _PARENT_PROPERTIES:
                parents.add(listed["valueCode"])
        yield concept["code"], parents
        yield from _concepts(concept.get("concept", []), concept["code"])


def _filtered(parents: dict[str, set[str]], condition: Json) -> set[str]:
    if condition["property"] != "concept" or condition["op"] not in ("is-a", "descendent-of"):
        raise NotEnumerable(f"filter {condition['property']} {condition['op']} {condition['value']}")
    root = condition["value"]
    if root not in parents:
        raise NotEnumerable(f"filter on the unknown code {root}")
    found = {root}
    while grown := {code for code, above in parents.items() if above & found} - found:
        found |= grown
    return found if condition["op"] == "is-a" else found - {root}
