"""How identifiers that are shown to few are indexed and asked for: by system and value together, and no other way.

https://hl7.org/fhir/R4/search.html#token
"""

from collections.abc import Iterable
from typing import Any

from fhir_server.core.resource import Resource
from fhir_server.definitions.withheld import SYSTEMS, TYPE, Identifier, Path, identifiers, numbers, rewritten, struck
from fhir_server.search.request import (
    AllOf,
    AnyOf,
    Chained,
    Clause,
    Composed,
    Condition,
    Expanded,
    Having,
    NotThis,
    Tokens,
)


class Withheld(dict[str, Any]):
    """An Identifier without its value, which only the writers of identifiers take from it (`number`)."""

    number: str | None = None


def veiled(resource: Resource) -> Resource:
    """What is indexed of a resource that holds such identifiers: nothing but their own writers meets a value of one,
    be it in a sort key, in a word of the narrative or through a custom parameter.
    """
    hidden = numbers(identifier for _, identifier in identifiers(resource))

    def veil(identifier: Identifier, path: Path) -> Identifier:
        found = Withheld({name: each for name, each in identifier.items() if name not in ("value", "_value")})
        value = identifier.get("value")
        found.number = value if isinstance(value, str) else None
        return found

    def strike(text: str, path: Path) -> str:
        return struck(text, hidden)

    made: Resource = rewritten(resource, veil, strike)
    return made


def withheld_in(conditions: Iterable[Condition]) -> str | None:
    """The name of a parameter that asks for such an identifier by its system or type; None where none does.

    Links of chains, `_has` and `_filter` are looked into. What a ValueSet expands to is not known here.
    """
    for condition in conditions:
        found = _withheld_in(condition)
        if found is not None:
            return found
    return None


def _withheld_in(condition: Condition) -> str | None:
    match condition:
        case Clause():
            tokens = (token for value in condition.values if isinstance(value, Tokens) for token in value.tokens)
            return condition.parameter if any(map(_names_withheld, tokens)) else None
        case AllOf() | AnyOf():
            return withheld_in(condition.conditions)
        case NotThis():
            return _withheld_in(condition.condition)
        case Composed():
            return withheld_in((*condition.parts, *condition.implied))
        case Chained():
            found = (withheld_in(link.conditions) for link in condition.links)
            return condition.name if any(found) else None
        case Having():
            return condition.name if withheld_in(condition.link.conditions) else None
        case Expanded():
            return condition.name if any(system in text for text in condition.texts for system in SYSTEMS) else None
    return None


def _names_withheld(token: str) -> bool:
    """`param|value|system` and `param||system` of the systems; `param:of-type|ss|...`."""
    head, mark, system = token.rpartition("|")
    if system in SYSTEMS:
        # A uri parameter's token, `url|http://hl7.org/fhir/sid/us-ssn`, names no identifier.
        return bool(mark) and "|" in head
    parameter, _, rest = token.partition("|")
    return parameter.endswith(":of-type") and rest.startswith(f"{TYPE.lower()}|")
