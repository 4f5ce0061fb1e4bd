"""What this package needs of a database, so that it knows none: documents by kind and id, changed atomically.

The FHIR server hands in its own (fhir_server.store.documents); all workers share it and it outlives them.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """A document was made, changed (then `document` is what it is now) or removed (then it is None)."""

    id: str
    document: Document | None


class Documents(Protocol):
    """Documents of JSON values. Instants are seconds since 1970; `expires` is when a document may vanish by itself.

    What a method has answered is durable (majority). Every method raises the store's own error where the database is
    away; its edge answers that by 503.
    """

    async def insert(self, kind: str, id: str, document: Mapping[str, Any], expires: int | None = None) -> bool:
        """Keep a new document; False where the id is taken."""
        ...

    async def replace(self, kind: str, id: str, document: Mapping[str, Any], expires: int | None = None) -> None:
        """Keep a document in place of whatever is there."""
        ...

    async def get(self, kind: str, id: str) -> Document | None:
        """The document, with its id under `id`."""
        ...

    async def find(self, kind: str, equal: Mapping[str, Any], limit: int = 1000) -> list[Document]:
        """Documents whose fields have these values (or, of a list, contain them), by id."""
        ...

    async def change(
        self, kind: str, id: str, changes: Mapping[str, Any], where: Mapping[str, Any] | None = None
    ) -> Document | None:
        """Set fields, atomically and only if the fields of `where` have those values (None: absent or null).

        The document as it was before; None where it is not there or differs, and nothing was changed.
        """
        ...

    async def remove(self, kind: str, id: str) -> bool:
        """Whether it was there."""
        ...

    async def remove_all(self, kind: str, equal: Mapping[str, Any]) -> int:
        """How many there were."""
        ...

    async def count_up(self, kind: str, id: str, expires: int, by: int = 1) -> int:
        """Add to a counter that begins at 0 and vanishes after `expires` (set when it is made); its new value."""
        ...

    def changes(self, kind: str) -> AsyncIterator[Change | None]:
        """Every change of the kind's documents from now on, in order; None at least every half second of silence, which
        proves that nothing is missed. Ends with the store's error where the connection does; begin anew then.
        """
        ...
