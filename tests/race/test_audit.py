"""Many workers that begin and write their chains of the audit log at once, while it is checked."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from fhir_server.core.trail import Accessed
from fhir_server.policy import Sight
from fhir_server.store import mongo
from fhir_server.store.audit import Auditor
from fhir_server.store.audit_check import Verdict, verdicts
from fhir_server.store.audit_entries import Asked
from smart_auth.access import AccessContext

pytestmark = pytest.mark.race

WORKERS = 6
CLIENTS = 8
REQUESTS = 30

SIGHT = Sight(AccessContext("account-7", "app", "patient", ()))
# Larger than others, so that groups are cut.
LARGE = Accessed(
    "R", "history-type", "Observation", tuple(f"Observation/o{n}/_history/1" for n in range(2_000)), ("a",)
)


async def test_each_worker_has_a_whole_chain_of_all_that_it_answered(mongodb_uri: str, database_name: str) -> None:
    async with AsyncExitStack() as opened:
        databases = [mongo.connect(mongodb_uri, database_name) for _ in range(WORKERS)]
        for database in databases:
            opened.push_async_callback(mongo.close, database)
        auditors = [Auditor(database, f"worker-{number}") for number, database in enumerate(databases)]
        await asyncio.gather(*(auditor.begin() for auditor in auditors))
        running = [asyncio.create_task(auditor.run()) for auditor in auditors]
        writing = asyncio.gather(*(_client(auditor) for auditor in auditors for _ in range(CLIENTS)))
        while not writing.done():
            # Nobody has tampered, whatever is half written.
            assert _broken(await verdicts(databases[0])) == []
            await asyncio.sleep(0.1)
        await writing
        for task in running:
            task.cancel()
        for auditor in auditors:
            await auditor.end()
        found = await verdicts(databases[0])
    assert _broken(found) == []
    assert [verdict.rows for verdict in found] == [1 + CLIENTS * REQUESTS] * WORKERS


async def _client(auditor: Auditor) -> None:
    for number in range(REQUESTS):
        access = LARGE if number % 10 == 0 else Accessed("R", "read", "Patient", ("Patient/a",), ("a",))
        await auditor.note_request(SIGHT, Asked(f"request-{number}", "read"), [access], 200)


def _broken(found: list[Verdict]) -> list[str]:
    return [verdict.broken for verdict in found if verdict.broken]
