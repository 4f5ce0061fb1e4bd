"""What the reads of one search may take together: time, and bytes of bodies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from time import monotonic
from typing import Any

from fhir_server.core import outcome

MAX_PAGE_BYTES = 64 * 1024 * 1024
"""Bodies of one page of a search or history. One resource can have up to a quarter of it."""

_body_of = itemgetter("body")


def _page_bytes() -> int:
    return MAX_PAGE_BYTES


@dataclass(slots=True)
class Allowance:
    """What the reads of one request may still take: time `until`, in monotonic seconds, and `bytes` of bodies."""

    until: float
    bytes: int = field(default_factory=_page_bytes)

    @property
    def milliseconds(self) -> int:
        """What is left of the time; 0 or less where it is over."""
        return int((self.until - monotonic()) * 1000)

    def take(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Count rows that were read. Raises FhirError 400 where their bodies are more than what is left."""
        if rows and "body" in rows[0]:
            # A page has 51 rows, and all or none of them have their bodies: 3 µs, in a loop 20.
            self.bytes -= sum(map(len, map(_body_of, rows)))
        if self.bytes < 0:
            raise outcome.TOO_COSTLY(
                f"The page would be larger than {MAX_PAGE_BYTES} bytes. Ask for fewer resources at once with _count.",
                "_count",
            )
