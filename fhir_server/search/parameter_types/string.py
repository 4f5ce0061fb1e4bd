"""String parameters: text that starts with what was asked, whatever its case and accents.

https://hl7.org/fhir/R4/search.html#string

Index, in `s`: `param|folded text`, at most MAX_KEY characters of it; `param+|piece` for what is longer, in pieces that
overlap by MAX_CONTAINED characters; `param:exact|text` as it stands.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Any, Literal

from fhir_server.search.entries import MAX_KEY, SORTED, Entries, bounded
from fhir_server.search.escaping import unescape
from fhir_server.search.parameter_types.bad_value import BadValue
from fhir_server.search.paths import Leaf, Visit
from fhir_server.search.request import Contains, Exactly, StartsWith

PARTS = {
    "HumanName": ("text", "family", "given", "prefix", "suffix"),
    "Address": ("text", "line", "city", "district", "state", "postalCode", "country"),
}
"""The string elements of a name and an address; each is matched from its own start."""

MAX_CONTAINED = 200
"""Folded characters `:contains` may ask for: what the pieces of a long text overlap by."""

_PIECE = MAX_KEY - MAX_CONTAINED
_NOT_PLAIN = re.compile(r"[^\w\s]", re.ASCII)


def fold(text: str) -> str:
    """Without case, accents (NFKD) and runs of white space; one space stays between words, none at the ends."""
    if text.isascii():
        return " ".join(text.lower().split())
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return " ".join("".join(each for each in decomposed if not unicodedata.combining(each)).split())


@lru_cache(8192)
def _folded_short(text: str) -> str:
    return fold(text)


def folded(text: str) -> str:
    """`fold`, remembered for short texts: names of codes come again in most resources."""
    return _folded_short(text) if len(text) <= 200 else fold(text)


def writer(parameter: str, leaf: Leaf) -> Visit | None:
    """What writes a value of the leaf's type to Entries; None for types that hold no text."""
    if leaf.type in PARTS:
        return _parts_writer(parameter, PARTS[leaf.type])
    if leaf.type in ("string", "markdown"):
        return _text_writer(parameter)
    return None


def read_value(text: str, modifier: Literal["exact", "contains"] | None = None) -> StartsWith | Exactly | Contains:
    """The start of a text; with `exact` all of it, letter by letter; with `contains` any part of it.

    Raises BadValue where nothing of it is left to match by, or it is longer than the index can tell.
    """
    text = unescape(text)
    if modifier == "exact":
        if not text:
            raise BadValue("is empty; write the whole text")
        return Exactly(text)
    asked = fold(text)
    if not asked:
        raise BadValue("holds no letter or digit to search by")
    # Longer texts are cut in the index, so a longer start could not be told from another.
    longest = MAX_CONTAINED if modifier == "contains" else MAX_KEY
    if len(asked) > longest:
        raise BadValue(f"is longer than {longest} characters; send the first of them")
    return Contains(asked) if modifier == "contains" else StartsWith(asked)


def predicate(parameter: str, value: StartsWith | Exactly | Contains) -> dict[str, Any]:
    """A condition over `s` that MongoDB reads as a range of the index; for Contains the range of the whole parameter.

    No regular expression here holds an unescaped "|" or "(": MongoDB would read the whole index.
    """
    match value:
        case Exactly():
            return {"s": bounded(f"{parameter}:exact|{value.text}")}
        case StartsWith():
            return {"s": {"$regex": starting(f"{parameter}{value.entry}|{value.text}")}}
        case Contains():
            part = literal(value.text)
            starts = (starting(f"{parameter}|"), starting(f"{parameter}+|"))
            return {"$or": [{"s": {"$regex": f"{start}.*{part}"}} for start in starts]}


def starting(text: str) -> str:
    """An anchored regular expression for what begins with a text."""
    return "^" + literal(text)


def literal(text: str) -> str:
    """A regular expression for the very text. Not re.escape: PCRE knows escapes for letters beyond ASCII that Python
    does not, and the reverse.
    """
    return _NOT_PLAIN.sub(lambda match: f"\\{match[0]}" if match[0].isascii() else match[0], text)


def _text_writer(parameter: str) -> Visit:
    prefix, exact, more = f"{parameter}|", f"{parameter}:exact|", f"{parameter}+|"

    def write(value: Any, entries: Entries) -> None:
        text = folded(value)
        strings = entries.strings
        strings[prefix + text[:MAX_KEY]] = None
        strings[bounded(exact + value)] = None
        for start in range(_PIECE, len(text) - MAX_CONTAINED, _PIECE):
            strings[more + text[start : start + MAX_KEY]] = None
        entries.sort_by(parameter, text[:SORTED], text[:SORTED])

    return write


def text_entry(parameter: str, text: str) -> str:
    """A text for a token's `:text`, as in `s`: `param:text|folded text`, at most MAX_KEY characters of the text."""
    return _short_entry(parameter, text) if len(text) <= 200 else f"{parameter}:text|{fold(text)[:MAX_KEY]}"


@lru_cache(8192)
def _short_entry(parameter: str, text: str) -> str:
    return f"{parameter}:text|{fold(text)[:MAX_KEY]}"


def _parts_writer(parameter: str, parts: tuple[str, ...]) -> Visit:
    write_text = _text_writer(parameter)

    def write(value: Any, entries: Entries) -> None:
        is_empty = True
        for part in parts:
            found = value.get(part)
            if found is None:
                continue
            for text in (found,) if isinstance(found, str) else found:
                if text is not None:
                    write_text(text, entries)
                    is_empty = False
        if is_empty:
            entries.mark_present(parameter)

    return write
