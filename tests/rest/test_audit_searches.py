"""What the audit log is searched by, and what it is not; by whom it is read.

https://hl7.org/fhir/R4/auditevent.html#search, docs/audit.md
"""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from pymongo import MongoClient

from fhir_server.core import codec
from fhir_server.validation.validate import validate
from tests.rest.access import as_bearer, guarded
from tests.rest.audited import BEARERS, DCM, App, codes, events, put_records, references, send


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def log(mongodb: MongoClient[dict[str, Any]], mongodb_uri: str) -> AsyncIterator[App]:
    """A server whose audit log no test adds reads or writes to."""
    name = f"test_{uuid4().hex[:16]}"
    async with guarded(mongodb_uri, name, BEARERS) as client:
        await put_records(client)
        await send(client, "clinician", "GET", "Observation/oa", status=200)
        await send(client, "va", "GET", "Observation/ob", status=200, request="of-b")
        await send(client, "va", "GET", "_history", status=200)
        yield client
    mongodb.drop_database(name)


@pytest.mark.parametrize(
    "query",
    [
        "patient=b",
        "patient=Patient/b",
        "entity=Patient/b",
        "entity=Observation/ob",
        "entity:identifier=of-b",
        "patient=a&patient=b",
    ],
)
async def test_no_search_brings_a_patient_the_events_of_another(log: App, query: str) -> None:
    assert await events(log, query, "a") == []
    counted = await send(log, "a", "GET", f"AuditEvent?{query}&_summary=count", status=200)
    assert counted.json()["total"] == 0


async def test_the_oldest_come_first_where_that_is_asked(log: App) -> None:
    oldest = [event["recorded"] for event in await events(log, "_sort=date&_count=100")]
    newest = [event["recorded"] for event in await events(log, "_sort=-date&_count=100")]
    assert oldest == sorted(oldest)
    assert newest == sorted(newest, reverse=True)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("patient=a", {"Patient/a"}),
        ("patient=Patient/b", {"Patient/b"}),
        ("patient=a,b", {"Patient/a", "Patient/b"}),
        ("patient=a&patient=b", set()),
        ("entity=Observation/oa", {"Patient/a"}),
        ("entity=Patient/b", {"Patient/b"}),
        ("agent=Practitioner/p7", {"Patient/a"}),
        ("agent=p7", {"Patient/a"}),
        ("agent:identifier=va-system", {"Patient/b"}),
        ("agent:identifier=urn:fhir-server:client|va-system", {"Patient/b"}),
        ("agent:identifier=urn:fhir-server:account|account-7", {"Patient/a"}),
        ("agent=Practitioner/nobody", set()),
        ("action=R", {"Patient/a", "Patient/b"}),
        ("action=D", set()),
        ("outcome=0", {"Patient/a", "Patient/b"}),
        ("outcome=8", set()),
        ("type=http://terminology.hl7.org/CodeSystem/audit-event-type|rest", {"Patient/a", "Patient/b"}),
        (f"type={DCM}|110113", set()),
        ("subtype=read", {"Patient/a", "Patient/b"}),
        ("subtype=http://hl7.org/fhir/restful-interaction|vread", set()),
        ("date=ge2020", {"Patient/a", "Patient/b"}),
        ("date=lt2020", set()),
        ("_lastUpdated=ge2020", {"Patient/a", "Patient/b"}),
        ("source=Device/d1", set()),
    ],
)
async def test_the_log_is_searched_by_what_the_statement_lists(log: App, query: str, expected: set[str]) -> None:
    # The records themselves were made by the administrator.
    others = "&subtype=read,vread" if "subtype" not in query else ""
    found = await events(log, f"{query}{others}&_count=100")
    assert {references(event)[0] for event in found} == expected
    counted = await send(log, "officer", "GET", f"AuditEvent?{query}{others}&_summary=count", status=200)
    assert counted.json()["total"] == len(found)


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ("agent-name=x", "2014"),
        ("patient.name=x", "2014"),
        ("_include=AuditEvent:patient", "2014"),
        ("_sort=action", "4004"),
        ("date=yesterday", "4003"),
        ("outcome:not=0", "4002"),
        ("entity=o1", "4003"),
        ("nonsense=1", "4001"),
        ("__explain=true", "2014"),
        ("_cursor=abc", "4005"),
    ],
)
async def test_what_the_log_is_not_searched_by_is_refused(log: App, query: str, number: str) -> None:
    answer = await send(log, "officer", "GET", f"AuditEvent?{query}", status=400)
    assert number in codes(answer.json(), "issue", "details", "coding", "code")


async def test_elements_and_summary_cut_events(log: App) -> None:
    whole = await send(log, "officer", "GET", "AuditEvent?_count=1&_elements=recorded", status=200)
    assert set(whole.json()["entry"][0]["resource"]) >= {"recorded", "type", "agent", "source"}
    assert "outcome" not in whole.json()["entry"][0]["resource"]


async def test_a_form_searches_too(log: App) -> None:
    answer = await log.post("AuditEvent/_search", data={"patient": "b"}, headers=as_bearer("officer"))
    assert {references(entry["resource"])[0] for entry in answer.json()["entry"]} == {"Patient/b"}


async def test_the_capability_statement_says_what_the_log_offers(log: App) -> None:
    statement = (await log.get("metadata")).json()
    (resource,) = [each for each in statement["rest"][0]["resource"] if each["type"] == "AuditEvent"]
    assert [each["code"] for each in resource["interaction"]] == ["read", "search-type"]
    names = {each["name"] for each in resource["searchParam"]}
    assert names == {
        *("_id", "_lastUpdated", "action", "agent", "date", "entity"),
        *("outcome", "patient", "source", "subtype", "type"),
    }
    assert validate(codec.decode((await log.get("metadata")).content)) == ()
