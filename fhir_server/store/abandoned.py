"""Ends transactions that a killed process left open: MongoDB would let them hold their rows for a minute and more.

https://www.mongodb.com/docs/manual/reference/operator/aggregation/currentOp/,
https://www.mongodb.com/docs/manual/reference/command/killSessions/
"""

from fhir_server.store.mongo import APPLICATION_NAME, Database, DriverError

IDLE_SECONDS = 3.0
"""A living worker sends the commands of a transaction milliseconds apart. One that slept longer and lives yet finds its
transaction gone and runs it again."""


async def end_abandoned(database: Database) -> int:
    """End every transaction of this server's that has waited IDLE_SECONDS for its next command; how many.

    What the database refuses is left alone: the caller's own retries go on, and MongoDB ends it later by itself.
    """
    pipeline = [
        {"$currentOp": {"idleSessions": True}},
        {
            "$match": {
                "type": "idleSession",
                "appName": APPLICATION_NAME,
                "transaction.timeInactiveMicros": {"$gt": int(IDLE_SECONDS * 1_000_000)},
            }
        },
        {"$project": {"lsid.id": 1}},
    ]
    admin = database.client["admin"]
    try:
        idle = await admin.command({"aggregate": 1, "pipeline": pipeline, "cursor": {}})
        sessions = [{"id": found["lsid"]["id"]} for found in idle["cursor"]["firstBatch"]]
        if sessions:
            await admin.command("killSessions", sessions)
    except DriverError:
        return 0
    return len(sessions)
