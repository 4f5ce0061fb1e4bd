"""What writes a value to the index, by the type of the search parameter and the type of the value.

https://hl7.org/fhir/R4/search.html#ptypes
"""

from typing import Any

from fhir_server.definitions.search_parameters import SearchParameter
from fhir_server.search.entries import Entries
from fhir_server.search.parameter_types import date, number, quantity, reference, special, string, token, uri
from fhir_server.search.paths import Leaf, Visit


def writer(parameter: SearchParameter, leaf: Leaf, leaves: tuple[Leaf, ...]) -> Visit | None:
    """What writes a value of the leaf's type to Entries; None where the parameter finds nothing in such a value.

    `leaves` are all that the parameter reads.
    """
    code = parameter.code
    match parameter.type:
        case "token":
            return token.writer(code, leaf, leaves)
        case "string":
            return string.writer(code, leaf)
        case "date":
            return date.writer(code, leaf)
        case "reference":
            return reference.writer(code, leaf, parameter.target)
        case "uri":
            return uri.writer(code, leaf)
        case "number":
            return _noting_presence(code, number.writer(code, leaf))
        case "quantity":
            return quantity.writer(code, leaf)
        case "special":
            return _noting_presence(code, special.writer(code, leaf))
    return None


def presence_writer(code: str) -> Visit:
    """What notes only that there is a value: one the parameter's type cannot be searched by."""

    def write(value: Any, entries: Entries) -> None:
        entries.mark_present(code)

    return write


def _noting_presence(code: str, visit: Visit | None) -> Visit | None:
    if visit is None:
        return None

    def write(value: Any, entries: Entries) -> None:
        before = len(entries.measures) + len(entries.positions)
        visit(value, entries)
        if len(entries.measures) + len(entries.positions) == before:
            entries.mark_present(code)

    return write
