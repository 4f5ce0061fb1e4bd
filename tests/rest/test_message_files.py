"""Files of messages: looked at, kept outside the message, read by who reads it.

docs/adr/0035-messages.md, https://hl7.org/fhir/R4/binary.html
"""

import base64
import io
import zipfile
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from pymongo import MongoClient

from tests.rest.access import as_bearer
from tests.rest.correspondents import (
    PDF,
    PNG,
    Resource,
    attached,
    correspondence,
    draft_of_staff,
    message,
    refused,
    send,
    sent,
)


@pytest_asyncio.fixture(scope="module")
async def world(mongodb_uri: str, mongodb: MongoClient[dict[str, Any]]) -> AsyncIterator[httpx.AsyncClient]:
    async with correspondence(mongodb_uri, mongodb, "test_message_files") as api:
        yield api


async def test_files_come_out_of_the_message_and_are_read_by_who_reads_it(world: httpx.AsyncClient) -> None:
    stored = await sent(
        world,
        "anna",
        message(payload=[{"contentString": "See the list"}, attached(), attached(PNG, "image/png")]),
    )
    files = [each["contentAttachment"] for each in stored["payload"][1:]]
    assert [each["size"] for each in files] == [len(PDF), len(PNG)]
    assert all("data" not in each and each["url"].startswith("Binary/") for each in files)
    for who, status in (("anna", 200), ("dr", 200), ("nurse", 200), ("other", 404), ("ben", 404), ("reader", 403)):
        answer = await world.get(files[0]["url"], headers=as_bearer(who) | {"accept": "application/pdf"})
        assert (who, answer.status_code) == (who, status)
        if status == 200:
            assert answer.content == PDF
            assert answer.headers["content-type"] == "application/pdf"
    as_json = await world.get(files[0]["url"], headers=as_bearer("anna"))
    assert base64.b64decode(as_json.json()["data"]) == PDF
    for url in ("Binary", f"Binary?_id={files[0]['url'].removeprefix('Binary/')}", "Binary/_history"):
        found = (await world.get(url, headers=as_bearer("anna"))).json()
        assert found.get("entry", []) == []


async def test_a_file_of_a_sent_message_stays_as_it_is(world: httpx.AsyncClient) -> None:
    stored = await sent(world, "anna", message(payload=[{"contentString": "See"}, attached()]))
    place = stored["payload"][1]["contentAttachment"]["url"]
    binary = (await world.get(place, headers=as_bearer("system"))).json()
    changed = binary | {"data": base64.b64encode(PNG).decode()}
    for who in ("dr", "system"):
        assert (await send(world, who, changed)).status_code == 422
        assert (await world.delete(place, headers=as_bearer(who))).status_code == 422
    assert base64.b64decode((await world.get(place, headers=as_bearer("anna"))).json()["data"]) == PDF


