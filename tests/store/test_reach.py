"""A writer's reach is looked at inside the transaction: what lies outside is as if it were not there, even when it has
just moved there.
"""

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from fhir_server.core.codec import decode
from fhir_server.core.outcome import FhirError
from fhir_server.core.write_plan import Delete, Effects, Keeps, Put, WritePlan, Written
from fhir_server.store import history, indexes, resources, transactions
from fhir_server.store.mongo import Database, Session
from tests.store.conftest import OpenDatabase
from tests.store.plans import create, put, refused, warm, write

ANNAS = {"owners": "anna"}
WRITERS = 40


def bounded(document: Put, creates: bool = False, agency: str | None = None) -> Put:
    return replace(document, within=ANNAS, creates=creates, agency=agency)


async def versions(database: Database, id: str) -> int:
    return len(await history.of_instance(database, "Patient", id, 100))


async def test_a_row_out_of_reach_is_refused_as_one_that_is_not_there(database: Database) -> None:
    await write(database, put("bens", owners=("ben",)), put("annas", owners=("anna",)))
    for document in (
        bounded(put("bens", owners=("anna",))),
        bounded(put("bens", owners=("anna",), if_version=1)),
        bounded(put("bens", owners=("anna",), if_version=9)),
        bounded(put("bens", owners=("anna",), unless_equal=True)),
        Delete("Patient", "bens", within=ANNAS),
        Delete("Patient", "bens", 9, within=ANNAS),
    ):
        hidden = await refused(write(database, document))
        free = await refused(write(database, replace(document, id="free")))
        assert (hidden.status, hidden.place) == (404, "Patient/bens")
        assert hidden.issues[0].text.replace("bens", "free") == free.issues[0].text
        assert hidden.issues[0].number == free.issues[0].number
        whole = await refused(write(database, bounded(put("annas", owners=("anna",))), document))
        assert whole.place == "Patient/bens"
    assert await versions(database, "bens") == await versions(database, "annas") == 1
    (written,) = await write(database, bounded(put("annas", owners=("anna",))))
    assert (written.version, written.owners) == (2, ("anna",))


async def test_a_tombstone_is_within_reach_of_whom_it_belonged_to(database: Database) -> None:
    await write(database, put("bens", owners=("ben",)), put("annas", owners=("anna",)))
    await write(database, Delete("Patient", "bens"), Delete("Patient", "annas"))
    assert (await refused(write(database, bounded(put("bens", owners=("anna",)))))).status == 404
    (again,) = await write(database, bounded(put("annas", owners=("anna",))))
    assert (again.version, again.created) == (3, True)


async def test_who_may_create_makes_what_is_not_there_and_displaces_nothing_unseen(database: Database) -> None:
    await write(database, put("bens", owners=("ben",)))
    error = await refused(write(database, bounded(put("bens"), creates=True), bounded(put("free"), creates=True)))
    assert (error.status, error.place) == (404, "Patient/bens")
    (written,) = await write(database, bounded(put("free"), creates=True))
    assert (written.version, written.created) == (1, True)


async def test_another_agencys_row_is_left(database: Database) -> None:
    await write(database, put("a", owners=("anna",)))
    for document in (bounded(put("a"), agency="other"), Delete("Patient", "a", agency="other")):
        error = await refused(write(database, document))
        assert (error.status, error.issues[0].number) == (403, 6023)
    assert await versions(database, "a") == 1
    await write(database, bounded(put("a"), agency="agency"))


@pytest.mark.parametrize(
    ("keeps", "content", "element"),
    [
        (Keeps(but_for=frozenset({"active"})), {"active": True, "name": [{"text": "b"}]}, "name"),
        (Keeps(but_for=frozenset({"active"})), {"active": True}, "name"),
        (Keeps(but_for=frozenset({"name"})), {"name": [{"text": "b"}], "gender": "other"}, "active"),
    ],
)
async def test_what_must_stay_is_named_where_it_would_not(
    database: Database, keeps: Keeps, content: dict[str, Any], element: str
) -> None:
    await write(database, put("a", content={"active": False, "name": [{"text": "a"}]}))
    error = await refused(write(database, replace(put("a", content=content), keeps=keeps)))
    assert (error.status, error.issues[0].number) == (403, 6022)
    assert error.issues[0].expression == f"Patient.{element}"
    kept = {"active": False, "name": [{"text": "a"}]} | {name: content.get(name) for name in keeps.but_for or ()}
    await write(database, replace(put("a", content=kept), keeps=keeps))


async def test_what_moves_away_after_the_snapshot_is_not_written_over(database: Database) -> None:
    """The move is committed between the transaction's first read and its write."""
    await write(database, put("a", owners=("anna",)))
    moves = [put("a", owners=("ben",))]

    async def move(database: Database, running: Session) -> None:
        await database.handle["Patient"].find_one({"_id": "a"}, session=running)
        if moves:
            await write(database, moves.pop())

    for document in (bounded(put("a", owners=("anna",))), Delete("Patient", "a", within=ANNAS)):
        error = await refused(transactions.run(database, WritePlan((document,)), move))
        assert error.status == 404
    row = await resources.read(database, "Patient", "a")
    assert row is not None and (row.version, row.owners) == (2, ("ben",))


@pytest.mark.race
async def test_once_moved_nothing_more_is_written_by_whom_it_left(open_database: OpenDatabase) -> None:
    both = open_database(), open_database()
    await indexes.ensure(both[0], ["Patient"])
    await warm(both, WRITERS // 2)
    await write(both[0], put("a", owners=("anna",), content={"gender": "unknown"}))

    async def change(number: int) -> int:
        document = bounded(put("a", owners=("anna",), content={"gender": "other"}))
        try:
            await write(both[number % 2], document)
        except FhirError as error:
            return error.status
        return 200

    async def move() -> None:
        await asyncio.sleep(0.02)
        for _ in range(10):
            # On a machine that others use, who waits among so many may be told to come again.
            with suppress(FhirError):
                await write(both[0], put("a", owners=("ben",), content={"gender": "female"}))
                return

    *statuses, _ = await asyncio.gather(*(change(number) for number in range(WRITERS)), move())
    rows = await history.of_instance(both[0], "Patient", "a", 100)
    genders = [decode(row.body or b"{}")["gender"] for row in reversed(rows)]
    moved = genders.index("female")
    assert genders[moved:] == ["female"]
    assert set(statuses) <= {200, 404, 409}
    assert statuses.count(200) == moved - 1


async def test_effects_are_written_with_what_they_follow_from_or_not_at_all(database: Database) -> None:
    seen: list[tuple[Written, ...]] = []

    async def puts(written: tuple[Written, ...]) -> tuple[Put, ...]:
        seen.append(written)
        return (create(f"of-{written[0].version}", type="Provenance"),)

    effects = Effects(("Provenance",), puts)
    await transactions.run(database, WritePlan((put("a"), put("b")), effects=effects))
    assert [[each.id for each in written] for written in seen] == [["a", "b"]]
    assert await resources.read(database, "Provenance", "of-1") is not None
    failing = WritePlan((put("a"), put("b", if_version=7)), effects=effects)
    assert (await refused(transactions.run(database, failing))).status == 412
    assert (await transactions.run(database, WritePlan((Delete("Patient", "never"),), effects=effects)))[0].version == 0
    assert await database.handle["Provenance"].count_documents({}) == 1
