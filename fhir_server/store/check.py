"""Facts about the database for `fhir-server check` and for the start of a server, each with its remedy.

https://www.mongodb.com/docs/manual/reference/command/hello/
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fhir_server.store import indexes, parameter_sets
from fhir_server.store.fence import older_than
from fhir_server.store.mongo import Database, DriverError, command, refusal
from fhir_server.store.rows import indexed_by

OLDEST_MONGODB = 6


@dataclass(frozen=True, slots=True)
class Deployment:
    """The MongoDB that answers: its version, the name of its replica set (None without), and whether it writes."""

    version: str
    replica_set: str | None
    is_writable: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """What `check` prints. `problems` are sentences that each say what to do; none means all is well.

    `missing_indexes` are written `Collection.index`; `outdated_rows` counts by type what is indexed as before.
    """

    deployment: Deployment
    missing_indexes: tuple[str, ...]
    outdated_rows: Mapping[str, int]
    problems: tuple[str, ...]


async def deployment(database: Database) -> Deployment:
    """What is there. Raises FhirError 503 where nothing answers."""
    build = await command(database, "buildInfo", admin=True)
    hello = await command(database, "hello", admin=True)
    return Deployment(build["version"], hello.get("setName"), bool(hello.get("isWritablePrimary")))


def unmet(found: Deployment) -> tuple[str, ...]:
    """Why the server cannot run on this MongoDB; empty where it can."""
    problems = []
    if int(found.version.split(".")[0]) < OLDEST_MONGODB:
        problems.append(f"MongoDB is {found.version}: upgrade it to {OLDEST_MONGODB}.0 or newer.")
    if found.replica_set is None:
        problems.append("MongoDB is no replica set: start mongod with --replSet rs0 and run rs.initiate() once.")
    elif not found.is_writable:
        problems.append(f"No primary of {found.replica_set} answers: name all its members in the MongoDB URI.")
    return tuple(problems)


async def facts(database: Database) -> Facts:
    """All of it; counting outdated rows reads whole collections. Raises FhirError 503 where nothing answers."""
    found = await deployment(database)
    missing = await indexes.verify(database)
    outdated = await _outdated_rows(database)
    problems = list(unmet(found))
    if missing:
        problems.append(f"Indexes are missing or differ ({', '.join(missing)}): drop those that differ, restart.")
    if outdated:
        problems.append(f"{sum(outdated.values())} rows have search values of before: run `fhir-server reindex`.")
    return Facts(found, missing, outdated, tuple(problems))


async def _outdated_rows(database: Database) -> dict[str, int]:
    outdated = {}
    floors = (await parameter_sets.existing(database)).floors
    try:
        for name in await parameter_sets.stored_types(database):
            floor = indexed_by(floors.get(name, 0))
            outdated[name] = await database.collections[name].count_documents(older_than(floor))
    except DriverError as error:
        raise refusal(error) from error
    return {name: count for name, count in outdated.items() if count}
