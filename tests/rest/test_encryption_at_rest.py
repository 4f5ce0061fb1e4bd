"""What people write is nowhere in the database as they wrote it: messages, their history, files, notices, letters.

docs/adr/0032-encryption-at-rest.md
"""

import base64
from collections.abc import AsyncIterator
from typing import Any

import bson
import httpx
import pytest_asyncio
from pymongo import MongoClient

from fhir_server.store.files import CHUNK_BYTES
from smart_auth.access import AccessContext
from tests.rest.access import guarded, scopes

WORDS = ("rash behind my left knee", "Zyrtecamine", "itchy-summer")
FILE = b"%PDF-1.4 the itchy-summer picture" + bytes(range(256)) * 3000 + b"end of the itchy-summer picture"
ADMIN = AccessContext("admin", "app", "admin", scopes("user/*.cruds"))
SYSTEM = AccessContext("system", "app", "system", scopes("system/*.cruds"))


@pytest_asyncio.fixture
async def api(mongodb_uri: str, database_name: str) -> AsyncIterator[httpx.AsyncClient]:
    async with guarded(mongodb_uri, database_name, {"admin": ADMIN, "system": SYSTEM}) as client:
        client.headers["authorization"] = "Bearer system"
        yield client


def message(**more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Communication",
        "id": "m1",
        "status": "preparation",
        "subject": {"reference": "Patient/p1", "display": f"Anna {WORDS[0]}"},
        "topic": {"text": WORDS[0]},
        "category": [{"text": WORDS[1]}],
        "payload": [{"contentString": f"I have a {WORDS[0]}, {WORDS[1]} does not help, {WORDS[2]}"}],
        "note": [{"text": WORDS[2]}],
        "text": {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{WORDS[0]}</div>'},
        **more,
    }


async def put(api: httpx.AsyncClient, resource: dict[str, Any]) -> httpx.Response:
    answer = await api.put(f"{resource['resourceType']}/{resource['id']}", json=resource)
    assert answer.status_code in (200, 201), answer.text
    return answer


def everything(mongodb: MongoClient[dict[str, Any]], name: str) -> bytes:
    """All documents of all collections as they lie there."""
    return b"".join(
        bson.encode(document)
        for collection in sorted(mongodb[name].list_collection_names())
        for document in mongodb[name][collection].find({})
    )


async def test_no_word_of_a_message_or_a_file_is_in_the_database(
    api: httpx.AsyncClient, mongodb: MongoClient[dict[str, Any]], database_name: str
) -> None:
    await put(api, {"resourceType": "Patient", "id": "p1"})
    for language in ("en", "de", "fr"):
        await put(api, message(language=language))
    await put(api, binary())
    await put(api, {"resourceType": "CommunicationRequest", "id": "r1", "status": "draft", **words_of_a_request()})
    stored = everything(mongodb, database_name)
    assert b"Patient/p1" in stored
    for word in WORDS:
        assert word.encode() not in stored
        assert word.split()[0].encode() not in stored
    assert base64.b64encode(FILE)[:60] not in stored
    assert FILE[1000:1100] not in stored
    assert mongodb[database_name]["Communication_history"].count_documents({}) == 2
    assert mongodb[database_name]["server.files"].count_documents({}) == 1 + -(-len(FILE) // CHUNK_BYTES)


def binary(**more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Binary",
        "id": "f1",
        "contentType": "application/pdf",
        "securityContext": {"reference": "Patient/p1"},
        "data": base64.b64encode(FILE).decode(),
        **more,
    }


def words_of_a_request() -> dict[str, Any]:
    return {"subject": {"reference": "Patient/p1"}, "payload": [{"contentString": WORDS[0]}]}


async def test_what_was_stored_is_read_as_it_was_sent_by_every_way(api: httpx.AsyncClient) -> None:
    await put(api, {"resourceType": "Patient", "id": "p1"})
    await put(api, message())
    await put(api, message(status="in-progress"))
    sent = binary()
    await put(api, sent)
    read = (await api.get("Binary/f1")).json()
    assert {name: read[name] for name in sent} == sent
    found = (await api.get("Binary?_id=f1")).json()["entry"][0]["resource"]
    assert found == read
    assert (await api.get("Binary/f1/_history/1")).json() == read
    assert (await api.get("Communication/m1/_history/1")).json()["payload"] == message()["payload"]
    versions = (await api.get("Communication/m1/_history")).json()["entry"]
    assert [each["resource"]["status"] for each in versions] == ["in-progress", "preparation"]
    system = (await api.get("_history")).json()["entry"]
    assert [each["resource"] for each in system if each["resource"]["resourceType"] == "Binary"] == [read]
    found = (await api.get("Communication?subject=Patient/p1")).json()
    assert found["entry"][0]["resource"]["topic"] == {"text": WORDS[0]}


async def test_an_update_and_a_patch_go_on_from_what_is_sealed(api: httpx.AsyncClient) -> None:
    await put(api, {"resourceType": "Patient", "id": "p1"})
    await put(api, message())
    patch = [{"op": "replace", "path": "/status", "value": "in-progress"}]
    answer = await api.patch("Communication/m1", json=patch, headers={"content-type": "application/json-patch+json"})
    assert (answer.status_code, answer.json()["status"], answer.json()["topic"]["text"]) == (
        200,
        "in-progress",
        WORDS[0],
    )
    await put(api, binary())
    same = await api.put("Binary/f1", json=binary(), headers={"prefer": "only-changes"})
    assert same.headers["etag"] == 'W/"1"'
    other = await api.put("Binary/f1", json=binary(contentType="image/png"), headers={"prefer": "only-changes"})
    assert other.headers["etag"] == 'W/"2"'


async def test_text_search_leaves_messages_out(api: httpx.AsyncClient) -> None:
    await put(api, {"resourceType": "Patient", "id": "p1"})
    await put(api, message())
    for query in ("_content=rash", "_text=rash"):
        answer = await api.get(f"Communication?{query}")
        assert answer.status_code == 400, answer.text
    for query in ("category:text=Zyrtecamine", "subject:missing=true"):
        answer = await api.get(f"Communication?{query}&_summary=count")
        assert answer.json().get("total", 0) == 0, answer.text


async def test_a_body_that_was_changed_or_moved_in_the_database_is_not_shown(
    api: httpx.AsyncClient, mongodb: MongoClient[dict[str, Any]], database_name: str
) -> None:
    await put(api, {"resourceType": "Patient", "id": "p1"})
    await put(api, message())
    await put(api, message(id="m2"))
    rows = mongodb[database_name]["Communication"]
    other = rows.find_one({"_id": "m2"})
    assert other is not None
    rows.update_one({"_id": "m1"}, {"$set": {"body": other["body"]}})
    assert (await api.get("Communication/m1")).status_code == 503
    await put(api, binary())
    await put(api, binary(id="f2", data=base64.b64encode(b"other").decode()))
    files = mongodb[database_name]["Binary"]
    other = files.find_one({"_id": "f2"})
    assert other is not None
    files.update_one({"_id": "f1"}, {"$set": {"file": other["file"]}})
    assert (await api.get("Binary/f1")).status_code == 503


async def test_base64_that_is_written_otherwise_comes_back_as_it_was(api: httpx.AsyncClient) -> None:
    await put(api, {"resourceType": "Patient", "id": "p1"})
    text = "QUJD\nREVG"
    await put(api, binary(data=text))
    assert (await api.get("Binary/f1")).json()["data"] == text


async def test_only_files_that_nothing_linked_are_swept(
    api: httpx.AsyncClient, mongodb: MongoClient[dict[str, Any]], database_name: str
) -> None:
    await put(api, {"resourceType": "Patient", "id": "p1"})
    await put(api, binary())
    refused = await api.put("Binary/f1", json=binary(contentType="image/png"), headers={"if-match": 'W/"7"'})
    assert refused.status_code == 412
    assert mongodb[database_name]["server.files"].count_documents({"unlinked": {"$exists": True}}) == 1
    assert (await api.get("Binary/f1")).json()["data"] == binary()["data"]
