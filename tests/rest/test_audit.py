"""What was seen and done is in the audit log before it is answered, and is read there as AuditEvents."""

from base64 import b64decode
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from pymongo import MongoClient

from fhir_server.core import codec
from fhir_server.store.mongo import DriverError
from fhir_server.validation.validate import validate
from tests.rest.access import guarded
from tests.rest.audited import BALP, BEARERS, DCM, App, agent, codes, events, put_records, references, send
from tests.rest.conftest import observation, patient


@pytest_asyncio.fixture
async def app(mongodb_uri: str, database_name: str) -> AsyncIterator[App]:
    """A server with two patients, of whom each has an Observation."""
    async with guarded(mongodb_uri, database_name, BEARERS) as client:
        await put_records(client)
        yield client


@pytest.fixture
def rows(mongodb: MongoClient[dict[str, Any]], database_name: str) -> Any:
    return mongodb[database_name]["server.audit"]


async def test_a_read_is_an_event_of_the_patient_in_the_shape_of_balp(app: App) -> None:
    await send(app, "clinician", "GET", "Observation/oa", status=200, request="read-1")
    (event,) = await events(app, "entity:identifier=read-1")
    assert event["meta"]["profile"] == [f"{BALP}PatientRead"]
    assert event["type"]["code"] == "rest"
    assert codes(event, "subtype", "code") == ["read"]
    assert (event["action"], event["outcome"]) == ("R", "0")
    # Of a read the server is the source, and the client where it goes.
    assert agent(event, "110152")["who"]["identifier"]["value"] == "ehr"
    assert agent(event, "110153")["network"] == {"address": "http://localhost:8080/fhir", "type": "5"}
    user = agent(event, "IRCP")
    assert user["who"] == {"reference": "Practitioner/p7"}
    assert user["requestor"] is True
    assert codes(user, "role", "coding", "code") == ["practitioner"]
    assert user["policy"] == ["urn:ietf:params:oauth:jti:token-7"]
    assert codes(user, "purposeOfUse", "coding", "code") == ["BTG"]
    assert references(event) == ["Patient/a", "Observation/oa"]
    assert codes(event, "entity", "role", "code") == ["1", "4"]


async def test_a_search_is_one_event_for_each_patient_with_the_query_as_asked(app: App) -> None:
    await send(app, "va", "GET", "Observation?code=8302-2&_count=5", status=200, request="search-1")
    found = await events(app, "entity:identifier=search-1")
    assert {references(event)[0] for event in found} == {"Patient/a", "Patient/b"}
    for event in found:
        assert event["meta"]["profile"] == [f"{BALP}PatientQuery"]
        assert event["action"] == "E"
        (query,) = codes(event, "entity", "query")
        assert b64decode(query).decode() == "Observation?code=8302-2&_count=5"
        client = agent(event, "110153")
        assert client["requestor"] is True
        assert codes(client, "purposeOfUse", "coding", "code") == ["TREAT"]
        assert agent(event, "PROV")["who"]["identifier"]["value"] == "https://va.example.org"


async def test_writes_are_events_of_what_they_did(app: App) -> None:
    made = await send(app, "va", "POST", "Observation", observation("a"), 201, "create-1")
    place = f"Observation/{made.json()['id']}"
    await send(app, "va", "PUT", place, {**made.json(), "status": "amended"}, 200, "update-1")
    await send(app, "va", "DELETE", place, None, 204, "delete-1")
    for request, action, profile in (
        ("create-1", "C", "Create"),
        ("update-1", "U", "Update"),
        ("delete-1", "D", "Delete"),
    ):
        found = [each for each in await events(app, f"entity:identifier={request}") if place in references(each)[1]]
        (event,) = found
        assert event["action"] == action
        assert event["meta"]["profile"] == [f"{BALP}Patient{profile}"]
        assert references(event)[0] == "Patient/a"


@pytest.mark.parametrize(
    ("bearer", "method", "url", "status"),
    [
        ("blind officer", "GET", "Observation/oa", 403),
        ("a", "GET", "Observation/ob", 404),
        ("a", "DELETE", "Observation/oa", 403),
        ("a", "GET", "Observation?nonsense=1", 400),
        ("nobody", "GET", "Observation/oa", 401),
    ],
)
async def test_each_refusal_is_an_event(app: App, bearer: str, method: str, url: str, status: int) -> None:
    await send(app, bearer, method, url, status=status, request="refused-1")
    (event,) = await events(app, "entity:identifier=refused-1")
    assert event["outcome"] == "4"
    assert event["outcomeDesc"].startswith(f"HTTP {status}, outcome ")
    assert "profile" not in event["meta"]


