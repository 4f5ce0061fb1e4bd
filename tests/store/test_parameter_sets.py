"""Custom search parameters come into force, and leave it, without a search that misses a row.

https://hl7.org/fhir/R4/searchparameter.html
"""

import asyncio
from typing import Any

import pytest

from fhir_server.core.outcome import FhirError
from fhir_server.definitions.parameter_set import STANDARD, InForce, ParameterSet
from fhir_server.store import leases, parameter_sets
from fhir_server.store.in_force import refresh, take_up
from fhir_server.store.mongo import Database
from fhir_server.store.parameter_sets import SETS, Agreed
from fhir_server.store.rows import INDEX_VERSION
from fhir_server.store.transactions import Fenced
from fhir_server.worker import at_work
from tests.store.conftest import OpenDatabase
from tests.store.following import custom, define, found, live, patient, until, write

MARRIED = "marital|m|"


async def test_a_fresh_database_is_live_with_r4s_own_parameters(database: Database) -> None:
    async with at_work(database, ()) as worker:
        assert worker.in_force.is_settled
        assert worker.in_force.indexed is worker.in_force.searched is STANDARD


async def test_rows_from_before_are_found_once_the_parameter_is_live_in_every_worker(
    open_database: OpenDatabase,
) -> None:
    one, two = open_database(), open_database()
    await parameter_sets.prepare(one)
    await write(one, *(patient(f"p{number}", STANDARD) for number in range(500)))
    async with at_work(one, ()) as first, at_work(two, ()) as second:
        await define(one, custom())
        await live(first.in_force, second.in_force, version=1)
        assert "marital" in second.in_force.searched.of("Patient")
        assert len(await found(one, MARRIED)) == 500


async def test_until_it_is_live_the_parameter_is_pending_and_says_how_far_it_is(database: Database) -> None:
    in_force = InForce()
    await parameter_sets.prepare(database)
    await define(database, custom())
    await refresh(database, in_force)
    assert "marital" in in_force.indexed.of("Patient")
    assert "marital" not in in_force.searched.of("Patient")
    assert "is being indexed" in in_force.searched.pending["Patient", "marital"]


async def test_a_worker_that_sleeps_through_the_change_cannot_write_what_would_not_be_found(
    open_database: OpenDatabase,
) -> None:
    awake, asleep = open_database(), open_database()
    async with at_work(awake, ()) as worker:
        await write(asleep, patient("before", STANDARD))
        await define(awake, custom())
        await live(worker.in_force, version=1)
        with pytest.raises(Fenced):
            await write(asleep, patient("late", STANDARD))
        with pytest.raises(Fenced):
            await write(asleep, patient("late-1", STANDARD), patient("late-2", STANDARD))
        await write(asleep, patient("right", worker.in_force.indexed))
        assert await found(awake, MARRIED) == {"before", "right"}


async def test_a_dropped_parameter_is_searched_by_no_longer_before_it_is_written_no_longer(database: Database) -> None:
    async with at_work(database, ()) as worker:
        await define(database, custom(), custom("other"))
        await live(worker.in_force, version=1)
    # From here on nobody carries the change on by itself.
    await define(database, dropped=("marital",))
    agreed = await parameter_sets.existing(database)
    in_force = InForce()
    take_up(in_force, agreed)
    assert agreed.state == "announced"
    assert "marital" not in in_force.searched.of("Patient")
    assert "other" in in_force.searched.of("Patient")
    assert "marital" in in_force.indexed.of("Patient")
    async with at_work(database, ()) as worker:
        await live(worker.in_force, version=2)
        assert "marital" not in worker.in_force.indexed.of("Patient")


async def test_a_state_ends_only_when_every_living_worker_follows_it(database: Database) -> None:
    async with at_work(database, ()) as worker:
        await leases.renew(database, "asleep", worker.in_force.step)
        await define(database, custom())
        await until(lambda: not worker.in_force.is_settled)
        await asyncio.sleep(1.5)
        assert not worker.in_force.is_settled
        await leases.end(database, "asleep")
        await live(worker.in_force, version=1)


async def test_a_code_with_another_meaning_finds_nothing_by_the_old_one(database: Database) -> None:
    async with at_work(database, ()) as worker:
        await write(database, patient("p", worker.in_force.indexed))
        await define(database, custom())
        await live(worker.in_force, version=1)
        assert await found(database, MARRIED) == {"p"}
        await define(database, custom(expression="Patient.gender"))
        await live(worker.in_force, version=2)
        assert await found(database, MARRIED) == set()


