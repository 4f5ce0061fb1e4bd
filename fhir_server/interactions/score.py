"""How well a resource matches the words of `_text` and `_content`: `Bundle.entry.search.score`.

https://hl7.org/fhir/R4/search.html#score
"""

from collections.abc import Iterable

from fhir_server.search.request import AllOf, AnyOf, Clause, Condition, Words
from fhir_server.store.search import SearchRow

Asked = frozenset[tuple[str, Words]]
"""The words asked for, each with its parameter; not those that must be absent."""


def asked_words(conditions: Iterable[Condition]) -> Asked:
    """The words that conditions ask for."""
    found: set[tuple[str, Words]] = set()
    for condition in conditions:
        match condition:
            case Clause(parameter, values, negated=False):
                found |= {(parameter, value) for value in values if isinstance(value, Words)}
            case AllOf(inner) | AnyOf(inner):
                found |= asked_words(inner)
    return frozenset(found)


def score(asked: Asked, row: SearchRow) -> float:
    """The share of the words that the row has, 0 to 1; it was read with the field `w`."""
    words = row.stored.get("w", ())
    return sum(_has(words, parameter, word) for parameter, word in asked) / len(asked)


def _has(words: Iterable[str], parameter: str, asked: Words) -> bool:
    starts = tuple(f"{kind}|{asked.word}" for kind in ("t" if parameter == "_text" else "tc"))
    return any(word.startswith(starts) if asked.is_start else word in starts for word in words)
