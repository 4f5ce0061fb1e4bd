"""What the server offers, as one table: the CapabilityStatement, OpenAPI and every refusal are made from it.

https://hl7.org/fhir/R4/capabilitystatement.html
"""

from dataclasses import dataclass

from fhir_server.definitions.search_parameters import SearchParameter, search_parameters

SEARCHABLE_TYPES = frozenset({"token", "string", "reference", "date", "uri"})
"""Types of search parameters that are indexed and can be asked for."""

TYPE_INTERACTIONS = (
    "read",
    "vread",
    "update",
    "delete",
    "history-instance",
    "history-type",
    "create",
    "search-type",
)
SYSTEM_INTERACTIONS = ("transaction", "batch", "history-system")


@dataclass(frozen=True, slots=True)
class OfferedParameter:
    """A search parameter a type can be searched by, as the CapabilityStatement names it."""

    code: str
    type: str
    url: str


def offered_parameters(resource_type: str) -> tuple[OfferedParameter, ...]:
    """The search parameters of a type that work, by code."""
    table = search_parameters(resource_type)
    return tuple(
        OfferedParameter(code, parameter.type, parameter.url)
        for code, parameter in sorted(table.items())
        if is_offered(parameter)
    )


def is_offered(parameter: SearchParameter) -> bool:
    """Whether the server searches by this parameter."""
    if parameter.code in ("_text", "_content", "_query"):
        return False
    return parameter.type in SEARCHABLE_TYPES and (parameter.expression is not None)
