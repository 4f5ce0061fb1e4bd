"""One person who registers twice at once, in two workers over one database, has one account.

Each worker has its own connections, its own caches and its own sweeper; they are warm, for each has served before.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from smart_auth import registration_pages
from smart_auth.records import ACCOUNTS, PERSONS, REGISTRATIONS
from tests.auth.registering import RETIREE, Letters, Registering, registering

Workers = tuple[Registering, Registering]
BOTH = [{"beneficiary_class": each, "start": "2015-01-01"} for each in ("retiree", "veteran")]


@pytest.fixture
async def workers(mongodb_uri: str, database_name: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Workers]:
    monkeypatch.setattr(registration_pages, "EVEN_SECONDS", 0.0)
    letters = Letters()
    async with AsyncExitStack() as opened:
        made = [
            await opened.enter_async_context(registering(mongodb_uri, database_name, is_kept=True, letters=letters))
            for _ in range(2)
        ]
        for each in made:
            assert (await each.pages.browser.go("/auth/registration/retiree")).status == 200
        yield made[0], made[1]


def links(worker: Registering) -> list[str]:
    """All that were sent, the oldest first."""
    texts = [each.text for each in worker.letters.sent if "/auth/registration/confirm" in each.text]
    return [next(word for word in text.split() if word.startswith("http")) for text in texts]


async def in_use(worker: Registering) -> list[dict[str, Any]]:
    """The accounts of who registered that let somebody in."""
    found = await worker.parts.documents.find(ACCOUNTS, {"added_by": "registration"})
    return [each for each in found if each["is_logon_active"] and not each["is_disabled"]]


async def settled(workers: Workers) -> None:
    for _ in range(2):
        await asyncio.gather(*(each.registrations.sweep() for each in workers))


async def test_the_same_form_sent_to_both_makes_one_account(workers: Workers) -> None:
    one, other = workers
    forms = [each.register("retiree", username=f"robin{number}") for number, each in enumerate((one, other) * 3)]
    seen = await asyncio.gather(*forms)
    assert {each.title for each in seen} == {"Check your mail"}
    assert len(await one.parts.documents.find(REGISTRATIONS, {})) == 1
    (link,) = links(one)
    opened = await asyncio.gather(one.confirm(link), other.confirm(link), one.confirm(link))
    assert sorted(each.status for each in opened) == [200, 400, 400]
    await settled(workers)
    assert len(await in_use(one)) == 1
    assert len(await one.parts.documents.find(PERSONS, {})) == 1
    assert len(await one.record.rows("Task")) == 1
    assert len(await one.record.rows("Communication")) == 1


async def test_two_ways_in_at_once_make_one_account(workers: Workers) -> None:
    """Somebody who is a retiree and a veteran, as one here and as the other there."""
    one, other = workers
    person = {"dod_id": RETIREE["dod_id"], "ssn": "912345678", "family": "Example", "given": ["Robin"]}
    await one.registry.seed([{**person, "birth_date": RETIREE["birth_date"], "statuses": BOTH}])
    as_veteran = {**RETIREE, "username": "robin-v", "email": "v@example.org"}
    await asyncio.gather(one.register("retiree"), other.register("veteran", None, **as_veteran))
    await asyncio.gather(*(worker.confirm(link) for worker in workers for link in links(one)))
    for _ in range(2):
        for task in await one.registrar.open_tasks("Practitioner/d1"):
            await one.registrar.decide(task.task, "accept-proof", "Practitioner/d1")
        await settled(workers)
    assert len(await in_use(one)) == 1
    assert len(await one.parts.documents.find(PERSONS, {})) == 1
    assert len(await one.record.rows("Patient")) == 2


async def test_a_link_used_while_the_form_is_sent_again_elsewhere_makes_one_account(workers: Workers) -> None:
    one, other = workers
    await one.register("retiree")
    (link,) = links(one)
    for each in workers:
        each.pages.clock.seconds += 5
    await asyncio.gather(one.confirm(link), other.register("retiree", username="robin2", email="two@example.org"))
    await asyncio.gather(*(each.confirm(link) for each in workers for link in links(one)[1:]))
    await settled(workers)
    assert len(await in_use(one)) == 1
    assert len(await one.parts.documents.find(PERSONS, {})) == 1
    assert len(await one.record.rows("Patient")) == 2
