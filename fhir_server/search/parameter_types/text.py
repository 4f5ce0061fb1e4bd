"""`_text` and `_content`: words of the narrative, and of every human-readable string.

https://hl7.org/fhir/R4/search.html#text

Index, in `w`: `t|word` for words of the narrative, `c|word` for those that only the rest of the resource has. Words are
folded as strings are and cut where something else than a letter, a digit or "_" stands. Left out are codes, ids, urls,
the values of identifiers, units, `meta`, and resources inside the resource.
"""

import html
import re
from functools import lru_cache
from typing import Any

from fhir_server.core.resource import Resource
from fhir_server.definitions.elements import structure
from fhir_server.search.parameter_types.bad_value import BadValue
from fhir_server.search.parameter_types.string import fold, starting
from fhir_server.search.request import AllOf, AnyOf, Clause, Condition, NotThis, Words

MAX_WORD = 100
"""Characters of a word that count."""
MAX_ASKED = 50
MAX_DEPTH = 20

_WORD = re.compile(r"\w+").findall
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
# Within a word these change how it looks, not where it ends: H<sub>2</sub>O.
_INLINE = re.compile(r"</?(?:a|abbr|acronym|b|bdo|big|cite|code|dfn|em|i|q|small|span|strong|sub|sup|tt)\b[^>]*>")
_TAG = re.compile(r"<[^>]*>")
_TERM = re.compile(r'[()"]|[^\s()"]+').findall

_UNREAD = frozenset(
    {
        "Coding.version",
        "Expression.expression",
        "Identifier.value",
        "Quantity.unit",
        "Reference.reference",
        "SampledData.data",
    }
)
"""Strings that are not read by people, or name what other parameters find."""


def words(resource: Resource) -> tuple[str, ...]:
    """The entries of `w`, each once."""
    found: dict[str, None] = {}
    texts: list[str] = []
    _walk(resource, _readable(resource["resourceType"]), texts)
    for text in texts:
        found.update(_entries(text))
    narrative = resource.get("text")
    if narrative is not None and "div" in narrative:
        told = dict.fromkeys([f"t|{word}" for word in split(_plain(narrative["div"]))])
        return (*told, *[entry for entry in found if f"t{entry[1:]}" not in told])
    return tuple(found)


def split(text: str) -> list[str]:
    """The words of a text, folded."""
    return [word[:MAX_WORD] for word in _WORD(fold(text))]


def _entries(text: str) -> dict[str, None]:
    return _short_entries(text) if len(text) <= 200 else _long_entries(text)


def _long_entries(text: str) -> dict[str, None]:
    return dict.fromkeys([f"c|{word}" for word in split(text)])


# Names of codes come again in most resources.
_short_entries = lru_cache(8192)(_long_entries)


def _plain(div: str) -> str:
    return html.unescape(_TAG.sub(" ", _INLINE.sub("", _COMMENT.sub(" ", div))))


_Readable = dict[str, Any]
"""The elements of a structure that are texts or may hold some, by JSON name: _TEXT, or the table of their structure."""
_TEXT: _Readable = {}
"""Stands for a string."""
_tables: dict[str, _Readable] = {}


def _readable(type: str) -> _Readable:
    found = _tables.get(type)
    if found is None:
        made: dict[str, _Readable] = {}
        found = _fill(type, made)
        # Not before all are complete: other threads read them.
        _tables.update(made)
    return found


def _fill(type: str, made: dict[str, _Readable]) -> _Readable:
    """The table of a structure; it and those it leads to are in `made`, as an Extension may hold extensions."""
    known = _tables.get(type) or made.get(type)
    if known is not None:
        return known
    found = made[type] = {}
    for name, element in structure(type).elements.items():
        if element.type in ("string", "markdown"):
            if element.path not in _UNREAD and name != "id":
                found[name] = _TEXT
        elif not element.primitive and element.type not in ("Resource", "Narrative", "Meta"):
            found[name] = _fill(element.type, made)
    return found


