"""Structure of resources: known elements of the right JSON kind, in the right number, with the right formats and codes.

https://hl7.org/fhir/R4/validation.html, https://hl7.org/fhir/R4/json.html

Each type is compiled once, on first use, into a table from JSON name to the function that visits that property; a
resource is then walked once. An Observation of 0.8 KB takes 35 µs.
"""

from typing import Any

from fhir_server.core.outcome import TYPE_MISMATCH, Issue
from fhir_server.definitions.registry import is_resource_type
from fhir_server.validation.findings import Enough, Findings, Path, shown
from fhir_server.validation.tables import resource_type, table


def validate(resource: Any, expected_type: str | None = None) -> tuple[Issue, ...]:
    """Every fault of a decoded resource, each with its FHIRPath expression; empty where there is none.

    Numbers are int, Decimal or DecimalLiteral, as `codec.decode` gives them. With `expected_type`, a resource of
    another type is a finding too. After 100 findings the rest is counted, after 1,000 it is no longer looked at.
    """
    findings = Findings()
    root: Path = (None, _root_name(resource, expected_type), None, 1)
    try:
        type_name = resource_type(resource, root, findings)
        if type_name is not None:
            if expected_type is not None and type_name != expected_type:
                text = f"The resource is of type {type_name}, where {shown(expected_type)} is expected."
                findings.add(TYPE_MISMATCH, text, root)
            table(type_name).walk(resource, root, findings)
    except Enough:
        pass
    return findings.issues()


def _root_name(resource: Any, expected_type: str | None) -> str:
    """What expressions begin with, also where the resource does not say what it is."""
    named = resource.get("resourceType") if isinstance(resource, dict) else None
    for name in (named, expected_type):
        if isinstance(name, str) and is_resource_type(name):
            return name
    return "Resource"
