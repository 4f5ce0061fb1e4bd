"""A search as the store runs it: one filter, one order, one limit over the current rows of one type.

https://hl7.org/fhir/R4/search.html
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Query:
    """What to read and in which order.

    `filter` is a MongoDB filter; `sort` pairs fields with 1 or -1 and ends in `_id`; `limit` counts rows.
    Fields in `missing_last` may be absent and have no sentinel: rows without them come last in either direction.
    `hint` names the index to use.
    """

    type: str
    filter: dict[str, Any]
    sort: tuple[tuple[str, int], ...]
    limit: int
    missing_last: frozenset[str] = frozenset()
    hint: str | None = None
