"""How often an element occurs: what is required, what repeats, and value[x] in one form only.

https://hl7.org/fhir/R4/conformance-rules.html#cardinality, https://hl7.org/fhir/R4/formats.html#choice
"""

from typing import Any

from fhir_server.core.outcome import (
    CHOICE_TWICE,
    EMPTY_VALUE,
    REQUIRED_ELEMENT,
    TOO_MANY,
    UNKNOWN_ELEMENT,
    WRONG_TYPE,
)
from fhir_server.definitions.elements import Element, Structure
from fhir_server.validation.findings import Fault, Findings, Path, kind


class Cardinality:
    """What an object of one structure must have, compiled; an element given by its `_name` twin alone is there."""

    __slots__ = ("_choice_of", "_choices", "_required")

    def __init__(self, structure: Structure) -> None:
        self._required = tuple((element.name, f"_{element.name}") for element in structure.required)
        self._choices = tuple((stem, low) for stem, (low, _) in structure.choices.items())
        self._choice_of = {
            name: (stem, member)
            for stem, (_, members) in structure.choices.items()
            for member in members
            for name in (member, f"_{member}")
        }

    def check(self, node: dict[str, Any], path: Path, findings: Findings) -> None:
        """Adds a finding for each required element that is missing and each choice that is made twice or not at all."""
        for name, twin in self._required:
            if name not in node and twin not in node:
                findings.add(REQUIRED_ELEMENT, f"'{name}' is required and missing.", path, name)
        if self._choice_of:
            self._check_choices(node, path, findings)

    def _check_choices(self, node: dict[str, Any], path: Path, findings: Findings) -> None:
        choice_of = self._choice_of
        made = [choice_of[name] for name in node if name in choice_of]
        for stem, low in self._choices:
            forms = {member for chosen, member in made if chosen == stem} if made else ()
            if len(forms) > 1:
                listed = ", ".join(f"'{form}'" for form in sorted(forms))
                findings.add(CHOICE_TWICE, f"Only one form of '{stem}[x]' may be given, not {listed}.", path, stem)
            elif low and not forms:
                findings.add(REQUIRED_ELEMENT, f"One form of '{stem}[x]' is required and missing.", path, stem)


def array_fault(value: Any, element: Element) -> Fault | None:
    """What is wrong with the value of an element that repeats, seen as an array alone."""
    if type(value) is not list:
        if value is None:
            return Fault(WRONG_TYPE, "must not be null. Leave the element out.")
        return Fault(WRONG_TYPE, f"must be an array, also with one value in it, not {kind(value)}.")
    if not value:
        return Fault(EMPTY_VALUE, "must not be an empty array. Leave the element out.")
    if element.max is not None and len(value) > element.max:
        return Fault(TOO_MANY, f"may occur {element.max} times at most, not {len(value)} times.")
    if len(value) < element.min:
        return Fault(REQUIRED_ELEMENT, f"must occur at least {element.min} times.")
    return None


def single_fault(value: Any) -> Fault:
    """What is wrong with a value that stands where one JSON object must."""
    if value is None:
        return Fault(WRONG_TYPE, "must not be null. Leave the element out.")
    if type(value) is list:
        if len(value) > 1:
            return Fault(TOO_MANY, f"occurs once at most, not {len(value)} times; and it must not be an array.")
        return Fault(WRONG_TYPE, "must not be an array: it occurs once.")
    return Fault(WRONG_TYPE, f"must be a JSON object, not {kind(value)}.")


def check_contained(resource: dict[str, Any], path: Path, findings: Findings) -> None:
    """dom-2: it contains no other, and has an id (https://hl7.org/fhir/R4/references.html#contained)."""
    if "contained" in resource:
        text = "A contained resource must not contain others; put them all into the outermost resource."
        findings.add(UNKNOWN_ELEMENT, text, path, "contained")
    if "id" not in resource:
        text = "'id' is required in a contained resource: references find it by '#' and its id."
        findings.add(REQUIRED_ELEMENT, text, path, "id")


def check_extension(node: dict[str, Any], path: Path, findings: Findings) -> None:
    """ext-1: either a value or nested extensions (https://hl7.org/fhir/R4/extensibility.html#Extension)."""
    has_value = any(name.startswith(("value", "_value")) for name in node)
    if has_value and "extension" in node:
        findings.add(CHOICE_TWICE, "An extension has either a 'value[x]' or nested extensions, not both.", path)
    elif not has_value and "extension" not in node:
        findings.add(REQUIRED_ELEMENT, "An extension needs a 'value[x]' or nested extensions.", path)
