"""Documents of one process, for tests of what stands above them; tests/store/test_documents.py has the real ones."""

import asyncio
import copy
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from smart_auth.documents import Change, Document


class Away(Exception):
    """The database cannot be reached."""


@dataclass(slots=True)
class _Held:
    document: Document
    expires: int | None


def _now() -> int:
    return int(time.time())


@dataclass(slots=True)
class MemoryDocuments:
    """Documents in dictionaries. With `is_away` every method fails; `calls` counts how often each was asked.

    A follower of `changes` hears None once it is followed and after each silence of `silence_seconds`; it is cut off
    when `is_away` becomes true.
    """

    now: Callable[[], int] = _now
    silence_seconds: float = 0.01
    is_away: bool = False
    calls: dict[str, int] = field(default_factory=dict)
    _kinds: dict[str, dict[str, _Held]] = field(default_factory=dict)
    _followers: dict[str, list[asyncio.Queue[Change]]] = field(default_factory=dict)

    async def insert(self, kind: str, id: str, document: Mapping[str, Any], expires: int | None = None) -> bool:
        await self._asked("insert")
        if self._live(kind, id) is not None:
            return False
        self._keep(kind, id, document, expires)
        return True

    async def replace(self, kind: str, id: str, document: Mapping[str, Any], expires: int | None = None) -> None:
        await self._asked("replace")
        self._keep(kind, id, document, expires)

    async def get(self, kind: str, id: str) -> Document | None:
        await self._asked("get")
        held = self._live(kind, id)
        return None if held is None else {**copy.deepcopy(held.document), "id": id}

    async def find(self, kind: str, equal: Mapping[str, Any], limit: int = 1000) -> list[Document]:
        await self._asked("find")
        return self._found(kind, equal)[:limit]

    async def change(
        self, kind: str, id: str, changes: Mapping[str, Any], where: Mapping[str, Any] | None = None
    ) -> Document | None:
        await self._asked("change")
        held = self._live(kind, id)
        if held is None or any(held.document.get(name) != value for name, value in (where or {}).items()):
            return None
        before = {**copy.deepcopy(held.document), "id": id}
        self._keep(kind, id, {**held.document, **changes}, held.expires)
        return before

    async def remove(self, kind: str, id: str) -> bool:
        await self._asked("remove")
        return self._drop(kind, id)

    async def remove_all(self, kind: str, equal: Mapping[str, Any]) -> int:
        await self._asked("remove_all")
        return sum(self._drop(kind, document["id"]) for document in self._found(kind, equal))

    async def count_up(self, kind: str, id: str, expires: int, by: int = 1) -> int:
        await self._asked("count_up")
        held = self._live(kind, id)
        count: int = by if held is None else held.document["count"] + by
        self._keep(kind, id, {"count": count}, expires if held is None else held.expires)
        return count

    async def changes(self, kind: str) -> AsyncIterator[Change | None]:
        await self._asked("changes")
        queue: asyncio.Queue[Change] = asyncio.Queue()
        self._followers.setdefault(kind, []).append(queue)
        try:
            yield None
            while True:
                self._refuse_while_away()
                try:
                    # Not wait_for: in Python 3.11 it may lose a cancellation that comes with the end of the time.
                    async with asyncio.timeout(self.silence_seconds):
                        change = await queue.get()
                except TimeoutError:
                    self._refuse_while_away()
                    yield None
                else:
                    yield change
        finally:
            self._followers[kind].remove(queue)

    async def _asked(self, method: str) -> None:
        self.calls[method] = self.calls.get(method, 0) + 1
        # As with a real database, others run between a call and its effect.
        await asyncio.sleep(0)
        self._refuse_while_away()

    def _refuse_while_away(self) -> None:
        if self.is_away:
            raise Away

    def _live(self, kind: str, id: str) -> _Held | None:
        held = self._kinds.setdefault(kind, {}).get(id)
        return None if held is None or (held.expires is not None and held.expires <= self.now()) else held

    def _found(self, kind: str, equal: Mapping[str, Any]) -> list[Document]:
        live = [id for id in sorted(self._kinds.setdefault(kind, {})) if self._live(kind, id) is not None]
        documents = [{**copy.deepcopy(self._kinds[kind][id].document), "id": id} for id in live]
        return [each for each in documents if all(_has(each.get(name), value) for name, value in equal.items())]

    def _keep(self, kind: str, id: str, document: Mapping[str, Any], expires: int | None) -> None:
        kept = copy.deepcopy(dict(document))
        kept.pop("id", None)
        self._kinds.setdefault(kind, {})[id] = _Held(kept, expires)
        self._tell(kind, Change(id, {**copy.deepcopy(kept), "id": id}))

    def _drop(self, kind: str, id: str) -> bool:
        was_there = self._live(kind, id) is not None
        self._kinds[kind].pop(id, None)
        if was_there:
            self._tell(kind, Change(id, None))
        return was_there

    def _tell(self, kind: str, change: Change) -> None:
        for follower in self._followers.get(kind, []):
            follower.put_nowait(change)


def _has(found: Any, value: Any) -> bool:
    return value in found if isinstance(found, list | tuple) else found == value
