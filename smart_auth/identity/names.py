"""Names as people type them, compared with those of official documents.

Case, accents, spaces and punctuation do not count: registries and cards write without accents what people write with
them. Everything else must be the same (docs/adr/0026).
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence

LONGEST_NAME = 200

_SUFFIXES: Mapping[str, str] = {
    "jr": "jr",
    "junior": "jr",
    "sr": "sr",
    "senior": "sr",
    "ii": "ii",
    "2nd": "ii",
    "iii": "iii",
    "3rd": "iii",
    "iv": "iv",
    "4th": "iv",
    "v": "v",
    "5th": "v",
}

# Letters that are no letter with a mark, so that no normal form takes them apart.
_LETTERS = str.maketrans(
    {"ø": "o", "đ": "d", "ð": "d", "ł": "l", "ħ": "h", "ı": "i", "þ": "th", "æ": "ae", "œ": "oe", "ŋ": "n"}
)
_APOSTROPHES = re.compile(r"['’‘ʼʻ`´.]")
_NO_LETTERS = re.compile(r"[^\w]+|_")

_Reading = tuple[list[str], list[str], str]
"""A typed name taken apart: words of the given names, words of the family name, suffix."""


def comparable(text: str) -> str:
    """The words of a name as they are compared: small letters without marks, one space between words."""
    folded = unicodedata.normalize("NFKC", text).casefold().translate(_LETTERS)
    taken_apart = unicodedata.normalize("NFKD", _APOSTROPHES.sub("", folded))
    plain = "".join(each for each in taken_apart if not unicodedata.combining(each))
    return " ".join(_NO_LETTERS.sub(" ", plain).split())


def same_name(typed: str, family: str, given: Sequence[str], suffix: str = "") -> bool:
    """Whether what was typed is this name: `Given [Middle] Family [Suffix]`, or `Family, Given [Middle] [Suffix]`.

    Middle names and the suffix may be left out, and a middle name may be its initial; what is typed must fit. The
    suffix may stand in `suffix` or at the end of `family`.
    """
    if len(typed) > LONGEST_NAME:
        return False
    families, last = _without_suffix(comparable(family).split())
    own_suffix = _suffix(suffix) or last
    givens = comparable(" ".join(given)).split()
    return any(
        "".join(typed_family) == "".join(families)
        and _given_fits(typed_given, givens)
        and typed_suffix in ("", own_suffix)
        for typed_given, typed_family, typed_suffix in _readings(typed)
    )


def _readings(typed: str) -> Iterator[_Reading]:
    """All ways in which a typed name may be meant. A last `V` is a suffix or an initial."""
    parts = [words for part in typed.split(",") if (words := comparable(part).split())]
    ended = [(parts, "")]
    for place in range(len(parts)):
        rest, suffix = _without_suffix(parts[place])
        if suffix:
            ended.append(([*parts[:place], *([rest] if rest else []), *parts[place + 1 :]], suffix))
    for some, suffix in ended:
        if len(some) == 1:
            yield from ((some[0][:at], some[0][at:], suffix) for at in range(1, len(some[0])))
        elif len(some) == 2:
            yield some[1], some[0], suffix


def _given_fits(typed: Sequence[str], given: Sequence[str]) -> bool:
    """Whether the first given name is whole, and all that follows is of the others, in their order."""
    if not typed or not given or typed[0] != given[0]:
        return False
    others = iter(given[1:])
    return all(any(each in (other, other[0]) for other in others) for each in typed[1:])


def _without_suffix(words: Sequence[str]) -> tuple[list[str], str]:
    suffix = _SUFFIXES.get(words[-1], "") if words else ""
    return (list(words[:-1]), suffix) if suffix else (list(words), "")


def _suffix(text: str) -> str:
    plain = comparable(text)
    return _SUFFIXES.get(plain, plain)
