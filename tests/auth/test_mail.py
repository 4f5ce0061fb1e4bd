"""Letters: kept sealed, delivered once by whichever worker is first, tried again, and never to two addresses."""

import asyncio
import logging
from dataclasses import dataclass, field, replace

import pytest

from smart_auth.mail import (
    GIVEN_UP_AFTER_SECONDS,
    NO_MAIL,
    RETRY_SECONDS,
    CannotDeliver,
    Message,
    Outbox,
    is_address,
)
from smart_auth.records import COUNTERS, OUTBOX
from smart_auth.sealing import Seal
from tests.auth.clock import Clock
from tests.auth.memory_documents import MemoryDocuments

LETTER = Message("ann@example.org", "Confirm your address", "Open https://fhir.test/auth/confirm?token=secret")
SEAL = Seal(b"k" * 32)


@dataclass(slots=True)
class PostOffice:
    """What was delivered; with `failure` nothing is."""

    letters: list[Message] = field(default_factory=list)
    failure: BaseException | None = None
    tries: int = 0

    async def __call__(self, message: Message) -> None:
        self.tries += 1
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        assert message.id
        self.letters.append(replace(message, id=""))


@dataclass(slots=True)
class Desk:
    clock: Clock = field(default_factory=Clock)
    office: PostOffice = field(default_factory=PostOffice)
    documents: MemoryDocuments = field(default_factory=MemoryDocuments)

    def __post_init__(self) -> None:
        self.documents.now = self.clock

    def outbox(self, seal: Seal = SEAL) -> Outbox:
        return Outbox(self.documents, seal, self.office, self.clock)

    async def kept(self) -> list[dict[str, object]]:
        return await self.documents.find(OUTBOX, {})


async def test_a_letter_is_kept_sealed_and_is_gone_once_it_was_delivered() -> None:
    desk = Desk()
    outbox = desk.outbox()
    await outbox.send(LETTER)
    assert desk.office.letters == []
    stored = str(await desk.kept())
    assert "secret" not in stored and "Confirm" not in stored
    await outbox.deliver_due()
    assert desk.office.letters == [LETTER]
    assert await desk.kept() == []


async def test_what_a_worker_took_it_delivers_at_once() -> None:
    desk = Desk()
    outbox = desk.outbox()
    running = asyncio.create_task(outbox.run())
    await asyncio.sleep(0.01)
    await outbox.send(LETTER)
    async with asyncio.timeout(2):
        while not desk.office.letters:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    running.cancel()


async def test_of_several_workers_one_delivers() -> None:
    desk = Desk()
    workers = [desk.outbox() for _ in range(5)]
    for number in range(4):
        await workers[0].send(Message(f"p{number}@example.org", "Hello", "x"))
    await asyncio.gather(*(each.deliver_due() for each in workers))
    assert sorted(each.to for each in desk.office.letters) == [f"p{number}@example.org" for number in range(4)]


async def test_a_letter_is_tried_again_after_one_five_and_thirty_minutes() -> None:
    desk = Desk(office=PostOffice(failure=CannotDeliver("busy")))
    outbox = desk.outbox()
    await outbox.send(LETTER)
    await outbox.deliver_due()
    for number, pause in enumerate(RETRY_SECONDS, 1):
        desk.clock.pass_seconds(pause - 1)
        await outbox.deliver_due()
        assert desk.office.tries == number
        desk.clock.pass_seconds(1)
        await outbox.deliver_due()
        assert desk.office.tries == number + 1
    desk.office.failure = None
    desk.clock.pass_seconds(RETRY_SECONDS[-1])
    await outbox.deliver_due()
    assert desk.office.letters == [LETTER]


async def test_a_letter_is_given_up_after_a_day_and_the_log_does_not_tell_whose(
    caplog: pytest.LogCaptureFixture,
) -> None:
    desk = Desk(office=PostOffice(failure=OSError("no route")))
    outbox = desk.outbox()
    await outbox.send(LETTER)
    await outbox.deliver_due()
    desk.clock.pass_seconds(GIVEN_UP_AFTER_SECONDS)
    with caplog.at_level(logging.WARNING):
        await outbox.deliver_due()
    assert await desk.kept() == []
    assert "given up" in caplog.text
    assert "ann@" not in caplog.text and "secret" not in caplog.text