async def test_entries_of_a_batch_are_events_of_their_own(app: App) -> None:
    entries = [{"request": {"method": "GET", "url": url}} for url in ("Observation/oa", "Observation/ob")]
    await send(app, "a", "POST", "", {"resourceType": "Bundle", "type": "batch", "entry": entries}, 200, "batch-1")
    found = await events(app, "entity:identifier=batch-1")
    assert "Observation/oa" in [reference for event in found for reference in references(event)]
    assert {event["outcome"] for event in found} >= {"0"}


async def test_a_patient_sees_who_looked_at_their_record_and_nothing_of_anyone_else(app: App) -> None:
    await send(app, "va", "GET", "Observation?subject=Patient/a,Patient/b", status=200, request="by-va")
    await send(app, "va", "GET", "Observation/ob", status=200, request="of-b")
    found = await events(app, "_count=100", "a")
    assert {references(event)[0] for event in found} == {"Patient/a"}
    (event,) = [each for each in found if "by-va" in codes(each, "entity", "what", "identifier", "value")]
    whole = codec.encode(event).decode()
    assert "ob" not in references(event)
    assert "Patient/b" not in whole
    # What others asked, from where and with which token is theirs.
    assert codes(event, "entity", "query") == []
    assert codes(event, "entity", "_query", "extension", "valueCode") == ["masked"]
    assert "token-va" not in whole
    assert "127.0.0.1" not in whole
    assert agent(event, "110153")["who"]["identifier"]["value"] == "va-system"


async def test_a_patient_sees_their_own_queries(app: App) -> None:
    await send(app, "a", "GET", "Observation?code=8302-2", status=200, request="by-a")
    (event,) = await events(app, "entity:identifier=by-a", "a")
    (query,) = codes(event, "entity", "query")
    assert b64decode(query).decode() == "Observation?code=8302-2"


async def test_an_event_of_another_looks_like_none(app: App) -> None:
    await send(app, "va", "GET", "Observation/ob", status=200, request="of-b")
    (event,) = await events(app, "entity:identifier=of-b")
    foreign = await send(app, "a", "GET", f"AuditEvent/{event['id']}", status=404)
    missing = await send(app, "a", "GET", "AuditEvent/nothing-1-0", status=404)
    told = foreign.json()["issue"][0]["details"]["text"].replace(event["id"], "ID")
    assert told == missing.json()["issue"][0]["details"]["text"].replace("nothing-1-0", "ID")


async def test_a_proxy_sees_the_events_of_each_record_that_is_theirs(app: App) -> None:
    await send(app, "va", "GET", "Patient/a", status=200)
    await send(app, "va", "GET", "Patient/m", status=200)
    await send(app, "va", "GET", "Patient/b", status=200)
    found = await events(app, "subtype=read", "mother")
    assert sorted(references(event)[0] for event in found) == ["Patient/a", "Patient/m"]


async def test_an_event_is_read_as_it_is_found(app: App) -> None:
    await send(app, "va", "GET", "Observation/oa", status=200, request="read-2")
    (event,) = await events(app, "entity:identifier=read-2")
    for bearer in ("officer", "admin", "a"):
        answer = await send(app, bearer, "GET", f"AuditEvent/{event['id']}", status=200)
        assert validate(codec.decode(answer.content), "AuditEvent") == ()
    assert (await send(app, "officer", "GET", f"AuditEvent/{event['id']}")).json()["id"] == event["id"]


@pytest.mark.parametrize("bearer", ["va", "clinician", "blind officer"])
async def test_nobody_else_reads_or_searches_the_log(app: App, bearer: str) -> None:
    (event, *_) = await events(app, "_count=1")
    for url in ("AuditEvent", "AuditEvent?_summary=count", f"AuditEvent/{event['id']}", "Patient/a/AuditEvent"):
        assert (await send(app, bearer, "GET", url)).status_code == 403, url


