"""For whom a person acts stands in the records: Person, RelatedPerson, Consent; and what ends there ends at once.

https://hl7.org/fhir/R4/relatedperson.html
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from fhir_server.care.proxies import ACT_CODE
from fhir_server.core.outcome import FhirError
from fhir_server.interactions import create, delete, proxy_relation, update
from fhir_server.interactions.audit_audience import audience
from fhir_server.interactions.context import RequestContext
from fhir_server.interactions.proxy_relation import proxied
from tests.rest.access import as_bearer, guarded
from tests.rest.families import CHILDREN, ana, as_ana, consent, person, relative, stored_family, told
from tests.rest.in_process import opened, put
from tests.rest.narrowing import found, get

pytestmark = pytest.mark.asyncio

PLAIN = {f"Observation/{each}-plain" for each in ("ana", *CHILDREN)}
PRIVATE = {f"Observation/{each}-private" for each in ("ana", "kid", "mother", "husband")}


@pytest_asyncio.fixture
async def family(mongodb_uri: str, database_name: str) -> AsyncIterator[RequestContext]:
    async with opened(mongodb_uri, database_name) as context:
        await stored_family(context)
        yield context


async def acts_for(context: RequestContext) -> list[str]:
    context.server.database.noted.clear()
    return [each.patient for each in await proxied(context.server, ("ana",))]


async def test_a_relative_is_found_by_person_relationship_and_consent(family: RequestContext) -> None:
    assert await acts_for(family) == ["husband", "kid", "mother", "teen"]
    assert await proxied(family.server, ("kid",)) == await proxied(family.server, ("stranger",)) == ()
    assert await proxied(family.server, ()) == ()


async def test_what_a_relative_may_see_is_found_counted_and_read(family: RequestContext) -> None:
    here = await as_ana(family)
    assert await found(here, "Observation") == PLAIN | PRIVATE
    assert (await get(here, "Observation?_summary=count"))["total"] == len(PLAIN | PRIVATE)
    assert (await get(here, "Observation/kid-private"))["id"] == "kid-private"
    assert (await get(here, "Patient/teen"))["id"] == "teen"


@pytest.mark.parametrize(
    "url",
    [
        "Observation/teen-private",
        "Observation/teen-private/_history/1",
        "Observation/teen-private/_history",
        "Observation/stranger-plain",
        "Patient/stranger",
    ],
)
async def test_what_a_teenager_keeps_and_what_is_a_strangers_is_not_there(family: RequestContext, url: str) -> None:
    assert (await get(await as_ana(family), url))["status"].startswith("404")


async def test_what_a_teenager_keeps_is_in_no_bundle(family: RequestContext) -> None:
    here = await as_ana(family)
    assert await found(here, "Patient?_id=teen&_revinclude=Observation:patient", "include") == {
        "Observation/teen-plain"
    }
    assert await found(here, "Patient/teen/Observation") == {"Observation/teen-plain"}
    assert await found(here, "Observation?patient=teen&_security=MH") == set()
    assert await found(here, "Patient?_has:Observation:patient:_id=teen-private") == set()
    history = await get(here, "Observation/_history?_count=100")
    assert "teen-private" not in str(history)
    assert "teen-plain" in str(history)


async def test_a_launch_for_a_child_sees_that_child_alone(family: RequestContext) -> None:
    here = await as_ana(family, "patient/*.rs", "teen")
    assert await found(here, "Observation") == {"Observation/teen-plain"}
    assert await found(await as_ana(family, "patient/*.rs", "stranger"), "Observation") == set()


async def test_a_relative_writes_into_the_record_for_whom_they_act(family: RequestContext) -> None:
    here = await as_ana(family)
    answer = await create.create(here, "Observation", told("x", "kid"))
    assert answer.status == 201
    with pytest.raises(FhirError) as refused:
        await create.create(here, "Observation", told("x", "stranger"))
    assert refused.value.status == 403


CHANGES: list[tuple[str, dict[str, Any] | None]] = [
    ("the consent is revoked", consent("kid", status="inactive")),
    ("the relationship is contested", relative("kid", active=False)),
    ("the relationship has ended", relative("kid", period={"end": "2020-01-01"})),
    ("it is denied", consent("kid") | {"id": "no", "provision": {"type": "deny"}}),
    ("the link is a guess", person("husband", "mother", "teen")),
    ("the person is out of use", person(*CHILDREN, active=False)),
]


@pytest.mark.parametrize("change", [each for _, each in CHANGES], ids=[name for name, _ in CHANGES])
async def test_what_ends_in_the_records_ends_the_access(family: RequestContext, change: dict[str, Any]) -> None:
    before = await as_ana(family, "patient/*.rs", "kid")
    assert await found(before, "Observation") == {"Observation/kid-plain", "Observation/kid-private"}
    await put(family, change)
    assert "kid" not in await acts_for(family)
    assert await found(await as_ana(family, "patient/*.rs", "kid"), "Observation") == set()
    assert (await get(await as_ana(family), "Patient/kid"))["status"].startswith("404")


async def test_a_deleted_consent_gives_nothing(family: RequestContext) -> None:
    await delete.delete(family, "Consent", "ana-for-kid")
    assert "kid" not in await acts_for(family)


@pytest.mark.parametrize("assurance", ["level1", None])
async def test_a_link_that_is_a_guess_leads_to_nobody(family: RequestContext, assurance: str | None) -> None:
    await put(family, person(*CHILDREN, assurance=assurance or "level1"))
    assert await acts_for(family) == []


async def test_a_consent_without_a_person_gives_nothing(family: RequestContext) -> None:
    await put(family, relative("stranger"))
    await put(family, consent("stranger"))
    assert "stranger" not in await acts_for(family)


async def test_somebody_in_two_ways_has_what_both_leave_open(family: RequestContext) -> None:
    again = relative("kid") | {"id": "ana-of-kid-again"}
    await put(family, again)
    second = consent("kid") | {"id": "second"}
    second["provision"] = {
        "type": "permit",
        "actor": [{"role": {"text": "proxy"}, "reference": {"reference": "RelatedPerson/ana-of-kid-again"}}],
        "provision": [
            {
                "type": "deny",
                "securityLabel": [{"system": ACT_CODE, "code": "HIV"}],
            }
        ],
    }
    await put(family, second)
    links = person(*CHILDREN)
    links["link"].append({"target": {"reference": "RelatedPerson/ana-of-kid-again"}, "assurance": "level3"})
    await put(family, links)
    family.server.database.noted.clear()
    kid = next(each for each in await proxied(family.server, ("ana",)) if each.patient == "kid")
    assert kid.without_labels == (f"hiv|{ACT_CODE}",)


async def test_too_many_consents_let_nobody_act(family: RequestContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy_relation, "MAX_CONSENTS", 3)
    assert await acts_for(family) == []


async def test_while_nothing_changes_it_is_the_same_tuple(family: RequestContext) -> None:
    first = await proxied(family.server, ("ana",))
    assert await proxied(family.server, ("ana",)) is first
    await asyncio.sleep(1.1)
    assert await proxied(family.server, ("ana",)) is first
    await put(family, consent("kid", status="inactive"))
    await asyncio.sleep(1.1)
    assert len(await proxied(family.server, ("ana",))) == len(first) - 1


async def shown_events(context: RequestContext, level: str, patient: str | None = None) -> set[str]:
    here = await as_ana(context, f"{level}/AuditEvent.rs", patient)
    return set(audience(here.sight, "s") or ())


async def test_events_are_shown_of_whoever_is_seen_whole_and_only_as_long(family: RequestContext) -> None:
    assert await shown_events(family, "user") == {"ana", "husband", "kid", "mother"}
    assert await shown_events(family, "patient", "kid") == {"kid"}
    assert await shown_events(family, "patient", "teen") == set()
    await put(family, relative("kid", active=False))
    assert await shown_events(family, "user") == {"ana", "husband", "mother"}
    assert await shown_events(family, "patient", "kid") == set()


BEARERS = {"all": ana(), "kid": ana("patient/*.rs", "kid"), "own": ana("patient/*.rs", "ana")}


async def status(api: httpx.AsyncClient, path: str, bearer: str) -> int:
    return (await api.get(path, headers=as_bearer(bearer))).status_code


async def test_over_http_a_revoked_consent_acts_within_a_second(
    family: RequestContext, mongodb_uri: str, database_name: str
) -> None:
    async with guarded(mongodb_uri, database_name, BEARERS) as api:
        assert await status(api, "Observation/kid-plain", "all") == 200
        assert await status(api, "Observation/kid-plain", "kid") == 200
        assert await status(api, "Observation/kid-plain", "own") == 404
        assert await status(api, "Observation/teen-private", "all") == 404
        await update.update(family, "Consent", "ana-for-kid", consent("kid", status="inactive"))
        await asyncio.sleep(1.0)
        assert await status(api, "Observation/kid-plain", "all") == 404
        assert await status(api, "Observation/kid-plain", "kid") == 404
        assert await status(api, "Observation/ana-plain", "all") == 200