async def test_a_letter_that_no_later_try_would_help_is_given_up_at_once() -> None:
    desk = Desk(office=PostOffice(failure=CannotDeliver("no such mailbox", is_final=True)))
    outbox = desk.outbox()
    await outbox.send(LETTER)
    await outbox.deliver_due()
    assert await desk.kept() == []


async def test_the_letter_of_a_worker_that_died_is_delivered_by_another() -> None:
    desk = Desk(office=PostOffice(failure=asyncio.CancelledError()))
    outbox = desk.outbox()
    await outbox.send(LETTER)
    with pytest.raises(asyncio.CancelledError):
        await outbox.deliver_due()
    desk.office.failure = None
    another = desk.outbox()
    await another.deliver_due()
    assert desk.office.letters == []
    desk.clock.pass_seconds(120)
    await another.deliver_due()
    assert desk.office.letters == [LETTER]


async def test_what_was_sealed_under_a_lost_key_is_not_tried_for_ever() -> None:
    desk = Desk()
    await desk.outbox().send(LETTER)
    await desk.outbox(Seal(b"another key of enough bytes, here")).deliver_due()
    assert await desk.kept() == []
    assert desk.office.tries == 0


async def test_one_address_gets_five_of_a_kind_in_an_hour() -> None:
    desk = Desk()
    outbox = desk.outbox()
    for _ in range(8):
        await outbox.send(LETTER)
    await outbox.send(Message("Ann@example.org", LETTER.subject, "again"))
    assert len(await desk.kept()) == 5
    await outbox.send(Message(LETTER.to, "Another matter", "x"))
    assert len(await desk.kept()) == 6
    desk.clock.pass_seconds(3600)
    await outbox.send(LETTER)
    assert len(await desk.kept()) == 7
    assert "example" not in str(await desk.documents.find(COUNTERS, {}))


async def test_a_database_that_is_away_does_not_end_the_work() -> None:
    desk = Desk()
    outbox = desk.outbox()
    await outbox.send(LETTER)
    desk.documents.is_away = True
    running = asyncio.create_task(outbox.run())
    await asyncio.sleep(0.02)
    assert not running.done()
    desk.documents.is_away = False
    await outbox.send(Message("ben@example.org", "Hello", "x"))
    async with asyncio.timeout(2):
        while len(desk.office.letters) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    running.cancel()


@pytest.mark.parametrize(
    "to",
    [
        "",
        "ann",
        "@example.org",
        "ann@",
        "ann@example.org\r\nBcc: all@example.org",
        "ann@example.org\n",
        "ann@example.org, ben@example.org",
        "Ann <ann@example.org>",
        "ann @example.org",
        ".ann@example.org",
        "ann..x@example.org",
        "ann@-example.org",
        "ann@example..org",
        '"ann"@example.org',
        f"{'a' * 65}@example.org",
        f"ann@{'a.' * 130}org",
        "änn@example.org",
    ],
)
def test_what_is_no_single_plain_address_gets_no_letter(to: str) -> None:
    assert not is_address(to)
    with pytest.raises(ValueError, match="one plain address"):
        Message(to, "Hello", "x")


@pytest.mark.parametrize("to", ["ann@example.org", "o'neil+portal@mail.example.mil", "a.b-c_d@localhost", "1@x.y"])
def test_ordinary_addresses_are_addresses(to: str) -> None:
    assert is_address(to)


@pytest.mark.parametrize("subject", ["", "Hello\r\nBcc: all@example.org", "Hello\nx", "a\x00b", "x" * 201])
def test_a_subject_is_one_line(subject: str) -> None:
    with pytest.raises(ValueError, match="one line"):
        Message("ann@example.org", subject, "x")


async def test_without_mail_letters_are_dropped_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    assert not NO_MAIL.is_available
    with caplog.at_level(logging.WARNING):
        await NO_MAIL.send(LETTER)
    assert "dropped" in caplog.text and "ann@" not in caplog.text
