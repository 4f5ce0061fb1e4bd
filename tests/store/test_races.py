"""Many writers at once, on warm connection pools, through two workers."""

import asyncio
from collections import Counter
from itertools import pairwise

import pytest

from fhir_server.core.outcome import FhirError
from fhir_server.core.write_plan import Absence, Delete, Matched, Written
from fhir_server.store import history, indexes, resources
from fhir_server.store.mongo import Database
from tests.store.conftest import OpenDatabase
from tests.store.plans import create, put, warm, write

pytestmark = pytest.mark.race

WRITERS = 50


async def workers(open_database: OpenDatabase) -> tuple[Database, Database]:
    both = open_database(), open_database()
    for database in both:
        await indexes.ensure(database, ["Patient"])
        await indexes.ensure_claims(database)
    await warm(both, WRITERS // 2)
    return both


async def test_equal_conditional_creates_make_one_resource(open_database: OpenDatabase) -> None:
    both = await workers(open_database)
    token = "identifier|1|urn:x"

    async def create_unless_there(number: int) -> str:
        try:
            (written,) = await write(
                both[number % 2],
                create(f"made-{number}", tokens=(token,)),
                claims=[f"Patient?identifier={token}"],
                absences=[Absence("Patient", {"t": token})],
            )
        except Matched as matched:
            return matched.ids[0]
        return written.id

    ids = await asyncio.gather(*(create_unless_there(number) for number in range(WRITERS)))
    assert len(set(ids)) == 1
    assert await both[0].handle["Patient"].count_documents({}) == 1


async def test_one_of_many_updates_of_the_same_version_wins(open_database: OpenDatabase) -> None:
    both = await workers(open_database)
    await write(both[0], put("a"))
    outcomes = await asyncio.gather(
        *(write(both[number % 2], put("a", if_version=1)) for number in range(WRITERS)), return_exceptions=True
    )
    statuses = Counter(one.status if isinstance(one, FhirError) else type(one).__name__ for one in outcomes)
    assert statuses == {"tuple": 1, 412: WRITERS - 1}
    assert [row.version for row in await history.of_instance(both[0], "Patient", "a", 100)] == [2, 1]


async def test_updates_without_a_condition_all_get_their_own_version(open_database: OpenDatabase) -> None:
    both = await workers(open_database)
    written = await asyncio.gather(
        *(write(both[number % 2], put("a", content={"multipleBirthInteger": number})) for number in range(WRITERS))
    )
    rows = await history.of_instance(both[0], "Patient", "a", 100)
    assert sorted(one.version for (one,) in written) == list(range(1, WRITERS + 1))
    assert [row.version for row in rows] == list(range(WRITERS, 0, -1))
    assert {row.body for row in rows} == {one.body for (one,) in written}
    assert all(newer.updated >= older.updated for newer, older in pairwise(rows))
    assert sum(one.created for (one,) in written) == 1


async def test_deletes_and_recreations_share_one_row_of_numbers(open_database: OpenDatabase) -> None:
    both = await workers(open_database)

    async def alternate(number: int) -> tuple[Written, ...]:
        return await write(both[number % 2], Delete("Patient", "a") if number % 2 else put("a"))

    written = [one for (one,) in await asyncio.gather(*(alternate(number) for number in range(20)))]
    changed = sorted(one.version for one in written if one.changed)
    rows = await history.of_instance(both[0], "Patient", "a", 100)
    assert changed == list(range(1, len(changed) + 1))
    assert [row.version for row in rows] == changed[::-1]


async def test_plans_that_meet_in_opposite_orders_all_end_whole(open_database: OpenDatabase) -> None:
    both = await workers(open_database)
    names = ["a", "b", "c"]

    async def write_all(number: int) -> None:
        order = names if number % 2 else names[::-1]
        await write(both[number % 2], *(put(name) for name in order))

    await asyncio.gather(*(write_all(number) for number in range(20)))
    rows = await resources.read_many(both[0], "Patient", names)
    assert {row.version for row in rows.values()} == {20}


async def test_two_workers_can_meet_at_the_first_write_of_a_type(open_database: OpenDatabase) -> None:
    both = open_database(), open_database()
    await warm(both, 10)
    await asyncio.gather(*(write(both[number % 2], put(f"p{number}")) for number in range(20)))
    assert await both[0].handle["Patient"].count_documents({}) == 20
    assert await indexes.verify(both[0]) == ()