async def test_one_that_was_dropped_is_indexed_again_when_it_comes_back(database: Database) -> None:
    async with at_work(database, ()) as worker:
        await define(database, custom())
        await live(worker.in_force, version=1)
        await define(database, dropped=("marital",))
        await live(worker.in_force, version=2)
        await write(database, patient("between", worker.in_force.indexed))
        assert await found(database, MARRIED) == set()
        await define(database, custom())
        await live(worker.in_force, version=3)
        assert await found(database, MARRIED) == {"between"}


async def test_a_change_that_comes_while_another_is_carried_through_takes_its_place(database: Database) -> None:
    await parameter_sets.prepare(database)
    await write(database, *(patient(f"p{number}", STANDARD) for number in range(300)))
    async with at_work(database, ()) as worker:
        for number in range(5):
            await define(database, custom(f"code-{number}"))
        await define(database, dropped=("code-0",))
        await live(worker.in_force, version=6)
        assert "code-0" not in worker.in_force.searched.of("Patient")
        assert len(await found(database, "code-4|m|")) == 300


async def test_what_comes_back_while_its_removal_is_carried_through_is_indexed_again(database: Database) -> None:
    async with at_work(database, ()) as worker:
        await define(database, custom())
        await live(worker.in_force, version=1)
    await define(database, custom("other"), dropped=("marital",))
    agreed = await parameter_sets.existing(database)
    assert await parameter_sets.advance(database, agreed, parameter_sets.begin_indexing(agreed))
    without = ParameterSet(2, ())
    await write(database, patient("between", without))
    await define(database, custom())
    assert "marital" in {each.code for each in (await parameter_sets.existing(database)).coming()}
    async with at_work(database, ()) as worker:
        await live(worker.in_force, version=3)
        assert await found(database, MARRIED) == {"between"}


async def test_storing_the_same_definition_again_changes_nothing(database: Database) -> None:
    await parameter_sets.prepare(database)
    await define(database, custom())
    before = await parameter_sets.existing(database)
    await define(database, custom())
    await define(database, dropped=("never-there",))
    assert await parameter_sets.existing(database) == before


async def test_of_two_definitions_of_one_code_that_come_together_one_is_refused(open_database: OpenDatabase) -> None:
    databases = [open_database() for _ in range(4)]
    await parameter_sets.prepare(databases[0])
    answers = await asyncio.gather(
        *(define(database, custom(f"id-{n}", code="same")) for n, database in enumerate(databases)),
        return_exceptions=True,
    )
    refusals = [answer for answer in answers if isinstance(answer, FhirError)]
    assert len(refusals) == 3
    assert {refusal.issues[0].expression for refusal in refusals} == {"SearchParameter.code"}
    assert len((await parameter_sets.existing(databases[0])).target) == 1


async def test_a_process_that_does_not_serve_leaves_the_work_to_a_server(database: Database) -> None:
    async with at_work(database, (), serves=False) as worker:
        await leases.renew(database, "server", 99)
        await define(database, custom())
        await until(lambda: not worker.in_force.is_settled)
        await asyncio.sleep(1.5)
        assert not worker.in_force.is_settled
        await leases.end(database, "server")
        await live(worker.in_force, version=1)


async def test_a_job_is_one_workers_until_its_lease_ends(database: Database) -> None:
    assert await leases.take(database, "job", "a")
    assert await leases.take(database, "job", "a")
    assert not await leases.take(database, "job", "b")
    await leases.end(database, "a")
    assert await leases.take(database, "job", "b")


async def test_a_database_of_a_newer_version_is_left_alone(database: Database) -> None:
    await parameter_sets.prepare(database)
    async with at_work(database, ()) as worker:
        newer: dict[str, Any] = {"$set": {"index_version": INDEX_VERSION + 1}, "$inc": {"step": 1}}
        await database.collections[SETS].update_one({"_id": "set"}, newer)
        await until(lambda: worker.in_force.unready is not None)
        await asyncio.sleep(0.2)
        assert await leases.servers(database) == 0
    with pytest.raises(FhirError) as refused:
        await parameter_sets.prepare(database)
    assert refused.value.status == 503


async def test_a_database_without_a_document_stands_for_r4s_own_parameters(database: Database) -> None:
    agreed: Agreed = await parameter_sets.existing(database)
    assert (agreed.state, agreed.version, agreed.target, agreed.step) == ("live", 0, (), 0)
