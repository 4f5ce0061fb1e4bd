"""A transaction that a killed process left open does not hold its rows for long."""

from fhir_server.core.write_plan import WritePlan
from fhir_server.store import transactions
from fhir_server.store.abandoned import end_abandoned
from fhir_server.store.mongo import begin, session
from tests.store.conftest import OpenDatabase
from tests.store.plans import put


async def test_a_write_waits_for_an_open_transaction_only_until_it_counts_as_abandoned(
    open_database: OpenDatabase,
) -> None:
    database, other_worker = open_database(), open_database()
    await transactions.run(database, WritePlan((put("held"),)))
    async with session(other_worker) as left_open:
        await begin(other_worker, left_open)
        rows = other_worker.collections["Patient"]
        await rows.update_one({"_id": "held"}, {"$set": {"source": "urn:killed"}}, session=left_open)
        (written,) = await transactions.run(database, WritePlan((put("held"),)))
    assert written.version == 2


async def test_a_transaction_at_work_is_left_alone(open_database: OpenDatabase) -> None:
    database, other_worker = open_database(), open_database()
    await transactions.run(database, WritePlan((put("busy"),)))
    async with session(other_worker) as working:
        await begin(other_worker, working)
        rows = other_worker.collections["Patient"]
        await rows.update_one({"_id": "busy"}, {"$set": {"source": "urn:alive"}}, session=working)
        await end_abandoned(database)
        await working.commit_transaction()
    row = await database.collections["Patient"].find_one({"_id": "busy"})
    assert row is not None and row["source"] == "urn:alive"
