"""The registry of eligibility that a server keeps itself: for the demo, and wherever there is no other.

What it knows of people stands sealed; they are found by keyed digests of their numbers.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from smart_auth.documents import Document, Documents
from smart_auth.identity import numbers
from smart_auth.identity.eligibility import Enrolled, RegistryUnavailable
from smart_auth.records import ENROLLED, ENROLLED_BY_SSN
from smart_auth.sealing import Seal


class EmbeddedRegistry:
    """Enrolled people in documents that all workers share."""

    def __init__(self, documents: Documents, seal: Seal) -> None:
        self._documents = documents
        self._seal = seal

    async def by_dod_id(self, dod_id: str) -> Enrolled | None:
        """Who has this DoD ID. Raises RegistryUnavailable where what is kept was sealed by another key."""
        document = await self._documents.get(ENROLLED, self._digest("dod", dod_id))
        return None if document is None else self._opened(document)

    async def by_ssn(self, ssn: str) -> Enrolled | None:
        """Who has this Social Security number; as many reads for one that nobody has."""
        pointer = await self._documents.get(ENROLLED_BY_SSN, self._digest("ssn", ssn))
        document = await self._documents.get(ENROLLED, "nobody" if pointer is None else pointer["enrolled"])
        return None if document is None else self._opened(document)

    async def dependents_of(self, dod_id: str) -> tuple[Enrolled, ...]:
        """Whose sponsor this person is."""
        found = await self._documents.find(ENROLLED, {"sponsor": self._digest("dod", dod_id)})
        return tuple(sorted((self._opened(each) for each in found), key=lambda each: each.dod_id))

    async def seed(self, entries: Iterable[Mapping[str, Any]]) -> int:
        """Keep people, in place of what was known of the same DoD IDs; how many.

        An entry has the fields of Enrolled as JSON has them (days as `2026-12-01`), and `ssn` where there is one.
        Raises ValueError for an entry that cannot be one, and then nothing of it or after it is kept.
        """
        count = 0
        for entry in entries:
            known = {name: value for name, value in entry.items() if name != "ssn"}
            enrolled = msgspec.convert(known, Enrolled)
            if numbers.dod_id(enrolled.dod_id) != enrolled.dod_id:
                raise ValueError("A DoD ID has ten digits.")
            await self._keep(enrolled, entry.get("ssn"))
            count += 1
        return count

    async def _keep(self, enrolled: Enrolled, ssn: str | None) -> None:
        id = self._digest("dod", enrolled.dod_id)
        document: Document = {"sealed": self._seal.sealed(msgspec.json.encode(enrolled).decode(), id)}
        if enrolled.sponsor_dod_id is not None:
            document["sponsor"] = self._digest("dod", enrolled.sponsor_dod_id)
        await self._documents.replace(ENROLLED, id, document)
        if ssn is None:
            return
        digits = numbers.ssn(ssn)
        if digits is None:
            raise ValueError("A Social Security number has nine digits.")
        await self._documents.replace(ENROLLED_BY_SSN, self._digest("ssn", digits), {"enrolled": id})

    def _opened(self, document: Document) -> Enrolled:
        try:
            return msgspec.json.decode(self._seal.opened(document["sealed"], document["id"]), type=Enrolled)
        except (ValueError, msgspec.ValidationError) as error:
            raise RegistryUnavailable("What the registry holds was sealed by another key.") from error

    def _digest(self, kind: str, number: str) -> str:
        return self._seal.keyed_digest(f"{kind} {number}")
