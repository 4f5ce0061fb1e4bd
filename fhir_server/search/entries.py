"""What is gathered from one resource for the index, and the bound on the length of its keys."""

from hashlib import sha256
from typing import Any

SORTED = 100
"""Characters of a text that rows are sorted by."""
MAX_KEY = 1000
"""Characters of one index key. An identifier or a url is far shorter; what is longer comes from a mistake or malice."""


class Entries:
    """Index entries of one resource while they are gathered; dicts, because they drop repeats and keep the order."""

    __slots__ = ("dates", "keys", "own_bases", "references", "strings", "tokens")

    def __init__(self, own_bases: tuple[str, ...]) -> None:
        self.own_bases = own_bases
        self.tokens: dict[str, None] = {}
        self.strings: dict[str, None] = {}
        self.dates: dict[tuple[str, int, int], None] = {}
        self.keys: dict[str, dict[str, Any]] = {}
        self.references: dict[str, str | None] = {}
        """References as sent to what they are indexed as: `patient` and `subject` ask for the same one."""

    def sort_by(self, parameter: str, low: Any, high: Any) -> None:
        """Widen a parameter's sort keys: ascending order goes by the lowest value, descending by the highest."""
        keys = self.keys.get(parameter)
        if keys is None:
            self.keys[parameter] = {"a": low, "d": high}
            return
        if low < keys["a"]:
            keys["a"] = low
        if high > keys["d"]:
            keys["d"] = high


def bounded(key: str) -> str:
    """The key itself, or its first 900 characters and a SHA-256 of all of it: equal only where the keys are equal."""
    if len(key) <= MAX_KEY:
        return key
    return f"{key[:900]}\\#{sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}"
