"""The signing keys: one set for all workers, made once, replaced without a break."""

import asyncio
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from smart_auth.keys import KEY_BITS, Keys
from smart_auth.records import SIGNING_KEYS
from tests.auth.clock import Clock
from tests.auth.memory_documents import MemoryDocuments

LONGEST_TOKEN_SECONDS = 3600


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def documents(clock: Clock) -> MemoryDocuments:
    return MemoryDocuments(clock)


@pytest.fixture
def keys(documents: MemoryDocuments, clock: Clock) -> Keys:
    return Keys(documents, clock, LONGEST_TOKEN_SECONDS)


async def kids(keys: Keys) -> list[str]:
    return [key["kid"] for key in (await keys.jwks())["keys"]]


async def test_workers_that_start_together_on_nothing_make_one_key(documents: MemoryDocuments, clock: Clock) -> None:
    workers = [Keys(documents, clock) for _ in range(3)]
    signing = await asyncio.gather(*(worker.signing() for worker in workers))
    assert len({key.kid for key in signing}) == 1
    assert len(await documents.find(SIGNING_KEYS, {})) == 1


async def test_a_restart_goes_on_with_the_same_key(keys: Keys, documents: MemoryDocuments, clock: Clock) -> None:
    before = await keys.signing()
    after = await Keys(documents, clock).signing()
    assert after.kid == before.kid
    signed = jwt.encode({"alg": "RS256"}, {"a": 1}, after.key)
    assert jwt.decode(signed, before.key).claims == {"a": 1}


async def test_the_public_half_alone_is_told(keys: Keys) -> None:
    [told] = (await keys.jwks())["keys"]
    assert set(told) == {"kty", "n", "e", "kid", "use", "alg"}
    assert (told["kty"], told["use"], told["alg"]) == ("RSA", "sig", "RS256")
    assert (await keys.signing()).key.public_key.key_size == KEY_BITS >= 2048


async def test_a_client_that_knows_only_the_set_can_check_what_was_signed(keys: Keys) -> None:
    signing = await keys.signing()
    signed = jwt.encode({"alg": "RS256", "kid": signing.kid}, {"a": 1}, signing.key)
    told: Any = await keys.jwks()
    assert jwt.decode(signed, KeySet.import_key_set(told)).claims == {"a": 1}


async def test_a_new_key_signs_at_once_and_the_old_one_is_still_known(keys: Keys) -> None:
    old = await keys.signing()
    new = await keys.rotate()
    assert new.kid != old.kid
    assert (await keys.signing()).kid == new.kid
    assert await kids(keys) == [new.kid, old.kid]


async def test_another_worker_signs_by_the_new_key_a_second_later(
    keys: Keys, documents: MemoryDocuments, clock: Clock
) -> None:
    other = Keys(documents, clock)
    await other.signing()
    new = await keys.rotate()
    clock.pass_seconds(1)
    assert (await other.signing()).kid == new.kid
    assert await kids(other) == await kids(keys)


async def test_another_worker_that_meets_a_new_keys_token_finds_the_key(
    keys: Keys, documents: MemoryDocuments, clock: Clock
) -> None:
    other = Keys(documents, clock)
    await other.signing()
    new = await keys.rotate()
    found = await asyncio.gather(*(other.find(new.kid) for _ in range(5)))
    assert [key and key.kid for key in found] == [new.kid] * 5


async def test_kids_that_nobody_knows_cost_one_read_a_second(
    keys: Keys, documents: MemoryDocuments, clock: Clock
) -> None:
    await keys.signing()
    before = documents.calls["find"]
    assert await asyncio.gather(*(keys.find(f"nobody's {number}") for number in range(50))) == [None] * 50
    assert documents.calls["find"] == before + 1
    clock.pass_seconds(1)
    assert await keys.find("nobody's") is None
    assert documents.calls["find"] == before + 2


async def test_a_known_kid_costs_no_read(keys: Keys, documents: MemoryDocuments, clock: Clock) -> None:
    kid = (await keys.signing()).kid
    before = documents.calls["find"]
    clock.pass_seconds(100)
    assert await keys.find(kid) is not None
    assert documents.calls["find"] == before


async def test_an_old_key_stays_listed_until_its_last_token_has_expired(keys: Keys, clock: Clock) -> None:
    old = await keys.signing()
    clock.pass_seconds(1_000_000)
    new = await keys.rotate()
    clock.pass_seconds(LONGEST_TOKEN_SECONDS)
    assert await kids(keys) == [new.kid, old.kid]
    clock.pass_seconds(61)
    assert await kids(keys) == [new.kid]
    assert await keys.find(old.kid) is None


async def test_two_who_rotate_at_once_get_the_same_new_key(
    keys: Keys, documents: MemoryDocuments, clock: Clock
) -> None:
    other = Keys(documents, clock)
    old = await keys.signing()
    await other.signing()
    mine, others = await asyncio.gather(keys.rotate(), other.rotate())
    assert mine.kid == others.kid != old.kid
    assert len(await documents.find(SIGNING_KEYS, {})) == 2


async def test_the_private_half_of_a_replaced_key_is_gone(keys: Keys, documents: MemoryDocuments) -> None:
    await keys.signing()
    await keys.rotate()
    await keys.rotate()
    kept = await documents.find(SIGNING_KEYS, {})
    assert ["d" in document["jwk"] for document in kept] == [False, False, True]
