"""Stored rows get new search values beside readers and writers, whatever is killed in between."""

import asyncio
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from fhir_server.core.write_plan import Delete, Expect, WritePlan
from fhir_server.definitions.custom_parameters import applied
from fhir_server.definitions.parameter_set import STANDARD, ParameterSet
from fhir_server.store import check, fence, parameter_sets, reindex, transactions
from fhir_server.store.mongo import Database
from fhir_server.store.parameter_sets import SETS
from fhir_server.store.reindex import Progress, Work
from fhir_server.store.rows import INDEX_VERSION, indexed_by
from fhir_server.worker import at_work
from tests.store.following import custom, define, found, live, patient, until, write

MARRIED = "marital|m|"
WITH_MARITAL = ParameterSet(1, applied([custom()]))


def work(**fields: Any) -> Work:
    return replace(Work("Patient", indexed_by(1), WITH_MARITAL, ()), **fields)


async def reindexed(database: Database, todo: Work) -> Progress:
    reached = Progress(1)
    while todo.type not in reached.finished:
        reached = await reindex.batch(database, todo, reached)
    return reached


async def test_only_the_search_values_of_a_row_change(database: Database) -> None:
    await write(database, patient("p", STANDARD))
    before = await database.collections["Patient"].find_one({"_id": "p"})
    await reindexed(database, work())
    after = await database.collections["Patient"].find_one({"_id": "p"})
    assert before is not None
    assert after is not None
    assert {name for name in after if after[name] != before.get(name)} == {"px", "t", "pt", "k"}
    assert after["px"] == indexed_by(1)


async def test_a_batch_goes_on_where_the_last_one_ended_and_passes_over_what_is_indexed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reindex, "BATCH_ROWS", 3)
    await write(database, *(patient(f"old-{number}", STANDARD) for number in range(7)))
    await write(database, *(patient(f"new-{number}", WITH_MARITAL) for number in range(7)))
    reached = await reindexed(database, work())
    assert reached.done == {"Patient": 7}
    assert len(await found(database, MARRIED)) == 14


async def test_a_row_that_is_written_meanwhile_keeps_what_its_writer_made(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(database, patient("p", STANDARD, "M"))
    made_anew = reindex._made_anew

    def overtaken(*arguments: Any) -> Any:
        made = made_anew(*arguments)
        update = patient("p", WITH_MARITAL, "S", Expect.ANYTHING)
        asyncio.run_coroutine_threadsafe(write(database, update), loop).result()
        return made

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(reindex, "_made_anew", overtaken)
    await reindexed(database, work())
    assert await found(database, MARRIED) == set()
    assert await found(database, "marital|s|") == {"p"}


async def test_deleted_resources_stay_deleted(database: Database) -> None:
    await write(database, patient("p", STANDARD), patient("q", STANDARD))
    await transactions.run(database, WritePlan((Delete("Patient", "p"),)))
    await fence.raise_fence(database, "Patient", indexed_by(1))
    reached = await reindexed(database, work())
    assert reached.done == {"Patient": 1}
    assert await found(database, MARRIED) == {"q"}
    # A tombstone passes every fence.
    await transactions.run(database, WritePlan((Delete("Patient", "q"),)))


async def test_resources_that_contain_one_of_the_type_are_indexed_too(database: Database) -> None:
    resource = {"resourceType": "Basic", "contained": [{"resourceType": "Patient", "id": "c"}]}
    holding = replace(patient("b", STANDARD), type="Basic", resource=resource)
    contained = ({"r": "Patient", "i": "c", "t": []},)
    holding = replace(holding, index=msgspec.structs.replace(holding.index, contained=contained))
    await write(
        database, holding, replace(patient("plain", STANDARD), type="Basic", resource={"resourceType": "Basic"})
    )
    reached = await reindexed(database, work(type="Basic", holding=("Patient",)))
    assert reached.done == {"Basic": 1}


async def test_a_row_that_cannot_be_indexed_is_named_and_keeps_no_other_from_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(database, patient("bad", STANDARD), patient("good", STANDARD))
    row = reindex._row

    def fails(todo: Work, found: dict[str, Any]) -> dict[str, Any]:
        if found["_id"] == "bad":
            raise ValueError
        return row(todo, found)

    monkeypatch.setattr(reindex, "_row", fails)
    reached = await reindexed(database, work())
    assert (reached.failed, reached.failures) == (1, ("Patient/bad",))
    assert await found(database, MARRIED) == {"good"}


async def test_progress_is_kept_and_belongs_to_one_step(database: Database) -> None:
    reached = Progress(3, {"Patient": 5}, {"Patient": 2}, {"Patient": "p2"}, ("Basic",), 1, ("Patient/p1",))
    await reindex.note(database, reached)
    assert await reindex.progress(database, 3) == reached
    assert reached.in_words() == "2 of 5 resources"
    assert reached.as_share() == "two fifths of the resources"
    assert await reindex.progress(database, 4) == Progress(4)


async def test_a_change_whose_worker_died_is_carried_through_by_the_next_from_where_it_was(database: Database) -> None:
    await parameter_sets.prepare(database)
    await write(database, *(patient(f"p{number:03}", STANDARD) for number in range(450)))
    await define(database, custom())
    step = (await parameter_sets.existing(database)).step
    await fence.raise_fence(database, "Patient", indexed_by(1))
    half = await reindex.batch(database, work(), Progress(step, {"Patient": 450}))
    await reindex.note(database, half)
    async with at_work(database, ()) as worker:
        await live(worker.in_force, version=1)
    assert (await reindex.progress(database, step)).done == {"Patient": 450}
    assert len(await found(database, MARRIED)) == 450


async def test_rows_of_an_older_index_version_are_all_made_anew_and_nobody_searches_them_before(
    database: Database,
) -> None:
    await write(database, patient("p", STANDARD))
    rows = database.collections["Patient"]
    await rows.update_many({}, {"$set": {"px": 1, "t": ["from|before|"]}})
    assert (await check.facts(database)).outdated_rows == {"Patient": 1}
    assert await parameter_sets.is_outdated(database)
    agreed = await parameter_sets.prepare(database)
    assert agreed.renewing
    async with at_work(database, ()) as worker:
        assert worker.in_force.unready is not None
        await write(database, patient("q", worker.in_force.indexed))
        await until(lambda: worker.in_force.unready is None)
        assert await found(database, "from|before|") == set()
        assert (await rows.find_one({"_id": "p"}) or {})["px"] == indexed_by(0)
    assert (await check.facts(database)).outdated_rows == {}
    assert not await parameter_sets.is_outdated(database)
    stored = await database.collections[SETS].find_one({"_id": "set"})
    assert stored is not None
    assert stored["index_version"] == INDEX_VERSION
