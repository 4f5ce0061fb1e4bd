"""Patient/$summary is a document that stands by itself, and says what it does not know.

https://hl7.org/fhir/uv/ips/StructureDefinition-Bundle-uv-ips.html
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from lxml import etree

from fhir_server.interactions.bundle_references import references
from fhir_server.interactions.context import RequestContext
from fhir_server.validation.validate import validate
from tests.rest.charts import bundle, caller, charts, clinician, parent, patient, refused, system
from tests.rest.in_process import put

SUMMARY = "Patient/anna/$summary"
REQUIRED = {"10160-0", "48765-2", "11450-4"}


@pytest_asyncio.fixture(scope="module")
async def context(mongodb_uri: str) -> AsyncIterator[RequestContext]:
    async with charts(mongodb_uri, "test_patient_summary") as context:
        yield context


def sections(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = document["entry"][0]["resource"]["section"]
    return {each["code"]["coding"][0]["code"]: each for each in found}


def titles(document: dict[str, Any], code: str) -> set[str]:
    """The ids of the entries of a section."""
    by_url = {entry["fullUrl"]: entry["resource"] for entry in document["entry"]}
    return {by_url[each["reference"]]["id"] for each in sections(document)[code].get("entry", ())}


def assert_closed(document: dict[str, Any]) -> None:
    """Every reference leads to an entry, every id of which there is one."""
    urls = [entry["fullUrl"] for entry in document["entry"]]
    assert len(urls) == len(set(urls))
    for entry in document["entry"]:
        for text in references(entry["resource"]):
            assert text in urls or text.startswith("#"), text


async def test_it_is_a_valid_document_whose_every_reference_leads_into_it(context: RequestContext) -> None:
    document = await bundle(context, patient(), SUMMARY)
    assert (document["type"], document["entry"][0]["resource"]["resourceType"]) == ("document", "Composition")
    assert document["identifier"]["value"].startswith("urn:uuid:") and document["timestamp"]
    assert document["entry"][0]["resource"]["type"]["coding"][0]["code"] == "60591-5"
    assert_closed(document)
    errors = [each for each in validate(document, "Bundle") if each.severity in ("error", "fatal")]
    assert errors == []


async def test_it_holds_what_is_so_now_and_nothing_that_is_over_or_a_mistake(context: RequestContext) -> None:
    document = await bundle(context, patient(), SUMMARY)
    assert sections(document).keys() >= REQUIRED
    assert titles(document, "11450-4") == {"anna-asthma"}
    assert titles(document, "48765-2") == {"anna-peanut"}
    assert titles(document, "10160-0") == {"anna-salbutamol"}
    assert titles(document, "11369-6") == {"anna-flu"}
    assert titles(document, "30954-2") == {"anna-glucose", "anna-teen", "anna-secret"}
    assert titles(document, "8716-3") == {"anna-weight"}
    assert titles(document, "29762-2") == {"anna-smoking"}
    assert titles(document, "47519-4") == {"anna-spirometry"}
    kinds = {entry["resource"]["resourceType"] for entry in document["entry"]}
    assert {"Medication", "Practitioner", "PractitionerRole", "Organization"} <= kinds


async def test_what_is_left_out_is_named_in_words(context: RequestContext) -> None:
    document = await bundle(context, patient(), SUMMARY)
    (asthma,) = [each["resource"] for each in document["entry"] if each["resource"]["id"] == "anna-asthma"]
    assert asthma["encounter"] == {"display": "The visit"}


async def test_narratives_are_well_formed_and_escape_what_people_wrote(context: RequestContext) -> None:
    document = await bundle(context, patient(), SUMMARY)
    composition = document["entry"][0]["resource"]
    for each in (composition, *composition["section"]):
        root = etree.fromstring(each["text"]["div"])
        assert not root.xpath("//*[local-name()='script']")
    allergies = sections(document)["48765-2"]["text"]["div"]
    assert "<script" not in allergies and "&lt;script&gt;" in allergies
    assert "Salbutamol" in sections(document)["10160-0"]["text"]["div"]
    assert "Łukasiewicz-anna" in composition["title"]
    assert "Synthetic" in composition["text"]["div"]


async def test_an_empty_section_never_says_that_there_is_nothing(context: RequestContext) -> None:
    narrow = await bundle(context, patient("anna", ["patient/Patient.rs", "patient/Condition.rs"][0]), SUMMARY)
    for code in REQUIRED:
        section = sections(narrow)[code]
        assert section["emptyReason"]["coding"][0]["code"] == "withheld"
        assert "entry" not in section
    assert "No known" not in str(narrow) and "nilknown" not in str(narrow)
    assert_closed(narrow)


async def test_a_section_of_which_all_is_seen_says_that_nothing_is_recorded(context: RequestContext) -> None:
    await put(context, {"resourceType": "Patient", "id": "new", "name": [{"family": "New"}]})
    document = await bundle(context, patient("new"), "Patient/new/$summary")
    assert sections(document)["48765-2"]["emptyReason"]["coding"][0]["code"] == "unavailable"
    # Who sees no restricted rows cannot be told that there are none.
    by_clinician = await bundle(context, clinician("new"), "Patient/new/$summary")
    assert sections(by_clinician)["48765-2"]["emptyReason"]["coding"][0]["code"] == "withheld"


async def test_each_caller_gets_what_they_may_see(context: RequestContext) -> None:
    assert titles(await bundle(context, parent(), SUMMARY), "30954-2") == {"anna-glucose", "anna-secret"}
    by_clinician = await bundle(context, clinician("anna"), SUMMARY)
    assert titles(by_clinician, "30954-2") == {"anna-glucose", "anna-teen"}
    assert by_clinician["entry"][0]["resource"]["confidentiality"] == "N"
    assert (await bundle(context, patient(), SUMMARY))["entry"][0]["resource"]["confidentiality"] == "R"
    laboratory = "http://terminology.hl7.org/CodeSystem/observation-category|laboratory"
    granular = patient("anna", "patient/Patient.rs", f"patient/Observation.rs?category={laboratory}")
    assert set(sections(await bundle(context, granular, SUMMARY))) == REQUIRED | {"30954-2"}
    assert titles(await bundle(context, system(), SUMMARY), "30954-2") == {"anna-glucose", "anna-teen"}


async def test_others_are_refused(context: RequestContext) -> None:
    for sight in (patient("ben"), clinician("ben"), clinician()):
        assert (await refused(context, sight, SUMMARY)).status == 404
    for sight in (patient("anna", acr="level1"), caller("patient", "patient/Condition.rs", patients=("anna",))):
        assert (await refused(context, sight, SUMMARY)).status == 403


async def test_another_profile_is_refused_and_its_own_is_not(context: RequestContext) -> None:
    profile = "http://hl7.org/fhir/uv/ips/StructureDefinition/Bundle-uv-ips"
    assert (await bundle(context, patient(), SUMMARY, ("profile", profile)))["type"] == "document"
    error = await refused(context, patient(), SUMMARY, ("profile", "http://example.org/other"))
    assert (error.status, error.issues[0].expression) == (400, "profile")