async def test_one_bundle_does_not_send_a_draft_and_delete_its_file(world: httpx.AsyncClient) -> None:
    draft = await sent(world, "dr", draft_of_staff() | {"payload": [{"contentString": "See"}, attached()]})
    url = draft["payload"][1]["contentAttachment"]["url"]
    place = f"Communication/{draft['id']}"
    entries = [
        {"resource": draft | {"status": "completed"}, "request": {"method": "PUT", "url": place}},
        {"request": {"method": "DELETE", "url": url}},
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    answer = await world.post("", json=bundle, headers=as_bearer("dr"))
    refused(answer, 422, "Bundle.entry[0].resource.payload[1].contentAttachment.url")
    assert (await world.get(place, headers=as_bearer("dr"))).json()["status"] == "preparation"
    gone = [{"request": {"method": "DELETE", "url": each}} for each in (place, url)]
    answer = await world.post("", json=bundle | {"entry": gone}, headers=as_bearer("dr"))
    assert answer.status_code == 200, answer.text


def note(url: str) -> Resource:
    return {
        "resourceType": "DocumentReference",
        "status": "current",
        "subject": {"reference": "Patient/anna"},
        "content": [{"attachment": {"contentType": "application/pdf", "url": url}}],
    }


async def test_nobody_comes_to_read_a_file_by_naming_it(world: httpx.AsyncClient) -> None:
    file = {"payload": [{"contentString": "See"}, attached()]}
    draft = await sent(world, "dr", draft_of_staff() | file)
    private = await sent(world, "anna", message(recipient=[{"reference": "Practitioner/dr"}], **file))
    for who, held in (("anna", draft), ("nurse", private)):
        url = held["payload"][1]["contentAttachment"]["url"]
        refused(await send(world, who, note(url)), 403, "DocumentReference")
        assert (await world.get(url, headers=as_bearer(who))).status_code == 404
    own = await sent(world, "nurse", note("Binary/nowhere"))
    refused(await send(world, "nurse", own | {"content": note(url)["content"]}), 403, "DocumentReference")
    await sent(world, "anna", note(url))


async def test_nobody_writes_over_a_file_that_is_held_out_of_their_sight(world: httpx.AsyncClient) -> None:
    file = {"payload": [{"contentString": "See"}, attached()]}
    draft = await sent(world, "dr", draft_of_staff() | file)
    private = await sent(world, "anna", message(recipient=[{"reference": "Practitioner/dr"}], **file))
    merge = as_bearer("nurse") | {"content-type": "application/merge-patch+json"}
    for held in (draft, private):
        url = held["payload"][1]["contentAttachment"]["url"]
        binary = (await world.get(url, headers=as_bearer("dr"))).json()
        for answer in (
            await world.patch(url, json={"language": "en"}, headers=merge),
            await send(world, "nurse", binary | {"data": base64.b64encode(PNG).decode()}),
            await world.delete(url, headers=as_bearer("nurse")),
        ):
            assert answer.status_code == 404, answer.text
        assert (await world.get(url, headers=as_bearer("dr"))).json() == binary


@pytest.mark.parametrize("change", ["deleted", "replaced"])
async def test_what_a_draft_held_once_stays_its_writers(world: httpx.AsyncClient, change: str) -> None:
    draft = await sent(world, "dr", draft_of_staff() | {"payload": [{"contentString": "See"}, attached()]})
    url = draft["payload"][1]["contentAttachment"]["url"]
    if change == "deleted":
        assert (await world.delete(f"Communication/{draft['id']}", headers=as_bearer("dr"))).status_code == 204
    else:
        await sent(world, "dr", draft | {"status": "completed", "payload": [{"contentString": "See"}]})
    for who, status in (("dr", 200), ("anna", 404), ("nurse", 404)):
        for place in (url, f"{url}/_history", f"{url}/_history/1"):
            assert (await world.get(place, headers=as_bearer(who))).status_code == status, (who, place)


async def test_a_patient_still_reads_what_their_own_note_held(world: httpx.AsyncClient) -> None:
    own = {"content-type": "image/png", "x-security-context": "Patient/anna"}
    uploaded = await world.post("Binary", content=PNG, headers=as_bearer("anna") | own)
    url = f"Binary/{uploaded.json()['id']}"
    draft = await sent(world, "anna", message(status="preparation", payload=[{"contentAttachment": {"url": url}}]))
    assert (await world.delete(f"Communication/{draft['id']}", headers=as_bearer("anna"))).status_code == 204
    assert (await world.get(url, headers=as_bearer("anna"))).status_code == 200
    await sent(world, "anna", message(payload=[{"contentString": "See"}, {"contentAttachment": {"url": url}}]))


async def test_a_file_uploaded_first_is_attached_by_its_url(world: httpx.AsyncClient) -> None:
    binary = {
        "resourceType": "Binary",
        "contentType": "image/png",
        "securityContext": {"reference": "Patient/anna"},
        "data": base64.b64encode(PNG).decode(),
    }
    uploaded = await sent(world, "dr", binary)
    url = f"Binary/{uploaded['id']}"
    words = {"contentString": "See"}
    draft = draft_of_staff() | {"status": "completed"}
    stored = await sent(world, "dr", draft | {"payload": [words, {"contentAttachment": {"url": url}}]})
    assert stored["payload"][1]["contentAttachment"] == {"url": url, "contentType": "image/png", "size": len(PNG)}
    theirs = await sent(world, "system", binary | {"securityContext": {"reference": "Patient/ben"}})
    for url in (f"Binary/{theirs['id']}", "Binary/nowhere", "https://elsewhere.example/a.png", "Patient/anna"):
        answer = await send(world, "anna", message(payload=[words, {"contentAttachment": {"url": url}}]))
        refused(answer, 422, "Communication.payload[1].contentAttachment.url")


async def test_a_patient_uploads_a_file_into_the_own_record_as_it_is_and_attaches_it(world: httpx.AsyncClient) -> None:
    own = {"content-type": "image/png", "x-security-context": "Patient/anna"}
    uploaded = await world.post("Binary", content=PNG, headers=as_bearer("anna") | own)
    assert uploaded.status_code == 201, uploaded.text
    url = f"Binary/{uploaded.json()['id']}"
    stored = await sent(world, "anna", message(payload=[{"contentString": "See"}, {"contentAttachment": {"url": url}}]))
    assert stored["payload"][1]["contentAttachment"]["contentType"] == "image/png"
    for headers, content, status in (
        (own | {"x-security-context": "Patient/ben"}, PNG, 403),
        ({"content-type": "image/png"}, PNG, 403),
        (own, b"MZ", 422),
        (own | {"content-type": "application/x-msdownload"}, PNG, 422),
    ):
        answer = await world.post("Binary", content=content, headers=as_bearer("anna") | headers)
        assert answer.status_code == status, (headers, answer.text)


@pytest.mark.parametrize("parameter", ["\rX-Evil: 1", " name=☃", "\tx"])
async def test_what_stands_behind_a_media_type_is_no_header_of_its_own(
    world: httpx.AsyncClient, parameter: str
) -> None:
    binary = {
        "resourceType": "Binary",
        "contentType": f"image/png;{parameter}",
        "securityContext": {"reference": "Patient/anna"},
        "data": base64.b64encode(PNG).decode(),
    }
    uploaded = await sent(world, "anna", binary)
    accept = {"accept": "application/octet-stream"}
    answer = await world.get(f"Binary/{uploaded['id']}", headers=as_bearer("anna") | accept)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/octet-stream")
    assert answer.content == PNG


async def test_no_file_hides_outside_the_payload(world: httpx.AsyncClient) -> None:
    extension = {"url": "http://x", "valueAttachment": {"contentType": "text/html", "data": "PGgxPg=="}}
    for hidden in (
        {"extension": [extension]},
        {"topic": {"text": "x", "extension": [extension]}},
        {"note": [{"text": "x", "extension": [{"url": "http://x", "valueBase64Binary": "QUJD"}]}]},
    ):
        assert (await send(world, "anna", message(**hidden))).status_code == 422


def word(*names: str, content: bytes = b"<w/>") -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in ("[Content_Types].xml", "word/document.xml", *names):
            packed.writestr(name, content)
    return written.getvalue()


DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
BAD_FILES = [
    (b"MZ\x90\x00" + PDF, "application/pdf"),
    (PNG, "application/pdf"),
    (PDF, "image/png"),
    (PDF, "application/x-msdownload"),
    (b"<script>alert(1)</script>", "text/html"),
    (b"<script>alert(1)</script>", "text/plain"),
    (b"%PDF-1.4 /OpenAction << /S /JavaScript >>", "application/pdf"),
    (b"%PDF-1.4 /Open#41ction /#4aavaScript", "application/pdf"),
    (b"PK\x03\x04 not a zip", DOCX),
    (word("word/vbaProject.bin"), DOCX),
    (word("word/embeddings/oleObject1.docx"), DOCX),
    (word("run.exe"), DOCX),
    (word(content=b"application/vnd.ms-word.document.macroEnabled.main+xml"), DOCX),
    (word(*(f"word/{number}.xml" for number in range(600))), DOCX),
    (word("word/big.xml", content=b"0" * 40_000_000), DOCX),
]


@pytest.mark.parametrize(("content", "type"), BAD_FILES)
async def test_a_wrong_kind_of_file_behind_a_right_name_is_refused(
    world: httpx.AsyncClient, content: bytes, type: str
) -> None:
    answer = await send(world, "anna", message(payload=[{"contentString": "See"}, attached(content, type)]))
    assert answer.status_code == 422, answer.text
    assert answer.json()["issue"][0]["expression"][0].startswith("Communication.payload[1].contentAttachment")


async def test_a_plain_word_document_is_taken(world: httpx.AsyncClient) -> None:
    content = word("word/styles.xml", "_rels/.rels", "docProps/app.xml")
    await sent(world, "anna", message(payload=[{"contentString": "See"}, attached(content, DOCX)]))


MB = 1024 * 1024


@pytest.mark.parametrize(
    "sizes", [[10] * 5, [6 * MB + 1], [5 * MB, 5 * MB, 10]], ids=["a fifth file", "over 6 MB", "over 10 MB together"]
)
async def test_more_or_larger_files_than_a_message_takes_are_refused(
    world: httpx.AsyncClient, sizes: list[int]
) -> None:
    files = [attached(b"%PDF-1.4" + b" " * (size - 8 if size > 8 else 2)) for size in sizes]
    answer = await send(world, "anna", message(payload=[{"contentString": "See"}, *files]))
    assert answer.status_code in (413, 422), answer.text
    if answer.status_code == 422:
        assert answer.json()["issue"][0]["details"]["coding"][1]["code"] == "attachment-limit"


async def test_four_files_of_ten_mb_together_are_taken(world: httpx.AsyncClient) -> None:
    files = [attached(b"%PDF-1.4" + b" " * (MB * 10 // 4 - 8)) for _ in range(4)]
    await sent(world, "anna", message(payload=[{"contentString": "See"}, *files]))


ODD_PAYLOADS = [
    {"contentString": "x", "extension": [{"url": "http://x", "valueString": "hidden"}]},
    {"_contentString": {"extension": [{"url": "http://x", "valueString": "hidden"}]}},
    {"contentReference": {"reference": "Binary/b1"}},
    {"contentReference": {"reference": "https://elsewhere.example/x"}},
    {"contentAttachment": {"url": "Binary/b1", "_title": {"extension": [{"url": "http://x", "valueString": "y"}]}}},
    {"contentAttachment": {"data": "QUJD", "url": "Binary/b1"}},
    {"contentAttachment": {}},
]


@pytest.mark.parametrize("payload", ODD_PAYLOADS)
async def test_a_message_holds_text_and_files_that_were_looked_at_and_nothing_else(
    world: httpx.AsyncClient, payload: Resource
) -> None:
    answer = await send(world, "anna", message(payload=[{"contentString": "See"}, payload]))
    assert answer.status_code in (400, 422), answer.text