@pytest.mark.parametrize("bearer", ["officer", "admin", "va", "a"])
async def test_nobody_makes_changes_or_deletes_events(app: App, bearer: str, rows: Any) -> None:
    (event, *_) = await events(app, "_count=1")
    place = f"AuditEvent/{event['id']}"
    for method, url in (
        ("POST", "AuditEvent"),
        ("PUT", place),
        ("PATCH", place),
        ("DELETE", place),
        ("DELETE", "AuditEvent?outcome=4"),
        ("PUT", "AuditEvent?outcome=4"),
    ):
        assert (await send(app, bearer, method, url, event)).status_code == 405, (method, url)
    entry = {"resource": event, "request": {"method": "PUT", "url": place}}
    for type in ("batch", "transaction"):
        answer = await send(app, bearer, "POST", "", {"resourceType": "Bundle", "type": type, "entry": [entry]})
        status = answer.json()["entry"][0]["response"]["status"] if type == "batch" else str(answer.status_code)
        assert status[:3] in ("403", "405")
    assert rows.database["AuditEvent"].count_documents({}) == 0


async def test_pages_hold_each_event_once_and_open_for_their_caller_alone(app: App) -> None:
    await send(app, "va", "GET", "Observation", status=200)
    whole = [event["id"] for event in await events(app, "type=rest&date=lt2100&_count=1000")]
    found: list[str] = []
    # The searches for it are events too, newer than the first page.
    first = await send(app, "officer", "GET", "AuditEvent?type=rest&date=lt2100&_count=3", status=200)
    bundle = first.json()
    while True:
        found += [entry["resource"]["id"] for entry in bundle["entry"]]
        following = [link["url"] for link in bundle["link"] if link["relation"] == "next"]
        if not following:
            break
        assert "date" not in following[0]
        assert (await send(app, "other officer", "GET", following[0])).status_code == 400
        bundle = (await send(app, "officer", "GET", following[0], status=200)).json()
    assert len(found) == len(set(found))
    assert [id for id in found if id in whole] == whole
    assert len(found) <= len(whole) + 1


async def test_a_compartment_has_the_events_of_its_patient(app: App) -> None:
    await send(app, "va", "GET", "Observation", status=200)
    found = (await send(app, "officer", "GET", "Patient/a/AuditEvent", status=200)).json()
    assert {references(entry["resource"])[0] for entry in found["entry"]} == {"Patient/a"}


async def test_looking_into_the_log_is_an_event(app: App) -> None:
    await send(app, "officer", "GET", "AuditEvent?patient=a", status=200, request="look-1")
    (event,) = await events(app, "entity:identifier=look-1")
    assert references(event) == ["Patient/a"]
    (query,) = codes(event, "entity", "query")
    assert b64decode(query).decode() == "AuditEvent?patient=a"


@pytest.mark.parametrize(
    ("method", "url"), [("GET", "Observation/oa"), ("GET", "Observation"), ("GET", "Observation/x")]
)
async def test_nothing_is_answered_that_cannot_be_audited(
    app: App, monkeypatch: pytest.MonkeyPatch, method: str, url: str
) -> None:
    async def lost(rows: Any) -> None:
        raise DriverError("lost")

    monkeypatch.setattr(_auditor(app), "_insert", lost)
    answer = await send(app, "va", method, url, status=503)
    assert codes(answer.json(), "issue", "details", "coding", "code") == ["6040"]
    assert "8302-2" not in answer.text


async def test_a_write_that_was_kept_says_so_where_it_cannot_be_audited(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(rows: Any) -> None:
        raise DriverError("lost")

    with monkeypatch.context() as patched:
        patched.setattr(_auditor(app), "_insert", lost)
        answer = await send(app, "va", "PUT", "Patient/a", patient(id="a", gender="female"), 503)
    assert "The change was kept" in codes(answer.json(), "issue", "details", "text")[0]
    assert (await send(app, "va", "GET", "Patient/a", status=200)).json()["gender"] == "female"


async def test_a_burst_of_refusals_is_one_security_alert(app: App) -> None:
    for number in range(25):
        await send(app, "a", "GET", f"Observation/guess-{number}", status=404)
    (alert,) = await events(app, f"type={DCM}|110113")
    assert alert["outcomeDesc"] == "20 refusals within 60 s"
    assert alert["agent"][0]["who"]["identifier"]["value"] == "portal"


def test_without_sign_in_audit_events_are_resources_like_others(api: httpx.Client) -> None:
    event = {
        "resourceType": "AuditEvent",
        "type": {"code": "rest"},
        "recorded": "2026-01-01T00:00:00Z",
        "agent": [{"requestor": True}],
        "source": {"observer": {"display": "another system"}},
    }
    made = api.post("AuditEvent", json=event)
    assert made.status_code == 201, made.text
    assert api.get(f"AuditEvent/{made.json()['id']}").status_code == 200


def _auditor(app: App) -> Any:
    transport = app._transport
    assert isinstance(transport, httpx.ASGITransport)
    return transport.app.state.auditor  # type: ignore[attr-defined]
