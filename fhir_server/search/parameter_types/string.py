"""String parameters: text that starts with what was asked, whatever its case and accents.

https://hl7.org/fhir/R4/search.html#string

Index, in `s`: `param|folded text`, at most MAX_KEY characters of it.
"""

import re
import unicodedata
from typing import Any

from fhir_server.search.entries import MAX_KEY, SORTED, Entries
from fhir_server.search.escaping import unescape
from fhir_server.search.parameter_types.bad_value import BadValue
from fhir_server.search.paths import Leaf, Visit
from fhir_server.search.request import StartsWith

PARTS = {
    "HumanName": ("text", "family", "given", "prefix", "suffix"),
    "Address": ("text", "line", "city", "district", "state", "postalCode", "country"),
}
"""The string elements of a name and an address; each is matched from its own start."""

_NOT_PLAIN = re.compile(r"[^\w\s]", re.ASCII)


def fold(text: str) -> str:
    """Without case, accents (NFKD) and runs of white space; one space stays between words, none at the ends."""
    if text.isascii():
        return " ".join(text.lower().split())
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return " ".join("".join(each for each in decomposed if not unicodedata.combining(each)).split())


def writer(parameter: str, leaf: Leaf) -> Visit | None:
    """What writes a value of the leaf's type to Entries; None for types that hold no text."""
    if leaf.type in PARTS:
        return _parts_writer(parameter, PARTS[leaf.type])
    if leaf.type in ("string", "markdown"):
        return _text_writer(parameter)
    return None


def read_value(text: str) -> StartsWith:
    """The start of a text. Raises BadValue where nothing of it is left to match by, or it is longer than the index."""
    folded = fold(unescape(text))
    if not folded:
        raise BadValue("holds no letter or digit to search by")
    if len(folded) > MAX_KEY:
        # Longer texts are cut in the index, so a longer start could not be told from another.
        raise BadValue(f"is longer than {MAX_KEY} characters; send the first of them")
    return StartsWith(folded)


def predicate(parameter: str, value: StartsWith) -> dict[str, Any]:
    """An anchored regular expression over `s`, which MongoDB reads as a range of the index."""
    return {"s": {"$regex": f"^{_literal(parameter)}\\|{_literal(value.text)}"}}


def _literal(text: str) -> str:
    # Not re.escape: PCRE knows escapes for letters beyond ASCII that Python does not, and the reverse.
    return _NOT_PLAIN.sub(lambda match: f"\\{match[0]}" if match[0].isascii() else match[0], text)


def _text_writer(parameter: str) -> Visit:
    prefix = f"{parameter}|"

    def write(value: Any, entries: Entries) -> None:
        folded = fold(value)[:MAX_KEY]
        entries.strings[prefix + folded] = None
        entries.sort_by(parameter, folded[:SORTED], folded[:SORTED])

    return write


def _parts_writer(parameter: str, parts: tuple[str, ...]) -> Visit:
    write_text = _text_writer(parameter)

    def write(value: Any, entries: Entries) -> None:
        for part in parts:
            found = value.get(part)
            if found is None:
                continue
            for text in (found,) if isinstance(found, str) else found:
                if text is not None:
                    write_text(text, entries)

    return write
