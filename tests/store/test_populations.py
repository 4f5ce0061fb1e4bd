"""What a database knows of a population: begun once, on one day, and complete when all of it is there."""

import asyncio
from datetime import date

from fhir_server.loading.demo import DEMO, LABEL, demo_wanted
from fhir_server.search.parameter_types.token import label
from fhir_server.store import indexes, populations
from fhir_server.store.mongo import Database
from seeds import population
from tests.store.conftest import OpenDatabase

FIRST, LATER = date(2026, 11, 22), date(2027, 1, 2)


async def test_a_population_that_nobody_began_is_not_known(database: Database) -> None:
    assert await populations.read(database, "demo") is None


async def test_who_begins_later_gets_the_day_of_who_was_first(database: Database) -> None:
    assert await populations.begin(database, "demo", FIRST) == populations.Begun(FIRST, is_complete=False)
    assert (await populations.begin(database, "demo", LATER)).today == FIRST


async def test_all_who_begin_at_once_get_one_day(open_database: OpenDatabase) -> None:
    days = [date(2026, 11, day) for day in range(1, 11)]
    begun = await asyncio.gather(*(populations.begin(open_database(), "demo", day) for day in days))
    assert len({each.today for each in begun}) == 1


async def test_it_is_complete_when_that_was_said_and_stays_so(database: Database) -> None:
    await populations.begin(database, "demo", FIRST)
    await populations.complete(database, "demo")
    assert await populations.begin(database, "demo", LATER) == populations.Begun(FIRST, is_complete=True)


async def test_collections_without_a_row_are_empty_and_one_row_is_not(database: Database) -> None:
    assert await populations.is_empty(database)
    await indexes.ensure(database, ("Patient", "Observation"))
    await populations.begin(database, "demo", FIRST)
    assert await populations.is_empty(database)
    await database.collections["Observation"].insert_one({"_id": "o"})
    assert not await populations.is_empty(database)


async def test_an_interrupted_load_goes_on_only_where_nothing_else_came_in_meanwhile(database: Database) -> None:
    await populations.begin(database, DEMO, FIRST)
    await database.collections["Patient"].insert_one({"_id": "invented", "labels": ["htest|x", LABEL]})
    assert await demo_wanted(database)
    await database.collections["Observation"].insert_one({"_id": "true", "labels": ["htest|x"]})
    assert not await demo_wanted(database)


async def test_all_of_the_demo_population_carries_its_label() -> None:
    for resource in population.demo(FIRST):
        assert LABEL in map(label, resource["meta"]["tag"]), resource["id"]
