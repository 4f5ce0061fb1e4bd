"""What sign-in keeps, as smart_auth relies on it: atomic, shared by workers, followed by them."""

import asyncio
import time
from contextlib import aclosing
from typing import Any

import pytest

from fhir_server.core.outcome import FhirError
from fhir_server.store.documents import DatabaseDocuments
from fhir_server.store.indexes import verify
from fhir_server.store.mongo import Database, index_specifications
from smart_auth.documents import Change, Documents
from tests.store.conftest import OpenDatabase

LATER = int(time.time()) + 3600


@pytest.fixture
def documents(database: Database) -> Documents:
    return DatabaseDocuments(database, Change)


async def test_a_kept_document_is_read_back_under_its_id(documents: Documents) -> None:
    assert await documents.insert("clients", "c1", {"name": "App", "redirect_uris": ["https://app.example.org/"]})
    assert await documents.get("clients", "c1") == {
        "id": "c1",
        "name": "App",
        "redirect_uris": ["https://app.example.org/"],
    }


async def test_what_is_not_there_is_none(documents: Documents) -> None:
    assert await documents.get("clients", "c1") is None
    assert await documents.find("clients", {"name": "App"}) == []
    assert await documents.change("clients", "c1", {"name": "Other"}) is None
    assert not await documents.remove("clients", "c1")


async def test_an_id_is_given_once(documents: Documents) -> None:
    kept = await asyncio.gather(*(documents.insert("seen_assertions", "j1", {"by": n}, LATER) for n in range(20)))
    assert kept.count(True) == 1


async def test_the_moment_of_vanishing_is_no_part_of_the_document(documents: Documents) -> None:
    await documents.insert("codes", "k1", {"grant": "g1", "expires_at": 5}, LATER)
    assert await documents.get("codes", "k1") == {"id": "k1", "grant": "g1", "expires_at": 5}


async def test_a_document_that_may_vanish_does(database: Database, documents: Documents) -> None:
    await documents.insert("codes", "k1", {}, LATER)
    expires = (await index_specifications(database, "auth.codes"))["expires"]
    assert expires["expireAfterSeconds"] == 0
    assert dict(expires["key"]) == {"_expires": 1}
    kept = await database.handle["auth.codes"].find_one({"_id": "k1"})
    assert kept is not None and int(kept["_expires"].timestamp()) == LATER


async def test_a_replacement_leaves_nothing_of_what_was_there(documents: Documents) -> None:
    await documents.replace("sessions", "s1", {"account": "a1", "csrf": "x"}, LATER)
    await documents.replace("sessions", "s1", {"account": "a2"}, LATER)
    assert await documents.get("sessions", "s1") == {"id": "s1", "account": "a2"}


async def test_found_are_those_with_equal_fields_and_lists_that_contain_the_value(documents: Documents) -> None:
    await documents.insert("grants", "g2", {"account": "a1", "scopes": ["openid", "patient/*.rs"]})
    await documents.insert("grants", "g1", {"account": "a1", "scopes": ["openid"]})
    await documents.insert("grants", "g3", {"account": "a2", "scopes": ["openid"]})
    assert [each["id"] for each in await documents.find("grants", {"account": "a1"})] == ["g1", "g2"]
    assert [each["id"] for each in await documents.find("grants", {"scopes": "patient/*.rs"})] == ["g2"]
    assert [each["id"] for each in await documents.find("grants", {"account": "a1"}, limit=1)] == ["g1"]


async def test_a_value_is_never_a_query_of_its_own(documents: Documents) -> None:
    await documents.insert("accounts", "a1", {"login": "ada"})
    assert await documents.find("accounts", {"login": {"$gt": ""}}) == []
    assert await documents.change("accounts", "a1", {"login": "eve"}, {"login": {"$ne": ""}}) is None


async def test_a_change_answers_what_was_there_before(documents: Documents) -> None:
    await documents.insert("grants", "g1", {"account": "a1", "revoked_at": None})
    before = await documents.change("grants", "g1", {"revoked_at": 7}, {"revoked_at": None})
    assert before == {"id": "g1", "account": "a1", "revoked_at": None}
    assert await documents.change("grants", "g1", {"revoked_at": 8}, {"revoked_at": None}) is None
    assert await documents.get("grants", "g1") == {"id": "g1", "account": "a1", "revoked_at": 7}


async def test_an_absent_field_is_like_null_to_a_change(documents: Documents) -> None:
    await documents.insert("codes", "k1", {"grant": "g1"})
    assert await documents.change("codes", "k1", {"used_at": 1}, {"used_at": None}) is not None


async def test_of_twenty_changes_at_once_one_is_made(documents: Documents) -> None:
    await documents.insert("codes", "k1", {"used_at": None})
    attempts = (documents.change("codes", "k1", {"used_at": n}, {"used_at": None}) for n in range(1, 21))
    assert sum(before is not None for before in await asyncio.gather(*attempts)) == 1


async def test_removed_documents_are_counted(documents: Documents) -> None:
    for id in ("g1", "g2", "g3"):
        await documents.insert("grants", id, {"account": "a1" if id != "g3" else "a2"})
    assert await documents.remove_all("grants", {"account": "a1"}) == 2
    assert await documents.remove("grants", "g3")
    assert await documents.find("grants", {}) == []


async def test_a_counter_counts_for_all_workers(open_database: OpenDatabase) -> None:
    workers = [DatabaseDocuments(open_database(), Change) for _ in range(4)]
    counted = await asyncio.gather(*(each.count_up("counters", "w1", LATER, 2) for each in workers * 5))
    assert sorted(counted) == list(range(2, 41, 2))


async def test_every_index_stands_as_it_is_declared(database: Database, documents: Documents) -> None:
    for kind in ("accounts", "codes", "grants", "refresh_tokens", "sessions", "counters"):
        await documents.insert(kind, "x", {})
    assert await verify(database) == ()


async def test_the_changes_of_another_worker_are_told_in_their_order(open_database: OpenDatabase) -> None:
    follower, writer = (DatabaseDocuments(open_database(), Change) for _ in range(2))
    told: list[Change] = []
    async with asyncio.timeout(20), aclosing(follower.changes("revocations")) as changes:  # type: ignore[type-var]
        assert await anext(changes) is None
        await writer.insert("revocations", "r1", {"until": 5}, LATER)
        told.append(await _next(changes))
        await writer.replace("revocations", "r1", {"until": 6}, LATER)
        told.append(await _next(changes))
        await writer.remove("revocations", "r1")
        told.append(await _next(changes))
    assert told == [
        Change("r1", {"id": "r1", "until": 5}),
        Change("r1", {"id": "r1", "until": 6}),
        Change("r1", None),
    ]


async def test_silence_is_told_again_and_again(documents: Documents) -> None:
    async with asyncio.timeout(20), aclosing(documents.changes("revocations")) as changes:  # type: ignore[type-var]
        await anext(changes)
        for _ in range(3):
            assert await anext(changes) is None


async def test_a_lost_stream_is_an_error_and_not_silence(database: Database, documents: Documents) -> None:
    async with asyncio.timeout(20), aclosing(documents.changes("revocations")) as changes:  # type: ignore[type-var]
        await anext(changes)
        await database.handle["auth.revocations"].drop()
        with pytest.raises(FhirError) as raised:
            while True:
                await anext(changes)
    assert raised.value.status == 503


async def _next(changes: Any) -> Change:
    while True:
        change = await anext(changes)
        if change is not None:
            assert isinstance(change, Change)
            return change