def _walk(value: Any, readable: _Readable, texts: list[str]) -> None:
    for name, member in value.items():
        inner = readable.get(name)
        if inner is None or member is None:
            continue
        if inner is _TEXT:
            if isinstance(member, str):
                texts.append(member)
            else:
                texts += [item for item in member if item is not None]
        elif isinstance(member, dict):
            # A Quantity has texts in extensions alone.
            if len(inner) > 1 or "extension" in member:
                _walk(member, inner, texts)
        else:
            for item in member:
                _walk(item, inner, texts)


def read_condition(parameter: str, text: str) -> Condition:
    """Words joined by AND (or by nothing), OR and NOT, with parentheses; `start*` is any word that begins so.

    Raises BadValue.
    """
    terms: list[str] = _TERM(text)
    if '"' in terms:
        raise BadValue("has a quoted phrase, and only single words are found: leave out the quotes")
    if len(terms) > 2 * MAX_ASKED:
        raise BadValue(f"has more than {MAX_ASKED} words; send fewer")
    reader = _Reader(parameter, terms)
    found = reader.alternatives(0)
    if reader.terms:
        raise BadValue('has a ")" without its "("')
    return found


class _Reader:
    """Recursive descent over the terms that are left."""

    def __init__(self, parameter: str, terms: list[str]) -> None:
        self.parameter = parameter
        self.terms = terms[::-1]

    def takes(self, operator: str) -> bool:
        if self.terms and self.terms[-1].upper() == operator:
            self.terms.pop()
            return True
        return False

    def alternatives(self, depth: int) -> Condition:
        found = [self.joined(depth)]
        while self.takes("OR"):
            found.append(self.joined(depth))
        if len(found) == 1:
            return found[0]
        clauses = [each for each in found if isinstance(each, Clause)]
        if len(clauses) == len(found):
            return Clause(self.parameter, tuple(value for clause in clauses for value in clause.values))
        return AnyOf(tuple(found))

    def joined(self, depth: int) -> Condition:
        found = [self.single(depth)]
        while self.takes("AND") or (self.terms and self.terms[-1] != ")" and self.terms[-1].upper() != "OR"):
            found.append(self.single(depth))
        return found[0] if len(found) == 1 else AllOf(tuple(found))

    def single(self, depth: int) -> Condition:
        if depth > MAX_DEPTH:
            raise BadValue(f"is nested more than {MAX_DEPTH} deep; write it with fewer parentheses")
        if self.takes("NOT"):
            return NotThis(self.single(depth + 1))
        if self.takes("("):
            found = self.alternatives(depth + 1)
            if not self.takes(")"):
                raise BadValue('has a "(" without its ")"')
            return found
        if not self.terms or self.terms[-1] == ")" or self.terms[-1].upper() in ("AND", "OR"):
            raise BadValue("lacks a word beside AND, OR, NOT or a parenthesis")
        return self.word(self.terms.pop())

    def word(self, term: str) -> Condition:
        found = split(term)
        if not found:
            raise BadValue("has a word without letters and digits; leave it out")
        is_start = term.endswith("*")
        last = len(found) - 1
        clauses = [
            Clause(self.parameter, (Words(word, is_start and place == last),)) for place, word in enumerate(found)
        ]
        return clauses[0] if len(clauses) == 1 else AllOf(tuple(clauses))


def predicate(parameter: str, values: tuple[Words, ...]) -> dict[str, Any]:
    """The rows that have any of the words."""
    marks = ("t",) if parameter == "_text" else ("t", "c")
    whole = [f"{mark}|{value.word}" for value in values if not value.is_start for mark in marks]
    starts = [f"{mark}|{value.word}" for value in values if value.is_start for mark in marks]
    filters: list[dict[str, Any]] = [{"w": {"$regex": starting(start)}} for start in starts]
    if whole:
        filters.append({"w": whole[0] if len(whole) == 1 else {"$in": whole}})
    return filters[0] if len(filters) == 1 else {"$or": filters}
