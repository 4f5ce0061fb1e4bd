"""The ValueSets and CodeSystems kept here, as one search reads them: each once, and not more than it may.

https://hl7.org/fhir/R4/terminologies.html
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from fhir_server.core import outcome
from fhir_server.core.codec import decode
from fhir_server.core.resource import Resource
from fhir_server.interactions.canonicals import named
from fhir_server.interactions.hierarchy import CodeTree, code_tree
from fhir_server.interactions.narrow import narrow
from fhir_server.interactions.off_loop import LARGE_BODY_BYTES
from fhir_server.interactions.reading import Reading
from fhir_server.search.request import Clause, Ids, SearchRequest, SortKey, Tokens
from fhir_server.store.search import SearchRow

MAX_READ_BYTES = 32 * 1024 * 1024
"""JSON of ValueSets and CodeSystems that one search decodes: the tree of a CodeSystem of 16 MB takes some 100 MB."""
MAX_KEPT = 50_000
"""Codes of value sets that one search keeps, should they be asked for again."""
_MANY_CODES = 10_000

Codes = dict[tuple[str, str], None]
"""System and code, in the order found."""
_Made = TypeVar("_Made")


class Terminology:
    """What one search has read of ValueSets and CodeSystems."""

    def __init__(self) -> None:
        self._trees: dict[str, CodeTree | None] = {}
        self._codes: dict[str, Codes] = {}
        self._kept = 0
        self._read_bytes = 0

    @classmethod
    def of(cls, reading: Reading) -> "Terminology":
        """The one of a search, whichever of its conditions asks."""
        found = reading.memo.setdefault(cls, cls())
        assert isinstance(found, cls)
        return found

    def codes(self, canonical: str) -> Codes | None:
        """What a value set was found to stand for."""
        return self._codes.get(canonical)

    def keep(self, canonical: str, codes: Codes) -> None:
        """Remember what a value set stands for, as long as there is room."""
        if self._kept + len(codes) <= MAX_KEPT:
            self._kept += len(codes)
            self._codes[canonical] = codes

    async def tree(self, reading: Reading, canonical: str) -> CodeTree | None:
        """The codes of a CodeSystem. None where its content is not complete; raises KeyError where it is not here."""
        if canonical not in self._trees:
            row = await _newest(reading, "CodeSystem", canonical)
            if row is None:
                raise KeyError
            self._trees[canonical] = await self._made(row, lambda body: code_tree(decode(body)))
        return self._trees[canonical]

    async def value_set(self, reading: Reading, canonical: str) -> Resource | None:
        """The newest ValueSet of a url and, where the canonical has one, a version."""
        row = await _newest(reading, "ValueSet", canonical)
        return None if row is None else await self._made(row, _decoded)

    async def value_set_at(self, reading: Reading, id: str) -> Resource | None:
        """The ValueSet of a logical id."""
        row = await _first(reading, SearchRequest("ValueSet", (Ids((id,)),), count=1))
        return None if row is None else await self._made(row, _decoded)

    async def _made(self, row: SearchRow, make: Callable[[bytes], _Made]) -> _Made:
        self._read_bytes += len(row.body)
        if self._read_bytes > MAX_READ_BYTES:
            raise outcome.TOO_COSTLY(
                f"The value sets and code systems that the search names take more than {MAX_READ_BYTES >> 20} MB. "
                "Name fewer or smaller ones."
            )
        return await asyncio.to_thread(make, row.body) if len(row.body) > LARGE_BODY_BYTES else make(row.body)


async def beside_loop(tree: CodeTree, choose: Callable[[], _Made]) -> _Made:
    """What is chosen from a tree, in a thread where it is large; others get their turn meanwhile in any case."""
    if len(tree.codes) > _MANY_CODES:
        return await asyncio.to_thread(choose)
    await asyncio.sleep(0)
    return choose()


async def _newest(reading: Reading, type: str, canonical: str) -> SearchRow | None:
    token = named(canonical if "|" in canonical else f"{canonical}|")
    assert token is not None
    newest = (SortKey("_lastUpdated", descending=True),)
    return await _first(reading, SearchRequest(type, (Clause("url", (Tokens((token,)),)),), sort=newest, count=1))


async def _first(reading: Reading, request: SearchRequest) -> SearchRow | None:
    narrowed = narrow(reading.context, request, "rs")
    if request.type not in await reading.types():
        return None
    rows = await reading.find(reading.plan_now(narrowed))
    return rows[0] if rows else None


def _decoded(body: bytes) -> Resource:
    resource: Resource = decode(body)
    return resource
