"""One-time codes: those of RFC 6238, each good once, whichever worker sees it first."""

import asyncio
import base64

import pytest

from smart_auth.identity.accounts import Accounts
from smart_auth.identity.one_time_codes import OneTimeCodes
from smart_auth.records import ACCOUNTS, Account, kept
from smart_auth.sealing import Seal
from tests.auth.clock import Clock
from tests.auth.memory_documents import MemoryDocuments

# Appendix B of RFC 6238 gives eight digits; six are their end.
RFC_SECRET = base64.b32encode(b"12345678901234567890").decode()
SEAL = Seal(b"k" * 32)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def documents(clock: Clock) -> MemoryDocuments:
    return MemoryDocuments(clock)


@pytest.fixture
def codes(documents: MemoryDocuments, clock: Clock) -> OneTimeCodes:
    return OneTimeCodes(documents, SEAL, clock)


@pytest.fixture
def another_workers(documents: MemoryDocuments, clock: Clock) -> OneTimeCodes:
    return OneTimeCodes(documents, SEAL, clock)


@pytest.fixture
async def ann(documents: MemoryDocuments) -> Account:
    account = Account(id="a1", username="ann", login="ann", password_hash="", kind="patient")
    await documents.insert(ACCOUNTS, account.id, kept(account))
    return account


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_codes_are_those_of_the_rfc(codes: OneTimeCodes, seconds: int, code: str) -> None:
    assert codes.code_at(RFC_SECRET, seconds) == code


def test_a_secret_is_160_random_bits_that_apps_can_read(codes: OneTimeCodes, ann: Account) -> None:
    secret = codes.new_secret()
    assert len(base64.b32decode(secret)) == 20 and secret != codes.new_secret()
    address = codes.address(ann, secret, "Health record")
    assert address == (
        f"otpauth://totp/Health%20record%3Aann?secret={secret}&issuer=Health%20record&digits=6&period=30"
    )


@pytest.mark.parametrize(("away", "is_right"), [(-60, False), (-30, True), (0, True), (30, True), (60, False)])
async def test_a_clock_may_be_one_step_off(
    codes: OneTimeCodes, clock: Clock, ann: Account, away: int, is_right: bool
) -> None:
    await codes.enroll(ann.id, RFC_SECRET)
    assert await codes.is_right(ann, codes.code_at(RFC_SECRET, clock() + away)) is is_right


@pytest.mark.parametrize("typed", ["", "abcdef", "0000000", "٠٠٠٠٠٠", "12345", "9" * 10_000])
async def test_what_is_no_code_is_wrong(codes: OneTimeCodes, ann: Account, typed: str) -> None:
    await codes.enroll(ann.id, RFC_SECRET)
    assert not await codes.is_right(ann, typed)


async def test_a_code_may_be_typed_with_a_space(codes: OneTimeCodes, clock: Clock, ann: Account) -> None:
    await codes.enroll(ann.id, RFC_SECRET)
    code = codes.code_at(RFC_SECRET, clock())
    assert await codes.is_right(ann, f" {code[:3]} {code[3:]} ")


async def test_a_code_is_good_once_at_all_workers(
    codes: OneTimeCodes, another_workers: OneTimeCodes, clock: Clock, ann: Account
) -> None:
    await codes.enroll(ann.id, RFC_SECRET)
    code = codes.code_at(RFC_SECRET, clock())
    answers = await asyncio.gather(*(each.is_right(ann, code) for each in (codes, another_workers) * 5))
    assert answers.count(True) == 1
    assert not await another_workers.is_right(ann, code)
    assert not await codes.is_right(ann, codes.code_at(RFC_SECRET, clock() - 30))
    clock.pass_seconds(30)
    assert await another_workers.is_right(ann, codes.code_at(RFC_SECRET, clock()))


async def test_an_account_without_a_second_factor_has_no_right_code(codes: OneTimeCodes, ann: Account) -> None:
    assert not await codes.is_right(ann, codes.code_at(RFC_SECRET, 0))


async def test_a_secret_is_kept_sealed(codes: OneTimeCodes, documents: MemoryDocuments, ann: Account) -> None:
    await codes.enroll(ann.id, RFC_SECRET)
    shown = await codes.proposed("s1")
    kept_there = str(documents._kinds)
    assert RFC_SECRET not in kept_there and shown not in kept_there


async def test_a_secret_of_another_account_opens_nothing(
    codes: OneTimeCodes, documents: MemoryDocuments, clock: Clock, ann: Account
) -> None:
    await codes.enroll(ann.id, RFC_SECRET)
    stolen = (await documents.get(ACCOUNTS, ann.id) or {})["totp"]
    ben = Account(id="b1", username="ben", login="ben", password_hash="", kind="patient", totp=stolen)
    await documents.insert(ACCOUNTS, ben.id, kept(ben))
    with pytest.raises(ValueError):
        await codes.is_right(ben, codes.code_at(RFC_SECRET, clock()))


async def test_a_second_factor_is_in_force_once_a_code_was_right(
    codes: OneTimeCodes, another_workers: OneTimeCodes, documents: MemoryDocuments, clock: Clock, ann: Account
) -> None:
    accounts = Accounts(documents, clock)
    secret = await codes.proposed("s1")
    assert await another_workers.proposed("s1") == secret
    assert await another_workers.proposed("s2") != secret
    assert not await codes.confirm(ann, "s1", "000000")
    assert (await accounts.get(ann.id) or ann).totp is None
    code = codes.code_at(secret, clock())
    assert not await codes.confirm(ann, "s2", code)
    assert await another_workers.confirm(ann, "s1", code)
    # That code was one, and is used.
    assert not await codes.is_right(ann, code)
    clock.pass_seconds(30)
    assert await codes.is_right(ann, codes.code_at(secret, clock()))


async def test_a_second_secret_takes_no_first_ones_place(codes: OneTimeCodes, clock: Clock, ann: Account) -> None:
    await codes.enroll(ann.id, RFC_SECRET)
    assert not await codes.confirm(ann, "s1", codes.code_at(await codes.proposed("s1"), clock()))
    assert await codes.is_right(ann, codes.code_at(RFC_SECRET, clock()))


async def test_a_secret_that_was_shown_is_forgotten_after_a_quarter_of_an_hour(
    codes: OneTimeCodes, clock: Clock, ann: Account
) -> None:
    secret = await codes.proposed("s1")
    clock.pass_seconds(900)
    assert not await codes.confirm(ann, "s1", codes.code_at(secret, clock()))
    assert await codes.proposed("s1") != secret


async def test_what_is_removed_is_not_asked_for(codes: OneTimeCodes, clock: Clock, ann: Account) -> None:
    await codes.enroll(ann.id, RFC_SECRET)
    assert await codes.remove(ann.id)
    assert not await codes.remove(ann.id)
    assert not await codes.is_right(ann, codes.code_at(RFC_SECRET, clock()))
