"""A draft is its writer's until it is sent, and then nobody's to change.

docs/adr/0035-messages.md
"""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from msgspec import structs
from pymongo import MongoClient

from fhir_server.core.outcome import FhirError
from fhir_server.interactions import facts
from fhir_server.policy import Sight
from fhir_server.store import transactions
from tests.rest.access import as_bearer
from tests.rest.correspondents import (
    ANNA,
    WORLD,
    correspondence,
    draft_of_staff,
    message,
    refused,
    seen,
    send,
    sent,
)
from tests.rest.in_process import opened, put


@pytest_asyncio.fixture(scope="module")
async def world(mongodb_uri: str, mongodb: MongoClient[dict[str, Any]]) -> AsyncIterator[httpx.AsyncClient]:
    async with correspondence(mongodb_uri, mongodb, "test_message_drafts") as api:
        yield api


async def test_a_draft_is_its_writers_until_it_is_sent(world: httpx.AsyncClient) -> None:
    draft = await sent(world, "dr", draft_of_staff())
    assert "sent" not in draft
    assert [await seen(world, who, draft["id"]) for who in ("dr", "anna", "nurse", "other")] == [200, 404, 404, 404]
    found = (await world.get("Communication?_summary=count&status=preparation", headers=as_bearer("anna"))).json()
    assert found["total"] == 0
    done = await sent(world, "dr", draft | {"status": "completed", "recipient": [{"reference": "Patient/anna"}]})
    assert done["sent"]
    assert [await seen(world, who, draft["id"]) for who in ("dr", "anna", "nurse")] == [200, 200, 404]
    history = (await world.get(f"Communication/{draft['id']}/_history", headers=as_bearer("anna"))).json()
    assert [each["resource"]["status"] for each in history["entry"]] == ["completed"]


async def test_a_patients_draft_is_changed_deleted_and_sent_by_them_alone(world: httpx.AsyncClient) -> None:
    bare = {"resourceType": "Communication", "status": "preparation", "subject": {"reference": "Patient/anna"}}
    draft = await sent(world, "anna", bare)
    assert [await seen(world, who, draft["id"]) for who in ("anna", "dr", "nurse")] == [200, 404, 404]
    draft = await sent(world, "anna", draft | {"payload": [{"contentString": "What I"}]})
    refused(await send(world, "anna", draft | {"status": "completed"}), 422, "Communication.recipient")
    assert (await send(world, "dr", draft | {"topic": {"text": "x"}})).status_code in (403, 404)
    gone = await world.delete(f"Communication/{draft['id']}", headers=as_bearer("anna"))
    assert gone.status_code == 204, gone.text
    assert await seen(world, "anna", draft["id"]) == 410


async def test_a_deleted_draft_is_not_brought_back_in_another_name(world: httpx.AsyncClient) -> None:
    draft = await sent(world, "dr", draft_of_staff())
    assert (await world.delete(f"Communication/{draft['id']}", headers=as_bearer("dr"))).status_code == 204
    forged = draft | {
        "status": "completed",
        "sender": {"reference": "Practitioner/nurse"},
        "recipient": [{"reference": "Patient/anna"}, {"reference": "Practitioner/dr"}],
    }
    assert (await send(world, "dr", forged)).status_code == 404
    assert (await send(world, "dr", forged | {"sender": draft["sender"]})).status_code == 404
    assert await seen(world, "anna", draft["id"]) == 404


async def test_nobody_in_the_family_changes_sends_or_deletes_anothers_draft(world: httpx.AsyncClient) -> None:
    draft = await sent(world, "mother", message(status="preparation"))
    for changed in ({"payload": [{"contentString": "I never wrote that"}]}, {"status": "completed"}):
        assert (await send(world, "anna", draft | changed)).status_code in (403, 404)
    patch = [{"op": "replace", "path": "/status", "value": "completed"}]
    headers = as_bearer("anna") | {"content-type": "application/json-patch+json"}
    place = f"Communication/{draft['id']}"
    assert (await world.patch(place, json=patch, headers=headers)).status_code in (403, 404)
    assert (await world.delete(place, headers=as_bearer("anna"))).status_code in (403, 404)
    done = await sent(world, "mother", draft | {"status": "completed"})
    assert (done["sender"]["reference"], done["payload"]) == ("Patient/ben", draft["payload"])


async def test_a_draft_is_seen_in_the_family_by_whoever_speaks_in_it(world: httpx.AsyncClient) -> None:
    hers = await sent(world, "mother", message(status="preparation"))
    own = await sent(world, "anna", message(status="preparation"))
    # The mother may speak for anna, and anna not for her.
    for who, draft, status in (("mother", hers, 200), ("mother", own, 200), ("anna", own, 200), ("anna", hers, 404)):
        place = f"Communication/{draft['id']}"
        assert await seen(world, who, draft["id"]) == status, (who, draft["sender"])
        history = await world.get(f"{place}/_history", headers=as_bearer(who))
        assert history.status_code == status
        found = (await world.get(f"Communication?_id={draft['id']}&_total=accurate", headers=as_bearer(who))).json()
        assert found["total"] == (1 if status == 200 else 0)
    await sent(world, "anna", own | {"status": "completed"})
    await sent(world, "mother", hers | {"status": "completed"})
    assert await seen(world, "anna", hers["id"]) == 200
    history = (await world.get(f"Communication/{hers['id']}/_history", headers=as_bearer("anna"))).json()
    assert [each["resource"]["status"] for each in history["entry"]] == ["completed"]


async def test_who_sends_a_draft_twice_at_once_sends_it_once(world: httpx.AsyncClient) -> None:
    draft = await sent(world, "anna", message(status="preparation"))
    import asyncio

    answers = await asyncio.gather(*(send(world, "anna", draft | {"status": "completed"}) for _ in range(6)))
    assert sorted(each.status_code for each in answers) == [200] + [422] * 5


async def test_a_message_that_is_sent_while_somebody_writes_over_it_stays_as_it_was_sent(
    mongodb_uri: str, database_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a draft it was out of reach, so that no rule looked at what would become of it."""
    draft = draft_of_staff() | {"id": "d1"}
    run = transactions.run
    async with opened(mongodb_uri, database_name) as context:
        for resource in (*WORLD, draft):
            await put(context, resource)

        async def sends_it_first(*args: Any) -> Any:
            monkeypatch.setattr(transactions, "run", run)
            await put(context, draft | {"status": "completed"})
            return await run(*args)

        monkeypatch.setattr(transactions, "run", sends_it_first)
        forged = draft | {"status": "completed", "payload": [{"contentString": "what the doctor never wrote"}]}
        with pytest.raises(FhirError):
            await put(structs.replace(context, sight=Sight(ANNA)), forged)
        kept = await facts.stored(context, "Communication", "d1")
    assert kept.resource is not None
    assert (kept.resource["status"], kept.resource["payload"]) == ("completed", draft["payload"])
