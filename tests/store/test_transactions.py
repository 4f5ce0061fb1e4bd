"""What a plan stores, what it refuses, and that it is whole."""

from datetime import timedelta

import pytest

from fhir_server.core.codec import decode
from fhir_server.core.instant import format_instant, now
from fhir_server.core.write_plan import Absence, Delete, Matched
from fhir_server.store import history, resources
from fhir_server.store.mongo import MAX_ROW_BYTES, Database
from fhir_server.store.rows import Row
from tests.store.plans import create, put, refused, write


async def live(database: Database, type: str, id: str) -> Row:
    row = await resources.read(database, type, id)
    assert row is not None
    return row


async def test_a_create_is_version_1_and_answers_the_bytes_it_stored(database: Database) -> None:
    (written,) = await write(database, create("a"))
    row = await live(database, "Patient", "a")
    assert (written.version, written.created, written.changed) == (1, True, True)
    assert row.body == written.body
    assert row.body is not None
    assert decode(row.body)["meta"] == {"versionId": "1", "lastUpdated": format_instant(row.updated)}


async def test_a_create_under_an_id_in_use_is_refused_and_changes_nothing(database: Database) -> None:
    await write(database, put("a", content={"active": False}))
    error = await refused(write(database, create("a")))
    assert error.status == 409
    assert (await live(database, "Patient", "a")).version == 1


async def test_an_update_keeps_the_version_it_displaces_with_owners_source_and_labels(database: Database) -> None:
    (first,) = await write(database, put("a", content={"active": False}, owners=("p1",)))
    (second,) = await write(database, put("a", owners=("p2",)))
    past = await resources.read_version(database, "Patient", "a", 1)
    stored = await database.handle["Patient_history"].find_one({"_id": "a|1"})
    assert (second.version, second.created) == (2, False)
    assert past is not None and past.body == first.body
    assert stored is not None
    assert (stored["owners"], stored["source"], stored["labels"]) == (["p1"], "agency", ["secret|labels"])
    assert not stored.keys() & {"pt", "t", "s", "d", "k"}


async def test_an_update_of_an_unused_id_creates_it(database: Database) -> None:
    (written,) = await write(database, put("a"))
    assert (written.version, written.created) == (1, True)


async def test_a_delete_leaves_a_tombstone_with_its_owners_and_later_versions_go_on_from_it(database: Database) -> None:
    await write(database, put("a", owners=("p1",), tokens=("active|true|",)))
    (deleted,) = await write(database, Delete("Patient", "a"))
    row = await live(database, "Patient", "a")
    stored = await database.handle["Patient"].find_one({"_id": "a"})
    (again,) = await write(database, put("a"))
    assert (deleted.version, deleted.body, deleted.changed, deleted.created) == (2, None, True, False)
    assert (row.deleted, row.body, row.method) == (True, None, "DELETE")
    assert stored is not None and stored["owners"] == ["p1"] and not stored.keys() & {"pt", "t", "s", "d", "k"}
    assert (again.version, again.created) == (3, True)


async def test_a_delete_of_nothing_writes_nothing_not_even_a_collection(database: Database) -> None:
    (never,) = await write(database, Delete("Patient", "a"))
    assert (never.version, never.changed) == (0, False)
    assert await database.handle.list_collection_names() == []


async def test_a_second_delete_changes_nothing(database: Database) -> None:
    await write(database, put("a"))
    await write(database, Delete("Patient", "a"))
    (again,) = await write(database, Delete("Patient", "a"))
    assert (again.version, again.changed) == (2, False)
    assert (await live(database, "Patient", "a")).version == 2


async def test_the_version_named_must_be_the_current_one_and_the_refusal_names_that(database: Database) -> None:
    await write(database, put("a"))
    await write(database, put("a", if_version=1))
    error = await refused(write(database, put("a", if_version=1)))
    assert error.status == 412
    assert "Patient/a is at version 2, not 1" in error.issues[0].text


async def test_a_version_of_a_resource_that_does_not_exist_cannot_be_replaced_or_deleted(database: Database) -> None:
    assert (await refused(write(database, put("a", if_version=1)))).status == 412
    assert (await refused(write(database, Delete("Patient", "a", if_version=1)))).status == 412
    assert await resources.read(database, "Patient", "a") is None


async def test_unless_equal_leaves_the_same_content_at_its_version(database: Database) -> None:
    content = {"active": True, "name": [{"family": "Ortiz", "given": ["Ana"]}], "meta": {"source": "urn:x"}}
    (first,) = await write(database, put("a", content=content))
    sent = {"meta": {"source": "urn:x", "versionId": "7"}, "id": "a", "name": content["name"], "active": True}
    (second,) = await write(database, put("a", content=sent, unless_equal=True))
    assert (second.version, second.changed, second.body) == (1, False, first.body)


