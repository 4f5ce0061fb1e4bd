"""A MongoDB that is away, hangs or is killed: an answer soon, none of the driver's words, and work afterwards."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fhir_server.core.outcome import FhirError
from fhir_server.core.write_plan import Written
from fhir_server.store import mongo, resources
from fhir_server.store.embedded import CACHE_GIGABYTES, EmbeddedMongod, embedded_mongod
from fhir_server.store.embedded_binary import find_binary
from fhir_server.store.embedded_folder import choose_socket, make_folder
from fhir_server.store.embedded_process import abandon, launch
from fhir_server.store.embedded_replica_set import await_primary, uri_of
from fhir_server.store.mongo import Database, Driver
from tests.conftest import free_port
from tests.store.plans import put, refused, warm, write


@pytest.fixture
def mongod(tmp_path: Path) -> Iterator[EmbeddedMongod]:
    """A MongoDB of the test's own, to be hurt."""
    with embedded_mongod(tmp_path) as started:
        yield started


async def test_an_unreachable_mongodb_is_a_503_within_seconds_that_names_no_host(driver: Driver) -> None:
    port = free_port()
    database = mongo.connect(f"mongodb://127.0.0.1:{port}/?replicaSet=rs0", "records", driver)
    # The driver alone would wait for 30 s.
    async with asyncio.timeout(25):
        errors = await asyncio.gather(
            refused(mongo.ping(database)),
            refused(resources.read(database, "Patient", "a")),
            refused(write(database, put("a"))),
        )
    await mongo.close(database)
    for error in errors:
        assert (error.status, error.headers["Retry-After"]) == (503, "2")
        assert str(port) not in error.issues[0].text and "127.0.0.1" not in error.issues[0].text


async def test_who_asks_while_mongodb_is_yet_to_join_its_set_writes_once_it_has(driver: Driver, tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    address = choose_socket(folder)
    process = launch(folder, find_binary(None), address, CACHE_GIGABYTES)
    database = mongo.connect(uri_of(address), "records", driver)
    # What PyMongo opens to such a member has no sessions for as long as it lasts.
    direct = mongo.connect(uri_of(address).partition("?")[0] + "?directConnection=true", "records", driver)
    try:
        errors = [await refused(mongo.ping(database))]
        await mongo.ping(direct)
        await asyncio.to_thread(await_primary, address, folder.database)
        errors.append(await refused(write(direct, put("a"))))
        await write(database, put("a"))
    finally:
        await mongo.close(database)
        await mongo.close(direct)
        abandon(process)
    assert [error.status for error in errors] == [503, 503]


async def test_a_uri_that_cannot_be_read_is_not_repeated(driver: Driver) -> None:
    with pytest.raises(ValueError, match="mongodb://") as raised:
        mongo.connect("mongodb://user:secret:x@/", "records", driver)
    assert "secret" not in str(raised.value)


@pytest.mark.slow
async def test_a_mongodb_that_hangs_is_a_503_and_writes_go_on_when_it_wakes(
    driver: Driver, mongod: EmbeddedMongod
) -> None:
    database = mongo.connect(mongod.uri, "records", driver)
    await write(database, put("a"))
    await warm([database], 3)
    os.kill(mongod.pid, signal.SIGSTOP)
    try:
        await asyncio.to_thread(_wait_until_stopped, mongod.pid)
        # The operating system would let both wait for many minutes.
        async with asyncio.timeout(120):
            errors = await asyncio.gather(
                refused(resources.read(database, "Patient", "a")), refused(write(database, put("a")))
            )
        assert [error.status for error in errors] == [503, 503]
    finally:
        os.kill(mongod.pid, signal.SIGCONT)
    (written,) = await _when_back(database)
    assert written.version in (2, 3)
    await mongo.close(database)


@pytest.mark.slow
@pytest.mark.crash
async def test_every_acknowledged_version_survives_a_killed_mongod(
    driver: Driver, mongod: EmbeddedMongod, tmp_path: Path
) -> None:
    database = mongo.connect(mongod.uri, "records", driver)
    acknowledged: dict[str, int] = {}
    refusals: list[int] = []
    each_wrote = asyncio.Event()

    async def keep_writing(id: str) -> None:
        while not refusals:
            try:
                for written in await write(database, put(id), put(f"{id}-twin")):
                    acknowledged[written.id] = written.version
                if len(acknowledged) == 10:
                    each_wrote.set()
            except FhirError as error:
                refusals.append(error.status)

    writers = [asyncio.create_task(keep_writing(f"p{number}")) for number in range(5)]
    await asyncio.wait_for(each_wrote.wait(), 60)
    os.kill(mongod.pid, signal.SIGKILL)
    await asyncio.wait_for(asyncio.gather(*writers), 60)
    assert set(refusals) == {503}
    await mongo.close(database)
    with embedded_mongod(tmp_path) as again:
        database = mongo.connect(again.uri, "records", driver)
        rows = await resources.read_many(database, "Patient", acknowledged)
        await mongo.close(database)
    assert len(acknowledged) == 10
    assert all(rows[id].version >= version for id, version in acknowledged.items())
    assert all(rows[f"p{number}"].version == rows[f"p{number}-twin"].version for number in range(5))


async def _when_back(database: Database) -> tuple[Written, ...]:
    deadline = time.monotonic() + 30
    while True:
        try:
            return await write(database, put("a"))
        except FhirError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.2)


def _wait_until_stopped(pid: int) -> None:
    """A thread that waits for the disk stops only afterwards, and answers until then."""
    while any(
        thread.joinpath("stat").read_text().rpartition(")")[2].split()[0] != "T"
        for thread in Path(f"/proc/{pid}/task").iterdir()
    ):
        time.sleep(0.01)
