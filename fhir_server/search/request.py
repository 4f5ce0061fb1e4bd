"""A search as a value: typed clauses, order, page size, and what was said about it on the way.

https://hl7.org/fhir/R4/search.html
"""

from dataclasses import dataclass
from typing import Literal

from fhir_server.core.outcome import Issue

DEFAULT_COUNT = 50
MAX_COUNT = 1000
MAX_PARAMETERS = 100
MAX_TOKENS = 5_000
"""Strings one search looks up in all. A bare id of a reference that may name any type stands for 146."""
MAX_VALUES = 200
"""Values in one OR: MongoDB merges sorted index scans of about 200 values and sorts in memory beyond (measured)."""

DatePrefix = Literal["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"]
Total = Literal["none", "estimate", "accurate"]


@dataclass(frozen=True, slots=True)
class Tokens:
    """A value of a token, reference or uri parameter: a row matches that has any of `tokens` in its `t`."""

    tokens: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StartsWith:
    """A value of a string parameter: `text` is folded and not empty."""

    text: str


@dataclass(frozen=True, slots=True)
class Dated:
    """A value of a date parameter: the stretch it covers in ms since 1970 UTC, both ends inclusive."""

    prefix: DatePrefix
    lo: int
    hi: int


@dataclass(frozen=True, slots=True)
class LogicalId:
    """A value of `_id`."""

    id: str


Value = Tokens | StartsWith | Dated | LogicalId


@dataclass(frozen=True, slots=True)
class Clause:
    """One parameter of the query: a row matches when it matches any of `values`."""

    parameter: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class SortKey:
    """One key of `_sort`: `_lastUpdated`, `_id`, or a parameter's code."""

    parameter: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """Rows of `type` that match every one of `parameters`.

    `sort` is empty where the client named no order. `count` is the page size, 1 to MAX_COUNT; with `count_only` no
    resource is wanted, just how many there are. `total` is None where the client left it open.
    `applied` are the pairs as they were understood, for the self link; `warnings` says what was left out of them.
    """

    type: str
    parameters: tuple[Clause, ...] = ()
    sort: tuple[SortKey, ...] = ()
    count: int = DEFAULT_COUNT
    count_only: bool = False
    total: Total | None = None
    applied: tuple[tuple[str, str], ...] = ()
    warnings: tuple[Issue, ...] = ()
