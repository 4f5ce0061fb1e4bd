"""Patient/$record-pdf is a document that people can read, copy from and jump through, of what its caller may see."""

import asyncio
import subprocess
from base64 import b64decode
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import httpx
import pytest_asyncio
from pypdf import PdfReader

from fhir_server.core.codec import encode
from fhir_server.interactions.context import RequestContext
from fhir_server.validation.validate import validate
from smart_auth.access import AccessContext
from tests.require import require
from tests.rest.access import as_bearer, guarded
from tests.rest.charts import SHARED, chart, charts, clinician, operate, parent, patient, refused, system
from tests.rest.narrowing import scope

PDF = "Patient/anna/$record-pdf"


@pytest_asyncio.fixture(scope="module")
async def context(mongodb_uri: str) -> AsyncIterator[RequestContext]:
    async with charts(mongodb_uri, "test_pdf_record") as context:
        yield context


def text_of(body: bytes | None) -> str:
    """The text of all pages, in one line."""
    assert body is not None
    return " ".join(" ".join(page.extract_text() for page in PdfReader(BytesIO(body)).pages).split())


async def test_it_tells_who_what_when_and_whose_word_it_is(context: RequestContext) -> None:
    answer = await operate(context, patient(), PDF)
    assert answer.media_type == "application/pdf"
    text = text_of(answer.body)
    for each in (
        "Zoé",
        "Łukasiewicz-anna",
        "1970-02-03",
        "Asthma",
        "Source: va.example.org",
        "Common cold",
        "Status: resolved",
        "Peanut <script>alert(1)</script> ]]> & \"quoted\" 'so'",
        "Salbutamol",
        "2 puffs when needed",
        "Influenza",
        "95.0 mg/dL",
        "70.5 kg",
        "Spirometry",
        "Progress note",
        "Synthetic test data",
        "Page 1",
    ):
        assert each in text, each
    assert "infarction" not in text


async def test_a_letter_without_a_glyph_is_seen_to_be_missing(context: RequestContext) -> None:
    assert "Never smoked [U+65E5][U+672C]" in text_of((await operate(context, patient(), PDF)).body)


async def test_it_has_a_title_a_language_and_an_outline(context: RequestContext) -> None:
    reader = PdfReader(BytesIO((await operate(context, patient(), PDF)).body or b""))
    assert reader.metadata is not None and (reader.metadata.title or "").startswith("Health record of Zoé")
    assert str(reader.root_object["/Lang"]) == "en-US"
    titles = str(reader.outline)
    assert "Problems (2)" in titles and "Immunizations (1)" in titles


async def test_the_text_comes_out_with_another_program_too(context: RequestContext, tmp_path: Path) -> None:
    tool = require("pdftotext")
    path = tmp_path / "record.pdf"
    path.write_bytes((await operate(context, patient(), PDF)).body or b"")
    ended = await asyncio.to_thread(subprocess.run, [tool, str(path), "-"], capture_output=True, check=True)
    found = ended.stdout.decode()
    assert "Łukasiewicz-anna" in found and "Spirometry" in found


async def test_each_caller_gets_what_they_may_see(context: RequestContext) -> None:
    whole = text_of((await operate(context, patient(), PDF)).body)
    assert "hidden from parents" in whole and "hidden as restricted" in whole
    assert "hidden from parents" not in text_of((await operate(context, parent(), PDF)).body)
    for sight in (clinician("anna"), system()):
        assert "hidden as restricted" not in text_of((await operate(context, sight, PDF)).body)
    narrow = text_of((await operate(context, patient("anna", "patient/Patient.rs"), PDF)).body)
    assert "Asthma" not in narrow and "More may be recorded" in narrow
    for sight in (patient("ben"), clinician("ben")):
        assert (await refused(context, sight, PDF)).status == 404
    assert (await refused(context, patient("anna", acr="level1"), PDF)).status == 403


async def test_it_is_fetched_as_a_file_or_as_a_binary_and_noted_as_an_export(
    mongodb_uri: str, database_name: str
) -> None:
    bearers = {
        "anna": AccessContext(
            "account-a", "portal", "patient", (scope("patient/*.rs"),), patients=("anna",), patient="anna"
        ),
        "admin": AccessContext("root", "console", "admin", (scope("user/*.cruds"),)),
    }
    async with guarded(mongodb_uri, database_name, bearers) as client:
        for each in (*SHARED, *chart("anna")):
            put = await client.put(
                f"{each['resourceType']}/{each['id']}",
                content=encode(each),
                headers=as_bearer("admin") | {"content-type": "application/fhir+json"},
            )
            assert put.status_code == 201, put.text
        for accept in ("application/pdf", "*/*", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"):
            file = await client.get(PDF, headers=as_bearer("anna") | {"accept": accept})
            assert (file.status_code, file.headers["content-type"]) == (200, "application/pdf"), accept
            assert file.headers["content-disposition"].startswith("attachment")
            assert file.headers["cache-control"] == "no-store"
            assert file.content.startswith(b"%PDF-")
        binary = await client.get(PDF, headers=as_bearer("anna") | {"accept": "application/fhir+json"})
        assert binary.headers["content-type"].startswith("application/fhir+json")
        assert b64decode(binary.json()["data"]).startswith(b"%PDF-")
        entry = {"request": {"method": "GET", "url": PDF}}
        batch = {"resourceType": "Bundle", "type": "batch", "entry": [entry]}
        answered = await client.post("", json=batch, headers=as_bearer("anna"))
        assert answered.json()["entry"][0]["resource"]["contentType"] == "application/pdf", answered.text
        for accept in ("image/png", "application/xml"):
            refused = await client.get(PDF, headers=as_bearer("anna") | {"accept": accept})
            assert refused.status_code == 406
        missing = await client.get("Patient/x/$record-pdf", headers=as_bearer("anna") | {"accept": "application/pdf"})
        assert (missing.status_code, missing.json()["resourceType"]) == (404, "OperationOutcome")
        await exports_are_found(client)


async def exports_are_found(client: httpx.AsyncClient) -> None:
    """The patient's own report tells exports from all else."""
    dicom = "http://dicom.nema.org/resources/ontology/DCM|110106"
    events = await client.get(f"AuditEvent?patient=anna&type={dicom}", headers=as_bearer("anna"))
    found = [entry["resource"] for entry in events.json()["entry"] if entry["search"]["mode"] == "match"]
    assert len(found) == 5
    for each in found:
        assert each["action"] == "R" and each["outcome"] == "0"
        assert [one["code"] for one in each["subtype"]] == ["operation", "record-pdf"]
        assert [one for one in validate(each, "AuditEvent") if one.severity == "error"] == []
    by_code = await client.get("AuditEvent?patient=anna&subtype=record-pdf", headers=as_bearer("anna"))
    assert len(by_code.json()["entry"]) == 5
    others = await client.get("AuditEvent?patient=anna&subtype=summary", headers=as_bearer("anna"))
    assert others.json().get("entry", []) == []
