"""Reads of single resources."""

from datetime import UTC

from fhir_server.core.write_plan import Delete
from fhir_server.store import resources
from fhir_server.store.mongo import Database
from tests.store.plans import put, write


async def test_what_was_never_stored_is_not_there_and_reading_it_makes_no_collection(database: Database) -> None:
    assert await resources.read(database, "Patient", "a") is None
    assert await resources.read_version(database, "Patient", "a", 1) is None
    assert await resources.read_many(database, "Patient", ["a"]) == {}
    assert await database.handle.list_collection_names() == []


async def test_a_row_has_its_instant_in_utc(database: Database) -> None:
    (written,) = await write(database, put("a"))
    row = await resources.read(database, "Patient", "a")
    assert row is not None
    assert (row.type, row.id, row.method, row.deleted) == ("Patient", "a", "PUT", False)
    assert row.updated == written.updated
    assert row.updated.tzinfo is UTC


async def test_every_version_can_be_read_the_deletion_too_and_no_other(database: Database) -> None:
    await write(database, put("a", content={"active": False}))
    await write(database, put("a"))
    await write(database, Delete("Patient", "a"))
    versions = [await resources.read_version(database, "Patient", "a", version) for version in range(5)]
    assert versions[0] is None and versions[4] is None
    assert [(row.id, row.version, row.deleted) for row in versions[1:4] if row] == [
        ("a", 1, False),
        ("a", 2, False),
        ("a", 3, True),
    ]


async def test_many_are_read_by_id_and_missing_ones_left_out(database: Database) -> None:
    await write(database, put("a"), put("b"))
    found = await resources.read_many(database, "Patient", ["a", "b", "c", "a"])
    assert sorted(found) == ["a", "b"]
    assert found["a"].body is not None
