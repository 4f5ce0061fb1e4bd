"""Uri parameters: the whole text, letter by letter.

https://hl7.org/fhir/R4/search.html#uri

Index, in `t`: `param|uri`. A canonical with a version is written with it and without it.
"""

from typing import Any

from fhir_server.search.entries import Entries
from fhir_server.search.escaping import unescape
from fhir_server.search.paths import Leaf, Visit
from fhir_server.search.request import Tokens


def writer(parameter: str, leaf: Leaf) -> Visit | None:
    """What writes a value of the leaf's type to Entries; None for types that are no uris."""
    if leaf.type not in ("uri", "url", "canonical", "oid", "uuid"):
        return None
    prefix = f"{parameter}|"
    is_canonical = leaf.type == "canonical"

    def write(value: Any, entries: Entries) -> None:
        entries.tokens[prefix + value] = None
        if is_canonical and "|" in value:
            entries.tokens[prefix + value.partition("|")[0]] = None
        entries.sort_by(parameter, value[:SORTED], value[:SORTED])

    return write


SORTED = 200
"""Characters of a uri that decide its place in an order."""


def read_value(parameter: str, text: str) -> Tokens:
    """The uri as it stands; a "|" in it belongs to it."""
    return Tokens((f"{parameter}|{unescape(text)}",))
