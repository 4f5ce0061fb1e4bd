"""The parameters that shape a result rather than choose it: `_sort`, `_count`, `_summary`, `_total`.

https://hl7.org/fhir/R4/search.html#return
"""

from difflib import get_close_matches
from typing import cast, get_args

from fhir_server.core import outcome
from fhir_server.core.outcome import Failure, Issue
from fhir_server.definitions.search_parameters import search_parameters
from fhir_server.search.index import is_sortable
from fhir_server.search.request import DEFAULT_COUNT, MAX_COUNT, SortKey, Total

RESULT_PARAMETERS = ("_sort", "_count", "_summary", "_total")

MAX_SORT_KEYS = 5
"""Each key adds a branch to the condition a next page begins with."""


class ResultParameters:
    """The result parameters of one search while it is read; `problems` are refusals."""

    def __init__(self, resource_type: str) -> None:
        self.type = resource_type
        self.sort: tuple[SortKey, ...] = ()
        self.count = DEFAULT_COUNT
        self.count_only = False
        self.total: Total | None = None
        self.problems: list[Issue] = []
        self._seen: set[str] = set()

    def read(self, name: str, value: str) -> str | None:
        """Take one parameter. What is returned says why the server does not support a value R4 has."""
        if name in self._seen:
            self._refuse(name, f"{name} is given more than once; only one value can be meant.")
            return None
        self._seen.add(name)
        match name:
            case "_sort":
                self._read_sort(value)
            case "_count":
                self._read_count(value)
            case "_total":
                self._read_total(value)
            case "_summary":
                return self._read_summary(value)
        return None

    def applied(self, name: str, value: str) -> str:
        """The value as it was understood, for the self link."""
        return str(self.count) if name == "_count" and not self.count_only else value

    def _read_count(self, value: str) -> None:
        if not (value.isascii() and value.isdigit() and len(value) <= 9):
            self._refuse("_count", f"_count is a whole number from 0 to {MAX_COUNT}.")
        elif int(value) == 0:
            # R4: a page of no resources is asked for as a count.
            self.count_only = True
        else:
            self.count = min(int(value), MAX_COUNT)

    def _read_total(self, value: str) -> None:
        if value in get_args(Total):
            self.total = cast(Total, value)
        else:
            self._refuse("_total", "_total is none, estimate or accurate.")

    def _read_summary(self, value: str) -> str | None:
        if value in ("true", "text", "data"):
            return f"has the value '{value}', which this server does not support yet; it takes count and false"
        if value == "count":
            self.count_only = True
        elif value != "false":
            self._refuse("_summary", "_summary is count or false; R4's true, text and data are not supported yet.")
        return None

    def _read_sort(self, value: str) -> None:
        keys = [SortKey(part.removeprefix("-"), part.startswith("-")) for part in value.split(",")]
        codes = [key.parameter for key in keys]
        if len(keys) > MAX_SORT_KEYS:
            self._refuse("_sort", f"_sort takes at most {MAX_SORT_KEYS} keys.", outcome.BAD_SORT)
        elif len(set(codes)) != len(codes):
            self._refuse("_sort", "_sort names a parameter twice.", outcome.BAD_SORT)
        elif not [code for code in codes if not self._is_sort_key(code)]:
            self.sort = tuple(keys)

    def _is_sort_key(self, code: str) -> bool:
        table = search_parameters(self.type)
        if code in ("_id", "_lastUpdated") or (code in table and is_sortable(table[code])):
            return True
        sortable = ["_id", "_lastUpdated", *sorted(each for each, found in table.items() if is_sortable(found))]
        close = get_close_matches(code, sortable, n=3, cutoff=0.6)
        hint = f"did you mean {' or '.join(close)}?" if close else f"it can be sorted by {', '.join(sortable)}."
        shown = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in code[:64])
        self._refuse("_sort", f"{self.type} cannot be sorted by '{shown}': {hint}", outcome.BAD_SORT)
        return False

    def _refuse(self, name: str, text: str, failure: Failure = outcome.BAD_PARAMETER_VALUE) -> None:
        self.problems.append(failure.issue(text, name))
