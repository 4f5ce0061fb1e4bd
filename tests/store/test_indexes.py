"""Collections get their indexes before their first row, and lost ones are noticed."""

from decimal import Decimal

from fhir_server.definitions.registry import resource_types
from fhir_server.store import check, indexes, keys
from fhir_server.store.mongo import Database, index_specifications
from tests.store.conftest import OpenDatabase
from tests.store.plans import indexed, put, write


async def test_a_first_write_makes_both_collections_with_every_declared_index(database: Database) -> None:
    await write(database, put("a"))
    for collection in ("Patient", "Patient_history"):
        existing = await index_specifications(database, collection)
        assert set(existing) == {"_id_"} | {index.name for index in indexes.declared(collection)}
    assert await indexes.verify(database) == ()


async def test_a_missing_index_and_a_differing_one_are_named(database: Database) -> None:
    await write(database, put("a"))
    await database.handle["Patient"].drop_index("t")
    await database.handle["Patient"].drop_index("updated")
    await database.handle["Patient"].create_index([("updated", 1)], name="updated")
    assert await indexes.verify(database) == ("Patient.t", "Patient.updated")
    facts = await check.facts(database)
    assert facts.missing_indexes == ("Patient.t", "Patient.updated")
    assert len(facts.problems) == 1


async def test_every_type_has_at_most_one_array_in_an_index() -> None:
    arrays = {"pt", "t", "s", "d", "q", "c", "w", "g", "h", "about"}
    for type in resource_types():
        for index in indexes.current_indexes(type):
            assert len({field.split(".")[0] for field, _ in index.fields} & arrays) <= 1


def test_a_type_has_the_indexes_its_parameters_need() -> None:
    always = {"pt", "t", "s", "dlo", "dhi", "updated", "gone"}
    names = {type: {index.name for index in indexes.current_indexes(type)} for type in resource_types()}
    assert names["Observation"] == {*always, "q", "w", "h"}
    assert names["Location"] == {*always, "g", "w", "h"}
    assert names["Patient"] == {*always, "w", "h", "files"}
    assert names["Binary"] == {*always, "about"}


async def test_words_contained_resources_and_positions_can_be_stored(database: Database) -> None:
    location = {
        "resourceType": "Location",
        "id": "a",
        "position": {"longitude": Decimal("179.9"), "latitude": Decimal("-89.9")},
        "contained": [{"resourceType": "Organization", "id": "o", "name": "Inside"}],
    }
    await write(database, indexed(location))
    found = await database.handle["Location"].find_one({"h": {"$elemMatch": {"r": "Organization", "s": "name|inside"}}})
    assert found is not None and found["g"] == [{"at": {"type": "Point", "coordinates": [179.9, -89.9]}}]
    assert await indexes.verify(database) == ()


async def test_the_server_key_is_made_once_and_is_the_same_for_all_workers(open_database: OpenDatabase) -> None:
    one, other = open_database(), open_database()
    first = await keys.server_key(one, "cursor")
    assert len(first) == 32
    assert await keys.server_key(other, "cursor") == first
    assert await keys.server_key(other, "another") != first


async def test_check_finds_nothing_wrong_with_a_replica_set(database: Database) -> None:
    await write(database, put("a"))
    facts = await check.facts(database)
    assert facts.problems == ()
    assert facts.deployment.replica_set is not None
    assert facts.deployment.is_writable


async def test_check_counts_rows_with_search_values_of_another_version(database: Database) -> None:
    await write(database, put("a"), put("b"))
    await database.handle["Patient"].update_one({"_id": "a"}, {"$set": {"px": 0}})
    facts = await check.facts(database)
    assert facts.outdated_rows == {"Patient": 1}
    assert len(facts.problems) == 1


def test_an_old_mongodb_and_one_without_replica_set_are_refused_with_a_remedy() -> None:
    assert check.unmet(check.Deployment("7.0.2", "rs0", True)) == ()
    (old,) = check.unmet(check.Deployment("4.4.1", "rs0", True))
    (alone,) = check.unmet(check.Deployment("6.0.5", None, True))
    (secondary,) = check.unmet(check.Deployment("6.0.5", "rs0", False))
    assert "upgrade" in old and "--replSet" in alone and "primary" in secondary
