"""search in a compartment: what refers to one patient, encounter, practitioner, device or related person.

https://hl7.org/fhir/R4/http.html#vsearch, https://hl7.org/fhir/R4/compartmentdefinition.html
"""

from dataclasses import dataclass

from msgspec.structs import replace

from fhir_server.core import outcome
from fhir_server.core.reference import is_id
from fhir_server.definitions.compartments import COMPARTMENTS, compartment_parameters, compartment_types
from fhir_server.search.request import AnyOf, Clause, Condition, Ids, SearchRequest, Tokens

DEFINITION = "{def}"
"""Stands in R4's tables for the resource that the compartment is named after."""


@dataclass(frozen=True, slots=True)
class Compartment:
    """The compartment of one resource. `of` is one of R4's five types of compartment."""

    of: str
    id: str

    @property
    def path(self) -> str:
        """`Patient/p1`."""
        return f"{self.of}/{self.id}"


def checked(of: str, id: str, type: str) -> Compartment:
    """The compartment a path names, `type` being what is searched in it, empty for all types.

    Raises FhirError 404 where R4 has no such compartment or `type` is never in it, 400 where `id` cannot be an id.
    """
    if of not in COMPARTMENTS:
        raise outcome.UNKNOWN_ROUTE(
            f"R4 has no compartment of {of}. It has those of {', '.join(COMPARTMENTS)}; search others by parameters."
        )
    if type and not compartment_parameters(of, type):
        raise outcome.UNKNOWN_ROUTE(
            f"{type} is never in the compartment of a {of}. Search {type} by its parameters instead."
        )
    if not is_id(id):
        raise outcome.BAD_ID(f"What stands behind {of} cannot be an id: letters, digits, '-' and '.', 64 at most.")
    return Compartment(of, id)


def within(compartment: Compartment, request: SearchRequest) -> SearchRequest:
    """The search of one type, in the compartment alone: what any of R4's parameters for it names.

    Raises FhirError 400 for a search of contained resources.
    """
    if request.contained != "false":
        raise outcome.NOT_SUPPORTED(
            f"_contained is not possible in a compartment. Search {request.type} by itself with it, or leave it out.",
            "_contained",
        )
    return replace(request, conditions=(_belonging(compartment, request.type), *request.conditions))


def types_in(compartment: Compartment) -> frozenset[str]:
    """The types that may be in a compartment."""
    return compartment_types(compartment.of)


def _belonging(compartment: Compartment, type: str) -> Condition:
    codes = compartment_parameters(compartment.of, type)
    named = [code for code in codes if code != DEFINITION]
    conditions: list[Condition] = []
    if named:
        tokens = tuple(f"{code}|{compartment.path}" for code in named)
        conditions.append(Clause(named[0], (Tokens(tokens),)))
    if len(named) < len(codes):
        conditions.append(Ids((compartment.id,)))
    return conditions[0] if len(conditions) == 1 else AnyOf(tuple(conditions))
