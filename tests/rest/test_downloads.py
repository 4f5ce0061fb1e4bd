"""What holds for every way of taking a record along: withheld numbers, deleted patients, noise in texts, many at once.

docs/adr/0036-downloads.md
"""

import asyncio
from collections.abc import AsyncIterator
from io import BytesIO

import pytest
import pytest_asyncio
from pypdf import PdfReader

from fhir_server.interactions import delete
from fhir_server.interactions.context import RequestContext
from fhir_server.policy import Sight
from tests.rest.charts import chart, charts, operate, patient, refused, system
from tests.rest.in_process import put
from tests.steps import counted

SSN = "900-12-3456"
PATHS = ("$everything", "$summary", "$record-pdf", "$ccd")


@pytest_asyncio.fixture(scope="module")
async def context(mongodb_uri: str) -> AsyncIterator[RequestContext]:
    async with charts(mongodb_uri, "test_downloads") as context:
        number = {"system": "http://hl7.org/fhir/sid/us-ssn", "value": SSN}
        await put(context, chart("anna")[0] | {"identifier": [number]})
        await put(context, {"resourceType": "Patient", "id": "gone"})
        await delete.delete(context, "Patient", "gone")
        yield context


async def told(context: RequestContext, sight: Sight, path: str) -> str:
    """All text of an answer."""
    answer = await operate(context, sight, path)
    assert answer.body is not None
    if answer.media_type == "application/pdf":
        return " ".join(page.extract_text() for page in PdfReader(BytesIO(answer.body)).pages)
    return answer.body.decode()


@pytest.mark.parametrize("path", PATHS)
async def test_a_social_security_number_is_told_to_those_alone_who_may_see_it(
    context: RequestContext, path: str
) -> None:
    for sight in (patient(), system()):
        assert SSN not in await told(context, sight, f"Patient/anna/{path}")
    if path != "$ccd":
        assert SSN in await told(context, system(may_see_ssn=True), f"Patient/anna/{path}")


@pytest.mark.parametrize("path", PATHS)
async def test_a_deleted_patient_is_gone_to_its_owner_and_never_was_to_others(
    context: RequestContext, path: str
) -> None:
    assert (await refused(context, patient("gone"), f"Patient/gone/{path}")).status == 410
    assert (await refused(context, patient("anna"), f"Patient/gone/{path}")).status == 404


@pytest.mark.parametrize("path", PATHS)
async def test_a_record_of_nothing_but_a_patient_can_be_taken_along(context: RequestContext, path: str) -> None:
    await put(context, {"resourceType": "Patient", "id": "bare"})
    assert await told(context, patient("bare"), f"Patient/bare/{path}")


@pytest.mark.parametrize("path", PATHS)
async def test_text_of_any_length_and_kind_does_no_harm(context: RequestContext, path: str) -> None:
    await put(
        context, {"resourceType": "Patient", "id": "loud", "name": [{"family": "\u202e\t\ufffe<b>&amp;" * 5_000}]}
    )
    condition = chart("loud")[2]
    await put(context, condition | {"code": {"text": "]]><!--\u200b" + "w" * 100_000}})
    assert await told(context, patient("loud"), f"Patient/loud/{path}")


async def test_what_a_resource_contains_is_found_in_linear_time(context: RequestContext) -> None:
    # Where each of them was looked for among all, 6,000 took 20 s.
    few, many = [await steps_of_contained(context, count) for count in (200, 800)]
    assert many < 5 * few


async def steps_of_contained(context: RequestContext, count: int) -> int:
    """The steps of drawing a record in which one resource contains so many, each named twice."""
    inside = [{"resourceType": "Practitioner", "id": f"p{each}", "name": [{"family": "X"}]} for each in range(count)]
    document = {
        "resourceType": "DocumentReference",
        "id": "crowd-document",
        "status": "current",
        "subject": {"reference": "Patient/crowd"},
        "contained": inside,
        "author": [{"reference": f"#p{each}"} for each in reversed(range(count))] * 2,
        "content": [{"attachment": {"title": "X"}}],
    }
    await put(context, {"resourceType": "Patient", "id": "crowd"})
    await put(context, document)
    with counted() as steps:
        answer = await operate(context, patient("crowd"), "Patient/crowd/$record-pdf")
    assert answer.body is not None
    assert "X; X; X" in " ".join(page.extract_text() for page in PdfReader(BytesIO(answer.body)).pages)
    return steps.count


@pytest.mark.parametrize("path", PATHS)
async def test_a_device_whose_name_is_not_known_does_no_harm(context: RequestContext, path: str) -> None:
    absent = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}
    nameless = {"_name": {"extension": [absent]}, "type": "other"}
    mine = {"reference": "Patient/worn"}
    await put(context, {"resourceType": "Patient", "id": "worn"})
    await put(context, {"resourceType": "Device", "id": "worn-d", "patient": mine, "deviceName": [nameless]})
    use = {"resourceType": "DeviceUseStatement", "id": "worn-u", "status": "active", "subject": mine}
    await put(context, use | {"device": {"reference": "Device/worn-d"}})
    assert await told(context, patient("worn"), f"Patient/worn/{path}")


async def test_many_documents_are_made_at_the_same_time(context: RequestContext) -> None:
    asked = [told(context, patient(id), f"Patient/{id}/$record-pdf") for id in ("anna", "ben") * 6]
    for id, text in zip(("anna", "ben") * 6, await asyncio.gather(*asked), strict=True):
        assert f"Łukasiewicz-{id}" in text


async def test_a_record_too_large_for_a_document_is_said_to_be(
    context: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fhir_server.operations.chart_of.MOST", 5)
    for path in PATHS[1:]:
        error = await refused(context, patient(), f"Patient/anna/{path}")
        assert (error.status, error.issues[0].number) == (400, 6180)
        assert "$everything" in error.issues[0].text


async def test_who_may_read_but_not_search_gets_themselves_and_no_more(context: RequestContext) -> None:
    text = await told(context, patient("anna", "patient/*.r"), "Patient/anna/$everything")
    assert '"total":1' in text and "Condition" not in text
