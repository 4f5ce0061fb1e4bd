"""What may be a password: long and not one of those that are tried first, or also of four kinds of characters.

https://pages.nist.gov/800-63-4/sp800-63b.html#passwordver
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from smart_auth.identity.passwords import LONGEST_PASSWORD
from smart_auth.settings import SmartSettings

COMPOSED_CHARACTERS_MIN = 8

_WORDS = Path(__file__).parent / "blocked_passwords.txt"

_SERVICE = ("dslogon", "healthrecord")

# Shorter parts of a name stand in too many other words.
_SHORTEST_CONTEXT = 3

# What is left of a password when all that is tried first is taken out of it: fewer different letters and digits than
# these are no secret.
_OWN_CHARACTERS_MIN = 5

_LIKE_LETTERS = str.maketrans(
    {"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "@": "a", "$": "s", "!": "i"}
)
_SAME = re.compile(r"(.)\1{2,}")
_YEAR = re.compile(r"(19|20)\d\d")
_COUNTED = ("01234567890", "09876543210")
_NEITHER = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """The rules. `blocked` are further passwords that are refused, as `_comparable` writes them."""

    characters_min: int = 15
    is_composed: bool = False
    blocked: frozenset[str] = frozenset()

    @classmethod
    def of(cls, settings: SmartSettings, blocklist: Path | None = None) -> "PasswordPolicy":
        """The rules of the settings. `blocklist` is a text file with a password on each line, such as leaked ones.

        Raises OSError and ValueError for a file that cannot be read.
        """
        blocked = frozenset() if blocklist is None else frozenset(_lines(blocklist))
        is_composed = settings.password_policy == "composition"
        shortest = COMPOSED_CHARACTERS_MIN if is_composed else settings.password_characters_min
        return cls(shortest, is_composed, blocked)

    def faults(self, password: str, *, username: str = "", name: str = "", email: str = "") -> tuple[str, ...]:
        """Everything that is wrong with it, in sentences about a password; none where it may be one."""
        normal = unicodedata.normalize("NFKC", password)
        found = []
        if len(normal) < self.characters_min:
            found.append(f"A password has at least {self.characters_min} characters.")
        if len(password) > LONGEST_PASSWORD:
            found.append(f"A password has at most {LONGEST_PASSWORD} characters.")
        if self.is_composed:
            found.extend(_missing_kinds(normal))
        if normal and len(password) <= LONGEST_PASSWORD and self._is_guessed(normal, _context(username, name, email)):
            found.append("This password is one of those that are tried first: choose other words.")
        return tuple(found)

    def in_words(self) -> str:
        """The rules in a sentence, for a form."""
        if self.is_composed:
            kinds = "an upper-case letter, a lower-case letter, a digit and a special character"
            return f"At least {self.characters_min} characters, among them {kinds}."
        return f"At least {self.characters_min} characters: several words that nobody would expect together do well."

    def _is_guessed(self, password: str, context: tuple[str, ...]) -> bool:
        comparable = _comparable(password)
        if comparable in self.blocked:
            return True
        words = sorted({*context, *_words()}, key=len, reverse=True)
        without_numbers = _without(_SAME.sub(" ", _YEAR.sub(" ", comparable)), _runs())
        return any(
            len(set(_NEITHER.sub("", _without(each, words)))) < _OWN_CHARACTERS_MIN
            for each in (without_numbers, without_numbers.translate(_LIKE_LETTERS))
        )


def _without(text: str, parts: Sequence[str]) -> str:
    for part in parts:
        text = text.replace(part, " ")
    return text


def _context(username: str, name: str, email: str) -> tuple[str, ...]:
    """What the person's own names say, whole and in parts."""
    texts = [_comparable(each) for each in (username, name, email, email.partition("@")[0])]
    parts = [part for text in texts for part in (text, *re.split(r"[\W_]+", text))]
    return tuple({part for part in (*parts, *_SERVICE) if len(part) >= _SHORTEST_CONTEXT})


def _missing_kinds(password: str) -> list[str]:
    kinds = {
        "an upper-case letter": any(each.isupper() for each in password),
        "a lower-case letter": any(each.islower() for each in password),
        "a digit": any(each.isdigit() for each in password),
        "a special character": any(not each.isalnum() and not each.isspace() for each in password),
    }
    return [f"A password has {kind}." for kind, is_there in kinds.items() if not is_there]


def _comparable(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().strip()


@cache
def _runs() -> tuple[str, ...]:
    """Three and more digits as one counts, the longest first."""
    found = {
        counted[start:end]
        for counted in _COUNTED
        for start in range(len(counted))
        for end in range(start + 3, len(counted) + 1)
    }
    return tuple(sorted(found, key=len, reverse=True))


@cache
def _words() -> frozenset[str]:
    return frozenset(line for line in _lines(_WORDS) if not line.startswith("#"))


def _lines(file: Path) -> list[str]:
    lines = (line.strip() for line in file.read_text("utf-8").splitlines())
    return [_comparable(line) for line in lines if line]
