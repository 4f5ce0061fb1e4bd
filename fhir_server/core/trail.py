"""What one request touched: gathered while it runs, written to the audit log before its answer leaves.

https://profiles.ihe.net/ITI/BALP/
"""

from typing import Literal

import msgspec

AuditAction = Literal["C", "R", "U", "D", "E"]


class Accessed(msgspec.Struct, frozen=True):
    """One interaction of a request (a batch has many).

    `interaction` is R4's code (`read`, `search-type`); `places` are what was read or written (`Observation/o1`, with
    the version where one was asked for or made). `patients` are the ids of those whose records these are. `query` is
    the text of a search. `status` is the HTTP status it was answered with, 200 and above. `exported` is the code of the
    operation by which a record was handed out, empty for all else.
    """

    action: AuditAction
    interaction: str
    type: str
    places: tuple[str, ...] = ()
    patients: tuple[str, ...] = ()
    query: str | None = None
    status: int = 200
    exported: str = ""


class Trail(msgspec.Struct):
    """The accesses of one request, in order."""

    accesses: list[Accessed] = []

    def note(self, accessed: Accessed) -> None:
        """Add an access."""
        self.accesses.append(accessed)
