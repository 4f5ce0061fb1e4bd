"""Links that go out by mail: once, for their purpose, for a time; and the lost one is dead once another was sent."""

import asyncio

from smart_auth.mail_links import MailLinks
from smart_auth.records import MAIL_LINKS
from smart_auth.sealing import Seal
from tests.auth.clock import Clock
from tests.auth.memory_documents import MemoryDocuments

SEAL = Seal(b"k" * 32)


def links(documents: MemoryDocuments | None = None, clock: Clock | None = None) -> MailLinks:
    clock = clock or Clock()
    return MailLinks(documents or MemoryDocuments(now=clock), SEAL, clock)


async def test_a_link_is_found_as_often_as_one_looks_and_used_once() -> None:
    mailed = links()
    token = await mailed.issue("reset", "account-1", 60, "what is to be kept")
    for _ in range(2):
        found = await mailed.find("reset", token)
        assert found is not None and found.subject == "account-1"
    used = await mailed.use("reset", token)
    assert used is not None and mailed.content(used) == "what is to be kept"
    assert await mailed.use("reset", token) is None
    assert await mailed.find("reset", token) is None


async def test_of_many_who_use_a_link_at_the_same_time_one_does() -> None:
    mailed = links()
    token = await mailed.issue("reset", "account-1", 60)
    used = await asyncio.gather(*(mailed.use("reset", token) for _ in range(10)))
    assert sum(each is not None for each in used) == 1


async def test_a_link_is_good_for_its_purpose_alone() -> None:
    mailed = links()
    token = await mailed.issue("reset", "account-1", 60)
    assert await mailed.use("create", token) is None
    assert await mailed.use("reset", token) is not None


async def test_a_link_ends_with_its_time() -> None:
    clock = Clock()
    mailed = links(clock=clock)
    token = await mailed.issue("reset", "account-1", 60)
    clock.pass_seconds(59)
    assert await mailed.find("reset", token) is not None
    clock.pass_seconds(1)
    assert await mailed.use("reset", token) is None


async def test_a_new_link_ends_the_one_before_and_no_other() -> None:
    mailed = links()
    lost = await mailed.issue("reset", "account-1", 60)
    of_another = await mailed.issue("reset", "account-2", 60)
    for_another = await mailed.issue("create", "account-1", 60)
    token = await mailed.issue("reset", "account-1", 60)
    assert await mailed.use("reset", lost) is None
    assert await mailed.use("reset", token) is not None
    assert await mailed.use("reset", of_another) is not None
    assert await mailed.use("create", for_another) is not None


async def test_of_two_links_that_were_issued_at_the_same_time_one_is_good() -> None:
    mailed = links()
    tokens = await asyncio.gather(*(mailed.issue("reset", "account-1", 60) for _ in range(5)))
    found = [await mailed.find("reset", each) for each in tokens]
    assert sum(each is not None for each in found) == 1


async def test_a_link_can_be_ended_without_another() -> None:
    mailed = links()
    token = await mailed.issue("reset", "account-1", 60)
    await mailed.end("reset", "account-1")
    assert await mailed.use("reset", token) is None


async def test_made_up_tokens_are_nobodys() -> None:
    mailed = links()
    for token in ("", "x", "x" * 100_000, "é\x00"):
        assert await mailed.find("reset", token) is None


async def test_neither_token_nor_content_is_kept_readable() -> None:
    documents = MemoryDocuments()
    token = await links(documents).issue("create", "ann@example.org", 60, "argon2 hash")
    stored = str(await documents.find(MAIL_LINKS, {}))
    assert token not in stored and "argon2" not in stored
