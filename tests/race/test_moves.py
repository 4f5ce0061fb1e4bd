"""A resource that moves to another record while its former owner writes: once moved, it is out of that one's reach.

https://hl7.org/fhir/R4/http.html#patch, https://hl7.org/fhir/R4/http.html#cond-update
"""

import asyncio

import pytest

from fhir_server.core.codec import decode
from fhir_server.interactions.context import Conditions
from fhir_server.policy import OPERATOR
from fhir_server.store import history
from fhir_server.store.mongo import Database
from tests.rest.in_process import opened
from tests.rest.writers import ANNA, VA, Told, Writers, X, Y, goal, patches, person, practitioner, system

pytestmark = pytest.mark.race

WRITERS = 20


async def _warm(writers: Writers) -> Database:
    database = writers.context.server.database
    await writers.stored(person("anna"), person("ben"), goal("anna", "g", **X))
    await asyncio.gather(*(database.handle.command("ping") for _ in range(WRITERS)))
    return database


@pytest.mark.parametrize("form", range(3))
@pytest.mark.parametrize("url", ["Goal/g", "Goal?identifier=urn:x|x"])
async def test_no_patch_follows_a_move(mongodb_uri: str, database_name: str, url: str, form: int) -> None:
    async with opened(mongodb_uri, database_name) as here, opened(mongodb_uri, database_name) as there:
        workers = Writers(here), Writers(there)
        database = await _warm(workers[0])

        async def patch(number: int) -> Told:
            return await workers[number % 2].ask(ANNA, "PATCH", url, patches("description/text", str(number))[form])

        await _raced(workers[0], database, [patch(number) for number in range(WRITERS)])


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize("url", ["Goal/g", "Goal?identifier=urn:x|x"])
async def test_no_other_write_follows_a_move(mongodb_uri: str, database_name: str, url: str, method: str) -> None:
    async with opened(mongodb_uri, database_name) as here, opened(mongodb_uri, database_name) as there:
        workers = Writers(here), Writers(there)
        database = await _warm(workers[0])
        doctor = practitioner("anna")

        async def write(number: int) -> Told:
            content = goal("anna", "g", description={"text": str(number)}, **X)
            return await workers[number % 2].ask(doctor, method, url, content)

        await _raced(workers[0], database, [write(number) for number in range(WRITERS)])


async def _raced(mover: Writers, database: Database, writing: list) -> None:
    async def move() -> Told:
        await asyncio.sleep(0.03)
        return await mover.ask(OPERATOR, "PUT", "Goal/g", goal("ben", "g", description={"text": "moved"}, **X))

    *told, moved = await asyncio.gather(*writing, move())
    assert moved.status in (200, 201)
    assert {each.status for each in told} <= {200, 204, 404, 410, 412}
    rows = await history.of_instance(database, "Goal", "g", 100)
    texts = [decode(row.body)["description"]["text"] if row.body else "" for row in reversed(rows)]
    assert texts.count("moved") == 1
    assert texts[-1] == "moved"


async def test_agencies_that_create_the_same_at_once_make_one(mongodb_uri: str, database_name: str) -> None:
    async with opened(mongodb_uri, database_name) as here, opened(mongodb_uri, database_name) as there:
        workers = Writers(here), Writers(there)
        database = await _warm(workers[0])
        asked = Conditions(if_none_exist="identifier=urn:x|y")
        told = await asyncio.gather(
            *(
                workers[number % 2].ask(system(agency=VA), "POST", "Goal", goal("anna", **Y), asked)
                for number in range(WRITERS)
            )
        )
        assert sorted(each.status for each in told) == [200] * (WRITERS - 1) + [201]
        assert len({each.id for each in told}) == 1
        assert await database.handle["Provenance"].count_documents({}) == 1
