"""Uri parameters: the whole text, letter by letter; with a modifier what lies below or above it.

https://hl7.org/fhir/R4/search.html#uri

Index, in `t`: `param|uri`. A canonical with a version is written with it and without it.
"""

import re
from typing import Any, Literal

from fhir_server.search.entries import KEPT, Entries
from fhir_server.search.escaping import unescape
from fhir_server.search.parameter_types.bad_value import BadValue
from fhir_server.search.parameter_types.string import starting
from fhir_server.search.paths import Leaf, Visit
from fhir_server.search.request import Tokens, TokenStart

SORTED = 200
"""Characters of a uri that decide its place in an order."""
_MAX_ANCESTORS = 50
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^/]+)(/.*)?", re.DOTALL).fullmatch


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


def read_value(parameter: str, text: str, modifier: Literal["above", "below"] | None = None) -> Tokens | TokenStart:
    """The uri as it stands; a "|" in it belongs to it. `below`: itself and what continues it after a "/". `above`:
    itself and what it continues. Raises BadValue.
    """
    uri = unescape(text)
    if not uri:
        raise BadValue("is empty; write a uri")
    if modifier is None:
        return Tokens((f"{parameter}|{uri}",))
    url = _URL(uri)
    if url is None:
        # R4: the two apply to URLs only; the parts of a URN such as an OID mean nothing to them.
        raise BadValue("is not a URL with a host, and :above and :below apply to nothing else; write http://host/path")
    start = f"{parameter}|{uri}"
    if modifier == "below":
        if len(start) > KEPT:
            raise BadValue(f"is longer than {KEPT} characters; send a shorter URL that lies above it")
        return TokenStart(start)
    return Tokens(tuple(f"{parameter}|{each}" for each in _ancestors(url[1], uri)))


def predicate(value: TokenStart) -> dict[str, Any]:
    """The url itself, and the range of `t` below it."""
    below = {"t": {"$regex": starting(value.start.removesuffix("/") + "/")}}
    return below if value.start.endswith("/") else {"$or": [{"t": value.start}, below]}


def _ancestors(root: str, uri: str) -> list[str]:
    """The uri first, then each of its ancestors down to `root`, with and without a slash at the end."""
    found = {uri: None}
    rest = uri.rstrip("/")
    while len(rest) >= len(root):
        found[rest] = found[rest + "/"] = None
        rest = rest.rpartition("/")[0].rstrip("/")
    if len(found) > 2 * _MAX_ANCESTORS:
        raise BadValue(f"has more than {_MAX_ANCESTORS} parts between slashes; send a URL with fewer")
    return list(found)
