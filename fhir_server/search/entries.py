"""What is gathered from one resource for the index, and the bound on the length of its keys."""

from collections.abc import Iterable
from hashlib import sha256
from typing import Any

from fhir_server.core.resource import Resource

SORTED = 100
"""Characters of a text that rows are sorted by."""
MAX_KEY = 1000
"""Characters of one index key. An identifier or a url is far shorter; what is longer comes from a mistake or malice."""


class Entries:
    """Index entries of one resource while they are gathered; dicts, because they drop repeats and keep the order.

    `resource` is the resource at hand, also where the entries are those of one of its elements. `tokens` are for `t`,
    `strings` for `s`, `dates` (parameter, lo, hi) for `d`, `measures` (key, lo, hi) for `q`, `positions` (longitude,
    latitude) for `g`, `composites` for `c`, as they are stored.
    """

    __slots__ = (
        "composites",
        "dates",
        "keys",
        "measures",
        "own_bases",
        "positions",
        "references",
        "resource",
        "strings",
        "tokens",
    )

    def __init__(self, own_bases: tuple[str, ...], resource: Resource) -> None:
        self.own_bases = own_bases
        self.resource = resource
        self.tokens: dict[str, None] = {}
        self.strings: dict[str, None] = {}
        self.dates: dict[tuple[str, int, int], None] = {}
        self.measures: dict[tuple[str, float, float], None] = {}
        self.positions: dict[tuple[float, float], None] = {}
        self.composites: list[dict[str, Any]] = []
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

    def mark_present(self, parameter: str) -> None:
        """Write `param!`: the parameter has a value of which nothing can be searched, yet it is not `:missing`."""
        self.tokens[parameter + "!"] = None

    def take(self, other: "Entries") -> None:
        """Add what another has gathered for `t`, `s`, `d` and `q`."""
        self.tokens.update(other.tokens)
        self.strings.update(other.strings)
        self.dates.update(other.dates)
        self.measures.update(other.measures)

    def fields(self) -> dict[str, Any]:
        """The entries as a sub-document of a row: `t`, `s`, `d`, `q`, `c`, `g` by what `IndexValues` says of them,
        without those that are empty.
        """
        found: dict[str, Any] = {}
        if self.tokens:
            found["t"] = bounded_tokens(self.tokens)
        if self.strings:
            found["s"] = tuple(self.strings)
        if self.dates:
            found["d"] = stretches(self.dates)
        if self.measures:
            found["q"] = stretches(self.measures)
        if self.composites:
            found["c"] = tuple(self.composites)
        if self.positions:
            found["g"] = points(self.positions)
        return found


def bounded(key: str) -> str:
    """The key itself, or its first 900 characters and a SHA-256 of all of it: equal only where the keys are equal."""
    if len(key) <= MAX_KEY:
        return key
    return f"{key[:KEPT]}\\#{sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}"


KEPT = 900
"""Characters of a key too long that stay as they are."""


def bounded_tokens(tokens: Iterable[str]) -> tuple[str, ...]:
    """Every token as `bounded` gives it."""
    return tuple([token if len(token) <= MAX_KEY else bounded(token) for token in tokens])


def stretches(found: Iterable[tuple[str, Any, Any]]) -> list[dict[str, Any]]:
    """The stored form of dates and measures, `{p, lo, hi}`."""
    return [{"p": key, "lo": lo, "hi": hi} for key, lo, hi in found]


def points(found: Iterable[tuple[float, float]]) -> list[dict[str, Any]]:
    """The stored form of positions (longitude, latitude): GeoJSON points, https://www.rfc-editor.org/rfc/rfc7946.

    Each in a document of its own: MongoDB takes an array of points itself for one malformed point.
    """
    return [{"at": {"type": "Point", "coordinates": [longitude, latitude]}} for longitude, latitude in found]
