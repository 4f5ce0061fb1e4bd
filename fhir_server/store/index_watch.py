"""Makes the declared indexes that stored types lack, as after an upgrade of the server, and goes on looking."""

import asyncio
from dataclasses import dataclass

import structlog

from fhir_server.core.outcome import FhirError
from fhir_server.store import indexes
from fhir_server.store.mongo import Database
from fhir_server.store.rows import HISTORY_SUFFIX

LOOK_EVERY_SECONDS = 60.0
"""A look asks each collection for its indexes: 0.1 s where there are 146 types."""
_TRY_AGAIN_SECONDS = 2.0

log = structlog.get_logger()


@dataclass(slots=True)
class IndexWatch:
    """What is known of the indexes. `missing` is None before the first look, else the names `Collection.index`.

    `were_complete` says that once nothing was missing: what is missing later makes searches slow, and no more.
    """

    database: Database
    missing: tuple[str, ...] | None = None
    were_complete: bool = False

    async def run(self) -> None:
        """Look, make what is missing, and look again, until cancelled."""
        while True:
            try:
                await self.look()
            except FhirError as error:
                log.warning("indexes could not be made", why=error.issues[0].text, missing=self.missing)
            except Exception as error:
                log.error("indexes could not be made", kind=type(error).__name__, missing=self.missing)
            await asyncio.sleep(_TRY_AGAIN_SECONDS if self.missing != () else LOOK_EVERY_SECONDS)

    async def look(self) -> None:
        """One look. Raises FhirError 503 where the database is away, 500 where an index differs from what is declared.

        MongoDB builds an index beside reads and writes; those of a type wait that this process has not written before.
        """
        self._found(await indexes.verify(self.database))
        if self.missing:
            log.info("making indexes", missing=self.missing)
            await self._make({name.rpartition(".")[0] for name in self.missing})
            self._found(await indexes.verify(self.database))

    async def _make(self, collections: set[str]) -> None:
        services = {name for name in collections if indexes.holds_no_resources(name)}
        self.database.ensured.difference_update(services)
        for name in sorted(services):
            await indexes.ensure_collection(self.database, name)
        types = {name.removesuffix(HISTORY_SUFFIX) for name in collections - services}
        self.database.ensured.difference_update(types)
        await indexes.ensure(self.database, sorted(types))

    def _found(self, missing: tuple[str, ...]) -> None:
        self.missing = missing
        self.were_complete = self.were_complete or not missing
