"""The signing keys: one set for all workers, made once, replaced without a break."""

import asyncio
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from smart_auth.key_seal import CannotOpen, KeySeal
from smart_auth.keys import KEY_BITS, Keys
from smart_auth.records import SIGNING_KEYS
from tests.auth.clock import Clock
from tests.auth.memory_documents import MemoryDocuments

LONGEST_TOKEN_SECONDS = 3600


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


class TestRevokedKeys:
    async def test_a_revoked_key_checks_nothing_and_costs_no_read(
        self, documents: MemoryDocuments, clock: Clock
    ) -> None:
        revoked: set[str] = set()
        keys = Keys(documents, clock, LONGEST_TOKEN_SECONDS, revoked.__contains__)
        old = await keys.signing()
        new = await keys.rotate()
        revoked.add(old.kid)
        before = documents.calls["find"]
        assert await keys.find(old.kid) is None
        assert documents.calls["find"] == before
        assert await keys.find(new.kid) is not None

    async def test_a_worker_that_hears_of_it_signs_by_the_successor_at_once(
        self, documents: MemoryDocuments, clock: Clock
    ) -> None:
        revoked: set[str] = set()
        worker = Keys(documents, clock, LONGEST_TOKEN_SECONDS, revoked.__contains__)
        old = await worker.signing()
        elsewhere = Keys(documents, clock)
        new = await elsewhere.rotate()
        assert await elsewhere.before(new) == (old.kid,)
        await elsewhere.forget_before(new)
        revoked.add(old.kid)
        assert (await worker.signing()).kid == new.kid
        assert await kids(worker) == [new.kid]
        assert len(await documents.find(SIGNING_KEYS, {})) == 1


class TestSealedKeys:
    SEAL = KeySeal(b"k" * 32)

    async def test_no_private_half_lies_open(self, documents: MemoryDocuments, clock: Clock) -> None:
        keys = Keys(documents, clock, seal=self.SEAL)
        first = await keys.signing()
        second = await keys.rotate()
        assert first.key.is_private and second.key.is_private
        for document in await documents.find(SIGNING_KEYS, {}):
            assert "d" not in document["jwk"]
            assert str(second.key.as_dict(private=True)["d"]) not in str(document)
        assert ["sealed" in document for document in await documents.find(SIGNING_KEYS, {})] == [False, True]

    async def test_all_workers_with_the_same_secret_sign_by_one_key(
        self, documents: MemoryDocuments, clock: Clock
    ) -> None:
        signing = [await Keys(documents, clock, seal=KeySeal(b"k" * 32)).signing() for _ in range(2)]
        signed = jwt.encode({"alg": "RS256"}, {"a": 1}, signing[0].key)
        assert jwt.decode(signed, signing[1].key).claims == {"a": 1}

    @pytest.mark.parametrize("seal", [None, KeySeal(b"x" * 32)])
    async def test_without_the_secret_tokens_are_checked_but_none_is_signed(
        self, documents: MemoryDocuments, clock: Clock, seal: KeySeal | None
    ) -> None:
        made = await Keys(documents, clock, seal=self.SEAL).signing()
        other = Keys(documents, clock, seal=seal)
        found = await other.find(made.kid)
        assert found is not None
        signed = jwt.encode({"alg": "RS256"}, {"a": 1}, made.key)
        assert jwt.decode(signed, found.key).claims == {"a": 1}
        assert await kids(other) == [made.kid]
        for refused in (other.signing, other.begin):
            with pytest.raises(CannotOpen):
                await refused()

    async def test_a_lost_secret_is_got_over_by_a_new_key(self, documents: MemoryDocuments, clock: Clock) -> None:
        await Keys(documents, clock, seal=self.SEAL).signing()
        other = Keys(documents, clock, seal=KeySeal(b"new" * 11))
        new = await other.rotate()
        assert (await other.signing()).kid == new.kid
        assert ["sealed" in document for document in await documents.find(SIGNING_KEYS, {})] == [False, True]

    async def test_an_open_key_gets_a_sealed_successor_at_the_start(
        self, documents: MemoryDocuments, clock: Clock
    ) -> None:
        open_key = await Keys(documents, clock).signing()
        workers = [Keys(documents, clock, seal=self.SEAL) for _ in range(2)]
        await asyncio.gather(*(worker.begin() for worker in workers))
        assert len({(await worker.signing()).kid for worker in workers} - {open_key.kid}) == 1
        kept = await documents.find(SIGNING_KEYS, {})
        assert not any("d" in document["jwk"] for document in kept)
        assert len(kept) == 2

    async def test_a_sealed_key_opens_under_its_own_id_alone(self) -> None:
        sealed = self.SEAL.sealed("one", {"d": "secret"})
        assert "secret" not in sealed
        assert self.SEAL.sealed("one", {"d": "secret"}) != sealed
        assert self.SEAL.opened("one", sealed) == {"d": "secret"}
        with pytest.raises(CannotOpen):
            self.SEAL.opened("two", sealed)

    def test_a_short_secret_is_refused(self) -> None:
        with pytest.raises(ValueError, match="32"):
            KeySeal(b"k" * 31)