@pytest.mark.parametrize("other", [{"active": False}, {"active": True, "meta": {"source": "urn:x"}}, {"active": 1}])
async def test_unless_equal_writes_what_differs(database: Database, other: dict[str, object]) -> None:
    await write(database, put("a", content={"active": True}))
    (second,) = await write(database, put("a", content=other, unless_equal=True))
    assert (second.version, second.changed) == (2, True)


async def test_unless_equal_sees_a_digit_more(database: Database) -> None:
    shorter, longer = decode(b'{"value":1.5}'), decode(b'{"value":1.50}')
    await write(database, put("a", type="Observation", content=shorter))
    (same,) = await write(database, put("a", type="Observation", content=shorter, unless_equal=True))
    (second,) = await write(database, put("a", type="Observation", content=longer, unless_equal=True))
    assert (same.changed, second.changed) == (False, True)


async def test_unless_equal_brings_back_what_was_deleted(database: Database) -> None:
    await write(database, put("a"))
    await write(database, Delete("Patient", "a"))
    (again,) = await write(database, put("a", unless_equal=True))
    assert (again.version, again.created, again.changed) == (3, True, True)


async def test_instants_of_one_id_never_run_backwards(database: Database) -> None:
    await write(database, put("a"))
    ahead = now() + timedelta(minutes=5)
    await database.handle["Patient"].update_one({"_id": "a"}, {"$set": {"updated": ahead}})
    (second,) = await write(database, put("a"))
    assert second.updated == ahead
    assert second.body is not None and format_instant(ahead).encode() in second.body


async def test_many_documents_of_many_types_are_answered_in_the_order_of_the_plan(database: Database) -> None:
    await write(database, put("a"), put("b"), put("o", type="Observation"))
    written = await write(
        database,
        put("o2", type="Observation"),
        put("b"),
        Delete("Patient", "a"),
        create("c"),
        put("o", type="Observation"),
    )
    assert [(one.type, one.id, one.version, one.created) for one in written] == [
        ("Observation", "o2", 1, True),
        ("Patient", "b", 2, False),
        ("Patient", "a", 2, False),
        ("Patient", "c", 1, True),
        ("Observation", "o", 2, False),
    ]
    assert [row.version for row in await history.of_system(database, 20)].count(2) == 3


async def test_a_plan_whose_last_document_fails_leaves_nothing_behind(database: Database) -> None:
    await write(database, put("b"))
    plan = write(database, create("a"), put("b"), put("o", type="Observation", if_version=3), claims=["x"])
    assert (await refused(plan)).status == 412
    assert await resources.read(database, "Patient", "a") is None
    assert (await live(database, "Patient", "b")).version == 1
    assert await database.handle["Patient_history"].count_documents({}) == 0
    assert await database.handle["server.claims"].count_documents({}) == 0


async def test_an_absence_that_does_not_hold_names_the_matches_and_nothing_is_written(database: Database) -> None:
    await write(database, put("a", tokens=("identifier|1|urn:x",)))
    with pytest.raises(Matched) as raised:
        await write(database, create("b"), absences=[Absence("Patient", {"t": "identifier|1|urn:x"})])
    assert (raised.value.type, raised.value.ids) == ("Patient", ("a",))
    assert await resources.read(database, "Patient", "b") is None


async def test_a_deleted_resource_does_not_break_an_absence(database: Database) -> None:
    await write(database, put("a"))
    await write(database, Delete("Patient", "a"))
    (written,) = await write(database, create("b"), absences=[Absence("Patient", {"_id": {"$in": ["a"]}})])
    assert written.created


async def test_claims_keep_neither_the_condition_nor_an_identifier(database: Database) -> None:
    await write(database, create("a"), claims=["Patient?identifier=us-ssn|999-12-3456"])
    (claim,) = await database.handle["server.claims"].find({}).to_list(None)
    assert "999" not in str(claim["_id"])


async def test_a_resource_over_the_limit_is_refused_with_its_size_before_it_is_sent(database: Database) -> None:
    error = await refused(write(database, put("a", content={"note": "x" * MAX_ROW_BYTES})))
    assert error.status == 413
    assert str(MAX_ROW_BYTES) in error.issues[0].text
    assert await resources.read(database, "Patient", "a") is None


async def test_search_values_over_the_limit_are_refused_too(database: Database) -> None:
    fat = put("a", tokens=tuple(f"{number}{'x' * 1_000_000}" for number in range(17)))
    error = await refused(write(database, fat))
    assert error.status == 413
    assert "BSON" not in error.issues[0].text


async def test_an_empty_plan_is_nothing(database: Database) -> None:
    assert await write(database) == ()
