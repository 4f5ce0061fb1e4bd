"""Which search parameters put a resource into a compartment. For compartment search alone; owners are in `owners`.

https://hl7.org/fhir/R4/compartmentdefinition.html
"""

from collections.abc import Mapping
from functools import cache

import msgspec

from fhir_server.definitions.load import table

COMPARTMENTS = ("Device", "Encounter", "Patient", "Practitioner", "RelatedPerson")
"""The five types of resources that R4 defines a compartment for."""


class _Row(msgspec.Struct):
    code: str
    parameters: dict[str, tuple[str, ...]]


def compartment_parameters(compartment: str, resource_type: str) -> tuple[str, ...]:
    """Codes of the parameters of `resource_type` that name the compartment's focus; empty where it is never in it.

    `{def}`, which R4 lists for a type that may be the focus itself, is kept. Raises KeyError for no compartment of R4.
    """
    return _compartments()[compartment].get(resource_type, ())


@cache
def compartment_types(compartment: str) -> frozenset[str]:
    """The resource types that may be in a compartment. Raises KeyError for no compartment of R4."""
    return frozenset(_compartments()[compartment])


@cache
def _compartments() -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    rows = [msgspec.json.decode(line, type=_Row) for line in table("compartments")]
    return {row.code: row.parameters for row in rows}
