"""The parameters that shape a result rather than choose it: its order, its pages, and how much of each resource.

https://hl7.org/fhir/R4/search.html#return
"""

from collections.abc import Callable, Collection, Mapping
from typing import TypeVar, cast, get_args

from fhir_server.core import outcome
from fhir_server.core.outcome import Failure
from fhir_server.definitions.capability import RESULTS
from fhir_server.definitions.elements import structure
from fhir_server.definitions.parameter_set import STANDARD, ParameterSet
from fhir_server.search.includes import MAX_INCLUDES, read_include
from fhir_server.search.request import (
    DEFAULT_COUNT,
    MAX_COUNT,
    Contained,
    Include,
    SortKey,
    Summary,
    Total,
)
from fhir_server.search.scope import Refused, numbered
from fhir_server.search.sort_keys import is_sortable
from fhir_server.search.suggestions import did_you_mean, no_modifier

RESULT_PARAMETERS = tuple(RESULTS)

MAX_SORT_KEYS = 5
"""Each key adds a branch to the condition a next page begins with."""

_REPEATED = frozenset({"_include", "_revinclude"})
_ALWAYS_SORTABLE = ("_id", "_lastUpdated")
_Word = TypeVar("_Word", bound=str)


class ResultParameters:
    """The result parameters of one search of `types` while it is read."""

    def __init__(self, types: tuple[str, ...], parameter_set: ParameterSet = STANDARD) -> None:
        self.types = types
        self.parameter_set = parameter_set
        self.sort: tuple[SortKey, ...] = ()
        self.count = DEFAULT_COUNT
        self.count_only = False
        self.total: Total | None = None
        self.summary: Summary = "false"
        self.elements: tuple[str, ...] = ()
        self.includes: list[Include] = []
        self.contained: Contained = "false"
        self.container = True
        self.score = False
        self.explain = False
        self.is_asked = False
        self._seen: set[str] = set()

    def read(self, name: str, sent: str) -> None:
        """Take one parameter. Raises Refused."""
        self.is_asked = True
        code, colon, modifier = name.partition(":")
        if code in _REPEATED:
            self._read_include(name, sent)
            return
        if colon:
            raise no_modifier(code, modifier)
        if code in self._seen:
            raise _bad("is given more than once; only one value can be meant")
        self._seen.add(code)
        _READERS[code](self, sent)

    def check(self, names: Collection[str]) -> list[tuple[str, str]]:
        """What is wrong with the parameters together: names and texts. `names` are all of the search's parameters."""
        found: list[tuple[str, str]] = []
        if self.elements and (self.summary != "false" or ("_summary" in self._seen and self.count_only)):
            found.append(("_elements", "chooses elements, and so does _summary; leave one of them out"))
        if self.summary == "text" and self.includes:
            found.append(("_summary", "is text, which R4 does not combine with _include and _revinclude"))
        if self.total == "none" and self.count_only:
            found.append(("_total", "is none, and the search asks for nothing but the total; leave one of them out"))
        if "_containedType" in self._seen and self.contained == "false":
            found.append(
                ("_containedType", "is about contained resources; send _contained=true or both too, or leave it out")
            )
        if self.score and "_text" not in names and "_content" not in names:
            found.append(
                (
                    "_score",
                    "says how well a resource matches words, and the search has no _text or _content; leave it out",
                )
            )
        return found

    def applied(self, name: str, sent: str) -> str:
        """The value as it was understood, for the self link."""
        return str(self.count) if name == "_count" and sent.strip("0") else sent

    def _read_include(self, name: str, sent: str) -> None:
        if len(self.includes) >= MAX_INCLUDES:
            raise _bad(f"is one of more than {MAX_INCLUDES} includes; '*' stands for all parameters of a type")
        self.includes.append(read_include(self.types, self.parameter_set, name, sent))

    def _read_count(self, sent: str) -> None:
        if not (sent.isascii() and sent.isdigit() and len(sent) <= 9):
            raise _bad(f"is a whole number from 0 to {MAX_COUNT}")
        if int(sent) == 0:
            # R4: a page of no resources is asked for as a count.
            self.count_only = True
        else:
            self.count = min(int(sent), MAX_COUNT)

    def _read_total(self, sent: str) -> None:
        self.total = cast(Total, _word(sent, get_args(Total)))

    def _read_summary(self, sent: str) -> None:
        word = _word(sent, (*get_args(Summary), "count"))
        if word == "count":
            self.count_only = True
        else:
            self.summary = cast(Summary, word)

    def _read_contained(self, sent: str) -> None:
        self.contained = cast(Contained, _word(sent, get_args(Contained)))

    def _read_contained_type(self, sent: str) -> None:
        self.container = _word(sent, ("container", "contained")) == "container"

    def _read_score(self, sent: str) -> None:
        self.score = _word(sent, ("true", "false")) == "true"

    def _read_explain(self, sent: str) -> None:
        self.explain = _word(sent, ("true", "false")) == "true"

    def _read_elements(self, sent: str) -> None:
        found: dict[str, None] = {}
        names = sent.split(",")
        for position, name in enumerate(names, 1):
            if name == "resourceType":
                # No element, but in every answer; fhirpy asks for it each time.
                continue
            forms = {form for type in self.types for form in _json_names(type, name)}
            if not forms:
                known = {each for type in self.types for each in structure(type).elements}
                which = self.types[0] if len(self.types) == 1 else "any type searched"
                said = numbered("element", position, len(names))
                raise _bad(f"has {said} that is no top-level element of {which}{did_you_mean(name, known)}")
            found |= dict.fromkeys(sorted(forms))
        self.elements = tuple(found)

    def _read_sort(self, sent: str) -> None:
        keys = [SortKey(part.removeprefix("-"), part.startswith("-")) for part in sent.split(",")]
        codes = [key.parameter for key in keys]
        if len(keys) > MAX_SORT_KEYS:
            raise _bad(f"takes at most {MAX_SORT_KEYS} keys", outcome.BAD_SORT)
        if len(set(codes)) != len(codes):
            raise _bad("names a parameter twice", outcome.BAD_SORT)
        bad = [
            f"has {numbered('key', position, len(codes))} {problem}"
            for position, code in enumerate(codes, 1)
            if (problem := self._sort_problem(code))
        ]
        if bad:
            raise Refused(*((outcome.BAD_SORT, text) for text in bad))
        self.sort = tuple(keys)

    def _sort_problem(self, code: str) -> str:
        """Why a code is no key, as a relative clause; empty where it is one."""
        if code in _ALWAYS_SORTABLE or all(self._is_sortable(type, code) for type in self.types):
            return ""
        tables = [self.parameter_set.of(type) for type in self.types]
        known = [code for code in tables[0] if all(self._is_sortable(type, code) for type in self.types)]
        sortable = [*_ALWAYS_SORTABLE, *sorted(known)]
        which = self.types[0] if len(self.types) == 1 else "several types"
        hint = did_you_mean(code, sortable).lstrip(". ") or f"It can be sorted by {', '.join(sortable)}."
        return f"that {which} cannot be sorted by. {hint}"

    def _is_sortable(self, type: str, code: str) -> bool:
        parameter = self.parameter_set.of(type).get(code)
        return parameter is not None and is_sortable(parameter)


_READERS: Mapping[str, Callable[[ResultParameters, str], None]] = {
    "_sort": ResultParameters._read_sort,
    "_count": ResultParameters._read_count,
    "_total": ResultParameters._read_total,
    "_summary": ResultParameters._read_summary,
    "_elements": ResultParameters._read_elements,
    "_contained": ResultParameters._read_contained,
    "_containedType": ResultParameters._read_contained_type,
    "_score": ResultParameters._read_score,
    "__explain": ResultParameters._read_explain,
}


def _bad(text: str, failure: Failure = outcome.BAD_PARAMETER_VALUE) -> Refused:
    return Refused((failure, text))


def _word(sent: str, words: tuple[str, ...]) -> str:
    if sent not in words:
        raise _bad(f"is {', '.join(words[:-1])} or {words[-1]}")
    return sent


def _json_names(type: str, name: str) -> tuple[str, ...]:
    """The JSON names an element of `_elements` stands for: `value` and `value[x]` for every form of it."""
    shape = structure(type)
    stem = name.removesuffix("[x]")
    if stem in shape.choices:
        return shape.choices[stem][1]
    return (name,) if name in shape.elements else ()
