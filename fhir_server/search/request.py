"""A search as a value: typed conditions, order, page size, and what was said about it on the way.

https://hl7.org/fhir/R4/search.html
"""

from dataclasses import dataclass
from typing import Literal

import msgspec

from fhir_server.core.outcome import Issue
from fhir_server.definitions.parameter_set import STANDARD, ParameterSet

DEFAULT_COUNT = 50
MAX_COUNT = 1000
MAX_PARAMETERS = 100
MAX_TOKENS = 5_000
"""Strings one search looks up in all. A bare id of a reference that may name any type stands for 146."""
MAX_VALUES = 200
"""Values in one OR: MongoDB merges sorted index scans of about 200 values and sorts in memory beyond (measured)."""
MAX_LINKS = 5
"""References one chain may follow, `_has` included."""

Prefix = Literal["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"]
DatePrefix = Prefix
Total = Literal["none", "estimate", "accurate"]
Summary = Literal["true", "text", "data", "false"]
Contained = Literal["false", "true", "both"]


@dataclass(frozen=True, slots=True)
class Tokens:
    """A value of a token, reference or uri parameter: a row matches that has any of `tokens` in its `t`."""

    tokens: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TokenStart:
    """A value of a uri with `:below`: a row matches that has a token beginning with `start` in its `t`."""

    start: str


@dataclass(frozen=True, slots=True)
class StartsWith:
    """A value of a string parameter: `text` is folded and not empty. `entry` is `:text` for a token's texts."""

    text: str
    entry: Literal["", ":text"] = ""


@dataclass(frozen=True, slots=True)
class Exactly:
    """A value of a string parameter with `:exact`: the text as sent, letter by letter."""

    text: str


@dataclass(frozen=True, slots=True)
class Contains:
    """A value of a string parameter with `:contains`: `text` is folded, not empty, at most 200 characters."""

    text: str


@dataclass(frozen=True, slots=True)
class Whole:
    """A value of a string parameter for `eq` in `_filter`: all of a text, folded, of fewer than 1,000 characters."""

    text: str


@dataclass(frozen=True, slots=True)
class EndsWith:
    """A value of a string parameter for `ew` in `_filter`: `text` is folded, not empty, at most 200 characters."""

    text: str


@dataclass(frozen=True, slots=True)
class Covering:
    """A value of a date parameter for `co` and `po` in `_filter`: a stretch that begins at `begins` at the latest and
    ends at `ends` at the earliest, in ms since 1970 UTC.
    """

    begins: int
    ends: int


@dataclass(frozen=True, slots=True)
class Dated:
    """A value of a date parameter: the stretch it covers in ms since 1970 UTC, both ends inclusive."""

    prefix: Prefix
    lo: int
    hi: int


@dataclass(frozen=True, slots=True)
class Measured:
    """A value of a number or quantity parameter, over the entries of `q` under `key`.

    `value` is the number asked for, `lo` and `hi` the ends of its implicit range: `lo` inclusive, `hi` exclusive.
    """

    prefix: Prefix
    key: str
    value: float
    lo: float
    hi: float


@dataclass(frozen=True, slots=True)
class LogicalId:
    """A value of `_id`."""

    id: str


@dataclass(frozen=True, slots=True)
class Missing:
    """The value of `:missing`: whether the parameter's element must be absent."""

    is_missing: bool


@dataclass(frozen=True, slots=True)
class Near:
    """A value of `near`: degrees, and the distance in metres."""

    latitude: float
    longitude: float
    metres: float


@dataclass(frozen=True, slots=True)
class Words:
    """One word of `_text` or `_content`, folded; with `is_start` any word that begins so."""

    word: str
    is_start: bool = False


Value = (
    Tokens
    | TokenStart
    | StartsWith
    | Exactly
    | Contains
    | Dated
    | Measured
    | LogicalId
    | Missing
    | Near
    | Words
    | Whole
    | EndsWith
    | Covering
)


