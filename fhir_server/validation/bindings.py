"""Codes that must come from a value set: bindings of strength `required`.

https://hl7.org/fhir/R4/terminologies.html#required. A value set that cannot be enumerated here (UCUM, language tags,
media types) is not checked.
"""

from collections.abc import Callable, Mapping
from typing import Any

from fhir_server.core.outcome import CODE_NOT_ALLOWED
from fhir_server.definitions.elements import Element
from fhir_server.definitions.value_sets import ValueSet, required_value_set
from fhir_server.validation.findings import Fault
from fhir_server.validation.primitives import FaultOf

BindingFault = Callable[[dict[str, Any]], Fault | None]
"""The check of an object (Coding, CodeableConcept, Quantity) against its binding."""


def primitive_binding(element: Element, format_fault: FaultOf) -> FaultOf:
    """The check of a code, string or uri: its format alone, or its format and its required value set."""
    value_set = _bound(element)
    if value_set is None:
        return format_fault
    codes = value_set.codes
    outside = Fault(CODE_NOT_ALLOWED, f"is not a code of its required value set. {_allowed(element, value_set)}")

    def check(value: Any) -> Fault | None:
        if type(value) is str and value in codes:
            return None
        return format_fault(value) or outside

    return check


def object_binding(element: Element) -> BindingFault | None:
    """The check of a Coding, CodeableConcept or Quantity against its required value set, None where it has none."""
    value_set = _bound(element)
    if value_set is None:
        return None
    if element.type == "CodeableConcept":
        return _concept_check(element, value_set)
    return _coding_check(element, value_set)


def _concept_check(element: Element, value_set: ValueSet) -> BindingFault:
    allowed = _allowed(element, value_set)
    outside = Fault(CODE_NOT_ALLOWED, f"has no coding (system and code) from its required value set. {allowed}")
    systems = value_set.systems

    def check(concept: dict[str, Any]) -> Fault | None:
        codings = concept.get("coding")
        if not isinstance(codings, list):
            # An extension may say why there is no code (data-absent-reason); text alone may not.
            return None if "extension" in concept else outside
        return None if any(_is_member(coding, systems) for coding in codings) else outside

    return check


def _coding_check(element: Element, value_set: ValueSet) -> BindingFault:
    allowed = _allowed(element, value_set)
    outside = Fault(CODE_NOT_ALLOWED, f"has no system and code from its required value set. {allowed}")
    systems = value_set.systems

    def check(coding: dict[str, Any]) -> Fault | None:
        return None if _is_member(coding, systems) else outside

    return check


def _is_member(coding: Any, systems: Mapping[str, frozenset[str]]) -> bool:
    """Whether system and code are in the set; a code whose absence an extension explains is taken for one."""
    if not isinstance(coding, dict):
        return False
    system, code = coding.get("system"), coding.get("code")
    if not isinstance(code, str):
        return "_code" in coding or "extension" in coding
    return isinstance(system, str) and code in systems.get(system, ())


def _bound(element: Element) -> ValueSet | None:
    return None if element.required_values is None else required_value_set(element.required_values)


def _allowed(element: Element, value_set: ValueSet) -> str:
    """The codes to choose from, as far as they fit a message."""
    codes = sorted(value_set.codes)
    listed = ", ".join(codes[:_LISTED_CODES])
    if len(codes) > _LISTED_CODES:
        listed = f"{listed} and {len(codes) - _LISTED_CODES} more of {element.required_values}"
    systems = "" if element.type == "code" else f" of {', '.join(sorted(value_set.systems))}"
    return f"Use one of: {listed}{systems}."


_LISTED_CODES = 12