@dataclass(frozen=True, slots=True)
class Clause:
    """One parameter of the query: a row matches when it matches any of `values`; with `negated` (`:not`), none."""

    parameter: str
    values: tuple[Value, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Composed:
    """One value of a composite parameter: all of `parts` hold for one instance of `element` (`component`).

    `element` is None where the composite is tied to the resource itself: its parts are then clauses of the resource.
    `implied` are clauses on the resource that hold wherever `parts` do; they are indexed, `parts` are not.
    """

    element: str | None
    parts: tuple[Clause, ...]
    implied: tuple[Clause, ...] = ()


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every one of `conditions` holds."""

    conditions: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of `conditions` holds."""

    conditions: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class NotThis:
    """The condition does not hold."""

    condition: "Condition"


@dataclass(frozen=True, slots=True)
class Ids:
    """The logical id is one of `ids`; none matches where it is empty."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Linked:
    """The resources at the other end of a link: those of `type` for which every one of `conditions` holds."""

    type: str
    conditions: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Chained:
    """`parameter.other=value`: the reference parameter names a resource that one of `links` describes.

    `name` is the parameter as sent, for messages.
    """

    name: str
    parameter: str
    links: tuple[Linked, ...]


@dataclass(frozen=True, slots=True)
class Having:
    """`_has:Type:reference:other=value`: a resource of `link` names this one in its reference parameter `parameter`."""

    name: str
    parameter: str
    link: Linked


@dataclass(frozen=True, slots=True)
class InList:
    """`_list=id`: the resource is an entry of the List."""

    id: str


@dataclass(frozen=True, slots=True)
class Expanded:
    """A value that the store expands: `:in`, `:not-in` a ValueSet; `:above`, `:below` in a hierarchy.

    `texts` are the values as sent, unescaped at use. `name` is the parameter as sent, for messages. The parameter is a
    token, or for `above` and `below` a reference to the searched type.
    """

    name: str
    parameter: str
    modifier: Literal["in", "not-in", "above", "below"]
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reach:
    """Rows a caller may see by one of its grants: all of what is set here holds.

    `owners` are ids of patients, of which the row has one; None: whoever's rows, nobody's too. `source` is the agency
    whose rows they are. `categories` are tokens of the parameter `category` (`category|system|code`): the row has one
    of each tuple. `without_labels` are security labels (`system|code`) that the row has none of. `participants` are
    places (`Practitioner/p7`), of which one takes part in what the row says; None: whoever does.
    """

    owners: tuple[str, ...] | None = None
    source: str | None = None
    categories: tuple[tuple[str, ...], ...] = ()
    without_labels: tuple[str, ...] = ()
    participants: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Visible:
    """The rows within at least one of `reaches`; none where there is none."""

    reaches: tuple[Reach, ...]


Condition = Clause | Composed | AllOf | AnyOf | NotThis | Ids | Chained | Having | InList | Expanded | Visible


@dataclass(frozen=True, slots=True)
class SortKey:
    """One key of `_sort`: `_lastUpdated`, `_id`, or a parameter's code."""

    parameter: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Include:
    """`_include=Source:parameter[:target]`, or with `reverse` `_revinclude`; `*` as `source` or `parameter` is any.

    With `iterate` it applies to included resources too.
    """

    source: str
    parameter: str
    target: str | None = None
    reverse: bool = False
    iterate: bool = False


class SearchRequest(msgspec.Struct, frozen=True):
    """Rows of `type` for which every one of `conditions` holds.

    `type` is empty in a search of several types, which stand in `types`. `sort` is empty where the client named no
    order. `count` is the page size, 1 to MAX_COUNT; with `count_only` no resource is wanted, just how many there are.
    `total` is None where the client left it open. `elements` are the top-level elements asked for, empty for all.
    `contained` says whether contained resources are searched, and `container` whether their containers are answered.
    `applied` are the pairs as they were understood, for the self link; `warnings` says what was left out of them.
    """

    type: str
    conditions: tuple[Condition, ...] = ()
    sort: tuple[SortKey, ...] = ()
    count: int = DEFAULT_COUNT
    count_only: bool = False
    total: Total | None = None
    summary: Summary = "false"
    elements: tuple[str, ...] = ()
    includes: tuple[Include, ...] = ()
    contained: Contained = "false"
    container: bool = True
    explain: bool = False
    types: tuple[str, ...] = ()
    applied: tuple[tuple[str, str], ...] = ()
    warnings: tuple[Issue, ...] = ()
    parameter_set: ParameterSet = STANDARD
